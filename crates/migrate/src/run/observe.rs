use std::time::Duration;

use async_trait::async_trait;
use backup::Result;
use database::Session;
use database::script::Statement;

/// A statement that was run.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The migration's label.
    pub(crate) migration: String,
    /// The line of the file on which it begins.
    pub(crate) line: usize,
    /// That line, before its placeholders: no value of theirs is shown.
    pub(crate) text: String,
    pub(crate) took: Duration,
    pub(crate) rows: Option<u64>,
    /// Whether it was run outside a transaction, so that its locks are gone with it.
    pub(crate) alone: bool,
}

/// Who looks closely at each statement: a rehearsal. In the transaction, on the very session that runs it.
#[async_trait]
pub(crate) trait Observe: Send + Sync {
    /// One is about to be run, in a transaction or alone.
    async fn before(&self, session: &mut dyn Session, alone: bool) -> Result<()>;

    /// It has been run; a transaction that it is in still holds its locks.
    async fn after(&self, session: &mut dyn Session, statement: &Statement<'_>, seen: Seen) -> Result<()>;

    /// The transaction has ended, and its locks with it.
    async fn released(&self);
}
