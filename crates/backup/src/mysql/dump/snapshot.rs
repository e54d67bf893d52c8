//! One moment for all workers.

use std::time::Duration;

use database::mysql::{Connection, Flavour, Server, rows};
use database::{Engine, ErrorKind as DatabaseErrorKind, quote};
use tokio_util::sync::CancellationToken;

use crate::{Error, ErrorKind, Result};

/// How long a global lock is waited for: behind a long query it would stop everybody else.
const WAIT: u32 = 3;
/// How often it is tried.
const TRIES: u32 = 10;

/// The connections of a dump, all in one snapshot.
pub(super) struct Snapshot {
    /// Each with a transaction that sees the moment; the first one has looked at every table, so that none is altered.
    pub(super) workers: Vec<Connection>,
    /// Keeps definitions as they are until all is read, where the server can do that.
    pub(super) instance: Option<Connection>,
    /// Holds tables of engines without transactions until they are read; nobody writes to them meanwhile.
    pub(super) holder: Option<Connection>,
    /// What weakened it.
    pub(super) weakened: Vec<String>,
    /// Where the server's log was at the moment: file and position, GTIDs.
    pub(super) position: String,
}

/// What there is to hold.
pub(super) struct Tables {
    /// All that hold rows, quoted.
    pub(super) all: Vec<String>,
    /// Those whose engine knows no snapshot, quoted.
    pub(super) without_snapshot: Vec<String>,
}

