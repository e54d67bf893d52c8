use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use database::SourceId;
use database::sqlite::{File, Mode, SOURCE_TABLE};
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::remove;
use crate::archive::{Archive, Aspect};
use crate::progress::Progress;
use crate::restore::RestoreOptions;
use crate::sqlite::check::blocking;
use crate::sqlite::contents;
use crate::{Error, ErrorKind, Result};

/// Writes an archive's pages into a new file, which is durable when this returns and gone if it fails.
pub(super) async fn load(
    archive: &Archive,
    path: &Path,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<()> {
    let failed = |cause: std::io::Error| {
        let hint = "name another file, or remove that one first";
        let taken = cause.kind() == std::io::ErrorKind::AlreadyExists;
        let error = Error::io(ErrorKind::Io, format!("cannot make {}", path.display()), cause);
        if taken { error.with_hint(hint) } else { error }
    };
    let file =
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    let result = fill(archive, Arc::new(file), path, options, progress).await;
    if result.is_err()
        && let Err(cause) = remove(path)
    {
        tracing::warn!(%cause, "cannot remove what a failed restore has left");
    }
    result
}

async fn fill(
    archive: &Archive,
    file: Arc<fs::File>,
    path: &Path,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<()> {
    let index = archive.index();
    progress.phase("pages", Some(index.bytes()));
    let mut offset = 0;
    let mut places = Vec::with_capacity(index.parts.len());
    for (number, part) in (0..).zip(&index.parts) {
        if part.aspect != Aspect::Pages {
            return Err(Error::new(ErrorKind::Damaged, format!("{} holds more than pages", archive.name())));
        }
        places.push((number, offset));
        offset += u64::from(part.bytes);
    }
    let name = path.display().to_string();
    let writes = futures_util::stream::iter(places).map(|(number, offset)| {
        let (file, name) = (file.clone(), name.clone());
        async move {
            let pages = archive.part(number).await?;
            blocking(move || {
                file.write_all_at(&pages, offset)
                    .map_err(|cause| Error::io(ErrorKind::Io, format!("cannot write {name}"), cause))?;
                Ok(pages.len() as u64)
            })
            .await
        }
    });
    let mut writes = writes.buffer_unordered(options.jobs.max(1));
    while let Some(bytes) = writes.try_next().await? {
        if options.cancel.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "the restore was cancelled"));
        }
        progress.advance(bytes, 0);
    }
    drop(writes);
    let path = path.to_owned();
    blocking(move || {
        let durable = file.sync_all().and_then(|()| sync_folder(&path));
        durable.map_err(|cause| Error::io(ErrorKind::Io, format!("cannot flush {}", path.display()), cause))
    })
    .await
}

/// Which database a restored file is.
#[derive(Clone, Copy)]
pub(crate) enum Identity<'a> {
    /// The one whose place it is going to take.
    Of(&'a SourceId, &'a File),
    /// The archive's, where that one was in the place of this file and is lost; elsewhere another one.
    Archives(&'a File),
    /// Another one, whatever it is a copy of.
    New,
}

/// Gives a loaded file its id, and proves it. It is gone if that fails.
pub(super) async fn settle(
    archive: &Archive,
    path: PathBuf,
    identity: Identity<'_>,
    options: &RestoreOptions,
) -> Result<()> {
    let result = async {
        let file = File::new(&path, Mode::ReadWrite);
        match identity {
            Identity::Of(source, place) => file.set_source_id(source, place).await?,
            Identity::Archives(place) if file.was_at(place).await? => {}
            Identity::Archives(_) => forget_source(&file).await?,
            Identity::New => forget_source(&file).await?,
        }
        contents::prove(&path, archive.index(), options.jobs, &options.cancel).await?;
        let path = path.clone();
        blocking(move || {
            fs::File::open(&path)
                .and_then(|file| file.sync_all())
                .map_err(|cause| Error::io(ErrorKind::Io, format!("cannot flush {}", path.display()), cause))
        })
        .await
    };
    let result = result.await;
    if result.is_err()
        && let Err(cause) = remove(&path)
    {
        tracing::warn!(%cause, "cannot remove what a failed restore has left");
    }
    result
}

/// Takes the archive's id away.
async fn forget_source(file: &File) -> Result<()> {
    let forget = move |connection: &mut rusqlite::Connection| {
        connection
            .execute_batch(&format!("DROP TABLE IF EXISTS {SOURCE_TABLE}"))
            .map_err(|cause| database::sqlite::error(cause, "cannot take the archive's id away"))
    };
    Ok(file.with(forget).await?)
}

pub(super) fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::File::open(folder)?.sync_all()
}
