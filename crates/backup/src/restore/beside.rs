use crate::Result;
use database::Entry;

use super::{Remade, Replaced};
use crate::mysql::restore as mysql;
use crate::postgres::restore as postgres;
use crate::sqlite::restore as sqlite;

/// A restored and proven database (or file) beside its target.
///
/// Dropping it leaves it where it is: end it with [`Beside::swap`] or [`Beside::discard`].
#[derive(Debug)]
#[must_use = "it stays on the server until it is swapped in or discarded"]
pub struct Beside(Inner);

#[derive(Debug)]
enum Inner {
    Postgres(postgres::Beside),
    Mysql(mysql::Beside),
    Sqlite(Box<sqlite::Beside>),
}

impl Beside {
    pub(crate) fn postgres(beside: postgres::Beside) -> Self {
        Self(Inner::Postgres(beside))
    }

    pub(crate) fn mysql(beside: mysql::Beside) -> Self {
        Self(Inner::Mysql(beside))
    }

    pub(crate) fn sqlite(beside: sqlite::Beside) -> Self {
        Self(Inner::Sqlite(Box::new(beside)))
    }

    /// Its name on the server, or the file's name beside the target.
    pub fn scratch_name(&self) -> &str {
        match &self.0 {
            Inner::Postgres(beside) => beside.scratch_name(),
            Inner::Mysql(beside) => beside.scratch_name(),
            Inner::Sqlite(beside) => beside.scratch_name(),
        }
    }

    /// What no archive carries and was made anew, and is not what it was.
    pub fn remade(&self) -> &[Remade] {
        match &self.0 {
            Inner::Postgres(beside) => beside.remade(),
            Inner::Mysql(beside) => beside.remade(),
            // A file's pages hold all that was computed.
            Inner::Sqlite(_) => &[],
        }
    }

    /// Writes the journal into it and lets it take the target's place, in one step that a kill cannot
    /// part. Ends the caller's own sessions on the target; those of others only with `disconnect`.
    ///
    /// On MySQL it is many steps, of which [`settle`](crate::restore::settle) finishes the rest after a kill; the caller's sessions stay, and so
    /// does a fence that the caller has raised: what is published there must leave it to be lifted.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Busy`] where sessions are in the way. The target is as it was, and the
    /// restored one is gone.
    pub async fn swap(self, publish: &[Entry], disconnect: bool) -> Result<Replaced> {
        match self.0 {
            Inner::Postgres(beside) => beside.swap(publish, disconnect).await,
            Inner::Mysql(beside) => beside.swap(publish, disconnect).await,
            Inner::Sqlite(beside) => beside.swap(publish).await,
        }
    }

    /// Removes it.
    ///
    /// # Errors
    /// What kept it from being removed, with its name.
    pub async fn discard(self) -> Result<()> {
        match self.0 {
            Inner::Postgres(beside) => beside.discard().await,
            Inner::Mysql(beside) => beside.discard().await,
            Inner::Sqlite(beside) => beside.discard(),
        }
    }
}
