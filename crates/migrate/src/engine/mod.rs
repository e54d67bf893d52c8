//! What of a run differs by engine: the one place here that asks which it is.

mod mysql;
mod postgres;
mod sqlite;

use backup::{Error, ErrorKind, Result};
use database::{Engine, Kind, Session};

use crate::files::Unless;

/// SQL that returns a row if the history's table exists.
pub(crate) fn history_exists(engine: Engine, table: &str) -> String {
    match engine {
        Engine::Mysql => mysql::history_exists(table),
        Engine::Sqlite => sqlite::history_exists(table),
        _ => postgres::history_exists(table),
    }
}

/// Refuses, by name, the engine for which there is no way back yet, and so no run.
///
/// # Errors
/// [`ErrorKind::Refused`] for MySQL and MariaDB.
pub(crate) fn check_runs(engine: Engine) -> Result<()> {
    match engine {
        Engine::Mysql => Err(Error::new(
            ErrorKind::Refused,
            "dbm cannot put a MySQL or MariaDB database back yet, so it neither migrates nor restores one",
        )
        .with_hint(
            "back up with `dbm backup`, and restore by hand: zstd -dc ARCHIVE | mariadb NEW_DATABASE",
        )),
        _ => Ok(()),
    }
}

/// Whether what `unless` names is there.
pub(crate) async fn is_there(session: &mut dyn Session, unless: &Unless) -> Result<bool> {
    match session.engine() {
        Engine::Mysql => mysql::is_there(session, unless).await,
        Engine::Sqlite => sqlite::is_there(session, unless).await,
        _ => postgres::is_there(session, unless).await,
    }
}

/// The word that leaves the rows of a table's heirs out.
pub(crate) fn only(engine: Engine, kind: Kind) -> &'static str {
    if engine == Engine::Postgres && kind == Kind::Table { "ONLY " } else { "" }
}

/// Whether a fence stays up when the process that raised it dies.
pub(crate) fn fence_outlives_process(engine: Engine) -> bool {
    engine != Engine::Sqlite
}

/// Whether a restored database takes its place and publishes the journal in one step, so that an open journal says
/// that there was no exchange.
pub(crate) fn swap_is_one_step(engine: Engine) -> bool {
    engine != Engine::Sqlite
}

/// Whether the journal goes wherever the database goes, and not where its name or path goes.
pub(crate) fn journal_is_inside(engine: Engine) -> bool {
    engine != Engine::Sqlite
}

/// Whether the exchange ends the sessions of the database that was there.
pub(crate) fn swap_ends_sessions(engine: Engine) -> bool {
    engine != Engine::Sqlite
}
