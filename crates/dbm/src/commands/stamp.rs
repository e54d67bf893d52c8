use clap::Args;
use migrate::{files, history};

use super::marking::{self, MarkFlags};
use crate::context::Context;
use crate::error::Result;

/// `dbm stamp REVISION`
#[derive(Debug, Args)]
#[command(
    after_help = "Nothing is run: what is missing up to REVISION is recorded as satisfied, and what is above it leaves the
history; what that made stays in the database.

Examples:
  dbm stamp head
  dbm stamp 12 --dry-run
  dbm stamp base --yes     an empty history"
)]
pub(crate) struct Stamp {
    /// The last number that is to count as applied, head, or base
    #[arg(value_name = "REVISION")]
    revision: String,
    #[command(flatten)]
    flags: MarkFlags,
}

impl Stamp {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let mark = marking::mark(&self.revision)?;
        let migrations = files::read(&context.folder())?;
        let decide = |records: &history::Records| history::stamp(&migrations, &records.applied, mark);
        marking::go(context, &self.flags, decide).await
    }
}
