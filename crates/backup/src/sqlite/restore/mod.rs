//! Restoring an archive of a SQLite database.

mod beside;
mod load;
mod names;
mod preflight;
mod table;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use chrono::Utc;
use database::sqlite::{File, Mode, take_after};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::archive::Archive;
use crate::progress::Progress;
use crate::restore::names::{Made, stamp};
use crate::restore::{Replaced, RestoreOptions};
use crate::sqlite::check::{self, blocking};
use crate::{Error, ErrorKind, Result};

pub(crate) use beside::{Beside, beside};
use load::Identity;
pub(crate) use preflight::preflight;
pub(crate) use table::table;

/// A name for a file to restore into that is free now.
pub(crate) fn scratch_name(file: &File) -> Result<String> {
    names::free(file, Made::Scratch, Utc::now())
}

/// Restores into a new file: beside the target if the name has no folder.
pub(crate) async fn into(
    archive: &Archive,
    file: &File,
    name: &str,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<()> {
    let (path, like) = (names::path(file, name)?, file.canonical_path()?);
    new_file(archive, (&path, &like), Identity::New, options, progress).await
}

/// Makes a file again that is not there any more.
pub(crate) async fn into_missing(
    archive: &Archive,
    file: &File,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<()> {
    let path = file.canonical_path()?;
    new_file(archive, (&path, &path), Identity::Archives(file), options, progress).await
}

/// Restores into a new file, which has its name only once it is whole, proven and durable, and is for those who may use
/// another one.
async fn new_file(
    archive: &Archive,
    (path, like): (&Path, &Path),
    identity: Identity<'_>,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<()> {
    preflight::check_engine(archive)?;
    if path.symlink_metadata().is_ok() {
        return Err(taken(path));
    }
    nothing_beside(path)?;
    let new = File::new(path, Mode::ReadWrite);
    let made = scratch_name(&new)?;
    into_scratch(archive, &new, &made, identity, options, progress).await?;
    let made = names::path(&new, &made)?;
    let named = fs::File::open(&made)
        .and_then(|made| take_after(&made, like))
        .map_err(|cause| Error::io(ErrorKind::Io, format!("cannot make {}", path.display()), cause))
        .and_then(|()| take_name(&made, path));
    if named.is_err() {
        remove(&made)?;
    }
    named
}

/// Restores into a file beside this one, of a name that nobody takes for a whole one.
async fn into_scratch(
    archive: &Archive,
    file: &File,
    name: &str,
    identity: Identity<'_>,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<()> {
    preflight::check_engine(archive)?;
    let path = names::path(file, name)?;
    load::load(archive, &path, options, progress).await?;
    load::settle(archive, path, identity, options).await?;
    progress.done();
    Ok(())
}

/// Restores into a file beside this one, checks it as SQLite itself does, and removes it.
pub(crate) async fn prove(
    archive: &Archive,
    file: &File,
    name: &str,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<()> {
    into_scratch(archive, file, name, Identity::New, options, progress).await?;
    progress.phase("indexes", None);
    let (path, cancel) = (names::path(file, name)?, options.cancel.clone());
    blocking(move || {
        let checked = check::thoroughly(&path, &cancel);
        remove(&path)?;
        checked
    })
    .await?;
    progress.done();
    Ok(())
}

/// Never over a file that somebody else has made meanwhile.
fn take_name(made: &Path, path: &Path) -> Result<()> {
    let failed = |cause| Error::io(ErrorKind::Io, format!("cannot make {}", path.display()), cause);
    nothing_beside(path)?;
    match renameat_with(CWD, made, CWD, path, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Err(taken(path)),
        // Some file systems cannot do it in one step: a link is never made over a file either.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            fs::hard_link(made, path).and_then(|()| fs::remove_file(made)).map_err(failed)?;
        }
        Err(cause) => return Err(failed(cause.into())),
    }
    load::sync_folder(path).map_err(failed)
}

/// What another database of that name has left, SQLite would take for changes of the new one.
/// <https://www.sqlite.org/howtocorrupt.html#mispairing_database_files_and_hot_journals>
fn nothing_beside(path: &Path) -> Result<()> {
    for end in ["-wal", "-journal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        if Path::new(&name).symlink_metadata().is_ok() {
            let name = Path::new(&name).display();
            return Err(Error::new(
                ErrorKind::Refused,
                format!("there is a file {name} of a database that was here, and SQLite would mix the two"),
            )
            .with_hint("move it away, with what else is left of that database, or name another file"));
        }
    }
    Ok(())
}

fn taken(path: &Path) -> Error {
    Error::new(ErrorKind::Io, format!("there is a file {} already", path.display()))
        .with_hint("name another file, or remove that one first")
}

/// What restores have replaced of this file and nobody has let go yet, oldest first.
pub(crate) fn replaced(file: &File) -> Result<Vec<Replaced>> {
    let folder = names::folder(file)?;
    let mut replaced: Vec<Replaced> = names::made(file, Made::Replaced)?
        .into_iter()
        .map(|(name, when)| {
            let bytes = fs::metadata(folder.join(&name)).ok().map(|about| about.len());
            Replaced { name, when, bytes, not_granted: Vec::new(), unguarded: None }
        })
        .collect();
    replaced.sort_by(|a, b| (a.when, &a.name).cmp(&(b.when, &b.name)));
    Ok(replaced)
}

/// Removes one that was replaced, by its exact name, for good.
pub(crate) fn let_go(file: &File, name: &str) -> Result<()> {
    if !replaced(file)?.iter().any(|replaced| replaced.name == name) {
        return Err(Error::new(ErrorKind::Refused, format!("`{name}` is nothing that a restore replaced"))
            .with_hint("`dbm replaced` lists what there is"));
    }
    remove(&names::folder(file)?.join(name))
}

/// Files beside this one that a killed restore left.
pub(crate) fn leftovers(file: &File) -> Result<Vec<String>> {
    Ok(names::made(file, Made::Scratch)?.into_iter().map(|(name, _)| name).collect())
}

/// Removes a file that a restore left; one that is not there is no error.
pub(crate) fn discard_scratch(file: &File, name: &str) -> Result<()> {
    let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy();
    if name.contains('/') || stamp(&stem, Made::Scratch).is_none() {
        return Err(Error::new(ErrorKind::Refused, format!("`{name}` is no name that a restore makes")));
    }
    remove(&names::folder(file)?.join(name))
}

/// Removes a database file of ours and what SQLite left beside it.
fn remove(path: &Path) -> Result<()> {
    for end in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        match fs::remove_file(&name) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(
                    ErrorKind::Io,
                    format!("cannot remove {}", Path::new(&name).display()),
                    cause,
                ));
            }
            _ => {}
        }
    }
    Ok(())
}
