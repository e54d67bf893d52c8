use std::path::Path;
use std::sync::Arc;

use backup::{Error, ErrorKind, Result};
use database::{Database, Schema};

use super::step::{Dialect, Owners};
use super::{Generator, There, Wanted, without_own};
use crate::files::{self, Directives, Migration, Source};
use crate::placeholders;
use crate::plan::{MigrateOptions, RollbackOptions, Until};
use crate::run::Report;
use crate::scratch::Scratch;
use crate::{docs, engine};

/// In place of the path of a file, where there is none yet.
const WRITTEN: &str = "the SQL that was written";

/// A scratch database in which one side is made, and what is written is tried out.
pub(super) struct Bench<'b> {
    generator: &'b Generator<'b>,
    dialect: &'b dyn Dialect,
    scratch: Scratch,
    /// The one in which a side was made first, where the server has other words for what is made of what it shows.
    first: Option<Scratch>,
    /// What was run in it.
    migrations: Vec<Migration>,
    /// Whose that is which somebody else owns: there, not here.
    pub(super) owners: Owners,
}

impl<'b> Bench<'b> {
    pub(super) async fn new(generator: &'b Generator<'b>, dialect: &'b dyn Dialect) -> Result<Self> {
        let scratch = Scratch::new(generator.on).await?;
        Ok(Self { generator, dialect, scratch, first: None, migrations: Vec::new(), owners: Owners::new() })
    }

    pub(super) async fn discard(self) -> Result<()> {
        let gone = self.scratch.discard().await;
        if let Some(first) = self.first {
            first.discard().await?;
        }
        gone
    }

    /// Makes all that is there once more in another scratch database, of what the server shows of it: what is read from a
    /// database is made so too, and what is shown of that stays in the same words. What cannot be made so stays.
    async fn settle_words(&mut self) -> Result<()> {
        if !engine::rewords(self.generator.on.engine()) {
            return Ok(());
        }
        let made = self.scratch.database().clone();
        let spare = self.scratch.another().await?;
        self.first = Some(std::mem::replace(&mut self.scratch, spare));
        let migrations = std::mem::take(&mut self.migrations);
        let copied = Box::pin(self.copy(&made, true)).await;
        if copied.is_err_and(|error| error.kind() != ErrorKind::Cancelled)
            && let Some(first) = self.first.take()
        {
            self.first = Some(std::mem::replace(&mut self.scratch, first));
            self.migrations = migrations;
        }
        Ok(())
    }

    pub(super) async fn schema(&self) -> Result<Schema> {
        let database = self.scratch.database();
        let mut schema = without_own(database.schema().await?);
        engine::forget_moments(database, &mut schema).await?;
        self.dialect.complete(&mut schema);
        Ok(schema)
    }

    /// Makes what is wanted.
    pub(super) async fn wanted(&mut self, wanted: &Wanted, privileges: bool) -> Result<Schema> {
        match wanted {
            Wanted::Models(files) => {
                for file in files.iter().filter(|file| files::has_statement(&file.text)) {
                    // They are for the engine's own tools too, which fill in nothing.
                    let text = placeholders::escape(&file.text);
                    let migration = Migration {
                        directives: Directives::parse(&text, &file.path)?,
                        source: Source { path: file.path.clone(), text },
                        ..self.next(String::new())
                    };
                    self.migrations.push(migration);
                }
                Box::pin(self.migrate(&MigrateOptions::default(), "what is wanted cannot be made")).await?;
                self.settle_words().await?;
            }
            Wanted::Like(database) => {
                let like = Box::pin(self.copy(database, privileges)).await?;
                let made = self.schema().await?;
                self.owners = self.dialect.owners(&like, &made, database.url().user().unwrap_or_default());
                return Ok(made);
            }
        }
        self.schema().await
    }

