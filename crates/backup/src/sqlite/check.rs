//! Is a database file that nobody else can change whole?

use std::path::Path;

use database::sqlite;
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use super::contents;
use crate::{Error, ErrorKind, Result};

/// What a check of a file came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Checked {
    Whole,
    /// Why it could not be checked.
    Unchecked(String),
}

/// Checks every page of the file, that every row can be read, and that every index has an entry for each row.
///
/// Looking each row up in each index (`integrity_check`) takes some thirty times as long, most of it in single
/// reads all over the file: [`thoroughly`] is for those who ask.
pub(super) fn whole(connection: &Connection) -> Result<Checked> {
    ask(
        connection,
        "PRAGMA main.quick_check(20)",
        "restore a backup (`dbm restore latest`); sqlite3 mends indexes with REINDEX, and saves rows with `.recover`",
    )
}

/// Checks a file that is closed as SQLite itself does, with all of its indexes.
pub(super) fn thoroughly(path: &Path, cancel: &CancellationToken) -> Result<()> {
    let connection = contents::open(path, cancel)?;
    let hint = "the database was damaged when it was backed up: `REINDEX` there mends indexes";
    match ask(&connection, "PRAGMA main.integrity_check(20)", hint) {
        Ok(_) => Ok(()),
        Err(_) if cancel.is_cancelled() => {
            Err(Error::new(ErrorKind::Cancelled, "the work on the database file was cancelled"))
        }
        Err(error) => Err(error),
    }
}

fn ask(connection: &Connection, pragma: &str, hint: &str) -> Result<Checked> {
    let check = || -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare(pragma)?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    let messages = match check() {
        Ok(messages) => messages,
        Err(cause) if is_applications_own(&cause) => {
            return Ok(Checked::Unchecked(format!("the file could not be checked for damage: {cause}")));
        }
        Err(cause) => return Err(sqlite::error(cause, "cannot check the copy of the database").into()),
    };
    // Rows that a constraint of today would refuse are no damage: SQLite takes them in, and so do we.
    let damage = messages.iter().find(|message| {
        !(message.as_str() == "ok"
            || message.starts_with("NULL value in ")
            || message.starts_with("CHECK constraint failed in "))
    });
    match damage {
        None => Ok(Checked::Whole),
        Some(message) => {
            let what = format!("the database file is damaged: {message}");
            Err(Error::new(ErrorKind::Refused, what).with_hint(hint))
        }
    }
}

/// Whether it takes an application's own collation or function to go on.
fn is_applications_own(cause: &rusqlite::Error) -> bool {
    let text = cause.to_string();
    text.contains("no such collation") || text.contains("no such function")
}

/// What belongs to the file and not to an object in it.
pub(super) fn properties(connection: &Connection) -> Result<serde_json::Value> {
    let mut properties = serde_json::Map::new();
    for name in ["page_size", "encoding", "auto_vacuum", "user_version", "application_id"] {
        let value: rusqlite::types::Value = connection
            .pragma_query_value(Some("main"), name, |row| row.get(0))
            .map_err(|cause| sqlite::error(cause, &format!("cannot read the {name} of the database")))?;
        let value = match value {
            rusqlite::types::Value::Integer(number) => number.into(),
            rusqlite::types::Value::Text(text) => text.into(),
            _ => serde_json::Value::Null,
        };
        properties.insert(name.to_owned(), value);
    }
    Ok(properties.into())
}

/// Runs work that blocks on a thread where it may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|cause| {
        Err(Error::new(ErrorKind::Internal, "a thread that worked on a file broke off").with_source(cause))
    })
}
