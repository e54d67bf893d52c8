//! One moment for all workers.

use std::time::Duration;

use database::mysql::{Connection, Flavour, Server, rows};
use database::{Engine, ErrorKind as DatabaseErrorKind, quote};
use tokio_util::sync::CancellationToken;

use crate::{Error, ErrorKind, Result};

/// How long a global lock is waited for: behind a long query it would stop everybody else.
pub(super) const WAIT: u32 = 3;
/// How often it is tried.
const TRIES: usize = 6;
/// How long a single table's lock is waited for while we hold nothing that others wait for.
const PATIENCE: u32 = 30;
/// More tables than this are not locked one by one: it opens them all, and nobody writes meanwhile.
const MANY: usize = 1000;

/// The connections of a dump, all in one snapshot.
pub(super) struct Snapshot {
    /// Each with a transaction that sees the moment; the first one has looked at every table, so that none is altered.
    pub(super) workers: Vec<Connection>,
    /// Keeps definitions as they are until they are read, where the server can do that: those of all databases.
    pub(super) instance: Option<Connection>,
    /// Holds tables of engines without transactions until they are read; nobody writes to them meanwhile.
    pub(super) holder: Option<Connection>,
    /// What weakened it.
    pub(super) weakened: Vec<String>,
    /// Where the server's log was at the moment: file and position, GTIDs; empty where nobody knows.
    pub(super) position: String,
}

impl Snapshot {
    /// Lets definitions change again that are not of what it reads.
    pub(super) async fn free_instance(&mut self) {
        if let Some(instance) = self.instance.take() {
            instance.close().await;
        }
    }

    /// Lets go of all that it holds, and waits for the server to have done so.
    pub(super) async fn release(self) {
        for connection in self.holder.into_iter().chain(self.instance).chain(self.workers) {
            connection.close().await;
        }
    }
}

/// What there is to hold.
pub(super) struct Tables {
    /// Those that hold rows and whose engine knows snapshots, quoted.
    pub(super) with_snapshot: Vec<String>,
    /// Those whose engine knows none, quoted.
    pub(super) without_snapshot: Vec<String>,
}

/// Takes the snapshot with as many workers as can have it.
///
/// Nothing that holds a lock of others' waits here for long: whoever flushes tables meanwhile would have us wait for
/// ourselves.
pub(super) async fn take(
    server: &Server,
    tables: &Tables,
    jobs: usize,
    cancel: &CancellationToken,
) -> Result<Snapshot> {
    let mut weakened = Vec::new();
    let connection = server.connect(None).await?;
    let ways = Way::of(&connection, tables);
    // Locks of single tables wait for the stages of a backup, so they come first; and the read lock waits for them, so
    // that there they come second.
    let stages = ways.contains(&Way::Stages);
    let early = if stages { hold(server, tables, PATIENCE, &mut weakened).await? } else { None };
    let locker = lock_all(connection, ways, tables, cancel).await?;
    let patience = if locker.is_some() { WAIT } else { PATIENCE };
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
    let position = match locker {
        Some(mut locker) => {
            let position = position(&mut locker.connection).await;
            locker.release().await?;
            position
        }
        None => Box::pin(position_of_snapshot(&mut workers[0])).await,
    };
    let mut snapshot = Snapshot { workers, instance, holder, weakened, position };
    // Behind the lock, since this may wait for somebody's own: what was altered in between has another definition now,
    // or is refused to a snapshot that is older than it.
    let mut free = tables.with_snapshot.iter().collect::<Vec<_>>();
    if snapshot.holder.is_none() {
        free.extend(&tables.without_snapshot);
    }
    let mut looked = look_at(&mut snapshot.workers[0], &free, WAIT).await;
    if looked.as_ref().is_err_and(|error| error.kind() == ErrorKind::LockTimeout) {
        // Nobody else's definitions need wait for this one.
        snapshot.free_instance().await;
        looked = look_at(&mut snapshot.workers[0], &free, PATIENCE).await;
    }
    looked?;
    Ok(snapshot)
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
    match connection
        .batch(&lock_tables(&tables.without_snapshot), "cannot lock tables without transactions")
        .await
    {
        Ok(()) => {
            rows::set_up(&mut connection, "cannot set up the session").await?;
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

/// How all writing is stopped for a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// `BACKUP STAGE`, which waits for no query as the read lock does.
    Stages,
    /// `LOCK TABLES` of this database's tables, which waits for transactions that have written to them. It touches no
    /// other database, and no backup of one; who replays the log for this database finds its position exact.
    Tables,
    /// `FLUSH TABLES WITH READ LOCK`, which waits for all queries and for all tables that anybody has locked.
    Global,
}

impl Way {
    /// The ways to try in turn.
    fn of(connection: &Connection, tables: &Tables) -> Vec<Self> {
        let stages = connection.flavour() == Flavour::MariaDb && connection.release() >= (10, 5);
        let number = tables.with_snapshot.len();
        match (stages, number) {
            (true, 1..=MANY) => vec![Self::Stages, Self::Tables],
            (true, _) => vec![Self::Stages],
            (false, 1..=MANY) => vec![Self::Tables, Self::Tables, Self::Global],
            (false, _) => vec![Self::Global],
        }
    }

    async fn lock(self, connection: &mut Connection, tables: &Tables) -> database::Result<()> {
        match self {
            Self::Stages => stop_by_stages(connection).await,
            Self::Tables => connection.batch(&lock_tables(&tables.with_snapshot), WHAT).await,
            Self::Global => connection.batch("FLUSH TABLES WITH READ LOCK", WHAT).await,
        }
    }
}

fn lock_tables(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("{name} READ")).collect();
    format!("LOCK TABLES {}", names.join(", "))
}

/// Stops all writing for the moment in which the workers take their snapshots; `None` without the right to do so, or
/// where others keep it from us: then one worker has to do.
async fn lock_all(
    mut connection: Connection,
    mut ways: Vec<Way>,
    tables: &Tables,
    cancel: &CancellationToken,
) -> Result<Option<Locker>> {
    connection.batch(&format!("SET SESSION lock_wait_timeout = {WAIT}"), "cannot set a time limit").await?;
    for tried in 0..TRIES {
        let Some(way) = ways.get(tried % ways.len().max(1)).copied() else { return Ok(None) };
        match way.lock(&mut connection, tables).await {
            Ok(()) => return Ok(Some(Locker { connection, way })),
            Err(error) if error.kind() == DatabaseErrorKind::Permission => {
                ways.retain(|other| *other != way);
                continue;
            }
            Err(error) if error.kind() == DatabaseErrorKind::LockTimeout => {
                // MySQL's read lock is held by then where it is the flushing that has waited too long.
                connection.batch("UNLOCK TABLES", "cannot let go of the lock of all writing").await?;
                tracing::info!(
                    tried,
                    ?way,
                    "somebody's query or transaction stands before our lock; it is tried again"
                );
            }
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(2)) => {}
            () = cancel.cancelled() => return Err(Error::new(ErrorKind::Cancelled, "the backup was cancelled")),
        }
    }
    tracing::warn!("the lock of all writing could not be had: one session reads everything");
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
    way: Way,
}

