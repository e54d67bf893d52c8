//! The archive: dump, restore, verify, and the stores that archives live in.

pub mod archive;
pub mod catalogue;
pub mod copy;
mod derived;
pub mod dump;
pub mod encryption;
mod error;
pub mod health;
mod mysql;
mod postgres;
pub mod progress;
pub mod restore;
pub mod retention;
pub mod selection;
mod sqlite;
pub mod store;
pub mod verify;

pub use error::{Error, ErrorKind, Result};
