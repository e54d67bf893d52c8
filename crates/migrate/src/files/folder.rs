use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use backup::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::origin::Origin;
use super::{Directives, Finding, Migration, Rollback, Rule, Source, folded};

/// Where migrations and their rollbacks lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// `migrations/`.
    pub migrations: PathBuf,
    /// `rollback/`.
    pub rollback: PathBuf,
}

/// Reads all migrations, in the order of their numbers. One that is not filled in yet stands in nobody's way until it
/// is to be applied.
///
/// # Errors
/// The folder cannot be read, or the first of the findings of [`survey`], with the count of the others.
pub fn read(folder: &Folder) -> Result<Vec<Migration>> {
    whole(survey(folder)?)
}

/// As [`read`], without the texts of the rollbacks: those of what is to be applied are read when that is known.
///
/// # Errors
/// As [`read`], and what is wrong with a rollback itself only from [`Rollback::source`].
pub fn read_to_migrate(folder: &Folder) -> Result<Vec<Migration>> {
    whole(survey_in(Origin::Disk, folder, Texts::OfMigrations)?)
}

/// As [`read`], for a rollback: what is applied stands in the history, and neither a number that is missing here nor
/// the rollback of a migration whose file is gone is in its way.
///
/// # Errors
/// As [`read`].
pub fn read_for_rollback(folder: &Folder) -> Result<Vec<Migration>> {
    let (migrations, mut findings) = survey(folder)?;
    findings.retain(|finding| !matches!(finding.rule, Rule::Gap | Rule::OrphanRollback));
    whole((migrations, findings))
}

pub(super) fn whole((migrations, mut findings): (Vec<Migration>, Vec<Finding>)) -> Result<Vec<Migration>> {
    findings.retain(|finding| !matches!(finding.rule, Rule::Empty | Rule::Folded));
    let others = findings.len().saturating_sub(1);
    let Some(first) = findings.into_iter().next() else { return Ok(migrations) };
    let hint = match others {
        0 => first.hint,
        _ => format!("{}; `dbm check` lists this and {others} more", first.hint),
    };
    Err(Error::new(ErrorKind::Refused, first.message).with_hint(hint))
}

/// Reads all migrations and says everything that is wrong with the files themselves.
///
/// # Errors
/// The folder of migrations cannot be read.
pub fn survey(folder: &Folder) -> Result<(Vec<Migration>, Vec<Finding>)> {
    survey_in(Origin::Disk, folder, Texts::All)
}

/// Which texts are read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Texts {
    All,
    OfMigrations,
}

pub(super) fn survey_in(
    origin: Origin,
    folder: &Folder,
    texts: Texts,
) -> Result<(Vec<Migration>, Vec<Finding>)> {
    let mut findings = Vec::new();
    let files = list_in(origin, &folder.migrations, &mut findings).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => "`dbm init` makes it; `--migrations FOLDER` names another".to_owned(),
            _ => "check its permissions, and that it is a folder".to_owned(),
        };
        Error::new(
            ErrorKind::Io,
            format!("cannot read the folder of migrations {}", folder.migrations.display()),
        )
        .with_hint(hint)
        .with_source(error)
    })?;
    let mut rollbacks = match list_in(origin, &folder.rollback, &mut findings) {
        Ok(rollbacks) => rollbacks,
        // Nothing is wrong yet: each migration without a rollback says so itself.
        Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => {
            let folder = folder.rollback.display();
            return Err(Error::new(ErrorKind::Io, format!("cannot read the folder of rollbacks {folder}"))
                .with_hint("check its permissions, and that it is a folder")
                .with_source(error));
        }
    };
    for (number, named) in &rollbacks {
        one_of_a_number("rollbacks", *number, named, &mut findings);
    }
    let mut expected = None;
    let mut numbered: Vec<_> = files
        .into_iter()
        .map(|(number, named)| {
            let mut findings = Vec::new();
            sequence(&mut expected, number, &named, &mut findings);
            let rollback = rollbacks.remove(&number).and_then(|named| named.into_iter().next());
            Numbered { number, named, rollback, migrations: Vec::new(), findings }
        })
        .collect();
    // Of a thousand small files, what takes time is the system's calls.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = numbered.len().div_ceil(cores).max(FEW);
    if numbered.len() > share {
        std::thread::scope(|scope| {
            for part in numbered.chunks_mut(share) {
                let load = move || part.iter_mut().for_each(|one| one.load(origin, folder, texts));
                // Where there is no thread to be had, all is read below.
                let _ = std::thread::Builder::new().spawn_scoped(scope, load);
            }
        });
    }
    // What is read already has nothing left to read.
    numbered.iter_mut().for_each(|one| one.load(origin, folder, texts));
    let mut migrations = Vec::with_capacity(numbered.len());
    for mut one in numbered {
        migrations.append(&mut one.migrations);
        findings.append(&mut one.findings);
    }
    folded::take_out(&mut migrations, &mut findings);
    let squashed = folded::squashed(&migrations);
    for (number, orphans) in rollbacks {
        for file in orphans {
            if let Some(squashed) = squashed.filter(|squashed| number <= squashed.number) {
                findings.push(folded::finding(file.path, &squashed.source.path));
                continue;
            }
            findings.push(Finding {
                rule: Rule::OrphanRollback,
                line: None,
                message: format!("{} is a rollback without a migration of its number", file.path.display()),
                hint: "remove it, or give it the number of its migration".to_owned(),
                path: file.path,
            });
        }
    }
    findings.extend(crate::plan::requirements(&migrations));
    Ok((migrations, findings))
}

