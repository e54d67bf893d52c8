use clap::Args;
use database::Database;
use migrate::files;
use migrate::squash::{self, Squashed, Squasher};
use serde_json::json;

use super::run_flags::{self, RunFlags};
use super::scratch_flags::ScratchFlags;
use crate::context::Context;
use crate::error::Result;

/// `dbm squash --to NUMBER`
#[derive(Debug, Args)]
#[command(
    after_help = "The migrations up to a number become one file that makes the same, proven on scratch databases: one is made by the
migrations, one by the file, and schema, owners, privileges, counters and settings are compared. What one file cannot
have is refused by name: rows, values of the environment, texts that differ by engine; and so are texts that were changed
after they were applied to the database that is configured.

The file is for new databases. Where all of the old migrations are applied nothing is pending; a database that has only
some of them is refused until the release before has brought it there. The old files are moved into
migrations/squashed/ and rollback/squashed/, which nothing reads; what they are rolled back by is in each database's
history. To undo it, move them back and remove the one file.

Examples:
  dbm squash --to 120 --dry-run
  dbm squash --to 120"
)]
pub(crate) struct Squash {
    /// The last number to be folded
    #[arg(long, value_name = "NUMBER")]
    to: u64,
    /// Show what would be written, and change no file
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    scratch: ScratchFlags,
}

impl Squash {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let folder = context.folder();
        let migrations = files::read(&folder)?;
        let on = Database::new(self.scratch.url(context)?)?;
        let settings = run_flags::settings(context, &RunFlags::default())?;
        // Where none is there yet, nothing is applied.
        let target = context.url().ok().map(Database::new).transpose()?;
        let squasher = Squasher {
            on: &on,
            applied_in: target.as_ref(),
            settings: &settings,
            variables: run_flags::variables(context),
            cancel: context.cancel.clone(),
        };
        let squashed = Box::pin(squasher.squash(&folder, &migrations, self.to)).await?;
        if !self.dry_run {
            squash::write(&squashed)?;
        }
        let document = json!({ "command": "squash", "dry_run": self.dry_run, "squashed": squashed });
        context.output.answer(&document, &self.text(&squashed));
        Ok(())
    }

    fn text(&self, squashed: &Squashed) -> String {
        if self.dry_run {
            return squashed.text.clone().unwrap_or_default();
        }
        let mut text = format!("{}: makes the same\n", squashed.path.display());
        for (from, to) in &squashed.moved {
            text.push_str(&format!("{} is {} now\n", from.display(), to.display()));
        }
        text
    }
}
