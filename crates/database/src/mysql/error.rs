use std::fmt;

use mysql_async::{DriverError, IoError, ServerError};

use super::pulse::Silence;
use crate::{Error, ErrorKind};

/// What an error of the server or of the connection means.
///
/// `what` says what failed: `cannot read the tables of shop`. The server's message follows it, with its number, by
/// which people look it up. An empty `what` leaves the server's message alone.
pub fn error(error: mysql_async::Error, what: impl fmt::Display) -> Error {
    let what = what.to_string();
    let what = if what.is_empty() { what } else { format!("{what}: ") };
    match error {
        mysql_async::Error::Server(answer) => of_server(&answer, &what),
        mysql_async::Error::Driver(DriverError::ConnectionClosed) => closed(&what),
        mysql_async::Error::Io(IoError::Io(cause)) => match Silence::of(&cause) {
            Some(silence) => Error::new(ErrorKind::Connection, format!("{what}{silence}")).with_hint(
                "check that it runs, and the network, tunnels and firewalls on the way to it; try again when it answers",
            ),
            None if is_too_large(&cause) => {
                Error::new(ErrorKind::Refused, format!("{what}a row is larger than max_allowed_packet"))
                    .with_hint(RAISE)
            }
            None => closed(&what).with_source(cause),
        },
        mysql_async::Error::Driver(DriverError::PacketTooLarge) => {
            Error::new(ErrorKind::Refused, format!("{what}the statement is larger than max_allowed_packet"))
                .with_hint(RAISE)
        }
        other => Error::new(ErrorKind::Internal, format!("{what}the driver failed")).with_source(other),
    }
}

const RAISE: &str = "raise max_allowed_packet on the server: SET GLOBAL max_allowed_packet = 1073741824 is the most that it takes";

/// What the driver reads, and takes for no answer of the server; it exports no type to know that by.
fn is_too_large(cause: &std::io::Error) -> bool {
    cause.get_ref().is_some_and(|cause| cause.to_string().contains("larger than max_allowed_packet"))
}

fn closed(what: &str) -> Error {
    Error::new(ErrorKind::Connection, format!("{what}the connection to the server broke"))
        .with_hint("the server's log says why; try again when it is up")
}

/// What the server's answer means; `what` ends in a colon and a blank, or is empty.
pub(super) fn of_server(answer: &ServerError, what: &str) -> Error {
    let message = format!("{what}{} (error {})", answer.message, answer.code);
    let error = Error::new(kind(answer.code, &answer.state), message).with_sqlstate(answer.state.clone());
    match answer.code {
        1153 => error.with_hint("raise max_allowed_packet on the server"),
        1021 | 1114 => error
            .with_hint("make room on the server's disk, for its data and its temporary files, and try again"),
        1290 => error.with_hint("the server runs with an option that forbids it, such as read_only"),
        _ => error,
    }
}

/// What a number means to those who act on it:
/// <https://dev.mysql.com/doc/mysql-errors/9.5/en/server-error-reference.html>,
/// <https://mariadb.com/kb/en/mariadb-error-code-reference/>.
pub(super) fn kind(code: u16, state: &str) -> ErrorKind {
    match code {
        1049 => ErrorKind::NoDatabase,
        // No room on the disk; a table, or the space that all share, is full.
        1021 | 1114 => ErrorKind::NoSpace,
        // Lock wait timeout; deadlock; a metadata lock not had in time; NOWAIT.
        1205 | 1213 | 1222 | 3572 | 4070 => ErrorKind::LockTimeout,
        // Access to a database, a table, a column, a routine, a privilege denied; read only, super read only.
        1044 | 1095 | 1142 | 1143 | 1227 | 1290 | 1370 | 1410 | 1419 | 1792 | 1836 => ErrorKind::Permission,
        1045 | 1698 | 1251 | 1862 | 1820 | 3118 | 4151 => ErrorKind::Authentication,
        // Killed query; interrupted; execution time exceeded.
        1317 | 1028 | 1969 | 3024 => ErrorKind::Cancelled,
        // Too many connections, shutting down, killed, net errors, host blocked.
        1040 | 1053 | 1129 | 1130 | 1152 | 1158..=1161 | 1184 | 1203 | 1226 | 1927 | 3169 | 4031 => {
            ErrorKind::Connection
        }
        _ if state.starts_with("08") => ErrorKind::Connection,
        _ => ErrorKind::Statement,
    }
}