    /// Makes what is there.
    pub(super) async fn there(&mut self, there: &There) -> Result<Schema> {
        match there {
            // Also its privileges, since what is made again is to be given to whom it was.
            There::Database(database) => {
                let there = Box::pin(self.copy(database, true)).await?;
                let made = self.schema().await?;
                let url = database.url();
                self.owners = self.dialect.owners(&there, &made, url.user().unwrap_or_default());
                Ok(made)
            }
            There::Migrations(migrations, repeatables) => {
                self.migrations.clone_from(migrations);
                let options =
                    MigrateOptions { repeatables: repeatables.clone(), ..MigrateOptions::default() };
                Box::pin(self.migrate(&options, "the migrations do not run in a new database")).await?;
                let made = self.schema().await?;
                if let Some(sql) = self.dialect.asks_account() {
                    let rows = self.scratch.database().session().await?.query(sql).await?;
                    let account = rows.into_iter().flatten().flatten().next().unwrap_or_default();
                    self.owners = self.dialect.given(&made, &account);
                }
                self.settle_words().await?;
                self.schema().await
            }
        }
    }

    /// Makes all objects of another database, and says what that has.
    async fn copy(&mut self, database: &Database, privileges: bool) -> Result<Schema> {
        if database.engine() != self.scratch.database().engine() {
            let what = format!("{} is no {} database", database.name(), self.scratch.database().engine());
            return Err(Error::new(ErrorKind::Usage, what).with_hint("name a database of the same kind"));
        }
        let mut schema = without_own(docs::schema(database).await?);
        engine::forget_moments(database, &mut schema).await?;
        let mut text = backup::dump::definitions(database.engine(), &schema, false)?;
        if privileges {
            text.extend(schema.objects.iter().flat_map(|object| &object.privileges).map(String::as_str));
        }
        if files::has_statement(&text) {
            let what = format!("what {} has cannot be made in a scratch database", database.name());
            Box::pin(self.run(&text, &what)).await?;
        }
        Ok(schema)
    }

    /// Runs a text as the next migration; `what` says what that was for, where it fails.
    pub(super) async fn run(&mut self, text: &str, what: &str) -> Result<()> {
        let mut migration = self.next(text.to_owned());
        migration.source.text = placeholders::escape(&migration.source.text);
        migration.directives = Directives::parse(&migration.source.text, &migration.source.path)?;
        self.migrations.push(migration);
        Box::pin(self.migrate(&MigrateOptions { out_of_order: true, ..MigrateOptions::default() }, what))
            .await
    }

    /// Gives the migration that was run as one of the last ones its rollback, now that it is known.
    pub(super) fn set_rollback(&mut self, from_last: usize, text: &str) {
        let place = self.migrations.len() - 1 - from_last;
        let path = "the rollback that was written".into();
        self.migrations[place].rollback = Some(Source { path, text: placeholders::escape(text) }.into());
    }

    /// Takes the last migration back.
    pub(super) async fn take_back(&mut self, what: &str) -> Result<()> {
        let last = RollbackOptions { until: Until::Count(1), module: None };
        let runner = self.scratch.runner(self.generator.settings, Arc::clone(&self.generator.variables));
        let report = Box::pin(runner.rollback(&self.migrations, &last)).await?;
        self.migrations.pop();
        self.judge(&report, what)
    }

    async fn migrate(&self, options: &MigrateOptions, what: &str) -> Result<()> {
        let runner = self.scratch.runner(self.generator.settings, Arc::clone(&self.generator.variables));
        let report = Box::pin(runner.migrate(&self.migrations, options)).await?;
        self.judge(&report, what)
    }

    fn judge(&self, report: &Report, what: &str) -> Result<()> {
        let file = report.failure.as_ref().and_then(|failure| Some((failure.file.as_ref()?, failure.line?)));
        let place = match file.filter(|(file, _)| *file != Path::new(WRITTEN)) {
            Some((file, line)) => format!("{}, line {line}: ", file.display()),
            None => String::new(),
        };
        match self.scratch.failure(report)? {
            None => Ok(()),
            Some(message) => Err(Error::new(ErrorKind::Refused, format!("{what}: {place}{message}"))
                .with_hint("nothing was written; the database itself was only read")),
        }
    }

    fn next(&self, text: String) -> Migration {
        let number =
            self.migrations.iter().map(|migration| migration.number).max().map_or(1, |last| last + 1);
        Migration {
            number,
            name: String::new(),
            directives: Directives::default(),
            source: Source { path: WRITTEN.into(), text },
            rollback: None,
        }
    }
}
