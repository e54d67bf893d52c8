use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use backup::{Error, ErrorKind, Result};
use database::Session;
use database::script;

use super::Runner;
use super::lock::jitter;
use super::open::Open;
use super::record::Record;
use super::report::{Failure, RanMigration, Report};
use super::statements::{at, of_item};
use crate::engine;
use crate::history;
use crate::journal::Step;
use crate::plan::{Action, Direction, Group, Item, Plan};

/// How long a table that was made for nothing is tried to be removed.
const REMOVAL: Duration = Duration::from_secs(60);

/// Why a group was not applied.
pub(super) struct Failed {
    pub(super) failure: Box<Failure>,
    /// A lock was not had in time: nothing is wrong with the statements.
    pub(super) lock: bool,
    /// It failed outside a transaction, and before it changed anything.
    pub(super) untouched: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let lock = error.kind() == ErrorKind::LockTimeout;
        Self { failure: Box::new(Failure::of(&error)), lock, untouched: false }
    }
}

impl From<database::Error> for Failed {
    fn from(error: database::Error) -> Self {
        Error::from(error).into()
    }
}

/// What a group needs to know of its run.
pub(super) struct Context<'p> {
    pub(super) plan: &'p Plan,
    pub(super) group: &'p Group,
    /// Nothing comes after it: its commit is the run's.
    last: bool,
    /// Outside a transaction: something may have changed by now.
    pub(super) touched: AtomicBool,
}

impl Runner {
    /// Applies one group and commits it.
    pub(super) async fn apply(
        &self,
        open: &mut Open<'_>,
        plan: &Plan,
        group: &Group,
        last: bool,
        report: &mut Report,
    ) -> Result<(), Box<Failure>> {
        let context = Context { plan, group, last, touched: AtomicBool::new(false) };
        let applied = if group.transaction {
            Box::pin(self.together(open, &context)).await
        } else {
            Box::pin(self.alone(open, &context)).await
        };
        let ran = match applied {
            Ok(ran) => ran,
            Err(failed) => {
                if failed.untouched {
                    // Without this note it is put back like any other.
                    let noted = open.note(&Step::Untouched { group: group.number }).await;
                    noted.unwrap_or_else(
                        |error| tracing::warn!(%error, "cannot note that nothing was changed"),
                    );
                }
                return Err(failed.failure);
            }
        };
        report.checks += ran.iter().map(|migration| migration.checks).sum::<usize>();
        report.migrations.extend(ran);
        Ok(())
    }

    /// In one transaction, tried again as a whole when a lock was not had in time.
    async fn together(
        &self,
        open: &mut Open<'_>,
        context: &Context<'_>,
    ) -> Result<Vec<RanMigration>, Failed> {
        let mut attempt = 0;
        loop {
            let failed = match self.transaction(open, context).await {
                Ok(ran) => return Ok(ran),
                Err(failed) => failed,
            };
            if failed.failure.code.as_deref() == Some(LOCK_TABLE_FULL) {
                // What came of it is judged afterwards.
                let _ = open.session()?.rollback().await;
                return Err(fewer(failed, context));
            }
            attempt += 1;
            self.before_another(open, failed, attempt).await?;
        }
    }

    /// Rolls back a transaction that did not have a lock in time, and waits before it is tried again; gives the failure back
    /// where it was another one, or was tried often enough.
    async fn before_another(&self, open: &mut Open<'_>, failed: Failed, attempt: u32) -> Result<(), Failed> {
        // A broken connection has rolled back too; what came of it is judged afterwards.
        let rolled_back = open.session()?.rollback().await;
        if !failed.lock || attempt > self.settings.lock_retries || rolled_back.is_err() {
            return Err(failed);
        }
        self.watch.note(&format!(
            "a lock was not had in time, the transaction was rolled back, and is tried again ({attempt} of {}): {}",
            self.settings.lock_retries,
            open.redactor.scrub(&failed.failure.message)
        ));
        Ok(self.pause(attempt).await?)
    }

