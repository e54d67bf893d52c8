use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Engine;

/// Which database it is, whatever its name or address: equal for the same database, different for two of one name.
///
/// `postgres:<system identifier>/<database>`, `mysql:<server_uuid>/<database>`, on MariaDB with an id from dbm's own
/// table, `sqlite:<id from dbm's own table>`, or, where the server does not tell, `postgres:<host>:<port>/<database>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceId(pub String);

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a server says of itself and of us, asked once when a command starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Which engine.
    pub engine: Engine,
    /// The server's version as it writes it: `15.18`, `3.50.4`.
    pub server_version: String,
    /// The database's name; for SQLite the file's name without its ending.
    pub database: String,
    /// Which database it is.
    pub source: SourceId,
    /// Which it is whatever its name, told apart also from its copies on the same server where that can be told.
    pub instance: String,
    /// The account that we are, as the server sees it; empty for SQLite.
    pub account: String,
    /// Whether the account is a superuser.
    pub superuser: bool,
    /// Whether the account may create databases, so that a restore can go beside the target.
    pub may_create_databases: bool,
    /// Whether the account may write: not a standby, not a read-only file or session.
    pub may_write: bool,
    /// Whether the account may keep dbm's journal in the database, without which no run begins.
    pub may_run: bool,
    /// Whether the account may keep the history of migrations there: write into its table, or make it.
    pub may_keep_history: bool,
    /// Its publications of all tables, of which dbm's own are then a part too.
    pub publishes_all: Vec<String>,
    /// The size of the database in bytes, as the server estimates it.
    pub bytes: u64,
}

impl About {
    /// What publications of all tables mean for the servers that subscribe to them.
    pub fn publishes_all_note(&self) -> String {
        format!(
            "the publication {} is FOR ALL TABLES, and dbm's own tables with it (public.dbm_history, dbm.journal, \
             dbm.committed): make them on the subscribers too, or publish a list of tables, else their replication stops \
             at the first run",
            self.publishes_all.join(", ")
        )
    }
}

/// A connection of somebody else to the same database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherSession {
    /// The server's number for it.
    pub id: i64,
    /// The account.
    pub account: String,
    /// What the client calls itself.
    pub application: String,
    /// Where it comes from; `local` for a socket.
    pub address: String,
    /// Since when, in RFC 3339.
    pub since: String,
}
