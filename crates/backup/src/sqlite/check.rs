//! Reading a database file that nobody else can change: is it whole, and what does it hold?

use std::collections::BTreeMap;
use std::path::Path;

use database::sqlite::{self, catalog, digest};
use database::{Kind, TableDigest};
use rusqlite::{Connection, OpenFlags};
use tokio_util::sync::CancellationToken;

use crate::archive::{Index, TableEntry};
use crate::{Error, ErrorKind, Result};

/// SQLite asks so often whether to go on, in steps of its virtual machine.
const STEPS: i32 = 100_000;

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) tables: Vec<TableEntry>,
    pub(crate) kinds: BTreeMap<Kind, u64>,
    pub(crate) properties: serde_json::Value,
    /// Why its being whole could not be checked: an application's own collation, say.
    pub(crate) unchecked: Option<String>,
}

/// Reads all of a file, which must be closed and stay as it is.
pub(crate) fn contents(path: &Path, cancel: &CancellationToken) -> Result<Contents> {
    let connection = open(path, cancel)?;
    let unchecked = whole(&connection).map_err(|error| cancelled(error, cancel))?;
    let read = || -> Result<Contents> {
        let mut kinds = BTreeMap::new();
        for object in &catalog::read(&connection)?.objects {
            *kinds.entry(object.id.kind).or_insert(0) += 1;
        }
        let mut tables = Vec::new();
        for (id, table) in digest::tables(&connection)? {
            let columns = digest::columns(&table).map(str::to_owned).collect();
            let digest: TableDigest = digest::table(&connection, &id, &table)?;
            tables.push(TableEntry { id, digest, columns });
        }
        Ok(Contents { tables, kinds, properties: properties(&connection)?, unchecked })
    };
    read().map_err(|error| cancelled(error, cancel))
}

/// Compares what a file holds with what an index says of it.
pub(crate) fn prove(path: &Path, index: &Index, cancel: &CancellationToken) -> Result<()> {
    let contents = contents(path, cancel)?;
    let unproven = |what: String| {
        Error::new(
            ErrorKind::Unproven,
            format!("what was restored is not what the archive's index says: {what}"),
        )
        .with_hint("the target is as it was; take another backup (`dbm backups` lists them)")
    };
    for expected in &index.tables {
        match contents.tables.iter().find(|table| table.id == expected.id) {
            None => return Err(unproven(format!("{} is missing", expected.id))),
            Some(found) if found.digest != expected.digest => {
                let (rows, want) = (found.digest.rows, expected.digest.rows);
                return Err(unproven(format!(
                    "{} has {rows} rows, expected {want}, or other rows",
                    expected.id
                )));
            }
            Some(_) => {}
        }
    }
    if let Some(more) = contents.tables.iter().find(|table| index.table(&table.id).is_none()) {
        return Err(unproven(format!("{} is not in the index", more.id)));
    }
    if contents.kinds != index.kinds {
        return Err(unproven(format!("it holds {:?} objects, expected {:?}", contents.kinds, index.kinds)));
    }
    Ok(())
}

/// Opens a file without a lock or a WAL: nothing beside it is read or made.
fn open(path: &Path, cancel: &CancellationToken) -> Result<Connection> {
    let what = |cause| Error::from(sqlite::error(cause, "cannot open the copy"));
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str());
    let encoded = helpers::percent::encode_bytes(bytes, |byte| {
        byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte)
    });
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let mut connection =
        Connection::open_with_flags(format!("file:{encoded}?immutable=1"), flags).map_err(what)?;
    let cancel = cancel.clone();
    connection.progress_handler(STEPS, Some(move || cancel.is_cancelled())).map_err(what)?;
    Ok(connection)
}

/// Checks the whole file; says why if it could not be checked.
fn whole(connection: &Connection) -> Result<Option<String>> {
    let what = |cause| Error::from(sqlite::error(cause, "cannot check the copy of the database"));
    let check = || -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare("PRAGMA main.integrity_check(20)")?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    let messages = match check() {
        Ok(messages) => messages,
        Err(cause)
            if cause.to_string().contains("no such collation")
                || cause.to_string().contains("no such function") =>
        {
            return Ok(Some(format!("the file could not be checked for damage: {cause}")));
        }
        Err(cause) => return Err(what(cause)),
    };
    // Rows that a constraint of today would refuse are no damage: SQLite takes them in, and so do we.
    let damage = messages.iter().find(|message| {
        !(message.as_str() == "ok"
            || message.starts_with("NULL value in ")
            || message.starts_with("CHECK constraint failed in "))
    });
    match damage {
        None => Ok(None),
        Some(message) => {
            Err(Error::new(ErrorKind::Refused, format!("the database file is damaged: {message}"))
                .with_hint("restore a backup (`dbm restore latest`), or ask sqlite3 for `.recover`"))
        }
    }
}

/// What belongs to the file and not to an object in it.
fn properties(connection: &Connection) -> Result<serde_json::Value> {
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

fn cancelled(error: Error, cancel: &CancellationToken) -> Error {
    if cancel.is_cancelled() {
        return Error::new(ErrorKind::Cancelled, "the work on the database file was cancelled");
    }
    error
}

/// Runs work that blocks on a thread where it may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|cause| {
        Err(Error::new(ErrorKind::Internal, "a thread that worked on a file broke off").with_source(cause))
    })
}
