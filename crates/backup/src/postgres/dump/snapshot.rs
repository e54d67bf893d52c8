//! One moment of the database for all workers.
//!
//! The tables are locked first and the snapshot is taken after that, so that no definition can
//! have changed between the two. `pg_dump` does it the other way round, and may meet a table that
//! its snapshot does not know so.

use std::time::{Duration, Instant};

use database::postgres::{self, Connection, Server};
use database::{Engine, Error, ErrorKind, Result, quote};
use tokio_util::sync::CancellationToken;

use super::relations::{self, Relation};
use crate::selection::Selection;

/// A wait for a lock makes everybody wait who comes after us, so it is short, and tried again.
const LOCK_WAIT: Duration = Duration::from_secs(2);
/// How long the locks are tried for.
const PATIENCE: Duration = Duration::from_secs(120);
/// How many tables one statement locks.
const BATCH: usize = 200;

/// What each session is set to, so that values come as text that reads back as the same value anywhere.
const SETTINGS: &str = "\
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET search_path = '';
SET DateStyle = 'ISO, MDY';
SET IntervalStyle = postgres;
SET extra_float_digits = 3;
SET bytea_output = hex;
SET lc_monetary = 'C';
SET lc_numeric = 'C';
SET TimeZone = 'UTC';
SET xmloption = content;
SET row_security = off;
SET synchronize_seqscans = off;
SET quote_all_identifiers = off;
SET client_min_messages = warning;
SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name IN ('statement_timeout', \
'lock_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout');
";

/// In a message of its own: a query before it in the same one would have taken the snapshot.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The session that holds the locks and the snapshot.
pub(super) struct Leader {
    pub(super) connection: Connection,
    /// The tables that it has locked.
    pub(super) relations: Vec<Relation>,
    /// What the other workers join; `None` where there are none.
    pub(super) exported: Option<String>,
    /// The server's name of the moment.
    pub(super) moment: String,
    /// The encoding of the database.
    pub(super) encoding: String,
}

/// Locks all tables and takes a snapshot, which further sessions can join if `jobs` says that there will be some.
///
/// # Errors
/// What [`relations::check`] refuses; [`ErrorKind::LockTimeout`] where others hold a lock for longer than our patience.
pub(super) async fn lead(
    server: &Server,
    selection: &Selection,
    jobs: usize,
    cancel: &CancellationToken,
) -> Result<Leader> {
    let connection = server.quiet(None).await?;
    Box::pin(postgres::refuse_pooler(server, &connection)).await?;
    let client = &*connection;
    let row = client
        .query_one(
            "SELECT current_user::text, pg_catalog.current_setting('max_locks_per_transaction')::bigint * \
             (pg_catalog.current_setting('max_connections')::bigint + \
             pg_catalog.current_setting('max_prepared_transactions')::bigint), \
             pg_catalog.current_setting('server_encoding')",
            &[],
        )
        .await
        .map_err(|error| postgres::error(error, "cannot ask the server about itself"))?;
    let (account, locks): (String, i64) = (row.get(0), row.get(1));
    let locks = u64::try_from(locks).unwrap_or_default();
    let encoding = row.get(2);

    let started = Instant::now();
    let mut pause = Duration::from_millis(50);
    let relations = loop {
        let before = relations::read(client, selection).await?;
        relations::check(&before, &account, locks)?;
        let failure = match lock(client, &before).await {
            Ok(()) => {
                let now = relations::read(client, selection).await?;
                relations::check(&now, &account, locks)?;
                if relations::unlocked(&before, &now) == 0 {
                    break now;
                }
                Error::new(ErrorKind::Busy, "tables are made faster than they can be locked for the backup")
                    .with_hint("try again at a quieter time")
            }
            Err(error) if is_transient(&error) => error,
            Err(error) => return Err(error),
        };
        client
            .batch_execute("ROLLBACK")
            .await
            .map_err(|error| postgres::error(error, "cannot give locks back"))?;
        if started.elapsed() > PATIENCE {
            return Err(failure);
        }
        tracing::info!(reason = %failure, "the tables could not be locked yet; trying again");
        tokio::select! {
            () = cancel.cancelled() => return Err(Error::new(ErrorKind::Cancelled, "the backup was cancelled")),
            () = tokio::time::sleep(pause + jitter()) => pause = (pause * 2).min(Duration::from_secs(3)),
        }
    };
    let exported = if jobs > 1 { Some(export(client).await?) } else { None };
    // What it is called is for people; a standby has no transaction of its own to name.
    let moment = client
        .query_one(
            "SELECT pg_catalog.pg_current_snapshot()::text || ' ' || CASE WHEN pg_catalog.pg_is_in_recovery() \
             THEN COALESCE(pg_catalog.pg_last_wal_replay_lsn()::text, '') \
             ELSE pg_catalog.pg_current_wal_lsn()::text END",
            &[],
        )
        .await
        .map_or_else(|_| String::new(), |row| row.get(0));
    if moment.is_empty() {
        return Err(Error::new(ErrorKind::Connection, "the session that holds the snapshot broke"));
    }
    Ok(Leader { connection, relations, exported, moment, encoding })
}

