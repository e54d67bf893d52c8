//! Why a connection could not be had, in words that help.

use std::error::Error as StdError;
use std::io;
use std::path::Path;

use tokio_postgres::error::DbError;

use super::{Host, error};
use crate::{Error, ErrorKind};

/// Where we wanted to go, and as whom.
pub(super) struct To<'a> {
    pub(super) host: &'a Host,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
    pub(super) has_password: bool,
    /// The password file that was not read, since others may read it too.
    pub(super) passed_over: Option<&'a Path>,
}

impl To<'_> {
    fn place(&self) -> String {
        format!("{}/{}", self.host, self.database)
    }

    fn give_password(&self) -> String {
        let Some(file) = self.passed_over else { return GIVE_PASSWORD.to_owned() };
        let file = file.display();
        format!(
            "the password file {file} was passed over, since others may read it: chmod 0600 {file}; or {GIVE_PASSWORD}"
        )
    }
}

/// What a failed attempt to connect means.
pub(super) fn explain(error: tokio_postgres::Error, to: &To<'_>) -> Error {
    if let Some(answer) = error.as_db_error() {
        return refused(answer, to);
    }
    let place = to.place();
    let text = error.to_string();
    let cause = error.into_source();
    let why = cause.as_ref().map(ToString::to_string).unwrap_or_default();
    let connection = |message: String| Error::new(ErrorKind::Connection, message);
    let of_tls = cause.as_deref().and_then(|cause| find::<rustls::Error>(cause)).cloned();
    if let Some(tls) = of_tls {
        return super::tls::explain(tls, to.host, &place);
    }
    let of_io = cause.as_deref().and_then(|cause| find::<io::Error>(cause)).map(io::Error::kind);
    let explained = match (text.as_str(), of_io) {
        ("invalid configuration", _) if why == "password missing" => {
            let message = format!("{place} wants a password for `{}`, and there is none", to.user);
            return Error::new(ErrorKind::Authentication, message).with_hint(to.give_password());
        }
        ("error performing TLS handshake", None) if why.contains("does not support TLS") => {
            return connection(format!("{place} does not speak TLS, and the URL's sslmode insists on it")).with_hint(
                "switch it on there (ssl = on); sslmode=prefer in the URL goes without, where the network is safe",
            );
        }
        ("error performing TLS handshake", _) => connection(format!("no TLS connection with {place}")),
        ("authentication error", _) if why.contains("channel binding") => Error::new(
            ErrorKind::Authentication,
            format!("{place} logs `{}` in without what channel_binding=require asks for", to.user),
        )
        .with_hint("it needs TLS (sslmode=require) and scram-sha-256 in the server's pg_hba.conf; or leave channel_binding out"),
        ("authentication error", _) => Error::new(
            ErrorKind::Authentication,
            format!("{place} and dbm agree on no way to log in as `{}`", to.user),
        )
        .with_hint("the server must take scram-sha-256, md5, password, cert or trust (its pg_hba.conf)"),
        (_, Some(io::ErrorKind::ConnectionRefused)) => connection(format!("nothing listens on {}", to.host))
            .with_hint(format!(
                "start the server, or mend host and port in the URL (to reach `{}`)",
                to.database
            )),
        (_, Some(io::ErrorKind::NotFound)) if to.host.is_socket() => {
            connection(format!("there is no socket {} (database `{}`)", to.host, to.database))
                .with_hint("start the server, or mend the folder and the port in the URL")
        }
        (_, Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)) => {
            connection(format!("{place} hung up while we logged in"))
                .with_hint("the server's log says why; is it PostgreSQL that listens there?")
        }
        _ => connection(format!("cannot connect to {place}"))
            .with_hint("check that the server runs and that host and port in the URL are right"),
    };
    match cause {
        Some(cause) => explained.with_source(cause),
        None => explained,
    }
}

const GIVE_PASSWORD: &str =
    "give it in the URL (postgres://user:password@host/…), in PGPASSWORD or in a password file";

fn refused(answer: &DbError, to: &To<'_>) -> Error {
    let place = to.place();
    let (user, database) = (to.user, to.database);
    let code = answer.code().code();
    let said = answer.message();
    let explained = match code {
        "28P01" if to.has_password => {
            Error::new(ErrorKind::Authentication, format!("{place} refused the password of `{user}`")).with_hint(
                "check the password; in a URL, `dbm password encode` makes any character safe; or set PGPASSWORD",
            )
        }
        "28P01" => {
            Error::new(ErrorKind::Authentication, format!("{place} refused `{user}`: {said}")).with_hint(to.give_password())
        }
        "28000" => {
            let error = Error::new(ErrorKind::Authentication, format!("{place} does not let `{user}` in: {said}"));
            let hint = if said.contains("pg_hba.conf") && said.contains("no encryption") {
                "add a line to the server's pg_hba.conf, or ask for encryption: sslmode=require in the URL"
            } else if said.contains("pg_hba.conf") {
                "add a line for this host, user and database to the server's pg_hba.conf and reload it"
            } else {
                "check the user's name in the URL; the server's log says more"
            };
            error.with_hint(hint)
        }
        "3D000" => Error::new(ErrorKind::NoDatabase, format!("there is no database `{database}` on {}", to.host))
            .with_hint(match to.host.is_socket() {
                true => format!("create it (createdb -h {} -p {} -U {user} {database}), or mend the name in the URL", to.host.name, to.host.port),
                false => format!("create it (createdb -h {} -p {} -U {user} {database}), or mend the name in the URL", to.host.name_for_tls(), to.host.port),
            }),
        "57P03" => Error::new(ErrorKind::Connection, format!("{place} is not ready: {said}"))
            .with_hint("wait a moment and try again"),
        "53300" => Error::new(ErrorKind::Connection, format!("{place} has no connection left: {said}"))
            .with_hint("end some sessions, raise max_connections, or use fewer --jobs"),
        "42501" => Error::new(ErrorKind::Permission, format!("`{user}` may not connect to {place}: {said}"))
            .with_hint(format!("GRANT CONNECT ON DATABASE … TO … lets it in; after a killed run, `dbm recover` lifts the fence on `{database}`")),
        _ => error::of_server(answer, format!("cannot connect to {place}")),
    };
    explained.with_sqlstate(code)
}

/// A host's name that stands for no address.
pub(super) fn no_address(to: &To<'_>) -> Error {
    Error::new(ErrorKind::Connection, format!("the host `{}` has no address", to.host.name))
}

/// The first error of a type in the chain, looking into I/O errors too.
pub(super) fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
