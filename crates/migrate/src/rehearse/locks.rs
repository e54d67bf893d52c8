//! Which locks statements take, and for how long: read while their transaction holds them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use backup::Result;
use database::script::{self, Statement};
use database::{Database, Rows, Session};
use tokio::sync::{Mutex, OnceCell};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Rehearsed;
use super::ledger::{Found, Ledger};
use super::metadata::{self, Source, Watched};
use super::relations::{self, Locked, in_transaction, locks_of};
use crate::engine::{self, LockList, Storages};
use crate::run::{Observe, Seen};

/// How often another session looks at a statement whose locks are gone when it is over.
const EVERY: Duration = Duration::from_millis(10);

/// Looks at each statement of a run on the copy.
///
/// In dbm's own transaction the session itself is asked. Outside it another one: a statement of the file's own transaction
/// may have to be its first, such as `SET TRANSACTION`.
pub(super) struct Observer {
    copy: Database,
    state: Arc<Mutex<Ledger>>,
    /// Another session of the copy.
    other: Arc<Mutex<Option<Box<dyn Session>>>>,
    /// Ends the other session's looking.
    looking: Mutex<Option<(DropGuard, JoinHandle<()>)>>,
    /// Whether the other session was told where tables are stored.
    sees_storages: AtomicBool,
    /// Where the other session finds metadata locks, or what to do so that it does.
    source: OnceCell<Result<Source, String>>,
}

impl Observer {
    pub(super) fn new(copy: Database) -> Self {
        Self {
            copy,
            state: Arc::default(),
            other: Arc::default(),
            looking: Mutex::default(),
            sees_storages: AtomicBool::default(),
            source: OnceCell::new(),
        }
    }

    /// Whether it can tell which tables were written anew.
    pub(super) fn sees_storages(&self) -> bool {
        self.sees_storages.load(Ordering::Relaxed)
    }

    /// Whether the server says which locks there are.
    pub(super) fn sees_locks(&self) -> bool {
        match engine::lists_locks(self.copy.engine()) {
            LockList::OfRelations => true,
            LockList::OfMetadata => self.source().is_some(),
            LockList::None => false,
        }
    }

    /// What to switch on so that the server says which locks there are.
    pub(super) fn advice(&self) -> Option<String> {
        self.source.get()?.as_ref().err().cloned()
    }

    fn source(&self) -> Option<Source> {
        self.source.get()?.as_ref().ok().copied()
    }

    /// The statements so far; from here on it begins anew.
    pub(super) async fn take(&self) -> Vec<Rehearsed> {
        self.look_away().await;
        let mut state = self.state.lock().await;
        // A transaction of a file's own that it has not ended.
        state.release(|_| true);
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

    /// The same of metadata locks.
    fn watch(&self, session: i64, source: Source) -> (DropGuard, JoinHandle<()>) {
        let (other, state, copy) = (Arc::clone(&self.other), Arc::clone(&self.state), self.copy.name());
        let over = CancellationToken::new();
        let until = over.clone();
        let task = tokio::spawn(async move {
            let mut other = other.lock().await;
            let Some(other) = other.as_mut() else { return };
            for looks in 0.. {
                let began = Instant::now();
                // What could not be asked was not seen to be free.
                if let Ok(held) = source.held(&mut **other, session, &copy).await
                    && let Some(watched) = &mut state.lock().await.watched
                {
                    watched.look(began, Instant::now(), held);
                }
                tokio::select! {
                    () = until.cancelled() => return,
                    () = tokio::time::sleep(metadata::pause(looks)) => {}
                }
            }
        });
        (over.drop_guard(), task)
    }

    /// The names of tables and views.
    async fn names(&self) -> Result<BTreeSet<String>> {
        let sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()";
        Ok(self.ask(sql).await?.into_iter().flatten().flatten().collect())
    }

    /// Where metadata locks are shown, asked once.
    async fn find_source(&self, session: i64) -> Result<Option<Source>> {
        if engine::lists_locks(self.copy.engine()) == LockList::OfMetadata {
            let found = self.source.get_or_try_init(|| async {
                let mut other = self.other.lock().await;
                Source::find(&mut **self.opened(&mut other).await?, session).await
            });
            found.await?;
        }
        Ok(self.source())
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
        if engine::lists_locks(session.engine()) == LockList::OfRelations {
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
            self.state.lock().await.began = Some(Instant::now());
            return Ok(());
        }
        if self.state.lock().await.tables.is_none() {
            let tables = self.storages().await?;
            self.sees_storages.fetch_or(tables.is_some(), Ordering::Relaxed);
            self.state.lock().await.tables = tables;
        }
        let id = session.id().id;
        let source = self.find_source(id).await?;
        if source.is_some() && self.state.lock().await.names.is_none() {
            let names = self.names().await?;
            self.state.lock().await.names = Some(names);
        }
        let mut state = self.state.lock().await;
        let began = Instant::now();
        state.began = Some(began);
        if let Some(source) = source {
            state.watched = Some(Watched::new(began, state.left.clone()));
            drop(state);
            *self.looking.lock().await = Some(self.watch(id, source));
        }
        Ok(())
    }

    async fn after(&self, session: &mut dyn Session, statement: &Statement<'_>, seen: Seen) -> Result<()> {
        let over = Instant::now();
        self.look_away().await;
        let engine = session.engine();
        if engine::lists_locks(engine) == LockList::OfRelations {
            let found = self.found(session, seen.alone).await?;
            self.state.lock().await.seen(engine, statement, seen, found);
            return Ok(());
        }
        let Some(source) = self.source() else {
            let now = self.storages().await?;
            let mut state = self.state.lock().await;
            let rewritten = now.map_or_else(Vec::new, |now| state.rewritten(&now));
            state.unseen(engine, statement, seen, rewritten);
            return Ok(());
        };
        let left = {
            let mut other = self.other.lock().await;
            let other = self.opened(&mut other).await?;
            source.held(&mut **other, session.id().id, &self.copy.name()).await?
        };
        let (now, names) = (self.storages().await?, self.names().await?);
        let words = script::lexemes(engine, statement.text).unwrap_or_default();
        let mut state = self.state.lock().await;
        let rewritten = now.map_or_else(Vec::new, |now| state.rewritten(&now));
        state.name(&words, names);
        state.watched(&words, seen, rewritten, over, left);
        Ok(())
    }

    async fn released(&self) {
        self.look_away().await;
        let mut state = self.state.lock().await;
        state.release(|_| true);
        state.changed = None;
    }
}
