#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;

use helpers::percent;

use super::{query_pairs, unknown_parameter, unusable};
use crate::sqlite::Mode;
use crate::{Error, ErrorKind, Result};

/// Which SQLite file, and how it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteUrl {
    /// The file, relative to the working directory unless absolute.
    pub path: PathBuf,
    /// How it is opened.
    pub mode: Mode,
}

impl SqliteUrl {
    /// What stands after `sqlite:` in a URL.
    pub(super) fn parse(rest: &str) -> Result<Self> {
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = path.strip_prefix("//").unwrap_or(path);
        let path = percent::decode(path).map_err(|why| unusable("path", why))?;
        if path.contains(":memory:") {
            return Err(Error::new(
                ErrorKind::Usage,
                "a SQLite database in memory cannot be used: it ends with dbm",
            )
            .with_hint("give the path of a file: sqlite:shop.sqlite"));
        }
        if path.is_empty() {
            return Err(Error::new(ErrorKind::Usage, "the SQLite URL has no path").with_hint(
                "write sqlite:shop.sqlite, or sqlite:///var/lib/shop.sqlite for an absolute path",
            ));
        }
        let mut mode = Mode::default();
        for (key, value) in query_pairs(query)? {
            match (key.as_str(), value.as_str()) {
                ("mode", "ro") => mode = Mode::ReadOnly,
                ("mode", "rw") => mode = Mode::ReadWrite,
                ("mode", "rwc") => mode = Mode::Create,
                ("mode", _) => {
                    return Err(Error::new(
                        ErrorKind::Usage,
                        "the URL's mode is none of `ro`, `rw` and `rwc`",
                    )
                    .with_hint("write ?mode=rwc to make the file if it is missing, ?mode=ro to only read"));
                }
                _ => return Err(unknown_parameter(&key, &["mode"])),
            }
        }
        Ok(Self { path: path.into(), mode })
    }

    /// The file's name without its ending.
    pub fn name(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Another file in the same folder, with the same ending unless `name` has one.
    pub(super) fn sibling(&self, name: &str) -> Self {
        let mut path = self.path.with_file_name(name);
        if path.extension().is_none()
            && let Some(ending) = self.path.extension()
        {
            path.set_extension(ending);
        }
        Self { path, mode: self.mode }
    }
}

impl fmt::Display for SqliteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.to_string_lossy();
        let path = percent::encode_bytes(path.as_bytes(), |byte| byte.is_ascii_graphic() && byte != b'?');
        write!(f, "sqlite:{}{path}", if path.starts_with("//") { "//" } else { "" })?;
        f.write_str(match self.mode {
            Mode::ReadOnly => "?mode=ro",
            Mode::ReadWrite => "",
            Mode::Create => "?mode=rwc",
        })
    }
}
