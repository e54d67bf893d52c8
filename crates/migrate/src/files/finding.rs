use std::path::PathBuf;

use backup::{Error, ErrorKind};
use serde::Serialize;

/// What `check` looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Rule {
    /// The name of a file is not `NNN_name.sql`.
    Name,
    /// A number is missing.
    Gap,
    /// Two files have one number, or one name where there are no numbers.
    Duplicate,
    /// A migration has no rollback.
    MissingRollback,
    /// A rollback has no migration.
    OrphanRollback,
    /// A directive is wrong.
    Directive,
    /// A file cannot be read, or is not text.
    Unreadable,
    /// A file has no statement.
    Empty,
    /// A statement of a file does not end.
    Unfinished,
    /// `requires` names what is not there, or goes round in a circle.
    Requires,
    /// A file was changed after it was applied.
    Changed,
    /// A migration is applied, and its file is gone.
    Gone,
    /// A lower number than one that is applied came later.
    Late,
    /// `requires` makes branches that nothing joins.
    Heads,
    /// A rollback does not undo its migration, or one of the two cannot be run.
    Rollback,
    /// `-- dbm: allow` names no rule.
    Waiver,
    /// Another file stands for it, and nothing reads it.
    Folded,
    /// A statement is dangerous, by the name of the rule that says so.
    #[serde(untagged)]
    Statement(&'static str),
}

/// One thing that is wrong, with what mends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// The file or folder that it is about.
    pub path: PathBuf,
    /// The line of the file, from 1, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What mends it.
    pub hint: String,
}

impl From<Finding> for Error {
    fn from(finding: Finding) -> Self {
        Self::new(ErrorKind::Refused, finding.message).with_hint(finding.hint)
    }
}
