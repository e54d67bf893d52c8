//! Files without a number, which run again when their text changes.

use std::io;

use backup::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::folder::{directives, has_statement, load, sql_files};
use super::origin::Origin;
use super::{Directives, Finding, Folder, Rule, Source, checksum};

/// Which kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Repeat {
    /// Of `migrations/repeatable/`: a view or a function. Runs after the numbered ones.
    Repeatable,
    /// Of `migrations/seeds/`: rows. Runs when it is asked for.
    Seed,
}

impl Repeat {
    /// The word that the history keeps.
    pub fn word(self) -> &'static str {
        match self {
            Self::Repeatable => "repeatable",
            Self::Seed => "seed",
        }
    }

    /// The kind of that word.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        [Self::Repeatable, Self::Seed].into_iter().find(|kind| kind.word() == word)
    }

    /// The folder within that of the migrations.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Repeatable => "repeatable",
            Self::Seed => "seeds",
        }
    }

    /// For messages: `repeatable/totals`.
    pub fn label(self, name: &str) -> String {
        format!("{}/{name}", self.folder())
    }
}

/// A file that runs again when its text changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepeatedFile {
    /// Which kind.
    pub kind: Repeat,
    /// The file's name without `.sql`, by which it is known.
    pub name: String,
    /// What the comments at its head ask for.
    pub directives: Directives,
    /// The file, before its placeholders.
    pub source: Source,
}

impl RepeatedFile {
    /// The SHA-256 of its normalised text, before its placeholders.
    pub fn checksum(&self) -> String {
        checksum(&self.source.text)
    }

    /// For messages: `repeatable/totals`.
    pub fn label(&self) -> String {
        self.kind.label(&self.name)
    }
}

/// Reads the files of one kind, in the order of their names; none where there is no such folder.
///
/// # Errors
/// The folder cannot be read, or the first of the findings of [`survey_repeated`].
pub fn read_repeated(folder: &Folder, kind: Repeat) -> Result<Vec<RepeatedFile>> {
    let (files, findings) = survey_repeated(folder, kind)?;
    match findings.into_iter().next() {
        None => Ok(files),
        Some(first) => Err(first.into()),
    }
}

/// Reads the files of one kind and says everything that is wrong with them.
///
/// # Errors
/// The folder cannot be read.
pub fn survey_repeated(folder: &Folder, kind: Repeat) -> Result<(Vec<RepeatedFile>, Vec<Finding>)> {
    survey_repeated_in(Origin::Disk, folder, kind)
}

pub(super) fn survey_repeated_in(
    origin: Origin,
    folder: &Folder,
    kind: Repeat,
) -> Result<(Vec<RepeatedFile>, Vec<Finding>)> {
    let folder = folder.migrations.join(kind.folder());
    let paths = match sql_files(origin, &folder) {
        Ok(paths) => paths,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            return Err(Error::new(ErrorKind::Io, format!("cannot read the folder {}", folder.display()))
                .with_hint("check its permissions, and that it is a folder")
                .with_source(error));
        }
    };
    let (mut files, mut findings) = (Vec::<RepeatedFile>::new(), Vec::new());
    for path in paths {
        let Some(source) = load(origin, &path, &mut findings) else { continue };
        // One with a wrong directive is there all the same; its finding stands in the way of a run.
        let directives = directives(&source, &mut findings).unwrap_or_default();
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let file = RepeatedFile { kind, name, directives, source };
        findings.extend(wrong(&file));
        findings.extend(files.iter().find(|other| other.name == file.name).map(|other| twice(other, &file)));
        files.push(file);
    }
    Ok((files, findings))
}

/// Two that differ in `.sql` and `.SQL` alone would be one in the history, and each would run again after the other.
fn twice(one: &RepeatedFile, other: &RepeatedFile) -> Finding {
    let paths = [one, other].map(|file| file.source.path.display());
    Finding {
        rule: Rule::Duplicate,
        path: other.source.path.clone(),
        line: None,
        message: format!("two files have the name {}: {} and {}", one.label(), paths[0], paths[1]),
        hint: "rename one of them, or remove the one that is not meant".to_owned(),
    }
}

fn wrong(file: &RepeatedFile) -> Option<Finding> {
    let directives = &file.directives;
    let numbered = [
        ("requires", !directives.requires.is_empty()),
        ("irreversible", directives.irreversible.is_some()),
        ("unless", !directives.unless.is_empty()),
    ];
    let path = &file.source.path;
    if let Some((word, _)) = numbered.into_iter().find(|(_, there)| *there) {
        return Some(Finding {
            rule: Rule::Directive,
            path: path.clone(),
            line: None,
            message: format!("{}: `-- dbm: {word}` is for files with a number", path.display()),
            hint:
                "a file that runs again comes after all of them, in the order of the names; take the line out"
                    .to_owned(),
        });
    }
    (!has_statement(&file.source.text)).then(|| Finding {
        rule: Rule::Empty,
        path: path.clone(),
        line: None,
        message: format!("{} has no statement", path.display()),
        hint: "write its statements, or remove the file".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_in_the_order_of_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder { migrations: dir.path().to_owned(), rollback: dir.path().join("rollback") };
        assert!(read_repeated(&folder, Repeat::Seed).unwrap().is_empty());
        std::fs::create_dir(dir.path().join("seeds")).unwrap();
        for (name, text) in
            [("b.sql", "SELECT 1;"), ("a.SQL", "-- dbm: module hr\nSELECT 2;"), ("notes.md", "words")]
        {
            std::fs::write(dir.path().join("seeds").join(name), text).unwrap();
        }
        let files = read_repeated(&folder, Repeat::Seed).unwrap();
        assert_eq!(files.iter().map(RepeatedFile::label).collect::<Vec<_>>(), ["seeds/a", "seeds/b"]);
        assert_eq!(files[0].directives.module.as_deref(), Some("hr"));
        for (text, rule) in [
            ("-- dbm: requires 001\nSELECT 1;", Rule::Directive),
            ("-- dbm: unless table t\nSELECT 1;", Rule::Directive),
            ("-- nothing\n", Rule::Empty),
        ] {
            std::fs::write(dir.path().join("seeds/b.sql"), text).unwrap();
            assert_eq!(survey_repeated(&folder, Repeat::Seed).unwrap().1[0].rule, rule, "{text}");
        }
        std::fs::write(dir.path().join("seeds/b.sql"), "SELECT 1;").unwrap();
        std::fs::write(dir.path().join("seeds/a.sql"), "SELECT 3;").unwrap();
        let error = read_repeated(&folder, Repeat::Seed).unwrap_err();
        assert!(error.to_string().starts_with("two files have the name seeds/a: "), "{error}");
        assert!(error.hint().unwrap().starts_with("rename one"));
    }
}
