use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use backup::encryption;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::context::Context;
use crate::error::{Result, io};

/// `dbm keys`
#[derive(Debug, Args)]
#[command(
    after_help = "Archives are encrypted for the recipient by whoever has it, and opened by the identity alone, with
dbm or with `age -d -i identity.txt`. Keep the identity where the backups are not, and twice.

Example:
  dbm keys generate --into keys"
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
}

impl Keys {
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        let Action::Generate { into } = &self.action;
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
}

/// Writes a file that nobody else reads; one that is there is never written over.
fn write_new(path: &Path, text: &str) -> Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(io("make", path))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io("write", path))
}
