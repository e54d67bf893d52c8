use backup::catalogue::{self, State};
use chrono::SecondsFormat;
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
        let store = context.store()?;
        let mut all = catalogue::list(&*store).await?;
        if self.of_this {
            let source = Database::new(context.url()?)?.about().await?.source;
            all.retain(|backup| backup.source() == Some(&source));
        }
        let document = json!({ "command": "backups", "store": store.describe(), "backups": all });
        let mut rows = Vec::new();
        for backup in &all {
            let state = match &backup.state {
                State::Good => "good".to_owned(),
                State::Partial => "partial: something was left out on request".to_owned(),
                State::Unfinished => "unfinished: made while a run was open".to_owned(),
                State::Unknown(why) => format!("unknown: {why}"),
            };
            let sidecar = backup.sidecar.as_ref();
            let time = backup.time().map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true));
            let pinned = sidecar.and_then(|sidecar| sidecar.pin.as_ref());
            let pinned = pinned.map_or(String::new(), |why| format!(", pinned: {why}"));
            rows.push(vec![
                backup.file.clone(),
                time.unwrap_or_else(|| "-".to_owned()),
                output::bytes(backup.bytes),
                sidecar.map_or("-".to_owned(), |sidecar| output::plural(sidecar.rows, "row")),
                format!("{state}{pinned}"),
            ]);
        }
        let text = if rows.is_empty() {
            format!("no archive is in {}\n", store.describe())
        } else {
            output::columns(&rows)
        };
        context.output.answer(&document, &text);
        Ok(())
    }
}
