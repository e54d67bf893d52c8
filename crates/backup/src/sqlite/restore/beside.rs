use chrono::Utc;
use database::sqlite::{CopyOptions, File};
use database::{Entry, Journal as _, SourceId};

use super::load::{self, Identity};
use super::{names, remove};
use crate::Result;
use crate::archive::Archive;
use crate::progress::Progress;
use crate::restore::names::Made;
use crate::restore::{Replaced, RestoreOptions};

/// A restored and proven file beside its target.
#[derive(Debug)]
pub(crate) struct Beside {
    file: File,
    name: String,
    options: RestoreOptions,
}

/// Restores into a new file beside the target and proves it.
pub(crate) async fn beside(
    archive: &Archive,
    file: &File,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Beside> {
    let name = match &options.scratch {
        Some(name) => name.clone(),
        None => super::scratch_name(file)?,
    };
    let path = names::path(file, &name)?;
    // The target stays the database that it is, whatever it is given to hold.
    let source = file.about().await?.source;
    let source = Some(source).filter(|SourceId(id)| !id.starts_with("sqlite:path:"));
    load::load(archive, &path, options, progress).await?;
    let identity = source.as_ref().map_or(Identity::New, |source| Identity::Of(source, file));
    load::settle(archive, path, identity, options).await?;
    progress.done();
    Ok(Beside { file: file.clone(), name, options: options.clone() })
}

impl Beside {
    /// The name of the file, beside the target.
    pub(crate) fn scratch_name(&self) -> &str {
        &self.name
    }

    /// Puts its pages into the target, of which a copy is kept, and then writes the journal beside it.
    ///
    /// A kill between the two leaves the journal as it was: whoever recovers restores again, to the same end.
    pub(crate) async fn swap(self, publish: &[Entry]) -> Result<Replaced> {
        let when = Utc::now();
        let kept = names::free(&self.file, Made::Replaced, when)?;
        let folder = names::folder(&self.file)?;
        let path = folder.join(&self.name);
        for left in names::partial(&self.file)? {
            remove(&folder.join(left))?;
        }
        let copy = CopyOptions { cancel: self.options.cancel.clone(), ..CopyOptions::default() };
        let swapped = self.file.replace_with(&path, &folder.join(&kept), copy).await;
        let result = match swapped {
            Ok(()) => publish_journal(&self.file, publish).await,
            Err(error) => Err(error.into()),
        };
        if let Err(cause) = remove(&path) {
            tracing::warn!(%cause, "cannot remove the file that was restored beside");
        }
        result?;
        let bytes = std::fs::metadata(folder.join(&kept)).ok().map(|about| about.len());
        Ok(Replaced { name: kept, when, bytes, not_granted: Vec::new(), unguarded: None })
    }

    /// Removes it.
    pub(crate) fn discard(self) -> Result<()> {
        remove(&names::path(&self.file, &self.name)?)
    }
}

/// Adds what the journal does not have yet.
async fn publish_journal(file: &File, publish: &[Entry]) -> Result<()> {
    let Some(first) = publish.first() else { return Ok(()) };
    let mut session = file.session().await?;
    let there = session.entries().await?;
    let rest = match publish.strip_prefix(there.as_slice()) {
        Some(rest) if !there.is_empty() => rest,
        _ => {
            session.begin_run(first).await?;
            &publish[1..]
        }
    };
    for entry in rest {
        session.append(entry).await?;
    }
    Ok(())
}
