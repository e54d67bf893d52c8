//! Projects of other migration tools: their files become dbm's, and what they have applied counts as applied.
//!
//! One file per tool says how its files are named and read, and which table it keeps. Nothing of theirs is changed, neither
//! files nor tables.

mod alembic;
mod atlas;
mod dbmate;
mod diesel;
mod flyway;
mod golang_migrate;
mod goose;
mod liquibase;
mod prisma;
mod reading;
mod refinery;
mod script;
mod sqlx;
mod table;
#[cfg(test)]
mod tests;
mod write;
mod yoyo;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use backup::{Error, ErrorKind, Result};
use database::{Engine, Session};
use serde::Serialize;

use crate::files::{Folder, Migration, RepeatedFile};
use crate::history::{Change, Recorded, RecordedRepeated, Records};

/// A tool whose projects can be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tool {
    /// Alembic, as the SQL that its `--sql` mode writes.
    Alembic,
    /// Atlas.
    Atlas,
    /// dbmate.
    Dbmate,
    /// Diesel.
    Diesel,
    /// Flyway.
    Flyway,
    /// golang-migrate.
    GolangMigrate,
    /// goose.
    Goose,
    /// Liquibase, as formatted SQL.
    Liquibase,
    /// Prisma Migrate.
    Prisma,
    /// refinery.
    Refinery,
    /// sqlx.
    Sqlx,
    /// yoyo, as SQL.
    Yoyo,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Alembic,
        Self::Atlas,
        Self::Dbmate,
        Self::Diesel,
        Self::Flyway,
        Self::GolangMigrate,
        Self::Goose,
        Self::Liquibase,
        Self::Prisma,
        Self::Refinery,
        Self::Sqlx,
        Self::Yoyo,
    ];

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Alembic => "alembic",
            Self::Atlas => "atlas",
            Self::Dbmate => "dbmate",
            Self::Diesel => "diesel",
            Self::Flyway => "flyway",
            Self::GolangMigrate => "golang-migrate",
            Self::Goose => "goose",
            Self::Liquibase => "liquibase",
            Self::Prisma => "prisma",
            Self::Refinery => "refinery",
            Self::Sqlx => "sqlx",
            Self::Yoyo => "yoyo",
        }
    }

    /// Whether it reads the folders in its folder too.
    pub fn reads_below(self) -> bool {
        matches!(self, Self::Flyway | Self::Liquibase | Self::Refinery)
    }

    fn read(self, engine: Engine, folder: &Path) -> Result<Project> {
        match self {
            Self::Alembic => alembic::read(engine, folder),
            Self::Atlas => atlas::read(engine, folder),
            Self::Dbmate => dbmate::read(engine, folder),
            Self::Diesel => diesel::read(engine, folder),
            Self::Flyway => flyway::read(engine, folder),
            Self::GolangMigrate => golang_migrate::read(engine, folder),
            Self::Goose => goose::read(engine, folder),
            Self::Liquibase => liquibase::read(engine, folder),
            Self::Prisma => prisma::read(engine, folder),
            Self::Refinery => refinery::read(engine, folder),
            Self::Sqlx => sqlx::read(engine, folder),
            Self::Yoyo => yoyo::read(engine, folder),
        }
    }

    fn table(self) -> table::Table {
        match self {
            Self::Alembic => alembic::TABLE,
            Self::Atlas => atlas::TABLE,
            Self::Dbmate => dbmate::TABLE,
            Self::Diesel => diesel::TABLE,
            Self::Flyway => flyway::TABLE,
            Self::GolangMigrate => golang_migrate::TABLE,
            Self::Goose => goose::TABLE,
            Self::Liquibase => liquibase::TABLE,
            Self::Prisma => prisma::TABLE,
            Self::Refinery => refinery::TABLE,
            Self::Sqlx => sqlx::TABLE,
            Self::Yoyo => yoyo::TABLE,
        }
    }
}

/// One migration of another tool, in the words that all of them share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Found {
    /// What its history calls it.
    version: String,
    /// What it does.
    name: String,
    /// What is run, as the engine's native client takes it.
    up: String,
    /// What takes it back, if there is anything.
    down: Option<String>,
    /// It is not run in a transaction.
    no_transaction: bool,
    /// What its history says where it was last run with this text, if it runs again when that changes.
    ran: Option<String>,
}

/// What a folder of another tool holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Project {
    /// In the order in which the tool applies them.
    migrations: Vec<Found>,
    /// Those that run again when they change.
    repeatables: Vec<Found>,
    /// `${name}` means to it what it means to dbm.
    placeholders: bool,
    /// What each migration comes after, where the tool says so; otherwise the one before it.
    parents: BTreeMap<String, Vec<String>>,
    /// The file that each version is of, where the tool's history says that too.
    files: BTreeMap<String, String>,
    /// What is not taken over.
    notes: Vec<String>,
}

