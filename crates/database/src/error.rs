use std::error::Error as StdError;
use std::fmt;

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it was, for those who act on it; people read the message and the hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The URL, a name or an option cannot be used as it was given.
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
    /// A lock was not had in time; nothing was changed, and trying again may help.
    LockTimeout,
    /// Another run, or another program, holds what is needed.
    Busy,
    /// Something is there that dbm does not know or refuses to carry.
    Refused,
    /// A file or folder cannot be read or written.
    Io,
    /// No space is left on a disk.
    NoSpace,
    /// The work was cancelled on request.
    Cancelled,
    /// Not meant to happen: a broken assumption about the server.
    Internal,
}

/// A failure: what failed, on what and why; and in [`Error::hint`] what to type next.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    sqlstate: Option<String>,
    line: Option<usize>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of a kind with its message: what failed, on what and why, in one sentence without a full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, sqlstate: None, line: None, source: None }
    }

    /// Adds what the user may type or change next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the server's five-letter code.
    #[must_use]
    pub fn with_sqlstate(mut self, code: impl Into<String>) -> Self {
        self.sqlstate = Some(code.into());
        self
    }

    /// Adds the line of the script at which the server points.
    #[must_use]
    pub fn with_line(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    /// Adds the cause. Its text is not repeated in the message.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What the user may type or change next.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The line of the script at which the server points, where it points at one.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// The server's five-letter code (SQLSTATE), where it gave one.
    pub fn sqlstate(&self) -> Option<&str> {
        self.sqlstate.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
