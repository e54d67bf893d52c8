//! The table in the database that says which migrations are applied.

mod changes;
mod fingerprint;
mod kept;
mod mark;
mod repair;
mod repeated;
mod table;

pub use changes::{Change, Recorded, RecordedRepeated};
pub(crate) use fingerprint::{Fingerprint, Refers, is_code, without_upkeep};
pub(crate) use kept::{Before, Reader, before_of, forget_before, last, put_before, put_last};
pub use mark::{Mark, baseline, stamp};
pub use repair::{Break, Broken, Row, Ways, broken, repair};
pub use repeated::{Repeated, Superseded, read_repeated};
pub(crate) use repeated::{forget_repeated, gone, outdate_repeatables, put_repeated};
pub(crate) use table::accept;
pub use table::{create, delete, insert, read};
pub(crate) use table::{is_there, remove};

use backup::Result;
use database::{ObjectId, Session};
use serde::{Deserialize, Serialize};

use crate::files::RepeatedFile;

/// Its name.
pub(crate) const TABLE: &str = "dbm_history";

/// Whether an object is the history, or belongs to it.
pub(crate) fn is_own(id: &ObjectId) -> bool {
    id.name == TABLE || id.of == TABLE
}

/// All that the table holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// The numbered migrations, in the order of their application.
    pub applied: Vec<Applied>,
    /// The files without a number.
    pub repeated: Vec<Repeated>,
    /// The texts that those had before.
    pub superseded: Vec<Superseded>,
}

impl Records {
    /// Reads the table; empty where there is none.
    ///
    /// # Errors
    /// The connection broke, or the table is not one of dbm's making.
    pub async fn read(session: &mut dyn Session) -> Result<Self> {
        if !is_there(session).await? {
            return Ok(Self::default());
        }
        Ok(Self {
            applied: table::rows(session).await?,
            repeated: repeated::rows(session).await?,
            superseded: repeated::superseded(session).await?,
        })
    }

    /// Whether the file has a text that was run once, and in whose place another has come.
    pub fn is_superseded(&self, file: &RepeatedFile) -> bool {
        let known = |text: &Superseded| text.kind == file.kind && text.name == file.name;
        self.superseded.iter().any(|text| known(text) && text.checksum == file.checksum())
    }
}

/// How a migration came to be in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its statements were run by dbm.
    Applied,
    /// What it makes was there already: dbm made nothing and takes nothing back.
    Satisfied,
}

impl State {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Satisfied => "satisfied",
        }
    }
}

/// One applied migration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Its number.
    pub number: u64,
    /// Its place in the order in which migrations were applied.
    pub position: u64,
    /// Its name.
    pub name: String,
    /// Its module.
    pub module: Option<String>,
    /// The checksum of its text on that day.
    pub checksum: String,
    /// How the checksum was made.
    pub algorithm: String,
    /// The rollback's text on that day, before its placeholders.
    pub rollback: Option<String>,
    /// How it came here.
    pub state: State,
    /// When, in RFC 3339, UTC.
    pub applied_at: String,
    /// By whom, as the client's account and host.
    pub applied_by: String,
    /// How long its statements took, in milliseconds.
    pub duration_ms: u64,
    /// The run that applied it.
    pub run: String,
    /// The version of dbm.
    pub dbm: String,
}
