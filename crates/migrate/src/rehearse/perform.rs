use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use backup::archive::Archive;
use backup::dump::BackupOptions;
use backup::store::LocalStore;
use backup::{Error, ErrorKind, Result};
use database::Database;

use super::locks::Observer;
use super::{Rehearsal, Rehearse};
use crate::compare::{What, compare};
use crate::engine;
use crate::files::Migration;
use crate::journal::Told;
use crate::plan::{MigrateOptions, RollbackOptions, Until};
use crate::run::{Failure, Outcome, Report, Runner};
use crate::scratch::{Place, Scratch};

/// A future whose type does not hold that of the run, which holds this one.
type Rehearsing<'r> = Pin<Box<dyn Future<Output = Result<Rehearsal>> + Send + 'r>>;

impl Runner {
    /// Rehearses what is pending on a copy of the database, made of an archive or of a backup that goes
    /// to no store; touches nothing else.
    ///
    /// # Errors
    /// The copy cannot be made. What went wrong on it is in the rehearsal.
    pub async fn rehearse(
        &self,
        how: &Rehearse,
        migrations: &[Migration],
        options: &MigrateOptions,
    ) -> Result<Rehearsal> {
        let place = Place::beside(how.beside.as_ref().unwrap_or(self.database())).await?;
        self.rehearse_in(place, how, migrations, options).await
    }

    async fn rehearse_in(
        &self,
        place: Place,
        how: &Rehearse,
        migrations: &[Migration],
        options: &MigrateOptions,
    ) -> Result<Rehearsal> {
        let since = Instant::now();
        if let Some(name) = &how.archive {
            let archive = Archive::open(self.store().source(name).await?).await?;
            return self.perform(archive, place, how, migrations, options, since).await;
        }
        let folder = tempfile::Builder::new().prefix("dbm-rehearse-").tempdir().map_err(|error| {
            Error::new(ErrorKind::Io, "cannot make a folder for the copy's backup").with_source(error)
        })?;
        let store = LocalStore::new(folder.path());
        let backup = BackupOptions {
            level: self.settings().level,
            jobs: self.settings().jobs,
            secrets: true,
            whole: true,
            cancel: self.cancelled().clone(),
            ..BackupOptions::default()
        };
        let written = backup::dump::create(self.database(), &store, &backup, self.progress()).await?;
        let archive = Archive::open(backup::store::Store::source(&store, &written.name).await?).await?;
        self.perform(archive, place, how, migrations, options, since).await
    }

