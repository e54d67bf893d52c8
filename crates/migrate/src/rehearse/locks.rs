//! Which locks statements take, and for how long: read while their transaction holds them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use backup::Result;
use database::script::{self, Statement, TransactionControl};
use database::{Database, Engine, Rows, Session};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::relations::{self, Locked, Stored, in_transaction, locks_of};
use super::{Lock, Rehearsed};
use crate::engine::{self, Storages};
use crate::run::{Observe, Seen};

/// How often another session looks at a statement whose locks are gone when it is over.
const EVERY: Duration = Duration::from_millis(10);

/// Which modes keep readers or writers of a table waiting, the strongest last
/// (<https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES>).
pub(super) const BLOCKING: [&str; 4] =
    ["ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"];

/// The mode of whoever writes rows. It keeps nobody waiting, but the rows that were changed under it do until the
/// transaction ends: whoever would change them too
/// (<https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS>).
const WRITING: &str = "RowExclusiveLock";

/// Looks at each statement of a run on the copy.
///
/// In dbm's own transaction the session itself is asked. Outside it another one: a statement of the file's own transaction
/// may have to be its first, such as `SET TRANSACTION`.
pub(super) struct Observer {
    copy: Database,
    state: Arc<Mutex<State>>,
    /// Another session of the copy.
    other: Arc<Mutex<Option<Box<dyn Session>>>>,
    /// Ends the other session's looking.
    looking: Mutex<Option<(DropGuard, JoinHandle<()>)>>,
    /// Whether the other session was told where tables are stored.
    sees_storages: AtomicBool,
}

#[derive(Default)]
struct State {
    /// The relations that were there before the run, with their storage.
    known: Option<BTreeMap<String, Stored>>,
    statements: Vec<Rehearsed>,
    /// The locks that the open transaction holds, by relation, mode, and whether they block.
    held: BTreeMap<(String, String, bool), Holding>,
    began: Option<Instant>,
    /// What the other session has seen of the statement that runs.
    glimpsed: BTreeSet<Locked>,
    /// How many rows of each table were changed before the statement that runs, where the session itself is asked.
    changed: Option<BTreeMap<String, u64>>,
    /// How the file's own transaction ends, where the server does not show that there is one.
    own: Option<Ends>,
    /// The tables that were there before the run, where the server shows no locks.
    tables: Option<Storages>,
}

/// Since when a lock is held, and which it is of which statement.
struct Holding {
    statement: usize,
    lock: usize,
    since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Committed,
    /// `LOCK TABLES` outlasts a commit.
    Unlocked,
}

/// What was found after a statement.
struct Found {
    /// Whether it is in a transaction now.
    open: bool,
    locks: Vec<Locked>,
    /// What is committed; nothing where the session itself was asked.
    storages: BTreeMap<String, Stored>,
}

impl Observer {
    pub(super) fn new(copy: Database) -> Self {
        Self {
            copy,
            state: Arc::default(),
            other: Arc::default(),
            looking: Mutex::default(),
            sees_storages: AtomicBool::default(),
        }
    }

    /// Whether it can tell which tables were written anew.
    pub(super) fn sees_storages(&self) -> bool {
        self.sees_storages.load(Ordering::Relaxed)
    }

    /// The statements so far; from here on it begins anew.
    pub(super) async fn take(&self) -> Vec<Rehearsed> {
        self.look_away().await;
        let mut state = self.state.lock().await;
        let taken = std::mem::take(&mut *state);
        taken.statements
    }

    /// What another session says.
    async fn ask(&self, sql: &str) -> Result<Rows> {
        let mut other = self.other.lock().await;
        Ok(self.opened(&mut other).await?.own(sql).await?)
    }

    async fn opened<'o>(&self, other: &'o mut Option<Box<dyn Session>>) -> Result<&'o mut Box<dyn Session>> {
        match other {
            Some(session) => Ok(session),
            None => Ok(other.insert(self.copy.session().await?)),
        }
    }

    /// Where another session sees that tables are stored; none where the server does not tell.
    async fn storages(&self) -> Result<Option<Storages>> {
        if !engine::commits_every_statement(self.copy.engine()) {
            return Ok(None);
        }
        let mut other = self.other.lock().await;
        engine::storages(&mut **self.opened(&mut other).await?).await
    }

    /// Another session looks on until it is told that the statement is over.
    fn look(&self, session: i64) -> (DropGuard, JoinHandle<()>) {
        let (other, state) = (Arc::clone(&self.other), Arc::clone(&self.state));
        let over = CancellationToken::new();
        let until = over.clone();
        let task = tokio::spawn(async move {
            let mut other = other.lock().await;
            let Some(other) = other.as_mut() else { return };
            while !until.is_cancelled() {
                let rows = other.own(&locks_of(&session.to_string())).await.unwrap_or_default();
                state.lock().await.glimpsed.extend(rows.into_iter().filter_map(Locked::of));
                tokio::select! { () = until.cancelled() => {}, () = tokio::time::sleep(EVERY) => {} }
            }
        });
        (over.drop_guard(), task)
    }

    async fn look_away(&self) {
        if let Some((over, task)) = self.looking.lock().await.take() {
            drop(over);
            let _ended = task.await;
        }
    }

    async fn found(&self, session: &mut dyn Session, alone: bool) -> Result<Found> {
        let locks = |rows: Rows| rows.into_iter().filter_map(Locked::of).collect();
        if !alone {
            let rows = session.query(&locks_of("pg_catalog.pg_backend_pid()")).await?;
            return Ok(Found { open: true, locks: locks(rows), storages: BTreeMap::new() });
        }
        let id = session.id().id;
        let open = !self.ask(&in_transaction(id)).await?.is_empty();
        let rows = if open { self.ask(&locks_of(&id.to_string())).await? } else { Vec::new() };
        let storages = relations::stored(self.ask(&relations::storages()).await?);
        Ok(Found { open, locks: locks(rows), storages })
    }
}

