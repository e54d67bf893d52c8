use std::time::Duration;

use database::{Entry, SourceId};
use helpers::naming::BackupName;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::archive::{Grade, Hash};

/// How a backup is made.
#[derive(Clone, Debug)]
pub struct BackupOptions {
    /// A word for the archive's name.
    pub label: Option<String>,
    /// zstd's level.
    pub level: i32,
    /// Workers, each with a connection of its own (SQLite: threads that compress); at least 1.
    pub jobs: usize,
    /// What the index says of the database itself instead of what is there now: while a fence is raised,
    /// the privileges from before it.
    pub properties_override: Option<Value>,
    /// Whether a run is open: the archive is then labelled `unfinished`, never `latest` and never good.
    pub unfinished: bool,
    /// Tells from a journal's entries whether its run is open. Asked of the journal as it was at the archive's moment,
    /// whatever has begun or ended since: if so, the archive is `unfinished`. `None` asks nothing.
    pub is_open: Option<fn(&[Entry]) -> bool>,
    /// Whether passwords that are part of the database are archived.
    pub secrets: bool,
    /// Why the archive must not be pruned from the moment on when it is there.
    pub pin: Option<String>,
    /// Stops the work; nothing of it is left.
    pub cancel: CancellationToken,
}

impl Default for BackupOptions {
    fn default() -> Self {
        Self {
            label: None,
            level: 1,
            jobs: 2,
            properties_override: None,
            unfinished: false,
            is_open: None,
            secrets: false,
            pin: None,
            cancel: CancellationToken::new(),
        }
    }
}

/// A backup that is complete, durable and listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its name in the store.
    pub name: BackupName,
    /// Its identity.
    pub identity: Hash,
    /// Its size as stored.
    pub bytes: u64,
    /// The number of tables with rows.
    pub tables: u64,
    /// All rows of all tables.
    pub rows: u64,
    /// How far it is one snapshot.
    pub grade: Grade,
    /// Whether a run was open at its moment, so that it is never `latest` and never good.
    pub unfinished: bool,
    /// What was left out on request.
    pub left_out: Vec<String>,
    /// Which database it is of.
    pub source: SourceId,
    /// How long it took.
    pub duration: Duration,
}
