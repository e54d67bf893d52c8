use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use tokio_util::sync::CancellationToken;

use super::file::{BUSY, File};
use super::{Mode, error};
use crate::{Error, ErrorKind, Result};

/// Pages copied between two looks at the clock and at the cancellation.
pub(super) const STEP: i32 = 2048;

/// How a copy is bounded.
#[derive(Clone, Debug)]
pub struct CopyOptions {
    /// How long other programs may keep us waiting.
    pub wait: Duration,
    /// Ends the copy; the destination of [`File::copy_to`] is then incomplete, that of [`File::copy_from`] unchanged.
    pub cancel: CancellationToken,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self { wait: BUSY, cancel: CancellationToken::new() }
    }
}

impl File {
    /// Copies the database, as it is at one moment, into a new file, page by page.
    ///
    /// In WAL mode the moment is held by a read transaction, so that writers go on; otherwise the
    /// copy is one step, so that a busy writer cannot make it start again for ever.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if the destination exists, [`ErrorKind::LockTimeout`] if others keep us out too long.
    pub async fn copy_to(&self, to: &Path, options: CopyOptions) -> Result<()> {
        if to.exists() {
            return Err(Error::new(ErrorKind::Usage, format!("{} is there already", to.display())));
        }
        let to = to.to_owned();
        self.with(move |source| copy_into_new(source, &to, &options)).await
    }

    /// Makes the database equal to another file, in one transaction that open connections of others see as one.
    ///
    /// # Errors
    /// [`ErrorKind::LockTimeout`] or [`ErrorKind::Busy`] if others keep us out too long; then nothing has changed.
    pub async fn copy_from(&self, from: &Path, options: CopyOptions) -> Result<()> {
        let source = Self::new(from, Mode::ReadOnly);
        self.with(move |target| {
            let source = source.open()?;
            let what = |cause| error(cause, "cannot put the database in place");
            target.busy_timeout(options.wait).map_err(what)?;
            if is_wal(target)? && page_size(target)? != page_size(&source)? {
                // A database in WAL mode cannot change its page size: https://www.sqlite.org/pragma.html#pragma_page_size
                let mode: String = target
                    .query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))
                    .map_err(|cause| other_page_size().with_source(cause))?;
                if mode != "delete" {
                    return Err(other_page_size());
                }
            }
            let copied = copy(&source, target, STEP, &options);
            target.busy_timeout(BUSY).map_err(what)?;
            copied
        })
        .await
    }
}

/// Copies what a connection sees into a new file.
pub(super) fn copy_into_new(source: &Connection, to: &Path, options: &CopyOptions) -> Result<()> {
    let what = |cause| error(cause, "cannot copy the database");
    // SQLite would let everybody read it while it is made.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(|cause| {
        Error::new(ErrorKind::Io, format!("cannot make the copy {}", to.display())).with_source(cause)
    })?;
    let path = std::path::absolute(to).unwrap_or_else(|_| to.to_owned());
    let mut target = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .map_err(|cause| error(cause, "cannot make the copy"))?;
    // The copy is made durable once, by whoever made it, and not at each step.
    target.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF").map_err(what)?;
    let held = is_wal(source)? && source.is_autocommit();
    if held {
        source.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema").map_err(what)?;
    }
    let step = if held { STEP } else { -1 };
    let copied = copy(source, &mut target, step, options);
    if held {
        source.execute_batch("ROLLBACK").map_err(what)?;
    }
    copied?;
    target.close().map_err(|(_, cause)| what(cause))
}

pub(super) fn other_page_size() -> Error {
    Error::new(
        ErrorKind::Busy,
        "the database has another page size than what would take its place, and another program has it open",
    )
    .with_hint("stop the programs that use the file and try again")
}

pub(super) fn copy(
    source: &Connection,
    target: &mut Connection,
    step: i32,
    options: &CopyOptions,
) -> Result<()> {
    let what = |cause| error(cause, "cannot copy the database");
    let deadline = Instant::now() + options.wait;
    let backup = Backup::new(source, target).map_err(what)?;
    loop {
        if options.cancel.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "the copy of the database was cancelled"));
        }
        match backup.step(step).map_err(what)? {
            StepResult::Done => return Ok(()),
            StepResult::Busy | StepResult::Locked if Instant::now() >= deadline => {
                return Err(Error::new(
                    ErrorKind::LockTimeout,
                    format!("other programs kept the database locked for {:?}", options.wait),
                )
                .with_hint("try again when they have finished, or stop them"));
            }
            StepResult::Busy | StepResult::Locked => thread::sleep(Duration::from_millis(20)),
            _ => {}
        }
    }
}

pub(super) fn is_wal(connection: &Connection) -> Result<bool> {
    let mode: String = connection
        .pragma_query_value(Some("main"), "journal_mode", |row| row.get(0))
        .map_err(|cause| error(cause, "cannot read the journal mode"))?;
    Ok(mode == "wal")
}

pub(super) fn page_size(connection: &Connection) -> Result<i64> {
    connection
        .pragma_query_value(Some("main"), "page_size", |row| row.get(0))
        .map_err(|cause| error(cause, "cannot read the page size"))
}
