//! A database that is made empty, serves one command and is gone at its end: where migrations are tried out.
//!
//! What runs in it must reach nothing else. A statement that reaches beyond its database is refused before anything is
//! run (see [`Plan::check`](crate::Plan::check)); on MySQL, where a name alone is enough, it runs as an account that
//! may do nothing elsewhere; on SQLite it is a file in a folder of its own.

mod drift;
pub(crate) mod mysql;
mod place;
pub(crate) mod postgres;
mod replay;
mod rollbacks;
pub(crate) mod sqlite;

pub use drift::{drift, repeatables_as_run};
pub use place::discard;
pub(crate) use place::{Place, discard_folder};
pub(crate) use replay::Replay;
pub use rollbacks::{Proof, Tried, findings, prove_rollbacks};

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use backup::archive::Archive;
use backup::progress::Progress;
use backup::restore::RestoreOptions;
use backup::store::{LocalStore, Store};
use backup::{Error, ErrorKind, Result};
use database::Database;

use crate::engine;
use crate::placeholders::Variables;
use crate::plan::Allowed;
use crate::run::{Outcome, Report, Runner, Settings};

/// A scratch database, and the folder for files of its own.
pub struct Scratch {
    database: Database,
    made: Made,
    folder: tempfile::TempDir,
    /// The names of those that were made beside it, which go with it.
    others: Mutex<Vec<String>>,
}

/// What has to go with it.
pub(crate) enum Made {
    /// A database of that name beside the one that was given.
    Beside { server: Database, name: String },
    /// A file in the scratch's own folder.
    File,
}

impl Scratch {
    /// Makes one on the server of a database; of a SQLite file, in the system's folder for temporary files.
    ///
    /// # Errors
    /// The account may not make one: another server may be given then.
    pub async fn new(on: &Database) -> Result<Self> {
        Self::at(on, Place::beside(on).await?).await
    }

    /// The same, in a place that is known before.
    pub(crate) async fn at(on: &Database, Place { name, folder }: Place) -> Result<Self> {
        let (database, made) = engine::make_scratch(on, name, folder.path()).await?;
        Ok(Self { database, made, folder, others: Mutex::default() })
    }

    /// Makes one of an archive, on the server of a database; of a SQLite file, in the system's folder for temporary files.
    ///
    /// # Errors
    /// The account may not make one, or the archive cannot be restored there; then nothing is left of it.
    pub(crate) async fn restored(
        on: &Database,
        Place { name, folder }: Place,
        archive: &Archive,
        options: &RestoreOptions,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let (database, made) =
            Box::pin(engine::restore_scratch(on, name, archive, folder.path(), options, progress)).await?;
        Ok(Self { database, made, folder, others: Mutex::default() })
    }

    /// Another one, in the same place. It goes with this one at the latest, also where whoever waits for it is stopped.
    pub(crate) async fn another(&self) -> Result<Self> {
        let on = match &self.made {
            Made::Beside { server, .. } => server,
            Made::File => &self.database,
        };
        let place = Place::beside(on).await?;
        self.others.lock().unwrap_or_else(PoisonError::into_inner).push(place.name.clone());
        Self::at(on, place).await
    }

    /// The database itself.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The same as the account sees it that has made it.
    pub(crate) fn as_made(&self) -> Result<Database> {
        match &self.made {
            Made::Beside { server, name } => Ok(Database::new(server.url().with_database(name))?),
            Made::File => Ok(self.database.clone()),
        }
    }

    /// The folder for files of its own, which goes with it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A runner for it, by the settings of the target's. What fails in it is not put back: it is dropped.
    pub fn runner(&self, settings: &Settings, variables: Arc<dyn Variables>) -> Runner {
        let allowed = Allowed { no_backup: true, disposable: true, ..Allowed::default() };
        let settings = Settings { allowed, rehearse: None, ..settings.clone() };
        let store: Arc<dyn Store> = Arc::new(LocalStore::new(self.folder.path().join("backups")));
        Runner::new(self.database.clone(), store, settings).with_variables(variables)
    }

    /// Why a failure in it says nothing of the migration: its account has no right beyond the scratch database.
    pub(crate) fn too_few_rights(&self, report: &Report) -> Option<Error> {
        let failure = report.failure.as_ref()?;
        if !engine::takes_server_right(self.database.engine(), &failure.message) {
            return None;
        }
        let which = failure.migration.as_deref().unwrap_or("a migration");
        let error = Error::new(
            ErrorKind::Permission,
            format!(
                "{which} cannot be tried out by an account of the scratch database alone: {}",
                failure.message
            ),
        );
        Some(error.with_hint(
            "with a binary log the server wants SUPER for triggers, unless log_bin_trust_function_creators is 1; or name \
             another server: --scratch-url mysql://…",
        ))
    }

    /// What went wrong in a run.
    pub(crate) fn failure(&self, report: &Report) -> Result<Option<String>> {
        if report.outcome == Outcome::Done {
            return Ok(None);
        }
        let message = || {
            report.failure.as_ref().map_or_else(|| report.state.clone(), |failure| failure.message.clone())
        };
        self.too_few_rights(report).map_or_else(|| Ok(Some(message())), Err)
    }

    /// Removes it with everything that was made for it.
    ///
    /// # Errors
    /// It cannot be removed; `dbm replaced` lists what was left.
    pub async fn discard(self) -> Result<()> {
        let Made::Beside { server, name } = &self.made else { return Ok(()) };
        let others = self.others.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut gone = discard(server, name).await;
        for other in others {
            gone = gone.and(discard(server, &other).await);
        }
        gone
    }
}
