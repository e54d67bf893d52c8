use std::time::Duration;

use async_trait::async_trait;
use mysql_async::prelude::Queryable as _;

use super::home::HISTORY_TABLE;
use super::server::Own;
use super::{Connection, Server, error};
use crate::script::Statement;
use crate::{Canceller, Engine, Error, ErrorKind, Ran, Result, Rows, SessionId, Statements, quote};

/// Warnings that one statement may leave for us to show.
const WARNINGS: &str = "SHOW WARNINGS LIMIT 100";

/// The savepoint by which a transaction knows that no statement has ended it: the end of one forgets it.
const SAVEPOINT: &str = "dbm_begun";

/// One connection to a MySQL or MariaDB server that stays the same server session.
pub struct Session {
    pub(super) server: Server,
    pub(super) connection: Connection,
    pub(super) id: SessionId,
    pub(super) locked: bool,
    /// Keeps the session's number among those of this process.
    _own: Own,
    canceller: Canceller,
    history: String,
    in_transaction: bool,
}

impl Session {
    /// Opens one in the URL's database.
    pub(super) async fn open(server: &Server) -> Result<Self> {
        let mut connection = server.connect(None).await?;
        let number = i64::from(connection.id());
        let started = started(&mut connection, number).await?.ok_or_else(|| {
            Error::new(ErrorKind::Internal, "the server does not know our session").with_hint(
                "a proxy in between that gives sessions other numbers cannot be used: name the server itself",
            )
        })?;
        let id = SessionId::ours(number, started);
        Ok(Self {
            server: server.clone(),
            connection,
            id,
            locked: false,
            _own: server.own(number),
            canceller: Canceller::mysql(server.clone(), number),
            history: quote::qualified(Engine::Mysql, &[server.database(), HISTORY_TABLE]),
            in_transaction: false,
        })
    }

    /// Runs one or more statements whose results do not matter.
    ///
    /// # Errors
    /// What the server refuses, with `what` failed before it.
    pub async fn batch(&mut self, sql: &str, what: &str) -> Result<()> {
        self.connection.batch(sql, what).await
    }

    /// Which kind of server it is of.
    pub fn flavour(&self) -> super::Flavour {
        self.connection.flavour()
    }

    pub(super) fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    /// An error of a statement, with the line of the script that the server points at.
    fn failed(cause: mysql_async::Error, statement: &Statement<'_>) -> Error {
        let error = error(cause, "");
        let text = error.to_string();
        let line = text
            .rsplit_once(" at line ")
            .and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<usize>().ok());
        match line {
            Some(line) if error.kind() == ErrorKind::Statement => {
                error.with_line(statement.line + line.saturating_sub(1))
            }
            _ => error,
        }
    }

    async fn send(&mut self, statement: &Statement<'_>) -> Result<(u64, u16), mysql_async::Error> {
        let (conn, pulse) = self.connection.driver();
        let mut result = pulse.attend(conn.query_iter(statement.text)).await?;
        let mut rows = result.affected_rows();
        while !result.is_empty() {
            while pulse.attend(result.next()).await?.is_some() {
                rows += 1;
            }
        }
        let warnings = result.warnings();
        pulse.attend(result.drop_result()).await?;
        Ok((rows, warnings))
    }
}

/// What tells a session from a later one of the same number: the server's start, by its own clock, and the client's address.
pub(super) async fn started(connection: &mut Connection, number: i64) -> Result<Option<String>> {
    let what = "cannot ask the server who we are";
    let sql = format!("SELECT user, host FROM information_schema.processlist WHERE id = {number}");
    let rows = connection.query(&sql, what).await?;
    let Some([user, host]) = rows.first().map(Vec::as_slice) else { return Ok(None) };
    let (user, host) = (user.as_deref().unwrap_or_default(), host.as_deref().unwrap_or_default());
    // Without a share of a second in both, the same start comes out as one second or the next: `same_start`.
    let up = connection.query("SHOW GLOBAL STATUS LIKE 'Uptime'", what).await?;
    let up = up.first().and_then(|row| row.get(1)?.clone()).unwrap_or_default();
    let sql = format!("SELECT UNIX_TIMESTAMP() - {}", up.parse::<u64>().unwrap_or_default());
    let start = connection.value(&sql, what).await?.unwrap_or_default();
    Ok(Some(format!("{start} {user} {host}")))
}

