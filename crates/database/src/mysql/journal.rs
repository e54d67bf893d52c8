use async_trait::async_trait;

use super::Session;
use super::home::Home;
use crate::{Engine, Entry, Error, ErrorKind, Journal, Result, quote};

/// `ER_LOCK_DEADLOCK` says that the transaction is rolled back and is to be tried again.
/// <https://dev.mysql.com/doc/mysql-errors/9.5/en/server-error-reference.html#error_er_lock_deadlock>
const DEADLOCK: &str = "40001";

/// How many deadlocks one entry may meet.
const DEADLOCKS: u32 = 10;

/// The journal of a database lies in a table that all databases of the server share, or in the database itself.
#[async_trait]
impl Journal for Session {
    async fn entries(&mut self) -> Result<Vec<Entry>> {
        let what = "cannot read the journal";
        let Some(home) = Home::find(&mut self.connection, self.server.database()).await? else {
            return Ok(Vec::new());
        };
        let sql = format!(
            "SELECT run, number, at, step FROM {} WHERE `database` = {} ORDER BY number",
            home.table("journal", self.server.database()),
            self.key()
        );
        let rows = self.connection.query(&sql, what).await?;
        let unreadable = || {
            Error::new(ErrorKind::Refused, "an entry of the journal cannot be read")
                .with_hint("another version of dbm may have written it: look at the table `journal` in the database `dbm`")
        };
        let entry = |row: Vec<Option<String>>| {
            let [run, number, at, step] = <[Option<String>; 4]>::try_from(row).ok()?;
            Some(Entry {
                run: run?,
                number: number?.parse().ok()?,
                at: at?.parse().ok()?,
                step: serde_json::from_str(&step?).ok()?,
            })
        };
        rows.into_iter().map(|row| entry(row).ok_or_else(unreadable)).collect()
    }

    async fn begin_run(&mut self, first: &Entry) -> Result<()> {
        let home = Home::make(&mut self.connection, self.server.database()).await?;
        let database = self.server.database();
        let clear =
            |name| format!("DELETE FROM {} WHERE `database` = {}", home.table(name, database), self.key());
        let sql = format!(
            "START TRANSACTION; {}; {}; {}; COMMIT",
            clear("journal"),
            clear("committed"),
            self.insert(home, first)?
        );
        self.durably(&sql).await
    }

    async fn append(&mut self, entry: &Entry) -> Result<()> {
        let home = Home::make(&mut self.connection, self.server.database()).await?;
        let sql = self.insert(home, entry)?;
        self.durably(&sql).await
    }

    async fn mark_committed(&mut self, run: &str, group: u32) -> Result<()> {
        if !self.in_transaction() {
            return Err(Error::new(ErrorKind::Internal, "no transaction is open to mark as committed"));
        }
        let Some(home) = Home::find(&mut self.connection, self.server.database()).await? else {
            return Err(Error::new(ErrorKind::Internal, "no journal is there to mark the run in"));
        };
        let sql = format!(
            "INSERT INTO {} (`database`, run, part) VALUES ({}, {}, {group})",
            home.table("committed", self.server.database()),
            self.key(),
            quote::literal(Engine::Mysql, run)
        );
        self.connection.batch(&sql, "cannot mark the run as committed").await
    }

    async fn committed(&mut self, run: &str) -> Result<Vec<u32>> {
        let Some(home) = Home::find(&mut self.connection, self.server.database()).await? else {
            return Ok(Vec::new());
        };
        let sql = format!(
            "SELECT part FROM {} WHERE `database` = {} AND run = {} ORDER BY part",
            home.table("committed", self.server.database()),
            self.key(),
            quote::literal(Engine::Mysql, run)
        );
        let rows = self.connection.query(&sql, "cannot read which groups are committed").await?;
        Ok(rows.iter().filter_map(|row| row.first()?.as_deref()?.parse().ok()).collect())
    }
}

impl Session {
    fn key(&self) -> String {
        quote::literal(Engine::Mysql, self.server.database())
    }

    pub(super) fn insert(&self, home: Home, entry: &Entry) -> Result<String> {
        let json = |cause| {
            Error::new(ErrorKind::Internal, "an entry of the journal cannot be written as JSON")
                .with_source(cause)
        };
        let literal = |text: &str| quote::literal(Engine::Mysql, text);
        Ok(format!(
            "INSERT INTO {} (`database`, number, run, at, step, session) VALUES ({}, {}, {}, {}, {}, {})",
            home.table("journal", self.server.database()),
            self.key(),
            entry.number,
            literal(&entry.run),
            literal(&entry.at.to_rfc3339()),
            literal(&entry.step.to_string()),
            literal(&serde_json::to_string(&self.id).map_err(json)?),
        ))
    }

    /// Writes. It is on disk when this returns, unless the server's `innodb_flush_log_at_trx_commit` is not 1.
    ///
    /// All databases of the server share the table, so that two runs can deadlock in its gaps: the server then rolls the
    /// whole of one back, which is sent again.
    pub(super) async fn durably(&mut self, sql: &str) -> Result<()> {
        let what = "cannot write the journal";
        let mut outcome = self.connection.batch(sql, what).await;
        for _ in 0..DEADLOCKS {
            if !outcome.as_ref().is_err_and(|error| error.sqlstate() == Some(DEADLOCK)) {
                break;
            }
            outcome = self.connection.batch(sql, what).await;
        }
        if let Err(error) = outcome {
            if error.kind() != ErrorKind::Connection {
                self.connection.batch("ROLLBACK", what).await?;
            }
            return Err(match error.kind() {
                ErrorKind::Permission => error.with_hint(
                    "dbm keeps its journal in a database `dbm` on the server: let the account have it \
                     (GRANT ALL ON dbm.* TO it)",
                ),
                _ => error,
            });
        }
        Ok(())
    }
}
