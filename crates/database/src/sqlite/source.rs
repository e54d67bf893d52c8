//! Which database a file is: an id in a table of dbm's own, and beside it where the file was that it was given to.
//!
//! A file that was moved keeps its id. A copy has it too; where the original is still in its place, the copy is known by
//! its path until it is given one of its own, so that no two living databases share their archives. A copy on another
//! machine cannot be told from a move.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::error;
use super::file::{BUSY, File, Mode, SOURCE_TABLE, has_table};
use crate::{Error, ErrorKind, Result, SourceId};

/// What the table says.
struct Known {
    id: String,
    /// As [`File::source_by_path`] has it; where an earlier dbm wrote the id, nothing.
    place: Option<String>,
}

const GIVING: &str = "cannot give the database its id";

impl File {
    /// What it is known by as long as it has no id of its own: other machines have files at the same path.
    ///
    /// # Errors
    /// As [`File::canonical_path`].
    pub fn source_by_path(&self) -> Result<SourceId> {
        Ok(by_path(&self.canonical_path()?))
    }

    /// The database's own id, given to it now if it has none. For commands that write.
    ///
    /// # Errors
    /// [`ErrorKind::Permission`] if the file cannot be written to.
    pub async fn ensure_source_id(&self) -> Result<SourceId> {
        self.ensure_source_id_within(BUSY).await
    }

    /// The same where others must not be waited for longer than that.
    ///
    /// # Errors
    /// As [`File::ensure_source_id`], and [`ErrorKind::LockTimeout`].
    pub async fn ensure_source_id_within(&self, wait: Duration) -> Result<SourceId> {
        let path = self.canonical_path()?;
        self.with(move |connection| {
            let place = by_path(&path).0;
            let known = read(connection).map_err(|cause| error(cause, GIVING))?;
            let original = known.filter(|known| !is_copy(known, &path));
            if let Some(Known { id, place: Some(known) }) = &original
                && *known == place
            {
                return Ok(named(id));
            }
            // Somebody else may be giving it one at the same moment.
            let given = give(connection, wait, |known| Known {
                id: known.filter(|known| !is_copy(known, &path)).map_or_else(String::new, |known| known.id),
                place: Some(place),
            });
            match (given, original) {
                // It has one: that its place could not be noted is no reason to fail.
                (Err(cause), Some(known)) => {
                    tracing::debug!(%cause, "where the database is now could not be noted");
                    Ok(named(&known.id))
                }
                (given, _) => given,
            }
        })
        .await
    }

    /// Whether the id was given to it when it was in the place of another file, on this machine.
    ///
    /// # Errors
    /// As [`File::canonical_path`].
    pub async fn was_at(&self, place: &Self) -> Result<bool> {
        let place = place.source_by_path()?.0;
        self.with(move |connection| {
            let known = read(connection).map_err(|cause| error(cause, "cannot read the database's id"))?;
            Ok(known.is_some_and(|known| known.place.as_deref() == Some(&place)))
        })
        .await
    }

    /// Gives the file the id of the database whose place it is going to take: for a restore, which brings the archive's
    /// own id with it.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if it is no id from SQLite's table; as [`File::canonical_path`].
    pub async fn set_source_id(&self, source: &SourceId, place: &Self) -> Result<()> {
        let id = match source.0.strip_prefix("sqlite:") {
            Some(id) if id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) => id.to_owned(),
            _ => return Err(Error::new(ErrorKind::Usage, format!("`{source}` is no SQLite database's id"))),
        };
        let place = Some(place.source_by_path()?.0);
        self.with(move |connection| give(connection, BUSY, |_| Known { id, place }).map(drop)).await
    }
}

/// Which database the file at a path is, as its connection reads it.
pub(super) fn of(connection: &Connection, path: &Path) -> rusqlite::Result<SourceId> {
    let known = read(connection)?.filter(|known| !is_copy(known, path));
    Ok(known.map_or_else(|| by_path(path), |known| named(&known.id)))
}

fn named(id: &str) -> SourceId {
    SourceId(format!("sqlite:{id}"))
}

/// What comes before the path in what a file is known by.
fn machine() -> String {
    format!("sqlite:path:{}", rustix::system::uname().nodename().to_string_lossy())
}

fn by_path(path: &Path) -> SourceId {
    SourceId(format!("{}{}", machine(), path.display()))
}

fn read(connection: &Connection) -> rusqlite::Result<Option<Known>> {
    if !has_table(connection, SOURCE_TABLE)? {
        return Ok(None);
    }
    let mut statement = connection.prepare(&format!("SELECT * FROM {SOURCE_TABLE}"))?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Known { id: row.get(0)?, place: if columns > 1 { row.get(1)? } else { None } }))
}

/// Whether the file that the id was given to is still where it was, and this is another one.
fn is_copy(known: &Known, here: &Path) -> bool {
    let Some(there) = known.place.as_deref().and_then(|place| place.strip_prefix(&machine())) else {
        return false;
    };
    let there = Path::new(there);
    let (Ok(original), Ok(this)) = (fs::metadata(there), fs::metadata(here)) else { return false };
    if (original.dev(), original.ino()) == (this.dev(), this.ino()) {
        return false;
    }
    let original = File::new(there, Mode::ReadOnly).open();
    let original = original.and_then(|connection| read(&connection).map_err(|cause| error(cause, "")));
    // One that cannot be read may be the original.
    original.map_or(true, |original| original.is_some_and(|original| original.id == known.id))
}

/// Writes the table anew with what is to be known, told from what is known; an empty id is made up now.
fn give(
    connection: &Connection,
    wait: Duration,
    tell: impl FnOnce(Option<Known>) -> Known,
) -> Result<SourceId> {
    let what = |cause| error(cause, GIVING);
    connection.busy_timeout(wait).map_err(what)?;
    let given = (|| {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let Known { id, place } = tell(read(connection)?);
        connection.execute_batch(&format!(
            "DROP TABLE IF EXISTS {SOURCE_TABLE}; CREATE TABLE {SOURCE_TABLE} (id TEXT PRIMARY KEY NOT NULL, place TEXT)"
        ))?;
        let sql = format!(
            "INSERT INTO {SOURCE_TABLE} VALUES (coalesce(nullif(?1, ''), lower(hex(randomblob(16)))), ?2) RETURNING id"
        );
        let id: String = connection.query_row(&sql, (id, place), |row| row.get(0))?;
        connection.execute_batch("COMMIT")?;
        Ok(named(&id))
    })();
    if given.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK").map_err(what)?;
    }
    connection.busy_timeout(BUSY).map_err(what)?;
    given.map_err(what)
}
