//! The fence: the file's exclusive lock, or, where other programs have a WAL database open, a chain of write locks.
//!
//! A program that has a WAL database open keeps it from being locked exclusively for as long as it runs, and nobody
//! can send it away. Then a second connection, the gatekeeper, holds the write lock in a transaction of its own
//! whenever the session has none open: readers go on, writers wait. The lock cannot be handed over between two
//! connections, so that a writer may slip through in the moment between; that is found out, and
//! [`Fence::is_sealed`] says so.
//!
//! The kernel lifts either when the process ends: recovery finds nothing to lift.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use serde_json::json;

use super::copy::is_wal;
use super::file::BUSY;
use super::{File, Session, error};
use crate::{Error, ErrorKind, Fence, FenceState, Result};

/// How long others may take to close a database in WAL mode before the gatekeeper is called.
const CLOSING: Duration = Duration::from_millis(500);

/// The gatekeeper's place; nobody stands there while no fence is raised, or one by the exclusive lock.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate(Arc<Mutex<Option<Keeper>>>);

#[derive(Debug)]
pub(super) struct Keeper {
    connection: Connection,
    /// Whether it holds the write lock.
    shut: bool,
    /// The number that changes for the session whenever somebody else commits, as of the last look.
    version: i64,
    slipped: bool,
}

impl Keeper {
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Finds out what became of the gate while its connection was in other hands.
    pub(super) fn look(&mut self, session: &Connection) {
        self.shut = !self.connection.is_autocommit();
        match version(session) {
            Ok(now) => self.compare(now),
            // If the version cannot be read, somebody may have written.
            Err(cause) => {
                self.slipped = true;
                tracing::warn!(%cause, "others may have written to the database");
            }
        }
    }

    fn compare(&mut self, now: i64) {
        if now != self.version {
            (self.version, self.slipped) = (now, true);
            tracing::warn!("another program wrote to the database between two steps of the run");
        }
    }
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, Option<Keeper>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_raised(&self) -> bool {
        self.lock().is_some()
    }

    /// Whether it is shut, and nobody has slipped through.
    fn is_tight(&self) -> bool {
        self.lock().as_ref().is_some_and(|keeper| keeper.shut && !keeper.slipped)
    }

    fn remove(&self) {
        *self.lock() = None;
    }

    fn raise(&self, file: &File, session: &Connection) -> Result<()> {
        let connection = file.open()?;
        connection.busy_timeout(BUSY).map_err(|cause| error(cause, ""))?;
        connection.execute_batch("BEGIN IMMEDIATE").map_err(closed)?;
        *self.lock() = Some(Keeper { connection, shut: true, version: version(session)?, slipped: false });
        Ok(())
    }

    /// Lets the session write.
    pub(super) fn open(&self) -> Result<()> {
        if let Some(keeper) = self.lock().as_mut()
            && keeper.shut
        {
            keeper
                .connection
                .execute_batch("ROLLBACK")
                .map_err(|cause| error(cause, "cannot open the fence"))?;
            keeper.shut = false;
        }
        Ok(())
    }

    /// Keeps others from writing again, once the session has no transaction open.
    pub(super) fn shut(&self, session: &Connection) -> Result<()> {
        if let Some(keeper) = self.lock().as_mut()
            && !keeper.shut
            && session.is_autocommit()
        {
            keeper.connection.execute_batch("BEGIN IMMEDIATE").map_err(closed)?;
            keeper.shut = true;
            keeper.look(session);
        }
        Ok(())
    }

    /// Does something with who keeps writers out, if there is one.
    pub(super) fn with_keeper<T>(&self, work: impl FnOnce(Option<&mut Keeper>) -> T) -> T {
        work(self.lock().as_mut())
    }
}

/// What changes for a connection whenever another one commits.
fn version(connection: &Connection) -> Result<i64> {
    connection
        .pragma_query_value(Some("main"), "data_version", |row| row.get(0))
        .map_err(|cause| error(cause, "cannot see who else writes to the database"))
}

fn closed(cause: rusqlite::Error) -> Error {
    let cause = error(cause, "cannot keep others away from the database");
    if cause.kind() != ErrorKind::LockTimeout {
        return cause;
    }
    Error::new(ErrorKind::Busy, "another program is writing to the database and does not come to an end")
        .with_hint("stop the programs that write to the file, or run with `--accept-lost-writes`")
        .with_source(cause)
}

#[async_trait]
impl Fence for Session {
    async fn fence_state(&mut self) -> Result<FenceState> {
        Ok(FenceState(json!({ "locking_mode": "normal" })))
    }

    async fn raise_fence(&mut self, _state: &FenceState) -> Result<()> {
        let (file, gate) = (self.file.clone(), self.file.gate.clone());
        let alone = self
            .with(move |connection| {
                if gate.is_raised() {
                    return Ok(false);
                }
                let wal = is_wal(connection)?;
                if wal {
                    connection.busy_timeout(CLOSING).map_err(|cause| error(cause, ""))?;
                }
                let raised = lock(connection);
                if wal {
                    connection.busy_timeout(BUSY).map_err(|cause| error(cause, ""))?;
                }
                let Err(refused) = raised else { return Ok(true) };
                lower(connection)?;
                if !wal || refused.kind() != ErrorKind::Busy {
                    return Err(refused);
                }
                gate.raise(&file, connection).map(|()| false)
            })
            .await?;
        if alone {
            self.file.set_fenced(Some(&self.connection));
        }
        Ok(())
    }

    async fn lift_fence(&mut self, _state: &FenceState) -> Result<()> {
        if self.file.gate.is_raised() {
            self.file.gate.remove();
            return Ok(());
        }
        self.with(lower).await?;
        self.file.set_fenced(None);
        Ok(())
    }

    async fn fence_stands(&mut self, _state: &FenceState) -> Result<bool> {
        Ok(false)
    }

    fn is_sealed(&self) -> bool {
        self.file.fenced().is_some() || self.file.gate.is_tight()
    }
}

/// Takes the exclusive lock and keeps it.
fn lock(connection: &mut Connection) -> Result<()> {
    // The first look opens a WAL in normal mode. One opened in exclusive mode stays so for good:
    // https://www.sqlite.org/wal.html#use_of_wal_without_shared_memory
    connection
        .execute_batch(
            "SELECT count(*) FROM sqlite_schema; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT",
        )
        .map_err(closed)
}

/// Lets others at the file again.
fn lower(connection: &mut Connection) -> Result<()> {
    give_back(connection).map_err(|cause| error(cause, "cannot let others at the database again"))
}

/// Leaves the exclusive mode. The lock is given back at the first look at the file in the normal mode.
///
/// A WAL that was opened in the exclusive mode keeps the lock until the database leaves the WAL mode, and so does one that is
/// opened under the lock: <https://www.sqlite.org/wal.html#use_of_wal_without_shared_memory>
pub(super) fn give_back(connection: &Connection) -> rusqlite::Result<()> {
    let set = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, String>(0));
    // Asking opens what is a WAL by now.
    let wal = set("PRAGMA main.journal_mode")? == "wal";
    let kept = set("PRAGMA locking_mode = NORMAL")? == "exclusive";
    if wal && kept {
        set("PRAGMA main.journal_mode = DELETE")?;
        set("PRAGMA locking_mode = NORMAL")?;
    }
    connection.execute_batch("SELECT count(*) FROM sqlite_schema")?;
    if wal && kept {
        set("PRAGMA main.journal_mode = WAL")?;
    }
    Ok(())
}