/// What the history of another tool says.
#[derive(Clone, Debug)]
enum Applied {
    /// Nothing: it has no table.
    None,
    /// These, and what is not after one of `below`.
    Each { versions: Vec<String>, below: Vec<String>, order: fn(&str, &str) -> Ordering },
    /// These and what comes before them.
    UpTo(Vec<String>),
}

/// One file to be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Adopted {
    /// Where.
    pub path: PathBuf,
    /// What its tool calls it; none for a rollback.
    pub from: Option<String>,
    /// Whether its tool has applied it.
    pub applied: bool,
    /// The text.
    #[serde(skip)]
    pub text: String,
    /// The number that it has here; none for one that runs again.
    #[serde(skip)]
    number: Option<u64>,
}

/// What a project becomes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Adoption {
    /// Whose project it is.
    pub tool: Tool,
    /// The files, in their order, each migration before its rollback.
    pub files: Vec<Adopted>,
    /// What is not taken over, or to be looked at.
    pub notes: Vec<String>,
}

/// Reads a project of another tool and its history in the database, and says what it becomes. Changes nothing.
///
/// `table`: the name of the tool's table, where it is not the usual one. `nothing_applied`: it need not be there.
///
/// # Errors
/// The folder has no project of that tool, a file cannot be told what it is, the history does not fit it, or says that a
/// migration has failed half-way.
pub async fn plan(
    tool: Tool,
    from: &Path,
    table: Option<&str>,
    nothing_applied: bool,
    to: &Folder,
    session: &mut dyn Session,
) -> Result<Adoption> {
    let project = tool.read(session.engine(), from)?;
    if project.migrations.is_empty() && project.repeatables.is_empty() {
        let what = format!("{} has no migration of {}", from.display(), tool.word());
        return Err(Error::new(ErrorKind::Usage, what).with_hint("name the folder that its files are in"));
    }
    let mut known = BTreeSet::new();
    for found in
        project.migrations.iter().chain(&project.repeatables).filter(|found| !found.version.is_empty())
    {
        if !known.insert(&found.version) {
            let what = format!("two migrations of {} have the version `{}`", tool.word(), found.version);
            return Err(Error::new(ErrorKind::Refused, what)
                .with_hint("take one out, or give it a version of its own"));
        }
    }
    let (applied, again) = tool.table().read(session, &project, table, nothing_applied).await?;
    let applied = applied.of(&project, tool)?;
    let adoption = write::adoption(tool, project, &applied, &again, to);
    let mut paths = BTreeSet::new();
    match adoption.files.iter().find(|file| !paths.insert(&file.path)) {
        None => Ok(adoption),
        Some(file) => {
            let what = format!("two files of {} would become {}", tool.word(), file.path.display());
            Err(Error::new(ErrorKind::Refused, what).with_hint("give one of them another name"))
        }
    }
}

/// Whether the history has room for what is applied: the same check as that of [`changes`], before a file is written.
///
/// # Errors
/// The history has rows already that are not adopted.
pub fn fits(adoption: &Adoption, records: &Records) -> Result<()> {
    let is_adopted =
        |number: u64| adoption.files.iter().any(|made| made.applied && made.number == Some(number));
    let Some(row) = records.applied.iter().find(|row| !is_adopted(row.number)) else { return Ok(()) };
    let what = format!(
        "the history has {} already, which is not adopted",
        crate::files::label(row.number, &row.name)
    );
    Err(Error::new(ErrorKind::Refused, what)
        .with_hint("`dbm status` shows what is applied; a database is adopted before anything else"))
}

/// Writes the files. Those that are there already with the same text stay; nothing is written over, and nothing is written
/// where one of them cannot be.
///
/// # Errors
/// One is there with another text, another file has its number, or it cannot be written; what was written is removed.
pub fn write(adoption: &Adoption) -> Result<()> {
    write::write(adoption)
}

/// The rows that say of what is applied that it is there and was not made by dbm.
///
/// # Errors
/// The history has rows already.
pub fn changes(
    adoption: &Adoption,
    migrations: &[Migration],
    repeatables: &[RepeatedFile],
    records: &Records,
) -> Result<Vec<Change>> {
    fits(adoption, records)?;
    let is_adopted = |file: &&Migration| {
        adoption.files.iter().any(|made| made.applied && made.number == Some(file.number))
            && !records.applied.iter().any(|row| row.number == file.number)
    };
    let was_run = |file: &&RepeatedFile| {
        adoption.files.iter().any(|made| made.applied && made.path == file.source.path)
            && !records.repeated.iter().any(|row| row.kind == file.kind && row.name == file.name)
    };
    let numbered = migrations.iter().filter(is_adopted).map(|file| Ok(Change::Record(Recorded::of(file)?)));
    let again = repeatables.iter().filter(was_run);
    numbered.chain(again.map(|file| Ok(Change::RecordRepeated(RecordedRepeated::of(file))))).collect()
}
