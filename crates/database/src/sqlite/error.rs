use rusqlite::ErrorCode;

use crate::{Error, ErrorKind};

/// What SQLite said, as an error of ours: `what` is what failed, or empty where its message says enough.
pub fn error(cause: rusqlite::Error, what: &str) -> Error {
    let (code, message) = match &cause {
        rusqlite::Error::SqliteFailure(code, message) => {
            (Some(code.code), message.clone().unwrap_or_else(|| code.to_string()))
        }
        rusqlite::Error::SqlInputError { error, msg, .. } => (Some(error.code), msg.clone()),
        other => (None, other.to_string()),
    };
    let (kind, hint) = match code {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            ErrorKind::LockTimeout,
            Some("another program is using the file: try again when it has finished, or stop it"),
        ),
        Some(
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied,
        ) => (ErrorKind::Permission, Some("check who may write to the file and to its folder")),
        Some(ErrorCode::CannotOpen) => (ErrorKind::Io, Some("check the path and who may read it")),
        Some(ErrorCode::NotADatabase) => {
            (ErrorKind::Refused, Some("the file is no SQLite database, or it is encrypted"))
        }
        Some(ErrorCode::DatabaseCorrupt) => (
            ErrorKind::Refused,
            Some(
                "the file is damaged: restore a backup (`dbm restore latest`), or ask sqlite3 for `.recover`",
            ),
        ),
        Some(ErrorCode::DiskFull) => (ErrorKind::NoSpace, Some("make room on the disk and try again")),
        Some(ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed) => (ErrorKind::Io, None),
        Some(ErrorCode::OperationInterrupted) => (ErrorKind::Cancelled, None),
        _ => (ErrorKind::Statement, None),
    };
    let message = if what.is_empty() { message } else { format!("{what}: {message}") };
    let error = Error::new(kind, message);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}
