//! The files that a restore makes beside a database: `shop_replaced_20261121T013400Z.sqlite`.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use database::sqlite::{File, PARTIAL};

use crate::restore::names::{self, Made};
use crate::{Error, ErrorKind, Result};

/// A file's name has at most 255 bytes on most systems; SQLite adds `-journal`, and the ending comes to it too.
const LIMIT: usize = 200;

pub(super) fn folder(file: &File) -> Result<PathBuf> {
    let path = file.canonical_path()?;
    Ok(path.parent().unwrap_or(Path::new("/")).to_owned())
}

/// Where a name is: beside the database, unless it says a folder.
pub(super) fn path(file: &File, name: &str) -> Result<PathBuf> {
    if name.contains('/') { Ok(PathBuf::from(name)) } else { Ok(folder(file)?.join(name)) }
}

/// The file's own name and its ending, by whatever link it is called.
fn parts(file: &File) -> Result<(String, String)> {
    let path = file.canonical_path()?;
    let ending = path.extension().map(|ending| format!(".{}", ending.to_string_lossy())).unwrap_or_default();
    Ok((path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), ending))
}

/// A name of that kind that no file has.
pub(super) fn free(file: &File, what: Made, at: DateTime<Utc>) -> Result<String> {
    let (folder, (stem, ending)) = (folder(file)?, parts(file)?);
    names::attempts(what)
        .map(|attempt| format!("{}{ending}", names::made(&stem, what, at, attempt, LIMIT)))
        .find(|name| folder.join(name).symlink_metadata().is_err())
        .ok_or_else(|| {
            Error::new(ErrorKind::Refused, format!("every name beside {} is taken", file.path().display()))
        })
}

/// The files of that kind beside the database, with the time in their names.
pub(super) fn made(file: &File, what: Made) -> Result<Vec<(String, DateTime<Utc>)>> {
    ending_in(file, what, "")
}

/// The copies of what was replaced that a killed exchange has not finished.
pub(super) fn partial(file: &File) -> Result<Vec<String>> {
    let found = ending_in(file, Made::Replaced, PARTIAL)?;
    Ok(found.into_iter().map(|(name, _)| name).collect())
}

fn ending_in(file: &File, what: Made, more: &str) -> Result<Vec<(String, DateTime<Utc>)>> {
    let folder = folder(file)?;
    let failed =
        |cause| Error::io(ErrorKind::Io, format!("cannot read the folder {}", folder.display()), cause);
    let (stem, mut ending) = parts(file)?;
    ending.push_str(more);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        let Some(made) = name.strip_suffix(ending.as_str()) else { continue };
        if let Some(when) = names::made_at(made, &stem, what, LIMIT) {
            found.push((name, when));
        }
    }
    found.sort();
    Ok(found)
}