/// Takes the snapshot with as many workers as can have it.
pub(super) async fn take(
    server: &Server,
    tables: &Tables,
    jobs: usize,
    cancel: &CancellationToken,
) -> Result<Snapshot> {
    let mut weakened = Vec::new();
    let connection = server.connect(None).await?;
    let stages = connection.flavour() == Flavour::MariaDb && connection.release() >= (10, 5);
    // Locks of single tables wait for the stages of a backup, so they come first; and the read lock waits for them, so
    // that there they come second.
    let early = if stages { hold(server, tables, WAIT * TRIES, &mut weakened).await? } else { None };
    let locker = lock_all(connection, stages, cancel).await?;
    let patience = if locker.is_some() { WAIT } else { WAIT * TRIES };
    let holder = if stages { early } else { hold(server, tables, patience, &mut weakened).await? };
    // The other way round, a change of definitions that waits for this lock would keep the global one from us.
    let instance = lock_instance(server).await?;
    let number = if locker.is_some() { jobs.max(1) } else { 1 };
    let mut workers = Vec::with_capacity(number);
    for _ in 0..number {
        match begin(server).await {
            Ok(worker) => workers.push(worker),
            Err(error) if !workers.is_empty() && error.kind() == DatabaseErrorKind::Connection => {
                tracing::warn!(%error, sessions = workers.len(), "the server lets no more sessions in");
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut locker = locker;
    let position = match &mut locker {
        Some(locker) => position(&mut locker.connection).await,
        None => position(&mut workers[0]).await,
    };
    let first = &mut workers[0];
    let held = look_at(first, &tables.all).await;
    if let Some(locker) = locker {
        locker.release().await?;
    }
    held?;
    Ok(Snapshot { workers, instance, holder, weakened, position })
}

/// A connection that keeps writers away from tables that know no snapshot.
async fn hold(
    server: &Server,
    tables: &Tables,
    seconds: u32,
    weakened: &mut Vec<String>,
) -> Result<Option<Connection>> {
    if tables.without_snapshot.is_empty() {
        return Ok(None);
    }
    let mut connection = server.connect(None).await?;
    connection
        .batch(&format!("SET SESSION lock_wait_timeout = {seconds}"), "cannot set a time limit")
        .await?;
    let names: Vec<String> = tables.without_snapshot.iter().map(|name| format!("{name} READ")).collect();
    match connection
        .batch(&format!("LOCK TABLES {}", names.join(", ")), "cannot lock tables without transactions")
        .await
    {
        Ok(()) => {
            connection.batch(rows::ROW_SESSION, "cannot set up the session").await?;
            Ok(Some(connection))
        }
        Err(error)
            if matches!(error.kind(), DatabaseErrorKind::Permission | DatabaseErrorKind::LockTimeout) =>
        {
            weakened.push(format!(
                "{} have engines without transactions, and could not be locked: {error}",
                tables.without_snapshot.join(", ")
            ));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Stops all writing for the moment in which the workers take their snapshots; `None` without the right to do so, or
/// where others keep it from us: then one worker has to do.
async fn lock_all(
    mut connection: Connection,
    stages: bool,
    cancel: &CancellationToken,
) -> Result<Option<Locker>> {
    connection.batch(&format!("SET SESSION lock_wait_timeout = {WAIT}"), "cannot set a time limit").await?;
    for tried in 1..=TRIES {
        let locked = if stages {
            stop_by_stages(&mut connection).await
        } else {
            connection.batch("FLUSH TABLES WITH READ LOCK", WHAT).await
        };
        match locked {
            Ok(()) => return Ok(Some(Locker { connection, stages })),
            Err(error) if error.kind() == DatabaseErrorKind::Permission => return Ok(None),
            Err(error) if error.kind() == DatabaseErrorKind::LockTimeout => {
                tracing::info!(tried, "a long query stands before the global lock; it is tried again");
            }
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(2)) => {}
            () = cancel.cancelled() => return Err(Error::new(ErrorKind::Cancelled, "the backup was cancelled")),
        }
    }
    tracing::warn!("the global lock could not be had: one session reads everything");
    connection.close().await;
    Ok(None)
}

/// MySQL's lock of all definitions, which lets rows be written all the time and goes with its session:
/// <https://dev.mysql.com/doc/refman/8.4/en/lock-instance-for-backup.html>. Where it is not to be had at once, a table's
/// definition is held by the worker that has looked at it.
async fn lock_instance(server: &Server) -> Result<Option<Connection>> {
    let mut connection = server.connect(None).await?;
    if connection.flavour() == Flavour::MySql && connection.release() >= (8, 0) {
        let sql = "SET SESSION lock_wait_timeout = 1; LOCK INSTANCE FOR BACKUP";
        match connection.batch(sql, "cannot keep definitions as they are").await {
            Ok(()) => return Ok(Some(connection)),
            Err(error)
                if matches!(error.kind(), DatabaseErrorKind::Permission | DatabaseErrorKind::LockTimeout) => {
            }
            Err(error) => return Err(error.into()),
        }
    }
    connection.close().await;
    Ok(None)
}

const WHAT: &str = "cannot stop writing for a moment";

/// The session that has stopped all writing.
struct Locker {
    connection: Connection,
    /// By the stages of a backup, which wait for no query as the global read lock does.
    stages: bool,
}

impl Locker {
    async fn release(mut self) -> Result<()> {
        let sql = if self.stages { "BACKUP STAGE END" } else { "UNLOCK TABLES" };
        self.connection.batch(sql, "cannot let go of the global lock").await?;
        self.connection.close().await;
        Ok(())
    }
}

/// MariaDB's own way, which stops commits and changes of definitions, and waits for no query that only reads:
/// <https://mariadb.com/kb/en/backup-stage/>.
async fn stop_by_stages(connection: &mut Connection) -> database::Result<()> {
    for (number, stage) in ["START", "FLUSH", "BLOCK_DDL", "BLOCK_COMMIT"].into_iter().enumerate() {
        let Err(error) = connection.batch(&format!("BACKUP STAGE {stage}"), WHAT).await else { continue };
        if number > 0 && error.kind() != DatabaseErrorKind::Connection {
            connection.batch("BACKUP STAGE END", "cannot let go of the global lock").await?;
        }
        return Err(error);
    }
    Ok(())
}

async fn begin(server: &Server) -> database::Result<Connection> {
    let mut connection = server.connect(None).await?;
    let what = "cannot take a snapshot";
    // A table that somebody has locked for himself is told, and not waited for all night.
    connection.batch(&format!("SET SESSION lock_wait_timeout = {}", WAIT * TRIES), what).await?;
    connection.batch("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", what).await?;
    connection.batch("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", what).await?;
    connection.batch(rows::ROW_SESSION, what).await?;
    Ok(connection)
}

/// Looks at each table without reading it: who alters it waits until our transaction ends.
async fn look_at(connection: &mut Connection, tables: &[String]) -> Result<()> {
    for table in tables {
        let sql = format!("SELECT 1 FROM {table} LIMIT 0");
        let read = connection.batch(&sql, &format!("cannot read {table}")).await;
        read.map_err(|error| match error.kind() {
            DatabaseErrorKind::LockTimeout => error.with_hint(
                "another session holds a lock on it, such as LOCK TABLES or a long ALTER TABLE: see SHOW FULL PROCESSLIST",
            ),
            _ => error,
        })?;
    }
    Ok(())
}

/// Where the server's log is, for people and replicas: never a statement of the script.
async fn position(connection: &mut Connection) -> String {
    let ask = |connection: &Connection| match connection.flavour() {
        Flavour::MariaDb => "SHOW MASTER STATUS",
        Flavour::MySql if connection.release() >= (8, 2) => "SHOW BINARY LOG STATUS",
        Flavour::MySql => "SHOW MASTER STATUS",
    };
    let sql = ask(connection);
    // Without the right to look, or without a log, there is none.
    let row = connection.query(sql, "").await.ok().and_then(|rows| rows.into_iter().next());
    let gtid = match connection.flavour() {
        Flavour::MariaDb => "SELECT @@global.gtid_current_pos",
        Flavour::MySql => "SELECT @@global.gtid_executed",
    };
    let gtid = connection.value(gtid, "").await.ok().flatten().filter(|gtid| !gtid.is_empty());
    let place = row.map(|row| {
        let mut values = row.into_iter().map(Option::unwrap_or_default);
        format!("{}:{}", values.next().unwrap_or_default(), values.next().unwrap_or_default())
    });
    match (place, gtid) {
        (Some(place), Some(gtid)) => format!("{place} gtid {gtid}"),
        (Some(place), None) => place,
        (None, Some(gtid)) => format!("gtid {gtid}"),
        (None, None) => String::new(),
    }
}

/// A table's name as it stands in statements.
pub(super) fn quoted(name: &str) -> String {
    quote::identifier(Engine::Mysql, name)
}
