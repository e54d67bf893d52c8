//! The safe run: one state machine for `migrate`, `rollback`, `restore` and `recover`.

mod apply;
mod archives;
mod blame;
mod checks;
mod drift;
mod go;
mod lock;
mod mark;
mod observe;
mod open;
mod record;
mod recover;
mod report;
mod reset;
mod restore;
mod runner;
mod settings;
mod settle;
mod statements;
mod touched;
mod undone;
mod wanted;
mod watch;

#[cfg(test)]
pub(crate) mod tests;

pub use mark::Marked;
pub(crate) use observe::{Observe, Seen};
pub use report::{
    ArchiveReport, Became, Compared, Failure, Outcome, RanMigration, Report, Restored, Unarchived, exit_code,
};
pub use reset::Anew;
pub use restore::Restoring;
pub use runner::Runner;
pub use settings::Settings;
pub use watch::{Event, Moment, Question, Unwatched, Watch};
