//! Which locks statements take, and for how long: read on the session that runs them, while their transaction holds them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use backup::Result;
use database::{Database, Rows, Session};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Lock, Rehearsed};
use crate::engine;
use crate::run::{Observe, Seen};

/// How often another session looks at a statement whose locks are gone when it is over.
const EVERY: Duration = Duration::from_millis(10);

/// Which modes keep readers or writers of a table waiting, the strongest last
/// (<https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES>).
pub(super) const BLOCKING: [&str; 4] =
    ["ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"];

/// Tables and the like with their storage.
const STORAGE: &str = "SELECT c.oid::pg_catalog.int8, c.relnamespace::pg_catalog.regnamespace::pg_catalog.text, c.relname::pg_catalog.text,
            pg_catalog.pg_relation_filenode(c.oid) FROM pg_catalog.pg_class c
     WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,m,i,I,v,f}') AND c.oid::pg_catalog.int8 OPERATOR(pg_catalog.>=) 16384";

/// The locks of a session, each with its relation's storage.
fn locks_of(session: &str) -> String {
    format!(
        "SELECT c.oid::pg_catalog.int8, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, l.mode,
                pg_catalog.pg_relation_filenode(c.oid)
           FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) l.relation
           JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
          WHERE l.pid OPERATOR(pg_catalog.=) {session} AND l.granted AND c.oid::pg_catalog.int8 OPERATOR(pg_catalog.>=) 16384
            AND l.database OPERATOR(pg_catalog.=) (SELECT oid FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
            AND c.relkind OPERATOR(pg_catalog.=) ANY ('{{r,p,m,i,I,v,f}}') AND n.nspname OPERATOR(pg_catalog.<>) 'dbm'
            AND c.relname OPERATOR(pg_catalog.<>) ALL ('{{dbm_history,dbm_history_pkey}}')
          ORDER BY 2, 3, 4"
    )
}

/// Looks at each statement of a run on the copy.
pub(super) struct Observer {
    copy: Database,
    state: Arc<Mutex<State>>,
    /// Another session of the copy.
    other: Arc<Mutex<Option<Box<dyn Session>>>>,
    /// Ends the other session's looking.
    looking: Mutex<Option<(DropGuard, JoinHandle<()>)>>,
}

#[derive(Default)]
struct State {
    /// The relations that were there before the run, with their storage.
    known: Option<BTreeMap<String, Stored>>,
    statements: Vec<Rehearsed>,
    /// The locks that the open transaction holds: which statement took it first, and when.
    held: BTreeMap<(String, String), (usize, Instant)>,
    began: Option<Instant>,
    /// What the other session has seen of the statement that runs.
    glimpsed: BTreeSet<(String, String, String)>,
}

impl Observer {
    pub(super) fn new(copy: Database) -> Self {
        Self { copy, state: Arc::default(), other: Arc::default(), looking: Mutex::default() }
    }

    /// The statements so far; from here on it begins anew.
    pub(super) async fn take(&self) -> Vec<Rehearsed> {
        self.look_away().await;
        let mut state = self.state.lock().await;
        let taken = std::mem::take(&mut *state);
        taken.statements
    }

    /// Another session looks on until it is told that the statement is over.
    async fn look(&self, session: i64) -> Result<()> {
        {
            // Open before the statement begins, so that it misses little of it.
            let mut other = self.other.lock().await;
            if other.is_none() {
                *other = Some(self.copy.session().await?);
            }
        }
        let (other, state) = (Arc::clone(&self.other), Arc::clone(&self.state));
        let over = CancellationToken::new();
        let until = over.clone();
        let task = tokio::spawn(async move {
            let mut other = other.lock().await;
            let Some(other) = other.as_mut() else { return };
            while !until.is_cancelled() {
                for row in other.own(&locks_of(&session.to_string())).await.unwrap_or_default() {
                    if let Some((oid, name, mode, _)) = lock(row) {
                        state.lock().await.glimpsed.insert((oid, name, mode));
                    }
                }
                tokio::select! { () = until.cancelled() => {}, () = tokio::time::sleep(EVERY) => {} }
            }
        });
        *self.looking.lock().await = Some((over.drop_guard(), task));
        Ok(())
    }

    async fn look_away(&self) {
        if let Some((over, task)) = self.looking.lock().await.take() {
            drop(over);
            let _ended = task.await;
        }
    }
}

type Held = (String, String, String, Option<String>);

