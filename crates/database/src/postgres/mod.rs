//! PostgreSQL: settings, connecting, and what its errors mean.

mod about;
pub mod analyze;
pub mod catalog;
mod connect;
mod connection;
pub mod copy;
mod counters;
pub mod digest;
mod error;
mod fence;
#[cfg(test)]
mod file_end_tests;
pub mod globals;
mod journal;
mod lock;
mod others;
mod own_tables;
pub mod passwords;
mod pooler;
mod process_id;
pub mod properties;
mod refusal;
mod server;
mod session;
#[cfg(test)]
mod session_tests;
mod settings;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tls;
mod whole;

pub use connect::connect;
pub use connection::Connection;
pub use error::error;
pub use journal::{NAMESPACE, entries, insert_sql, journal_sql};
pub use lock::{SwapLock, swap_lock};
pub use others::end as end_session;
pub use pooler::refuse_pooler;
pub use server::{Own, Server};
pub use session::Session;
pub use settings::{
    ChannelBinding, DEFAULT_CONNECT_TIMEOUT, DEFAULT_PORT, Host, RootCert, Settings, SslMode, SslNegotiation,
    TargetSession,
};
