use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::connect::NAME_BYTES;
use super::pooler::{OUR_PID, pooler, refuse_shared};
use super::session::{STARTED, as_login, first, query};
use super::{Connection, Server, Session};
use crate::{Engine, Error, ErrorKind, Lock, Result, Rows, SessionId, quote};

/// The run's lock, `dbm lock` as a number. Advisory locks are per database, so it needs no name in it.
pub(super) const KEY: i64 = i64::from_be_bytes(*b"dbm lock");

/// How long a session that was told to end may take for it.
const END: Duration = Duration::from_secs(60);

#[async_trait]
impl Lock for Session {
    fn id(&self) -> &SessionId {
        &self.id
    }

    async fn try_lock(&mut self) -> Result<bool> {
        self.as_dbm_reads().await?;
        if self.locked {
            self.same_session().await?;
            return Ok(true);
        }
        // Before the lock, which a pooler would keep when we have gone.
        if !self.direct {
            Box::pin(refuse_shared(&self.server, &self.connection)).await?;
            self.direct = true;
        }
        // The lock is taken only by the session that we know, so that no other is left with it.
        let sql = format!(
            "SELECT pid, CASE WHEN pid = {} THEN pg_catalog.pg_try_advisory_lock({KEY}) END
               FROM (VALUES (pg_catalog.pg_backend_pid())) AS us (pid)",
            self.id.id
        );
        let rows = self.rows(&sql, "cannot take the lock").await?;
        let answer = rows.first().map(Vec::as_slice);
        let Some([Some(_), Some(got)]) = answer else { return Err(pooler()) };
        if got != "t" {
            return Ok(false);
        }
        self.locked = true;
        self.batch(&self.name_sql(), "cannot name the session").await?;
        Ok(true)
    }

    async fn lock_holder(&mut self) -> Result<Option<SessionId>> {
        self.as_dbm_reads().await?;
        holder(&self.connection, KEY).await
    }

    async fn unlock(&mut self) -> Result<()> {
        if std::mem::take(&mut self.locked) {
            // Each reset has taken it once more.
            self.rows("SELECT pg_catalog.pg_advisory_unlock_all()", "cannot give the lock back").await?;
        }
        Ok(())
    }

    async fn end_session(&mut self, orphan: &SessionId) -> Result<bool> {
        self.as_dbm_reads().await?;
        let there = orphan.id != self.id.id && end(&self.connection, orphan).await?;
        end_left_behind(&self.connection).await?;
        Ok(there)
    }
}

/// Who holds an advisory lock of the database that the connection is in.
async fn holder(connection: &Connection, key: i64) -> Result<Option<SessionId>> {
    let sql = format!(
        "SELECT l.pid, {STARTED}, a.application_name, coalesce(a.client_hostname, pg_catalog.host(a.client_addr), 'local')
           FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a USING (pid)
          WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
            AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
            AND l.classid::bigint = {} AND l.objid::bigint = {}",
        (key >> 32) & 0xffff_ffff,
        key & 0xffff_ffff
    );
    let rows = as_login(connection, &sql, "cannot look who holds the lock").await?;
    let Some([pid, started, application, address]) = rows.first().map(Vec::as_slice) else {
        return Ok(None);
    };
    let id = pid.as_deref().and_then(|pid| pid.parse().ok()).unwrap_or_default();
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    Ok(Some(SessionId::named(id, text(started), &text(application), &text(address))))
}

/// Ends a session and waits until it is gone; `false` if it was gone already.
async fn end(connection: &Connection, orphan: &SessionId) -> Result<bool> {
    let started = quote::literal(Engine::Postgres, &orphan.started);
    // The start of another account's session may be hidden from us; then it may be the one.
    let it = format!("pid = {} AND coalesce({STARTED}, {started}) = {started}", orphan.id);
    end_all(connection, &it).await
}

/// Ends whatever clients of this machine that are gone have left on the server: what they were making, loading,
/// committing. Be it the run's own or one who was killed while he recovered it.
async fn end_left_behind(connection: &Connection) -> Result<()> {
    let sql = "SELECT DISTINCT application_name FROM pg_catalog.pg_stat_activity WHERE application_name LIKE 'dbm %'";
    let names = as_login(connection, sql, "cannot look for sessions of an earlier run").await?;
    for name in names.into_iter().flatten().flatten() {
        if SessionId::named(0, String::new(), &name, "").client_is_gone() {
            let name = quote::literal(Engine::Postgres, &name);
            end_all(connection, &format!("application_name = {name} AND {MAY_CONCERN_US}")).await?;
        }
    }
    Ok(())
}

