//! Why a connection could not be had, in words that help.

use std::io;

use mysql_async::{DriverError, IoError, ServerError, TlsError};
use rustls::CertificateError as Wrong;

use super::{Place, error};
use crate::{Error, ErrorKind};

/// Where we wanted to go, and as whom.
pub(super) struct To<'a> {
    pub(super) place: &'a Place,
    pub(super) database: Option<&'a str>,
    pub(super) user: &'a str,
    pub(super) has_password: bool,
}

/// What a failed attempt to connect means.
pub(super) fn explain(cause: mysql_async::Error, to: &To<'_>) -> Error {
    let place = to.place;
    let connection = |message: String| Error::new(ErrorKind::Connection, message);
    match cause {
        mysql_async::Error::Server(answer) => refused(&answer, to),
        mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer) => {
            connection(format!("{place} does not speak TLS, and the URL's ssl-mode insists on it")).with_hint(
                "switch it on there (ssl_cert and ssl_key); ssl-mode=PREFERRED in the URL goes without, where the \
                 network is safe",
            )
        }
        mysql_async::Error::Driver(DriverError::UnknownAuthPlugin { name }) => Error::new(
            ErrorKind::Authentication,
            format!("{place} logs `{}` in by `{name}`, which dbm does not speak", to.user),
        )
        .with_hint(
            "use an account with mysql_native_password, caching_sha2_password, ed25519 or unix_socket",
        ),
        mysql_async::Error::Driver(DriverError::CleartextPluginDisabled) => Error::new(
            ErrorKind::Authentication,
            format!("{place} asks for the password of `{}` in clear text", to.user),
        )
        .with_hint("use an account that logs in another way"),
        mysql_async::Error::Io(io) if of_tls(&io).is_some() || matches!(io, IoError::Tls(_)) => {
            let (message, hint) = tls(of_tls(&io), place);
            connection(message).with_hint(hint).with_source(io)
        }
        mysql_async::Error::Io(IoError::Io(cause)) => {
            let explained = match cause.kind() {
                io::ErrorKind::ConnectionRefused => connection(format!("nothing listens on {place}"))
                    .with_hint("start the server, or mend host and port in the URL"),
                io::ErrorKind::NotFound => connection(format!("there is no socket {place}"))
                    .with_hint("start the server, or mend the path: ?socket=/path/to/mysqld.sock"),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                    connection(format!("{place} hung up while we logged in"))
                        .with_hint("the server's log says why; is it MySQL or MariaDB that listens there?")
                }
                _ => connection(format!("cannot connect to {place}"))
                    .with_hint("check that the server runs and that host and port in the URL are right"),
            };
            explained.with_source(cause)
        }
        other => connection(format!("cannot connect to {place}"))
            .with_hint("is it MySQL or MariaDB that listens there?")
            .with_source(other),
    }
}

/// What encryption failed with, which the driver has in one of two places.
pub(super) fn of_tls(cause: &IoError) -> Option<&rustls::Error> {
    match cause {
        IoError::Tls(TlsError::Tls(found)) => Some(found),
        IoError::Tls(_) => None,
        IoError::Io(found) => found.get_ref()?.downcast_ref(),
    }
}

fn tls(cause: Option<&rustls::Error>, place: &Place) -> (String, &'static str) {
    let Some(rustls::Error::InvalidCertificate(wrong)) = cause else {
        return (
            format!("no TLS connection with {place}"),
            "check ssl-mode in the URL and the server's certificate",
        );
    };
    match wrong {
        Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => (
            format!("the certificate of {place} is not for that name"),
            "write the host as the certificate's subjectAltName has it, or ssl-mode=VERIFY_CA",
        ),
        Wrong::UnknownIssuer => (
            format!("the certificate of {place} is signed by nobody whom ssl-ca trusts"),
            "check that ssl-ca names the certificate that signed the server's",
        ),
        Wrong::Expired | Wrong::ExpiredContext { .. } => {
            (format!("the certificate of {place} has expired"), "let the server have a new one (ssl_cert)")
        }
        _ => (
            format!("the certificate of {place} is not to be trusted"),
            "check the server's certificate and ssl-ca in the URL",
        ),
    }
}

const GIVE_PASSWORD: &str = "give it in the URL (mysql://user:password@host/…), in MYSQL_PWD or in ~/.my.cnf";

fn refused(answer: &ServerError, to: &To<'_>) -> Error {
    let place = to.place;
    let user = to.user;
    let database = to.database.unwrap_or_default();
    let said = &answer.message;
    let explained = match answer.code {
        1045 | 1698 if to.has_password => {
            Error::new(ErrorKind::Authentication, format!("{place} refused the password of `{user}`: {said}"))
                .with_hint(
                    "check the password, and the host that the server sees us come from; in a URL, \
                     `dbm password encode` makes any character safe; or set MYSQL_PWD",
                )
        }
        1045 | 1698 => Error::new(ErrorKind::Authentication, format!("{place} refused `{user}`: {said}"))
            .with_hint(GIVE_PASSWORD),
        1049 => Error::new(ErrorKind::NoDatabase, format!("there is no database `{database}` on {place}"))
            .with_hint(format!("create it (CREATE DATABASE `{database}`), or mend the name in the URL")),
        1044 => Error::new(
            ErrorKind::Permission,
            format!("`{user}` may not use the database `{database}` on {place}: {said}"),
        )
        .with_hint("GRANT … ON that database lets it in; a database that is not there looks the same to it"),
        1130 => {
            Error::new(ErrorKind::Authentication, format!("{place} lets nobody in from this machine: {said}"))
                .with_hint("create the account for this host: CREATE USER 'name'@'host'")
        }
        1040 | 1203 | 1226 => {
            Error::new(ErrorKind::Connection, format!("{place} has no connection left: {said}"))
                .with_hint("end some sessions, raise max_connections, or use fewer --jobs")
        }
        4151 | 3118 => Error::new(
            ErrorKind::Authentication,
            format!("the account `{user}` on {place} is locked"),
        )
        .with_hint(
            "ALTER USER … ACCOUNT UNLOCK lets it in; after a killed run, `dbm recover` lifts the fence",
        ),
        _ => error::of_server(answer, &format!("cannot connect to {place}: ")),
    };
    explained.with_sqlstate(answer.state.clone())
}
