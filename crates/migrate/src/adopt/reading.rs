//! Files of other tools, by their names.

use std::fs;
use std::path::{Path, PathBuf};

use backup::{Error, ErrorKind, Result};

/// The entries of a folder in the order of their names, without hidden ones.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| {
        Error::new(ErrorKind::Io, format!("cannot read the folder {}", folder.display())).with_source(error)
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if !name(&path).starts_with('.') {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The `.sql` files of a folder.
pub(super) fn sql(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = entries(folder)?;
    paths
        .retain(|path| path.is_file() && path.extension().is_some_and(|end| end.eq_ignore_ascii_case("sql")));
    Ok(paths)
}

/// The `.sql` files of a folder and of all folders in it.
pub(super) fn sql_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = below(folder)?;
    paths.retain(|path| path.extension().is_some_and(|end| end.eq_ignore_ascii_case("sql")));
    Ok(paths)
}

/// The files of a folder, then those of each folder in it.
pub(super) fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    let (folders, others): (Vec<_>, Vec<_>) = entries(folder)?.into_iter().partition(|path| path.is_dir());
    let mut paths: Vec<PathBuf> = others.into_iter().filter(|path| path.is_file()).collect();
    for folder in folders {
        paths.extend(below(&folder)?);
    }
    Ok(paths)
}

/// The last part of a path.
pub(super) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The same without `.sql`.
pub(super) fn stem(path: &Path) -> String {
    let name = name(path);
    match name.len().checked_sub(4).and_then(|cut| name.split_at_checked(cut)) {
        Some((stem, end)) if end.eq_ignore_ascii_case(".sql") => stem.to_owned(),
        _ => name,
    }
}

/// A file's text, without a byte-order mark and with `\n` line ends.
pub(super) fn text(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot read {}", path.display()))
            .with_hint("it has to be a text in UTF-8")
            .with_source(error)
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "\n"))
}

/// The same of a file that need not be there.
pub(super) fn optional(path: &Path) -> Result<Option<String>> {
    if path.exists() { text(path).map(Some) } else { Ok(None) }
}

/// The file of a folder that takes a version back: its tool looks for the number alone, whatever name follows it.
pub(super) fn down(folder: &Path, version: &str) -> Result<Option<String>> {
    let takes_back = |path: &PathBuf| {
        let stem = stem(path);
        let own = stem.strip_suffix(".down").and_then(version_and_name);
        own.is_some_and(|(own, _)| numeric(&own) == numeric(version))
    };
    sql(folder)?.iter().find(|path| takes_back(path)).map(|path| text(path)).transpose()
}

/// `20240101_add_orders` as its version and its name; none where it does not begin with a digit.
pub(super) fn version_and_name(stem: &str) -> Option<(String, String)> {
    let digits = stem.find(|c: char| !c.is_ascii_digit()).unwrap_or(stem.len());
    let (version, name) = stem.split_at(digits);
    (!version.is_empty()).then(|| (version.to_owned(), name.trim_start_matches(['_', '-']).to_owned()))
}

/// A number as a table has it, without leading zeros.
pub(super) fn bare(version: &str) -> String {
    let bare = version.trim_start_matches('0');
    if bare.is_empty() && !version.is_empty() { "0".to_owned() } else { bare.to_owned() }
}

/// By number, as tools sort whose versions have no leading zeros.
pub(super) fn numeric(version: &str) -> (usize, String) {
    let version = version.trim_start_matches('0');
    (version.len(), version.to_owned())
}

/// A comment that is a mark of a tool: what follows it, if the line is one.
pub(super) fn mark<'l>(line: &'l str, word: &str) -> Option<&'l str> {
    let comment = line.trim().strip_prefix("--")?.trim_start();
    let rest = comment
        .get(..word.len())
        .filter(|start| start.eq_ignore_ascii_case(word))
        .map(|_| &comment[word.len()..])?;
    rest.chars().next().is_none_or(|next| !next.is_alphanumeric()).then_some(rest.trim())
}