/// A further session in the same snapshot.
pub(super) async fn follow(server: &Server, exported: &str) -> Result<Connection> {
    let connection = server.quiet(None).await?;
    let join = format!("{BEGIN}; SET TRANSACTION SNAPSHOT {}", quote::literal(Engine::Postgres, exported));
    for sql in [SETTINGS, join.as_str()] {
        connection
            .batch_execute(sql)
            .await
            .map_err(|error| postgres::error(error, "cannot join the snapshot"))?;
    }
    Ok(connection)
}

/// A further session outside the snapshot, which waits for no lock for long: behind an `ALTER TABLE` that waits for the
/// leader's lock it would wait for ever. `None` where the server lets no more in.
pub(super) async fn beside(server: &Server) -> Option<Connection> {
    let connection = server.quiet(None).await.ok()?;
    connection.batch_execute("SET lock_timeout = '500ms'; SET search_path = ''").await.ok()?;
    Some(connection)
}

/// Begins the transaction and locks the tables. No statement of it takes the snapshot.
async fn lock(client: &tokio_postgres::Client, relations: &[Relation]) -> Result<()> {
    let failed = |error| postgres::error(error, "cannot lock the tables against being altered");
    client.batch_execute(SETTINGS).await.map_err(failed)?;
    let begin = format!("{BEGIN}; SET LOCAL lock_timeout = {}", LOCK_WAIT.as_millis());
    client.batch_execute(&begin).await.map_err(failed)?;
    for batch in relations.chunks(BATCH) {
        let names: Vec<String> = batch.iter().map(|one| format!("ONLY {}", name(one))).collect();
        let sql = format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", "));
        client.batch_execute(&sql).await.map_err(failed)?;
    }
    Ok(())
}

/// The relation's name as SQL.
pub(super) fn name(relation: &Relation) -> String {
    quote::qualified(Engine::Postgres, &[&relation.namespace, &relation.name])
}

/// Whether another try may do better: a lock not had, a table gone or renamed since it was listed.
fn is_transient(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::LockTimeout)
        || matches!(error.sqlstate(), Some("55P03" | "42P01" | "3F000" | "42809" | "40P01"))
}

/// Takes the snapshot; returns its name for others. Not within a savepoint: no server exports from there.
async fn export(client: &tokio_postgres::Client) -> Result<String> {
    let exported = client.query_one("SELECT pg_catalog.pg_export_snapshot()", &[]).await;
    let row = exported.map_err(|error| {
        postgres::error(error, "cannot share the snapshot between several sessions")
            .with_hint("`--jobs 1` reads everything in one session")
    })?;
    Ok(row.get(0))
}

/// Some milliseconds that differ between processes, so that two that wait do not meet again.
fn jitter() -> Duration {
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |now| now.subsec_nanos());
    Duration::from_millis(u64::from(nanos % 97))
}
