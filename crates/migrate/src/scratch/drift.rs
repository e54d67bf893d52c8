use std::path::PathBuf;
use std::sync::Arc;

use backup::Result;
use database::{Database, Schema};

use super::{Replay, Scratch};
use crate::compare::{Difference, Differs, What, compare};
use crate::files::{Directives, Migration, Repeat, RepeatedFile, Source};
use crate::history::{Records, Repeated};
use crate::placeholders::{self, Variables};
use crate::plan::MigrateOptions;
use crate::run::{Outcome, Settings};
use crate::{engine, history};

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
    // As they were last run, whatever the folder has by now.
    let repeatables = repeated.into_iter().filter(|row| row.kind == Repeat::Repeatable);
    let (current, due): (Vec<_>, Vec<_>) = repeatables.partition(Repeated::is_current);
    let repeatables = current.into_iter().map(as_it_was).collect::<Result<_>>()?;
    let mut replay = Replay::new(scratch, migrations, settings, variables);
    replay.run(&history, repeatables).await?;
    let (expected, found) = (engine::schema(scratch.database()).await?, engine::schema(target).await?);
    let mut differences = compare(target.engine(), &expected, &found, What::Definitions);
    if engine::rewords(target.engine()) && differences.iter().any(is_changed) {
        // What came out of a dump is shown in other words: both are made once more of what is shown.
        let expected = made_again(scratch, &expected, settings, variables).await?;
        let found = made_again(scratch, &found, settings, variables).await?;
        if let (Some(expected), Some(found)) = (expected, found) {
            let again = compare(target.engine(), &expected, &found, What::Definitions);
            differences
                .retain(|one| !is_changed(one) || again.iter().any(|other| other.object == one.object));
        }
    }
    if differences.is_empty() || due.is_empty() {
        return Ok(differences);
    }
    // What a rollback has left of these may still be there, as they made it, until they are made again.
    for row in due {
        replay.make(as_it_was(row)?).await?;
    }
    let with = engine::schema(scratch.database()).await?;
    let with = compare(target.engine(), &with, &found, What::Definitions);
    differences.retain(|one| with.iter().any(|other| other.object == one.object));
    Ok(differences)
}

fn is_changed(difference: &Difference) -> bool {
    difference.differs == Differs::Changed
}

/// What a schema is once it is made of what the server shows of it; none where that cannot be.
async fn made_again(
    scratch: &Scratch,
    schema: &Schema,
    settings: &Settings,
    variables: &Arc<dyn Variables>,
) -> Result<Option<Schema>> {
    let mut schema = schema.clone();
    schema.objects.retain(|object| !history::is_own(&object.id));
    let Ok(text) = backup::dump::definitions(scratch.database().engine(), &schema, false) else {
        return Ok(None);
    };
    let text = placeholders::escape(&text);
    let path = PathBuf::from("what is there");
    let file = Migration {
        number: 1,
        name: String::new(),
        directives: Directives::parse(&text, &path)?,
        source: Source { path, text },
        rollback: None,
    };
    let another = scratch.another().await?;
    let runner = another.runner(settings, Arc::clone(variables));
    let made = match Box::pin(runner.migrate(&[file], &MigrateOptions::default())).await {
        Ok(report) if report.outcome == Outcome::Done => Some(another.database().schema().await),
        _ => None,
    };
    another.discard().await?;
    Ok(made.transpose()?)
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

fn as_it_was(row: Repeated) -> Result<RepeatedFile> {
    let path = PathBuf::from(format!("{} (kept in the history)", row.kind.label(&row.name)));
    let directives = Directives::parse(&row.text, &path)?;
    Ok(RepeatedFile { kind: row.kind, name: row.name, directives, source: Source { path, text: row.text } })
}
