use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use backup::{Error, ErrorKind, Result};

use crate::files::Source;

/// Reads the models: a file of SQL, or all `.sql` files of a folder and the folders in it, in the order of their paths; what is hidden
/// (`.git/`) is left out, and what links lead to is read once.
///
/// # Errors
/// There is none, or one cannot be read.
pub fn models(path: &Path) -> Result<Vec<Source>> {
    let mut files = Vec::new();
    find(path, true, &mut BTreeSet::new(), &mut files)?;
    if files.is_empty() {
        return Err(Error::new(ErrorKind::Usage, format!("{} has no .sql file", path.display()))
            .with_hint("name the file that makes what is wanted, or the folder that such files are in"));
    }
    Ok(files)
}

fn find(path: &Path, named: bool, read: &mut BTreeSet<PathBuf>, files: &mut Vec<Source>) -> Result<()> {
    let unreadable = |error: std::io::Error| {
        let what = Error::new(ErrorKind::Io, format!("cannot read {}", path.display())).with_source(error);
        what.with_hint("`dbm schema dump --output schema.sql` writes what a database has, to begin with")
    };
    let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let is_sql = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql"));
    let is_folder = path.is_dir();
    if !named && (is_hidden || !(is_folder || is_sql)) {
        return Ok(());
    }
    if !read.insert(path.canonicalize().map_err(unreadable)?) {
        return Ok(());
    }
    if is_folder {
        let entries = std::fs::read_dir(path).map_err(unreadable)?;
        let mut paths = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<Vec<_>>>()
            .map_err(unreadable)?;
        paths.sort();
        return paths.iter().try_for_each(|path| find(path, false, read, files));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let text = text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned);
    files.push(Source { path: path.to_owned(), text });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_read_once_and_no_hidden_one() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for (path, text) in [
            ("b.sql", "b"),
            (".a.sql", "hidden"),
            (".git/a.sql", "hidden"),
            ("a/c.SQL", "c"),
            ("a/d.txt", "d"),
        ] {
            std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            std::fs::write(root.join(path), text).unwrap();
        }
        std::os::unix::fs::symlink(root, root.join("a/loop")).unwrap();
        std::os::unix::fs::symlink(root.join("b.sql"), root.join("z.sql")).unwrap();
        let texts = |path: &Path| models(path).unwrap().into_iter().map(|file| file.text).collect::<Vec<_>>();
        assert_eq!(texts(root), ["c", "b"]);
        // One that somebody names is meant.
        assert_eq!(texts(&root.join(".a.sql")), ["hidden"]);
        assert_eq!(texts(&root.join(".git")), ["hidden"]);
        assert!(models(&root.join("a/loop/a/loop")).is_ok());
    }
}