/// So many numbers are read by one thread.
const FEW: usize = 100;

/// The files of one number, and what comes of them.
struct Numbered {
    number: u64,
    named: Vec<Named>,
    rollback: Option<Named>,
    migrations: Vec<Migration>,
    findings: Vec<Finding>,
}

impl Numbered {
    fn load(&mut self, origin: Origin, folder: &Folder, texts: Texts) {
        let findings = &mut self.findings;
        let rollback = self.rollback.take().and_then(|file| {
            if texts == Texts::OfMigrations {
                return Some(Rollback::There(file.path));
            }
            let source = load(origin, &file.path, findings)?;
            directives(&source, findings)?;
            Some(Rollback::Read(source))
        });
        // A list that grows by itself takes room for four.
        self.migrations.reserve_exact(self.named.len());
        let mut is_judged = false;
        for file in self.named.drain(..) {
            let Some(source) = load(origin, &file.path, findings) else { continue };
            let Some(directives) = directives(&source, findings) else { continue };
            let migration = Migration {
                number: self.number,
                name: file.name,
                directives,
                source,
                rollback: rollback.clone(),
            };
            missing_rollback(&migration, folder, findings);
            // Of several that share a number, one rollback is the same for all.
            let rollback = match &migration.rollback {
                Some(Rollback::Read(source)) if !is_judged => Some(source),
                _ => None,
            };
            is_judged = true;
            findings.extend(unfilled(&migration.source, rollback));
            self.migrations.push(migration);
        }
    }
}

pub(super) struct Named {
    pub(super) name: String,
    pub(super) path: PathBuf,
}

/// The `.sql` files of a folder by number; other files and folders in it are nobody's business here.
pub(super) fn list(folder: &Path, findings: &mut Vec<Finding>) -> io::Result<BTreeMap<u64, Vec<Named>>> {
    list_in(Origin::Disk, folder, findings)
}

/// The `.sql` files of a folder, by name.
pub(super) fn sql_files(origin: Origin, folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut names = origin.list(folder)?;
    names.retain(|name| {
        Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql"))
    });
    names.sort_unstable();
    Ok(names.iter().map(|name| folder.join(name)).collect())
}

fn list_in(
    origin: Origin,
    folder: &Path,
    findings: &mut Vec<Finding>,
) -> io::Result<BTreeMap<u64, Vec<Named>>> {
    let paths = sql_files(origin, folder)?;
    let mut files: BTreeMap<u64, Vec<Named>> = BTreeMap::new();
    for path in paths {
        match number_and_name(&path) {
            Some((number, name)) => files.entry(number).or_default().push(Named { name, path }),
            None => findings.push(Finding {
                rule: Rule::Name,
                line: None,
                message: format!("the name of {} does not begin with a number", path.display()),
                hint: "name it like 004_what_it_does.sql: three digits or more, `_`, any name; or move it \
                       out of the folder"
                    .to_owned(),
                path,
            }),
        }
    }
    Ok(files)
}

fn number_and_name(path: &Path) -> Option<(u64, String)> {
    let stem = path.file_stem()?.to_str()?;
    let digits = stem.find(|c: char| !c.is_ascii_digit()).unwrap_or(stem.len());
    let name = stem[digits..].strip_prefix('_')?;
    (digits >= 3 && !name.is_empty()).then_some(())?;
    Some((stem[..digits].parse().ok()?, name.to_owned()))
}

/// The number of a file, if its name begins with one.
pub(crate) fn number_of(path: &Path) -> Option<u64> {
    number_and_name(path).map(|(number, _)| number)
}

