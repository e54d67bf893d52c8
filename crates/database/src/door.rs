use std::collections::BTreeMap;
use std::time::Duration;

use crate::{
    About, DatabaseUrl, Engine, ObjectId, OtherSession, Result, Schema, Session, SourceId, TableDigest,
};
use crate::{mysql, postgres, sqlite};

/// How long a command that only reads waits for another program to stop writing.
const AT_ONCE: Duration = Duration::from_millis(100);

/// A database: the one place that chooses the engine.
#[derive(Clone, Debug)]
pub enum Database {
    /// On a PostgreSQL server.
    Postgres(postgres::Server),
    /// On a MySQL or MariaDB server.
    Mysql(mysql::Server),
    /// In a SQLite file.
    Sqlite(sqlite::File),
}

impl Database {
    /// The database of a URL. Nothing is opened yet.
    ///
    /// # Errors
    /// For an engine that can be named but not used; there is none today.
    pub fn new(url: DatabaseUrl) -> Result<Self> {
        Ok(match url {
            DatabaseUrl::Postgres(settings) => Self::Postgres(postgres::Server::new(settings)),
            DatabaseUrl::Mysql(settings) => Self::Mysql(mysql::Server::new(settings)),
            DatabaseUrl::Sqlite(file) => Self::Sqlite(sqlite::File::new(file.path, file.mode)),
        })
    }

    /// Which engine.
    pub fn engine(&self) -> Engine {
        match self {
            Self::Postgres(_) => Engine::Postgres,
            Self::Mysql(_) => Engine::Mysql,
            Self::Sqlite(_) => Engine::Sqlite,
        }
    }

    /// Its URL. It shows no password when printed.
    pub fn url(&self) -> DatabaseUrl {
        match self {
            Self::Postgres(server) => DatabaseUrl::Postgres(server.settings().clone()),
            Self::Mysql(server) => DatabaseUrl::Mysql(server.settings().clone()),
            Self::Sqlite(file) => {
                DatabaseUrl::Sqlite(crate::url::SqliteUrl { path: file.path().to_owned(), mode: file.mode() })
            }
        }
    }

    /// Its name; for SQLite the file's name without its ending.
    pub fn name(&self) -> String {
        match self {
            Self::Postgres(server) => server.database().to_owned(),
            Self::Mysql(server) => server.database().to_owned(),
            Self::Sqlite(file) => file.name(),
        }
    }

    /// What the server, or the file, says of itself and of us.
    ///
    /// # Errors
    /// What connecting gave.
    pub async fn about(&self) -> Result<About> {
        match self {
            Self::Postgres(server) => server.about().await,
            Self::Mysql(server) => server.about().await,
            Self::Sqlite(file) => file.about().await,
        }
    }

    /// Which database it is, with an id of its own given to it now if it needs one. For commands that write.
    ///
    /// # Errors
    /// What connecting or writing gave.
    pub async fn ensure_source_id(&self) -> Result<SourceId> {
        match self {
            Self::Postgres(server) => server.about().await.map(|about| about.source),
            Self::Mysql(server) => server.ensure_source_id().await,
            Self::Sqlite(file) => file.ensure_source_id().await,
        }
    }

    /// Every source id that an archive of this very database may carry, its own first: a SQLite file is known by
    /// its path, a database on MariaDB by its address, until it has an id.
    ///
    /// # Errors
    /// What connecting gave.
    pub async fn sources(&self) -> Result<Vec<SourceId>> {
        if let Self::Sqlite(file) = self
            && !file.is_there()?
        {
            // To look for a backup of a lost file makes none.
            return Ok(vec![file.source_by_path()?]);
        }
        let own = self.about().await?.source;
        Ok(match self {
            Self::Postgres(_) => vec![own],
            Self::Mysql(server) => with(own, server.source_by_place()),
            Self::Sqlite(file) => with(own, file.source_by_path()?),
        })
    }

    /// The source id for commands that only read: where we may write, the database gets an id of its own, since a path or
    /// an address is not the database; where that fails, path or address have to do.
    pub async fn known_as(&self, about: &About) -> SourceId {
        let known = match self {
            Self::Mysql(server) if about.may_run => server.ensure_source_id().await,
            Self::Sqlite(file) if about.may_run => file.ensure_source_id_within(AT_ONCE).await,
            _ => Ok(about.source.clone()),
        };
        known.unwrap_or_else(|cause| {
            tracing::info!(%cause, "the database has no id of its own yet");
            about.source.clone()
        })
    }

