use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use backup::{Error, ErrorKind, Result};
use database::script::{self, Lexeme, LexemeKind};
use database::{Database, Engine};

use super::Scratch;
use crate::compare::{Difference, What, compare};
use crate::files::{Directives, Migration, Repeat, RepeatedFile, Source};
use crate::history::{Records, Repeated};
use crate::placeholders::Variables;
use crate::plan::{MigrateOptions, drifted};
use crate::run::{Outcome, Settings};

/// Runs what is applied in the target in a scratch database, and says how the target's schema differs from what that
/// gives: what was changed by hand. Owners and privileges are those of the accounts, and are not compared.
///
/// # Errors
/// History and folder do not fit, a migration cannot be run from nothing, or one of the two cannot be read.
pub async fn drift(
    target: &Database,
    scratch: &Scratch,
    migrations: &[Migration],
    settings: &Settings,
    variables: &Arc<dyn Variables>,
) -> Result<Vec<Difference>> {
    let Records { applied: history, repeated, .. } = Records::read(&mut *target.session().await?).await?;
    if let Some(finding) = drifted(migrations, &history).into_iter().next() {
        return Err(finding.into());
    }
    let applied = |file: &&Migration| history.iter().any(|row| row.number == file.number);
    let applied: Vec<Migration> = migrations.iter().filter(applied).cloned().collect();
    // As they were last run, whatever the folder has by now.
    let repeatables = repeated.into_iter().filter(|row| row.kind == Repeat::Repeatable);
    let (current, due): (Vec<_>, Vec<_>) = repeatables.partition(Repeated::is_current);
    let repeatables = current.into_iter().map(as_it_was).collect::<Result<_>>()?;
    let all = MigrateOptions { repeatables, ..MigrateOptions::default() };
    let runner = scratch.runner(settings, Arc::clone(variables));
    let report = Box::pin(runner.migrate(&applied, &all)).await?;
    if let Some(error) = scratch.too_few_rights(&report) {
        return Err(error);
    }
    if report.outcome != Outcome::Done {
        let failure = report.failure.map_or(report.state, |failure| {
            failure.migration.map_or(String::new(), |migration| migration + ": ") + &failure.message
        });
        return Err(Error::new(
            ErrorKind::Refused,
            format!("the migrations do not run in a new database: {failure}"),
        )
        .with_hint("`dbm check --rollbacks` tries them one by one"));
    }
    let (expected, found) = (scratch.database().schema().await?, target.schema().await?);
    let mut differences = compare(target.engine(), &expected, &found, What::Definitions);
    if differences.is_empty() || due.is_empty() {
        return Ok(differences);
    }
    // What a rollback has left of these may still be there, as they made it, until they are made again.
    for row in due {
        let again = MigrateOptions { repeatables: vec![as_it_was(row)?], ..MigrateOptions::default() };
        // One that cannot be made any more has left nothing.
        let _made = Box::pin(runner.migrate(&applied, &again)).await?;
    }
    let with = compare(target.engine(), &scratch.database().schema().await?, &found, What::Definitions);
    differences.retain(|one| with.iter().any(|other| other.object == one.object));
    Ok(differences)
}

/// What runs after the numbered migrations, as it was last run in a database.
///
/// # Errors
/// The history cannot be read.
pub async fn repeatables_as_run(target: &Database) -> Result<Vec<RepeatedFile>> {
    let records = Records::read(&mut *target.session().await?).await?;
    let repeatables = records.repeated.into_iter().filter(|row| row.kind == Repeat::Repeatable);
    repeatables.filter(Repeated::is_current).map(as_it_was).collect()
}

/// The words of a statement whose strings may be run: bodies of routines, and SQL that is put together.
const RUNS_TEXT: &[&str] = &["DO", "FUNCTION", "PROCEDURE", "EXECUTE", "PREPARE"];

/// Those of the differences whose objects, or the tables that these are of, are named in a text.
pub fn touched(engine: Engine, differences: Vec<Difference>, texts: &[&str]) -> Vec<Difference> {
    let (mut names, mut schemas) = (BTreeSet::new(), BTreeSet::new());
    for text in texts {
        // One that cannot be cut is told when it is to be run.
        for statement in script::split(engine, text).unwrap_or_default() {
            let lexemes = script::lexemes(engine, statement.text).unwrap_or_default();
            let mut own: BTreeSet<String> =
                lexemes.iter().filter_map(Lexeme::identifier).map(|name| name.to_lowercase()).collect();
            let runs = |lexeme: &Lexeme<'_>| RUNS_TEXT.iter().any(|word| lexeme.is(word));
            let all = lexemes.iter().any(runs);
            let bodies = lexemes
                .iter()
                .filter(|lexeme| lexeme.kind == LexemeKind::Text && (all || lexeme.text.starts_with('$')));
            for body in bodies {
                let words = body.text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
                own.extend(words.map(str::to_lowercase));
            }
            // What drops a schema, or renames it, reaches all that is in it without naming it.
            if own.contains("schema") && (own.contains("drop") || own.contains("alter")) {
                schemas.extend(own.iter().cloned());
            }
            names.extend(own);
        }
    }
    let is_named = |name: &str| {
        // Of a routine, its arguments are no part of the name.
        let bare = name.split('(').next().unwrap_or(name).to_lowercase();
        !bare.is_empty() && names.contains(&bare)
    };
    let touches = |one: &Difference| {
        is_named(&one.object.name)
            || is_named(&one.object.of)
            || schemas.contains(&one.object.namespace.to_lowercase())
    };
    differences.into_iter().filter(touches).collect()
}

fn as_it_was(row: Repeated) -> Result<RepeatedFile> {
    let path = PathBuf::from(format!("{} (kept in the history)", row.kind.label(&row.name)));
    let directives = Directives::parse(&row.text, &path)?;
    Ok(RepeatedFile { kind: row.kind, name: row.name, directives, source: Source { path, text: row.text } })
}

#[cfg(test)]
mod tests {
    use database::{Kind, ObjectId};

    use super::*;
    use crate::compare::Differs;

    #[test]
    fn what_a_migration_names_is_touched() {
        let difference = |of: &str, name: &str| Difference {
            object: ObjectId {
                kind: Kind::Index,
                namespace: "public".into(),
                of: of.into(),
                name: name.into(),
            },
            differs: Differs::Added,
            before: None,
            after: None,
        };
        let all =
            || vec![difference("Item", "by_hand"), difference("", "f(integer)"), difference("other", "x")];
        let texts = ["ALTER TABLE item ADD COLUMN a int; -- other", "SELECT f(1), 'other'"];
        let names: Vec<String> =
            touched(Engine::Postgres, all(), &texts).into_iter().map(|one| one.object.name).collect();
        assert_eq!(names, ["by_hand", "f(integer)"]);
        let count = |text: &str| touched(Engine::Postgres, all(), &[text]).len();
        assert_eq!(count("DO $x$ BEGIN EXECUTE 'ALTER TABLE other ADD a int'; END $x$"), 1);
        assert_eq!(count("CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT a FROM item'"), 1);
        assert_eq!(count("DROP SCHEMA public CASCADE"), 3);
        assert_eq!(count("DO $$ BEGIN DROP SCHEMA public CASCADE; END $$"), 3);
        assert_eq!(count("CREATE TABLE public.more (a int)"), 0);
    }
}
