use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::{Batch, Connection};

use super::fence::{Gate, give_back};
use super::file::{BUSY, Shared, blocking};
use super::journal::Beside;
use super::{File, error, text};
use crate::script::Statement;
use crate::{Canceller, Engine, Error, ErrorKind, Ran, Result, Rows, SessionId, Statements, WRITES};

/// Rows that point to nothing, counted by child table and parent table; `None` where SQLite cannot check.
type Violations = Option<BTreeMap<(String, String), u64>>;

/// One connection to a SQLite file.
pub struct Session {
    pub(super) file: File,
    pub(super) connection: Shared,
    pub(super) id: SessionId,
    pub(super) beside: Beside,
    canceller: Canceller,
    violations: Violations,
    /// Whether nothing may be written at present.
    reading: bool,
}

impl Session {
    pub(super) fn open(file: File) -> Result<Self> {
        let connection = file.open()?;
        let id = SessionId::ours(i64::from(std::process::id()), chrono::Utc::now().to_rfc3339());
        let canceller = Canceller::sqlite(connection.get_interrupt_handle());
        let beside = Beside::new(file.beside()?);
        let connection = Arc::new(Mutex::new(connection));
        Ok(Self {
            file,
            connection,
            id,
            beside,
            canceller,
            violations: Some(BTreeMap::new()),
            reading: false,
        })
    }

    /// Uses the connection on a thread that may block.
    pub(super) async fn with<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    {
        let connection = Arc::clone(&self.connection);
        blocking(move || work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner))).await
    }
}

impl Session {
    /// Refuses what points nowhere and did not at the transaction's beginning.
    async fn check_deferred(&self) -> Result<()> {
        let now = self.with(|connection| Ok(violations(connection))).await?;
        match (&self.violations, now) {
            (Some(before), Some(now)) => {
                let added = now.iter().find(|(tables, count)| *count > before.get(tables).unwrap_or(&0));
                match added {
                    None => Ok(()),
                    Some(((child, parent), count)) => Err(Error::new(
                        ErrorKind::Statement,
                        match before.get(&(child.clone(), parent.clone())) {
                            None => format!(
                                "{count} rows of `{child}` point to rows of `{parent}` that are not there"
                            ),
                            Some(had) => format!(
                                "{count} rows of `{child}` point to rows of `{parent}` that are not there, \
                                 {had} before these statements"
                            ),
                        },
                    )
                    .with_hint(format!("see them with `PRAGMA foreign_key_check(\"{child}\")`"))),
                }
            }
            (Some(_), None) => Err(Error::new(
                ErrorKind::Statement,
                "a foreign key points to columns that are no key of their table, so nothing can be checked",
            )),
            (None, _) => Ok(()),
        }
    }
}

#[async_trait]
impl Statements for Session {
    fn engine(&self) -> Engine {
        Engine::Sqlite
    }

    async fn run(&mut self, statement: &Statement<'_>) -> Result<Ran> {
        // As the sqlite3 shell reads lines, so that a file checked out on Windows gives the same database.
        let (sql, gate) = (statement.text.replace("\r\n", "\n"), self.file.gate.clone());
        self.with(move |connection| run(connection, &sql, &gate)).await
    }

    async fn execute(&mut self, sql: &str) -> Result<()> {
        let (sql, gate) = (sql.to_owned(), self.file.gate.clone());
        self.with(move |connection| run(connection, &sql, &gate).map(drop)).await
    }

    async fn query(&mut self, sql: &str) -> Result<Rows> {
        let (sql, gate, reading) = (sql.to_owned(), self.file.gate.clone(), self.reading);
        self.with(move |connection| {
            through(connection, &gate, |connection| {
                if !connection.prepare(&sql)?.readonly() {
                    if reading {
                        let message = "it writes, and nothing may be written here";
                        return Err(Error::new(ErrorKind::Statement, message).with_sqlstate(WRITES).into());
                    }
                    gate.open()?;
                }
                Ok(query(connection, &sql)?)
            })
        })
        .await
    }

    async fn begin(&mut self, lock_timeout: Option<Duration>) -> Result<()> {
        let gate = self.file.gate.clone();
        self.violations = self
            .with(move |connection| {
                connection.busy_timeout(lock_timeout.unwrap_or(BUSY)).map_err(|cause| error(cause, ""))?;
                gate.open()?;
                connection
                    .execute_batch("BEGIN IMMEDIATE")
                    .map_err(|cause| error(cause, "cannot begin to write to the database"))?;
                Ok(violations(connection))
            })
            .await?;
        Ok(())
    }

    async fn end_file(&mut self) -> Result<()> {
        self.check_deferred().await?;
        self.reset().await
    }

    async fn begin_reading(&mut self) -> Result<()> {
        self.reading = true;
        Ok(())
    }

    async fn end_reading(&mut self) -> Result<()> {
        self.reading = false;
        Ok(())
    }

    async fn commit(&mut self) -> Result<()> {
        let gate = self.file.gate.clone();
        self.with(move |connection| {
            connection
                .execute_batch("COMMIT")
                .and_then(|()| connection.busy_timeout(BUSY))
                .map_err(|cause| error(cause, "cannot commit"))?;
            shut(connection, &gate);
            Ok(())
        })
        .await
    }

