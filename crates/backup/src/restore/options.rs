use std::collections::BTreeMap;

use database::SourceId;
use tokio_util::sync::CancellationToken;

use crate::selection::Selection;

/// How an archive is restored.
#[derive(Clone, Debug)]
pub struct RestoreOptions {
    /// Workers, each with a connection of its own (SQLite: threads that decompress); at least 1.
    pub jobs: usize,
    /// Leaves out who owns what: everything belongs to the restoring account.
    pub no_owner: bool,
    /// Leaves out grants and default privileges.
    pub no_privileges: bool,
    /// Roles by other names: what belongs to the one, or is granted to it, goes to the other.
    pub roles: BTreeMap<String, String>,
    /// What of the archive is wanted.
    pub selection: Selection,
    /// Ends the sessions of others on the target when its place is taken.
    pub disconnect: bool,
    /// Goes on although logical slots or subscriptions hang on the target;
    /// they stay with the database that is replaced.
    pub detach_replication: bool,
    /// The source whose archive may take the place of a target that holds something else.
    pub from_source: Option<SourceId>,
    /// Makes what the server lacks of the archive's roles, memberships, settings of roles and privileges on parameters.
    pub globals: bool,
    /// Gives again, where the server forgets it with an object that is removed, what the archive says of who might use it
    /// ([`BackupOptions::rights`](crate::dump::BackupOptions::rights)): a run that is put back leaves no account without it.
    /// What was given since is kept.
    pub rights_as_then: bool,
    /// Collects the planner's statistics of what was restored.
    pub analyze: bool,
    /// The name of the database to restore into, chosen by the caller so that a
    /// journal can hold it before it exists. A fresh one if there is none.
    pub scratch: Option<String>,
    /// Stops the work; nothing of it is left.
    pub cancel: CancellationToken,
}

impl Default for RestoreOptions {
    fn default() -> Self {
        Self {
            jobs: 2,
            no_owner: false,
            no_privileges: false,
            roles: BTreeMap::new(),
            selection: Selection::default(),
            disconnect: false,
            detach_replication: false,
            from_source: None,
            globals: false,
            rights_as_then: false,
            analyze: true,
            scratch: None,
            cancel: CancellationToken::new(),
        }
    }
}
