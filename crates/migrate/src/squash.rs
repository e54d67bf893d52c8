//! Old migrations, folded into one that makes the same of an empty database.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backup::{Error, ErrorKind, Result};
use database::{Database, ObjectId, Schema};
use serde::Serialize;

use crate::compare::{Difference, What, compare};
use crate::docs;
use crate::files::{Directives, Folder, Migration, Source};
use crate::history;
use crate::placeholders::{self, Variables};
use crate::plan::MigrateOptions;
use crate::run::{Outcome, Settings};
use crate::scratch::Scratch;

/// What a folder's first migrations become.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Squashed {
    /// The number up to which they are folded, and that of the new file.
    pub number: u64,
    /// The new file.
    pub path: PathBuf,
    /// The files that it stands for, with their rollbacks, and where each is moved.
    pub moved: Vec<(PathBuf, PathBuf)>,
    /// Its text.
    #[serde(skip)]
    pub text: String,
}

/// Makes the one file: runs the migrations up to `to` in a scratch database beside `on`, writes its schema down, and proves
/// that the text gives the same schema in another one. Changes no file.
///
/// # Errors
/// There is nothing to fold, a migration does not run from nothing, they leave rows, or the text does not give the same.
pub async fn squash(
    on: &Database,
    folder: &Folder,
    migrations: &[Migration],
    to: u64,
    settings: &Settings,
    variables: &Arc<dyn Variables>,
) -> Result<Squashed> {
    let folded: Vec<Migration> = migrations.iter().filter(|file| file.number <= to).cloned().collect();
    let Some(last) = folded.iter().find(|file| file.number == to) else {
        return Err(Error::new(ErrorKind::Usage, format!("there is no migration of the number {to:03}"))
            .with_hint("`dbm status` lists them"));
    };
    if folded.len() < 2 {
        return Err(Error::new(ErrorKind::Usage, format!("{} is one migration already", last.label()))
            .with_hint("fold up to a later one"));
    }
    let (schema, rows) = made(on, &folded, settings, variables).await?;
    if let Some((table, count)) = rows.first() {
        let others =
            if rows.len() > 1 { format!(" (and {} more tables)", rows.len() - 1) } else { String::new() };
        let what = format!(
            "the migrations up to {to:03} put rows into {table} ({count}){others}, which one schema does not have"
        );
        return Err(Error::new(ErrorKind::Refused, what).with_hint(
            "move the statements that make them into migrations/seeds/, in a migration of its own that new databases skip; or \
             fold up to the one before them",
        ));
    }
    let engine = on.engine();
    let sql = placeholders::escape(&backup::dump::definitions(engine, &schema, false)?);
    let text = format!(
        "-- What the migrations up to {to:03} make, for new databases.\n-- dbm: squashes\n-- dbm: irreversible it is where a \
         database begins\n\n{sql}"
    );
    let path = folder.migrations.join(format!("{to:03}_squashed.sql"));
    let one = Migration {
        number: to,
        name: "squashed".to_owned(),
        directives: Directives::parse(&text, &path)?,
        source: Source { path: path.clone(), text: text.clone() },
        rollback: None,
    };
    let (again, _) = made(on, &[one], settings, variables).await?;
    let differences = compare(engine, &schema, &again, What::Definitions);
    if !differences.is_empty() {
        let lines: Vec<String> = differences.iter().take(5).map(Difference::line).collect();
        let what = format!("one file does not give the same schema: {}", lines.join("; "));
        return Err(Error::new(ErrorKind::Refused, what)
            .with_hint("nothing was changed; keep the migrations as they are"));
    }
    let sources = folded.iter().flat_map(|file| std::iter::once(&file.source).chain(&file.rollback));
    let moved = sources.map(|source| (source.path.clone(), kept(&source.path))).collect();
    Ok(Squashed { number: to, path, moved, text })
}

/// What migrations make of an empty database, and the tables that have rows then.
async fn made(
    on: &Database,
    migrations: &[Migration],
    settings: &Settings,
    variables: &Arc<dyn Variables>,
) -> Result<(Schema, Vec<(ObjectId, u64)>)> {
    let scratch = Scratch::new(on).await?;
    let made = async {
        let runner = scratch.runner(settings, Arc::clone(variables));
        let report = Box::pin(runner.migrate(migrations, &MigrateOptions::default())).await?;
        if let Some(error) = scratch.too_few_rights(&report) {
            return Err(error);
        }
        if report.outcome != Outcome::Done {
            let failure = report.failure.map_or(report.state, |failure| {
                failure.migration.map_or(String::new(), |migration| migration + ": ") + &failure.message
            });
            let what = format!("the migrations do not run in a new database: {failure}");
            return Err(Error::new(ErrorKind::Refused, what)
                .with_hint("`dbm check --rollbacks` tries them one by one"));
        }
        let schema = docs::schema(scratch.database()).await?;
        let digests = scratch.database().digests().await?;
        let rows = digests.into_iter().filter(|(id, digest)| digest.rows > 0 && !history::is_own(id));
        Ok((schema, rows.map(|(id, digest)| (id, digest.rows)).collect()))
    };
    let made = made.await;
    scratch.discard().await?;
    made
}

/// Where a file that is folded is kept: in a folder of the same name as the new file, beside it.
fn kept(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    path.parent().unwrap_or(Path::new(".")).join("squashed").join(name)
}

/// Writes the file, and moves those that it stands for into folders `squashed`, where nothing reads them.
///
/// # Errors
/// A file is in the way, or cannot be written or moved; what was moved is moved back.
pub fn write(squashed: &Squashed) -> Result<()> {
    let failed = |what: &str, path: &Path, error| {
        Error::new(ErrorKind::Io, format!("cannot {what} {}", path.display())).with_source(error)
    };
    if let Some((_, to)) = squashed.moved.iter().find(|(_, to)| to.exists()) {
        return Err(Error::new(ErrorKind::Refused, format!("{} is there already", to.display()))
            .with_hint("move it out of the way first"));
    }
    let mut moved = Vec::new();
    let done = squashed.moved.iter().try_for_each(|(from, to)| {
        let folder = to.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|error| failed("make", folder, error))?;
        fs::rename(from, to).map_err(|error| failed("move", from, error))?;
        moved.push((from, to));
        Ok(())
    });
    let done = done.and_then(|()| {
        fs::write(&squashed.path, &squashed.text).map_err(|error| failed("write", &squashed.path, error))
    });
    if done.is_err() {
        for (from, to) in moved {
            let _back = fs::rename(to, from);
        }
    }
    done
}
