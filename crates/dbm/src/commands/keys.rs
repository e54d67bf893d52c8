use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use backup::ErrorKind;
use backup::encryption;
use backup::store::Store as _;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::context::Context;
use crate::error::{CommandError, Meaning, Result, io};
use crate::output;

/// `dbm keys`
#[derive(Debug, Args)]
#[command(
    after_help = "Archives are encrypted for the recipient by whoever has it, and opened by the identity alone, with
dbm or with `age -d -i identity.txt`. Keep the identity where the backups are not, and twice.

Examples:
  dbm keys generate --into keys
  dbm keys sign --identity-file identity.txt       after mac_key_file was added to a store with archives"
)]
pub(crate) struct Keys {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write identity.txt and mac.key, and print the recipient
    Generate {
        /// The folder for them
        #[arg(long, value_name = "FOLDER", default_value = ".")]
        into: PathBuf,
    },
    /// Authenticate what lies beside encrypted archives from before there was a mac_key_file
    Sign,
}

impl Keys {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        match &self.action {
            Action::Generate { into } => generate(context, into),
            Action::Sign => sign(context).await,
        }
    }
}

/// Each by what the archive itself says, which takes the identity.
async fn sign(context: &Context) -> Result<()> {
    let (mut signed, mut refused) = (Vec::new(), Vec::new());
    for store in context.configuration.store_names() {
        let store = context.encrypted_store(&store)?;
        for name in store.list().await?.into_iter().filter_map(|listed| listed.name) {
            match store.vouch(&name).await {
                Ok(true) => signed.push(name.to_string()),
                Ok(false) => {}
                Err(error) if error.kind() == ErrorKind::Usage => return Err(error.into()),
                Err(error) => refused.push((name.to_string(), error.to_string())),
            }
        }
    }
    let not: Vec<_> = refused.iter().map(|(file, why)| json!({ "archive": file, "why": why })).collect();
    let document = json!({ "command": "keys", "signed": signed, "refused": not });
    let mut text = format!("{} authenticated\n", output::plural(signed.len() as u64, "archive"));
    for (file, why) in &refused {
        text.push_str(&format!("  not {file}: {why}\n"));
    }
    context.output.report(&document, &text);
    match refused.is_empty() {
        true => Ok(()),
        false => Err(CommandError::reported(Meaning::Failed, "not everything could be authenticated")),
    }
}

fn generate(context: &Context, into: &Path) -> Result<()> {
    std::fs::create_dir_all(into).map_err(io("make the folder", into))?;
    let made = encryption::generate();
    let (identity, mac) = (into.join("identity.txt"), into.join("mac.key"));
    write_new(&identity, &made.identity)?;
    write_new(&mac, &format!("{}\n", made.mac_key))?;
    let document = json!({
        "command": "keys",
        "recipient": made.recipient,
        "identity_file": identity,
        "mac_key_file": mac,
    });
    let text = format!(
        "{}\n\nIn dbm.toml of the machines that make backups:\n  recipients = \"{}\"\n  mac_key_file = \"{}\"\n\
         Where archives are restored and proven, besides:\n  identity_file = \"{}\"\n",
        made.recipient,
        made.recipient,
        mac.display(),
        identity.display()
    );
    context.output.answer(&document, &text);
    Ok(())
}

/// Writes a file that nobody else reads; one that is there is never written over.
fn write_new(path: &Path, text: &str) -> Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(io("make", path))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io("write", path))
}
