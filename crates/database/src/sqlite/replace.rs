use std::fs::{self, File as Plain};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::copy::{CopyOptions, STEP, copy, copy_into_new, is_wal, other_page_size, page_size};
use super::fence::give_back;
use super::file::{BUSY, File};
use super::permissions::take_after;
use super::{Mode, error};
use crate::{Error, ErrorKind, Result};

/// Pages copied in the first step, which takes the lock.
const FIRST: i32 = 1;

impl File {
    /// Makes the database equal to `from`, and `keep` a durable copy of what it was, with nothing written in between.
    ///
    /// Open connections of others see the exchange as one transaction.
    ///
    /// # Errors
    /// [`ErrorKind::LockTimeout`] or [`ErrorKind::Busy`] if others keep us out too long; then nothing has
    /// changed, and `keep` is gone.
    pub async fn replace_with(&self, from: &Path, keep: &Path, options: CopyOptions) -> Result<()> {
        let (from, keep, this) = (Self::new(from, Mode::ReadOnly), keep.to_owned(), self.clone());
        if keep.exists() {
            return Err(Error::new(ErrorKind::Usage, format!("{} is there already", keep.display())));
        }
        self.with_alone(move |target| {
            let result = Replacement { from: from.open()?, keep: keep.clone(), options }.run(target, &this);
            if result.is_err() {
                // Nothing has changed, so there is nothing to keep.
                drop(fs::remove_file(&keep));
            }
            result
        })
        .await
    }
}

struct Replacement {
    from: Connection,
    keep: PathBuf,
    options: CopyOptions,
}

impl Replacement {
    fn run(&self, target: &mut Connection, file: &File) -> Result<()> {
        let what = |cause| error(cause, "cannot put the database in place");
        target.busy_timeout(self.options.wait).map_err(what)?;
        let locking: String =
            target.pragma_query_value(Some("main"), "locking_mode", |row| row.get(0)).map_err(what)?;
        let alone = locking == "exclusive";
        let result = self.exchange(target, file, alone);
        target.busy_timeout(BUSY).map_err(what)?;
        result
    }

