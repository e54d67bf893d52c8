use std::time::Duration;

use database::{Entry, SourceId};
use helpers::naming::{BackupName, NameTemplate};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::archive::{Grade, Hash};
use crate::selection::Selection;
use crate::store::UploadPlan;

/// How a backup is made.
#[derive(Clone, Debug)]
pub struct BackupOptions {
    /// How the archive is named.
    pub name: NameTemplate,
    /// The host's name, for a template that wants it.
    pub host: String,
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
    /// Whether roles, memberships, settings of roles, privileges on parameters and the names of tablespaces are
    /// archived, too.
    pub globals: bool,
    /// Whether these hold the hashes of the roles' passwords.
    pub role_passwords: bool,
    /// Whether the archive says who may use what, where that belongs to the server and is forgotten with the object: routines
    /// of MySQL and MariaDB.
    pub rights: bool,
    /// Whether what is broken in the database, so that nothing could make it again, is refused: what has to bring everything
    /// back cannot go without it. Otherwise it is left out and named in [`Written::left_out`].
    pub whole: bool,
    /// Whether the planner's statistics are archived, so that a restore need not make them anew.
    pub statistics: bool,
    /// Why the archive must not be pruned from the moment on when it is there.
    pub pin: Option<String>,
    /// What goes into it; whatever is left out makes it partial.
    pub selection: Selection,
    /// Leaves out who owns what.
    pub no_owner: bool,
    /// Leaves out grants and default privileges.
    pub no_privileges: bool,
    /// Leaves out the history that MariaDB keeps of a table's rows.
    pub no_history: bool,
    /// Stops the work; nothing of it is left.
    pub cancel: CancellationToken,
}

impl BackupOptions {
    /// Whether something is left out on request: such an archive is no backup of the database.
    pub fn is_partial(&self) -> bool {
        self.no_owner || self.no_privileges || self.no_history || !self.selection.is_everything()
    }

    /// What is left out on request, and by which flag.
    pub(crate) fn left_out(&self) -> Vec<(String, &'static str)> {
        let mut words = self.selection.in_words();
        if self.no_owner {
            words.push(("who owns what".to_owned(), "--no-owner"));
        }
        if self.no_privileges {
            words.push(("grants and default privileges".to_owned(), "--no-privileges"));
        }
        if self.no_history {
            words.push(("the history of tables".to_owned(), "--no-history"));
        }
        words
    }
}

impl Default for BackupOptions {
    fn default() -> Self {
        Self {
            name: NameTemplate::default(),
            host: String::new(),
            label: None,
            level: 1,
            jobs: 2,
            properties_override: None,
            unfinished: false,
            is_open: None,
            secrets: false,
            globals: false,
            rights: false,
            whole: false,
            role_passwords: false,
            statistics: false,
            pin: None,
            selection: Selection::default(),
            no_owner: false,
            no_privileges: false,
            no_history: false,
            cancel: CancellationToken::new(),
        }
    }
}

/// What a backup would be, as far as that is known before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The database's name.
    pub database: String,
    /// About how many bytes it has, before compression.
    pub bytes: u64,
    /// How each store would take the archive.
    pub uploads: Vec<UploadPlan>,
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
    /// Whether something was: then it is listed as partial, is never `latest`, and no run goes back to it.
    pub partial: bool,
    /// Which database it is of.
    pub source: SourceId,
    /// How long it took.
    pub duration: Duration,
}
