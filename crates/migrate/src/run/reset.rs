//! A development database, made anew from migrations and seeds.

use std::sync::Arc;

use backup::archive::Archive;
use backup::dump::BackupOptions;
use backup::restore::{self, Safeguard};
use backup::store::{LocalStore, Store};
use backup::{Error, ErrorKind, Result};
use serde::Serialize;

use super::report::{Outcome, Report};
use super::{Restoring, Runner, Settings};
use crate::engine;
use crate::files::{Migration, RepeatedFile};
use crate::plan::{Allowed, MigrateOptions};
use crate::scratch::Scratch;

/// What came of making a database anew.
#[derive(Clone, Debug, Serialize)]
pub struct Reset {
    /// The backup of what was there, in the store, read back whole.
    pub backup: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What the database is now.
    pub state: String,
    /// The runs: an empty database in its place, migrations, seeds; after a failure the restore of the backup.
    pub runs: Vec<Report>,
}

impl Runner {
    /// Backs the database up, puts an empty one in its place, migrates that and runs the seeds. After a failure the backup is
    /// put back.
    ///
    /// The caller has made sure that it is a database for development.
    ///
    /// # Errors
    /// Why nothing was begun; the database is untouched. What was begun is in the answer.
    pub async fn reset(
        &self,
        migrations: &[Migration],
        options: &MigrateOptions,
        seeds: &[RepeatedFile],
    ) -> Result<Reset> {
        if let Some(told) = self.open_run().await? {
            let what = format!("run {} is open in the database", told.run);
            return Err(
                Error::new(ErrorKind::Busy, what).with_hint("wait for it, or end it with `dbm recover`")
            );
        }
        // What cannot be planned is not begun.
        self.prepare(crate::plan::to_migrate(migrations, &[], options)?)?;
        let backup = BackupOptions {
            level: self.settings.level,
            jobs: self.settings.jobs,
            label: Some("reset".to_owned()),
            secrets: true,
            cancel: self.cancel.clone(),
            ..BackupOptions::default()
        };
        let written = backup::dump::create(&self.database, &*self.store, &backup, &*self.progress).await?;
        Safeguard::verify(&written, &*self.store, &self.database, &*self.progress, &self.cancel).await?;
        let mut reset = Reset {
            backup: written.name.to_string(),
            outcome: Outcome::Done,
            state: String::new(),
            runs: Vec::new(),
        };
        Box::pin(self.anew(migrations, options, seeds, &mut reset)).await?;
        if reset.outcome != Outcome::Done && reset.runs.len() > 1 {
            let restoring = Restoring { disconnect: true, ..Restoring::default() };
            let back = Box::pin(self.restore(&written.name, &restoring)).await?;
            reset.outcome =
                if back.outcome == Outcome::Done { Outcome::PutBack } else { Outcome::NeedsPerson };
            reset.runs.push(back);
        }
        reset.state = match reset.outcome {
            Outcome::Done => {
                format!("The database was made anew; what was there is in the backup {}.", reset.backup)
            }
            Outcome::NothingChanged => "The database is what it was.".to_owned(),
            Outcome::PutBack => "The database is what it was: its backup was restored and proven.".to_owned(),
            Outcome::NeedsPerson => {
                format!("What was there is in the backup {}: dbm restore {0}", reset.backup)
            }
        };
        Ok(reset)
    }

    /// The runs of it, up to the first that fails.
    async fn anew(
        &self,
        migrations: &[Migration],
        options: &MigrateOptions,
        seeds: &[RepeatedFile],
        reset: &mut Reset,
    ) -> Result<()> {
        let properties = engine::properties(&self.database).await?;
        let folder = tempfile::tempdir().map_err(|error| {
            Error::new(ErrorKind::Io, "cannot make a folder for an empty database's archive")
                .with_source(error)
        })?;
        let store = Arc::new(LocalStore::new(folder.path()));
        let scratch = Scratch::new(&self.database).await?;
        let empty = async {
            let database = scratch.as_owner(&self.database)?;
            database.session().await?;
            let backup = BackupOptions { secrets: true, ..BackupOptions::default() };
            backup::dump::create(&database, &*store, &backup, &*self.progress).await
        };
        let empty = empty.await;
        scratch.discard().await?;
        let empty = empty?;
        let source = Archive::open(Store::source(&*store, &empty.name).await?).await?.index().source.clone();
        let restoring = Restoring { disconnect: true, from_source: Some(source), ..Restoring::default() };
        let emptied = self.on(store, self.settings.clone()).restore(&empty.name, &restoring).await?;
        reset.outcome = emptied.outcome;
        let replaced = emptied.restored.as_ref().and_then(|restored| restored.replaced.clone());
        reset.runs.push(emptied);
        if reset.outcome != Outcome::Done {
            return Ok(());
        }
        engine::set_properties(&self.database, &properties).await?;
        // A failure is not put back run by run: the backup is.
        let allowed = Allowed { no_backup: true, disposable: true, ..self.settings.allowed };
        let runner =
            self.on(Arc::clone(&self.store), Settings { allowed, rehearse: None, ..self.settings.clone() });
        for kind in ["migrations", "seeds"] {
            let run = match kind {
                "migrations" => runner.migrate(migrations, options).await,
                _ => runner.seed(seeds, false).await,
            };
            match run {
                Ok(report) => {
                    reset.outcome = report.outcome;
                    reset.runs.push(report);
                }
                Err(error) => {
                    let mut report = Report::new(crate::journal::RunKind::Migrate, self.database.name());
                    report.outcome = Outcome::NothingChanged;
                    report.failure = Some(super::Failure::of(&error));
                    reset.outcome = report.outcome;
                    reset.runs.push(report.finished());
                }
            }
            if reset.outcome != Outcome::Done {
                return Ok(());
            }
        }
        if let Some(replaced) = replaced {
            // It is in the backup, which was read back.
            restore::let_go(&self.database, &replaced.name).await?;
        }
        Ok(())
    }

    /// The same runner with another store and other settings.
    fn on(&self, store: Arc<dyn Store>, settings: Settings) -> Self {
        Self {
            database: self.database.clone(),
            store,
            settings,
            variables: Arc::clone(&self.variables),
            watch: Arc::clone(&self.watch),
            progress: Arc::clone(&self.progress),
            cancel: self.cancel.clone(),
            observer: None,
        }
    }
}