impl Locker {
    async fn release(mut self) -> Result<()> {
        let sql = if self.way == Way::Stages { "BACKUP STAGE END" } else { "UNLOCK TABLES" };
        self.connection.batch(sql, "cannot let go of the lock of all writing").await?;
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
    connection.batch(&format!("SET SESSION lock_wait_timeout = {PATIENCE}"), what).await?;
    connection.batch("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", what).await?;
    connection.batch("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", what).await?;
    rows::set_up(&mut connection, what).await?;
    Ok(connection)
}

/// Looks at each table without reading it: who alters it waits until our transaction ends.
async fn look_at(connection: &mut Connection, tables: &[&String], seconds: u32) -> Result<()> {
    let limit = format!("SET SESSION lock_wait_timeout = {seconds}");
    connection.batch(&limit, "cannot set a time limit").await?;
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
    let limit = format!("SET SESSION lock_wait_timeout = {PATIENCE}");
    connection.batch(&limit, "cannot set a time limit").await?;
    Ok(())
}

/// Where the server's log is while nobody writes, for people and replicas: never a statement of the script.
async fn position(connection: &mut Connection) -> String {
    let sql = match connection.flavour() {
        Flavour::MariaDb => "SHOW MASTER STATUS",
        Flavour::MySql if connection.release() >= (8, 2) => "SHOW BINARY LOG STATUS",
        Flavour::MySql => "SHOW MASTER STATUS",
    };
    // Without the right to look, or without a log, there is none.
    let row = connection.query(sql, "").await.ok().and_then(|rows| rows.into_iter().next());
    let place = row.and_then(|row| place(row.into_iter()));
    let gtid = match connection.flavour() {
        Flavour::MariaDb => "SELECT @@global.gtid_current_pos",
        Flavour::MySql => "SELECT @@global.gtid_executed",
    };
    told(place, connection.value(gtid, "").await.ok().flatten())
}

/// Where the log was at the moment of a session's snapshot, while others go on writing. MariaDB says so of a consistent
/// snapshot (<https://mariadb.com/kb/en/enhancements-for-start-transaction-with-consistent-snapshot/>); of MySQL nobody
/// knows, and what comes later would leave rows out.
async fn position_of_snapshot(connection: &mut Connection) -> String {
    if connection.flavour() == Flavour::MySql {
        return String::new();
    }
    let sql = "SELECT variable_value FROM information_schema.session_status
                WHERE variable_name IN ('BINLOG_SNAPSHOT_FILE', 'BINLOG_SNAPSHOT_POSITION') ORDER BY variable_name";
    let rows = connection.query(sql, "").await.unwrap_or_default();
    let Some((file, at)) = place(rows.into_iter().flatten()) else { return String::new() };
    let sql = format!("SELECT BINLOG_GTID_POS({}, {at})", quote::literal(Engine::Mysql, &file));
    let gtid = connection.value(&sql, "").await.ok().flatten();
    told(Some((file, at)), gtid)
}

/// A file of the log and a position in it.
type Place = (String, String);

fn place(mut values: impl Iterator<Item = Option<String>>) -> Option<Place> {
    let place = (values.next()??, values.next()??);
    (!place.0.is_empty()).then_some(place)
}

fn told(place: Option<Place>, gtid: Option<String>) -> String {
    let place = place.map(|(file, at)| format!("{file}:{at}"));
    match (place, gtid.filter(|gtid| !gtid.is_empty())) {
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
