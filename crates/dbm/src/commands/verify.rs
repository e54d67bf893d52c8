use backup::restore::RestoreOptions;
use backup::store::Store;
use backup::verify::{self, Verified};
use clap::Args;
use database::Database;
use helpers::naming::BackupName;
use serde_json::{Value, json};

use super::named;
use crate::configuration::Flags;
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::notify::{Notifier, Told};
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
    /// Write Prometheus metrics into this text file
    #[arg(long, value_name = "FILE")]
    metrics: Option<String>,
    /// Act as this role, of which the account is a member
    #[arg(long, value_name = "ROLE", requires = "deep")]
    role: Option<String>,
}

impl Verify {
    /// What of it belongs to the configuration.
    pub(crate) fn add_flags(&self, flags: &mut Flags) {
        if let Some(file) = &self.metrics {
            flags.insert("metrics", file.clone());
        }
    }

    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let notifier = Notifier::of_verify(context)?;
        let told = self.make(context, &notifier).await;
        notifier.end(told.as_ref()).await;
        told.map(drop)
    }

    async fn make(&self, context: &Context, notifier: &Notifier<'_>) -> Result<Told> {
        let (backup, stores) = named::everywhere(context, &self.name).await?;
        let database = backup.sidecar.as_ref().map(|sidecar| sidecar.database.clone());
        let name = backup.name()?;
        let described: Vec<_> = stores.iter().map(|store| store.describe()).collect();
        if name.encrypted && !context.keys()?.opens() {
            notifier.begin().await;
            let document = self.stored(context, &stores, &name).await?;
            return Ok(Told { database, ..Told::new(document) });
        }
        let audit = match self.deep {
            true => Some(context.audit(&context.url_to_make()?)?),
            false => None,
        };
        if let Some(audit) = &audit {
            audit.start();
        }
        notifier.begin().await;
        let done = async {
            let (mut archive, mut failed) = (None, None);
            // Each store's copy is its own: one that is damaged says nothing of the others.
            for store in &stores {
                match self.check(context, &**store, &name).await {
                    Ok(checked) => archive = Some(checked),
                    Err(error) => {
                        if stores.len() > 1 {
                            context.output.warn(&format!(
                                "{}: {}",
                                store.describe(),
                                error.chain().join(": ")
                            ));
                        }
                        failed.get_or_insert(error);
                    }
                }
            }
            match (failed, archive) {
                (None, Some(archive)) => Ok(archive),
                (Some(error), _) if error.hints.is_empty() && !context.cancel.is_cancelled() => {
                    Err(error.hint("`dbm backups` lists the others; take a new one with `dbm backup`"))
                }
                (Some(error), _) => Err(error),
                (None, None) => Err(CommandError::failed(format!("no store has {name}"))),
            }
        };
        let done: Result<Verified> = done.await;
        if let Some(audit) = &audit {
            audit.finish(&done, json!({ "archive": name.to_string() }));
        }
        let Verified { archive, remade, .. } = done?;
        let index = archive.index();
        let rows = index.rows();
        let document = json!({
            "command": "verify",
            "archive": name.to_string(),
            "stores": described,
            "identity": archive.identity(),
            "bytes": archive.bytes(),
            "parts": index.parts.len(),
            "tables": index.tables.len(),
            "rows": rows,
            "deep": self.deep,
            "remade": remade,
        });
        let checked = format!(
            "{name} is whole{}: {} in {}, {}",
            if stores.len() > 1 { format!(" in {}", described.join(", ")) } else { String::new() },
            output::bytes(archive.bytes()),
            output::plural(index.parts.len() as u64, "part"),
            output::plural(rows, "row")
        );
        let proven = match self.deep {
            true => "\nit was restored on the side, and every table has the rows that the index says\n",
            false => "\n",
        };
        let remade: String = remade.iter().map(|one| format!("but for {one}\n")).collect();
        context.output.answer(&document, &(checked + proven + &remade));
        Ok(Told { database, ..Told::new(document) })
    }

    /// Without a key: whether the bytes are still those that were written.
    async fn stored(&self, context: &Context, stores: &[Box<dyn Store>], name: &BackupName) -> Result<Value> {
        if self.deep {
            return Err(CommandError::failed(format!(
                "{name} is encrypted, and no identity is given to open it"
            ))
            .hint("give it with `--identity-file FILE`, or work where it is"));
        }
        let mut bytes = 0;
        for store in stores {
            bytes = verify::stored(&**store, name, &context.cancel).await?;
        }
        let document = json!({
            "command": "verify",
            "archive": name.to_string(),
            "stores": stores.iter().map(|store| store.describe()).collect::<Vec<_>>(),
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
        Ok(document)
    }

    async fn check(&self, context: &Context, store: &dyn Store, name: &BackupName) -> Result<Verified> {
        let database = if self.deep {
            Some(Database::new(context.url_to_make_as(self.role.as_deref())?)?)
        } else {
            None
        };
        let options = RestoreOptions {
            jobs: context.jobs()?,
            cancel: context.cancel.clone(),
            ..RestoreOptions::default()
        };
        let progress = Shown::new(&context.output);
        let verified = verify::verify(store, name, database.as_ref(), &options, &*progress).await?;
        if let Some(error) = &verified.not_noted {
            context.output.warn(&format!("that it was checked could not be noted beside it: {error}"));
        }
        Ok(verified)
    }
}
