use backup::{Error, ErrorKind, Result};

use super::{Applied, Change, Recorded};
use crate::files::Migration;

/// Up to where migrations count as applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// None of them.
    Base,
    /// Those up to this number.
    To(u64),
    /// All of the folder.
    Head,
}

impl Mark {
    fn takes(self, number: u64) -> bool {
        match self {
            Self::Base => false,
            Self::To(last) => number <= last,
            Self::Head => true,
        }
    }

    fn check(self, migrations: &[Migration]) -> Result<()> {
        match self {
            Self::To(number) if !migrations.iter().any(|file| file.number == number) => {
                let message = format!("there is no migration of the number {number:03}");
                Err(Error::new(ErrorKind::Usage, message)
                    .with_hint("`dbm status` lists them; `head` is the last one"))
            }
            _ => Ok(()),
        }
    }
}

/// Records what a database has that dbm did not make, where nothing is recorded yet.
///
/// # Errors
/// The history has rows already, or the mark is no migration.
pub fn baseline(migrations: &[Migration], history: &[Applied], mark: Mark) -> Result<Vec<Change>> {
    if !history.is_empty() {
        let rows = history.len();
        let have = if rows == 1 { "1 migration".to_owned() } else { format!("{rows} migrations") };
        return Err(Error::new(
            ErrorKind::Refused,
            format!("the history has {have} already, and is no new one"),
        )
        .with_hint("`dbm status` shows them; `dbm stamp REVISION` changes what counts as applied"));
    }
    if mark == Mark::Base {
        return Err(Error::new(ErrorKind::Usage, "a baseline at the base would record nothing").with_hint(
            "name the last migration that the database has already: `dbm baseline 12`, or `head`",
        ));
    }
    stamp(migrations, history, mark)
}

/// Makes the history hold exactly the migrations up to a mark: adds what is missing as satisfied, removes what is above.
///
/// # Errors
/// The mark is no migration.
pub fn stamp(migrations: &[Migration], history: &[Applied], mark: Mark) -> Result<Vec<Change>> {
    mark.check(migrations)?;
    let above = history.iter().rev().filter(|row| !mark.takes(row.number));
    let mut changes: Vec<Change> = above.map(Change::forget).collect();
    let known = |number: u64| history.iter().any(|row| row.number == number);
    let missing = migrations.iter().filter(|file| mark.takes(file.number) && !known(file.number));
    for file in missing {
        changes.push(Change::Record(Recorded::of(file)?));
    }
    Ok(changes)
}
