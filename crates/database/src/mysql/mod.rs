//! MySQL and MariaDB: settings, connecting, and what their errors mean.
//!
//! The driver keeps a buffer of up to 4 MiB for each column of the widest query. An application whose rows are that large
//! and whose memory is small sets `MYSQL_ASYNC_BUFFER_SIZE_CAP=65536` where it starts; `dbm` does so itself.

mod about;
pub mod catalog;
mod claims;
mod connect;
mod connection;
mod counters;
pub mod digest;
mod error;
mod exact;
mod fence;
pub mod globals;
mod grants;
mod home;
mod journal;
mod lock;
mod others;
mod pulse;
mod refusal;
pub mod rows;
mod server;
mod session;
mod settings;
mod swap;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod values;

pub use connect::connect;
pub use connection::{Bytes, Connection, Flavour};
pub use error::error;
pub use exact::is_database;
pub use fence::SCRATCH_ACCOUNTS;
pub use grants::Grants;
pub use home::{HISTORY_TABLE, HOME, OWN_TABLES};
pub use server::Server;
pub use session::Session;
pub use settings::{DEFAULT_CONNECT_TIMEOUT, DEFAULT_PORT, DEFAULT_SOCKETS, Place, Settings, SslMode};
pub use swap::SwapNote;
