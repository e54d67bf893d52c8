//! What a database engine is to dbm.
//!
//! Everything that talks to a server or to a SQLite file goes through this crate: [`DatabaseUrl`]
//! says where, [`Database`] is the door that chooses the engine, a [`Session`] is one connection
//! that stays the same for its whole life, [`Schema`] is what the catalogs say, a [`Digest`]
//! is a table's fingerprint. Archives and migrations are the business of the crates to the right.

mod about;
mod cancel;
#[cfg(test)]
mod certificates;
mod client;
mod digest;
mod door;
mod engine;
mod error;
mod journal;
pub mod mysql;
pub mod postgres;
pub mod quote;
mod schema;
pub mod script;
mod session;
pub mod sqlite;
pub mod url;

pub use about::{About, OtherSession, SourceId};
pub use cancel::Canceller;
pub use digest::{Digest, RowsRead, TableDigest};
pub use door::Database;
pub use engine::Engine;
pub use error::{Error, ErrorKind, Result};
pub use journal::Entry;
pub use schema::{Column, Generated, Kind, NotCarried, Object, ObjectId, Schema, Section, Table};
pub use session::{
    Counter, Counters, Fence, FenceState, Journal, Lock, Ran, Rows, Session, SessionId, Statements, WRITES,
};
pub use url::DatabaseUrl;
