//! The plan: computed from files, history and options alone, shown, then executed.

mod group;
mod item;
mod modules;
mod prepare;
mod repeat;
mod requires;
mod select;

use std::collections::BTreeSet;

use backup::{Error, ErrorKind, Result};
use serde::Serialize;

use crate::files::RepeatedFile;

pub use group::Group;
pub use item::{Action, Item};
pub use modules::{Part, parts};
pub(crate) use repeat::changed;
pub(crate) use requires::requirements;
pub(crate) use select::late;
pub use select::{Selection, drifted, to_migrate, to_rollback};

/// Which way a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Migrations are applied.
    Migrate,
    /// Migrations are taken back.
    Rollback,
}

/// What is to be migrated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MigrateOptions {
    /// The last number to be applied.
    pub to: Option<u64>,
    /// How many of the pending ones; all if it is not said.
    pub count: Option<usize>,
    /// Only the ones of this module; of an empty name, those of none.
    pub module: Option<String>,
    /// Only these numbers; all if it is not said.
    pub only: Option<BTreeSet<u64>>,
    /// Applies a number below one that is applied already.
    pub out_of_order: bool,
    /// What runs after all of them where its text is not the one that was last run: `migrations/repeatable/`.
    pub repeatables: Vec<RepeatedFile>,
    /// Refuses those of which a later text has been run already: without a person who says so, an older release would undo a
    /// newer one.
    pub forward_only: bool,
}

/// How far to roll back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Until {
    /// The last so many.
    Count(usize),
    /// Everything above this number, which stays.
    To(u64),
    /// What the run of that name has applied.
    Run(String),
    /// Everything.
    All,
}

/// What is to be rolled back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollbackOptions {
    /// How far.
    pub until: Until,
    /// Only the ones of this module.
    pub module: Option<String>,
}

/// How the database gets back to what it was if the run fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WayBack {
    /// Nothing is to be run.
    None,
    /// The one transaction is rolled back.
    Rollback,
    /// The backup is restored.
    Restore,
}

/// A statement that reaches beyond the database, so that no archive of the database can put it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerWide {
    /// The file.
    pub file: String,
    /// The line of the file.
    pub line: usize,
    /// What it reaches.
    pub what: String,
}

/// What a run will do.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// Which way.
    pub direction: Direction,
    /// In this order, each committed on its own.
    pub groups: Vec<Group>,
    /// How the database gets back.
    pub way_back: WayBack,
    /// What the archive cannot put back.
    pub server_wide: Vec<ServerWide>,
    /// What has to be known before it is run.
    pub warnings: Vec<String>,
    /// The values that no message may hold.
    #[serde(skip)]
    pub(crate) secrets: Vec<String>,
}

/// What to do about a statement that reaches beyond the database, on the target.
const ON_TARGET: &str = "run it by other means, or say `--allow-server-wide` if it may stay after a failure";

/// The same where it is only tried out, with whatever was allowed on the target.
const ELSEWHERE: &str = "a scratch database runs none such: take it out of the file and run it by other means; where the file is \
                         applied already, `dbm repair --accept NUMBER` takes it as it is then";

