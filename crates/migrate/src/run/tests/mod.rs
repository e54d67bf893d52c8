//! Runs against real databases.

mod sandbox;
mod several;
mod single;

pub(crate) use sandbox::Sandbox;
