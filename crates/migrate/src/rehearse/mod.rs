//! A run that is tried first on a copy of the database, which reaches nothing else and is gone afterwards.

mod ledger;
mod locks;
mod metadata;
mod perform;
mod relations;

use std::time::Duration;

use backup::{Error, ErrorKind};
use database::Database;
use helpers::naming::BackupName;
use serde::Serialize;

use crate::compare::Difference;
use crate::run::Failure;

/// How a run is rehearsed.
#[derive(Clone, Debug, Default)]
pub struct Rehearse {
    /// The longest that a statement may keep others waiting.
    pub max_lock: Option<Duration>,
    /// The database beside which the copy is made, instead of the target.
    pub beside: Option<Database>,
    /// The archive of the store that the copy is made of, instead of a fresh backup.
    pub archive: Option<BackupName>,
}

/// A lock that a statement took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lock {
    /// What it is on.
    pub on: String,
    /// Its mode, as the server names it.
    pub mode: String,
    /// Whether it keeps writers or readers waiting, of something that was there before; a `RowExclusiveLock` does where rows
    /// were changed or removed under it, and on MySQL a `SHARED_WRITE` always.
    pub blocks: bool,
    /// In milliseconds. From the statement that took it to the end of its transaction; on MySQL, where a statement has no
    /// transaction, as long as the table was seen to be locked so or more strongly.
    pub held_ms: u64,
    /// Whether it is on a table, and not on an index of one.
    #[serde(skip)]
    pub(crate) table: bool,
    /// Whether the server has shown it; otherwise it is what may have been there at most.
    #[serde(skip)]
    pub named: bool,
}

impl Lock {
    /// One that nobody has seen: on anything, for so long at most.
    fn unseen(held_ms: u64) -> Self {
        Self {
            on: "the database".to_owned(),
            mode: "a lock that the server does not show".to_owned(),
            blocks: true,
            held_ms,
            table: true,
            named: false,
        }
    }
}

/// A statement of a rehearsal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rehearsed {
    /// Its migration.
    pub migration: String,
    /// Its line there.
    pub line: usize,
    /// How it begins, before its placeholders.
    pub text: String,
    /// How long it took.
    pub duration_ms: u64,
    /// The rows that it changed, where the server says.
    pub rows: Option<u64>,
    /// The locks that it was the first to take.
    pub locks: Vec<Lock>,
    /// The tables that were there before and were written anew.
    pub rewritten: Vec<String>,
}

impl Rehearsed {
    /// The longest of its locks that keep others waiting.
    pub fn blocks(&self) -> Option<&Lock> {
        // Of those that were held as long, the one that lets nobody in; of a table and its indexes, the table.
        let weight = |lock: &&Lock| (lock.held_ms, lock.named, ledger::strength(&lock.mode), lock.table);
        self.locks.iter().filter(|lock| lock.blocks).max_by_key(weight)
    }
}

/// What came of a rehearsal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rehearsal {
    /// The archive that the copy was made of, where that is no fresh backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// The statements in their order.
    pub statements: Vec<Rehearsed>,
    /// Whether the server says which locks there are; otherwise a lock is as long as its statement or its transaction
    /// at most.
    pub locks_seen: bool,
    /// What to switch on so that the server says which locks there are, where it could.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locks_hint: Option<String>,
    /// Whether the server says which tables were written anew.
    pub rewrites_seen: bool,
    /// How many checks passed.
    pub checks: usize,
    /// Whether all was rolled back and applied again; not where a migration is irreversible.
    pub rolled_back: bool,
    /// How the schema differs after the rollbacks from what it was before.
    pub differences: Vec<Difference>,
    /// What failed, and in which pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// How long all of it took, with making the copy.
    pub duration_ms: u64,
}

impl Rehearsal {
    /// Why the target is not to be touched, if it is not.
    pub fn refused(&self, max_lock: Option<Duration>) -> Option<Box<Failure>> {
        if let Some(failure) = &self.failure {
            return Some(Box::new(failure.clone()));
        }
        if !self.differences.is_empty() {
            let mut lines: Vec<String> = self.differences.iter().take(5).map(Difference::line).collect();
            if self.differences.len() > lines.len() {
                lines.push(format!("and {} more", self.differences.len() - lines.len()));
            }
            return Some(refusal(
                &format!("the rollbacks do not undo what was rehearsed: {}", lines.join("; ")),
                "write what is missing into the rollback, or say `-- dbm: irreversible REASON` in the migration",
            ));
        }
        let most = u64::try_from(max_lock?.as_millis()).unwrap_or(u64::MAX);
        let (statement, lock) = self
            .statements
            .iter()
            .filter_map(|statement| Some((statement, statement.blocks()?)))
            .max_by_key(|(_, lock)| lock.held_ms)
            .filter(|(_, lock)| lock.held_ms > most)?;
        let message = format!(
            "in the rehearsal {}, line {}, kept others waiting for {} ms ({} on {}), and {most} ms are allowed",
            statement.migration, statement.line, lock.held_ms, lock.mode, lock.on
        );
        Some(refusal(
            &message,
            "make it shorter (`dbm check` names safer forms), migrate in steps with `--to`, or allow more with `--max-lock`",
        ))
    }
}

fn refusal(message: &str, hint: &str) -> Box<Failure> {
    Box::new(Failure::of(&Error::new(ErrorKind::Refused, message).with_hint(hint)))
}

#[cfg(test)]
mod mysql_tests;
