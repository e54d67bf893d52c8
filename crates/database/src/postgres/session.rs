use std::pin::pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{SinkExt as _, TryStreamExt as _};
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::ErrorPosition;

use super::connect::KEEPALIVES;
use super::pooler::{AGE, is_ours};
use super::server::{Own, QUIET};
use super::{Connection, Server, tls};
use crate::script::{self, Statement};
use crate::{Canceller, Engine, Error, ErrorKind, Ran, Result, Rows, SessionId, Statements};

/// How the server writes when a session began, so that two of the same number are told apart.
pub(super) const STARTED: &str =
    "pg_catalog.to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";

/// The rows of a `COPY` go to the server in pieces of so many bytes.
const PIECE: usize = 64 * 1024;

/// One connection to a PostgreSQL server that stays the same server session.
pub struct Session {
    pub(super) server: Server,
    pub(super) connection: Connection,
    pub(super) id: SessionId,
    pub(super) locked: bool,
    /// No pooler was found between us and the server.
    pub(super) direct: bool,
    /// Nothing of the caller's was run since it was new: an unqualified name means the system's.
    quiet: bool,
    /// Keeps the session's number among those of this process.
    pub(super) _own: Own,
    canceller: Canceller,
    /// The open transaction's number, and how long it waits for locks.
    transaction: Option<(String, Option<Duration>)>,
}

impl Session {
    /// Opens one in the URL's database.
    pub(super) async fn open(server: &Server) -> Result<Self> {
        let connection = server.quiet(None).await?;
        let settings = server.settings();
        let tls = if connection.host().is_socket() || settings.ssl_mode == super::SslMode::Disable {
            None
        } else {
            Some(tls::connector(settings).await?)
        };
        let canceller = Canceller::postgres(connection.cancel_token(), tls);
        // What pg_stat_activity asks, without the names of accounts and databases, for which a new session reads catalogs.
        let sql = format!(
            "SELECT pid, {STARTED}, {AGE} FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())"
        );
        // Both are sent before the first is answered.
        let (_, rows) = tokio::join!(
            watch_client(&connection),
            as_login(&connection, &sql, "cannot ask the server who we are")
        );
        let rows = rows?;
        let (pid, started, age) = match rows.into_iter().next().map(<[Option<String>; 3]>::try_from) {
            Some(Ok([Some(pid), Some(started), Some(age)])) => (pid, started, age),
            _ => return Err(Error::new(ErrorKind::Internal, "the server does not know our session")),
        };
        let pid: i64 = pid.parse().unwrap_or_default();
        let direct = is_ours(&connection, pid, &age).await;
        let id = SessionId::ours(pid, started);
        let own = server.own(pid);
        Ok(Self {
            server: server.clone(),
            connection,
            id,
            locked: false,
            direct,
            quiet: true,
            _own: own,
            canceller,
            transaction: None,
        })
    }

    /// From here on names mean what they mean to the database's users. Before a transaction begins, whose end would undo it.
    async fn as_users_read(&mut self) -> Result<()> {
        if std::mem::take(&mut self.quiet) {
            self.batch("RESET search_path", "cannot set the session up").await?;
        }
        Ok(())
    }

    /// From here on names mean what they mean to the system.
    pub(super) async fn as_dbm_reads(&mut self) -> Result<()> {
        if !self.quiet {
            self.batch(QUIET, "cannot set the session up").await?;
            self.quiet = true;
        }
        Ok(())
    }

    pub(super) async fn rows(&self, sql: &str, what: &str) -> Result<Rows> {
        query(&self.connection, sql, what).await
    }

    pub(super) async fn batch(&self, sql: &str, what: &str) -> Result<()> {
        let outcome = self.connection.batch_execute(sql).await;
        outcome.map_err(|cause| self.connection.error(cause, what))
    }

    /// An error of a statement, with the line of the script that the server points at.
    fn failed(&self, cause: tokio_postgres::Error, statement: &Statement<'_>) -> Error {
        let position = cause.as_db_error().and_then(|answer| match answer.position() {
            Some(ErrorPosition::Original(place)) => usize::try_from(*place).ok(),
            _ => None,
        });
        let error = self.connection.error(cause, "");
        match position {
            Some(place) => {
                let before = statement.text.chars().take(place.saturating_sub(1));
                error.with_line(statement.line + before.filter(|&character| character == '\n').count())
            }
            None => error,
        }
    }

