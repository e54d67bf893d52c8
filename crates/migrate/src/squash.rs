//! Old migrations, folded into one that makes the same of an empty database.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backup::{Error, ErrorKind, Result};
use database::{Counter, Database, Engine, Kind, ObjectId, Schema, quote};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::compare::{Difference, What, compare};
use crate::files::{Directives, Folder, Migration, Rollback, Rule, SQUASHED, Source, survey, write_beside};
use crate::history::Applied;
use crate::placeholders::{self, Configured, Variables};
use crate::plan::{MigrateOptions, drifted};
use crate::run::{Outcome, Settings};
use crate::scratch::Scratch;
use crate::{docs, engine, history};

/// What a folder's first migrations become.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Squashed {
    /// The number up to which they are folded, and that of the new file.
    pub number: u64,
    /// The new file.
    pub path: PathBuf,
    /// The files that it stands for, with their rollbacks, and where each is moved.
    pub moved: Vec<(PathBuf, PathBuf)>,
    /// Its text; none where the file is there, and only what it stands for is left to be moved.
    #[serde(skip)]
    pub text: Option<String>,
}

/// Where migrations are folded, and with what.
pub struct Squasher<'s> {
    /// A database on the server where scratch databases are made.
    pub on: &'s Database,
    /// A database that has them applied.
    pub applied_in: Option<&'s Database>,
    /// The target's settings.
    pub settings: &'s Settings,
    /// Where placeholders get their values.
    pub variables: Arc<dyn Variables>,
    /// Stops it; what was made for it is removed.
    pub cancel: CancellationToken,
}

impl Squasher<'_> {
    /// Makes the one file: runs the migrations up to `to` in a scratch database, writes down what they make, and proves that
    /// the text makes the same of another one. Changes no file.
    ///
    /// # Errors
    /// A text was changed after it was applied, a part of them is applied and the others are not, there is nothing to fold, a
    /// migration does not run from nothing or has what one text cannot have, or the text does not make the same.
    pub async fn squash(&self, folder: &Folder, migrations: &[Migration], to: u64) -> Result<Squashed> {
        let (on, settings) = (self.on, self.settings);
        let folded: Vec<Migration> = migrations.iter().filter(|file| file.number <= to).cloned().collect();
        let (Some(first), Some(last)) = (folded.first(), folded.iter().find(|file| file.number == to)) else {
            return Err(Error::new(ErrorKind::Usage, format!("there is no migration of the number {to:03}"))
                .with_hint("`dbm status` lists them"));
        };
        if folded.len() == 1 {
            return finish(folder, last);
        }
        if let Some(target) = self.applied_in {
            let history = history::read(&mut *target.session().await?).await?;
            if let Some(finding) = drifted(migrations, &history).into_iter().next() {
                return Err(finding.into());
            }
            whole(&folded, &history)?;
        }
        let module = &first.directives.module;
        for file in &folded {
            check(file, on.engine(), &settings.placeholders)?;
            if file.directives.module != *module {
                let what = format!("{} and {} are of different modules", first.label(), file.label());
                return Err(Error::new(ErrorKind::Refused, what).with_hint("one file belongs to one module"));
            }
        }
        let made = self.made(&folded).await?;
        if let Some((table, count)) = made.rows.first() {
            let others = match made.rows.len() - 1 {
                0 => String::new(),
                more => format!(" (and into {more} more tables)"),
            };
            let what = format!(
                "the migrations up to {to:03} put {count} rows into {table}{others}, which the one file would not"
            );
            return Err(Error::new(ErrorKind::Refused, what).with_hint(
            "move the statements that make them into migrations/seeds/, or fold up to the migration before them",
        ));
        }
        let begins = first.directives.squashes.unwrap_or(first.number);
        let module = module.as_ref().map_or_else(String::new, |module| format!("-- dbm: module {module}\n"));
        let sql = placeholders::escape(&made.script(on.engine())?);
        let filled = filled(&folded, on.engine(), &settings.placeholders);
        let (left_out, guards) = guards(&folded);
        let text = format!(
            "-- What the migrations up to {to:03} make, for new databases.\n{filled}{left_out}-- dbm: squashes {begins:03}\n{module}{guards}\
         -- dbm: irreversible it is where a database begins\n\n{sql}"
        );
        let path = folder.migrations.join(format!("{to:03}_{SQUASHED}.sql"));
        let one = Migration {
            number: to,
            name: SQUASHED.to_owned(),
            directives: Directives::parse(&text, &path)?,
            source: Source { path: path.clone(), text: text.clone() },
            rollback: None,
        };
        let again = self.made(&[one]).await?;
        let differences = made.differences(&again, on.engine());
        if !differences.is_empty() {
            let what = format!("one file does not make the same: {}", differences.join("; "));
            return Err(Error::new(ErrorKind::Refused, what)
                .with_hint("nothing was changed; keep the migrations as they are, or fold fewer of them"));
        }
        let paths = folded.iter().flat_map(|file| {
            let rollback = file.rollback.as_ref().map(Rollback::path);
            std::iter::once(file.source.path.as_path()).chain(rollback)
        });
        let moved = paths.map(|path| (path.to_owned(), kept(path))).collect();
        Ok(Squashed { number: to, path, moved, text: Some(text) })
    }

    /// What they make of a new scratch database, which is gone after it, whatever comes of it.
    async fn made(&self, migrations: &[Migration]) -> Result<Made> {
        let scratch = Scratch::new(self.on).await?;
        let made = tokio::select! {
            biased;
            () = self.cancel.cancelled() => {
                Err(Error::new(ErrorKind::Cancelled, "stopped on request; nothing was changed"))
            }
            made = Box::pin(self.made_in(&scratch, migrations)) => made,
        };
        scratch.discard().await?;
        made
    }

    async fn made_in(&self, scratch: &Scratch, migrations: &[Migration]) -> Result<Made> {
        let runner = scratch.runner(self.settings, Arc::clone(&self.variables));
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
        let database = scratch.database();
        let mut schema = docs::schema(database).await?;
        let account = quote::identifier(database.engine(), &database.about().await?.account);
        for object in &mut schema.objects {
            let own = |owner: &String| owner.trim_end().ends_with(&format!(" OWNER TO {account};"));
            object.owner = object.owner.take().filter(|owner| !own(owner));
            if engine::has_owners(database.engine()) {
                let texts = object.privileges.iter_mut();
                let defaults = object.id.kind == Kind::DefaultPrivileges;
                let texts = texts.chain(defaults.then_some(&mut object.definition));
                texts.for_each(|text| *text = of_whoever_runs_it(text, &account));
            }
        }
        let digests = database.digests().await?;
        let rows = digests.into_iter().filter(|(id, digest)| digest.rows > 0 && !history::is_own(id));
        let rows = rows.map(|(id, digest)| (id, digest.rows)).collect();
        let mut session = database.session().await?;
        let counters = session.counters().await?;
        let settings = engine::settings(&mut *session).await?;
        Ok(Made { schema, rows, counters, settings })
    }
}

