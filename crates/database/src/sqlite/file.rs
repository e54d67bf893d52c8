use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::fence::Gate;
use super::{Session, error, permissions, source};
use crate::{About, Engine, Error, ErrorKind, Result};

/// The history of migrations.
pub const HISTORY_TABLE: &str = "dbm_history";
/// Says which groups of the last run are committed. In no schema, no digest.
pub const COMMITTED_TABLE: &str = "dbm_committed";
/// Holds the id that tells this database from all others. In no schema, no digest.
pub const SOURCE_TABLE: &str = "dbm_source";

/// How long a connection waits for another one's lock, unless told otherwise.
pub(super) const BUSY: Duration = Duration::from_secs(10);

/// How a file is opened, the `mode` of its URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// For reading only (`ro`).
    ReadOnly,
    /// For reading and writing (`rw`); it must exist.
    #[default]
    ReadWrite,
    /// For reading and writing (`rwc`); it is made where it is missing.
    Create,
}

/// A connection that several may hold, one at a time.
pub(super) type Shared = Arc<Mutex<Connection>>;

/// A SQLite database file. Clones know of each other's fence.
#[derive(Clone, Debug)]
pub struct File {
    path: PathBuf,
    mode: Mode,
    /// The session that keeps everybody else out, the only one that can still read the file.
    fenced: Slot,
    /// Who keeps writers out where the file cannot be locked.
    pub(super) gate: Gate,
    /// The session that holds the run's lock: what wants no other connection open goes through it.
    running: Slot,
}

/// A place for a session's connection, for as long as the session lives.
type Slot = Arc<Mutex<Weak<Mutex<Connection>>>>;

impl File {
    /// The file at a path. Nothing is opened yet.
    pub fn new(path: impl Into<PathBuf>, mode: Mode) -> Self {
        Self {
            path: path.into(),
            mode,
            fenced: Arc::default(),
            gate: Gate::default(),
            running: Arc::default(),
        }
    }

    /// Where it is, as the user wrote it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it is opened.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The file's name without its ending.
    pub fn name(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn name_with_ending(&self) -> std::borrow::Cow<'_, str> {
        self.path.file_name().unwrap_or_default().to_string_lossy()
    }

    /// The path without links and dots, so that one file has one lock, whatever it is called.
    ///
    /// # Errors
    /// [`ErrorKind::NoDatabase`] if the folder is not there.
    pub fn canonical_path(&self) -> Result<PathBuf> {
        if let Ok(path) = self.path.canonicalize() {
            return Ok(path);
        }
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let name = self.path.file_name().ok_or_else(|| {
            Error::new(ErrorKind::Usage, format!("`{}` does not name a file", self.path.display()))
        })?;
        let folder = folder.canonicalize().map_err(|cause| {
            Error::new(ErrorKind::NoDatabase, format!("the folder {} cannot be opened", folder.display()))
                .with_hint("make the folder first, or mend the path in the URL")
                .with_source(cause)
        })?;
        Ok(folder.join(name))
    }

    /// Whether there is such a file.
    ///
    /// # Errors
    /// As [`File::canonical_path`].
    pub fn is_there(&self) -> Result<bool> {
        Ok(self.canonical_path()?.exists())
    }

    /// The file beside the database that holds the lock and the journal.
    pub(super) fn beside(&self) -> Result<PathBuf> {
        Ok(permissions::journal_of(&self.canonical_path()?))
    }

