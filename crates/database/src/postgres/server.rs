use super::{Connection, Settings, connect};
use crate::{ErrorKind, Result};

/// A PostgreSQL server and the database on it that a command is about.
#[derive(Clone, Debug)]
pub struct Server {
    settings: Settings,
}

impl Server {
    /// The server of a URL. Nothing is connected yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
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
        connect(&self.settings, database.unwrap_or_else(|| self.database())).await
    }

    /// Connects to the database from which others are made, renamed and dropped: `postgres`, else `template1`.
    ///
    /// # Errors
    /// As [`connect`](super::connect); of `postgres`, if neither can be had.
    pub async fn maintenance_database(&self) -> Result<Connection> {
        match self.connect(Some("postgres")).await {
            Err(first) if matches!(first.kind(), ErrorKind::NoDatabase | ErrorKind::Permission) => {
                self.connect(Some("template1")).await.map_err(|_| first)
            }
            outcome => outcome,
        }
    }
}
