use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use backup::{Error, ErrorKind, Result};
use database::Database;
use tempfile::TempDir;

use crate::engine;

/// How the folder of a scratch database is called.
const PREFIX: &str = "dbm-scratch-";

/// Where a scratch database will be, known before anything of it is made: so a journal can name it first.
pub(crate) struct Place {
    /// The name of the database; on SQLite, where it is a file in the folder, of no use.
    pub(crate) name: String,
    /// For files of its own.
    pub(crate) folder: TempDir,
}

impl Place {
    /// One beside a database that nobody else has.
    pub(crate) async fn beside(on: &Database) -> Result<Self> {
        let name = backup::restore::scratch_name(on).await?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).permissions(std::fs::Permissions::from_mode(0o700));
        let folder = builder.tempdir().map_err(|error| {
            Error::new(ErrorKind::Io, "cannot make a folder for scratch files").with_source(error)
        })?;
        Ok(Self { name, folder })
    }
}

/// Removes a scratch database by its name, and the account that was made for it; what is not there is no error.
///
/// # Errors
/// It is not the name of a scratch database, or cannot be removed.
pub async fn discard(server: &Database, name: &str) -> Result<()> {
    let dropped = backup::restore::discard_scratch(server, name).await;
    engine::discard_scratch_account(server, name).await?;
    dropped
}

/// Removes the folder that a killed run left, if it is one.
///
/// # Errors
/// It cannot be removed.
pub(crate) fn discard_folder(folder: &Path) -> Result<()> {
    let named = folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
    // A journal may be written to by others: nothing else is removed by its word.
    if !named || folder.parent() != Some(&*tempfile::env::temp_dir()) {
        return Ok(());
    }
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            let message = format!("cannot remove {}, which a killed run has left", folder.display());
            Err(Error::new(ErrorKind::Io, message).with_source(error))
        }
        _ => Ok(()),
    }
}
