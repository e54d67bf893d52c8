use std::time::Duration;

use serde::Serialize;

use crate::plan::Plan;

/// Where in a step a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// It is decided, and nothing of it is written or done.
    Before,
    /// It stands in the journal, and nothing of it is done. Not every step stands there.
    Noted,
    /// It is done, or has failed.
    After,
}

impl Moment {
    /// The word that logs use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Noted => "noted",
            Self::After => "after",
        }
    }
}

/// One moment of one step of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// The run.
    pub run: String,
    /// The step: `begin`, `fence`, `back-up`, `rehearse`, `apply-1`, `close-1`, `commit`, `restore`, `lift-fence`, `end`; and
    /// `compare`, once a rollback is over.
    pub step: String,
    /// Where in the step.
    pub moment: Moment,
    /// What it is about, for people: an archive's name, a migration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// How long the step took, when it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What is asked before a run goes on.
#[derive(Clone, Debug, Serialize)]
pub struct Question {
    /// What is to be decided, in full sentences.
    pub text: String,
    /// What would answer it on the command line.
    pub option: &'static str,
}

/// Who looks on while a run goes its way: the audit log, the screen, a test.
///
/// Called from within the run, so that nothing goes on until it returns.
pub trait Watch: Send + Sync {
    /// A step is about to be taken, is noted, or is done.
    fn step(&self, event: &Event) {
        let _ = event;
    }

    /// What is going to be done, before anything is.
    fn plan(&self, plan: &Plan) {
        let _ = plan;
    }

    /// A migration is done, as part of a group that is not committed yet.
    fn migration(&self, label: &str, took: Duration) {
        let _ = (label, took);
    }

    /// Something that the operator should know, and that does not stop the run.
    fn note(&self, message: &str) {
        let _ = message;
    }

    /// A migration has used a password made up for a variable that is not set. To be shown once, on the terminal, and
    /// written nowhere.
    fn password(&self, migration: &str, variable: &str, password: &str) {
        let _ = (migration, variable, password);
    }

    /// Whether to go on; no, unless somebody says otherwise.
    fn confirm(&self, question: &Question) -> bool {
        let _ = question;
        false
    }
}

/// Nobody looks on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {}