/// Whether two say the same session, given the same number.
pub(super) fn same_start(one: &str, other: &str) -> bool {
    let parts = |text: &str| {
        let (start, who) = text.split_once(' ')?;
        Some((start.parse::<i64>().ok()?, who.to_owned()))
    };
    match (parts(one), parts(other)) {
        (Some((one, who)), Some((other, whom))) => who == whom && (one - other).abs() <= 2,
        _ => false,
    }
}

fn seconds(lock_timeout: Duration) -> u64 {
    // A timeout of 0 would not wait at all, and whole seconds are all that there is.
    lock_timeout.as_secs().saturating_add(u64::from(lock_timeout.subsec_nanos() > 0)).clamp(1, 86_400)
}

#[async_trait]
impl Statements for Session {
    fn engine(&self) -> Engine {
        Engine::Mysql
    }

    async fn run(&mut self, statement: &Statement<'_>) -> Result<Ran> {
        let sent = Box::pin(self.send(statement)).await;
        let (rows, warnings) = sent.map_err(|cause| Self::failed(cause, statement))?;
        let mut notices = Vec::new();
        if warnings > 0 {
            let rows = self.connection.query(WARNINGS, "cannot read the warnings").await?;
            notices.extend(rows.into_iter().filter_map(|row| {
                let [level, code, message] = <[Option<String>; 3]>::try_from(row).ok()?;
                Some(format!("{} {}: {}", level?, code?, message?))
            }));
        }
        Ok(Ran { rows: Some(rows), notices })
    }

    async fn execute(&mut self, sql: &str) -> Result<()> {
        self.connection.batch(sql, "").await
    }

    async fn query(&mut self, sql: &str) -> Result<Rows> {
        self.connection.query(sql, "").await
    }

    async fn begin(&mut self, lock_timeout: Option<Duration>) -> Result<()> {
        self.set_lock_timeout(lock_timeout).await?;
        let sql = format!("START TRANSACTION; SAVEPOINT {SAVEPOINT}");
        self.connection.batch(&sql, "cannot begin a transaction").await?;
        self.in_transaction = true;
        Ok(())
    }

    async fn end_file(&mut self) -> Result<()> {
        // Nothing is deferred here: https://dev.mysql.com/doc/refman/8.4/en/create-table-foreign-keys.html
        self.reset().await
    }

    async fn begin_reading(&mut self) -> Result<()> {
        // START TRANSACTION would commit what a file without autocommit has left open.
        self.connection.batch("SET SESSION TRANSACTION READ ONLY", "cannot begin to read").await
    }

    async fn end_reading(&mut self) -> Result<()> {
        self.connection.batch("SET SESSION TRANSACTION READ WRITE", "cannot end reading").await
    }

    async fn commit(&mut self) -> Result<()> {
        self.in_transaction = false;
        match self.connection.batch(&format!("RELEASE SAVEPOINT {SAVEPOINT}"), "cannot commit").await {
            Ok(()) => self.connection.batch("COMMIT", "cannot commit").await,
            Err(error) if error.kind() == ErrorKind::Statement => Err(Error::new(
                ErrorKind::Refused,
                "a statement has ended the transaction that it was run in, so it is not known what is committed",
            )
            .with_hint(
                "MySQL and MariaDB commit at every DDL statement: write `-- dbm: no-transaction` into the file",
            )),
            Err(error) => Err(error),
        }
    }

    async fn rollback(&mut self) -> Result<()> {
        self.in_transaction = false;
        self.connection.batch("ROLLBACK", "cannot roll back").await
    }

    async fn set_lock_timeout(&mut self, lock_timeout: Option<Duration>) -> Result<()> {
        let timeout =
            lock_timeout.map_or_else(|| "DEFAULT".to_owned(), |timeout| seconds(timeout).to_string());
        let sql = format!(
            "SET SESSION lock_wait_timeout = {timeout}, SESSION innodb_lock_wait_timeout = {timeout}"
        );
        self.connection.batch(&sql, "cannot set how long to wait for locks").await
    }

    async fn reset(&mut self) -> Result<()> {
        // A file may have gone to another database.
        let own = format!("USE {}", quote::identifier(Engine::Mysql, self.server.database()));
        if self.locked {
            self.renew_with_lock().await?;
        } else {
            self.connection.renew().await?;
        }
        self.connection.batch(&own, "cannot reset the session").await
    }

    fn history_table(&self) -> &str {
        &self.history
    }

    fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }
}
