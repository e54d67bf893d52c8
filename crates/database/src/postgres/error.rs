use std::fmt;

use tokio_postgres::error::{DbError, SqlState};

use crate::{Error, ErrorKind};

/// What an error of the server or of the connection means.
///
/// `what` says what failed: `cannot read the tables of shop`. The server's message follows it, with
/// its detail; the server's hint becomes the error's. An empty `what` leaves the server's message alone.
pub fn error(error: tokio_postgres::Error, what: impl fmt::Display) -> Error {
    if let Some(answer) = error.as_db_error() {
        return of_server(answer, what);
    }
    if error.is_closed() {
        return Error::new(ErrorKind::Connection, format!("{what}: the server closed the connection"))
            .with_hint("the server's log says why; try again when it is up");
    }
    let text = error.to_string();
    let kind = match text.as_str() {
        "error communicating with the server"
        | "error connecting to server"
        | "timeout waiting for server" => ErrorKind::Connection,
        _ => ErrorKind::Internal,
    };
    let message = if kind == ErrorKind::Connection {
        format!("{what}: the connection to the server broke")
    } else {
        format!("{what}: {text}")
    };
    match error.into_source() {
        Some(cause) => Error::new(kind, message).with_source(cause),
        None => Error::new(kind, message),
    }
}

/// What the server's answer means.
pub(super) fn of_server(answer: &DbError, what: impl fmt::Display) -> Error {
    let detail = answer.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
    let what = what.to_string();
    let colon = if what.is_empty() { "" } else { ": " };
    let error = Error::new(kind(answer.code()), format!("{what}{colon}{}{detail}", answer.message()))
        .with_sqlstate(answer.code().code());
    match answer.hint() {
        Some(hint) => error.with_hint(hint),
        // What we ask ourselves is of names and definitions; the rows of a database go through in its own encoding.
        None if answer.code().code() == "22021" && !what.is_empty() => error.with_hint(
            "a name or definition in the database is not UTF-8, which its encoding SQL_ASCII lets pass: rename it",
        ),
        None => error,
    }
}

/// What a code means to those who act on it: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
pub(super) fn kind(code: &SqlState) -> ErrorKind {
    match code.code() {
        "3D000" => ErrorKind::NoDatabase,
        // Lock not available; deadlock detected.
        "55P03" | "40P01" => ErrorKind::LockTimeout,
        // Insufficient privilege; read-only transaction.
        "42501" | "25006" => ErrorKind::Permission,
        // Object in use: the database has other sessions.
        "55006" => ErrorKind::Busy,
        "57014" => ErrorKind::Cancelled,
        "53100" => ErrorKind::NoSpace,
        // Shut down by the operator, crashed, not accepting connections yet, idle too long; too many connections.
        "57P01" | "57P02" | "57P03" | "57P05" | "53300" => ErrorKind::Connection,
        code if code.starts_with("28") => ErrorKind::Authentication,
        code if code.starts_with("08") => ErrorKind::Connection,
        _ => ErrorKind::Statement,
    }
}
