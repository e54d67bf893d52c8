use backup::catalogue::{self, Backup, State};
use backup::store::Sidecar;
use chrono::Utc;
use clap::Args;
use database::Database;
use serde_json::json;

use crate::context::Context;
use crate::error::Result;
use crate::output;

/// `dbm backups`
#[derive(Debug, Args)]
#[command(
    after_help = "It reads the small files beside the archives and needs no database. With --of-this, only the
archives of the very database that the URL names.

Examples:
  dbm backups
  dbm backups --of-this --json"
)]
pub(crate) struct Backups {
    /// Only those of the database that the URL names
    #[arg(long)]
    of_this: bool,
}

impl Backups {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let sources = match self.of_this {
            true => Some(Database::new(context.url_to_make()?)?.sources().await?),
            false => None,
        };
        let stores = context.stores()?;
        let several = stores.len() > 1;
        let (mut entries, mut text) = (Vec::new(), String::new());
        for store in &stores {
            let mut all = catalogue::list(&**store).await?;
            if let Some(sources) = &sources {
                all.retain(|backup| backup.source().is_some_and(|source| sources.contains(source)));
            }
            let described = store.describe();
            let rows: Vec<_> = all.iter().map(row).collect();
            if rows.is_empty() {
                text.push_str(&format!("no archive is in {described}\n"));
            } else if several {
                text.push_str(&format!("{described}\n{}", output::columns(&rows)));
            } else {
                text.push_str(&output::columns(&rows));
            }
            for backup in all {
                let mut entry = json!(backup);
                entry["store"] = json!(described);
                entries.push(entry);
            }
        }
        let stores: Vec<_> = stores.iter().map(|store| store.describe()).collect();
        let document = json!({
            "command": "backups",
            "store": stores.join(", "),
            "stores": stores,
            "backups": entries,
        });
        context.output.answer(&document, &text);
        Ok(())
    }
}

/// What is told of one archive, in columns.
fn row(backup: &Backup) -> Vec<String> {
    let state = match &backup.state {
        State::Good if backup.is_ahead(Utc::now()) => {
            "good, but its time has not come: a clock was wrong; never `latest`".to_owned()
        }
        State::Good => "good".to_owned(),
        State::Partial => "partial: something was left out on request".to_owned(),
        State::Unfinished => "unfinished: made while a run was open".to_owned(),
        State::Unknown(why) => format!("unknown: {why}"),
    };
    let sidecar = backup.sidecar.as_ref();
    let pinned = sidecar.and_then(|sidecar| sidecar.pin.as_ref());
    let pinned = pinned.map_or(String::new(), |why| format!(", pinned: {why}"));
    vec![
        backup.file.clone(),
        backup.time().map_or_else(|| "-".to_owned(), output::moment),
        output::bytes(backup.bytes),
        sidecar.map_or("-".to_owned(), |sidecar| output::plural(sidecar.rows, "row")),
        sidecar.map_or("-".to_owned(), tried),
        format!("{state}{pinned}"),
    ]
}

/// When it was last restored and compared, else when its bytes were last read back.
fn tried(sidecar: &Sidecar) -> String {
    match (sidecar.last_proven, sidecar.last_verified) {
        (Some(proven), _) => format!("proven {}", output::moment(proven)),
        (None, Some(verified)) => format!("verified {}", output::moment(verified)),
        (None, None) => "never verified".to_owned(),
    }
}