    pub(super) fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// Gives the session what a new one has, and names the meaning that they have to users.
    fn reset_sql(&self) -> String {
        let mut sql = "SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *; DEALLOCATE ALL; \
                       DISCARD SEQUENCES; DISCARD TEMP; SET statement_timeout = 0; SET lock_timeout = 0; \
                       SET idle_in_transaction_session_timeout = 0; "
            .to_owned();
        sql.push_str(KEEPALIVES);
        for (since, set) in [
            (14, "SET idle_session_timeout = 0; "),
            (14, "SET client_connection_check_interval = '5s'; "),
            (17, "SET transaction_timeout = 0; "),
        ] {
            if self.connection.major_version() >= since {
                sql.push_str(set);
            }
        }
        if let Some((_, lock_timeout)) = &self.transaction {
            sql.push_str(&format!("SET LOCAL lock_timeout = {}; ", milliseconds(*lock_timeout)));
        }
        if self.locked {
            sql.push_str(&self.name_sql());
        }
        sql
    }

    /// Defers for the next file what is deferred from a transaction's start on.
    ///
    /// The statement goes by names, and takes all constraints of a name in a schema: where one of them is not deferred, none
    /// of them is any more, which may refuse what a later file does, and lets nothing pass that would be refused.
    async fn defer_again(&self) -> Result<()> {
        let sql = "SELECT pg_catalog.string_agg(DISTINCT pg_catalog.format('%s.%I', connamespace::pg_catalog.regnamespace, conname), ', ')
               FROM pg_catalog.pg_constraint found
              WHERE oid OPERATOR(pg_catalog.=)
                    ANY (ARRAY(SELECT tgconstraint FROM pg_catalog.pg_trigger WHERE tginitdeferred))
                AND NOT pg_catalog.pg_is_other_temp_schema(connamespace)
                AND pg_catalog.has_schema_privilege(connamespace, 'USAGE')
                AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint other
                                 WHERE other.conname OPERATOR(pg_catalog.=) found.conname
                                   AND other.connamespace OPERATOR(pg_catalog.=) found.connamespace
                                   AND NOT other.condeferred)";
        match first(self.rows(sql, "").await?) {
            Some(names) => self.batch(&format!("SET CONSTRAINTS {names} DEFERRED"), "").await,
            None => Ok(()),
        }
    }

    async fn send(&mut self, statement: &Statement<'_>) -> Result<u64, tokio_postgres::Error> {
        if let Some(rows) = statement.copy_rows {
            let sink = self.connection.copy_in::<_, Bytes>(statement.text).await?;
            let mut sink = pin!(sink);
            for piece in rows.as_bytes().chunks(PIECE) {
                sink.send(Bytes::copy_from_slice(piece)).await?;
            }
            return sink.finish().await;
        }
        if script::copies_to_client(statement.text) {
            let mut rows = pin!(self.connection.copy_out(statement.text).await?);
            let mut count = 0;
            while rows.try_next().await?.is_some() {
                count += 1;
            }
            return Ok(count);
        }
        let mut messages = pin!(self.connection.simple_query_raw(statement.text).await?);
        let mut rows = 0;
        while let Some(message) = messages.try_next().await? {
            if let SimpleQueryMessage::CommandComplete(count) = message {
                rows = count;
            }
        }
        Ok(rows)
    }
}

/// Lets the server look every few seconds, during a statement, whether we are still there. One on a system that cannot look
/// says so with an error, and does without.
async fn watch_client(connection: &Connection) {
    if connection.major_version() >= 14 {
        let _ = connection.batch_execute("SET client_connection_check_interval = '5s'").await;
    }
}

/// Reads all rows of a query, as text.
pub(super) async fn query(connection: &Connection, sql: &str, what: &str) -> Result<Rows> {
    let messages = connection.simple_query(sql).await.map_err(|cause| connection.error(cause, what))?;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
        }
        _ => None,
    });
    Ok(rows.collect())
}

/// Reads as the account that logged in, whatever role it plays: who one's own sessions are shows to that one only.
pub(super) async fn as_login(connection: &Connection, sql: &str, what: &str) -> Result<Rows> {
    // One message is one transaction, which ends by itself also where it fails or nobody waits for its end.
    query(connection, &format!("SET LOCAL ROLE NONE; {sql}"), what).await
}

/// The first value of the first row.
pub(super) fn first(rows: Rows) -> Option<String> {
    rows.into_iter().next()?.into_iter().next()?
}

fn milliseconds(lock_timeout: Option<Duration>) -> u128 {
    // A timeout of 0 would be none at all.
    lock_timeout.map_or(0, |timeout| timeout.as_millis().clamp(1, i32::MAX.unsigned_abs().into()))
}

#[async_trait]
impl Statements for Session {
    fn engine(&self) -> Engine {
        Engine::Postgres
    }

    async fn run(&mut self, statement: &Statement<'_>) -> Result<Ran> {
        self.as_users_read().await?;
        self.connection.take_notices();
        let sent = Box::pin(self.send(statement)).await;
        let rows = sent.map_err(|cause| self.failed(cause, statement))?;
        let notices = self.connection.take_notices();
        let notices =
            notices.iter().map(|notice| format!("{}: {}", notice.severity(), notice.message())).collect();
        Ok(Ran { rows: Some(rows), notices })
    }

