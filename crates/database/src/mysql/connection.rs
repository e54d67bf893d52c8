use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, InfileData, Row, Value};

use super::pulse::Pulse;
use super::{Place, error};
use crate::{Error, ErrorKind, Result, Rows};

/// One row as the server's own bytes, `None` for NULL.
pub type Bytes = Vec<Option<Vec<u8>>>;

/// Which of the two kinds of server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// MySQL.
    MySql,
    /// MariaDB.
    MariaDb,
}

/// One connection to a server: the driver's, with what we know of the server.
///
/// Dropping it says goodbye to the server in the background; [`Connection::close`] waits for that.
#[derive(Debug)]
pub struct Connection {
    conn: Conn,
    pub(super) pulse: Pulse,
    place: Place,
    version: String,
    lower_case: bool,
}

/// How long a server may take to hear that we go.
const GOODBYE: Duration = Duration::from_secs(5);

/// What each session needs: no limits of time but our own, and none of how many rows a query gives, which would cut a table
/// short in silence; and what is written without a transaction stays.
const PREPARE: &str = "SET SESSION wait_timeout = 86400, net_read_timeout = 600, net_write_timeout = 600, \
                       sql_select_limit = 18446744073709551615, sql_big_selects = 1, autocommit = 1";

impl Connection {
    pub(super) async fn start(conn: Conn, place: Place, pulse: Pulse) -> Result<Self> {
        let mut connection = Self { conn, pulse, place, version: String::new(), lower_case: false };
        let sql = "SELECT VERSION(), @@lower_case_table_names = 1";
        let rows = connection.query(sql, "cannot ask the server what it is").await?;
        let mut values = rows.into_iter().flatten().flatten();
        connection.version = values.next().unwrap_or_default();
        connection.lower_case = values.next().as_deref() == Some("1");
        connection.prepare().await?;
        Ok(connection)
    }

    /// Gives the session the settings that ours have, also after a reset.
    pub(super) async fn prepare(&mut self) -> Result<()> {
        let what = format!("cannot set up the session on {}", self.place);
        let limit = match self.flavour() {
            Flavour::MariaDb => {
                "SET SESSION max_statement_time = 0, idle_transaction_timeout = 0, \
                                 idle_readonly_transaction_timeout = 0, idle_write_transaction_timeout = 0"
            }
            Flavour::MySql => "SET SESSION max_execution_time = 0",
        };
        for sql in ["SET NAMES utf8mb4", PREPARE, limit] {
            self.batch(sql, &what).await?;
        }
        Ok(())
    }

    /// The server that let us in.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The server's version as it writes it: `10.11.19-MariaDB-0+deb12u1`, `9.7.0`.
    pub fn server_version(&self) -> &str {
        &self.version
    }

    /// Whether the server writes all names of databases and tables in lower case (`lower_case_table_names = 1`).
    pub fn lower_case(&self) -> bool {
        self.lower_case
    }

    /// Which kind of server it is.
    pub fn flavour(&self) -> Flavour {
        if self.version.contains("MariaDB") { Flavour::MariaDb } else { Flavour::MySql }
    }

    /// The version's first two numbers: `(10, 11)`.
    pub fn release(&self) -> (u32, u32) {
        let [first, second, _] = self.version();
        (first, second)
    }

    /// The version's three numbers: `[10, 11, 6]`.
    pub fn version(&self) -> [u32; 3] {
        // Some MariaDB servers put `5.5.5-` before their own version.
        let version = self.version.strip_prefix("5.5.5-").unwrap_or(&self.version);
        let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
        [(); 3].map(|()| numbers.next().unwrap_or(0))
    }

    /// Runs a query and reads all of its rows as the server's bytes, those of every result set. For small results only.
    ///
    /// # Errors
    /// What the server refuses, with `what` failed before it.
    pub async fn rows(&mut self, sql: &str, what: &str) -> Result<Vec<Bytes>> {
        let wrong = |cause| error(cause, what);
        let (conn, pulse) = self.driver();
        let mut result = pulse.attend(conn.query_iter(sql)).await.map_err(wrong)?;
        let mut rows = Vec::new();
        while !result.is_empty() {
            while let Some(row) = pulse.attend(result.next()).await.map_err(wrong)? {
                rows.push(bytes(row));
            }
        }
        pulse.attend(result.drop_result()).await.map_err(wrong)?;
        Ok(rows)
    }