fn sequence(expected: &mut Option<u64>, number: u64, named: &[Named], findings: &mut Vec<Finding>) {
    let Some(first) = named.first() else { return };
    one_of_a_number("migrations", number, named, findings);
    let wanted = expected.unwrap_or(if number == 0 { 0 } else { 1 });
    if number != wanted {
        let missing = if number - wanted == 1 {
            format!("number {wanted:03} is missing")
        } else {
            format!("numbers {wanted:03} to {:03} are missing", number - 1)
        };
        findings.push(Finding {
            rule: Rule::Gap,
            line: None,
            message: format!("{missing} before {}", first.path.display()),
            hint: format!(
                "bring the missing file back from version control, or, where it is applied nowhere, give {} and \
                 its rollback the number {wanted:03}",
                first.path.file_name().unwrap_or_default().to_string_lossy()
            ),
            path: first.path.clone(),
        });
    }
    *expected = number.checked_add(1);
}

/// Says it if several files (`migrations` or `rollbacks`) have one number: which of them is meant, nobody can know.
fn one_of_a_number(files: &str, number: u64, named: &[Named], findings: &mut Vec<Finding>) {
    let [first, .., last] = named else { return };
    let hint = match files {
        "rollbacks" => "remove the one that is not meant, or give it the number of its migration",
        _ => "`dbm merge` gives the one that is applied nowhere yet, and its rollback, the next free number",
    };
    findings.push(Finding {
        rule: Rule::Duplicate,
        line: None,
        message: format!(
            "two {files} have the number {number:03}: {} and {}",
            first.path.display(),
            last.path.display()
        ),
        hint: hint.to_owned(),
        path: last.path.clone(),
    });
}

pub(super) fn load(origin: Origin, path: &Path, findings: &mut Vec<Finding>) -> Option<Source> {
    let unreadable = |message: String, hint: &str| Finding {
        rule: Rule::Unreadable,
        line: None,
        path: path.to_owned(),
        message,
        hint: hint.to_owned(),
    };
    let bytes = match origin.read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let message = format!("cannot read {}: {error}", path.display());
            findings.push(unreadable(message, "check that it is a file and that this account may read it"));
            return None;
        }
    };
    let Ok(text) = String::from_utf8(bytes) else {
        let message = format!("{} is not UTF-8 text", path.display());
        findings.push(unreadable(message, "save it as UTF-8"));
        return None;
    };
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    Some(Source { path: path.to_owned(), text })
}

/// The files of a migration that `dbm new` wrote and nobody has filled in; while there are any, nothing is applied.
pub(crate) fn unfilled(migration: &Source, rollback: Option<&Source>) -> Vec<Finding> {
    let sources = std::iter::once(migration).chain(rollback);
    let empty = sources.filter(|source| !has_statement(&source.text));
    empty
        .map(|source| Finding {
            rule: Rule::Empty,
            line: None,
            path: source.path.clone(),
            message: format!("{} has no statement", source.path.display()),
            hint: "write its statements; one that is to do nothing says `SELECT 1;`".to_owned(),
        })
        .collect()
}

/// Whether there is more in a text than comments, as `dbm new` leaves it.
pub(crate) fn has_statement(text: &str) -> bool {
    let mut rest = text.trim_start();
    loop {
        let comment = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") && !rest.starts_with("/*!") {
            // One that does not end, or is nested, is for the scanner to judge.
            rest.find("*/").map_or(0, |end| end + 2)
        } else {
            0
        };
        match comment {
            0 => return !rest.is_empty(),
            _ => rest = rest[comment..].trim_start(),
        }
    }
}

pub(super) fn directives(source: &Source, findings: &mut Vec<Finding>) -> Option<Directives> {
    match Directives::parse(&source.text, &source.path) {
        Ok(directives) => Some(directives),
        Err(error) => {
            let message = error.to_string();
            let after = message.strip_prefix(&format!("{}, line ", source.path.display()));
            findings.push(Finding {
                rule: Rule::Directive,
                line: after.and_then(|rest| rest.split(':').next()?.parse().ok()),
                path: source.path.clone(),
                message,
                hint: error.hint().unwrap_or_default().to_owned(),
            });
            None
        }
    }
}

fn missing_rollback(migration: &Migration, folder: &Folder, findings: &mut Vec<Finding>) {
    if migration.rollback.is_some() || migration.directives.irreversible.is_some() {
        return;
    }
    let number = migration.number;
    findings.push(Finding {
        rule: Rule::MissingRollback,
        line: None,
        path: migration.source.path.clone(),
        message: format!("{} has no rollback", migration.source.path.display()),
        hint: format!(
            "write {}, or say at the head of the migration: -- dbm: irreversible REASON",
            folder.rollback.join(format!("{number:03}_rollback.sql")).display()
        ),
    });
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
