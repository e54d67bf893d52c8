//! PostgreSQL.

pub(crate) mod dump;
mod index_sizes;
pub(crate) mod restore;
pub(crate) mod roles;

use std::fmt;

/// What an error of the server or of the connection means; `what` says what failed.
fn failed(error: tokio_postgres::Error, what: impl fmt::Display) -> crate::Error {
    database::postgres::error(error, what).into()
}
