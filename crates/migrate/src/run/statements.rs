//! The statements and checks of one file.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use backup::{Error, ErrorKind, Result};
use database::script::{self, Statement};
use database::{Canceller, Session};

use super::Runner;
use super::apply::{Context, Failed, millis};
use super::observe::Seen;
use super::report::{Became, Failure, RanMigration};
use crate::engine;
use crate::placeholders::Filled;
use crate::plan::{Action, Direction, Item};

impl Runner {
    pub(super) async fn item(
        &self,
        session: &mut dyn Session,
        item: &Item,
        context: &Context<'_>,
        since: Instant,
        alone: bool,
    ) -> Result<RanMigration, Failed> {
        self.going_on()?;
        let mut became = match (context.plan.direction, item.action) {
            (Direction::Migrate, _) => Became::Applied,
            (Direction::Rollback, Action::Run) => Became::RolledBack,
            (Direction::Rollback, Action::Forget) => Became::Forgotten,
        };
        if became == Became::Applied && self.satisfied(session, item).await? {
            became = Became::Satisfied;
        }
        let (mut statements, mut checks) = (0, 0);
        if matches!(became, Became::Applied | Became::RolledBack) {
            statements = self.statements(session, item, context, alone).await?;
            checks = self.checks(session, item).await?;
        }
        let took = since.elapsed();
        Ok(RanMigration {
            repeat: item.repeat,
            number: item.number,
            name: item.name.clone(),
            module: item.module.clone(),
            group: context.group.number,
            became,
            statements,
            checks,
            duration_ms: millis(took),
        })
    }

    /// Whether all that the file makes is there already.
    async fn satisfied(&self, session: &mut dyn Session, item: &Item) -> Result<bool, Failed> {
        let (mut there, mut missing) = (Vec::new(), Vec::new());
        for unless in &item.unless {
            if engine::is_there(session, unless).await? {
                there.push(unless.to_string());
            } else {
                missing.push(unless.to_string());
            }
        }
        if there.is_empty() {
            return Ok(false);
        }
        if missing.is_empty() {
            return Ok(true);
        }
        let error = Error::new(
            ErrorKind::Refused,
            format!("{} is there already, and {} is not", there.join(", "), missing.join(", ")),
        )
        .with_hint("split the file, so that each has its own `-- dbm: unless`");
        Err(of_item(item, &error))
    }

    async fn statements(
        &self,
        session: &mut dyn Session,
        item: &Item,
        context: &Context<'_>,
        alone: bool,
    ) -> Result<usize, Failed> {
        let engine = session.engine();
        let statements = script::split(engine, &item.body.text)?;
        let inside = item.before..statements.len() - item.after;
        let mut ran = 0;
        let mut shown = BTreeSet::new();
        for (place, statement) in statements.iter().enumerate() {
            if !inside.contains(&place) || item.skipped.contains(&place) {
                continue;
            }
            let failed = |error: Error| {
                let mut failed = at(item, &item.body, statement, place, statements.len(), false, &error);
                let migrates = context.plan.direction == Direction::Migrate && item.repeat.is_none();
                if migrates && engine::is_there_already(engine, &error) {
                    failed.failure.hint.get_or_insert_with(|| there_already(item.number));
                }
                failed
            };
            if let Some(observer) = &self.observer {
                observer.before(session, alone).await.map_err(failed)?;
            }
            let since = Instant::now();
            let done = if alone {
                self.statement_alone(session, item, context, statement).await
            } else {
                self.statement(session, statement).await
            };
            let rows = done.map_err(failed)?;
            if let Some(observer) = &self.observer {
                let line = item.body.line_in_file(statement.line);
                let text = item.source.lines().nth(line - 1).unwrap_or_default().trim().to_owned();
                let (migration, took) = (item.label(), since.elapsed());
                let seen = Seen { migration, line, text, took, rows, alone };
                observer.after(session, statement, seen).await.map_err(failed)?;
            }
            ran += 1;
            for made in &item.body.made {
                // Where no row has it, it is nobody's password.
                let used =
                    statement.text.contains(&made.hash) && !(rows == Some(0) && changes_rows(statement));
                if used && shown.insert(&made.variable) {
                    self.watch.password(&item.label(), &made.variable, &made.password);
                }
            }
        }
        Ok(ran)
    }

    /// One statement outside a transaction, tried again when a lock was not had in time and nothing came of it.
    async fn statement_alone(
        &self,
        session: &mut dyn Session,
        item: &Item,
        context: &Context<'_>,
        statement: &Statement<'_>,
    ) -> Result<Option<u64>> {
        self.going_on()?;
        let engine = session.engine();
        let ran = self.tried_alone(session, item, statement).await;
        let harmless = match &ran {
            Ok(_) => engine::is_of_session_only(engine, statement.text),
            Err(error) => engine::changed_nothing(engine, statement.text, error),
        };
        if !harmless {
            context.touched.store(true, Ordering::Relaxed);
        }
        ran
    }

