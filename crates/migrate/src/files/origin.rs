use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use backup::{Error, ErrorKind, Result};

use super::folder::{Texts, survey_in, whole};
use super::repeat::survey_repeated_in;
use super::{Folder, Migration, Repeat, RepeatedFile};

/// The files of a project as a part of the application: what [`embed_migrations!`](crate::embed_migrations) makes.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    /// Each file's name from the project's folder, and its text: `migrations/001_user.sql`, `rollback/001_rollback.sql`.
    pub files: &'static [(&'static str, &'static str)],
    /// The folders of the sources, each under the name that it has there; none in a release, which runs elsewhere.
    pub folders: &'static [(&'static str, &'static str)],
}

impl Embedded {
    /// A file that was added after the application was built, which cargo does not notice by itself.
    fn missing(self) -> Option<PathBuf> {
        self.folders.iter().find_map(|(place, folder)| {
            let entries = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
            let sql = |path: &PathBuf| {
                path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql"))
                    && !path.is_dir()
            };
            let is_known = |path: &PathBuf| {
                let name = path.file_name().map(|name| Path::new(place).join(name));
                self.files.iter().any(|(known, _)| name.as_deref() == Some(Path::new(known)))
            };
            entries.filter(sql).filter(|path| !is_known(path)).min()
        })
    }
}

/// Where files are read from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    Disk,
    Embedded(Embedded),
}

impl Origin {
    /// The names of what lies in a folder and is no folder itself.
    pub(super) fn list(self, folder: &Path) -> io::Result<Vec<OsString>> {
        match self {
            Self::Disk => {
                let mut names = Vec::new();
                for entry in fs::read_dir(folder)? {
                    let entry = entry?;
                    // The folder's own list says it of all but links.
                    let is_folder = match entry.file_type() {
                        Ok(kind) if !kind.is_symlink() => kind.is_dir(),
                        _ => entry.path().is_dir(),
                    };
                    if !is_folder {
                        names.push(entry.file_name());
                    }
                }
                Ok(names)
            }
            Self::Embedded(Embedded { files, .. }) => {
                let paths = files.iter().map(|(name, _)| Path::new(name));
                let inside = paths.filter(|path| path.parent() == Some(folder));
                let names: Vec<OsString> =
                    inside.filter_map(|path| path.file_name()).map(Into::into).collect();
                if names.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(names) }
            }
        }
    }

    pub(super) fn read(self, path: &Path) -> io::Result<Vec<u8>> {
        match self {
            Self::Disk => read_small(path),
            Self::Embedded(Embedded { files, .. }) => {
                let found = files.iter().find(|(name, _)| Path::new(name) == path);
                found.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| io::ErrorKind::NotFound.into())
            }
        }
    }
}

/// Reads a file that is small as a rule: asking for its length first would take longer than reading it.
fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut piece = [0; 2048];
    let mut bytes = Vec::new();
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(bytes),
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if bytes.len() >= piece.len() {
            file.read_to_end(&mut bytes)?;
            return Ok(bytes);
        }
    }
}

/// Reads what was embedded, as [`read`](super::read) and [`read_repeated`](super::read_repeated) read folders.
///
/// # Errors
/// The first of the findings; or, in a build for debugging, a file that has been added since.
pub fn read_embedded(embedded: Embedded) -> Result<(Vec<Migration>, Vec<RepeatedFile>)> {
    if let Some(path) = embedded.missing() {
        let message = format!("{} was added after this application was built", path.display());
        return Err(Error::new(ErrorKind::Usage, message).with_hint(
            "build it again; so that cargo does by itself, say in the package's build.rs: \
             println!(\"cargo:rerun-if-changed=migrations\");",
        ));
    }
    let folder = Folder { migrations: "migrations".into(), rollback: "rollback".into() };
    let origin = Origin::Embedded(embedded);
    let migrations = whole(survey_in(origin, &folder, Texts::All)?)?;
    let (repeatables, findings) = survey_repeated_in(origin, &folder, Repeat::Repeatable)?;
    match findings.into_iter().next() {
        None => Ok((migrations, repeatables)),
        Some(first) => Err(first.into()),
    }
}
