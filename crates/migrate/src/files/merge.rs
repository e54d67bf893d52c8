use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use backup::{Error, ErrorKind, Result};
use serde::Serialize;

use super::folder::list;
use super::scaffold::{next_number, unwritable, write_new};
use super::{Folder, Migration, branches, checksum, label, survey};
use crate::history::Applied;

/// One step of a merge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "lowercase")]
pub enum Step {
    /// A migration gets a number of its own, and its rollback with it.
    Renumber {
        /// The number that it shared.
        from: u64,
        /// The number that it gets.
        to: u64,
        /// Each file with its new name.
        files: Vec<(PathBuf, PathBuf)>,
        /// Those that are not known to be applied and came after it: they come before it now.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        overtaken_by: Vec<String>,
    },
    /// A migration that does nothing but come after all heads of a module is written.
    Join {
        /// Its file.
        migration: PathBuf,
        /// Its rollback.
        rollback: PathBuf,
        /// The module.
        module: Option<String>,
        /// The heads that it requires.
        requires: Vec<u64>,
    },
}

impl Step {
    /// What it does, in a line for people.
    pub fn line(&self) -> String {
        match self {
            Self::Renumber { from, to, files, overtaken_by } => {
                let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let mut lines: Vec<String> = files
                    .iter()
                    .map(|(old, new)| format!("{} is now {}", old.display(), name(new)))
                    .collect();
                lines.extend(overtaken_by.iter().map(|label| {
                    format!(
                        "  {label} came after it, and comes before it now: if it needs what was {from:03}, write \
                         `-- dbm: requires {to:03}` into it"
                    )
                }));
                lines.join("\n")
            }
            Self::Join { migration, requires, .. } => {
                let numbers: Vec<String> = requires.iter().map(|number| format!("{number:03}")).collect();
                format!("{} joins {}", migration.display(), numbers.join(" and "))
            }
        }
    }
}

/// What has to be done so that each number has one file and each module one head.
///
/// `history`: of a database, which tells which of two files is applied; `moved`: the file that is to get another number
/// where that does not tell it.
///
/// # Errors
/// Which of two files is to be moved, or which rollback is whose, cannot be told.
pub fn plan_merge(folder: &Folder, history: &[Applied], moved: Option<&Path>) -> Result<Vec<Step>> {
    let (mut migrations, _) = survey(folder)?;
    let mut steps = Vec::new();
    let first_free = next_number(folder)?;
    let mut next = first_free;
    let mut by_number: BTreeMap<u64, Vec<Migration>> = BTreeMap::new();
    for file in &migrations {
        by_number.entry(file.number).or_default().push(file.clone());
    }
    let mut named = moved.is_none();
    for (number, files) in by_number.into_iter().filter(|(_, files)| files.len() > 1) {
        named |= moved.is_some_and(|moved| files.iter().any(|file| is_named(file, moved)));
        for file in to_move(&files, history, moved)? {
            let renames = renames(folder, file, &files, history, next)?;
            let migration = migrations.iter_mut().find(|other| other.source.path == file.source.path);
            if let Some(migration) = migration {
                migration.number = next;
            }
            steps.push(Step::Renumber { from: number, to: next, files: renames, overtaken_by: Vec::new() });
            next += 1;
        }
    }
    for step in &mut steps {
        if let Step::Renumber { from, overtaken_by, .. } = step {
            // What is moved too stays in its order.
            *overtaken_by = unapplied_between(&migrations, *from, first_free, history);
        }
    }
    if !named {
        let moved = moved.unwrap_or(Path::new(""));
        let what = match migrations.iter().any(|file| is_named(file, moved)) {
            true => format!("{} shares its number with no other file", moved.display()),
            false => format!("there is no migration {}", moved.display()),
        };
        return Err(
            Error::new(ErrorKind::Usage, what).with_hint("`dbm heads` shows which files share a number")
        );
    }
    for branch in branches(&migrations).into_iter().filter(|branch| branch.heads.len() > 1) {
        let requires: Vec<u64> = branch.heads.iter().map(|head| head.number).collect();
        let slug = requires.iter().fold("merge".to_owned(), |slug, number| format!("{slug}_{number:03}"));
        steps.push(Step::Join {
            migration: folder.migrations.join(format!("{next:03}_{slug}.sql")),
            rollback: folder.rollback.join(format!("{next:03}_{slug}.sql")),
            module: branch.module,
            requires,
        });
        next += 1;
    }
    Ok(steps)
}

