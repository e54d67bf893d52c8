//! What differs for MySQL and MariaDB.

pub(crate) mod dump;
pub(crate) mod history;
pub(crate) mod privileges;
pub(crate) mod restore;
#[cfg(test)]
pub(crate) mod testing;

use crate::{Error, ErrorKind};

/// That a verb is not there for this engine.
pub(crate) fn not_yet(what: &str) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!("{what} is not supported for MySQL and MariaDB by this version of dbm"),
    )
    .with_hint("let the account create databases beside it, whose names begin like its own")
}
