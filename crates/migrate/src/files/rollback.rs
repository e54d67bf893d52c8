use std::borrow::Cow;
use std::path::{Path, PathBuf};

use backup::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::folder::{directives, load};
use super::origin::Origin;
use super::{Migration, Source};

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

impl Migration {
    /// The text of its rollback, if it has one. Where that is read only now, the migration is read once more, and both are of
    /// one release.
    ///
    /// # Errors
    /// As [`Rollback::source`]; [`ErrorKind::Refused`] if the migration is not what it was.
    pub fn rollback_source(&self) -> Result<Option<Cow<'_, Source>>> {
        let Some(rollback) = &self.rollback else { return Ok(None) };
        let source = rollback.source()?;
        if matches!(rollback, Rollback::There(_)) {
            let path = &self.source.path;
            let mut findings = Vec::new();
            let now = load(Origin::Disk, path, &mut findings);
            if now.as_ref() != Some(&self.source) {
                let message = format!("{} was changed after it was read", path.display());
                return Err(Error::new(ErrorKind::Refused, message).with_hint(
                    "nothing was run; once the files are as they are to be, run the command again",
                ));
            }
        }
        Ok(Some(source))
    }
}

impl From<Source> for Rollback {
    fn from(source: Source) -> Self {
        Self::Read(source)
    }
}
