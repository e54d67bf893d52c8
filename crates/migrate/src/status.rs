//! What `status` and `check` show.

use std::path::PathBuf;

use backup::{Error, ErrorKind, Result};
use database::{Engine, ObjectId, Session, quote};
use serde::Serialize;

use crate::engine;
use crate::files::{
    Finding, Folder, Migration, Repeat, RepeatedFile, Rule, branched, survey, survey_repeated,
};
use crate::history::{self, Applied};
use crate::journal::Told;
use crate::lint::lint;
use crate::plan::{MigrateOptions, changed, drifted, late, to_migrate};

/// A migration of the folder that is not applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pending {
    /// Its number.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// Its module.
    pub module: Option<String>,
    /// Its file.
    pub path: PathBuf,
}

/// A run that is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenRun {
    /// Its name.
    pub run: String,
    /// What kind of run it is.
    pub kind: &'static str,
    /// By whom it was begun.
    pub by: String,
    /// From which host.
    pub host: String,
    /// When, in RFC 3339.
    pub began: String,
    /// Its backup, if it has made one.
    pub backup: Option<String>,
}

impl OpenRun {
    fn of(told: &Told) -> Self {
        Self {
            run: told.run.clone(),
            kind: told.begun.kind.word(),
            by: told.begun.by.clone(),
            host: told.begun.host.clone(),
            began: told.at.to_rfc3339(),
            backup: told.backup().map(|archive| archive.name.clone()),
        }
    }
}

/// How far a module is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModuleStatus {
    /// Its name; none for the migrations that belong to no module.
    pub module: Option<String>,
    /// How many of its migrations are applied.
    pub applied: usize,
    /// How many are pending.
    pub pending: usize,
}

/// A table and its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableRows {
    /// The table.
    pub table: ObjectId,
    /// How many rows it holds.
    pub rows: u64,
}

/// A file without a number, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepeatedStatus {
    /// Which kind.
    pub kind: Repeat,
    /// Its name.
    pub name: String,
    /// Its module.
    pub module: Option<String>,
    /// Whether it was run as it is.
    pub state: RepeatedState,
    /// When it was last run.
    pub applied_at: Option<String>,
}

/// Whether a file without a number was run as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RepeatedState {
    /// It was never run.
    Pending,
    /// It was run as it is.
    Applied,
    /// It was run with another text.
    Changed,
    /// It was run, and its file is gone; what it made stays.
    Gone,
}

impl RepeatedStatus {
    /// What is wrong with it: its file is gone from the folder.
    pub fn finding(&self, folder: &Folder) -> Option<Finding> {
        let label = self.kind.label(&self.name);
        let since = self.applied_at.as_ref().filter(|_| self.state == RepeatedState::Gone)?;
        Some(Finding {
            rule: Rule::Gone,
            line: None,
            path: folder.migrations.join(format!("{label}.sql")),
            message: format!("{label} was run (on {since}), and its file is gone"),
            hint: self.ways().join("; or "),
        })
    }

    /// What can be done about one that is gone, the safest first.
    pub fn ways(&self) -> [String; 2] {
        let label = self.kind.label(&self.name);
        [
            format!("bring {label}.sql back from version control"),
            format!(
                "`dbm repair --forget {label}` removes its row; what it made stays, unless a migration drops it"
            ),
        ]
    }
}

impl RepeatedState {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Applied => "applied",
            Self::Changed => "changed",
            Self::Gone => "gone",
        }
    }
}

/// What is applied where.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The applied migrations in the order of their application.
    pub applied: Vec<Applied>,
    /// The pending ones in the order in which they would be applied.
    pub pending: Vec<Pending>,
    /// Each module with its counts.
    pub modules: Vec<ModuleStatus>,
    /// A run that somebody is at, or was killed at.
    pub open: Option<OpenRun>,
    /// What does not fit between files and history.
    pub findings: Vec<Finding>,
}

/// Reads history and journal, and holds them against the folder. Changes nothing.
///
/// # Errors
/// The database cannot be read.
pub async fn status(session: &mut dyn Session, migrations: &[Migration]) -> Result<Status> {
    let applied = history::read(session).await?;
    let open = Told::read(&session.entries().await?)?.filter(|told| told.ending().is_none());
    let waiting: Vec<&Migration> =
        migrations.iter().filter(|file| !applied.iter().any(|row| row.number == file.number)).collect();
    let mut findings = drifted(migrations, &applied);
    findings.extend(late(migrations, &waiting, &applied));
    // Their order counts only where they could be applied at all.
    let anyhow = MigrateOptions { out_of_order: true, ..MigrateOptions::default() };
    let order =
        to_migrate(migrations, &applied, &anyhow).map(|selection| selection.numbers()).unwrap_or_default();
    let place = |number: u64| order.iter().position(|other| *other == number).unwrap_or(usize::MAX);
    let mut pending: Vec<Pending> = waiting
        .iter()
        .map(|file| Pending {
            number: file.number,
            name: file.name.clone(),
            module: file.directives.module.clone(),
            path: file.source.path.clone(),
        })
        .collect();
    pending.sort_by_key(|file| (place(file.number), file.number));
    let modules = modules(&applied, &pending);
    Ok(Status { applied, pending, modules, open: open.as_ref().map(OpenRun::of), findings })
}

