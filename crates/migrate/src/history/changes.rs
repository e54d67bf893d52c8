use std::path::Path;

use backup::Result;
use serde::Serialize;

use super::{Applied, State};
use crate::files::{Migration, Repeat, RepeatedFile, Source, label};

/// A file as the history records it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recorded {
    /// Its number.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// Its module.
    pub module: Option<String>,
    /// The checksum of its text.
    pub checksum: String,
    /// Its rollback, before its placeholders.
    #[serde(skip)]
    pub rollback: Option<String>,
    /// What it runs, before its placeholders; its checks only look.
    #[serde(skip)]
    pub(crate) body: Source,
}

impl Recorded {
    /// # Errors
    /// Its rollback cannot be read.
    pub(crate) fn of(file: &Migration) -> Result<Self> {
        let rollback = file.rollback_source()?;
        Ok(Self {
            number: file.number,
            name: file.name.clone(),
            module: file.directives.module.clone(),
            checksum: file.checksum(),
            rollback: rollback.map(|rollback| rollback.into_owned().text),
            body: Source { path: file.source.path.clone(), text: file.body().to_owned() },
        })
    }
}

/// A file without a number as the history records it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordedRepeated {
    /// Which kind.
    pub kind: Repeat,
    /// Its name.
    pub name: String,
    /// Its module.
    pub module: Option<String>,
    /// The checksum of its text.
    pub checksum: String,
    /// The file, before its placeholders.
    #[serde(skip)]
    pub(crate) source: Source,
}

impl RecordedRepeated {
    pub(crate) fn of(file: &RepeatedFile) -> Self {
        Self {
            kind: file.kind,
            name: file.name.clone(),
            module: file.directives.module.clone(),
            checksum: file.checksum(),
            source: file.source.clone(),
        }
    }
}

/// One change of the history by which nothing else in the database changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "lowercase")]
pub enum Change {
    /// A file is recorded as satisfied: what it makes is there, and dbm did not make it.
    Record(Recorded),
    /// The same of a file without a number: with the text that it has, it was run.
    #[serde(rename = "record")]
    RecordRepeated(RecordedRepeated),
    /// A row is removed; what its migration made stays.
    Forget {
        /// The row's number.
        number: u64,
        /// Its name.
        name: String,
        /// How it came into the history.
        state: State,
        /// Its rollback, before its placeholders.
        #[serde(skip)]
        rollback: Option<String>,
    },
    /// The row of a file without a number is removed; what the file made stays.
    #[serde(rename = "forget")]
    ForgetRepeated {
        /// Which kind of file.
        kind: Repeat,
        /// Its name.
        name: String,
    },
    /// A row takes number, name, module, checksum and rollback of a file.
    Accept {
        /// The number that the row had.
        from: u64,
        /// The file.
        #[serde(flatten)]
        file: Recorded,
    },
}

impl Change {
    pub(super) fn forget(row: &Applied) -> Self {
        let rollback = row.rollback.clone();
        Self::Forget { number: row.number, name: row.name.clone(), state: row.state, rollback }
    }

    /// A text about that of which the history says from now on that the database has it, or has it not, where it said
    /// otherwise; and where the text is from.
    pub(crate) fn about(&self) -> Option<(&str, &Path)> {
        match self {
            Self::Record(file) => Some((&file.body.text, &file.body.path)),
            Self::RecordRepeated(file) => Some((&file.source.text, &file.source.path)),
            // One with another number has the text that it had.
            Self::Accept { from, file } if *from == file.number => Some((&file.body.text, &file.body.path)),
            // What would take it back is about the same.
            Self::Forget { rollback, .. } => rollback.as_deref().map(|text| (text, Path::new("the history"))),
            Self::Accept { .. } | Self::ForgetRepeated { .. } => None,
        }
    }

    /// What it does, in a line for people.
    pub fn line(&self) -> String {
        match self {
            Self::Record(file) => {
                format!("{} is recorded as satisfied; it is not run", label(file.number, &file.name))
            }
            Self::RecordRepeated(file) => {
                format!("{} is recorded as run with the text that it has", file.kind.label(&file.name))
            }
            Self::Forget { number, name, state: State::Satisfied, .. } => {
                format!("{} is no longer in the history", label(*number, name))
            }
            Self::Forget { number, name, state: State::Applied, .. } => {
                format!("{} is no longer in the history; what it made stays", label(*number, name))
            }
            Self::ForgetRepeated { kind, name } => {
                format!("{} is no longer in the history; what it made stays", kind.label(name))
            }
            Self::Accept { from, file } if *from != file.number => {
                format!("{from:03} is {} from now on", label(file.number, &file.name))
            }
            Self::Accept { file, .. } => {
                format!("{} counts as applied with the text that it has now", label(file.number, &file.name))
            }
        }
    }
}
