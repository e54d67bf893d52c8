//! The dump of a database on MySQL or MariaDB: one snapshot, any number of workers, one script.

mod plan;
mod prepare;
mod rows;
mod script;
mod snapshot;
#[cfg(test)]
mod tests;
mod work;
mod write;

pub(crate) use prepare::prepare;
