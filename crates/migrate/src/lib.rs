//! Migration files, the plan, the history and the safe run.
//!
//! [`files`] reads the folders, [`plan`] decides purely what is to be done, [`Runner`] does it: it
//! takes the lock, backs up, applies, verifies, and on failure puts the database back and proves it.
//! [`journal`] is what it writes down on the way, so that the next command can finish or undo what a
//! kill left. A [`Watch`] sees every step. An application that migrates itself when it starts uses a [`Migrator`].

// What `embed_migrations!` writes names the crate.
#[cfg(test)]
extern crate self as migrate;

pub mod adopt;
mod clauses;
pub mod compare;
pub mod docs;
mod engine;
pub mod files;
pub mod generate;
pub mod history;
pub mod journal;
pub mod lint;
mod migrator;
pub mod placeholders;
pub mod plan;
pub mod rehearse;
mod run;
pub mod scratch;
pub mod squash;
pub mod status;

pub use files::Embedded;
pub use migrate_macros::embed_migrations;
pub use migrator::Migrator;
pub use plan::{MigrateOptions, Plan, RollbackOptions, Until};
pub use run::{
    Anew, ArchiveReport, Became, Compared, Event, Failure, Marked, Moment, Outcome, Question, RanMigration,
    Report, Restored, Restoring, Runner, Settings, Unarchived, Unwatched, Watch, exit_code,
};
