use backup::archive::Archive;
use backup::restore::RestoreOptions;
use backup::store::Store;
use backup::verify;
use clap::Args;
use database::Database;
use helpers::naming::BackupName;
use serde_json::json;

use super::named;
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::output;
use crate::progress::Shown;

/// `dbm verify`
#[derive(Debug, Args)]
#[command(
    after_help = "Every byte is covered by a hash. --deep also restores the archive into a scratch database on the server
that the URL names (or a temporary file), compares the digest of every table, and drops it.

Examples:
  dbm verify latest
  dbm verify shop_20261121T013400Z.sql.zst --deep"
)]
pub(crate) struct Verify {
    /// The archive: its name, a beginning that only it has, latest, latest~1, before:2026-11-01
    #[arg(value_name = "NAME")]
    name: String,
    /// Restore it on the side and compare every table
    #[arg(long)]
    deep: bool,
    /// Act as this role, of which the account is a member
    #[arg(long, value_name = "ROLE", requires = "deep")]
    role: Option<String>,
}

impl Verify {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let store = context.store()?;
        let name = named::find(context, &*store, &self.name).await?.name()?;
        if name.encrypted && !context.keys()?.opens() {
            return self.stored(context, &*store, &name).await;
        }
        let audit = match self.deep {
            true => Some(context.audit(&context.url()?)?),
            false => None,
        };
        if let Some(audit) = &audit {
            audit.start();
        }
        let done = self.check(context, &*store, &name).await.map_err(|error| {
            match error.hints.is_empty() && !context.cancel.is_cancelled() {
                true => error.hint("`dbm backups` lists the others; take a new one with `dbm backup`"),
                false => error,
            }
        });
        if let Some(audit) = &audit {
            audit.finish(&done, json!({ "archive": name.to_string() }));
        }
        let archive = done?;
        let index = archive.index();
        let rows = index.rows();
        let document = json!({
            "command": "verify",
            "archive": name.to_string(),
            "identity": archive.identity(),
            "bytes": archive.bytes(),
            "parts": index.parts.len(),
            "tables": index.tables.len(),
            "rows": rows,
            "deep": self.deep,
        });
        let checked = format!(
            "{name} is whole: {} in {}, {}",
            output::bytes(archive.bytes()),
            output::plural(index.parts.len() as u64, "part"),
            output::plural(rows, "row")
        );
        let proven = match self.deep {
            true => "\nit was restored on the side, and every table has the rows that the index says\n",
            false => "\n",
        };
        context.output.answer(&document, &(checked + proven));
        Ok(())
    }

    /// Without a key: whether the bytes are still those that were written.
    async fn stored(&self, context: &Context, store: &dyn Store, name: &BackupName) -> Result<()> {
        if self.deep {
            return Err(CommandError::failed(format!(
                "{name} is encrypted, and no identity is given to open it"
            ))
            .hint("give it with `--identity-file FILE`, or work where it is"));
        }
        let bytes = verify::stored(store, name, &context.cancel).await?;
        let document = json!({
            "command": "verify",
            "archive": name.to_string(),
            "bytes": bytes,
            "deep": false,
            "stored_bytes_only": true,
        });
        let text = format!(
            "the {} of {name} are those that were written; that it can be opened and restored is proven only where \
             its identity is\n",
            output::bytes(bytes)
        );
        context.output.answer(&document, &text);
        Ok(())
    }

    async fn check(&self, context: &Context, store: &dyn Store, name: &BackupName) -> Result<Archive> {
        let database =
            if self.deep { Some(Database::new(context.url_as(self.role.as_deref())?)?) } else { None };
        let options = RestoreOptions {
            jobs: context.jobs()?,
            cancel: context.cancel.clone(),
            ..RestoreOptions::default()
        };
        let progress = Shown::new(&context.output);
        let verified = verify::verify(store, name, database.as_ref(), &options, &*progress).await?;
        if let Some(error) = verified.not_noted {
            context.output.warn(&format!("that it was checked could not be noted beside it: {error}"));
        }
        Ok(verified.archive)
    }
}
