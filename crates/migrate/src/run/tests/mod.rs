//! Runs against real databases.

mod restore;
mod sandbox;
mod several;
mod single;

pub(crate) use sandbox::{ENGINES, Sandbox, quoted, undone};
