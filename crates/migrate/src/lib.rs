//! Migration files, the plan, the history and the safe run.
//!
//! [`files`] reads the folders, [`plan`] decides purely what is to be done, [`Runner`] does it: it
//! takes the lock, backs up, applies, verifies, and on failure puts the database back and proves it.
//! [`journal`] is what it writes down on the way, so that the next command can finish or undo what a
//! kill left. A [`Watch`] sees every step.

pub mod compare;
pub mod docs;
mod engine;
pub mod files;
pub mod history;
pub mod journal;
pub mod lint;
pub mod placeholders;
pub mod plan;
pub mod rehearse;
mod run;
pub mod scratch;
pub mod status;

pub use plan::{MigrateOptions, Plan, RollbackOptions, Until};
pub use run::{
    ArchiveReport, Became, Event, Failure, Marked, Moment, Outcome, Question, RanMigration, Report, Restored,
    Restoring, Runner, Settings, Unarchived, Unwatched, Watch, exit_code,
};