/// Which of the left sessions may be of a run of this database: all that are in it, and elsewhere those of accounts
/// whose sessions we may end. A run on another database, of an account that is none of ours, is that one's to settle.
const MAY_CONCERN_US: &str =
    "(datname = pg_catalog.current_database() OR pg_catalog.pg_has_role(usesysid, 'USAGE'))";

/// Ends the sessions of which a condition holds; `false` if there was none.
async fn end_all(connection: &Connection, it: &str) -> Result<bool> {
    let what = "cannot end a session of an earlier run";
    let present = format!("SELECT pid FROM pg_catalog.pg_stat_activity WHERE {it}");
    if first(as_login(connection, &present, what).await?).is_none() {
        return Ok(false);
    }
    let end =
        format!("SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE {it}");
    let deadline = Instant::now() + END;
    while let Some(pid) = first(as_login(connection, &present, what).await?) {
        if Instant::now() > deadline {
            let message = format!("{what}: {pid} has not ended in {} s", END.as_secs());
            let hint = format!("see what it does: SELECT * FROM pg_stat_activity WHERE pid = {pid}");
            return Err(Error::new(ErrorKind::Busy, message).with_hint(hint));
        }
        as_login(connection, &end, what).await.map_err(|error| {
            error.with_hint("run as the account that the earlier run used, or as one with pg_signal_backend")
        })?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(true)
}

impl Session {
    /// Takes the run's lock once more, to stand at the end of the message that resets the session: a statement
    /// (`DISCARD ALL`, `pg_advisory_unlock_all()`) may have given it away. A session that holds it gets it again, and
    /// [`unlock`](crate::Lock::unlock) gives back all of them.
    pub(super) fn keep_lock_sql(&self) -> String {
        if self.locked { format!("SELECT pg_catalog.pg_try_advisory_lock({KEY})") } else { String::new() }
    }

    /// Reads what [`keep_lock_sql`](Self::keep_lock_sql) has been answered.
    pub(super) fn lock_kept(&mut self, answer: Rows) -> Result<()> {
        if !self.locked || first(answer).as_deref() == Some("t") {
            return Ok(());
        }
        self.locked = false;
        Err(Error::new(
            ErrorKind::Busy,
            "a statement has given the run's lock away, and another run has taken it",
        )
        .with_hint("leave out DISCARD ALL and pg_advisory_unlock_all()"))
    }

    /// Names the session for those who find the lock taken, unless the URL gives it a name.
    pub(super) fn name_sql(&self) -> String {
        if self.server.settings().application_name.is_some() {
            return String::new();
        }
        let name = self.id.name(NAME_BYTES);
        format!("SET application_name = {}; ", quote::literal(Engine::Postgres, &name))
    }

    async fn same_session(&self) -> Result<()> {
        let now = first(self.rows(OUR_PID, "cannot take the lock").await?);
        if now == Some(self.id.id.to_string()) { Ok(()) } else { Err(pooler()) }
    }
}

/// The lock that keeps two swaps of one database apart, in the database from which the swap is made.
///
/// The run's own lock cannot: it belongs to the database that is renamed away, and its session is ended.
#[derive(Debug)]
pub struct SwapLock {
    connection: Connection,
}

impl SwapLock {
    /// The connection that holds it, in the maintenance database. Closing it gives the lock back.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Gives it back.
    pub async fn release(self) {
        self.connection.close().await;
    }
}

/// Ends the holder of the swap's lock that its client has left.
const SWAP_IDLE: &str = "SET idle_session_timeout = '20s'";

/// Takes the swap's lock for the server's database if it is free.
///
/// # Errors
/// As [`Server::maintenance_database`].
pub async fn swap_lock(server: &Server) -> Result<Option<SwapLock>> {
    let connection = server.maintenance_database().await?;
    // A client whose host is gone leaves the server with a session that nobody closes. It is idle for moments only,
    // so it may be ended when it has been for longer; servers before 14 wait for their keepalives.
    if connection.major_version() >= 14 {
        query(&connection, SWAP_IDLE, "cannot bound how long a session may be idle").await?;
    }
    let hash = blake3::hash(format!("dbm swap {}", server.database()).as_bytes());
    let mut key = [0; 8];
    key.copy_from_slice(&hash.as_bytes()[..8]);
    let key = i64::from_be_bytes(key);
    let sql = format!("SELECT pg_catalog.pg_try_advisory_lock({key})");
    let got = first(query(&connection, &sql, "cannot take the lock for the swap").await?);
    if got.as_deref() == Some("t") {
        return Ok(Some(SwapLock { connection }));
    }
    // What a process of this machine has left behind need not be waited for.
    if let Some(holder) = holder(&connection, key).await?
        && holder.client_is_gone()
    {
        end(&connection, &holder).await?;
    }
    connection.close().await;
    Ok(None)
}
