//! Who may use the files that dbm makes beside a database: whoever may use the database, as with SQLite's own.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Uid, fchown};
use rustix::process::geteuid;

/// The journal of the database at a path.
pub(super) fn journal_of(database: &Path) -> PathBuf {
    let mut name = OsString::from(database);
    name.push("-dbm");
    name.into()
}

/// Gives a file that dbm has made the mode and the group of a database, and as root its owner, so that one command of
/// root's does not shut the others out; SQLite does so with its own: <https://www.sqlite.org/src/file/src/os_unix.c>.
///
/// Where the database is missing, its journal tells who may use it; without one, only root's file changes its owner,
/// to the folder's.
///
/// # Errors
/// The system's own.
pub fn take_after(made: &File, database: &Path) -> io::Result<()> {
    let root = geteuid().is_root();
    let model = fs::metadata(database).or_else(|_| fs::metadata(journal_of(database)));
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (owner, mode) = match model {
        Ok(model) => (model.clone(), Some(model.mode() & 0o777)),
        Err(_) if root => (fs::metadata(folder)?, None),
        Err(_) => return Ok(()),
    };
    let uid = root.then(|| Uid::from_raw(owner.uid()));
    let given = fchown(made, uid, Some(Gid::from_raw(owner.gid())));
    let mode = match (given, mode) {
        (Ok(()), mode) => mode,
        (Err(cause), _) if root => return Err(cause.into()),
        // The database's group is none of ours: what it may do, ours may not.
        (Err(_), mode) => mode.map(|mode| mode & !0o070),
    };
    mode.map_or(Ok(()), |mode| made.set_permissions(Permissions::from_mode(mode)))
}
