//! What a run writes down before each step, and what the next one reads from it.

mod verdict;

use std::path::{Path, PathBuf};

use backup::restore::Remade;
use backup::{Error, ErrorKind, Result};
use chrono::{DateTime, Utc};
use database::{Counter, Entry, FenceState, SessionId, SourceId};
use serde::{Deserialize, Serialize};

pub use verdict::{Verdict, verdict};

/// What kind of run it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunKind {
    /// `migrate`.
    Migrate,
    /// `rollback`.
    Rollback,
    /// `seed`.
    Seed,
    /// `restore`.
    Restore,
    /// `reset`.
    Reset,
}

impl RunKind {
    /// The command's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Migrate => "migrate",
            Self::Rollback => "rollback",
            Self::Seed => "seed",
            Self::Restore => "restore",
            Self::Reset => "reset",
        }
    }

    /// Whether all that it does to the database is to let an archive take its place, in the last of its steps.
    pub fn only_exchanges(self) -> bool {
        matches!(self, Self::Restore | Self::Reset)
    }
}

/// A group of the plan, as far as recovery needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupNote {
    /// Its number.
    pub number: u32,
    /// Whether it is one transaction.
    pub transaction: bool,
    /// Its migrations' numbers.
    pub migrations: Vec<u64>,
}

/// An archive and where it lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveNote {
    /// Its name.
    pub name: String,
    /// Its identity.
    pub identity: String,
    /// The store, as it describes itself.
    pub store: String,
}

/// What a run is, written first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// What kind.
    pub kind: RunKind,
    /// By whom.
    pub by: String,
    /// From which host.
    pub host: String,
    /// The session that holds the lock and runs the statements.
    pub session: SessionId,
    /// The database.
    pub source: SourceId,
    /// The same, whatever the database is called, and not a copy of it into which the journal came.
    pub instance: String,
    /// What it will do.
    pub groups: Vec<GroupNote>,
    /// The version of dbm.
    pub dbm: String,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// What was asked for is done.
    Done,
    /// The database was never changed.
    NothingChanged,
    /// The database was put back.
    PutBack,
    /// An explicit restore took the place of it.
    Superseded,
    /// Another database has taken the place of the one that this journal is in.
    Replaced,
}

/// One entry of the journal. Each is durable before what it says is begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// The run has begun.
    Begin(Box<Begun>),
    /// The fence is about to be raised.
    Fence {
        /// What lifts it again.
        state: FenceState,
    },
    /// The backup is about to be made.
    BackUp,
    /// The backup is there.
    BackedUp {
        /// Which one.
        archive: ArchiveNote,
    },
    /// The run is about to be tried on a copy.
    Rehearse {
        /// The copy's name on the database's server; none where it is a file, or on another server.
        scratch: Option<String>,
        /// The folder for files of the copy, on the host from which the run was begun.
        folder: PathBuf,
    },
    /// A new database is about to be made, to take the place of this one.
    Build {
        /// Its name on the database's server; none where it is a file, or on another server.
        scratch: Option<String>,
        /// The folder for its files, on the host from which the run was begun.
        folder: PathBuf,
    },
    /// The new database is made, and is an archive in that folder.
    Built {
        /// Which one.
        archive: ArchiveNote,
    },
    /// A group is about to be applied.
    Apply {
        /// Its number.
        group: u32,
        /// What its rollback would not take back, where it is a transaction.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        counters: Vec<Counter>,
    },
    /// A group outside a transaction has failed before it changed anything.
    Untouched {
        /// Its number.
        group: u32,
    },
    /// An archive is about to take the database's place.
    Restore {
        /// Which one.
        archive: ArchiveNote,
        /// The name of the database or file that it is restored into first; none where it is restored in place.
        scratch: Option<String>,
    },
    /// What was restored and proven is about to take the database's place.
    Exchange {
        /// What of it was made anew and is not what it was.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        remade: Vec<Remade>,
    },
    /// The archive is in the database's place; only the end is left to be told.
    Restored {
        /// How the run ends.
        ending: Ending,
    },
    /// The last restore that was begun has failed and changed nothing; it is not to be begun again.
    GaveUp,
    /// The fence is about to be lifted: everything else is done.
    LiftFence,
    /// The run is over.
    End {
        /// How.
        ending: Ending,
    },
}

/// A run as its journal tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The run's name.
    pub run: String,
    /// What it is.
    pub begun: Begun,
    /// When it began.
    pub at: DateTime<Utc>,
    /// When the last entry was written.
    pub last_at: DateTime<Utc>,
    /// All steps, the first included.
    pub steps: Vec<Step>,
}

