//! SQLite: the archive is the pages of a copy of the file.

pub(crate) mod check;
pub(crate) mod dump;
pub(crate) mod restore;
mod scratch;
