//! The dump of a SQLite file: a scratch copy of one moment, checked and digested, then its pages.

use std::fs::{self, File as Plain, Permissions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::sync::Arc;

use database::sqlite::{CopyOptions, File};
use database::{About, Entry, Journal as _, Section};
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::check::blocking;
use super::contents::{self, Readers, both, stopping};
use super::scratch::Scratch;
use crate::archive::{ArchiveWriter, Aspect, Grade, Lent, PART_BYTES, RawPart, Tail};
use crate::dump::BackupOptions;
use crate::progress::Progress;
use crate::{Error, ErrorKind, Result};

/// A copy that nobody else can change.
#[derive(Debug)]
pub(crate) struct Prepared {
    scratch: Scratch,
    bytes: u64,
    /// Whether a run was open when it was copied.
    pub(crate) open: bool,
}

/// How often the file is copied anew because a run has begun or ended meanwhile.
const COPIES: u32 = 3;

/// What tells two states of a journal apart.
async fn journal(file: &File) -> Result<Vec<Entry>> {
    Ok(file.session().await?.entries().await?)
}

/// Copies the file.
///
/// # Errors
/// [`ErrorKind::NoSpace`], [`ErrorKind::LockTimeout`]; nothing is left.
pub(crate) async fn prepare(
    file: &File,
    about: &About,
    options: &BackupOptions,
    progress: &dyn Progress,
) -> Result<Prepared> {
    progress.phase("copying", None);
    let path = file.canonical_path()?;
    let needed = about.bytes;
    let mut scratch = blocking(move || {
        let scratch = Scratch::new(&path)?;
        match scratch.free() {
            Some(free) if free < needed => Err(Error::new(
                ErrorKind::NoSpace,
                format!(
                    "a copy of the database needs {needed} bytes in {}, and {free} are free",
                    scratch.parent().display()
                ),
            )
            .with_hint("make room on that disk and try again")),
            _ => Ok(scratch),
        }
    })
    .await?;
    let mut open = false;
    for copies in 1.. {
        let before = journal(file).await?;
        let copy = CopyOptions { cancel: options.cancel.clone(), ..CopyOptions::default() };
        file.copy_to(&scratch.file(), copy).await?;
        let Some(is_open) = options.is_open else { break };
        // The journal lies beside the file and not in it, so that it has no snapshot in common with it.
        let after = journal(file).await?;
        open = is_open(&after) || before != after;
        if before == after || copies == COPIES {
            break;
        }
        scratch = blocking(move || scratch.emptied()).await?;
    }
    blocking(move || {
        let path = scratch.file();
        let failed = |cause| Error::io(ErrorKind::Io, "cannot read the copy of the database", cause);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(failed)?;
        let bytes = fs::metadata(&path).map_err(failed)?.len();
        Ok(Prepared { scratch, bytes, open })
    })
    .await
}

impl Prepared {
    /// Writes the copy's pages while others check and digest what they hold, which it says.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] for a damaged file, and what the store says.
    pub(crate) async fn write(
        self,
        writer: &mut ArchiveWriter,
        about: &About,
        options: &BackupOptions,
        progress: &dyn Progress,
    ) -> Result<Tail> {
        let Self { scratch, bytes, .. } = self;
        progress.phase("pages", Some(bytes));
        let path = scratch.file();
        let file = Arc::new(Plain::open(&path).map_err(unreadable)?);
        let stop = options.cancel.child_token();
        let readers = Readers::new(&path, options.jobs, stop.clone())?;
        let reading = stopping(contents::read(&readers), &stop);
        let writing = stopping(pages(&file, bytes, &readers, writer, options, progress), &stop);
        let (contents, written) = tokio::join!(reading, writing);
        let (contents, ()) = both(contents, written)?;
        let grade = contents.unchecked.map_or(Grade::Exact, |why| Grade::Weakened(vec![why]));
        let mut counter = [0; 4];
        if bytes > 0 {
            // https://www.sqlite.org/fileformat.html#file_change_counter
            file.read_exact_at(&mut counter, 24).map_err(unreadable)?;
        }
        Ok(Tail {
            source: about.source.clone(),
            snapshot: format!("change {}", u32::from_be_bytes(counter)),
            grade,
            kinds: contents.kinds,
            left_out: Vec::new(),
            properties: options.properties_override.clone().unwrap_or(contents.properties),
            extras: serde_json::Value::Null,
            tables: contents.tables,
        })
    }
}

async fn pages(
    file: &Arc<Plain>,
    bytes: u64,
    readers: &Readers,
    writer: &mut ArchiveWriter,
    options: &BackupOptions,
    progress: &dyn Progress,
) -> Result<()> {
    let (piece, lent) = (PART_BYTES as u64, Arc::new(Lent::new(options.level)));
    let parts = futures_util::stream::iter(0..bytes.div_ceil(piece)).map(|number| {
        let (file, lent, offset) = (file.clone(), lent.clone(), number * piece);
        let length = usize::try_from(piece.min(bytes - offset)).unwrap_or(PART_BYTES);
        readers.turn(move || {
            lent.compress(|mut pages| {
                pages.resize(length, 0);
                file.read_exact_at(&mut pages, offset).map_err(unreadable)?;
                Ok(RawPart {
                    section: Section::Data,
                    aspect: Aspect::Pages,
                    objects: Vec::new(),
                    rows: 0,
                    bytes: pages,
                    follows: Vec::new(),
                })
            })
        })
    });
    let mut parts = parts.buffered(options.jobs.max(1));
    while let Some(part) = parts.try_next().await? {
        let bytes = part.bytes();
        writer.append(part).await?;
        progress.advance(bytes, 0);
    }
    Ok(())
}

fn unreadable(cause: std::io::Error) -> Error {
    Error::io(ErrorKind::Io, "cannot read the copy of the database", cause)
}
