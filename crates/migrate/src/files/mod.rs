//! Migration files: the folders, the directives at their head, their checksums.

mod directives;
mod finding;
mod folded;
mod folder;
mod heads;
mod merge;
mod origin;
mod repeat;
mod rollback;
mod scaffold;
mod text;

pub use directives::{Allow, Directives, Name, Unless};
pub use finding::{Finding, Rule};
pub(crate) use folded::{NAME as SQUASHED, partly};
pub use folded::{is_folded, squashed};
pub use folder::{Folder, read, read_for_rollback, read_to_migrate, survey};
pub(crate) use folder::{has_statement, unfilled};
pub(crate) use heads::branched;
pub use heads::{Branch, Head, branches};
pub use merge::{Step as MergeStep, merge, plan_merge};
pub use origin::{Embedded, read_embedded};
pub use repeat::{Repeat, RepeatedFile, read_repeated, survey_repeated};
pub use rollback::Rollback;
pub(crate) use scaffold::write_beside;
pub use scaffold::{Scaffolded, file_name, new_migration, write_migration};
pub use text::{ALGORITHM, checksum, normalise};

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One numbered file of `migrations/`, with its rollback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// Its number.
    pub number: u64,
    /// What stands between the number and `.sql`.
    pub name: String,
    /// What the comments at its head ask for, and where its checks begin.
    pub directives: Directives,
    /// The file, before its placeholders.
    pub source: Source,
    /// The file of the same number in `rollback/`.
    pub rollback: Option<Rollback>,
}

impl Migration {
    /// The SHA-256 of its normalised text, before its placeholders.
    pub fn checksum(&self) -> String {
        checksum(&self.source.text)
    }

    /// The text without its checks, which change nothing.
    pub(crate) fn body(&self) -> &str {
        let text = &self.source.text;
        let Some(line) = self.directives.verify_line else { return text };
        let end = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
        &text[..end]
    }

    /// For messages: `004_orders`.
    pub fn label(&self) -> String {
        label(self.number, &self.name)
    }
}

/// A migration in a message: `004_orders`.
pub fn label(number: u64, name: &str) -> String {
    if name.is_empty() { format!("{number:03}") } else { format!("{number:03}_{name}") }
}

/// A text and where it is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The file; where the text is from the history, the name that the file had.
    pub path: PathBuf,
    /// The text without a byte-order mark, before its placeholders.
    pub text: String,
}