/// Refuses to fold what a database has only a part of: with the one file it could not be brought forward any more.
fn whole(folded: &[Migration], history: &[Applied]) -> Result<()> {
    let is_applied = |file: &&Migration| history.iter().any(|row| row.number == file.number);
    let missing = folded.iter().find(|file| !is_applied(file));
    let (Some(missing), Some(some)) = (missing, folded.iter().find(is_applied)) else { return Ok(()) };
    let what = format!(
        "this database has only a part of what would be folded: {} is applied, and {} is not",
        some.label(),
        missing.label()
    );
    Err(Error::new(ErrorKind::Refused, what).with_hint(
        "apply them all first: `dbm migrate`; or fold in a project without a URL, with --scratch-url: then no database is asked",
    ))
}

/// What is left to be moved where the file is there already.
fn finish(folder: &Folder, only: &Migration) -> Result<Squashed> {
    let (_, findings) = survey(folder)?;
    let left =
        findings.into_iter().filter(|finding| finding.rule == Rule::Folded).map(|finding| finding.path);
    let moved: Vec<_> = left.map(|path| (path.clone(), kept(&path))).collect();
    if only.directives.squashes.is_none() || moved.is_empty() {
        return Err(Error::new(ErrorKind::Usage, format!("{} is one migration already", only.label()))
            .with_hint("fold up to a later one"));
    }
    Ok(Squashed { number: only.number, path: only.source.path.clone(), moved, text: None })
}

/// Says of which placeholders the one file has the values: whoever reads it before it is used may not want them there.
fn filled(folded: &[Migration], engine: Engine, configured: &Configured) -> String {
    let own = configured.engines.get(&engine).into_iter().flat_map(|values| values.keys());
    let names: BTreeSet<&String> = configured.common.keys().chain(own).collect();
    let is_used = |name: &&String| {
        let placeholder = format!("${{{name}}}");
        folded.iter().any(|file| file.source.text.contains(&placeholder))
    };
    let used: Vec<&str> = names.into_iter().filter(is_used).map(String::as_str).collect();
    match used.is_empty() {
        true => String::new(),
        false => format!("-- The values that these placeholders had stand in it: {}.\n", used.join(", ")),
    }
}

/// What is said of the guards of the folded files, and those of the one file: only if every file has some do all of them
/// together say that all of it is there.
fn guards(folded: &[Migration]) -> (String, String) {
    let guarded: Vec<&Migration> = folded.iter().filter(|file| !file.directives.unless.is_empty()).collect();
    if guarded.len() == folded.len() {
        let lines = guarded.iter().flat_map(|file| &file.directives.unless);
        let lines: BTreeSet<String> = lines.map(|unless| format!("-- dbm: unless {unless}\n")).collect();
        return (String::new(), lines.into_iter().collect());
    }
    let labels: Vec<String> = guarded.iter().map(|file| file.label()).collect();
    let said = match labels.is_empty() {
        true => String::new(),
        false => format!(
            "-- Without the `unless` of {}: where what that names is there already, this fails and changes nothing.\n",
            labels.join(", ")
        ),
    };
    (said, String::new())
}

