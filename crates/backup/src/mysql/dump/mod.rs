//! The dump of a database on MySQL or MariaDB: one snapshot, any number of workers, one script.

mod json;
mod key;
mod long;
mod middle;
mod plan;
mod prepare;
mod ranges;
mod rows;
mod script;
mod snapshot;
#[cfg(test)]
mod tests;
mod tuple;
mod work;
mod write;

pub(crate) use long::remedy;
pub(crate) use plan::pieces;
pub(crate) use prepare::{Extras, Properties, prepare, properties};
pub(crate) use rows::Target;
pub(crate) use script::{HISTORY, script_of};
