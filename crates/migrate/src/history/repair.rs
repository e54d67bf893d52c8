use std::collections::BTreeSet;
use std::str::FromStr;

use backup::{Error, ErrorKind, Result};
use serde::Serialize;

use super::{Applied, Change, Recorded, Records, gone};
use crate::files::{ALGORITHM, Migration, Repeat, RepeatedFile, is_folded, label, squashed};

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
///
/// # Errors
/// A rollback that was not read yet cannot be.
pub fn broken(migrations: &[Migration], history: &[Applied]) -> Result<Vec<Broken>> {
    let recorded = |number: u64| history.iter().any(|row| row.number == number);
    let judge = |row: &Applied| -> Result<Option<Break>> {
        let file = migrations.iter().find(|file| file.number == row.number);
        if row.algorithm != ALGORITHM {
            return Ok(Some(Break::Unknown));
        }
        Ok(match file {
            Some(file) if file.checksum() == row.checksum => None,
            Some(file) => Some(Break::Changed { file: Recorded::of(file)? }),
            None => {
                let waits =
                    migrations.iter().find(|file| !recorded(file.number) && file.checksum() == row.checksum);
                Some(match waits {
                    Some(file) => Break::Moved { file: Recorded::of(file)? },
                    None => Break::Gone,
                })
            }
        })
    };
    let squashed = squashed(migrations);
    let mut broken = Vec::new();
    for row in history.iter().filter(|row| !is_folded(squashed, row)) {
        if let Some(what) = judge(row)? {
            let (name, applied_at) = (row.name.clone(), row.applied_at.clone());
            broken.push(Broken { number: row.number, name, applied_at, what, row: row.clone() });
        }
    }
    Ok(broken)
}

/// Which row of the history is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// That of a migration, by its number.
    Number(u64),
    /// That of a file without a number, by its kind and name.
    File(Repeat, String),
}

impl FromStr for Row {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        if let Ok(number) = word.parse() {
            return Ok(Self::Number(number));
        }
        let kinds = [Repeat::Repeatable, Repeat::Seed];
        let named = word.split_once('/').and_then(|(folder, name)| {
            let kind = kinds.into_iter().find(|kind| kind.folder() == folder)?;
            Some(Self::File(kind, name.to_owned()))
        });
        named.ok_or_else(|| "write a number such as 7, or repeatable/NAME or seeds/NAME".to_owned())
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(to, "{number:03}"),
            Self::File(kind, name) => to.write_str(&kind.label(name)),
        }
    }
}

/// Which rows are to be mended, and how. An empty list means all that can be mended so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// The history takes these files as they are.
    pub accept: Option<Vec<u64>>,
    /// These rows are removed.
    pub forget: Option<Vec<Row>>,
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
/// A row that is named cannot be mended in that way.
pub fn repair(
    migrations: &[Migration],
    files: &[RepeatedFile],
    records: &Records,
    ways: &Ways,
) -> Result<Vec<Change>> {
    let broken = broken(migrations, &records.applied)?;
    let why = |row: &Row| match row {
        Row::Number(number) => broken.iter().find(|one| one.number == *number).map(Broken::line),
        Row::File(..) => None,
    };
    let mut changes = Vec::new();
    if let Some(rows) = &ways.forget {
        let numbered = broken.iter().filter(|one| matches!(one.what, Break::Gone));
        let numbered = numbered.map(|one| (Row::Number(one.number), Change::forget(&one.row)));
        let repeated = gone(files, &records.repeated).map(|row| {
            let change = Change::ForgetRepeated { kind: row.kind, name: row.name.clone() };
            (Row::File(row.kind, row.name.clone()), change)
        });
        changes.extend(chosen(numbered.chain(repeated).collect(), rows.clone(), "--forget", why)?);
    }
    if let Some(numbers) = &ways.accept {
        let accepted = |one: &Broken| match &one.what {
            Break::Changed { file } | Break::Moved { file } => {
                Some((Row::Number(one.number), Change::Accept { from: one.number, file: file.clone() }))
            }
            Break::Gone | Break::Unknown => None,
        };
        let mendable = broken.iter().filter_map(accepted).collect();
        let rows = numbers.iter().copied().map(Row::Number).collect();
        changes.extend(chosen(mendable, rows, "--accept", why)?);
    }
    Ok(changes)
}

/// The changes of the rows that are named, or of all that can be mended so.
fn chosen(
    mendable: Vec<(Row, Change)>,
    named: Vec<Row>,
    option: &str,
    why: impl Fn(&Row) -> Option<String>,
) -> Result<Vec<Change>> {
    if named.is_empty() {
        return Ok(mendable.into_iter().map(|(_, change)| change).collect());
    }
    let one = |row: &Row| {
        let found = mendable.iter().find(|(other, _)| other == row);
        found.map(|(_, change)| change.clone()).ok_or_else(|| {
            let why = why(row).unwrap_or_else(|| "nothing is wrong with it".to_owned());
            Error::new(ErrorKind::Usage, format!("`{option} {row}` mends nothing: {why}"))
                .with_hint("`dbm repair` lists what is broken, each with its ways out")
        })
    };
    let named: BTreeSet<Row> = named.into_iter().collect();
    named.iter().map(one).collect()
}

#[cfg(test)]
#[path = "repair_tests.rs"]
mod tests;