    async fn rollback(&mut self) -> Result<()> {
        let gate = self.file.gate.clone();
        self.with(move |connection| {
            if !connection.is_autocommit() {
                connection
                    .execute_batch("ROLLBACK")
                    .and_then(|()| connection.busy_timeout(BUSY))
                    .map_err(|cause| error(cause, "cannot roll back"))?;
            }
            shut(connection, &gate);
            Ok(())
        })
        .await
    }

    async fn set_lock_timeout(&mut self, lock_timeout: Option<Duration>) -> Result<()> {
        self.with(move |connection| {
            connection.busy_timeout(lock_timeout.unwrap_or(BUSY)).map_err(|cause| error(cause, ""))
        })
        .await
    }

    async fn reset(&mut self) -> Result<()> {
        let fenced = self.file.fenced().is_some();
        self.with(move |connection| {
            reset(connection, fenced).map_err(|cause| error(cause, "cannot reset the session"))
        })
        .await
    }

    fn history_table(&self) -> &'static str {
        "\"dbm_history\""
    }

    fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }
}

fn reset(connection: &Connection, fenced: bool) -> rusqlite::Result<()> {
    connection.execute_batch(
        "PRAGMA foreign_keys = OFF; PRAGMA defer_foreign_keys = OFF; PRAGMA recursive_triggers = OFF;
         PRAGMA legacy_alter_table = OFF; PRAGMA writable_schema = OFF; PRAGMA query_only = OFF;",
    )?;
    // One file's temporary table must not hide the next one's table of that name.
    let drops = "SELECT 'DROP ' || type || ' IF EXISTS temp.\"' || replace(name, '\"', '\"\"') || '\"'
                   FROM sqlite_temp_schema WHERE type IN ('trigger', 'view', 'table') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
                  ORDER BY type DESC";
    for drop in names(connection, drops)? {
        // What is gone with another one is no error.
        connection.execute_batch(&drop)?;
    }
    // The rest does nothing, or fails, inside a transaction.
    if !connection.is_autocommit() {
        return Ok(());
    }
    connection.execute_batch("PRAGMA synchronous = FULL")?;
    let attached = "SELECT 'DETACH \"' || replace(name, '\"', '\"\"') || '\"' FROM pragma_database_list
                     WHERE name NOT IN ('main', 'temp')";
    for detach in names(connection, attached)? {
        connection.execute_batch(&detach)?;
    }
    if !fenced {
        give_back(connection)?;
    }
    Ok(())
}

fn names(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}

/// Does something for which the gate may be opened, and shuts it afterwards, whatever came of it.
fn through<T>(
    connection: &Connection,
    gate: &Gate,
    work: impl FnOnce(&Connection) -> std::result::Result<T, Stopped>,
) -> Result<T> {
    let done = work(connection);
    shut(connection, gate);
    done.map_err(|stopped| match stopped {
        Stopped::Statement(cause) => error(cause, ""),
        Stopped::Gate(error) => error,
    })
}

/// That the gate could not be shut does not fail the statement that was run; `is_sealed` reports it.
fn shut(connection: &Connection, gate: &Gate) {
    if let Err(cause) = gate.shut(connection) {
        tracing::warn!(%cause, "others may write to the database");
    }
}

enum Stopped {
    Statement(rusqlite::Error),
    Gate(Error),
}

impl From<rusqlite::Error> for Stopped {
    fn from(cause: rusqlite::Error) -> Self {
        Self::Statement(cause)
    }
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Gate(error)
    }
}

/// Runs all statements of a text to their last row, as the sqlite3 shell does.
fn run(connection: &Connection, sql: &str, gate: &Gate) -> Result<Ran> {
    through(connection, gate, |connection| {
        let mut ran = Ran::default();
        let mut batch = Batch::new(connection, sql);
        while let Some(mut statement) = batch.next()? {
            if !statement.readonly() {
                gate.open()?;
            }
            let before = connection.total_changes();
            let returns_rows = statement.column_count() > 0;
            let mut rows = statement.raw_query();
            let mut returned = 0;
            while rows.next()?.is_some() {
                returned += 1;
            }
            drop(rows);
            let changed = if connection.total_changes() > before { connection.changes() } else { 0 };
            ran.rows = Some(if returns_rows { returned } else { changed });
        }
        Ok(ran)
    })
}

fn query(connection: &Connection, sql: &str) -> rusqlite::Result<Rows> {
    let mut statement = connection.prepare(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.raw_query();
    let mut all = Rows::new();
    while let Some(row) = rows.next()? {
        all.push((0..columns).map(|column| row.get_ref(column).map(text::of)).collect::<Result<_, _>>()?);
    }
    Ok(all)
}

fn violations(connection: &Connection) -> Violations {
    let mut statement = connection.prepare("PRAGMA foreign_key_check").ok()?;
    let mut rows = statement.raw_query();
    let mut found = BTreeMap::new();
    while let Some(row) = rows.next().ok()? {
        *found.entry((row.get(0).ok()?, row.get(2).ok()?)).or_default() += 1;
    }
    Some(found)
}
