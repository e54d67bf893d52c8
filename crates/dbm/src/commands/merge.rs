use std::path::PathBuf;

use clap::Args;
use database::Database;
use migrate::files::{self, MergeStep};
use migrate::history;
use serde_json::json;

use crate::context::Context;
use crate::error::Result;

/// `dbm merge`
#[derive(Debug, Args)]
#[command(
    after_help = "Of two files with one number, the one that is applied keeps it, and the other gets the next free one, with
its rollback. Where `-- dbm: requires` has made two heads, a migration that joins them is written. Only files change.

Examples:
  dbm merge --dry-run
  dbm merge
  dbm merge --files --move migrations/005_mine.sql     without a database: name the one that is applied nowhere"
)]
pub(crate) struct Merge {
    /// Which file gets another number, where the database does not tell which one is applied
    #[arg(long = "move", value_name = "FILE")]
    moved: Option<PathBuf>,
    /// Ask no database what is applied
    #[arg(long)]
    files: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

impl Merge {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let history = if self.files {
            Vec::new()
        } else {
            let database = Database::new(context.url()?)?;
            history::read(&mut *database.session().await?).await?
        };
        let steps = files::plan_merge(&context.folder(), &history, self.moved.as_deref())?;
        if !self.dry_run {
            files::merge(&steps)?;
        }
        let text = match steps.as_slice() {
            [] => "there is one line already; nothing is to be done\n".to_owned(),
            steps => steps.iter().map(|step| step.line() + "\n").collect(),
        };
        let document = json!({ "command": "merge", "dry_run": self.dry_run, "steps": steps });
        context.output.report(&document, &text);
        if !self.dry_run && steps.iter().any(|step| matches!(step, MergeStep::Renumber { .. })) {
            context.output.say(
                "where a renumbered file was applied under its old number after all, `dbm repair --accept` tells that \
                 database so",
            );
        }
        Ok(())
    }
}