impl Plan {
    /// Whether nothing is to be run.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// All migrations of the plan in order.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.groups.iter().flat_map(|group| &group.items)
    }

    /// What is run, with the values of its placeholders in place: these may be secrets, never for a message.
    pub fn texts(&self) -> Vec<&str> {
        let run = self.items().filter(|item| item.action == Action::Run);
        run.map(|item| item.body.text.as_str()).collect()
    }

    /// Passes where all of it can be tried on a copy.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] with the first statement that would reach beyond the copy, whatever is allowed on the target.
    pub fn check_rehearsal(&self) -> Result<()> {
        let Some(first) = self.server_wide.first() else { return Ok(()) };
        let message = format!(
            "{}, line {}: the statement reaches beyond the database ({}), so it cannot be tried on a copy of it",
            first.file, first.line, first.what
        );
        Err(Error::new(ErrorKind::Usage, message)
            .with_hint("run without `--rehearse`, or that file by other means"))
    }

    /// Refuses what reaches beyond the database, unless that is allowed.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] with what to do instead.
    pub(crate) fn check_reach(&self, settings: &Allowed) -> Result<()> {
        let Some(first) = self.server_wide.first().filter(|_| !settings.server_wide) else { return Ok(()) };
        let others = match self.server_wide.len() - 1 {
            0 => String::new(),
            others => format!(" (and {others} more)"),
        };
        let message = format!(
            "{}, line {}: the statement reaches beyond the database ({}){others}; no backup of the database can put that back",
            first.file, first.line, first.what
        );
        let hint = if settings.disposable { ELSEWHERE } else { ON_TARGET };
        Err(Error::new(ErrorKind::Usage, message).with_hint(hint))
    }

    /// Refuses what the settings do not allow, before anything is begun.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] with what to add to the command.
    pub fn check(&self, settings: &Allowed) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        self.check_reach(settings)?;
        if self.way_back != WayBack::Restore || settings.disposable {
            return Ok(());
        }
        let why = self.why_restore();
        if settings.no_backup {
            return Err(Error::new(ErrorKind::Usage, format!("`--no-backup` cannot be had here: {why}"))
                .with_hint(self.or_in_steps("leave out `--no-backup`")));
        }
        if !settings.fence && !settings.accept_lost_writes {
            return Err(Error::new(
                ErrorKind::Usage,
                format!(
                    "{why}; what others write during the run would then be in the replaced database only"
                ),
            )
            .with_hint(
                self.or_in_steps(
                    "say `--fence` to keep writers out during the run, or `--accept-lost-writes`",
                ),
            ));
        }
        Ok(())
    }

    /// A hint, and the other way out where steps of the run are transactions.
    fn or_in_steps(&self, hint: &str) -> String {
        let runs = |group: &Group| group.items.iter().any(|item| item.action == Action::Run);
        if !self.groups.iter().any(|group| group.transaction && runs(group)) {
            return hint.to_owned();
        }
        let steps = match self.direction {
            Direction::Migrate => "migrate in steps with `--to`",
            Direction::Rollback => "roll back in steps (`dbm rollback COUNT`)",
        };
        format!("{hint}; or {steps} that fit into one transaction each")
    }

    fn why_restore(&self) -> String {
        let because = |group: &Group| group.because.clone().unwrap_or_else(|| "its directive".to_owned());
        match self.groups.as_slice() {
            [only] => format!(
                "{} cannot run in a transaction ({}), so the way back after a failure is the backup",
                only.items.first().map(Item::label).unwrap_or_default(),
                because(only),
            ),
            groups if groups.iter().all(|group| !group.transaction && group.because == groups[0].because) => {
                format!(
                    "none of the {} files can run in a transaction ({}), so the way back after a failure is the backup",
                    groups.len(),
                    because(&groups[0])
                )
            }
            groups => format!(
                "the run takes {} transactions, so the way back after a failure is the backup",
                groups.len()
            ),
        }
    }
}

/// What the operator allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// No backup is made.
    pub no_backup: bool,
    /// Writers are kept out.
    pub fence: bool,
    /// What others write during the run may end up in the replaced database only.
    pub accept_lost_writes: bool,
    /// Statements may reach beyond the database.
    pub server_wide: bool,
    /// Replication may stay with the replaced database.
    pub detach_replication: bool,
    /// What is run may touch what was changed by hand since the last run.
    pub drift: bool,
    /// The database is dropped after the run, whatever comes of it: it needs no way back.
    pub disposable: bool,
}

impl Allowed {
    /// Whether a run whose way back is a restore would be refused for want of a word on those who write meanwhile.
    pub(crate) fn is_undecided(&self) -> bool {
        !(self.fence || self.accept_lost_writes || self.disposable || self.no_backup)
    }
}
