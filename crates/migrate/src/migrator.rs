use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backup::store::{LocalStore, Store};
use backup::{Error, ErrorKind, Result};
use database::{Database, DatabaseUrl};
use tokio_util::sync::CancellationToken;

use crate::files::{self, Embedded, Folder, Migration, Repeat, RepeatedFile, is_folded, squashed};
use crate::history::{Applied, Records};
use crate::journal::RunKind;
use crate::placeholders::{NoVariables, Variables};
use crate::plan::MigrateOptions;
use crate::run::{Outcome, Report, Runner, Settings, Unwatched, Watch};

/// How long a replica waits for the one that migrates.
const LOCK_WAIT: Duration = Duration::from_secs(600);

/// Migrates an application's own database when it starts, with the same safe run as the command line.
///
/// Any number of replicas may do so at once: one applies what is pending, the others wait until it is done and go on. Where
/// nothing is pending, no lock is taken.
///
/// ```no_run
/// # async fn start() -> backup::Result<()> {
/// let migrator = migrate::Migrator::folder("migrations", "rollback")?;
/// migrator.with_store_folder("backups").run("postgres://shop@db/shop").await?;
/// # Ok(())
/// # }
/// ```
pub struct Migrator {
    migrations: Vec<Migration>,
    repeatables: Vec<RepeatedFile>,
    settings: Settings,
    store: Option<Arc<dyn Store>>,
    variables: Arc<dyn Variables>,
    watch: Arc<dyn Watch>,
    cancel: CancellationToken,
    newer: bool,
}

impl Migrator {
    /// With the files of folders: `migrations`, with `repeatable` in it, and `rollback`.
    ///
    /// # Errors
    /// What is wrong with the files.
    pub fn folder(migrations: impl AsRef<Path>, rollback: impl AsRef<Path>) -> Result<Self> {
        let folder =
            Folder { migrations: migrations.as_ref().to_owned(), rollback: rollback.as_ref().to_owned() };
        Ok(Self::new(files::read(&folder)?, files::read_repeated(&folder, Repeat::Repeatable)?))
    }

    /// With the files that [`embed_migrations!`](crate::embed_migrations) made a part of the application.
    ///
    /// # Errors
    /// What is wrong with the files.
    pub fn embedded(embedded: Embedded) -> Result<Self> {
        let (migrations, repeatables) = files::read_embedded(embedded)?;
        Ok(Self::new(migrations, repeatables))
    }

    fn new(migrations: Vec<Migration>, repeatables: Vec<RepeatedFile>) -> Self {
        Self {
            migrations,
            repeatables,
            settings: Settings { lock_wait: LOCK_WAIT, ..Settings::default() },
            store: None,
            variables: Arc::new(NoVariables),
            watch: Arc::new(Unwatched),
            cancel: CancellationToken::new(),
            newer: false,
        }
    }

    /// Where the backup goes that each run makes first. Without a store there is none, and only what fits into one
    /// transaction is run.
    #[must_use]
    pub fn with_store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// The same, for a folder.
    #[must_use]
    pub fn with_store_folder(self, folder: impl AsRef<Path>) -> Self {
        let folder = folder.as_ref().to_owned();
        self.with_store(Arc::new(LocalStore::new(folder)))
    }

    /// How a run goes about it: placeholders, locks, fences. Where it says nothing else, a replica waits ten minutes for the
    /// one that migrates: [`Settings::lock_wait`].
    #[must_use]
    pub fn with_settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Where `${env:NAME}` gets its values.
    #[must_use]
    pub fn with_variables(mut self, variables: Arc<dyn Variables>) -> Self {
        self.variables = variables;
        self
    }

    /// Who is told of every step.
    #[must_use]
    pub fn with_watch(mut self, watch: Arc<dyn Watch>) -> Self {
        self.watch = watch;
        self
    }

