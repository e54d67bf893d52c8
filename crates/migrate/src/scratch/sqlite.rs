use std::path::Path;

use backup::Result;
use backup::archive::Archive;
use backup::progress::Progress;
use backup::restore::RestoreOptions;
use database::Database;
use database::sqlite::{File, Mode};

use super::Made;

/// A file of the same name in a folder of its own.
pub(crate) fn make(file: &File, folder: &Path) -> Result<(Database, Made)> {
    let name = file.path().file_name().unwrap_or("scratch.db".as_ref());
    Ok((Database::Sqlite(File::new(folder.join(name), Mode::Create)), Made::File))
}

/// A copy of the archive's file in a folder of its own.
pub(crate) async fn restore(
    file: &File,
    folder: &Path,
    archive: &Archive,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<(Database, Made)> {
    let (database, made) = make(file, folder)?;
    backup::restore::into_scratch(archive, &database, "", None, options, progress).await?;
    Ok((database, made))
}
