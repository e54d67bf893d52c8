//! The dump of a PostgreSQL database: one snapshot, any number of workers, one script.

mod plan;
mod psql;
mod rows;
mod script;
