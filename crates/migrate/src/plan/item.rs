use std::path::PathBuf;
use std::time::Duration;

use database::script::EnumValue;
use serde::Serialize;

use crate::files::{Repeat, Unless, label};
use crate::placeholders::Filled;

/// What is done with one migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Its statements are run.
    Run,
    /// Only its row in the history is removed: what it makes was there before dbm came.
    Forget,
}

/// One migration of a plan.
#[derive(Clone, Debug, Serialize)]
pub struct Item {
    /// Which kind of file without a number it is, if it has none; its number is 0 then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
    /// Its number.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// Its module.
    pub module: Option<String>,
    /// The file that is run.
    pub path: PathBuf,
    /// What is done.
    pub action: Action,
    /// How many statements it has, without its checks.
    pub statements: usize,
    /// How many checks.
    pub checks: usize,
    /// If all of them are there, it is skipped and recorded as satisfied.
    #[serde(skip)]
    pub unless: Vec<Unless>,
    /// How long each wait for a lock may last, if the file says so.
    #[serde(skip)]
    pub lock_timeout: Option<Duration>,
    /// Why it cannot share a transaction, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alone: Option<String>,
    #[serde(skip)]
    pub(crate) source: String,
    #[serde(skip)]
    pub(crate) body: Filled,
    #[serde(skip)]
    pub(crate) verify: Filled,
    /// How many statements at its beginning run before the transaction: pragmas that only work there.
    #[serde(skip)]
    pub(crate) before: usize,
    /// How many at its end run after it.
    #[serde(skip)]
    pub(crate) after: usize,
    /// The file's own `BEGIN` and `COMMIT` at these places are left to the group's transaction.
    #[serde(skip)]
    pub(crate) skipped: Vec<usize>,
    /// Whether it has transaction control of its own.
    #[serde(skip)]
    pub(crate) own_transaction: bool,
    /// Values that it adds to an enum.
    #[serde(skip)]
    pub(super) enum_values: Vec<EnumValue>,
    #[serde(skip)]
    pub(crate) checksum: String,
    #[serde(skip)]
    pub(crate) rollback: Option<String>,
}

impl Item {
    /// For messages: `004_orders`.
    pub fn label(&self) -> String {
        match self.repeat {
            None => label(self.number, &self.name),
            Some(kind) => kind.label(&self.name),
        }
    }
}
