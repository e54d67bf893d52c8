use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use backup::archive::Archive;
use backup::progress::Progress;
use backup::restore::RestoreOptions;
use backup::{Error, ErrorKind, Result};
use database::Database;
use database::sqlite::{File, Mode};

use super::Made;

/// A file of the same name in a folder of its own, for its owner alone.
pub(crate) fn make(file: &File, folder: &Path) -> Result<(Database, Made)> {
    let path = path(file, folder)?;
    // SQLite takes an empty file for a new database, and gives what it makes beside the same permissions.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot make {}", path.display())).with_source(error)
    })?;
    Ok((Database::Sqlite(File::new(path, Mode::Create)), Made::File))
}

/// In a folder of its own: what else is kept there may have any name.
fn path(file: &File, folder: &Path) -> Result<PathBuf> {
    let folder = folder.join("database");
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot make {}", folder.display())).with_source(error)
    })?;
    Ok(folder.join(file.path().file_name().unwrap_or("scratch.db".as_ref())))
}

/// A copy of the archive's file in a folder of its own.
pub(crate) async fn restore(
    file: &File,
    folder: &Path,
    archive: &Archive,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<(Database, Made)> {
    let path = path(file, folder)?;
    let database = Database::Sqlite(File::new(&path, Mode::Create));
    backup::restore::into_scratch(archive, &database, "", None, options, progress).await?;
    fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot keep {} from others", path.display())).with_source(error)
    })?;
    Ok((database, Made::File))
}