#[async_trait]
impl Observe for Observer {
    async fn before(&self, session: &mut dyn Session, alone: bool) -> Result<()> {
        // Of one that failed and is tried again.
        self.look_away().await;
        if engine::shows_locks(session.engine()) {
            if self.state.lock().await.known.is_none() {
                // The other session does not see what the run has begun to make.
                let known = relations::stored(self.ask(&relations::storages()).await?);
                self.state.lock().await.known = Some(known);
            }
            self.state.lock().await.glimpsed.clear();
            if alone {
                *self.looking.lock().await = Some(self.look(session.id().id));
            } else if self.state.lock().await.changed.is_none() {
                let changed = relations::changed(session.query(relations::CHANGED).await?);
                self.state.lock().await.changed = Some(changed);
            }
            self.sees_storages.store(true, Ordering::Relaxed);
        } else if self.state.lock().await.tables.is_none() {
            let tables = self.storages().await?;
            self.sees_storages.fetch_or(tables.is_some(), Ordering::Relaxed);
            self.state.lock().await.tables = tables;
        }
        self.state.lock().await.began = Some(Instant::now());
        Ok(())
    }

    async fn after(&self, session: &mut dyn Session, statement: &Statement<'_>, seen: Seen) -> Result<()> {
        self.look_away().await;
        let engine = session.engine();
        if !engine::shows_locks(engine) {
            let now = self.storages().await?;
            let mut state = self.state.lock().await;
            let rewritten = now.map_or_else(Vec::new, |now| state.rewritten(&now));
            state.unseen(engine, statement, seen, rewritten);
            return Ok(());
        }
        let found = self.found(session, seen.alone).await?;
        self.state.lock().await.seen(engine, statement, seen, found);
        Ok(())
    }

    async fn released(&self) {
        self.look_away().await;
        let mut state = self.state.lock().await;
        state.release(|_| true);
        state.changed = None;
    }
}

impl State {
    /// What a server says of a statement that shows its locks.
    fn seen(&mut self, engine: Engine, statement: &Statement<'_>, seen: Seen, found: Found) {
        let began = self.began.take().unwrap_or_else(Instant::now);
        let place = self.statements.len();
        let took = millis(seen.took);
        let written = seen.alone && seen.rows != Some(0) && changes_rows(engine, statement);
        let before = self.changed.as_ref();
        let known = self.known.get_or_insert_default();
        let keeps_waiting = |one: &Locked| {
            let changed = match before {
                Some(before) => one.changed > before.get(&one.oid).copied().unwrap_or(0),
                None => written && one.table,
            };
            known.contains_key(&one.oid)
                && (BLOCKING.contains(&one.mode.as_str()) || (one.mode == WRITING && changed))
        };
        // What was dropped has the name that it had; what came and went within the run has none, and bothers nobody.
        let name_of =
            |one: &Locked| one.name.clone().or_else(|| known.get(&one.oid).map(|(name, _)| name.clone()));
        let (mut locks, mut held) = (Vec::new(), Vec::new());
        for one in &found.locks {
            let Some(on) = name_of(one) else { continue };
            let blocks = keeps_waiting(one);
            let key = |blocks| (one.oid.clone(), one.mode.clone(), blocks);
            if self.held.contains_key(&key(blocks)) || self.held.contains_key(&key(true)) {
                continue;
            }
            held.push((key(blocks), Holding { statement: place, lock: locks.len(), since: began }));
            locks.push(Lock { on, mode: one.mode.clone(), blocks, held_ms: 0, table: one.table });
        }
        let glimpsed = std::mem::take(&mut self.glimpsed);
        if seen.alone && !found.open {
            for one in &glimpsed {
                let (Some(on), blocks) = (name_of(one), keeps_waiting(one)) else { continue };
                let key = |blocks| (one.oid.clone(), one.mode.clone(), blocks);
                let was_held = self.held.contains_key(&key(true)) || self.held.contains_key(&key(false));
                let lock = Lock { on, mode: one.mode.clone(), blocks, held_ms: took, table: one.table };
                // At most so long: it may have come late and gone early.
                if !was_held && !locks.contains(&lock) {
                    locks.push(lock);
                }
            }
        }
        let mut rewritten = Vec::new();
        let visible = found.locks.iter().filter(|one| one.name.is_some());
        let visible = visible.map(|one| (&one.oid, &one.storage));
        for (oid, storage) in visible.chain(found.storages.iter().map(|(oid, (_, storage))| (oid, storage))) {
            let Some((name, before)) = known.get_mut(oid) else { continue };
            if before.is_none() || before == storage {
                continue;
            }
            before.clone_from(storage);
            // What a commit makes visible was written by whoever let nobody in.
            let key = (oid.clone(), "AccessExclusiveLock".to_owned(), true);
            let by = self.held.get(&key).filter(|_| seen.alone);
            match by.and_then(|by| self.statements.get_mut(by.statement)) {
                Some(earlier) => earlier.rewritten.push(name.clone()),
                None => rewritten.push(name.clone()),
            }
        }
        // Savepoints, and transactions of the file's own, end within the run.
        let kept: BTreeSet<(&str, &str)> =
            found.locks.iter().map(|one| (one.oid.as_str(), one.mode.as_str())).collect();
        self.release(|(oid, mode, _)| !kept.contains(&(oid, mode)));
        self.held.extend(held);
        if let Some(changed) = &mut self.changed {
            changed.extend(found.locks.iter().map(|one| (one.oid.clone(), one.changed)));
        }
        self.push(seen, took, locks, rewritten);
    }