    /// The same as text.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] too, where a value is no UTF-8.
    pub async fn query(&mut self, sql: &str, what: &str) -> Result<Rows> {
        let text = |value: Option<Vec<u8>>| {
            value
                .map(|bytes| {
                    String::from_utf8(bytes).map_err(|cause| {
                        Error::new(
                            ErrorKind::Internal,
                            format!("{what}: the server sent text that is not UTF-8"),
                        )
                        .with_source(cause)
                    })
                })
                .transpose()
        };
        let rows = self.rows(sql, what).await?;
        rows.into_iter().map(|row| row.into_iter().map(text).collect()).collect()
    }

    /// The first value of the first row of a query.
    ///
    /// # Errors
    /// As [`Connection::query`].
    pub async fn value(&mut self, sql: &str, what: &str) -> Result<Option<String>> {
        Ok(self.query(sql, what).await?.into_iter().next().and_then(|row| row.into_iter().next().flatten()))
    }

    /// Runs one or more statements whose results do not matter.
    ///
    /// # Errors
    /// What the server refuses, with `what` failed before it.
    pub async fn batch(&mut self, sql: &str, what: &str) -> Result<()> {
        self.pulse.attend(self.conn.query_drop(sql)).await.map_err(|cause| error(cause, what))
    }

    /// The driver's connection, and what every wait for it goes through.
    pub(super) fn driver(&mut self) -> (&mut Conn, &Pulse) {
        (&mut self.conn, &self.pulse)
    }

    /// What the server reads when the next statement asks for a local file, in the place of one.
    pub fn set_infile_handler<F>(&mut self, content: F)
    where
        F: Future<Output = mysql_async::Result<InfileData>> + Send + Sync + 'static,
    {
        self.conn.set_infile_handler(content);
    }

    /// Has the server look at its tables when it is asked how large they are and what they number next; MySQL 8 tells
    /// otherwise what was so up to a day ago.
    pub(super) async fn look_anew(&mut self) -> Result<()> {
        if self.flavour() == Flavour::MySql && self.release() >= (8, 0) {
            let sql = "SET SESSION information_schema_stats_expiry = 0";
            self.batch(sql, "cannot set up the session").await?;
        }
        Ok(())
    }

    /// Gives the server's session the state of a new one, in the same database, and ours on top of it.
    pub(super) async fn renew(&mut self) -> Result<()> {
        let what = "cannot reset the session";
        let supported = self.pulse.attend(self.conn.reset()).await.map_err(|cause| error(cause, what))?;
        if !supported {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("{what}: MySQL {} cannot do that", self.version),
            )
            .with_hint("dbm needs MySQL 5.7.3, MariaDB 10.2.4 or newer"));
        }
        self.prepare().await
    }

    /// Says goodbye to the server and waits for it.
    pub async fn close(self) {
        if self.pulse.has_given_up() {
            return;
        }
        match tokio::time::timeout(GOODBYE, self.conn.disconnect()).await {
            Ok(Err(cause)) => tracing::debug!(%cause, "the connection broke while it was closed"),
            Err(_) => tracing::debug!(place = %self.place, "the server did not take leave"),
            Ok(Ok(())) => {}
        }
    }
}

fn bytes(row: Row) -> Bytes {
    row.unwrap()
        .into_iter()
        .map(|value| match value {
            Value::NULL => None,
            Value::Bytes(bytes) => Some(bytes),
            // The text protocol sends bytes only.
            other => Some(other.as_sql(true).into_bytes()),
        })
        .collect()
}

impl Deref for Connection {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MySql => "MySQL",
            Self::MariaDb => "MariaDB",
        })
    }
}
