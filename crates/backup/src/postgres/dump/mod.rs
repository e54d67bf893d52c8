//! The dump of a PostgreSQL database: one snapshot, any number of workers, one script.

pub(crate) mod large_objects;
pub(crate) mod sequences;

mod definitions;
mod keys;
mod outline;
pub(crate) mod plan;
mod prepare;
mod psql;
mod relations;
mod rows;
mod script;
mod select;
mod snapshot;
mod statistics;
mod target;
#[cfg(test)]
mod tests;
pub(crate) mod views;
mod work;
mod write;

pub(crate) use definitions::script_of;
pub(crate) use prepare::prepare;
pub(crate) use write::ranges_since;
