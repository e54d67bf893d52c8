use std::sync::Arc;

use backup::Result;
use database::Schema;
use serde::Serialize;

use super::Scratch;
use crate::compare::{Difference, What, compare};
use crate::files::{Finding, Migration, Rollback, Rule};
use crate::placeholders::Variables;
use crate::plan::{MigrateOptions, RollbackOptions, Until, to_migrate};
use crate::run::Settings;

/// What came of one migration that was applied, taken back and applied again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "proof", rename_all = "kebab-case")]
pub enum Proof {
    /// Its rollback undoes it, and it can be applied again.
    Undone,
    /// It says that it has no rollback.
    Irreversible,
    /// It cannot be applied; what comes after it was not tried.
    Fails {
        /// What the server said.
        message: String,
    },
    /// Its rollback cannot be run.
    RollbackFails {
        /// What the server said.
        message: String,
    },
    /// After its rollback the schema is not what it was before.
    NotUndone {
        /// What differs from before.
        differences: Vec<Difference>,
    },
    /// After its rollback it cannot be applied again, or makes something else.
    NotAgain {
        /// What the server said, if it failed.
        message: Option<String>,
        /// What differs from the first time, or what the rollback has left that is in the way.
        differences: Vec<Difference>,
    },
}

/// One migration that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// Its number.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// What came of it.
    #[serde(flatten)]
    pub proof: Proof,
}

/// Applies every migration in a scratch database, takes it back and applies it again, and compares the schemas. A
/// migration whose rollback fails stays applied, so that the next ones can be tried; where a failure leaves half of it (on
/// MySQL, and without a transaction), it is the last one.
///
/// `settings` and `variables` are those of the target; `said` hears of each migration before it is tried.
///
/// # Errors
/// The scratch database cannot be used, or what the plan refuses.
pub async fn prove_rollbacks(
    scratch: &Scratch,
    migrations: &[Migration],
    settings: &Settings,
    variables: &Arc<dyn Variables>,
    said: &(dyn Fn(&Migration) + Sync),
) -> Result<Vec<Tried>> {
    let order = to_migrate(migrations, &[], &MigrateOptions::default())?.numbers();
    let mut tried = Vec::new();
    for number in order {
        let Some(file) = migrations.iter().find(|file| file.number == number) else { continue };
        said(file);
        let trial = Trial { scratch, migrations, settings, variables };
        let proof = Box::pin(trial.of(file)).await?;
        let is_applied = !matches!(proof, Proof::Fails { .. } | Proof::NotAgain { message: Some(_), .. });
        tried.push(Tried { number, name: file.name.clone(), proof });
        let runner = scratch.runner(settings, Arc::clone(variables));
        if !is_applied || runner.open_run().await?.is_some() {
            break;
        }
    }
    Ok(tried)
}

/// What one migration after the other is tried with.
struct Trial<'t> {
    scratch: &'t Scratch,
    migrations: &'t [Migration],
    settings: &'t Settings,
    variables: &'t Arc<dyn Variables>,
}

impl Trial<'_> {
    /// Up, down, up again: the schema is compared after the second and the third.
    async fn of(&self, file: &Migration) -> Result<Proof> {
        let engine = self.scratch.database().engine();
        let before = self.schema().await?;
        if let Some(message) = self.up().await? {
            return Ok(Proof::Fails { message });
        }
        if file.directives.irreversible.is_some() {
            return Ok(Proof::Irreversible);
        }
        let after = self.schema().await?;
        if let Some(message) = self.down().await? {
            return Ok(Proof::RollbackFails { message });
        }
        let left = compare(engine, &before, &self.schema().await?, What::Everything);
        let message = self.up().await?;
        if !left.is_empty() && message.is_none() {
            return Ok(Proof::NotUndone { differences: left });
        }
        let again = compare(engine, &after, &self.schema().await?, What::Everything);
        Ok(match message {
            None if again.is_empty() => Proof::Undone,
            None => Proof::NotAgain { message, differences: again },
            Some(_) => Proof::NotAgain { message, differences: left },
        })
    }

    async fn schema(&self) -> Result<Schema> {
        Ok(self.scratch.database().schema().await?)
    }

    /// Applies the next migration; what went wrong.
    async fn up(&self) -> Result<Option<String>> {
        let next = MigrateOptions { count: Some(1), out_of_order: true, ..MigrateOptions::default() };
        let runner = self.scratch.runner(self.settings, Arc::clone(self.variables));
        self.scratch.failure(&Box::pin(runner.migrate(self.migrations, &next)).await?)
    }

    /// Takes the last one back; what went wrong.
    async fn down(&self) -> Result<Option<String>> {
        let last = RollbackOptions { until: Until::Count(1), module: None };
        let runner = self.scratch.runner(self.settings, Arc::clone(self.variables));
        self.scratch.failure(&Box::pin(runner.rollback(self.migrations, &last)).await?)
    }
}

/// The findings that a list of tried migrations comes to.
pub fn findings(migrations: &[Migration], tried: &[Tried]) -> Vec<Finding> {
    let found = tried.iter().filter_map(|one| {
        let file = migrations.iter().find(|file| file.number == one.number)?;
        finding(file, &one.proof)
    });
    found.collect()
}

fn finding(file: &Migration, proof: &Proof) -> Option<Finding> {
    let label = file.label();
    let rollback = file.rollback.as_ref().map_or(file.source.path.as_path(), Rollback::path).to_owned();
    let (path, message, hint) = match proof {
        Proof::Undone | Proof::Irreversible => return None,
        Proof::Fails { message } => (
            file.source.path.clone(),
            format!("{label} cannot be applied to a new database: {message}"),
            "mend it; what comes after it was not tried".to_owned(),
        ),
        Proof::RollbackFails { message } => {
            (rollback, format!("the rollback of {label} fails: {message}"), "mend the rollback".to_owned())
        }
        Proof::NotUndone { differences } => (
            rollback,
            format!("the rollback of {label} does not undo it: {}", lines(differences)),
            "write what is missing into the rollback, or say `-- dbm: irreversible REASON` in the migration"
                .to_owned(),
        ),
        Proof::NotAgain { message: Some(message), differences } => (
            rollback,
            match differences.as_slice() {
                [] => format!("after its rollback {label} cannot be applied again: {message}"),
                left => format!(
                    "the rollback of {label} does not undo it: {}; so it cannot be applied again: {message}",
                    lines(left)
                ),
            },
            "let the rollback take everything back".to_owned(),
        ),
        Proof::NotAgain { message: None, differences } => (
            rollback,
            format!("applied again after its rollback, {label} makes something else: {}", lines(differences)),
            "let the rollback take everything back".to_owned(),
        ),
    };
    Some(Finding { rule: Rule::Rollback, path, line: None, message, hint })
}

/// The first few of them.
fn lines(differences: &[Difference]) -> String {
    let mut lines: Vec<String> = differences.iter().take(5).map(Difference::line).collect();
    if differences.len() > lines.len() {
        lines.push(format!("and {} more", differences.len() - lines.len()));
    }
    lines.join("; ")
}
