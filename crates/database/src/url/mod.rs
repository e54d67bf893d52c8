//! Where a database is: one URL, parsed once at the door.

mod mysql;
mod parts;
mod postgres;
mod sqlite;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use helpers::percent;
use secrecy::{ExposeSecret, SecretString};

pub use sqlite::SqliteUrl;

use crate::postgres::Settings;
use crate::{Engine, Error, ErrorKind, Result};

/// Where a database is and how to get in. The password shows in neither `Display` nor `Debug`.
///
/// `postgres://` and `postgresql://` as libpq reads them
/// (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>), and beyond
/// that any printable character in the password without encoding; `mysql://` and `mariadb://` with the clients'
/// options as parameters (`socket`, `ssl-mode`, `ssl-ca` …); `sqlite:path`, `sqlite://rel/path`
/// and `sqlite:///abs/path`. A driver's name after a plus sign (`postgresql+psycopg2://`) is passed over.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DatabaseUrl {
    /// A PostgreSQL server, or several that stand in for each other.
    Postgres(Settings),
    /// A MySQL or MariaDB server.
    Mysql(crate::mysql::Settings),
    /// A SQLite file.
    Sqlite(SqliteUrl),
}

impl DatabaseUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] that names what is wrong without repeating the URL, since a password may
    /// be in it.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::new(ErrorKind::Usage, "the database URL is empty").with_hint(FORMS));
        }
        if text.contains('\0') {
            return Err(Error::new(ErrorKind::Usage, "the database URL holds a NUL character"));
        }
        let scheme = text.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| is_scheme(scheme));
        let Some(scheme) = scheme else {
            return Err(Error::new(
                ErrorKind::Usage,
                "the database URL does not begin with an engine's name",
            )
            .with_hint(FORMS));
        };
        let rest = &text[scheme.len() + 1..];
        let engine = scheme.split_once('+').map_or(scheme, |(engine, _driver)| engine).to_ascii_lowercase();
        match engine.as_str() {
            "postgres" | "postgresql" => postgres::parse(after_slashes(rest)?).map(Self::Postgres),
            "mysql" | "mariadb" => mysql::parse(&engine, after_slashes(rest)?).map(Self::Mysql),
            "sqlite" | "sqlite3" => SqliteUrl::parse(rest).map(Self::Sqlite),
            _ => Err(Error::new(
                ErrorKind::Usage,
                // A URL that lacks its scheme may show an account here, never a password.
                format!("`{engine}` is not an engine that dbm knows"),
            )
            .with_hint(FORMS)),
        }
    }

    /// Which engine.
    pub fn engine(&self) -> Engine {
        match self {
            Self::Postgres(_) => Engine::Postgres,
            Self::Mysql(_) => Engine::Mysql,
            Self::Sqlite(_) => Engine::Sqlite,
        }
    }

    /// The database's name; for SQLite the file's name without its ending.
    pub fn database_name(&self) -> String {
        match self {
            Self::Postgres(settings) => settings.database().to_owned(),
            Self::Mysql(settings) => settings.database.clone(),
            Self::Sqlite(file) => file.name(),
        }
    }

    /// The same server and account with another database; for SQLite another file in the same folder.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Self {
        match self {
            Self::Postgres(settings) => {
                Self::Postgres(Settings { database: Some(name.to_owned()), ..settings.clone() })
            }
            Self::Mysql(settings) => {
                Self::Mysql(crate::mysql::Settings { database: name.to_owned(), ..settings.clone() })
            }
            Self::Sqlite(file) => Self::Sqlite(file.sibling(name)),
        }
    }

    /// The account, if the URL or [`DatabaseUrl::set_default_user`] gave one. SQLite has none.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Postgres(settings) => settings.user.as_deref(),
            Self::Mysql(settings) => settings.user.as_deref(),
            Self::Sqlite(_) => None,
        }
    }

    /// The password, if the URL or [`DatabaseUrl::set_password`] gave one.
    pub fn password(&self) -> Option<&str> {
        match self {
            Self::Postgres(settings) => settings.password.as_ref().map(ExposeSecret::expose_secret),
            Self::Mysql(settings) => settings.password.as_ref().map(ExposeSecret::expose_secret),
            Self::Sqlite(_) => None,
        }
    }

    /// Gives the password, in place of one in the URL. SQLite has none.
    pub fn set_password(&mut self, password: &str) {
        match self {
            Self::Postgres(settings) => settings.password = Some(SecretString::from(password)),
            Self::Mysql(settings) => settings.password = Some(SecretString::from(password)),
            Self::Sqlite(_) => {}
        }
    }

    /// Gives the account that is used if the URL names none: the name of whoever runs dbm, or `PGUSER`.
    pub fn set_default_user(&mut self, user: &str) {
        let account = match self {
            Self::Postgres(settings) => &mut settings.user,
            Self::Mysql(settings) => &mut settings.user,
            Self::Sqlite(_) => return,
        };
        account.get_or_insert_with(|| user.to_owned());
    }

    /// Gives the password file (`~/.pgpass`) that is used if the URL has neither `passfile` nor a password.
    pub fn set_default_passfile(&mut self, passfile: &Path) {
        if let Self::Postgres(settings) = self {
            settings.passfile.get_or_insert_with(|| passfile.to_owned());
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl fmt::Display for DatabaseUrl {
    /// As a URL, with `***` for the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(settings) => settings.fmt(f),
            Self::Mysql(settings) => settings.fmt(f),
            Self::Sqlite(file) => file.fmt(f),
        }
    }
}

const FORMS: &str =
    "write postgres://user@host:5432/database, mysql://user@host:3306/database or sqlite:path/to/file.sqlite";

fn after_slashes(rest: &str) -> Result<&str> {
    rest.strip_prefix("//").ok_or_else(|| {
        Error::new(ErrorKind::Usage, "the database URL lacks the `//` after its scheme").with_hint(FORMS)
    })
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// `key=value` pairs, each decoded.
fn query_pairs(query: &str) -> Result<Vec<(String, String)>> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').ok_or_else(|| {
                Error::new(ErrorKind::Usage, "a parameter of the database URL has no `=`")
                    .with_hint("parameters are written ?name=value&name=value")
            })?;
            let key = percent::decode(key).map_err(|why| unusable("parameter's name", why))?;
            let value = percent::decode(value).map_err(|why| unusable(&key, why))?;
            Ok((key, value))
        })
        .collect()
}

fn unusable(part: &str, why: percent::DecodeError) -> Error {
    Error::new(ErrorKind::Usage, format!("the {part} of the database URL cannot be used")).with_source(why)
}

fn unknown_parameter(key: &str, known: &[&str]) -> Error {
    Error::new(ErrorKind::Usage, format!("`{}` is not a parameter that dbm knows", key.escape_default()))
        .with_hint(format!("known are: {}", known.join(", ")))
}
