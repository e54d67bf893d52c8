use std::fs;
use std::io::{ErrorKind as IoKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rustix::fs::OFlags;
use rustix::process::geteuid;
use serde::{Deserialize, Serialize};

use super::file::{COMMITTED_TABLE, blocking, has_table};
use super::lock::Locked;
use super::{Session, error, permissions};
use crate::{Entry, Error, ErrorKind, Journal, Lock as _, Result, SessionId};

/// From this size on, a new run starts with an empty file instead of adding to it.
const COMPACT: u64 = 256 * 1024;

/// One line of the file beside the database.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Line {
    /// Who took the lock. True only while somebody holds it.
    Holder { holder: SessionId },
    /// A line of a run's journal.
    Entry(Entry),
}

/// The file beside the database, `NAME-dbm`: a lock on it is the run's lock, its lines are the journal.
///
/// It may hold the lines of earlier runs; the last run is the one that counts. So a new run begins
/// by adding a line, which is one durable step, and not by emptying the file first, which would be two.
#[derive(Debug)]
pub(super) struct Beside {
    path: PathBuf,
    /// Open and locked while this session holds the lock.
    pub(super) locked: Option<Locked>,
    /// The run's entries, as far as this session has read or written them.
    known: Vec<Entry>,
}

impl Beside {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, locked: None, known: Vec::new() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the lock that we hold is on the file that others would lock: somebody may have removed it by hand.
    pub(super) fn is_there(&self) -> bool {
        let Some(Locked(locked)) = &self.locked else { return true };
        let same = |ours: &fs::Metadata, there: &fs::Metadata| {
            (ours.dev(), ours.ino()) == (there.dev(), there.ino())
        };
        matches!((locked.metadata(), fs::metadata(&self.path)), (Ok(ours), Ok(there)) if same(&ours, &there))
    }
}

/// Opens the file, making it where it is missing, for whoever may use the database.
///
/// No link is followed: in a folder of others it might lead root anywhere.
pub(super) fn open(path: &Path) -> Result<fs::File> {
    let existed = path.exists();
    let no_links = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let mut options = fs::OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600).custom_flags(no_links);
    let file = options.open(path).map_err(|cause| failed(path, "cannot be opened", cause))?;
    let about = file.metadata().map_err(|cause| failed(path, "cannot be read", cause))?;
    if about.len() == 0 && about.nlink() == 1 && about.uid() == geteuid().as_raw() {
        permissions::take_after(&file, &database_of(path))
            .map_err(|cause| failed(path, "cannot be given to those who use the database", cause))?;
    }
    if !existed && let Some(folder) = path.parent() {
        fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|cause| failed(path, "cannot be made durable", cause))?;
    }
    Ok(file)
}

/// All whole lines; a torn last line, which a kill may leave, is none.
pub(super) fn lines(path: &Path) -> Result<Vec<Line>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(cause) if cause.kind() == IoKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(failed(path, "cannot be read", cause)),
    };
    // As bytes: a kill may tear a line within a character.
    let whole = &bytes[..bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1)];
    whole
        .split_inclusive(|&byte| byte == b'\n')
        .enumerate()
        .map(|(number, line)| {
            serde_json::from_slice(line).map_err(|cause| {
                Error::new(
                    ErrorKind::Refused,
                    format!("line {} of {} is no line of dbm's journal", number + 1, path.display()),
                )
                .with_hint("another version of dbm may have written it; read it before you remove it")
                .with_source(cause)
            })
        })
        .collect()
}

/// Adds a line. `durable`: and waits until it is on the disk.
pub(super) fn add(path: &Path, line: &Line, durable: bool, new_run: bool) -> Result<()> {
    let mut file = open(path)?;
    let wrong = |cause| failed(path, "cannot be written", cause);
    let mut length = file.metadata().map_err(wrong)?.len();
    if new_run && length > COMPACT {
        file.set_len(0).map_err(wrong)?;
        length = 0;
    }
    let whole = end_of_whole_lines(&mut file, length).map_err(wrong)?;
    if whole < length {
        file.set_len(whole).map_err(wrong)?;
    }
    let mut text = serde_json::to_string(line).map_err(|cause| {
        Error::new(ErrorKind::Internal, "a line of the journal cannot be written as JSON").with_source(cause)
    })?;
    text.push('\n');
    file.write_all(text.as_bytes()).map_err(wrong)?;
    if durable { file.sync_all().map_err(wrong) } else { Ok(()) }
}

/// Where the last whole line ends.
fn end_of_whole_lines(file: &mut fs::File, length: u64) -> std::io::Result<u64> {
    const BLOCK: u64 = 4096;
    let mut end = length;
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        (&mut *file).take(end - start).read_to_end(&mut block)?;
        if let Some(place) = block.iter().rposition(|&byte| byte == b'\n') {
            return Ok(start + u64::try_from(place).unwrap_or_default() + 1);
        }
        end = start;
    }
    Ok(0)
}

