//! Runs against real databases.

mod copies;
mod drift;
mod locks;
mod mark;
mod migrator;
mod rehearse;
mod repeated;
mod reset;
mod restore;
mod rights;
mod rollbacks;
mod sandbox;
mod schema;
mod server;
mod several;
mod single;
mod squash;
mod undone;
mod unless;

pub(crate) use sandbox::{Sandbox, engines, quoted, undone};
pub(crate) use server::{Own, own};
