use std::time::{Duration, Instant};

use super::fence::{OF_THE_SERVER, SCRATCH_ACCOUNTS};
use super::{Connection, Server, is_database};
use crate::{Error, ErrorKind, OtherSession, Result};

/// How long the sessions of others may take to end.
const END: Duration = Duration::from_secs(30);
/// How long the server may need to notice that a client has gone.
const LINGER: Duration = Duration::from_secs(2);

impl Server {
    /// The sessions of others in the URL's database. Those of other accounts show only to who has PROCESS.
    ///
    /// # Errors
    /// What asking the server gave.
    pub async fn others(&self) -> Result<Vec<OtherSession>> {
        let mut connection = self.connect_nowhere().await?;
        let others = self.others_through(&mut connection).await;
        connection.close().await;
        others
    }

    /// Those of them that do not go by themselves: what a client that has just ended leaves to the server takes some
    /// milliseconds to go, so it is looked again for up to two seconds.
    ///
    /// # Errors
    /// As [`Server::others`].
    pub async fn others_staying(&self) -> Result<Vec<OtherSession>> {
        let deadline = Instant::now() + LINGER;
        loop {
            let others = self.others().await?;
            if others.is_empty() || Instant::now() > deadline {
                return Ok(others);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends the sessions of others in the URL's database, and waits until they are gone.
    ///
    /// # Errors
    /// [`ErrorKind::Permission`] for sessions of accounts that are above us; [`ErrorKind::Busy`] where new ones keep coming.
    pub async fn end_others(&self) -> Result<()> {
        let mut connection = self.connect_nowhere().await?;
        let outcome = self.end_others_through(&mut connection).await;
        connection.close().await;
        outcome
    }

    /// Ends the sessions of others that are in the URL's database now, and waits until these are gone. Who comes after
    /// them is let in.
    ///
    /// # Errors
    /// As [`Server::end_others`]; [`ErrorKind::Busy`] where one of them does not end.
    pub async fn end_those_there(&self) -> Result<()> {
        let mut connection = self.connect_nowhere().await?;
        let there = self.others_through(&mut connection).await?;
        let outcome = self.end_through(&mut connection, Which::Of(&there)).await;
        connection.close().await;
        outcome
    }

    pub(super) async fn others_through(&self, connection: &mut Connection) -> Result<Vec<OtherSession>> {
        self.sessions_through(connection, &is_database("db", self.database())).await
    }

    /// The sessions of other accounts that are in another database, or in none: they reach ours by its name, and may enter it
    /// at any time.
    pub(super) async fn elsewhere_through(&self, connection: &mut Connection) -> Result<Vec<OtherSession>> {
        let which = format!(
            "NOT COALESCE({}, FALSE) AND user <> SUBSTRING_INDEX(USER(), '@', 1) AND LEFT(user, {}) <> '{SCRATCH_ACCOUNTS}'
                AND user NOT IN ({OF_THE_SERVER}, 'system user', 'event_scheduler', 'unauthenticated user')",
            is_database("db", self.database()),
            SCRATCH_ACCOUNTS.len()
        );
        self.sessions_through(connection, &which).await
    }

    async fn sessions_through(&self, connection: &mut Connection, which: &str) -> Result<Vec<OtherSession>> {
        let sql = format!(
            "SELECT id, user, host, CAST(UNIX_TIMESTAMP() - time AS SIGNED) FROM information_schema.processlist
              WHERE {which} AND id <> CONNECTION_ID() AND command NOT IN ('Daemon', 'Binlog Dump', 'Binlog Dump GTID')
              ORDER BY id"
        );
        let rows = connection.query(&sql, "cannot ask the server who else is connected").await?;
        let others = rows.into_iter().filter_map(|row| {
            let mut values = row.into_iter().map(Option::unwrap_or_default);
            let (id, account, address) = (values.next()?.parse().ok()?, values.next()?, values.next()?);
            let since: i64 = values.next()?.parse().unwrap_or_default();
            let since = chrono::DateTime::from_timestamp(since, 0).unwrap_or_default();
            Some(OtherSession {
                id,
                account,
                application: String::new(),
                address,
                since: since.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            })
        });
        Ok(others.filter(|other| !self.is_own(other.id)).collect())
    }

    pub(super) async fn end_others_through(&self, connection: &mut Connection) -> Result<()> {
        self.end_through(connection, Which::Inside).await
    }

    pub(super) async fn end_elsewhere_through(&self, connection: &mut Connection) -> Result<()> {
        self.end_through(connection, Which::Elsewhere).await
    }

    async fn end_through(&self, connection: &mut Connection, which: Which<'_>) -> Result<()> {
        let deadline = Instant::now() + END;
        loop {
            let others = match which {
                Which::Inside => self.others_through(connection).await?,
                Which::Elsewhere => self.elsewhere_through(connection).await?,
                Which::Of(those) => {
                    let mut others = self.others_through(connection).await?;
                    // A number is given once in a server's life.
                    others.retain(|other| those.iter().any(|one| one.id == other.id));
                    others
                }
            };
            let Some(one) = others.first() else { return Ok(()) };
            if Instant::now() > deadline {
                return Err(Error::new(
                    ErrorKind::Busy,
                    format!(
                        "sessions {} keep coming back: {} from {}",
                        which.place(self.database()),
                        one.account,
                        one.address
                    ),
                )
                .with_hint("stop that program, and try again"));
            }
            for other in &others {
                let what = format!("cannot end the sessions of others {}", which.place(self.database()));
                match connection.batch(&format!("KILL {}", other.id), &what).await {
                    // It has gone meanwhile.
                    Err(error) if error.to_string().contains("(error 1094)") => {}
                    Err(error) => {
                        return Err(error.with_hint(
                            "the account needs CONNECTION ADMIN (MariaDB), CONNECTION_ADMIN (MySQL) or SUPER, \
                             or stop those programs",
                        ));
                    }
                    Ok(()) => {}
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Whose sessions are ended.
#[derive(Clone, Copy)]
enum Which<'a> {
    /// All that are in the URL's database.
    Inside,
    /// Those of them.
    Of(&'a [OtherSession]),
    /// All of other accounts that are not in it.
    Elsewhere,
}

impl Which<'_> {
    fn place(self, database: &str) -> String {
        match self {
            Self::Inside | Self::Of(_) => format!("in `{database}`"),
            Self::Elsewhere => format!("that reach `{database}` from another database"),
        }
    }
}
