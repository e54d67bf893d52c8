//! SQLite: a file, its one-connection sessions, and copies of it through the online backup API.

pub mod catalog;
mod copy;
mod counters;
pub mod digest;
mod error;
mod fence;
mod file;
mod journal;
mod lock;
mod permissions;
mod replace;
mod session;
mod source;
#[cfg(test)]
mod tests;
mod text;

pub use copy::CopyOptions;
pub use error::error;
pub use file::{COMMITTED_TABLE, File, HISTORY_TABLE, Mode, SOURCE_TABLE};
pub use permissions::take_after;
pub use replace::PARTIAL;
pub use session::Session;
