//! PostgreSQL: settings, connecting, and what its errors mean.

mod connect;
mod connection;
mod error;
pub mod passwords;
mod refusal;
mod server;
mod settings;
#[cfg(test)]
mod tests;
mod tls;

pub use connect::connect;
pub use connection::Connection;
pub use error::error;
pub use server::Server;
pub use settings::{
    ChannelBinding, DEFAULT_CONNECT_TIMEOUT, DEFAULT_PORT, Host, RootCert, Settings, SslMode, SslNegotiation,
    TargetSession,
};
