use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use backup::{Error, ErrorKind, Result};
use serde::Serialize;

use super::Folder;

/// The two files that were written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Scaffolded {
    /// The new migration.
    pub migration: PathBuf,
    /// Its rollback.
    pub rollback: PathBuf,
}

/// Writes the next migration and its rollback, to be filled in.
///
/// # Errors
/// The name has no letter or digit, a file is there already, or a folder cannot be written.
pub fn new_migration(folder: &Folder, name: &str) -> Result<Scaffolded> {
    write_migration(folder, name, "\n", "\n")
}

/// Writes the next migration and its rollback with these statements.
///
/// # Errors
/// As [`new_migration`].
pub fn write_migration(folder: &Folder, name: &str, up: &str, down: &str) -> Result<Scaffolded> {
    let slug = file_name(name)?;
    for path in [&folder.migrations, &folder.rollback] {
        fs::create_dir_all(path).map_err(|error| unwritable(path, error))?;
    }
    let number = next_number(folder)?;
    let scaffolded = Scaffolded {
        migration: folder.migrations.join(format!("{number:03}_{slug}.sql")),
        rollback: folder.rollback.join(format!("{number:03}_rollback.sql")),
    };
    let migration = format!("-- {}\n{up}", remark(name));
    let rollback = format!("-- Takes back {number:03}_{slug}.\n{down}");
    write_pair((&scaffolded.migration, &migration), (&scaffolded.rollback, &rollback))?;
    Ok(scaffolded)
}

/// What stands between number and `.sql` of a migration that does this: whoever tries out long before it writes asks first.
///
/// # Errors
/// The name has no letter or digit.
pub fn file_name(name: &str) -> Result<String> {
    let slug = slug(name);
    if slug.is_empty() {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("`{name}` has no letter or digit to make a name of"),
        )
        .with_hint("say what it does, for example: dbm new \"add orders\""));
    }
    Ok(slug)
}

/// A name as the comment at the head of its file, where it is never a directive: neither ours nor squawk's.
fn remark(name: &str) -> String {
    let line = name.trim().replace(['\n', '\r'], " ");
    let directs = |word: &&str| line.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if ["dbm", "squawk"].iter().any(directs) { format!("\"{line}\"") } else { line }
}

/// Writes both files, or none of them.
fn write_pair(first: (&Path, &str), second: (&Path, &str)) -> Result<()> {
    write_new(first.0, first.1)?;
    write_new(second.0, second.1).inspect_err(|_| {
        let _back = fs::remove_file(first.0);
    })
}

pub(super) fn next_number(folder: &Folder) -> Result<u64> {
    let mut highest = None;
    for path in [&folder.migrations, &folder.rollback] {
        for entry in fs::read_dir(path).map_err(|error| unwritable(path, error))? {
            let name = entry.map_err(|error| unwritable(path, error))?.file_name();
            let name = name.to_string_lossy();
            let digits = name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len());
            highest = highest.max(name[..digits].parse::<u64>().ok());
        }
    }
    Ok(highest.map_or(1, |highest| highest + 1))
}

/// So many bytes of a name go into a file's: with the number and `.sql` it stays below the 255 that file systems take.
const LONGEST: usize = 200;

fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        if slug.len() + c.len_utf8() > LONGEST {
            break;
        }
        if c.is_alphanumeric() {
            slug.push(c);
        } else if !slug.ends_with('_') && !slug.is_empty() {
            slug.push('_');
        }
    }
    slug.trim_end_matches('_').to_owned()
}

/// Writes a file that is not there yet; where that fails half way, nothing of it is left.
pub(super) fn write_new(path: &Path, text: &str) -> Result<()> {
    let open = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = open.map_err(|error| unwritable(path, error))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| {
        let _back = fs::remove_file(path);
        unwritable(path, error)
    })
}

/// Writes a file that is there whole, or not at all, whenever that is broken off.
///
/// # Errors
/// It is there already, or its folder cannot be written.
pub(crate) fn write_beside(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let write = || -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|error| error.error)?;
        fs::File::open(folder)?.sync_all()
    };
    write().map_err(|error| unwritable(path, error))
}

pub(super) fn unwritable(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot write {}", path.display())).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::read;

    #[test]
    fn the_next_number_is_free_in_both_folders() {
        let dir = tempfile::tempdir().unwrap();
        let folder =
            Folder { migrations: dir.path().join("migrations"), rollback: dir.path().join("rollback") };
        let first = new_migration(&folder, "Add Orders & more!").unwrap();
        assert!(first.migration.ends_with("001_add_orders_more.sql"));
        assert!(first.rollback.ends_with("001_rollback.sql"));
        fs::write(folder.rollback.join("007_x.sql"), "").unwrap();
        assert!(new_migration(&folder, "second").unwrap().migration.ends_with("008_second.sql"));
        assert_eq!(new_migration(&folder, "&!").unwrap_err().kind(), ErrorKind::Usage);
    }

    #[test]
    fn of_two_files_none_stays_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("001_a.sql"), dir.path().join("gone/001_rollback.sql"));
        assert_eq!(write_pair((&first, "a"), (&second, "b")).unwrap_err().kind(), ErrorKind::Io);
        assert!(!first.exists(), "its rollback could not be written");
        fs::write(&first, "mine").unwrap();
        write_pair((&first, "a"), (&dir.path().join("001_rollback.sql"), "b")).unwrap_err();
        assert_eq!(fs::read_to_string(&first).unwrap(), "mine", "what was there already stays");
    }

    #[test]
    fn a_name_is_no_directive_and_not_too_long() {
        let long = "é long ".repeat(60);
        for (name, head, label) in [
            ("dbm: verify", "-- \"dbm: verify\"", "001_dbm_verify"),
            (
                "DBM no-transaction please",
                "-- \"DBM no-transaction please\"",
                "001_dbm_no_transaction_please",
            ),
            (" x\ndbm: verify", "-- x dbm: verify", "001_x_dbm_verify"),
            ("dé: x", "-- dé: x", "001_dé_x"),
            (
                &long,
                &format!("-- {}", long.trim()),
                &format!("001_{}", "é_long_".repeat(25).trim_end_matches('_')),
            ),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let folder =
                Folder { migrations: dir.path().join("migrations"), rollback: dir.path().join("rollback") };
            write_migration(&folder, name, "SELECT 1;\n", "SELECT 1;\n").unwrap();
            let migrations = read(&folder).unwrap();
            assert_eq!(migrations[0].source.text, format!("{head}\nSELECT 1;\n"));
            assert_eq!(migrations[0].directives, crate::files::Directives::default(), "{name}");
            assert_eq!(migrations[0].label(), label);
        }
    }
}
