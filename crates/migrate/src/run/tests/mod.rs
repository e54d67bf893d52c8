//! Runs against real databases.

mod sandbox;
mod single;

pub(crate) use sandbox::Sandbox;
