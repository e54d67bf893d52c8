use clap::Args;
use migrate::{files, history};

use super::marking::{self, MarkFlags};
use crate::context::Context;
use crate::error::Result;

/// `dbm baseline REVISION`
#[derive(Debug, Args)]
#[command(
    after_help = "For a database that was made without dbm and has what the first migrations make: they are recorded as
satisfied and never run. Rolling one back removes only its row in the history: dbm drops nothing that it did not make.
Only where the history is empty; `dbm stamp` changes one that is not.

Examples:
  dbm baseline 12 --dry-run     what would be recorded
  dbm baseline 12               up to 012
  dbm baseline head             all that is in the folder"
)]
pub(crate) struct Baseline {
    /// The number of the last migration that the database has already, or head
    #[arg(value_name = "REVISION")]
    revision: String,
    #[command(flatten)]
    flags: MarkFlags,
}

impl Baseline {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let mark = marking::mark(&self.revision)?;
        let migrations = files::read(&context.folder())?;
        let decide = |records: &history::Records| history::baseline(&migrations, &records.applied, mark);
        marking::go(context, &self.flags, decide).await
    }
}