    /// Waits longer each time, and never in step with others.
    pub(super) async fn pause(&self, attempt: u32) -> Result<()> {
        let wait = jitter(Duration::from_millis(100) * attempt.min(20));
        tokio::select! {
            () = tokio::time::sleep(wait) => Ok(()),
            () = self.cancel.cancelled() => self.going_on(),
        }
    }

    async fn transaction(
        &self,
        open: &mut Open<'_>,
        context: &Context<'_>,
    ) -> Result<Vec<RanMigration>, Failed> {
        let items = &context.group.items;
        let own = items.iter().filter_map(|item| item.lock_timeout).min();
        let timeout = own.unwrap_or(self.settings.lock_timeout);
        for item in items {
            self.pragmas(&mut **open.session()?, item).await?;
        }
        open.session()?.begin(Some(timeout)).await?;
        if context.plan.direction == Direction::Migrate {
            history::create(&mut **open.session()?).await?;
        }
        let mut ran = Vec::with_capacity(items.len());
        let mut record = Record::new(&self.settings, open.run.clone());
        for item in items {
            let since = Instant::now();
            let session = &mut **open.session()?;
            let done = self.item(session, item, context, since, false).await?;
            if item.action == Action::Run {
                // Before anything is written into the history: the file may have said SET ROLE, and that role need not
                // have rights on it.
                session.end_file().await.map_err(|error| of_item(item, &error.into()))?;
            }
            record.add(session, item, done.became, since.elapsed()).await?;
            self.watch.migration(&item.label(), since.elapsed());
            ran.push(done);
        }
        record.write(&mut **open.session()?).await?;
        self.commit(open, context).await?;
        open.session()?.reset().await?;
        Ok(ran)
    }

    /// Commits with the mark that says so.
    async fn commit(&self, open: &mut Open<'_>, context: &Context<'_>) -> Result<(), Failed> {
        let run = open.run.clone();
        if context.last {
            let (before, applied) = (open.before.clone(), open.applied.clone());
            match before {
                Some(before) => history::put_before(&mut **open.session()?, &run, &before, &applied).await?,
                None if context.plan.direction == Direction::Rollback => {
                    history::forget_before(&mut **open.session()?, &applied).await?;
                }
                None => {}
            }
        }
        open.session()?.mark_committed(&run, context.group.number).await?;
        self.going_on()?;
        let name = if context.last { "commit".to_owned() } else { format!("close-{}", context.group.number) };
        let taking = open.take(&name, None, None).await?;
        let committed = open.session()?.commit().await.map_err(Error::from);
        open.after(taking, committed.as_ref().err());
        if let Some(observer) = &self.observer {
            observer.released().await;
        }
        Ok(committed?)
    }

    /// The pragmas that only work outside a transaction, which a file has at its beginning.
    async fn pragmas(&self, session: &mut dyn Session, item: &Item) -> Result<(), Failed> {
        if item.before == 0 {
            return Ok(());
        }
        let statements = script::split(session.engine(), &item.body.text)?;
        for (place, statement) in statements.iter().enumerate().take(item.before) {
            self.statement(session, statement)
                .await
                .map_err(|error| at(item, &item.body, statement, place, statements.len(), false, &error))?;
        }
        Ok(())
    }

    /// Without a transaction, one statement at a time; history and mark follow in a transaction of their own.
    async fn alone(&self, open: &mut Open<'_>, context: &Context<'_>) -> Result<Vec<RanMigration>, Failed> {
        // Made first, so that the rows which say what was done can be written once it is done.
        let made = if context.plan.direction == Direction::Migrate {
            match self.make_history(&mut **open.session()?).await {
                Ok(made) => made,
                Err(error) => {
                    // Where a lock on it was not had in time, it is not there, and nothing of the files has been run.
                    let there = history::is_there(&mut **open.session()?).await;
                    return Err(Failed { untouched: there.is_ok_and(|there| !there), ..Failed::from(error) });
                }
            }
        } else {
            false
        };
        let items = Box::pin(self.items_alone(open, context)).await;
        let done = match items {
            Ok(done) => done,
            Err(mut failed) => {
                failed.untouched = !context.touched.load(Ordering::Relaxed)
                    && (!made || self.remove_history(&mut **open.session()?).await);
                return Err(failed);
            }
        };
        open.session()?.reset().await?;
        let mut attempt = 0;
        while let Err(failed) = self.record_alone(open, context, &done).await {
            attempt += 1;
            self.before_another(open, failed, attempt).await?;
        }
        Ok(done.into_iter().map(|(_, _, migration)| migration).collect())
    }