    /// The same, of the backup that an open run has made, in the place that its journal names.
    pub(crate) fn rehearse_backup<'r>(
        &'r self,
        told: &'r Told,
        place: Place,
        how: &'r Rehearse,
        migrations: &'r [Migration],
        options: &'r MigrateOptions,
    ) -> Rehearsing<'r> {
        Box::pin(async move {
            let Some(note) = told.backup().filter(|_| how.archive.is_none()) else {
                return self.rehearse_in(place, how, migrations, options).await;
            };
            let archive = self.open_archive(note, &told.begun.host).await?;
            self.perform(archive, place, how, migrations, options, Instant::now()).await
        })
    }

    fn perform<'r>(
        &'r self,
        archive: Archive,
        place: Place,
        how: &'r Rehearse,
        migrations: &'r [Migration],
        options: &'r MigrateOptions,
        since: Instant,
    ) -> Rehearsing<'r> {
        Box::pin(async move {
            let on: &Database = how.beside.as_ref().unwrap_or(self.database());
            let mut restoring = self.restore_options();
            // Where the copy is on another server, its roles need not be there.
            restoring.no_owner = how.beside.is_some();
            restoring.no_privileges = how.beside.is_some();
            let scratch = Scratch::restored(on, place, &archive, &restoring, self.progress()).await;
            let scratch = scratch.map_err(|error| match error.kind() {
                ErrorKind::Permission => error.with_hint(
                    "a rehearsal makes a copy beside the database: that takes an account that may make one (CREATEDB on \
                     PostgreSQL, CREATE and CREATE USER on MySQL), or another server: --scratch-url URL",
                ),
                _ => error,
            })?;
            let rehearsed = async {
                if how.beside.is_none() {
                    reaches_nothing(scratch.database()).await?;
                }
                self.on_copy(&scratch, migrations, options).await
            };
            let rehearsed = rehearsed.await;
            let discarded = scratch.discard().await;
            let mut rehearsal = rehearsed?;
            discarded?;
            rehearsal.archive = how.archive.as_ref().map(ToString::to_string);
            rehearsal.duration_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            Ok(rehearsal)
        })
    }

    /// Up, with what runs after the numbered ones; down; and up again.
    async fn on_copy(
        &self,
        scratch: &Scratch,
        migrations: &[Migration],
        options: &MigrateOptions,
    ) -> Result<Rehearsal> {
        let engine = scratch.database().engine();
        let observer = Arc::new(Observer::new(scratch.as_made()?));
        let runner = || {
            scratch
                .runner(self.settings(), Arc::clone(self.variables()))
                .with_cancel(self.cancelled().clone())
        };
        let mut rehearsal = Rehearsal {
            archive: None,
            statements: Vec::new(),
            locks_seen: false,
            locks_hint: None,
            rewrites_seen: false,
            checks: 0,
            rolled_back: false,
            differences: Vec::new(),
            failure: None,
            duration_ms: 0,
        };
        let before = scratch.database().schema().await?;
        let numbered = MigrateOptions { repeatables: Vec::new(), ..options.clone() };
        let up = runner().with_observer(Arc::clone(&observer) as _).migrate(migrations, &numbered).await?;
        rehearsal.checks = up.checks;
        rehearsal.statements = observer.take().await;
        if let Some(error) = scratch.too_few_rights(&up) {
            return Err(error);
        }
        rehearsal.failure = failed(&up, "the rehearsal failed");
        let mut again = BTreeSet::new();
        if rehearsal.failure.is_none() && !options.repeatables.is_empty() {
            let without = scratch.database().schema().await?;
            let repeated =
                runner().with_observer(Arc::clone(&observer) as _).migrate(migrations, options).await?;
            rehearsal.checks += repeated.checks;
            rehearsal.statements.extend(observer.take().await);
            rehearsal.failure = failed(&repeated, "the rehearsal failed");
            // No rollback takes these back, and it has to do its work beside them.
            let with = scratch.database().schema().await?;
            let differences = compare(engine, &without, &with, What::Everything);
            again.extend(differences.into_iter().map(|difference| difference.object));
        }
        let reversible = |number: u64| {
            migrations.iter().any(|file| file.number == number && file.directives.irreversible.is_none())
        };
        if let (None, Some(run), true) =
            (&rehearsal.failure, &up.run, up.migrations.iter().all(|ran| reversible(ran.number)))
        {
            let back = RollbackOptions { until: Until::Run(run.clone()), module: None };
            let down = runner().rollback(migrations, &back).await?;
            rehearsal.failure = failed(&down, "in the rehearsal the rollback failed");
            if rehearsal.failure.is_none() {
                rehearsal.rolled_back = true;
                let after = scratch.database().schema().await?;
                rehearsal.differences = compare(engine, &before, &after, What::Everything);
                rehearsal.differences.retain(|difference| !again.contains(&difference.object));
            }
        }
        rehearsal.rewrites_seen = observer.sees_storages();
        rehearsal.locks_seen = observer.sees_locks();
        rehearsal.locks_hint = observer.advice();
        if rehearsal.rolled_back && rehearsal.differences.is_empty() {
            let again = runner().migrate(migrations, options).await?;
            rehearsal.failure = failed(&again, "in the rehearsal it could not be applied again");
        }
        Ok(rehearsal)
    }
}

/// Refuses a copy from which statements that name nothing else reach another server, or this one again: they would do
/// there what they only try here.
async fn reaches_nothing(copy: &Database) -> Result<()> {
    let reached = engine::reaching(&mut *copy.session().await?).await?;
    if reached.is_empty() {
        return Ok(());
    }
    let error = Error::new(
        ErrorKind::Refused,
        format!("a copy of this database could change others, through {}", reached.join(", ")),
    );
    Err(error.with_hint(
        "rehearse on a server that reaches none of them: --scratch-url URL; or run without --rehearse: what others hold \
         cannot be put back either",
    ))
}

/// What went wrong in a run on the copy.
fn failed(report: &Report, what: &str) -> Option<Failure> {
    if report.outcome == Outcome::Done {
        return None;
    }
    let mut failure = report
        .failure
        .clone()
        .unwrap_or_else(|| Failure::of(&Error::new(ErrorKind::Statement, report.state.clone())));
    failure.message = format!("{what}: {}", failure.message);
    // What they say of the database is said of the copy.
    failure.causes.clear();
    Some(failure)
}