    fn exchange(&self, target: &mut Connection, file: &File, alone: bool) -> Result<()> {
        let mut wal = is_wal(target)?;
        if wal && page_size(target)? != page_size(&self.from)? {
            // A database in WAL mode cannot change its page size: https://www.sqlite.org/pragma.html#pragma_page_size
            let mode: rusqlite::Result<String> =
                target.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0));
            if mode.map_err(|cause| other_page_size().with_source(cause))? != "delete" {
                return Err(other_page_size());
            }
            wal = false;
        }
        if alone {
            self.keep_copy(target)?;
            copy(&self.from, target, STEP, &self.options)?;
        } else if wal {
            self.beside_readers(target, file)?;
        } else {
            self.exclusively(target)?;
        }
        self.leave_wal(target);
        Ok(())
    }

    /// The exchange leaves a WAL database in that mode; what takes its place may not have been. It is exchanged by now,
    /// so that nothing here is an error: where others have the file open, it stays in WAL mode.
    fn leave_wal(&self, target: &Connection) {
        if is_wal(target).unwrap_or(false) && !is_wal(&self.from).unwrap_or(true) {
            let left = target
                .busy_timeout(Duration::ZERO)
                .and_then(|()| target.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())));
            if let Err(cause) = left {
                tracing::debug!(%cause, "the database stays in WAL mode");
            }
        }
    }

    /// Without a WAL, the exclusive lock is held from before the copy until after the exchange.
    fn exclusively(&self, target: &mut Connection) -> Result<()> {
        let what = |cause| error(cause, "cannot keep others away from the database");
        target.execute_batch("PRAGMA locking_mode = EXCLUSIVE").map_err(what)?;
        let exchanged = target.execute_batch("BEGIN EXCLUSIVE; COMMIT").map_err(what).and_then(|()| {
            self.keep_copy(target)?;
            copy(&self.from, target, STEP, &self.options)
        });
        let lowered = give_back(target);
        exchanged?;
        // Once exchanged, it must not pass for a failure that changed nothing: closing the connection lowers it too.
        if let Err(cause) = lowered {
            tracing::debug!(%cause, "the lock goes with the connection");
        }
        Ok(())
    }

    /// In WAL mode readers may go on, and a witness keeps writers waiting while the copy is made. The lock cannot be
    /// handed over to the exchange, so who slips in between is found out: once the exchange holds the lock, nothing
    /// may have been committed since the copy; otherwise the copy is made anew.
    fn beside_readers(&self, target: &mut Connection, file: &File) -> Result<()> {
        file.gate.with_keeper(|keeper| match keeper {
            Some(keeper) => {
                let exchanged = self.in_turns(target, keeper.connection());
                // It stands there again, whatever came of it.
                if keeper.connection().is_autocommit()
                    && let Err(cause) = keeper.connection().execute_batch("BEGIN IMMEDIATE")
                {
                    // Once exchanged, it must not pass for a failure that changed nothing.
                    tracing::warn!(%cause, "others may write to the database");
                }
                keeper.look(target);
                exchanged
            }
            None => self.in_turns(target, &file.open()?),
        })
    }

    fn in_turns(&self, target: &mut Connection, witness: &Connection) -> Result<()> {
        let what = |cause| error(cause, "cannot put the database in place");
        let deadline = Instant::now() + self.options.wait;
        witness.busy_timeout(self.options.wait).map_err(what)?;
        let version = || -> Result<i64> {
            witness.pragma_query_value(Some("main"), "data_version", |row| row.get(0)).map_err(what)
        };
        loop {
            drop(fs::remove_file(&self.keep));
            if witness.is_autocommit() {
                witness.execute_batch("BEGIN IMMEDIATE").map_err(what)?;
            }
            let before = version()?;
            self.keep_copy(target)?;
            witness.execute_batch("ROLLBACK").map_err(what)?;
            let backup = Backup::new(&self.from, target).map_err(what)?;
            let mut done = self.step(&backup, FIRST, deadline)?;
            if version()? != before {
                drop(backup);
                if Instant::now() >= deadline {
                    return Err(busy(&self.options));
                }
                continue;
            }
            while !done {
                done = self.step(&backup, STEP, deadline)?;
            }
            return Ok(());
        }
    }

    /// Copies some pages; `true` when all are.
    fn step(&self, backup: &Backup<'_, '_>, pages: i32, deadline: Instant) -> Result<bool> {
        loop {
            if self.options.cancel.is_cancelled() {
                return Err(Error::new(ErrorKind::Cancelled, "the exchange of the database was cancelled"));
            }
            match backup.step(pages).map_err(|cause| error(cause, "cannot put the database in place"))? {
                StepResult::Done => return Ok(true),
                StepResult::Busy | StepResult::Locked if Instant::now() >= deadline => {
                    return Err(busy(&self.options));
                }
                StepResult::Busy | StepResult::Locked => thread::sleep(Duration::from_millis(20)),
                _ => return Ok(false),
            }
        }
    }

    /// It has its name only once it is whole.
    fn keep_copy(&self, target: &Connection) -> Result<()> {
        let partial = partial(&self.keep);
        drop(fs::remove_file(&partial));
        copy_into_new(target, &partial, &self.options).inspect_err(|_| drop(fs::remove_file(&partial)))?;
        let durable = || {
            let kept = Plain::open(&partial)?;
            take_after(&kept, Path::new(target.path().unwrap_or_default()))?;
            kept.sync_all()?;
            fs::rename(&partial, &self.keep)?;
            Plain::open(self.keep.parent().unwrap_or(Path::new("/")))?.sync_all()
        };
        durable().map_err(|cause| {
            Error::new(ErrorKind::Io, format!("cannot make {} durable", self.keep.display()))
                .with_source(cause)
        })
    }
}

/// How the name of a copy ends that is not whole yet.
pub const PARTIAL: &str = ".partial";

fn partial(keep: &Path) -> PathBuf {
    let mut name = keep.as_os_str().to_owned();
    name.push(PARTIAL);
    name.into()
}

fn busy(options: &CopyOptions) -> Error {
    Error::new(
        ErrorKind::LockTimeout,
        format!("other programs kept the database locked for {:?}", options.wait),
    )
    .with_hint("try again when they have finished, or stop them")
}
