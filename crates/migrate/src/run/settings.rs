use std::time::Duration;

use crate::placeholders::Configured;
use crate::plan::Allowed;
use crate::rehearse::Rehearse;

/// How a run goes about it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long to wait for another run to end.
    pub lock_wait: Duration,
    /// How long a server that went away during a run is given to come back.
    pub reconnect: Duration,
    /// How long a statement waits for a lock, unless its file says otherwise.
    pub lock_timeout: Duration,
    /// How often a group is tried again after a lock timeout.
    pub lock_retries: u32,
    /// What the operator allows.
    pub allowed: Allowed,
    /// Puts an interrupted run's database back although it may have been written to since.
    pub yes: bool,
    /// Whether and how the run is tried first on a copy that is made of its backup.
    pub rehearse: Option<Rehearse>,
    /// Workers of backup and restore.
    pub jobs: usize,
    /// The backup's compression.
    pub level: i32,
    /// The backup's label.
    pub label: Option<String>,
    /// The values of `${name}`.
    pub placeholders: Configured,
    /// Who runs it: the account, for history and journal.
    pub by: String,
    /// The version of dbm.
    pub dbm: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lock_wait: Duration::from_secs(30),
            reconnect: Duration::from_secs(60),
            lock_timeout: Duration::from_secs(5),
            lock_retries: 10,
            allowed: Allowed::default(),
            yes: false,
            rehearse: None,
            jobs: 2,
            level: 1,
            label: None,
            placeholders: Configured::default(),
            by: String::new(),
            dbm: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
