use std::io;
use std::path::{Path, PathBuf};

use backup::Result;

use super::folder::{survey_in, whole};
use super::repeat::survey_repeated_in;
use super::{Folder, Migration, Repeat, RepeatedFile};

/// The files of a project as a part of the application: what [`embed_migrations!`](crate::embed_migrations) makes.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    /// Each file's name from the project's folder, and its text: `migrations/001_user.sql`, `rollback/001_rollback.sql`.
    pub files: &'static [(&'static str, &'static str)],
}

/// Where files are read from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    Disk,
    Embedded(Embedded),
}

impl Origin {
    /// What lies in a folder.
    pub(super) fn list(self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        match self {
            Self::Disk => std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect(),
            Self::Embedded(Embedded { files }) => {
                let paths = files.iter().map(|(name, _)| PathBuf::from(name));
                let inside: Vec<PathBuf> = paths.filter(|path| path.parent() == Some(folder)).collect();
                if inside.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(inside) }
            }
        }
    }

    pub(super) fn read(self, path: &Path) -> io::Result<Vec<u8>> {
        match self {
            Self::Disk => std::fs::read(path),
            Self::Embedded(Embedded { files }) => {
                let found = files.iter().find(|(name, _)| Path::new(name) == path);
                found.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
            }
        }
    }
}

/// Reads what was embedded, as [`read`](super::read) and [`read_repeated`](super::read_repeated) read folders.
///
/// # Errors
/// The first of the findings.
pub fn read_embedded(embedded: Embedded) -> Result<(Vec<Migration>, Vec<RepeatedFile>)> {
    let folder = Folder { migrations: "migrations".into(), rollback: "rollback".into() };
    let origin = Origin::Embedded(embedded);
    let migrations = whole(survey_in(origin, &folder)?)?;
    let (repeatables, findings) = survey_repeated_in(origin, &folder, Repeat::Repeatable)?;
    match findings.into_iter().next() {
        None => Ok((migrations, repeatables)),
        Some(first) => Err(first.into()),
    }
}
