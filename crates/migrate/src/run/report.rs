use std::path::PathBuf;

use backup::restore::{Remade, Replaced};
use backup::{Error, ErrorKind};
use chrono::{DateTime, Utc};
use database::ObjectId;
use serde::Serialize;

use crate::files::{Repeat, label};
use crate::journal::RunKind;
use crate::rehearse::Rehearsal;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// What was asked for is done and checked.
    Done,
    /// It failed, and the database was never changed.
    NothingChanged,
    /// It failed, and the database was put back and proven.
    PutBack,
    /// The database needs a person.
    NeedsPerson,
}

impl Outcome {
    /// The exit code of the command.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::NothingChanged => 1,
            Self::PutBack => 3,
            Self::NeedsPerson => 4,
        }
    }
}

/// The exit code for what failed before a run began, or could not begin.
pub fn exit_code(error: &Error) -> u8 {
    match error.kind() {
        ErrorKind::Usage => 2,
        ErrorKind::Busy => 75,
        _ => 1,
    }
}

/// What became of a migration in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Became {
    /// Its statements were run.
    Applied,
    /// What it makes was there already.
    Satisfied,
    /// Its rollback was run.
    RolledBack,
    /// Only its row in the history was removed.
    Forgotten,
}

/// One migration of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RanMigration {
    /// Which kind of file without a number it is, if it has none; its number is 0 then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
    /// Its number.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// Its module.
    pub module: Option<String>,
    /// Its group in the plan.
    pub group: u32,
    /// What became of it. If the run failed, it was undone with everything else.
    pub became: Became,
    /// How many statements were run.
    pub statements: usize,
    /// How many checks passed.
    pub checks: usize,
    /// How long it took.
    pub duration_ms: u64,
}

impl RanMigration {
    /// For messages: `004_orders`, `repeatable/totals`.
    pub fn label(&self) -> String {
        match self.repeat {
            None => label(self.number, &self.name),
            Some(kind) => kind.label(&self.name),
        }
    }
}

/// Whether the schema after a rollback was compared with what it was before what was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compared {
    /// It was.
    Done,
    /// It was, and is the same but for views, functions or triggers, which repeatable files may make again.
    WithoutCode,
    /// Nobody had seen it, and it was with what the migrations that stay make in a scratch database.
    Replayed,
    /// The same, but for views, functions or triggers, which repeatable files may make again.
    ReplayedWithoutCode,
    /// The same, but for what differs from that and may have been made by what was taken back, or by hand.
    ReplayedInPart,
    /// It was not: something that was applied in the same run, or after it, stays, and nobody has seen the schema in between.
    WithinRun,
    /// It was not: the schema before that run was not kept.
    NotKept,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What failed and why; for a statement, what the server said.
    pub message: String,
    /// What to type or change next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The causes, the nearest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// The migration, `004_orders`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migration: Option<String>,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The line of the file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Which statement of the file (or which check), from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<usize>,
    /// Of how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statements: Option<usize>,
    /// Whether it was a check.
    pub check: bool,
    /// The line of the file itself, as it stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The server's code, where it gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Whether it was stopped on request.
    pub cancelled: bool,
}

impl Failure {
    pub(crate) fn of(error: &Error) -> Self {
        let mut causes = Vec::new();
        let mut cause = std::error::Error::source(error);
        while let Some(next) = cause {
            causes.push(next.to_string());
            cause = next.source();
        }
        Self {
            message: error.to_string(),
            hint: error.hint().map(str::to_owned),
            causes,
            migration: None,
            file: None,
            line: None,
            statement: None,
            statements: None,
            check: false,
            text: None,
            code: error.sqlstate().map(str::to_owned),
            cancelled: error.kind() == ErrorKind::Cancelled,
        }
    }
}

/// The archive that a run made or restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArchiveReport {
    /// Its name.
    pub name: String,
    /// Its identity.
    pub identity: String,
    /// Where it lies.
    pub store: String,
    /// Its size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The tables in it.
    pub tables: u64,
    /// The rows in it.
    pub rows: u64,
    /// What was there when it was made, and is no part of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// How long it took.
    pub duration_ms: u64,
}

/// A table of which the replaced database holds other rows than the archive; if as many, some were changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unarchived {
    /// The table.
    pub table: ObjectId,
    /// The rows in the archive.
    pub archived: u64,
    /// The rows in the database that was replaced.
    pub replaced: u64,
}