/// Refuses what stands in a file for something else than itself: a secret, or another word on another engine.
fn check(file: &Migration, engine: Engine, configured: &Configured) -> Result<()> {
    let path = file.source.path.display();
    for (place, line) in file.source.text.lines().enumerate() {
        if line.trim_start().starts_with("--") {
            continue;
        }
        let line_number = place + 1;
        if line.contains("${env:") || line.contains("${password:") {
            let what = format!(
                "{path}, line {line_number}: a value of the environment, perhaps a secret, would be written into the one file"
            );
            return Err(Error::new(ErrorKind::Refused, what).with_hint(
                "move that statement into migrations/seeds/ or repeatable/, or fold up to the migration before it",
            ));
        }
        let others = configured.engines.values().flat_map(|values| values.keys());
        let differs = |name: &&String| {
            line.contains(&format!("${{{name}}}"))
                && configured.engines.keys().any(|other| {
                    *other != engine && configured.get(*other, name) != configured.get(engine, name)
                })
        };
        if let Some(name) = others.into_iter().find(differs) {
            let what = format!(
                "{path}, line {line_number}: ${{{name}}} is another text on other engines, and the one file would be for \
                 {engine} alone"
            );
            return Err(Error::new(ErrorKind::Refused, what).with_hint(
                "take the other engines' placeholders out of dbm.toml if this project is for one engine",
            ));
        }
    }
    Ok(())
}

/// What migrations make of an empty database.
struct Made {
    schema: Schema,
    /// The tables that have rows.
    rows: Vec<(ObjectId, u64)>,
    counters: Vec<Counter>,
    /// What is set in it and is no object, as statements.
    settings: Vec<String>,
}

impl Made {
    /// As one script, with its privileges, and with its owners but for those who are whoever runs it.
    fn script(&self, engine: Engine) -> Result<String> {
        // Elsewhere the statements of owners and grants name accounts of the server, which migrations may not reach.
        let owners = engine == Engine::Postgres;
        Ok(backup::dump::definitions(engine, &self.schema, owners)? + &self.settings.concat())
    }

    fn differences(&self, other: &Self, engine: Engine) -> Vec<String> {
        let schema = compare(engine, &self.schema, &other.schema, What::Everything);
        let differs = |one: &&Difference| match (&one.before, &one.after) {
            (Some(before), Some(after)) => !engine::is_same_reworded(engine, before, after),
            _ => true,
        };
        let mut lines: Vec<String> = schema.iter().filter(differs).take(5).map(Difference::line).collect();
        let counts = |made: &Self, counter: &Counter| made.counters.contains(counter);
        lines.extend(
            self.counters
                .iter()
                .filter(|one| !counts(other, one))
                .map(|one| format!("the counter {} is at {}", one.name, one.last)),
        );
        if self.settings != other.settings {
            lines.push(self.settings.concat().trim_end().to_owned());
        }
        lines
    }
}

/// Grants of, to and from the account that folds, for whoever runs the one file.
fn of_whoever_runs_it(text: &str, account: &str) -> String {
    text.replace(&format!("ALTER DEFAULT PRIVILEGES FOR ROLE {account} "), "ALTER DEFAULT PRIVILEGES ")
        .replace(&format!(" TO {account};\n"), " TO CURRENT_USER;\n")
        .replace(&format!(" TO {account} WITH GRANT OPTION;\n"), " TO CURRENT_USER WITH GRANT OPTION;\n")
        .replace(&format!(" FROM {account};\n"), " FROM CURRENT_USER;\n")
}

/// Where a file that is folded is kept: in a folder beside it, which nothing reads.
fn kept(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    path.parent().unwrap_or(Path::new(".")).join(SQUASHED).join(name)
}

/// Writes the file, in one step; from then on nothing reads those that it stands for. Then it moves these out of the way:
/// where that is broken off, `check` names what is left, and the same command again moves it.
///
/// # Errors
/// A file is in the way, or cannot be written or moved.
pub fn write(squashed: &Squashed) -> Result<()> {
    if let Some((_, to)) = squashed.moved.iter().find(|(_, to)| to.exists()) {
        return Err(Error::new(ErrorKind::Refused, format!("{} is there already", to.display()))
            .with_hint("move it out of the way first"));
    }
    if let Some(text) = &squashed.text {
        write_beside(&squashed.path, text)?;
    }
    for (from, to) in &squashed.moved {
        let folder = to.parent().unwrap_or(Path::new("."));
        let moved = fs::create_dir_all(folder).and_then(|()| fs::rename(from, to));
        moved.map_err(|error| {
            Error::new(ErrorKind::Io, format!("cannot move {} into {}", from.display(), folder.display()))
                .with_hint("the one file stands for it already; `dbm squash` with the same number goes on")
                .with_source(error)
        })?;
    }
    Ok(())
}
