use clap::Args;
use database::Database;
use serde_json::json;

use crate::context::Context;
use crate::error::{CommandError, Meaning, Result};
use crate::output;

/// `dbm check`
#[derive(Debug, Args)]
#[command(
    after_help = "Numbers in sequence, every migration with its rollback; with a database, texts unchanged since they
were applied, and applied ones still in the folder. Ends with 5 if something was found.

Examples:
  dbm check
  dbm check --files       the folder alone, without a database"
)]
pub(crate) struct Check {
    /// Only the files; no database is asked
    #[arg(long)]
    files: bool,
}

impl Check {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let folder = context.folder();
        let mut open_run = None;
        let (migrations, findings) = if self.files {
            migrate::status::check(&folder, None).await?
        } else {
            let database = Database::new(context.url()?)?;
            let mut session = database.session().await?;
            let open = context.open_run(&mut *session).await?;
            context.warn_of(open.as_ref());
            open_run = open.map(|told| told.run);
            migrate::status::check(&folder, Some(&mut *session)).await?
        };
        let document = json!({
            "command": "check",
            "migrations": migrations.len(),
            "findings": findings,
            "open_run": open_run,
            "database_asked": !self.files,
        });
        let mut text = String::new();
        for finding in &findings {
            let rule = serde_json::to_value(finding.rule).unwrap_or_default();
            let rule = rule.as_str().unwrap_or_default();
            text.push_str(&format!("{rule}: {}\n  {}\n", finding.message, finding.hint));
        }
        let migrations = output::plural(migrations.len() as u64, "migration");
        if findings.is_empty() {
            text = format!("{migrations}: nothing was found\n");
        } else {
            let count = findings.len() as u64;
            text.push_str(&format!("{migrations}: {} found\n", output::plural(count, "mistake")));
        }
        context.output.answer(&document, &text);
        if findings.is_empty() {
            return Ok(());
        }
        Err(CommandError::reported(Meaning::Found, "mistakes were found"))
    }
}
