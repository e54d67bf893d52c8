use std::error::Error as StdError;

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it was, for those who act on it; people read the message and the hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A name or an option cannot be used as it was given.
    Usage,
    /// The server did not answer, or the connection broke.
    Connection,
    /// The server refused the account or its password.
    Authentication,
    /// The database does not exist.
    NoDatabase,
    /// The account may not do that.
    Permission,
    /// The server refused a statement.
    Statement,
    /// A lock was not had in time; trying again may help.
    LockTimeout,
    /// Another run, or another program, holds what is needed.
    Busy,
    /// Something is there that dbm does not know or refuses to carry.
    Refused,
    /// A file or folder of the database cannot be read or written.
    Io,
    /// The work was cancelled on request; nothing of it is left.
    Cancelled,
    /// Not meant to happen: a broken assumption.
    Internal,
    /// The store cannot be reached, read or written.
    Store,
    /// The store or the disk is full.
    NoSpace,
    /// No archive of that name is in the store.
    NotFound,
    /// An archive of that name is there already.
    Exists,
    /// An archive is cut, or bytes of it have changed.
    Damaged,
    /// An archive was written by a newer dbm.
    NewerFormat,
    /// An archive is of another engine than the database.
    OtherEngine,
    /// What was restored is not what the archive's index says; the target is as it was.
    Unproven,
}

/// A failure: what failed, on what and why; and in [`Error::hint`] what to type next.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Inner>);

#[derive(Debug, thiserror::Error)]
enum Inner {
    #[error("{message}")]
    Backup {
        kind: ErrorKind,
        message: String,
        hint: Option<String>,
        #[source]
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    #[error(transparent)]
    Database(database::Error),
}

impl Error {
    /// An error of a kind with its message: what failed, on what and why, in one sentence without a full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner::Backup { kind, message: message.into(), hint: None, source: None }))
    }

    /// Adds what the user may type or change next.
    #[must_use]
    pub fn with_hint(mut self, text: impl Into<String>) -> Self {
        match *self.0 {
            Inner::Backup { ref mut hint, .. } => *hint = Some(text.into()),
            Inner::Database(error) => return error.with_hint(text).into(),
        }
        self
    }

    /// Adds the cause. Its text is not repeated in the message.
    #[must_use]
    pub fn with_source(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        match *self.0 {
            Inner::Backup { ref mut source, .. } => *source = Some(cause.into()),
            Inner::Database(error) => return error.with_source(cause).into(),
        }
        self
    }

    /// Says of what it is: `prefix: message`.
    pub(crate) fn of(mut self, prefix: &str) -> Self {
        if let Inner::Backup { message, .. } = &mut *self.0 {
            *message = format!("{prefix}: {message}");
        }
        self
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> ErrorKind {
        match &*self.0 {
            Inner::Backup { kind, .. } => *kind,
            Inner::Database(error) => error.kind().into(),
        }
    }

    /// What the user may type or change next.
    pub fn hint(&self) -> Option<&str> {
        match &*self.0 {
            Inner::Backup { hint, .. } => hint.as_deref(),
            Inner::Database(error) => error.hint(),
        }
    }

    /// The server's five-letter code (SQLSTATE), where a server gave one.
    pub fn sqlstate(&self) -> Option<&str> {
        match &*self.0 {
            Inner::Backup { .. } => None,
            Inner::Database(error) => error.sqlstate(),
        }
    }

    /// The line of the script that the server points at, where it does.
    pub fn line(&self) -> Option<usize> {
        match &*self.0 {
            Inner::Backup { .. } => None,
            Inner::Database(error) => error.line(),
        }
    }

    /// An error of reading or writing a store or a file: a full disk is told from the rest, and so is a thread that the
    /// system does not give.
    pub fn io(kind: ErrorKind, what: impl Into<String>, cause: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let what = what.into();
        match cause.kind() {
            Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => {
                Self::new(ErrorKind::NoSpace, format!("{what}: no space is left"))
                    .with_hint("make room (`dbm backups` lists what is there), or use another folder")
            }
            Io::PermissionDenied | Io::ReadOnlyFilesystem => {
                Self::new(kind, what).with_hint("check who may write to the folder and to the file")
            }
            Io::NotADirectory | Io::AlreadyExists if kind == ErrorKind::Store => Self::new(kind, what)
                .with_hint("the store has to be a folder: name another with `--store FOLDER`"),
            // A thread that the system does not give.
            Io::WouldBlock if kind == ErrorKind::Internal => Self::new(kind, what).with_hint(
                "raise the limit of processes and threads: `ulimit -u` shows the account's, containers and services have their own",
            ),
            _ => Self::new(kind, what),
        }
        .with_source(cause)
    }
}

impl From<database::Error> for Error {
    fn from(error: database::Error) -> Self {
        Self(Box::new(Inner::Database(error)))
    }
}

impl From<database::ErrorKind> for ErrorKind {
    fn from(kind: database::ErrorKind) -> Self {
        use database::ErrorKind as From;
        match kind {
            From::Usage => Self::Usage,
            From::Connection => Self::Connection,
            From::Authentication => Self::Authentication,
            From::NoDatabase => Self::NoDatabase,
            From::Permission => Self::Permission,
            From::Statement => Self::Statement,
            From::LockTimeout => Self::LockTimeout,
            From::Busy => Self::Busy,
            From::Refused => Self::Refused,
            From::Io => Self::Io,
            From::NoSpace => Self::NoSpace,
            From::Cancelled => Self::Cancelled,
            _ => Self::Internal,
        }
    }
}
