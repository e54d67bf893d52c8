use backup::{Error, ErrorKind, Result};
use serde::Serialize;

use super::{Applied, Change, Recorded};
use crate::files::{ALGORITHM, Migration, label};

/// What is wrong with one row of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Break {
    /// Its file has another text now.
    Changed {
        /// The file as it is now.
        file: Recorded,
    },
    /// Its file is not there, and one with its very text waits under another number.
    Moved {
        /// That file.
        file: Recorded,
    },
    /// Its file is not there.
    Gone,
    /// Its checksum was made in a way that this dbm does not know.
    Unknown,
}

/// A row of the history that does not fit the folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The row's number.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// When it was applied, in RFC 3339.
    pub applied_at: String,
    /// What is wrong.
    #[serde(flatten)]
    pub what: Break,
    #[serde(skip)]
    row: Applied,
}

impl Broken {
    /// What is wrong, in a line for people.
    pub fn line(&self) -> String {
        let label = label(self.number, &self.name);
        match &self.what {
            Break::Changed { .. } => {
                format!("{label} was changed after it was applied on {}", self.applied_at)
            }
            Break::Moved { file } => {
                format!(
                    "{label} is applied, and waits under another number: {}",
                    self::label(file.number, &file.name)
                )
            }
            Break::Gone => format!("{label} is applied (since {}), and its file is gone", self.applied_at),
            Break::Unknown => {
                format!("{label} has a checksum `{}`, which this dbm does not know", self.row.algorithm)
            }
        }
    }

    /// What can be done about it, the safest first.
    pub fn ways(&self) -> Vec<String> {
        let restore = "`dbm restore NAME`, if the database is to be what it was at a backup".to_owned();
        let number = format!("{:03}", self.number);
        match &self.what {
            Break::Changed { .. } => vec![
                "bring the file's text back from version control".to_owned(),
                format!(
                    "`dbm repair --accept {number}`, if only what counts for nothing was changed: the history takes the file as it is"
                ),
                restore,
            ],
            Break::Moved { .. } => vec![
                format!("`dbm repair --accept {number}`: the history takes the file's number"),
                "give the file its number back".to_owned(),
                restore,
            ],
            Break::Gone => vec![
                "bring the file back from version control".to_owned(),
                format!(
                    "`dbm rollback`: the rollback of {number} is {}",
                    if self.row.rollback.is_some() {
                        "kept in the history"
                    } else {
                        "not kept, so it has to be written first"
                    }
                ),
                format!(
                    "`dbm repair --forget {number}`, if what it made is to stay without a file: the row is removed"
                ),
            ],
            Break::Unknown => vec![format!("use the dbm that wrote it ({}) or a newer one", self.row.dbm)],
        }
    }
}

/// Every row of the history that does not fit the folder.
pub fn broken(migrations: &[Migration], history: &[Applied]) -> Vec<Broken> {
    let recorded = |number: u64| history.iter().any(|row| row.number == number);
    let judge = |row: &Applied| {
        let file = migrations.iter().find(|file| file.number == row.number);
        if row.algorithm != ALGORITHM {
            return Some(Break::Unknown);
        }
        match file {
            Some(file) if file.checksum() == row.checksum => None,
            Some(file) => Some(Break::Changed { file: file.into() }),
            None => {
                let waits =
                    migrations.iter().find(|file| !recorded(file.number) && file.checksum() == row.checksum);
                Some(waits.map_or(Break::Gone, |file| Break::Moved { file: file.into() }))
            }
        }
    };
    let broken = history.iter().filter_map(|row| {
        let what = judge(row)?;
        let (name, applied_at) = (row.name.clone(), row.applied_at.clone());
        Some(Broken { number: row.number, name, applied_at, what, row: row.clone() })
    });
    broken.collect()
}

/// Which rows are to be mended, and how. An empty list means all that can be mended so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// The history takes these files as they are.
    pub accept: Option<Vec<u64>>,
    /// These rows are removed.
    pub forget: Option<Vec<u64>>,
}

impl Ways {
    /// Whether none was chosen.
    pub fn is_none(&self) -> bool {
        self.accept.is_none() && self.forget.is_none()
    }
}

/// What the chosen ways out change.
///
/// # Errors
/// A number that is named cannot be mended in that way.
pub fn repair(migrations: &[Migration], history: &[Applied], ways: &Ways) -> Result<Vec<Change>> {
    let broken = broken(migrations, history);
    let mut changes = Vec::new();
    if let Some(numbers) = &ways.forget {
        let forgotten = |one: &Broken| matches!(one.what, Break::Gone).then(|| Change::forget(&one.row));
        changes.extend(chosen(&broken, numbers, "--forget", forgotten)?);
    }
    if let Some(numbers) = &ways.accept {
        let accepted = |one: &Broken| match &one.what {
            Break::Changed { file } | Break::Moved { file } => {
                Some(Change::Accept { from: one.number, file: file.clone() })
            }
            Break::Gone | Break::Unknown => None,
        };
        changes.extend(chosen(&broken, numbers, "--accept", accepted)?);
    }
    Ok(changes)
}

fn chosen(
    broken: &[Broken],
    numbers: &[u64],
    option: &str,
    mend: impl Fn(&Broken) -> Option<Change>,
) -> Result<Vec<Change>> {
    if numbers.is_empty() {
        return Ok(broken.iter().filter_map(mend).collect());
    }
    let one = |number: &u64| {
        let found = broken.iter().find(|one| one.number == *number);
        found.and_then(&mend).ok_or_else(|| {
            let why = found.map_or_else(|| "nothing is wrong with it".to_owned(), Broken::line);
            Error::new(ErrorKind::Usage, format!("`{option} {number:03}` mends nothing: {why}"))
                .with_hint("`dbm repair` lists what is broken, each with its ways out")
        })
    };
    let numbers: std::collections::BTreeSet<u64> = numbers.iter().copied().collect();
    numbers.iter().map(one).collect()
}

#[cfg(test)]
#[path = "repair_tests.rs"]
mod tests;
