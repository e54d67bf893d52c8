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
            let rollback = match &migration.rollback {
                Some(Rollback::Read(source)) => Some(source),
                _ => None,
            };
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
mod tests {
    use std::fs;

    use super::*;

    fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        let folder =
            Folder { migrations: dir.path().join("migrations"), rollback: dir.path().join("rollback") };
        fs::create_dir_all(&folder.migrations).unwrap();
        fs::create_dir_all(&folder.rollback).unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        (dir, folder)
    }

    fn rules(folder: &Folder) -> Vec<Rule> {
        survey(folder).unwrap().1.iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn a_folder_in_order() {
        let (_dir, folder) = folder(&[
            ("migrations/001_initial.sql", "\u{feff}SELECT 1;"),
            ("migrations/002_more.SQL", "-- dbm: irreversible gone\nSELECT 2;"),
            ("migrations/README.md", "words"),
            ("rollback/001_any.sql", "SELECT 0;"),
        ]);
        fs::create_dir(folder.migrations.join("seeds")).unwrap();
        let migrations = read(&folder).unwrap();
        assert_eq!(migrations.iter().map(Migration::label).collect::<Vec<_>>(), ["001_initial", "002_more"]);
        assert_eq!(migrations[0].source.text, "SELECT 1;");
        assert_eq!(migrations[0].rollback.as_ref().unwrap().source().unwrap().text, "SELECT 0;");
        assert!(migrations[1].rollback.is_none());
    }

    #[test]
    fn rollbacks_are_read_when_they_are_needed() {
        let (_dir, folder) = folder(&[
            ("migrations/001_a.sql", "SELECT 1;"),
            ("migrations/002_b.sql", "SELECT 1;"),
            ("rollback/001_a.sql", "SELECT 0;"),
            ("rollback/002_b.sql", "-- dbm: no-such-thing\nSELECT 0;"),
        ]);
        assert_eq!(rules(&folder), [Rule::Directive, Rule::MissingRollback]);
        let migrations = read_to_migrate(&folder).unwrap();
        let source = |place: usize| migrations[place].rollback.as_ref().unwrap().source();
        assert_eq!(source(0).unwrap().text, "SELECT 0;");
        let error = source(1).unwrap_err();
        assert!(error.to_string().contains("no-such-thing"), "{error}");
        assert_eq!(migrations[0].rollback_source().unwrap().unwrap().text, "SELECT 0;");
        fs::write(folder.migrations.join("001_a.sql"), "SELECT 2;").unwrap();
        let error = migrations[0].rollback_source().unwrap_err();
        assert!(error.to_string().ends_with("001_a.sql was changed after it was read"), "{error}");
        fs::remove_file(folder.rollback.join("001_a.sql")).unwrap();
        assert!(source(0).unwrap_err().to_string().starts_with("cannot read"));
    }

    #[test]
    fn gaps_and_duplicates() {
        let (_dir, folder) = folder(&[
            ("migrations/002_b.sql", "SELECT 1;"),
            ("migrations/002_c.sql", "SELECT 1;"),
            ("migrations/005_e.sql", "SELECT 1;"),
            ("rollback/002_b.sql", "SELECT 1;"),
            ("rollback/005_e.sql", "SELECT 1;"),
            ("rollback/007_g.sql", "SELECT 1;"),
        ]);
        assert_eq!(rules(&folder), [Rule::Duplicate, Rule::Gap, Rule::Gap, Rule::OrphanRollback]);
        let error = read(&folder).unwrap_err();
        assert!(error.to_string().contains("two migrations have the number 002"), "{error}");
        assert!(error.hint().unwrap().contains("3 more"), "{:?}", error.hint());
        let error = read_for_rollback(&folder).unwrap_err();
        assert!(!error.hint().unwrap().contains("more"), "{:?}", error.hint());
        let gap = survey(&folder).unwrap().1.remove(2);
        assert!(gap.message.starts_with("numbers 003 to 004 are missing before "), "{}", gap.message);
    }

    #[test]
    fn two_rollbacks_of_one_number() {
        let (_dir, folder) = folder(&[
            ("migrations/001_a.sql", "CREATE TABLE a (i int);"),
            ("rollback/001_A_other.sql", "SELECT 42;"),
            ("rollback/001_a.sql", "DROP TABLE a;"),
        ]);
        assert_eq!(rules(&folder), [Rule::Duplicate]);
        let error = read_for_rollback(&folder).unwrap_err();
        assert!(error.to_string().contains("two rollbacks have the number 001"), "{error}");
    }

    #[test]
    fn a_missing_rollback_and_a_bad_name() {
        let (_dir, folder) =
            folder(&[("migrations/001_a.sql", "SELECT 1;"), ("migrations/1_b.sql", "SELECT 1;")]);
        assert_eq!(rules(&folder), [Rule::Name, Rule::MissingRollback]);
        fs::remove_file(folder.migrations.join("1_b.sql")).unwrap();
        let error = read(&folder).unwrap_err();
        assert!(error.to_string().ends_with("001_a.sql has no rollback"), "{error}");
        assert!(error.hint().unwrap().contains("001_rollback.sql"));
    }

    #[test]
    fn a_file_as_it_was_scaffolded_is_not_applied() {
        let (_dir, folder) = folder(&[]);
        let made = super::super::new_migration(&folder, "add orders").unwrap();
        assert_eq!(rules(&folder), [Rule::Empty, Rule::Empty]);
        assert_eq!(read(&folder).unwrap().len(), 1);
        for (text, filled) in [
            ("/* why */ -- because\n", false),
            ("\n", false),
            ("/* why */ SELECT 1;", true),
            ("/*!40101 SET NAMES utf8 */;", true),
            ("-- dbm: verify\nSELECT true;", true),
        ] {
            fs::write(&made.migration, text).unwrap();
            fs::write(&made.rollback, "SELECT 1;").unwrap();
            assert_eq!(rules(&folder).is_empty(), filled, "{text}");
        }
    }

    #[test]
    fn a_wrong_directive_is_found_at_its_line() {
        let (_dir, folder) = folder(&[
            ("migrations/001_a.sql", "-- a\n-- dbm: allow ban-drop-table\nDROP TABLE a;"),
            ("rollback/001_a.sql", "SELECT 1;"),
        ]);
        let finding = survey(&folder).unwrap().1.remove(0);
        assert_eq!((finding.rule, finding.line), (Rule::Directive, Some(2)), "{}", finding.message);
    }

    #[test]
    fn what_cannot_be_read() {
        let (dir, folder) = folder(&[("migrations/001_a.sql", "SELECT 1;")]);
        fs::write(folder.migrations.join("002_b.sql"), b"\xff\xfe").unwrap();
        fs::write(folder.migrations.join("003_c.sql"), b" \n").unwrap();
        std::os::unix::fs::symlink("nowhere", folder.migrations.join("004_d.sql")).unwrap();
        let found = rules(&folder);
        assert_eq!(found.iter().filter(|rule| **rule == Rule::Unreadable).count(), 2, "{found:?}");
        assert!(found.contains(&Rule::Empty));
        let missing = Folder { migrations: dir.path().join("none"), ..folder.clone() };
        assert!(survey(&missing).unwrap_err().hint().unwrap().contains("dbm init"));
        let file = Folder { migrations: folder.migrations.join("001_a.sql"), ..folder };
        assert_eq!(survey(&file).unwrap_err().kind(), ErrorKind::Io);
    }
}