impl Told {
    /// Reads a journal; none if no run ever was.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] for entries that this dbm does not know.
    pub fn read(entries: &[Entry]) -> Result<Option<Self>> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(None) };
        let mut steps = Vec::with_capacity(entries.len());
        for entry in entries {
            let step = serde_json::from_value(entry.step.clone()).map_err(|error| {
                Error::new(
                    ErrorKind::Refused,
                    format!("the journal of run {} has an entry that this dbm cannot read", entry.run),
                )
                .with_hint(format!(
                    "finish that run with the dbm that began it{}: `dbm recover`",
                    first
                        .step
                        .get("dbm")
                        .and_then(serde_json::Value::as_str)
                        .map_or_else(String::new, |dbm| format!(" ({dbm})"))
                ))
                .with_source(error)
            })?;
            steps.push(step);
        }
        let Some(Step::Begin(begun)) = steps.first() else {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("the journal of run {} has no beginning", first.run),
            )
            .with_hint("somebody has removed rows of it: `dbm restore NAME` supersedes that run"));
        };
        Ok(Some(Self {
            run: first.run.clone(),
            begun: (**begun).clone(),
            at: first.at,
            last_at: last.at,
            steps,
        }))
    }

    /// Whether entries are there whose first one is gone, so that nobody can tell what run that was.
    pub fn is_headless(entries: &[Entry]) -> bool {
        let is_begin =
            |entry: &Entry| entry.step.get("step").and_then(serde_json::Value::as_str) == Some("begin");
        entries.first().is_some_and(|first| !is_begin(first))
    }

    /// Whether a journal is of a run that is not over; one that cannot be read may be of such a run.
    pub fn is_open(entries: &[Entry]) -> bool {
        Self::read(entries).map_or(true, |told| told.is_some_and(|told| told.ending().is_none()))
    }

    /// How it ended, if it did.
    pub fn ending(&self) -> Option<Ending> {
        match self.steps.last() {
            Some(Step::End { ending }) => Some(*ending),
            _ => None,
        }
    }

    /// The fence that may be up.
    pub fn fence(&self) -> Option<&FenceState> {
        self.steps.iter().find_map(|step| match step {
            Step::Fence { state } => Some(state),
            _ => None,
        })
    }

    /// The backup that the run made.
    pub fn backup(&self) -> Option<&ArchiveNote> {
        self.steps.iter().find_map(|step| match step {
            Step::BackedUp { archive } => Some(archive),
            _ => None,
        })
    }

    /// The archive of the new database that the run has made, to take the place of the one that is there.
    pub fn built(&self) -> Option<&ArchiveNote> {
        self.steps.iter().find_map(|step| match step {
            Step::Built { archive } => Some(archive),
            _ => None,
        })
    }

    /// The counters as they were before the group that was begun last.
    pub fn counters(&self) -> &[Counter] {
        let last = self.steps.iter().rev().find_map(|step| match step {
            Step::Apply { counters, .. } => Some(counters.as_slice()),
            _ => None,
        });
        last.unwrap_or_default()
    }

    /// The archive that is taking the database's place, or was when the run broke off.
    pub fn restoring(&self) -> Option<&ArchiveNote> {
        let last =
            self.steps.iter().rev().find(|step| matches!(step, Step::Restore { .. } | Step::GaveUp))?;
        match last {
            Step::Restore { archive, .. } => Some(archive),
            _ => None,
        }
    }

    /// Whether what was restored last may have taken the database's place.
    pub fn exchanging(&self) -> bool {
        let mut last = self.steps.iter().rev();
        let last =
            last.find(|step| matches!(step, Step::Restore { .. } | Step::Exchange { .. } | Step::GaveUp));
        matches!(last, Some(Step::Exchange { .. }))
    }

    /// What was made anew and is not what it was, of what has taken the database's place last.
    pub fn remade(&self) -> &[Remade] {
        let last = self.steps.iter().rev().find_map(|step| match step {
            Step::Exchange { remade } => Some(remade.as_slice()),
            _ => None,
        });
        last.unwrap_or_default()
    }

    /// The archives that must not go while the run is open.
    pub fn pinned(&self) -> Vec<&ArchiveNote> {
        if self.ending().is_some() {
            return Vec::new();
        }
        let named = self.steps.iter().filter_map(|step| match step {
            Step::BackedUp { archive } | Step::Restore { archive, .. } => Some(archive),
            _ => None,
        });
        named.collect()
    }

    /// The scratch databases that the run may have left.
    pub fn scratches(&self) -> Vec<&str> {
        let named = self.steps.iter().filter_map(|step| match step {
            Step::Restore { scratch, .. } | Step::Rehearse { scratch, .. } | Step::Build { scratch, .. } => {
                scratch.as_deref()
            }
            _ => None,
        });
        named.collect()
    }

    /// The folders that the run may have left, on the host from which the run was begun.
    pub fn scratch_folders(&self) -> Vec<&Path> {
        let named = self.steps.iter().filter_map(|step| match step {
            Step::Rehearse { folder, .. } | Step::Build { folder, .. } => Some(folder.as_path()),
            _ => None,
        });
        named.collect()
    }
}