fn failed(path: &Path, what: &str, cause: std::io::Error) -> Error {
    let kind = if cause.kind() == IoKind::PermissionDenied { ErrorKind::Permission } else { ErrorKind::Io };
    let error = Error::new(kind, format!("the journal {} {what}", path.display())).with_source(cause);
    match (kind, fs::symlink_metadata(path)) {
        (ErrorKind::Permission, Ok(about)) => error.with_hint(format!(
            "it belongs to the account {} and has the mode {:04o}; as that account, or as root: \
             `chown --reference={database} {path}` and `chmod --reference={database} {path}`",
            about.uid(),
            about.mode() & 0o7777,
            database = database_of(path).display(),
            path = path.display(),
        )),
        (ErrorKind::Permission, Err(_)) => error.with_hint("check who may write to the database's folder"),
        _ => error,
    }
}

/// The database that a journal lies beside.
fn database_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(name.strip_suffix("-dbm").unwrap_or(&name))
}

fn removed(path: &Path) -> Error {
    Error::new(
        ErrorKind::Busy,
        format!(
            "the journal {} was removed or replaced while the run was at work, and another run has it now",
            path.display()
        ),
    )
    .with_hint("leave that file alone while a run is open; `dbm status` says what the database is")
}

#[async_trait]
impl Journal for Session {
    async fn entries(&mut self) -> Result<Vec<Entry>> {
        let path = self.beside.path().to_owned();
        let entries = blocking(move || {
            let mut entries: Vec<Entry> = Vec::new();
            for line in lines(&path)? {
                let Line::Entry(entry) = line else { continue };
                if entries.last().is_some_and(|last| last.run != entry.run) {
                    entries.clear();
                }
                entries.push(entry);
            }
            Ok(entries)
        })
        .await?;
        self.beside.known.clone_from(&entries);
        Ok(entries)
    }

    async fn begin_run(&mut self, first: &Entry) -> Result<()> {
        let (path, line) = (self.beside.path().to_owned(), Line::Entry(first.clone()));
        blocking(move || add(&path, &line, true, true)).await?;
        self.beside.known = vec![first.clone()];
        Ok(())
    }

    async fn append(&mut self, entry: &Entry) -> Result<()> {
        let mut missing = Vec::new();
        if !self.beside.is_there() {
            // Removed by hand: with the lock on a new file, the run goes on where nobody has begun another.
            let known = std::mem::take(&mut self.beside.known);
            if !self.try_lock().await? || !self.entries().await?.is_empty() {
                self.beside.known = known;
                return Err(removed(self.beside.path()));
            }
            missing = known;
        }
        missing.push(entry.clone());
        for entry in missing {
            let (path, line) = (self.beside.path().to_owned(), Line::Entry(entry.clone()));
            blocking(move || add(&path, &line, true, false)).await?;
            self.beside.known.push(entry);
        }
        Ok(())
    }

    async fn mark_committed(&mut self, run: &str, group: u32) -> Result<()> {
        let run = run.to_owned();
        self.with(move |connection| {
            let what = |cause| error(cause, "cannot mark the run as committed");
            if connection.is_autocommit() {
                return Err(Error::new(ErrorKind::Internal, "no transaction is open to mark as committed"));
            }
            connection
                .execute_batch(&format!(
                    "CREATE TABLE IF NOT EXISTS {COMMITTED_TABLE}
                     (run TEXT NOT NULL, part INTEGER NOT NULL, PRIMARY KEY (run, part)) WITHOUT ROWID"
                ))
                .map_err(what)?;
            connection
                .execute(&format!("DELETE FROM {COMMITTED_TABLE} WHERE run <> ?1"), [&run])
                .map_err(what)?;
            connection
                .execute(&format!("INSERT OR REPLACE INTO {COMMITTED_TABLE} VALUES (?1, ?2)"), (&run, group))
                .map_err(what)?;
            Ok(())
        })
        .await
    }

    async fn committed(&mut self, run: &str) -> Result<Vec<u32>> {
        let run = run.to_owned();
        self.with(move |connection| {
            let what = |cause| error(cause, "cannot read which groups are committed");
            if !has_table(connection, COMMITTED_TABLE).map_err(what)? {
                return Ok(Vec::new());
            }
            let sql = format!("SELECT part FROM {COMMITTED_TABLE} WHERE run = ?1 ORDER BY part");
            let mut statement = connection.prepare(&sql).map_err(what)?;
            let groups = statement.query_map([&run], |row| row.get(0)).map_err(what)?;
            groups.collect::<Result<_, _>>().map_err(what)
        })
        .await
    }
}