    /// Writes into the history what was run outside a transaction.
    async fn record_alone(
        &self,
        open: &mut Open<'_>,
        context: &Context<'_>,
        done: &[(&Item, Duration, RanMigration)],
    ) -> Result<(), Failed> {
        open.session()?.begin(Some(self.settings.lock_timeout)).await?;
        let mut record = Record::new(&self.settings, open.run.clone());
        for (item, took, migration) in done {
            record.add(&mut **open.session()?, item, migration.became, *took).await?;
        }
        record.write(&mut **open.session()?).await?;
        self.commit(open, context).await
    }

    /// The statements and checks of a group outside a transaction.
    async fn items_alone<'p>(
        &self,
        open: &mut Open<'_>,
        context: &Context<'p>,
    ) -> Result<Vec<(&'p Item, Duration, RanMigration)>, Failed> {
        let mut done = Vec::with_capacity(context.group.items.len());
        for item in &context.group.items {
            let since = Instant::now();
            let migration = self.item(&mut **open.session()?, item, context, since, true).await?;
            self.watch.migration(&item.label(), since.elapsed());
            done.push((item, since.elapsed(), migration));
        }
        Ok(done)
    }

    /// Makes the history's table where it is missing; whether it was.
    pub(super) async fn make_history(&self, session: &mut dyn Session) -> Result<bool> {
        if history::is_there(session).await? {
            return Ok(false);
        }
        let mut attempt = 0;
        while let Err(error) = self.create_history(session).await {
            attempt += 1;
            if error.kind() != ErrorKind::LockTimeout || attempt > self.settings.lock_retries {
                return Err(error);
            }
            self.pause(attempt).await?;
        }
        Ok(true)
    }

    /// Removes the history's table, which was made for what then changed nothing; whether it is gone. Nobody else uses it yet,
    /// but a backup of any database makes the server's changes of tables wait, and a restore is the worse way back.
    async fn remove_history(&self, session: &mut dyn Session) -> bool {
        let deadline = Instant::now() + REMOVAL;
        let mut attempt = 0;
        loop {
            let Err(error) = history::remove(session).await else { return true };
            attempt += 1;
            let waits = error.kind() == ErrorKind::LockTimeout && Instant::now() < deadline;
            if !waits || self.pause(attempt).await.is_err() {
                tracing::info!(%error, "the history that was made for nothing cannot be removed");
                return false;
            }
        }
    }

    async fn create_history(&self, session: &mut dyn Session) -> Result<()> {
        if engine::no_transactions(session.engine()).is_some() {
            session.set_lock_timeout(Some(self.settings.lock_timeout)).await?;
            return history::create(session).await;
        }
        session.begin(Some(self.settings.lock_timeout)).await?;
        let made = match history::create(session).await {
            Ok(()) => session.commit().await.map_err(Error::from),
            Err(error) => Err(error),
        };
        if made.is_err() {
            // SQLite's transaction stays open where its commit was too late.
            let _ = session.rollback().await;
        }
        made
    }
}

/// Each relation that a transaction makes or drops is a lock until its end, and the server has room for so many:
/// <https://www.postgresql.org/docs/current/runtime-config-locks.html>.
const LOCK_TABLE_FULL: &str = "53200";

/// Says how to go with fewer locks.
fn fewer(mut failed: Failed, context: &Context<'_>) -> Failed {
    let fewer = match context.plan.direction {
        Direction::Migrate => "`dbm migrate --to NUMBER`",
        Direction::Rollback => "`dbm rollback COUNT`",
    };
    failed.failure.hint = Some(format!(
        "the server cannot lock all that {} files change in one transaction: take fewer at a time ({fewer}), or raise \
         max_locks_per_transaction",
        context.group.items.len()
    ));
    failed
}

pub(super) fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