/// A row of [`locks_of`]: the relation, its name, the mode and its storage.
fn lock(row: Vec<Option<String>>) -> Option<Held> {
    let [oid, namespace, name, mode, storage] = <[Option<String>; 5]>::try_from(row).ok()?;
    Some((oid?, format!("{}.{}", namespace?, name?), mode?, storage))
}

/// A relation's name, and the number of its storage if it has one.
type Stored = (String, Option<String>);

fn storages(rows: Rows) -> BTreeMap<String, Stored> {
    rows.into_iter()
        .filter_map(|row| {
            let [oid, namespace, name, storage] = <[Option<String>; 4]>::try_from(row).ok()?;
            Some((oid?, (format!("{}.{}", namespace?, name?), storage)))
        })
        .collect()
}

#[async_trait]
impl Observe for Observer {
    async fn before(&self, session: &mut dyn Session, alone: bool) -> Result<()> {
        // Of one that failed and is tried again.
        self.look_away().await;
        if engine::shows_locks(session.engine()) {
            if self.state.lock().await.known.is_none() {
                let known = storages(session.query(STORAGE).await?);
                self.state.lock().await.known = Some(known);
            }
            self.state.lock().await.glimpsed.clear();
            if alone {
                self.look(session.id().id).await?;
            }
        }
        self.state.lock().await.began = Some(Instant::now());
        Ok(())
    }

    async fn after(&self, session: &mut dyn Session, seen: Seen) -> Result<()> {
        self.look_away().await;
        let shown = engine::shows_locks(session.engine());
        let rows =
            if shown { session.query(&locks_of("pg_catalog.pg_backend_pid()")).await? } else { Vec::new() };
        // Of a statement whose locks are gone, only what was glimpsed is known; its storage is asked for now.
        let after =
            if shown && seen.alone { storages(session.query(STORAGE).await?) } else { BTreeMap::new() };
        let mut state = self.state.lock().await;
        let state = &mut *state;
        let began = state.began.take().unwrap_or_else(Instant::now);
        let place = state.statements.len();
        let took = millis(seen.took);
        let known = state.known.get_or_insert_default();
        let (mut locks, mut rewritten) = (Vec::new(), Vec::new());
        let mut renewed = |oid: &str, name: &str, storage: &Option<String>| {
            if let Some((_, before)) = known.get_mut(oid)
                && before.is_some()
                && before != storage
            {
                before.clone_from(storage);
                rewritten.push(name.to_owned());
            }
        };
        let blocks = |mode: &str| BLOCKING.contains(&mode);
        let mut taken: Vec<(String, String, String)> = Vec::new();
        for (oid, name, mode, storage) in rows.into_iter().filter_map(lock) {
            renewed(&oid, &name, &storage);
            taken.push((oid, name, mode));
        }
        if seen.alone {
            for (oid, name, mode) in std::mem::take(&mut state.glimpsed) {
                taken.push((oid, name, mode));
            }
            for (oid, (name, storage)) in &after {
                renewed(oid, name, storage);
            }
        }
        for (oid, on, mode) in taken {
            let blocks = blocks(&mode) && known.contains_key(&oid);
            if seen.alone {
                // At most: it may have come late and gone early.
                locks.push(Lock { on, mode, blocks, held_ms: took });
            } else if let std::collections::btree_map::Entry::Vacant(free) =
                state.held.entry((on.clone(), mode.clone()))
            {
                free.insert((place, began));
                locks.push(Lock { on, mode, blocks, held_ms: 0 });
            }
        }
        if !shown {
            let (on, mode) = ("the database".to_owned(), "a lock that the server does not show".to_owned());
            if seen.alone {
                locks.push(Lock { on, mode, blocks: true, held_ms: took });
            } else if state.held.is_empty() {
                state.held.insert((on.clone(), mode.clone()), (place, began));
                locks.push(Lock { on, mode, blocks: true, held_ms: 0 });
            }
        }
        let Seen { migration, line, text, rows, .. } = seen;
        state.statements.push(Rehearsed { migration, line, text, duration_ms: took, rows, locks, rewritten });
        Ok(())
    }

    async fn released(&self) {
        self.look_away().await;
        let mut state = self.state.lock().await;
        for ((on, mode), (place, since)) in std::mem::take(&mut state.held) {
            let held = millis(since.elapsed());
            let Some(statement) = state.statements.get_mut(place) else { continue };
            for lock in statement.locks.iter_mut().filter(|lock| lock.on == on && lock.mode == mode) {
                lock.held_ms = held;
            }
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
