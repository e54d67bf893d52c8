use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::{Connection, Session, Settings, connect};
use crate::Result;

/// The server sessions that this process holds open for its whole command.
type Ids = Arc<Mutex<BTreeSet<i64>>>;

/// A MySQL or MariaDB server and the database on it that a command is about.
#[derive(Clone, Debug)]
pub struct Server {
    settings: Arc<Settings>,
    own: Ids,
    /// The database's name in lower case, where the server has answered that it writes all names so.
    lower: Arc<OnceLock<String>>,
}

/// Keeps a session among our own for as long as it lives.
pub(super) struct Own {
    id: i64,
    own: Ids,
}

impl Drop for Own {
    fn drop(&mut self) {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Server {
    /// The server of a URL. Nothing is connected yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings: Arc::new(settings), own: Arc::default(), lower: Arc::default() }
    }

    /// What the URL says.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The database's name: as the URL has it, and once the server has answered as the server writes it.
    ///
    /// Journals, locks, source ids and what stands in catalogs go by it, so that `Shop` and `shop` are one database where
    /// they are one for the server.
    pub fn database(&self) -> &str {
        self.lower.get().unwrap_or(&self.settings.database)
    }

    /// Connects, into the URL's database if none is named.
    ///
    /// # Errors
    /// As [`connect`](super::connect).
    pub async fn connect(&self, database: Option<&str>) -> Result<Connection> {
        let connection = connect(&self.settings, Some(database.unwrap_or_else(|| self.database()))).await?;
        Ok(self.noted(connection))
    }

    /// Connects to the server, into no database.
    ///
    /// # Errors
    /// As [`connect`](super::connect).
    pub async fn connect_nowhere(&self) -> Result<Connection> {
        Ok(self.noted(connect(&self.settings, None).await?))
    }

    fn noted(&self, connection: Connection) -> Connection {
        if connection.lower_case() {
            self.lower.get_or_init(|| self.settings.database.to_lowercase());
        }
        connection
    }

    /// One connection to the URL's database that stays the same.
    ///
    /// # Errors
    /// As [`connect`](super::connect).
    pub async fn session(&self) -> Result<Session> {
        Session::open(self).await
    }

    /// Asks the server to stop what a session of ours is doing.
    pub(crate) async fn cancel(&self, session: i64) -> Result<()> {
        let mut connection = self.connect_nowhere().await?;
        let what = "cannot ask the server to cancel the statement";
        let outcome = connection.batch(&format!("KILL QUERY {session}"), what).await;
        connection.close().await;
        match outcome {
            // It has gone meanwhile: then nothing is left to stop.
            Err(error) if error.to_string().contains("(error 1094)") => Ok(()),
            outcome => outcome,
        }
    }

    pub(super) fn own(&self, id: i64) -> Own {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        Own { id, own: Arc::clone(&self.own) }
    }

    pub(super) fn is_own(&self, id: i64) -> bool {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }
}