/// Does what [`plan_merge`] has planned. A step that fails leaves its files as they were.
///
/// # Errors
/// A file cannot be renamed or written.
pub fn merge(steps: &[Step]) -> Result<()> {
    for step in steps {
        match step {
            Step::Renumber { files, .. } => {
                for (place, (old, new)) in files.iter().enumerate() {
                    if let Err(error) = rename(old, new) {
                        for (old, new) in &files[..place] {
                            let _back = fs::rename(new, old);
                        }
                        return Err(unwritable(new, error));
                    }
                }
            }
            Step::Join { migration, rollback, module, requires } => {
                let numbers: Vec<String> = requires.iter().map(|number| format!("{number:03}")).collect();
                let module =
                    module.as_ref().map_or(String::new(), |module| format!("-- dbm: module {module}\n"));
                let text = format!(
                    "{module}-- dbm: requires {}\n-- Joins what was written at the same time.\n\nSELECT 1;\n",
                    numbers.join(" ")
                );
                fs::create_dir_all(rollback.parent().unwrap_or(Path::new(".")))
                    .map_err(|error| unwritable(rollback, error))?;
                write_new(rollback, "-- There is nothing to take back.\n\nSELECT 1;\n")?;
                if let Err(error) = write_new(migration, &text) {
                    let _back = fs::remove_file(rollback);
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

fn rename(old: &Path, new: &Path) -> io::Result<()> {
    if new.try_exists()? {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(old, new)
}

/// The files between two numbers that are not known to be applied.
fn unapplied_between(migrations: &[Migration], from: u64, to: u64, history: &[Applied]) -> Vec<String> {
    let is_applied = |file: &&Migration| {
        history.iter().any(|row| row.number == file.number && row.checksum == file.checksum())
    };
    let between = migrations.iter().filter(|file| from < file.number && file.number < to);
    between.filter(|file| !is_applied(file)).map(Migration::label).collect()
}

/// Whether a file is meant by its path, its name, or its name without `.sql`.
fn is_named(file: &Migration, moved: &Path) -> bool {
    let path = &file.source.path;
    path == moved || path.file_name() == moved.file_name() || path.file_stem() == Some(moved.as_os_str())
}

/// All files of one number but the one that keeps it: the applied one, else the one that was not named.
fn to_move<'a>(
    files: &'a [Migration],
    history: &[Applied],
    moved: Option<&Path>,
) -> Result<Vec<&'a Migration>> {
    let number = files.first().map_or(0, |file| file.number);
    let row = history.iter().find(|row| row.number == number);
    let applied = row.and_then(|row| {
        let by_text = files.iter().find(|file| file.checksum() == row.checksum);
        by_text.or_else(|| files.iter().find(|file| file.name == row.name))
    });
    if let Some(moved) = moved.filter(|moved| files.iter().any(|file| is_named(file, moved))) {
        if applied.is_some_and(|applied| is_named(applied, moved)) {
            let message = format!("{} is applied in this database, and keeps its number", moved.display());
            return Err(Error::new(ErrorKind::Refused, message)
                .with_hint("move the other one: `dbm merge` alone does so"));
        }
        if files.len() == 2 || applied.is_none() {
            return Ok(files.iter().filter(|file| is_named(file, moved)).collect());
        }
    }
    if let Some(applied) = applied {
        return Ok(files.iter().filter(|file| file.source.path != applied.source.path).collect());
    }
    let labels: Vec<String> = files.iter().map(Migration::label).collect();
    let last = files.last().map(|file| file.source.path.display().to_string()).unwrap_or_default();
    Err(Error::new(
        ErrorKind::Usage,
        format!("{} have one number, and none of them is known to be applied", labels.join(" and ")),
    )
    .with_hint(format!("name the one that is applied nowhere yet: `dbm merge --move {last}`")))
}

/// The new names of a migration and of its rollback.
fn renames(
    folder: &Folder,
    file: &Migration,
    all: &[Migration],
    history: &[Applied],
    to: u64,
) -> Result<Vec<(PathBuf, PathBuf)>> {
    let renamed = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let digits = name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len());
        (path.to_owned(), path.with_file_name(format!("{to:03}{}", &name[digits..])))
    };
    let mut files = vec![renamed(&file.source.path)];
    let mut rollbacks = match list(&folder.rollback, &mut Vec::new()) {
        Ok(rollbacks) => rollbacks,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        Err(error) => return Err(unwritable(&folder.rollback, error)),
    };
    let Some(candidates) = rollbacks.remove(&file.number) else { return Ok(files) };
    let kept = history.iter().find(|row| row.number == file.number).and_then(|row| row.rollback.as_deref());
    let mut unclear = Vec::new();
    for candidate in &candidates {
        let text = fs::read_to_string(&candidate.path).unwrap_or_default();
        // `dbm new` writes into a rollback whose it is; the history knows the one of what is applied.
        let named = all.iter().find(|migration| migration.name == candidate.name);
        let owner = named.or_else(|| first_named(&text, all));
        let of_applied = kept.is_some_and(|kept| checksum(kept) == checksum(&text));
        match owner {
            Some(owner) if owner.source.path == file.source.path => files.push(renamed(&candidate.path)),
            None if !of_applied => unclear.push(candidate.path.display().to_string()),
            _ => {}
        }
    }
    match unclear.first() {
        Some(path) if files.len() == 1 => {
            let labels: Vec<String> = all.iter().map(Migration::label).collect();
            let hint = format!(
                "name it after its migration first, for example {:03}_{}.sql",
                file.number, file.name
            );
            Err(Error::new(
                ErrorKind::Refused,
                format!("whose rollback is {path}: that of {}?", labels.join(" or ")),
            )
            .with_hint(hint))
        }
        _ => Ok(files),
    }
}

/// The migration whose label a text has first. One label may begin another, so that only a whole one counts.
fn first_named<'a>(text: &str, all: &'a [Migration]) -> Option<&'a Migration> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let first = |migration: &Migration| {
        let label = label(migration.number, &migration.name);
        let whole = text.match_indices(&label).find(|(at, _)| {
            !text[..*at].ends_with(is_part) && !text[at + label.len()..].starts_with(is_part)
        });
        // A name may go on after a dot or a dash too: the longest is meant.
        whole.map(|(at, _)| (at, std::cmp::Reverse(label.len())))
    };
    let named = all.iter().filter_map(|migration| first(migration).map(|place| (place, migration)));
    named.min_by_key(|(place, _)| *place).map(|(_, migration)| migration)
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
