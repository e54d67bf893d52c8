use std::borrow::Cow;
use std::path::{Path, PathBuf};

use backup::Result;
use serde::{Deserialize, Serialize};

use super::Source;
use super::folder::{directives, load};
use super::origin::Origin;

/// The file in `rollback/` that takes a migration back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Rollback {
    /// Its text is known, and its directives are right.
    Read(Source),
    /// It is there. Nothing needs the text of what is applied already, and reading a thousand files takes its time.
    There(PathBuf),
}

impl Rollback {
    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Read(source) => &source.path,
            Self::There(path) => path,
        }
    }

    /// Its text, read now if it was not before.
    ///
    /// # Errors
    /// It cannot be read, is no text, or one of its directives is wrong.
    pub fn source(&self) -> Result<Cow<'_, Source>> {
        let path = match self {
            Self::Read(source) => return Ok(Cow::Borrowed(source)),
            Self::There(path) => path,
        };
        let mut findings = Vec::new();
        let source = load(Origin::Disk, path, &mut findings);
        let source = source.filter(|source| directives(source, &mut findings).is_some());
        source.map(Cow::Owned).ok_or_else(|| findings.remove(0).into())
    }
}

impl From<Source> for Rollback {
    fn from(source: Source) -> Self {
        Self::Read(source)
    }
}
