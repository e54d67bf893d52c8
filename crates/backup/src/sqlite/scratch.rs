//! A folder of our own beside a database file, gone with everything in it when it is dropped.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use crate::{Error, ErrorKind, Result};

const LOCK: &str = "lock";
/// The lock before it is held.
const UNHELD: &str = "unheld";

/// The folder. Its lock tells a running backup's from what a killed one has left.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes one beside a database, or where temporary files go if nothing may be written there, and
    /// sweeps what killed backups of the same database have left.
    pub(super) fn new(beside: &Path) -> Result<Self> {
        let temporary = std::env::temp_dir();
        let parent = beside.parent().unwrap_or(Path::new("/"));
        let denied = rustix::fs::access(parent, rustix::fs::Access::WRITE_OK).is_err();
        Self::make(if denied { &temporary } else { parent }, beside)
    }

    fn make(parent: &Path, beside: &Path) -> Result<Self> {
        let name = beside.file_name().unwrap_or_default().to_string_lossy();
        let prefix = format!(".{name}-dbm-scratch-");
        sweep(parent, &prefix);
        let failed = |cause| {
            Error::io(ErrorKind::Io, format!("cannot make a scratch folder in {}", parent.display()), cause)
        };
        // Made with mode 0700.
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent).map_err(failed)?;
        // It has its name only once it is held: another that sweeps would take it in between, and remove the folder.
        let unheld = folder.path().join(UNHELD);
        let lock =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unheld).map_err(failed)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|cause| failed(cause.into()))?;
        fs::rename(&unheld, folder.path().join(LOCK)).map_err(failed)?;
        Ok(Self { folder, _lock: lock })
    }

    /// The bytes that are free for it.
    pub(super) fn free(&self) -> Option<u64> {
        free(self.folder.path())
    }

    /// The folder that it is in.
    pub(super) fn parent(&self) -> &Path {
        self.folder.path().parent().unwrap_or(self.folder.path())
    }

    /// Without the copy in it.
    pub(super) fn emptied(self) -> Result<Self> {
        fs::remove_file(self.file())
            .map_err(|cause| Error::io(ErrorKind::Io, "cannot remove a copy of the database", cause))?;
        Ok(self)
    }

    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("copy.sqlite")
    }
}

fn sweep(parent: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(prefix) {
            continue;
        }
        // Without its lock it is being made this very moment.
        let Ok(lock) = File::open(entry.path().join(LOCK)) else { continue };
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok()
            && let Err(cause) = fs::remove_dir_all(entry.path())
        {
            tracing::warn!(%cause, folder = %entry.path().display(), "cannot remove what a killed backup left");
        }
    }
}

/// Bytes that are free for us in the folder.
pub(super) fn free(folder: &Path) -> Option<u64> {
    let about = rustix::fs::statvfs(folder).ok()?;
    Some(about.f_bavail.saturating_mul(about.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_sweeps_what_another_is_making() {
        let parent = tempfile::tempdir().unwrap();
        let database = parent.path().join("shop.db");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let scratch = Scratch::new(&database).unwrap();
                        File::create_new(scratch.file()).unwrap();
                    }
                });
            }
        });
        let left: Vec<_> = fs::read_dir(&parent).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left, Vec::<PathBuf>::new());
    }

    #[test]
    fn what_a_killed_one_has_left_is_swept() {
        let parent = tempfile::tempdir().unwrap();
        let database = parent.path().join("shop.db");
        let name = |end: &str| parent.path().join(format!(".shop.db-dbm-scratch-{end}"));
        for (end, file) in [("copied", LOCK), ("begun", UNHELD)] {
            fs::create_dir(name(end)).unwrap();
            fs::write(name(end).join(file), "").unwrap();
        }
        let scratch = Scratch::new(&database).unwrap();
        assert!(!name("copied").exists() && scratch.folder.path().exists());
        assert!(name("begun").exists(), "it may be being made");
    }
}
