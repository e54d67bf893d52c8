//! Runs against real databases.

mod copies;
mod mark;
mod restore;
mod sandbox;
mod several;
mod single;

pub(crate) use sandbox::{ENGINES, Sandbox, quoted, undone};
