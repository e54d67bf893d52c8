use std::sync::Arc;

use backup::Result;
use backup::progress::{Progress, Silent};
use backup::store::Store;
use database::Database;
use tokio_util::sync::CancellationToken;

use super::{Settings, Unwatched, Watch};
use crate::files::{Migration, RepeatedFile};
use crate::history::Records;
use crate::journal::Told;
use crate::placeholders::{NoVariables, Variables};
use crate::plan::{MigrateOptions, Plan, RollbackOptions, Selection};
use crate::rehearse::Rehearse;

use super::lock::Ahead;
use super::observe::Observe;
use super::report::Report;
use super::wanted::Wanted;

/// Does what changes a database, in the one way that can always be undone.
pub struct Runner {
    pub(super) database: Database,
    pub(super) store: Arc<dyn Store>,
    pub(super) settings: Settings,
    pub(super) variables: Arc<dyn Variables>,
    pub(super) watch: Arc<dyn Watch>,
    pub(super) progress: Arc<dyn Progress>,
    pub(super) cancel: CancellationToken,
    pub(super) observer: Option<Arc<dyn Observe>>,
    pub(super) ahead: Ahead,
}

impl Runner {
    /// A runner for a database whose backups go to a store. Nothing is connected yet.
    pub fn new(database: Database, store: Arc<dyn Store>, settings: Settings) -> Self {
        Self {
            database,
            store,
            settings,
            variables: Arc::new(NoVariables),
            watch: Arc::new(Unwatched),
            progress: Arc::new(Silent),
            cancel: CancellationToken::new(),
            observer: None,
            ahead: Ahead::default(),
        }
    }

    /// Where `${env:NAME}` gets its values.
    #[must_use]
    pub fn with_variables(mut self, variables: Arc<dyn Variables>) -> Self {
        self.variables = variables;
        self
    }

    /// The same in another way.
    #[must_use]
    pub fn with_settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Who looks on.
    #[must_use]
    pub fn with_watch(mut self, watch: Arc<dyn Watch>) -> Self {
        self.watch = watch;
        self
    }

    /// Who is told how far backup and restore have come.
    #[must_use]
    pub fn with_progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// What stops the run; it then puts the database back.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancellationToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// Tries each run of migrations first on a copy made of its backup.
    #[must_use]
    pub fn with_rehearsal(mut self, how: Rehearse) -> Self {
        self.settings.rehearse = Some(how);
        self
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.store
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn variables(&self) -> &Arc<dyn Variables> {
        &self.variables
    }

    pub(crate) fn progress(&self) -> &dyn Progress {
        &*self.progress
    }

    pub(crate) fn cancelled(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Who looks closely at each statement.
    #[must_use]
    pub(crate) fn with_observer(mut self, observer: Arc<dyn Observe>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// What [`Runner::migrate`] would do now. Changes nothing and takes no lock.
    ///
    /// # Errors
    /// What stands in the way of it, as for the run itself.
    pub async fn plan_migrate(&self, migrations: &[Migration], options: &MigrateOptions) -> Result<Plan> {
        let mut session = self.database.session().await?;
        let records = Records::read(&mut *session).await?;
        let plan = self.prepare(Wanted::Migrate(migrations, options).select(&records)?)?;
        if !plan.is_empty()
            && let Some(now) = self.fingerprint().await
        {
            let server = self.database.about().await?.server_version;
            let left = self.left(&mut *session, &records, &server, &now).await?;
            self.not_drifted(&mut *session, &records, &plan, left.as_ref(), &now).await?;
        }
        Ok(plan)
    }

    /// What [`Runner::rollback`] would do now. Changes nothing and takes no lock.
    ///
    /// # Errors
    /// What stands in the way of it, as for the run itself.
    pub async fn plan_rollback(&self, migrations: &[Migration], options: &RollbackOptions) -> Result<Plan> {
        self.plan(Wanted::Rollback(migrations, options)).await
    }

    async fn plan(&self, wanted: Wanted<'_>) -> Result<Plan> {
        let mut session = self.database.session().await?;
        let records = Records::read(&mut *session).await?;
        self.prepare(wanted.select(&records)?)
    }

    pub(super) fn prepare(&self, selection: Selection) -> Result<Plan> {
        Plan::new(self.database.engine(), selection, &self.settings.placeholders, &*self.variables)
    }

    /// Applies what is pending.
    ///
    /// # Errors
    /// Why no run was begun; the database is untouched. What a run that was begun came to is in the report.
    pub async fn migrate(&self, migrations: &[Migration], options: &MigrateOptions) -> Result<Report> {
        Box::pin(self.go(Wanted::Migrate(migrations, options))).await
    }

    /// What [`Runner::seed`] would do now. Changes nothing and takes no lock.
    ///
    /// # Errors
    /// What stands in the way of it, as for the run itself.
    pub async fn plan_seed(&self, seeds: &[RepeatedFile], again: bool) -> Result<Plan> {
        self.plan(Wanted::Seed(seeds, again)).await
    }

    /// Runs the seeds whose text is not the one that was last run; all of them if they are to run `again`.
    ///
    /// # Errors
    /// As [`Runner::migrate`].
    pub async fn seed(&self, seeds: &[RepeatedFile], again: bool) -> Result<Report> {
        Box::pin(self.go(Wanted::Seed(seeds, again))).await
    }

    /// Takes back what is applied, and compares what is left with what was there before it. Where nobody has seen that, the
    /// migrations that stay are run in a scratch database, once the rollback is over and the lock let go.
    ///
    /// # Errors
    /// As [`Runner::migrate`].
    pub async fn rollback(&self, migrations: &[Migration], options: &RollbackOptions) -> Result<Report> {
        Box::pin(self.go(Wanted::Rollback(migrations, options))).await
    }

    /// The run that is open in the database, if one is: somebody is at work, or was killed.
    ///
    /// # Errors
    /// The database cannot be read, or its journal is of another dbm.
    pub async fn open_run(&self) -> Result<Option<Told>> {
        let mut session = self.database.session().await?;
        let told = Told::read(&session.entries().await?)?;
        Ok(told.filter(|told| told.ending().is_none()))
    }
}
