use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use async_trait::async_trait;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::Session;
use super::file::blocking;
use super::journal::{self, Line};
use crate::{Error, ErrorKind, Lock, Result, SessionId};

#[async_trait]
impl Lock for Session {
    fn id(&self) -> &SessionId {
        &self.id
    }

    async fn try_lock(&mut self) -> Result<bool> {
        if self.beside.locked.is_some() {
            if self.beside.is_there() {
                return Ok(true);
            }
            self.unlock().await?;
        }
        let (path, holder) = (self.beside.path().to_owned(), self.id.clone());
        let database = self.file.canonical_path()?;
        self.beside.locked = blocking(move || {
            one_name(&database)?;
            let locked = take(&path)?;
            if locked.is_some() {
                journal::add(&path, &Line::Holder { holder }, false, false)?;
            }
            Ok(locked)
        })
        .await?;
        let locked = self.beside.locked.is_some();
        if locked {
            self.file.set_running(Some(&self.connection));
        }
        Ok(locked)
    }

    async fn lock_holder(&mut self) -> Result<Option<SessionId>> {
        if self.beside.locked.is_some() {
            return Ok(Some(self.id.clone()));
        }
        let path = self.beside.path().to_owned();
        blocking(move || {
            if !path.exists() || take(&path)?.is_some() {
                return Ok(None);
            }
            let holders = journal::lines(&path)?.into_iter().filter_map(|line| match line {
                Line::Holder { holder } => Some(holder),
                Line::Entry(_) => None,
            });
            Ok(holders.fold(None, |_, holder| Some(holder)))
        })
        .await
    }

    async fn unlock(&mut self) -> Result<()> {
        if self.beside.locked.take().is_some() {
            self.file.set_running(None);
        }
        Ok(())
    }

    /// There is no server that could leave a session behind: who died has lost the lock, and we hold it.
    async fn end_session(&mut self, orphan: &SessionId) -> Result<bool> {
        if self.try_lock().await? {
            return Ok(false);
        }
        Err(Error::new(
            ErrorKind::Busy,
            format!("process {} on {} is still at work", orphan.client_process, orphan.client_host),
        )
        .with_hint("wait until it has finished, or stop it, and try again"))
    }
}

/// Lock and journal lie beside the file's name: through another name of it they would not be seen.
fn one_name(database: &Path) -> Result<()> {
    match std::fs::metadata(database) {
        Ok(file) if file.nlink() > 1 => Err(Error::new(
            ErrorKind::Refused,
            format!(
                "{} has {} names (hard links), and a run sees the lock of its own only",
                database.display(),
                file.nlink()
            ),
        )
        .with_hint(format!("remove the others: `find / -xdev -samefile {}` lists them", database.display()))),
        _ => Ok(()),
    }
}

/// The file, locked until this is dropped.
#[derive(Debug)]
pub(super) struct Locked(pub(super) std::fs::File);

/// Closing the file is not enough: a process that was just started has a copy of it until it becomes its program.
impl Drop for Locked {
    fn drop(&mut self) {
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// The file, locked, if nobody else has it.
fn take(path: &Path) -> Result<Option<Locked>> {
    let file = journal::open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(Locked(file))),
        Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
        Err(cause) => Err(Error::new(ErrorKind::Io, format!("cannot lock {}", path.display()))
            .with_hint("the file must lie on a file system that has locks; some network ones have none")
            .with_source(cause)),
    }
}