    /// What stops the run; it then puts the database back.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancellationToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// Goes on where a newer release has applied more than this one knows, or has run other texts of what this one would
    /// make again: an older replica that starts again during a rollout. It then leaves those as they are.
    #[must_use]
    pub fn allow_newer(mut self) -> Self {
        self.newer = true;
        self
    }

    /// Applies what is pending, or waits until another has.
    ///
    /// # Errors
    /// Why the application is not to start: the run was not begun, or it failed and the database is what it was, or needs a
    /// person; the message says which.
    pub async fn run(&self, url: &str) -> Result<Report> {
        let database = Database::new(DatabaseUrl::parse(url)?)?;
        if let Some(report) = self.nothing_to_do(&database).await? {
            return Ok(report);
        }
        let mut settings = self.settings.clone();
        settings.allowed.no_backup |= self.store.is_none();
        let store = self.store.clone().unwrap_or_else(|| Arc::new(LocalStore::new("backups")));
        let runner = Runner::new(database.clone(), store, settings)
            .with_variables(Arc::clone(&self.variables))
            .with_watch(Arc::clone(&self.watch))
            .with_cancel(self.cancel.clone());
        let options = MigrateOptions {
            repeatables: self.repeatables.clone(),
            forward_only: true,
            ..MigrateOptions::default()
        };
        let report = match runner.migrate(&self.migrations, &options).await {
            Ok(report) => report,
            // A newer release may have been at it while this one waited.
            Err(error) => match self.nothing_to_do(&database).await {
                Ok(Some(report)) => return Ok(report),
                // Whatever else goes wrong now, the first error is the reason.
                Ok(None) | Err(_) => return Err(error),
            },
        };
        match report.outcome {
            Outcome::Done => Ok(report),
            _ => Err(failed(report)),
        }
    }

    /// The report of a database in which everything is applied and nobody is at work.
    async fn nothing_to_do(&self, database: &Database) -> Result<Option<Report>> {
        if let Database::Sqlite(file) = database
            && !file.is_there()?
        {
            return Ok(None);
        }
        let mut session = database.session().await?;
        let told = crate::journal::Told::read(&session.entries().await?)?;
        if told.is_some_and(|told| told.ending().is_none()) {
            return Ok(None);
        }
        let records = Records::read(&mut *session).await?;
        let squashed = squashed(&self.migrations);
        let applied = |file: &Migration| {
            let row = records.applied.iter().find(|row| row.number == file.number);
            row.is_some_and(|row| row.checksum == file.checksum() || is_folded(squashed, row))
        };
        let newest = self.migrations.iter().map(|file| file.number).max().unwrap_or(0);
        let ahead = records.applied.iter().any(|row| row.number > newest);
        let is_lost = |row: &Applied| {
            row.number <= newest
                && !self.migrations.iter().any(|file| file.number == row.number)
                && !is_folded(squashed, row)
        };
        let lost = records.applied.iter().any(is_lost);
        let changed: Vec<_> = crate::plan::changed(&self.repeatables, &records.repeated).collect();
        let superseded = changed.iter().filter(|file| records.is_superseded(file)).count();
        let repeated = ahead || superseded == changed.len();
        let ahead = ahead || superseded > 0;
        if !self.migrations.iter().all(applied) || lost || !repeated || ahead && !self.newer {
            return Ok(None);
        }
        let mut report = Report::new(RunKind::Migrate, database.name());
        report.state = match ahead {
            true => "Everything is applied, and more by a newer release.".to_owned(),
            false => "Nothing is pending.".to_owned(),
        };
        Ok(Some(report.finished()))
    }
}

/// A run that failed, as the error that keeps the application from starting.
fn failed(report: Report) -> Error {
    let message = match &report.failure {
        Some(failure) => {
            let of = failure.migration.as_ref().map_or(String::new(), |label| format!("{label}: "));
            format!("{of}{} {}", failure.message, report.state)
        }
        None => report.state.clone(),
    };
    let hint = report.failure.and_then(|failure| failure.hint).or(report.hint);
    let error = Error::new(ErrorKind::Refused, message);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}