    async fn tried_alone(
        &self,
        session: &mut dyn Session,
        item: &Item,
        statement: &Statement<'_>,
    ) -> Result<Option<u64>> {
        // What is built concurrently blocks nobody while it waits, and an interrupted one leaves an invalid index.
        let waits = item.own_transaction || statement.text.to_ascii_uppercase().contains("CONCURRENTLY");
        let timeout = item.lock_timeout.or((!waits).then_some(self.settings.lock_timeout));
        session.set_lock_timeout(timeout).await?;
        let mut attempt = 0;
        loop {
            let error = match self.statement(session, statement).await {
                Ok(rows) => return Ok(rows),
                Err(error) => error,
            };
            attempt += 1;
            if error.kind() != ErrorKind::LockTimeout || waits || attempt > self.settings.lock_retries {
                return Err(error);
            }
            self.watch.note(&format!(
                "{}: a lock was not had in time; the statement is tried again ({attempt} of {})",
                item.label(),
                self.settings.lock_retries
            ));
            self.pause(attempt).await?;
        }
    }

    /// Runs a statement; the rows that it changed, where the server says.
    pub(super) async fn statement(
        &self,
        session: &mut dyn Session,
        statement: &Statement<'_>,
    ) -> Result<Option<u64>> {
        self.going_on()?;
        let canceller = session.canceller();
        let ran = self.until_cancelled(canceller, session.run(statement)).await?;
        for notice in ran.notices {
            self.watch.note(&notice);
        }
        Ok(ran.rows)
    }

    /// Lets a statement end by itself, or stops it when the run is stopped.
    pub(super) async fn until_cancelled<T>(
        &self,
        canceller: Canceller,
        work: impl Future<Output = database::Result<T>>,
    ) -> Result<T> {
        let mut work = pin!(work);
        tokio::select! {
            biased;
            result = &mut work => return Ok(result?),
            () = self.cancel.cancelled() => {}
        }
        loop {
            // Again and again: a cancellation may hit just as a statement ends, and the next one would run on.
            let _ = canceller.cancel().await;
            tokio::select! {
                biased;
                result = &mut work => return Ok(result?),
                () = tokio::time::sleep(Duration::from_millis(200)) => {}
            }
        }
    }
}

pub(super) fn of_item(item: &Item, error: &Error) -> Failed {
    let mut failure = Failure::of(error);
    failure.migration = Some(item.label());
    failure.file = Some(item.path.clone());
    let lock = error.kind() == ErrorKind::LockTimeout;
    Failed { failure: Box::new(failure), lock, untouched: false }
}

/// What helps where a lock was not had in all of the attempts.
const LOCKED: &str = "somebody holds it: see pg_stat_activity and pg_blocking_pids() (PostgreSQL) or SHOW PROCESSLIST (MySQL); \
                      end that, try again at a quieter time, or wait longer: `--lock-timeout 30s`, `lock_retries` in dbm.toml";

/// What helps where the database has what a migration makes, and the history does not say so.
fn there_already(number: u64) -> String {
    format!(
        "`dbm drift` shows what was made otherwise; where all that the file makes is there, `dbm stamp {number:03}` records \
         it (nothing above it stays recorded); where a part of it is, write `-- dbm: unless table NAME` into the file"
    )
}

pub(super) fn at(
    item: &Item,
    filled: &Filled,
    statement: &Statement<'_>,
    place: usize,
    statements: usize,
    check: bool,
    error: &Error,
) -> Failed {
    let mut failed = of_item(item, error);
    // The server may point at a place within the statement.
    let line = filled.line_in_file(error.line().unwrap_or(statement.line));
    failed.failure.line = Some(line);
    failed.failure.statement = Some(place + 1);
    failed.failure.statements = Some(statements);
    failed.failure.check = check;
    if failed.lock {
        failed.failure.hint.get_or_insert_with(|| LOCKED.to_owned());
    }
    failed.failure.text = item.source.lines().nth(line - 1).map(|text| text.trim().to_owned());
    failed
}

/// Whether it is a statement whose count of rows says whether it did anything.
fn changes_rows(statement: &Statement<'_>) -> bool {
    let first: String = statement.text.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
    ["INSERT", "UPDATE", "REPLACE", "MERGE", "WITH"].iter().any(|word| first.eq_ignore_ascii_case(word))
}
