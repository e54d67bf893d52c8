use std::path::Path;

use backup::{Error, ErrorKind, Result};

use crate::files::Source;

/// Reads the models: a file of SQL, or all `.sql` files of a folder and the folders in it, in the order of their paths.
///
/// # Errors
/// There is none, or one cannot be read.
pub fn models(path: &Path) -> Result<Vec<Source>> {
    let mut files = Vec::new();
    find(path, true, &mut files)?;
    if files.is_empty() {
        return Err(Error::new(ErrorKind::Usage, format!("{} has no .sql file", path.display()))
            .with_hint("name the file that makes what is wanted, or the folder that such files are in"));
    }
    Ok(files)
}

fn find(path: &Path, named: bool, files: &mut Vec<Source>) -> Result<()> {
    let unreadable = |error: std::io::Error| {
        let what = Error::new(ErrorKind::Io, format!("cannot read {}", path.display())).with_source(error);
        what.with_hint("`dbm schema dump --output schema.sql` writes what a database has, to begin with")
    };
    if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(unreadable)?;
        let mut paths = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<Vec<_>>>()
            .map_err(unreadable)?;
        paths.sort();
        return paths.iter().try_for_each(|path| find(path, false, files));
    }
    if named || path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql")) {
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let text = text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned);
        files.push(Source { path: path.to_owned(), text });
    }
    Ok(())
}