    /// One connection that stays the same server session for its whole life.
    ///
    /// # Errors
    /// What connecting gave.
    pub async fn session(&self) -> Result<Box<dyn Session>> {
        Ok(match self {
            Self::Postgres(server) => Box::new(server.session().await?),
            Self::Mysql(server) => Box::new(server.session().await?),
            Self::Sqlite(file) => Box::new(file.session().await?),
        })
    }

    /// The sessions of others in the database. SQLite cannot tell.
    ///
    /// # Errors
    /// What connecting gave.
    pub async fn others(&self) -> Result<Vec<OtherSession>> {
        match self {
            Self::Postgres(server) => server.others().await,
            Self::Mysql(server) => server.others().await,
            Self::Sqlite(_) => Ok(Vec::new()),
        }
    }

    /// Ends the sessions of others, and waits until they are gone. On SQLite there is nothing to end.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Permission`] or [`crate::ErrorKind::Busy`] where they cannot be ended.
    pub async fn end_others(&self) -> Result<()> {
        match self {
            Self::Postgres(server) => server.end_others().await,
            Self::Mysql(server) => server.end_others().await,
            Self::Sqlite(_) => Ok(()),
        }
    }

    /// All its objects, as they are at one moment.
    ///
    /// # Errors
    /// What connecting or reading the catalogs gave.
    pub async fn schema(&self) -> Result<Schema> {
        match self {
            Self::Postgres(server) => server.schema().await,
            Self::Mysql(server) => server.schema().await,
            Self::Sqlite(file) => file.schema().await,
        }
    }

    /// The digests of all its tables that hold rows, as they are at one moment. dbm's own journal and marks are in none.
    ///
    /// # Errors
    /// What connecting or reading gave.
    pub async fn digests(&self) -> Result<BTreeMap<ObjectId, TableDigest>> {
        match self {
            Self::Postgres(server) => server.digests().await,
            Self::Mysql(server) => server.digests().await,
            Self::Sqlite(file) => file.digests().await,
        }
    }
}

/// An id and the one by place, which older archives may carry.
fn with(own: SourceId, by_place: SourceId) -> Vec<SourceId> {
    if own == by_place { vec![own] } else { vec![own, by_place] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entry, postgres::testing};

    #[tokio::test]
    async fn both_engines_go_through_the_door() {
        let folder = tempfile::tempdir().unwrap();
        let file = format!("sqlite://{}?mode=rwc", folder.path().join("shop.sqlite").display());
        let postgres = testing::fresh().await;
        for url in [DatabaseUrl::parse(&file).unwrap(), DatabaseUrl::Postgres(postgres.settings().clone())] {
            let database = Database::new(url).unwrap();
            let mut session = database.session().await.unwrap();
            assert!(session.try_lock().await.unwrap());
            session.execute("CREATE TABLE t (a integer, b text)").await.unwrap();
            session.execute("INSERT INTO t VALUES (1, 'x'), (2, NULL)").await.unwrap();
            let before = (database.schema().await.unwrap(), database.digests().await.unwrap());
            assert_eq!(before.1.values().map(|digest| digest.rows).collect::<Vec<_>>(), [2]);

            let step = serde_json::json!({});
            let first = Entry { run: "one".into(), number: 0, at: chrono::Utc::now(), step };
            session.begin_run(&first).await.unwrap();
            session.begin(None).await.unwrap();
            session.mark_committed("one", 0).await.unwrap();
            session.commit().await.unwrap();
            let source = database.ensure_source_id().await.unwrap();
            assert_eq!(database.about().await.unwrap().source, source);
            let after = (database.schema().await.unwrap(), database.digests().await.unwrap());
            assert_eq!(before, after, "what dbm keeps for itself shows in neither");
            // Those of ours that have just been closed may still be going.
            let mut others = database.others().await.unwrap();
            for _ in 0..500 {
                if others.is_empty() {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                others = database.others().await.unwrap();
            }
            assert!(others.is_empty(), "{others:?}");
        }
    }
}