    async fn execute(&mut self, sql: &str) -> Result<()> {
        self.as_users_read().await?;
        self.batch(sql, "").await
    }

    async fn query(&mut self, sql: &str) -> Result<Rows> {
        self.as_users_read().await?;
        self.rows(sql, "").await
    }

    async fn own(&mut self, sql: &str) -> Result<Rows> {
        self.as_dbm_reads().await?;
        self.rows(sql, "").await
    }

    async fn begin(&mut self, lock_timeout: Option<Duration>) -> Result<()> {
        self.as_users_read().await?;
        let sql = format!(
            "BEGIN; SET LOCAL lock_timeout = {};
             SELECT pg_catalog.set_config('synchronous_commit', 'local', true)
              WHERE pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.=) 'off';
             SELECT pg_catalog.pg_backend_pid(), pg_catalog.txid_current()",
            milliseconds(lock_timeout)
        );
        let rows = self.rows(&sql, "cannot begin a transaction").await?;
        let last = rows.into_iter().next_back().map(<[Option<String>; 2]>::try_from);
        let Some(Ok([Some(pid), Some(number)])) = last else {
            return Err(Error::new(
                ErrorKind::Internal,
                "the server does not say which transaction has begun",
            ));
        };
        if pid != self.id.id.to_string() {
            self.rollback().await?;
            return Err(super::pooler::pooler());
        }
        self.transaction = Some((number, lock_timeout));
        Ok(())
    }

    async fn end_file(&mut self) -> Result<()> {
        // What is checked may call the users' functions, so that names are theirs here.
        self.as_users_read().await?;
        // One message, since a thousand small files take as long as their messages. It ends as the next file begins, with
        // names that are the users'. No constraint is deferred without a trigger, and most databases have few of those.
        let sql = format!(
            "SET CONSTRAINTS ALL IMMEDIATE; {}
             SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tginitdeferred); {}",
            self.reset_sql(),
            self.keep_lock_sql()
        );
        let mut answers = self.rows(&sql, "").await?.into_iter();
        let some_deferred = answers.next().and_then(|row| row.into_iter().next().flatten());
        self.lock_kept(answers.collect())?;
        if some_deferred.as_deref() == Some("t") { self.defer_again().await } else { Ok(()) }
    }

    async fn begin_reading(&mut self) -> Result<()> {
        // Rolling back to the savepoint gives the right to write back, which nothing else does in one transaction:
        // https://www.postgresql.org/docs/current/sql-set-transaction.html
        let sql = match self.transaction {
            Some(_) => "SAVEPOINT dbm_reading; SET LOCAL transaction_read_only = on",
            None => "BEGIN; SET TRANSACTION READ ONLY",
        };
        self.batch(sql, "cannot begin to read").await
    }

    async fn end_reading(&mut self) -> Result<()> {
        let sql = match self.transaction {
            Some(_) => "ROLLBACK TO SAVEPOINT dbm_reading; RELEASE SAVEPOINT dbm_reading",
            None => "ROLLBACK",
        };
        self.batch(sql, "cannot end reading").await
    }

    async fn commit(&mut self) -> Result<()> {
        // A transaction that has failed answers COMMIT with a rollback and without an error, so ask first.
        let rows = self.rows("SELECT pg_catalog.txid_current_if_assigned()", "cannot commit").await?;
        let now = first(rows);
        match self.transaction.take() {
            Some((begun, _)) if now.as_ref() == Some(&begun) => self.batch("COMMIT", "cannot commit").await,
            _ => Err(Error::new(
                ErrorKind::Refused,
                "a statement has ended the transaction that it was run in, so it is not known what is committed",
            )
            .with_hint("write `-- dbm: no-transaction` into files that begin or commit transactions themselves")),
        }
    }

    async fn rollback(&mut self) -> Result<()> {
        self.transaction = None;
        self.batch("ROLLBACK", "cannot roll back").await?;
        // It may have undone that too.
        if std::mem::take(&mut self.quiet) { self.as_dbm_reads().await } else { Ok(()) }
    }

    async fn set_lock_timeout(&mut self, lock_timeout: Option<Duration>) -> Result<()> {
        let sql = match lock_timeout {
            Some(_) => format!("SET lock_timeout = {}", milliseconds(lock_timeout)),
            None => "RESET lock_timeout".to_owned(),
        };
        self.batch(&sql, "cannot set how long to wait for locks").await
    }

    async fn reset(&mut self) -> Result<()> {
        let sql = format!("{}{QUIET}{}", self.reset_sql(), self.keep_lock_sql());
        let answer = self.rows(&sql, "cannot reset the session").await?;
        self.quiet = true;
        self.lock_kept(answer)
    }

    fn history_table(&self) -> &'static str {
        "\"public\".\"dbm_history\""
    }

    fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }
}
