use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::connect::{Setup, connect_for};
use super::session::{first, query};
use super::{Connection, Session, Settings};
use crate::{Error, ErrorKind, Result};

/// The server sessions that this process holds open for its whole command.
type Pids = Arc<Mutex<BTreeSet<i64>>>;

/// From here on a word that is not qualified is the system's.
pub(super) const QUIET: &str = "SET search_path = pg_catalog, pg_temp; ";

/// A PostgreSQL server and the database on it that a command is about.
#[derive(Clone, Debug)]
pub struct Server {
    settings: Arc<Settings>,
    own: Pids,
}

/// Keeps a session among our own for as long as it lives.
#[derive(Debug)]
pub struct Own {
    pid: i64,
    own: Pids,
}

impl Drop for Own {
    fn drop(&mut self) {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.pid);
    }
}

/// How long a name may be missing that is being given to another database.
const RENAMED: Duration = Duration::from_millis(300);

impl Server {
    /// The server of a URL. Nothing is connected yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings: Arc::new(settings), own: Arc::default() }
    }

    /// What the URL says.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        self.settings.database()
    }

    /// Connects to a database, to that of the URL if none is named.
    ///
    /// # Errors
    /// As [`connect`](super::connect).
    pub async fn connect(&self, database: Option<&str>) -> Result<Connection> {
        self.connect_for(database, Setup::Timeouts).await
    }

    pub(super) async fn connect_for(&self, database: Option<&str>, setup: Setup) -> Result<Connection> {
        let database = database.unwrap_or_else(|| self.database());
        match connect_for(&self.settings, database, setup).await {
            // A client that connects during a swap may be told that the database does not exist, although one of that
            // name does (InitPostgres looks again once it has its lock). So it is tried once more.
            Err(error) if error.kind() == ErrorKind::NoDatabase => {
                tokio::time::sleep(RENAMED).await;
                connect_for(&self.settings, database, setup).await
            }
            outcome => outcome,
        }
    }

    /// Connects as [`Server::connect`] does, for statements of our own: an unqualified name means the system's, and never
    /// what the database's owner has put before it in its `search_path`.
    /// <https://wiki.postgresql.org/wiki/A_Guide_to_CVE-2018-1058>
    ///
    /// # Errors
    /// As [`connect`](super::connect).
    pub async fn quiet(&self, database: Option<&str>) -> Result<Connection> {
        self.connect_for(database, Setup::Quiet).await
    }

    /// One connection to the URL's database that stays the same.
    ///
    /// # Errors
    /// As [`connect`](super::connect).
    pub async fn session(&self) -> Result<Session> {
        Session::open(self).await
    }

    pub(super) fn own(&self, pid: i64) -> Own {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).insert(pid);
        Own { pid, own: Arc::clone(&self.own) }
    }

    /// Makes a connection one of ours, which is never among the sessions of others, until what is returned is dropped.
    ///
    /// # Errors
    /// What asking the server for its number gave.
    pub async fn adopt(&self, connection: &Connection) -> Result<Own> {
        let what = "cannot ask the server who we are";
        let pid = first(query(connection, "SELECT pg_catalog.pg_backend_pid()", what).await?);
        let pid = pid.and_then(|pid| pid.parse().ok());
        pid.map(|pid| self.own(pid)).ok_or_else(|| Error::new(ErrorKind::Internal, what))
    }

    pub(super) fn is_own(&self, pid: i64) -> bool {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).contains(&pid)
    }

    /// Connects to the database from which others are made, renamed and dropped: `postgres`, else `template1`.
    ///
    /// # Errors
    /// As [`connect`](super::connect); of `postgres`, if neither can be had.
    pub async fn maintenance_database(&self) -> Result<Connection> {
        match self.quiet(Some("postgres")).await {
            Err(first) if matches!(first.kind(), ErrorKind::NoDatabase | ErrorKind::Permission) => {
                self.quiet(Some("template1")).await.map_err(|_| first)
            }
            outcome => outcome,
        }
    }
}