fn modules(applied: &[Applied], pending: &[Pending]) -> Vec<ModuleStatus> {
    let names = applied.iter().map(|row| &row.module).chain(pending.iter().map(|file| &file.module));
    let names: std::collections::BTreeSet<&Option<String>> = names.collect();
    let count = |module: &Option<String>| ModuleStatus {
        module: module.clone(),
        applied: applied.iter().filter(|row| row.module == *module).count(),
        pending: pending.iter().filter(|file| file.module == *module).count(),
    };
    names.into_iter().map(count).collect()
}

/// Holds the files without a number against the history. Changes nothing.
///
/// # Errors
/// The database cannot be read.
pub async fn repeated(session: &mut dyn Session, files: &[RepeatedFile]) -> Result<Vec<RepeatedStatus>> {
    let rows = history::read_repeated(session).await?;
    let row_of = |file: &RepeatedFile| rows.iter().find(|row| row.kind == file.kind && row.name == file.name);
    let is_changed: Vec<&RepeatedFile> = changed(files, &rows).collect();
    let mut found: Vec<RepeatedStatus> = files
        .iter()
        .map(|file| RepeatedStatus {
            kind: file.kind,
            name: file.name.clone(),
            module: file.directives.module.clone(),
            state: match row_of(file) {
                None => RepeatedState::Pending,
                Some(_) if is_changed.contains(&file) => RepeatedState::Changed,
                Some(_) => RepeatedState::Applied,
            },
            applied_at: row_of(file).map(|row| row.applied_at.clone()),
        })
        .collect();
    found.extend(history::gone(files, &rows).map(|row| RepeatedStatus {
        kind: row.kind,
        name: row.name.clone(),
        module: row.module.clone(),
        state: RepeatedState::Gone,
        applied_at: Some(row.applied_at.clone()),
    }));
    found.sort_by(|one, other| (one.kind, &one.name).cmp(&(other.kind, &other.name)));
    Ok(found)
}

/// Whose statements `check` judges, and by whose rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// By this engine's rules; without one and without a database, no statement is judged.
    pub engine: Option<Engine>,
    /// The server's version, where it is known.
    pub version: Option<String>,
    /// Only from this number on.
    pub from: u64,
}

/// Everything that is wrong with the files, and, where a database is given, between them and its history. Of a database,
/// only what is pending has its statements judged: what is applied can no longer be written otherwise.
///
/// # Errors
/// The folder or the database cannot be read.
pub async fn check(
    folder: &Folder,
    session: Option<&mut dyn Session>,
    judged: &Judged,
) -> Result<(Vec<Migration>, Vec<Finding>)> {
    let (migrations, mut findings) = survey(folder)?;
    findings.extend(branched(&migrations));
    let mut files = Vec::new();
    for kind in [Repeat::Repeatable, Repeat::Seed] {
        let (read, wrong) = survey_repeated(folder, kind)?;
        files.extend(read);
        findings.extend(wrong);
    }
    let mut engine = judged.engine;
    let (mut applied, mut rows) = (Vec::new(), Vec::new());
    if let Some(session) = session {
        engine = Some(session.engine());
        rows = history::read_repeated(session).await?;
        let repeated = repeated(session, &files).await?;
        findings.extend(repeated.iter().filter_map(|file| file.finding(folder)));
        let status = status(session, &migrations).await?;
        findings.extend(status.findings);
        applied = status.applied;
    }
    if let Some(engine) = engine {
        let open = migrations.iter().filter(|file| {
            file.number >= judged.from && !applied.iter().any(|row| row.number == file.number)
        });
        findings.extend(open.flat_map(|file| lint(engine, judged.version.as_deref(), file)));
        for file in changed(&files, &rows) {
            let file = Migration {
                number: 0,
                name: file.name.clone(),
                directives: file.directives.clone(),
                source: file.source.clone(),
                rollback: None,
            };
            findings.extend(lint(engine, judged.version.as_deref(), &file));
        }
    }
    Ok((migrations, findings))
}

/// Counts the rows of tables, one after the other.
///
/// # Errors
/// One cannot be read.
pub async fn tables(
    session: &mut dyn Session,
    tables: impl IntoIterator<Item = ObjectId>,
) -> Result<Vec<TableRows>> {
    let mut counted = Vec::new();
    for table in tables {
        let rows = count(session, &table).await?;
        counted.push(TableRows { table, rows });
    }
    Ok(counted)
}

/// Counts the rows of one table, without those of its heirs.
pub(crate) async fn count(session: &mut dyn Session, table: &ObjectId) -> Result<u64> {
    let name = quote::qualified(session.engine(), &[&table.namespace, &table.name]);
    let only = engine::only(session.engine(), table.kind);
    let rows = session.own(&format!("SELECT count(*) FROM {only}{name}")).await?;
    let first = rows.into_iter().next().and_then(|row| row.into_iter().next().flatten());
    first.and_then(|count| count.parse().ok()).ok_or_else(|| {
        Error::new(ErrorKind::Internal, format!("the server does not say how many rows {table} has"))
    })
}

/// Where the database is: the applied migration of the highest number, whenever it was applied.
pub fn current(applied: &[Applied]) -> Option<&Applied> {
    applied.iter().max_by_key(|row| row.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_named_where_it_was() {
        let folder = Folder { migrations: "/shop/migrations".into(), rollback: "/shop/rollback".into() };
        let gone = RepeatedStatus {
            kind: Repeat::Seed,
            name: "products".to_owned(),
            module: None,
            state: RepeatedState::Gone,
            applied_at: Some("today".to_owned()),
        };
        let finding = gone.finding(&folder).unwrap();
        assert_eq!(finding.path, PathBuf::from("/shop/migrations/seeds/products.sql"));
    }
}
