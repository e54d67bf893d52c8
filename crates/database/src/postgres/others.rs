use std::time::{Duration, Instant};

use super::session::{as_login, query};
use super::{Connection, Server};
use crate::{Engine, Error, ErrorKind, OtherSession, Result, quote};

/// How long the sessions of others may take to end.
const END: Duration = Duration::from_secs(30);
/// How long the server may need to notice that a client has gone.
const LINGER: Duration = Duration::from_secs(2);

impl Server {
    /// The sessions of others in the URL's database.
    ///
    /// # Errors
    /// As [`Server::maintenance_database`].
    pub async fn others(&self) -> Result<Vec<OtherSession>> {
        let connection = self.quiet(None).await?;
        let others = self.others_in(&connection, self.database()).await?;
        connection.close().await;
        Ok(others)
    }

    /// Ends the sessions of others in the URL's database, and waits until they are gone.
    ///
    /// # Errors
    /// [`ErrorKind::Permission`] for sessions of accounts that are above us; [`ErrorKind::Busy`] where new ones keep coming.
    pub async fn end_others(&self) -> Result<()> {
        let connection = self.quiet(None).await?;
        self.end_others_in(&connection, self.database()).await?;
        connection.close().await;
        Ok(())
    }

    /// The sessions of others in a database, through a connection to any database of the server.
    ///
    /// # Errors
    /// What asking the server gave.
    pub async fn others_in(&self, connection: &Connection, database: &str) -> Result<Vec<OtherSession>> {
        let sql = format!(
            "SELECT pid, coalesce(usename, ''), coalesce(application_name, ''),
                    coalesce(client_hostname, host(client_addr), 'local'),
                    coalesce(to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), '')
               FROM pg_catalog.pg_stat_activity
              WHERE datname = {} AND pid <> pg_catalog.pg_backend_pid()
                AND coalesce(backend_type, 'client backend') IN ('client backend', 'walsender')
              ORDER BY backend_start, pid",
            quote::literal(Engine::Postgres, database)
        );
        let rows = query(connection, &sql, "cannot ask the server who else is connected").await?;
        let others = rows.into_iter().filter_map(|row| {
            let mut values = row.into_iter().map(Option::unwrap_or_default);
            Some(OtherSession {
                id: values.next()?.parse().ok()?,
                account: values.next()?,
                application: values.next()?,
                address: values.next()?,
                since: values.next()?,
            })
        });
        Ok(others.filter(|other| !self.is_own(other.id)).collect())
    }

    /// Those sessions of others in a database that do not go by themselves: what a client that has just ended
    /// leaves to the server takes some milliseconds to go, so it is looked again for up to two seconds.
    ///
    /// # Errors
    /// As [`Server::others_in`].
    pub async fn others_staying_in(
        &self,
        connection: &Connection,
        database: &str,
    ) -> Result<Vec<OtherSession>> {
        let deadline = Instant::now() + LINGER;
        loop {
            let others = self.others_in(connection, database).await?;
            if others.is_empty() || Instant::now() > deadline {
                return Ok(others);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends the sessions of others in a database, through a connection to any database of the server.
    ///
    /// # Errors
    /// As [`Server::end_others`].
    pub async fn end_others_in(&self, connection: &Connection, database: &str) -> Result<()> {
        let deadline = Instant::now() + END;
        loop {
            let others = self.others_in(connection, database).await?;
            let Some(one) = others.first() else { return Ok(()) };
            if Instant::now() > deadline {
                let OtherSession { account, application, address, .. } = one;
                return Err(Error::new(
                    ErrorKind::Busy,
                    format!(
                        "sessions in `{database}` keep coming back: {account} ({application}) from {address}"
                    ),
                )
                .with_hint("stop that program, and try again"));
            }
            for other in &others {
                end(connection, other.id).await.map_err(|cause| {
                    let OtherSession { account, application, .. } = other;
                    let message =
                        format!("cannot end the session of {account} ({application}) in `{database}`");
                    Error::new(ErrorKind::Permission, message)
                        .with_source(cause)
                        .with_hint("ask an administrator for GRANT pg_signal_backend, or stop that program")
                })?;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Those sessions of others in a database that this account may not end, and that do not go by themselves (as
    /// [`Server::others_staying_in`]): of superusers, and of roles whose rights it has not, where it is no member of
    /// `pg_signal_backend`.
    ///
    /// # Errors
    /// What asking the server gave.
    pub async fn others_above_in(
        &self,
        connection: &Connection,
        database: &str,
    ) -> Result<Vec<OtherSession>> {
        // Ending it is what counts, as whom is not: see `end`.
        let sql = format!(
            "SELECT pid FROM pg_catalog.pg_stat_activity a
               LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid
              CROSS JOIN (VALUES (session_user), (current_user)) AS us (name)
               JOIN pg_catalog.pg_roles o ON o.rolname = us.name
              WHERE datname = {}
              GROUP BY pid
             HAVING NOT coalesce(bool_or(o.rolsuper OR NOT coalesce(r.rolsuper, true)
                     AND (pg_catalog.pg_has_role(o.oid, a.usesysid, 'USAGE')
                          OR pg_catalog.pg_has_role(o.oid, 'pg_signal_backend', 'USAGE'))), false)",
            quote::literal(Engine::Postgres, database)
        );
        let deadline = Instant::now() + LINGER;
        loop {
            let mut others = self.others_in(connection, database).await?;
            let rows = query(connection, &sql, "cannot ask whose sessions may be ended").await?;
            // Whoever left between the two questions is no hindrance: only who was there both times.
            let above: Vec<i64> =
                rows.into_iter().flatten().flatten().filter_map(|pid| pid.parse().ok()).collect();
            others.retain(|other| above.contains(&other.id));
            if others.is_empty() || Instant::now() > deadline {
                return Ok(others);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Tells a session to end: as the account that logged in, which one's own sessions belong to, or as the role that it
/// plays, which may be the one with the rights.
///
/// # Errors
/// [`ErrorKind::Permission`] if neither may.
pub async fn end(connection: &Connection, session: i64) -> Result<()> {
    let sql = format!("SELECT pg_catalog.pg_terminate_backend({session})");
    let what = "cannot end a session";
    if as_login(connection, &sql, what).await.is_err() {
        query(connection, &sql, what).await?;
    }
    Ok(())
}
