use std::sync::Arc;

use backup::store::Store;
use clap::Args;
use database::{Database, Engine};
use migrate::placeholders::{Configured, Variables};
use migrate::plan::Allowed;
use migrate::{Runner, Settings};

use crate::audit::{self, Audit};
use crate::configuration::{Environment, Flags, Writers};
use crate::context::Context;
use crate::error::{CommandError, Meaning, Result};
use crate::progress::Shown;
use crate::screen::Screen;

/// Flags of every run.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RunFlags {
    /// Back up first and put back on failure: it always does; this is the word for scripts
    #[arg(long)]
    safe: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Keep writers out for the length of the run
    #[arg(long, conflicts_with = "accept_lost_writes")]
    fence: bool,
    /// Let what others write during the run stay in the replaced database only
    #[arg(long)]
    accept_lost_writes: bool,
    /// Make no backup; only where everything fits into one transaction
    #[arg(long, conflicts_with = "safe")]
    no_backup: bool,
    /// Run statements that no backup of the database can put back
    #[arg(long)]
    allow_server_wide: bool,
    /// If the way back is a restore, leave replication slots and subscriptions with the replaced database
    #[arg(long)]
    detach_replication: bool,
    /// How long to wait for a lock: another run's, or a statement's (500ms, 5s, 2min)
    #[arg(long, value_name = "TIME")]
    lock_timeout: Option<String>,
    /// zstd's level of the backup
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=19))]
    level: Option<u8>,
}

impl RunFlags {
    pub(crate) fn makes_backup(&self) -> bool {
        !self.no_backup
    }

    /// What of it belongs to the configuration.
    pub(crate) fn add_flags(&self, flags: &mut Flags) {
        for (name, given) in [("fence", self.fence), ("accept_lost_writes", self.accept_lost_writes)] {
            if given {
                flags.insert(name, "true".to_owned());
            }
        }
        if let Some(time) = &self.lock_timeout {
            flags.insert("lock_timeout", time.clone());
            flags.insert("lock_wait", time.clone());
        }
        if let Some(level) = self.level {
            flags.insert("level", level.to_string());
        }
    }
}

/// A runner as the configuration and the flags want it.
pub(crate) fn runner(
    context: &Context,
    flags: &RunFlags,
    database: Database,
    audit: Option<&Audit>,
) -> Result<Runner> {
    runner_on(context, flags, database, Arc::from(context.store()?), audit)
}

/// The same on a store of the caller's choice.
pub(crate) fn runner_on(
    context: &Context,
    flags: &RunFlags,
    database: Database,
    store: Arc<dyn Store>,
    audit: Option<&Audit>,
) -> Result<Runner> {
    Ok(Runner::new(database, store, settings(context, flags)?)
        .with_variables(variables(context))
        .with_watch(Arc::new(Screen::new(context, audit)))
        .with_progress(Shown::new(&context.output))
        .with_cancel(context.cancel.clone()))
}

/// How a run goes about it, as the configuration and the flags want it.
pub(crate) fn settings(context: &Context, flags: &RunFlags) -> Result<Settings> {
    let configuration = &context.configuration;
    let writers = configuration.writers()?;
    Ok(Settings {
        lock_wait: configuration.duration("lock_wait")?,
        reconnect: configuration.duration("reconnect")?,
        lock_timeout: configuration.duration("lock_timeout")?,
        lock_retries: u32::try_from(configuration.number("lock_retries")?).unwrap_or(u32::MAX),
        allowed: Allowed {
            disposable: false,
            no_backup: flags.no_backup,
            fence: writers == Writers::Fence,
            accept_lost_writes: writers == Writers::AcceptLost,
            server_wide: flags.allow_server_wide,
            drift: configuration.truth("allow_drift")?,
            detach_replication: flags.detach_replication,
        },
        yes: context.yes,
        rehearse: None,
        jobs: context.jobs()?,
        level: context.level()?,
        label: None,
        placeholders: placeholders(context),
        by: format!("{}@{}", audit::who(), audit::host()),
        dbm: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// Where `${env:NAME}` gets its values.
pub(crate) fn variables(context: &Context) -> Arc<dyn Variables> {
    Arc::new(EnvironmentVariables(context.configuration.environment.clone()))
}

/// What a failure before the run began means: if an older run is still open in the database, a person is needed.
pub(crate) async fn judged<T>(runner: &Runner, result: backup::Result<T>) -> Result<T> {
    let mut error = match result {
        Ok(done) => return Ok(done),
        Err(error) => CommandError::from(error),
    };
    if error.meaning == Meaning::Failed {
        match runner.open_run().await {
            Ok(Some(told)) => {
                error.meaning = Meaning::NeedsPerson;
                error.hints.push(format!(
                    "run {} ({}, begun by {} on {}) is still open: mend what the error says, then `dbm recover`; `dbm restore NAME` supersedes it",
                    told.run,
                    told.begun.kind.word(),
                    told.begun.by,
                    told.begun.host,
                ));
            }
            // A journal that cannot be read may be of a run that is open.
            Err(journal) if journal.kind() == backup::ErrorKind::Refused => {
                error.meaning = Meaning::NeedsPerson
            }
            _ => {}
        }
    }
    Err(error)
}

fn placeholders(context: &Context) -> Configured {
    let given = &context.configuration.placeholders;
    let engines = [Engine::Postgres, Engine::Mysql, Engine::Sqlite];
    Configured {
        common: given.common().clone(),
        engines: engines.into_iter().map(|engine| (engine, given.of(engine.word()))).collect(),
    }
}

struct EnvironmentVariables(Environment);

impl Variables for EnvironmentVariables {
    fn variable(&self, name: &str) -> Option<String> {
        self.0.get(name).map(str::to_owned)
    }
}
