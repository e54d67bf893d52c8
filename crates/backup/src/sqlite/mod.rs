//! SQLite: the archive is the pages of a copy of the file.

mod check;
mod contents;
pub(crate) mod dump;
pub(crate) mod restore;
mod scratch;
