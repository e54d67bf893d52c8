//! Where dbm keeps what it knows of a database: a database `dbm` on the server, or tables `dbm_…` in the database itself
//! where that one may not be made.

use super::grants::Grants;
use super::{Connection, is_database};
use crate::{Engine, Error, ErrorKind, Result, quote};

/// The database on the server that holds journals and ids of all its databases.
pub const HOME: &str = "dbm";

/// The tables of dbm's own that may lie in a database itself and are no part of it. The history is.
pub const OWN_TABLES: [&str; 5] = ["dbm_journal", "dbm_committed", "dbm_source", "dbm_swap", "dbm_fence"];

/// The table of migrations that are applied.
pub const HISTORY_TABLE: &str = "dbm_history";

/// Where it is, or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// In the database [`HOME`].
    Server,
    /// In the database itself.
    Inside,
}

impl Home {
    /// Where it is now, if it has been made, and the account can see it.
    pub(super) async fn find(connection: &mut Connection, database: &str) -> Result<Option<Self>> {
        let own = is_database("table_schema", database);
        let sql = format!(
            "SELECT table_schema = '{HOME}' FROM information_schema.tables
              WHERE {} AND table_name = 'journal'
                 OR {own} AND table_name = 'dbm_journal' ORDER BY 1 DESC LIMIT 1",
            is_database("table_schema", HOME)
        );
        let found = connection.value(&sql, "cannot look for dbm's own tables").await?;
        Ok(found.map(|server| if server == "1" { Self::Server } else { Self::Inside }))
    }

    /// Finds it or makes it.
    pub(super) async fn make(connection: &mut Connection, database: &str) -> Result<Self> {
        if let Some(home) = Self::find(connection, database).await? {
            return Ok(home);
        }
        if database.eq_ignore_ascii_case(HOME) {
            return Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "the database `{HOME}` is where dbm keeps its journals: it cannot be worked on itself"
                ),
            )
            .with_hint("name another database in the URL"));
        }
        let what = "cannot make the tables that dbm keeps its journal in";
        let made = connection.batch(&format!("CREATE DATABASE IF NOT EXISTS {HOME}"), what).await;
        let home = match made {
            Ok(()) => Self::Server,
            Err(error) if error.kind() == ErrorKind::Permission => Self::Inside,
            Err(error) => return Err(error),
        };
        match home.make_tables(connection, database).await {
            Err(error) if error.kind() == ErrorKind::Permission && home == Self::Server => {
                Self::Inside.make_tables(connection, database).await?;
                Ok(Self::Inside)
            }
            outcome => outcome.map(|()| home),
        }
    }

    /// Whether the account may make it, as far as its grants tell.
    pub(super) fn may_make(grants: &Grants, database: &str) -> bool {
        grants.on(HOME, "CREATE") || grants.on(database, "CREATE")
    }

    async fn make_tables(self, connection: &mut Connection, database: &str) -> Result<()> {
        let what = "cannot make the tables that dbm keeps its journal in";
        let common = "ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin";
        for sql in [
            format!(
                "CREATE TABLE IF NOT EXISTS {} (`database` varchar(64) NOT NULL, number int unsigned NOT NULL, \
                 run varchar(190) NOT NULL, at varchar(40) NOT NULL, step longtext NOT NULL, session text NOT NULL, \
                 PRIMARY KEY (`database`, number)) {common}",
                self.table("journal", database)
            ),
            format!(
                "CREATE TABLE IF NOT EXISTS {} (`database` varchar(64) NOT NULL, run varchar(190) NOT NULL, \
                 part int unsigned NOT NULL, PRIMARY KEY (`database`, run, part)) {common}",
                self.table("committed", database)
            ),
            format!(
                "CREATE TABLE IF NOT EXISTS {} (`database` varchar(64) NOT NULL PRIMARY KEY, id varchar(64) NOT NULL) \
                 {common}",
                self.table("source", database)
            ),
        ] {
            connection.batch(&sql, what).await?;
        }
        Ok(())
    }

    /// Whether the table of exchanges has been made, which only they need.
    pub(super) async fn has_swaps(self, connection: &mut Connection, database: &str) -> Result<bool> {
        self.has(connection, database, "swap").await
    }

    /// Whether the table of what fences hold has been made.
    pub(super) async fn has_claims(self, connection: &mut Connection, database: &str) -> Result<bool> {
        self.has(connection, database, "fence").await
    }

    async fn has(self, connection: &mut Connection, database: &str, name: &str) -> Result<bool> {
        let (schema, name) = match self {
            Self::Server => (HOME, name.to_owned()),
            Self::Inside => (database, format!("dbm_{name}")),
        };
        let sql = format!(
            "SELECT 1 FROM information_schema.tables WHERE table_schema = {} AND table_name = '{name}'",
            quote::literal(Engine::Mysql, schema)
        );
        Ok(connection.value(&sql, "cannot look for dbm's own tables").await?.is_some())
    }

    /// Makes the table of what fences hold.
    pub(super) async fn make_claims(self, connection: &mut Connection, database: &str) -> Result<()> {
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {} (`database` varchar(64) NOT NULL, held varchar(400) NOT NULL, \
             PRIMARY KEY (`database`, held)) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin",
            self.table("fence", database)
        );
        connection.batch(&sql, "cannot make the table that dbm notes locked accounts in").await
    }

    /// Makes the table of exchanges.
    pub(super) async fn make_swaps(self, connection: &mut Connection, database: &str) -> Result<()> {
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {} (`database` varchar(64) NOT NULL PRIMARY KEY, stage varchar(20) NOT NULL, \
             plan longtext NOT NULL, session text NOT NULL) \
             ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin",
            self.table("swap", database)
        );
        connection.batch(&sql, "cannot make the table that dbm notes exchanges in").await
    }

    /// One of its tables, quoted and qualified.
    pub(super) fn table(self, name: &str, database: &str) -> String {
        match self {
            Self::Server => quote::qualified(Engine::Mysql, &[HOME, name]),
            Self::Inside => quote::qualified(Engine::Mysql, &[database, &format!("dbm_{name}")]),
        }
    }
}