    /// Opens a connection as every part of dbm needs it.
    ///
    /// Foreign keys are off, as they are in the sqlite3 shell, which is the judge of what a script does.
    ///
    /// # Errors
    /// [`ErrorKind::NoDatabase`] if the file is missing and its mode does not say to make it.
    pub fn open(&self) -> Result<Connection> {
        let path = self.canonical_path()?;
        if path.is_dir() {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("{} is a folder, not a SQLite database", path.display()),
            )
            .with_hint("add the file's name to the URL's path"));
        }
        if self.mode != Mode::Create && !path.exists() {
            let mut hint = "mend the path, or let it be made by adding `?mode=rwc` to the URL".to_owned();
            if path.parent() == Some(Path::new("/")) {
                // SQLAlchemy writes relative paths so.
                hint.push_str("; three slashes begin an absolute path, a relative one is written ");
                hint.push_str(&format!("sqlite:{}", self.name_with_ending()));
            }
            return Err(Error::new(ErrorKind::NoDatabase, format!("there is no file {}", path.display()))
                .with_hint(hint));
        }
        let mode = match self.mode {
            Mode::ReadOnly => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Mode::ReadWrite => OpenFlags::SQLITE_OPEN_READ_WRITE,
            Mode::Create => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        };
        let what = format!("cannot open {}", path.display());
        // The path is absolute, so that no name is ever taken for a `file:` URI.
        let connection = Connection::open_with_flags(&path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(|cause| error(cause, &what))?;
        connection.busy_timeout(BUSY).map_err(|cause| error(cause, &what))?;
        connection.execute_batch("PRAGMA foreign_keys = OFF").map_err(|cause| error(cause, &what))?;
        Ok(connection)
    }

    /// Does something with the file on a thread that may block: through the fenced session if there is one,
    /// otherwise through a connection of its own.
    ///
    /// # Errors
    /// What opening the file or the work itself gave.
    pub async fn with<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    {
        let file = self.clone();
        blocking(move || match file.fenced() {
            Some(shared) => work(&mut shared.lock().unwrap_or_else(PoisonError::into_inner)),
            None => work(&mut file.open()?),
        })
        .await
    }

    /// The same through the session that holds the run's lock, if one does: then no other connection of ours is open.
    ///
    /// # Errors
    /// As [`File::with`].
    pub(super) async fn with_alone<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    {
        let Some(shared) = look(&self.running) else { return self.with(work).await };
        blocking(move || work(&mut shared.lock().unwrap_or_else(PoisonError::into_inner))).await
    }

    /// The connection that holds the fence, while it does.
    pub(super) fn fenced(&self) -> Option<Shared> {
        look(&self.fenced)
    }

    pub(super) fn set_fenced(&self, connection: Option<&Shared>) {
        put(&self.fenced, connection);
    }

    pub(super) fn set_running(&self, connection: Option<&Shared>) {
        put(&self.running, connection);
    }

    /// What the file says of itself.
    ///
    /// # Errors
    /// What opening or reading it gave.
    pub async fn about(&self) -> Result<About> {
        let (database, mode, path) = (self.name(), self.mode, self.canonical_path()?);
        self.with(move |connection| {
            let read = |cause| error(cause, "cannot read the database");
            let pages: i64 =
                connection.pragma_query_value(None, "page_count", |row| row.get(0)).map_err(read)?;
            let size: i64 =
                connection.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(read)?;
            let read_only = connection.is_readonly(rusqlite::MAIN_DB).map_err(read)?;
            let folder = path.parent().unwrap_or(&path);
            let folder_writable = rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok();
            let source = source::of(connection, &path).map_err(read)?;
            Ok(About {
                engine: Engine::Sqlite,
                server_version: rusqlite::version().to_owned(),
                database,
                instance: source.to_string(),
                source,
                account: String::new(),
                superuser: false,
                may_create_databases: mode != Mode::ReadOnly && folder_writable,
                may_write: mode != Mode::ReadOnly && !read_only,
                may_run: mode != Mode::ReadOnly && !read_only && folder_writable,
                may_keep_history: mode != Mode::ReadOnly && !read_only,
                publishes_all: Vec::new(),
                bytes: u64::try_from(pages.saturating_mul(size)).unwrap_or_default(),
            })
        })
        .await
    }

    /// One connection that stays the same.
    ///
    /// # Errors
    /// What opening the file gave.
    pub async fn session(&self) -> Result<Session> {
        let file = self.clone();
        blocking(move || Session::open(file)).await
    }
}

fn look(slot: &Slot) -> Option<Shared> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
}

fn put(slot: &Slot, connection: Option<&Shared>) {
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = connection.map(Arc::downgrade).unwrap_or_default();
}

pub(super) fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)";
    connection.query_row(sql, [name], |row| row.get(0))
}

/// Runs work that blocks on a thread where it may.
pub(super) async fn blocking<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|cause| {
        Err(Error::new(ErrorKind::Internal, "a thread that worked on the database file broke off")
            .with_source(cause))
    })
}