/// A database that was put in place from an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// From which archive.
    pub archive: ArchiveReport,
    /// What was there before, where it is kept.
    pub replaced: Option<Replaced>,
    /// The tables of which the replaced database has other rows than the archive: through the migration itself, or
    /// through others who wrote meanwhile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unarchived: Vec<Unarchived>,
    /// What no archive carries and was made anew, and is not what it was: a materialized view that was not fresh, a
    /// generated column whose function gives other values now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remade: Vec<Remade>,
    /// Statements that would give again what accounts could do before the run with what it dropped, and that the server did
    /// not take; and what the account may not see of that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_granted: Vec<String>,
    /// Why others could write while triggers and events were made again, and may have passed them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unguarded: Option<String>,
}

impl Restored {
    pub(crate) fn not_back(&self) -> NotBack {
        NotBack {
            remade: self.remade.clone(),
            not_granted: self.not_granted.clone(),
            left_out: self.archive.left_out.clone(),
            unguarded: self.unguarded.clone(),
        }
    }
}

/// What a restore has not brought back as it was.
#[derive(Clone, Debug, Default)]
pub(crate) struct NotBack {
    pub(crate) remade: Vec<Remade>,
    pub(crate) not_granted: Vec<String>,
    pub(crate) left_out: Vec<String>,
    pub(crate) unguarded: Option<String>,
}

impl NotBack {
    /// The end of a sentence that says what the database is: but for what was made anew and is not what it was, and for
    /// rights that are lost.
    pub(crate) fn exceptions(&self) -> String {
        let mut said = String::new();
        if !self.remade.is_empty() {
            let names: Vec<&str> = self.remade.iter().map(|one| one.object.as_str()).collect();
            said = format!(", but for what no archive carries and was made anew: {}", names.join(", "));
        }
        if !self.not_granted.is_empty() {
            said.push_str(&format!(
                ", but for rights that the server did not let us give again: {}",
                self.not_granted.join("; ")
            ));
        }
        if let Some(why) = &self.unguarded {
            said.push_str(&format!(
                ", but for what others may have written while triggers and events were made again, and has passed these ({why})"
            ));
        }
        said
    }

    /// A sentence more, where the backup that was put back is without something.
    pub(crate) fn without(&self) -> String {
        if self.left_out.is_empty() {
            return String::new();
        }
        format!(" It is without what was no part of that backup: {}.", self.left_out.join("; "))
    }
}

/// What a command did, for the screen, the log and `--json`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What kind of run it was.
    pub kind: RunKind,
    /// Its name, if one was begun.
    pub run: Option<String>,
    /// The database.
    pub database: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What the database is now, and how that is known.
    pub state: String,
    /// What to type next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// A run that somebody else had left open, and what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovered: Option<Box<Report>>,
    /// The backup that was made first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<ArchiveReport>,
    /// What came of the rehearsal, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rehearsal: Option<Box<Rehearsal>>,
    /// The migrations in the order in which they were run.
    pub migrations: Vec<RanMigration>,
    /// How many checks passed.
    pub checks: usize,
    /// After a rollback that ran something: whether it is known to have undone it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared: Option<Compared>,
    /// Why it is not known, or not of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncompared: Option<String>,
    /// How the schema differs after a rollback from what it was before what was taken back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_undone: Vec<String>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What was put in place of the database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored: Option<Restored>,
    /// When it began.
    pub began: DateTime<Utc>,
    /// How long it took.
    pub duration_ms: u64,
}

impl Report {
    pub(crate) fn new(kind: RunKind, database: String) -> Self {
        Self {
            kind,
            run: None,
            database,
            outcome: Outcome::Done,
            state: String::new(),
            hint: None,
            recovered: None,
            backup: None,
            rehearsal: None,
            migrations: Vec::new(),
            checks: 0,
            compared: None,
            uncompared: None,
            not_undone: Vec::new(),
            failure: None,
            restored: None,
            began: Utc::now(),
            duration_ms: 0,
        }
    }

    pub(crate) fn finished(mut self) -> Self {
        let took = Utc::now().signed_duration_since(self.began).num_milliseconds();
        self.duration_ms = u64::try_from(took).unwrap_or_default();
        self
    }
}
