//! The exchange of two databases' names, in one transaction of the server.

use std::pin::pin;
use std::time::Duration;

use crate::postgres::failed;
use crate::{Error, ErrorKind, Result};
use chrono::{DateTime, Utc};
use database::postgres::{self, Connection, Server, SwapLock};
use database::{Engine, quote};
use tokio::time::{Instant, sleep};

use super::sessions::{self, named};
use crate::restore::Replaced;
use crate::restore::names::{self, Made};

/// How long the exchange may wait for the sessions of others to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Another session is in the database.
const OBJECT_IN_USE: &str = "55006";

/// Which names are exchanged, and whose sessions may be ended for it.
pub(crate) struct Exchange<'a> {
    /// The name that is taken over is that of its database.
    pub(crate) server: &'a Server,
    /// The database that takes it.
    pub(crate) scratch: &'a str,
    /// Ends everybody's sessions, not only ours.
    pub(crate) disconnect: bool,
}

impl Exchange<'_> {
    /// Renames the target away and gives its name to the new database, both or neither.
    ///
    /// A kill at any moment leaves one of the two states: the client sends the transaction as one
    /// message, and the server finishes it or does not. Until it is settled, the server session
    /// holds a lock named after the target.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] where another swap, or a session that may not be ended, is in the way.
    pub(crate) async fn run(&self, when: DateTime<Utc>) -> Result<Replaced> {
        let target = self.server.database();
        let mut lock = lock(self.server).await?;
        let renaming = lock.connection();
        let ending = self.server.maintenance_database().await?;
        let [Some(old), Some(new)] = [oid(renaming, target).await?, oid(renaming, self.scratch).await?]
        else {
            return Err(Error::new(
                ErrorKind::NoDatabase,
                format!(
                    "`{}` cannot take the place of `{target}`: one of them is not there any more",
                    self.scratch
                ),
            ));
        };
        let name = free_name(renaming, target, when).await?;
        if !self.disconnect {
            let others = self.server.others_staying_in(&ending, target).await?;
            if !others.is_empty() {
                return Err(in_use(target, &named(&others)));
            }
        }
        let sql = format!(
            "BEGIN; SET LOCAL lock_timeout = '10s'; SET LOCAL synchronous_commit = on; \
             ALTER DATABASE {target} RENAME TO {replaced}; ALTER DATABASE {scratch} RENAME TO {target}; COMMIT",
            target = quote::identifier(Engine::Postgres, target),
            scratch = quote::identifier(Engine::Postgres, self.scratch),
            replaced = quote::identifier(Engine::Postgres, &name),
        );
        let deadline = Instant::now() + PATIENCE;
        loop {
            let error = match self.attempt(renaming, &ending, &sql).await {
                Ok(()) => break,
                Err(error) => error,
            };
            if error.code().is_none() {
                // The connection broke: only the server knows how it ended.
                drop(lock);
                if self.settled(old, new).await? {
                    break;
                }
                return Err(failed(error, "cannot exchange the databases' names"));
            }
            // An error of the server ends the transaction with nothing changed; it is only left open.
            renaming
                .batch_execute("ROLLBACK")
                .await
                .map_err(|error| failed(error, "cannot roll back the swap"))?;
            let busy = error.code().is_some_and(|code| code.code() == OBJECT_IN_USE);
            if !busy {
                return Err(failed(error, "cannot exchange the databases' names"));
            }
            let others = self.server.others_in(&ending, target).await?;
            if Instant::now() > deadline || (!self.disconnect && !others.is_empty()) {
                return Err(in_use(target, &named(&others)));
            }
        }
        Ok(Replaced { name, when, bytes: None, not_granted: Vec::new(), unguarded: None })
    }

    /// One attempt: the rename holds the door against newcomers while it waits (up to five
    /// seconds) for those inside to leave, and they are ended meanwhile.
    async fn attempt(
        &self,
        renaming: &Connection,
        ending: &Connection,
        sql: &str,
    ) -> Result<(), tokio_postgres::Error> {
        let mut rename = pin!(renaming.batch_execute(sql));
        loop {
            tokio::select! {
                result = &mut rename => return result,
                () = sleep(Duration::from_millis(40)) => {}
            }
            let end = async {
                let target = self.server.database();
                sessions::end(ending, self.scratch, &[]).await?;
                let stay =
                    if self.disconnect { Vec::new() } else { self.server.others_in(ending, target).await? };
                sessions::end(ending, target, &stay).await
            };
            // What could not be ended shows in the rename's own outcome.
            tokio::select! {
                result = &mut rename => return result,
                _ = end => {}
            }
        }
    }

    /// Whether the exchange was committed, asked on a new connection once its session is gone.
    async fn settled(&self, old: u32, new: u32) -> Result<bool> {
        let mut lock = lock(self.server).await?;
        match oid(lock.connection(), self.server.database()).await? {
            Some(now) if now == new => Ok(true),
            Some(now) if now == old => Ok(false),
            _ => Err(Error::new(
                ErrorKind::Internal,
                format!(
                    "`{}` is neither the database that it was nor the restored one",
                    self.server.database()
                ),
            )),
        }
    }
}

/// Waits until no swap of the server's database is under way, also none that a killed client left to the server.
pub(crate) async fn settle(server: &Server) -> Result<()> {
    lock(server).await?.release().await;
    Ok(())
}

/// Takes the lock named after the database, polled.
async fn lock(server: &Server) -> Result<SwapLock> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(lock) = postgres::swap_lock(server).await? {
            return Ok(lock);
        }
        if Instant::now() > deadline {
            let what = format!("another restore is taking the place of `{}`", server.database());
            return Err(Error::new(ErrorKind::Busy, what)
                .with_hint("wait a minute: the server ends what a lost client has left; then try again"));
        }
        sleep(Duration::from_millis(100)).await;
    }
}

fn in_use(target: &str, others: &str) -> Error {
    Error::new(ErrorKind::Busy, format!("`{target}` is in use, so nothing can take its place: {others}"))
        .with_hint("end those sessions, or let them be ended with --disconnect")
}

/// The server's number for the database of that name.
pub(crate) async fn oid(client: &Connection, name: &str) -> Result<Option<u32>> {
    let row = client
        .query_opt("SELECT oid FROM pg_catalog.pg_database WHERE datname = $1", &[&name])
        .await
        .map_err(|error| failed(error, "cannot look a database up"))?;
    Ok(row.map(|row| row.get(0)))
}

async fn free_name(client: &Connection, target: &str, when: DateTime<Utc>) -> Result<String> {
    for attempt in 0..100 {
        let name = names::made(target, Made::Replaced, when, attempt, names::NAME_BYTES);
        if oid(client, &name).await?.is_none() {
            return Ok(name);
        }
    }
    Err(Error::new(ErrorKind::Refused, format!("every name for what is replaced of `{target}` is taken"))
        .with_hint("let go of what was replaced earlier"))
}
