//! What differs for MySQL and MariaDB.

use crate::{Error, ErrorKind};

/// That a verb is not there for this engine.
pub(crate) fn not_yet(what: &str) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!("{what} is not supported for MySQL and MariaDB by this version of dbm"),
    )
    .with_hint("use mariadb-dump and mariadb, or mysqldump and mysql, until dbm does it")
}
