//! The safe run: one state machine for `migrate`, `rollback`, `restore` and `recover`.

mod report;
mod settings;
mod watch;

pub use report::{
    ArchiveReport, Became, Failure, Outcome, RanMigration, Report, Restored, Unarchived, exit_code,
};
pub use settings::Settings;
pub use watch::{Event, Moment, Question, Unwatched, Watch};
