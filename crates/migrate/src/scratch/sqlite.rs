use std::path::Path;

use backup::Result;
use database::Database;
use database::sqlite::{File, Mode};

use super::Made;

/// A file of the same name in a folder of its own.
pub(crate) fn make(file: &File, folder: &Path) -> Result<(Database, Made)> {
    let name = file.path().file_name().unwrap_or("scratch.db".as_ref());
    Ok((Database::Sqlite(File::new(folder.join(name), Mode::Create)), Made::File))
}