    /// The same where the server does not show any: what may be locked is locked.
    fn unseen(&mut self, engine: Engine, statement: &Statement<'_>, seen: Seen, rewritten: Vec<String>) {
        let since = self.began.take().unwrap_or_else(Instant::now);
        let took = millis(seen.took);
        let (begins, ended) = boundaries(engine, statement);
        if self.own.is_none() && seen.alone {
            self.own = begins;
        }
        let (on, mode) = ("the database".to_owned(), "a lock that the server does not show".to_owned());
        let key = (on.clone(), mode.clone(), true);
        let mut locks = Vec::new();
        if seen.alone && self.own.is_none() {
            locks.push(Lock { on, mode, blocks: true, held_ms: took, table: true });
        } else if !self.held.contains_key(&key) {
            self.held.insert(key, Holding { statement: self.statements.len(), lock: 0, since });
            locks.push(Lock { on, mode, blocks: true, held_ms: 0, table: true });
        }
        self.push(seen, took, locks, rewritten);
        if ended.is_some() && ended == self.own {
            self.own = None;
            self.release(|_| true);
        }
    }

    /// Which tables that were there before are stored elsewhere now, all of them.
    fn rewritten(&mut self, now: &Storages) -> Vec<String> {
        let mut rewritten = Vec::new();
        for (name, before) in self.tables.iter_mut().flatten() {
            let Some(storages) = now.get(name) else { continue };
            if before.is_disjoint(storages) {
                rewritten.push(name.clone());
            }
            before.clone_from(storages);
        }
        rewritten
    }

    fn push(&mut self, seen: Seen, took: u64, locks: Vec<Lock>, rewritten: Vec<String>) {
        let Seen { migration, line, text, rows, .. } = seen;
        self.statements.push(Rehearsed { migration, line, text, duration_ms: took, rows, locks, rewritten });
    }

    /// Says of the locks that are gone how long they were held.
    fn release(&mut self, gone: impl Fn(&(String, String, bool)) -> bool) {
        // One moment for all: of a table and its indexes none is held longer than the other.
        let now = Instant::now();
        let (released, held) = std::mem::take(&mut self.held).into_iter().partition(|(key, _)| gone(key));
        self.held = held;
        let released: BTreeMap<_, Holding> = released;
        for Holding { statement, lock, since } in released.into_values() {
            let lock = self.statements.get_mut(statement).and_then(|one| one.locks.get_mut(lock));
            if let Some(lock) = lock {
                lock.held_ms = millis(now.saturating_duration_since(since));
            }
        }
    }
}

/// Whether a statement outside dbm's transaction changes or removes rows, by its words.
fn changes_rows(engine: Engine, statement: &Statement<'_>) -> bool {
    let words = script::lexemes(engine, statement.text).unwrap_or_default();
    let changing = |word| script::holds(&words, &[word]);
    ["UPDATE", "DELETE", "MERGE"].iter().any(|word| script::begins(&words, &[word]))
        || (["WITH", "INSERT"].iter().any(|word| script::begins(&words, &[word]))
            && (changing("UPDATE") || changing("DELETE") || changing("MERGE")))
}

/// How the transaction ends that a statement begins, and which one it ends.
fn boundaries(engine: Engine, statement: &Statement<'_>) -> (Option<Ends>, Option<Ends>) {
    let control = script::classify(engine, statement).ok().and_then(|nature| nature.transaction);
    let words = script::lexemes(engine, statement.text).unwrap_or_default();
    match control {
        Some(TransactionControl::Begin) => (Some(Ends::Committed), None),
        Some(TransactionControl::Commit | TransactionControl::Rollback) => (None, Some(Ends::Committed)),
        _ if script::begins(&words, &["LOCK"]) => (Some(Ends::Unlocked), None),
        _ if script::begins(&words, &["UNLOCK"]) => (None, Some(Ends::Unlocked)),
        _ => (None, None),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
