//! The workers: each reads its pieces over a session of its own, and hands on parts.
//!
//! The session that holds the locks is one of them. It takes what the others cannot lock: behind
//! an `ALTER TABLE` that waits for our own lock, a second session of ours would wait for ever.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use database::postgres::{Connection, copy};
use database::{RowsRead, Section, TableDigest};
use futures_util::{FutureExt, TryStreamExt};
use tokio::sync::{Notify, mpsc};

use super::large_objects;
use super::plan::Piece;
use super::rows::{Block, Blocks};
use super::target::Target;
use super::views;
use crate::archive::{Aspect, PartNumber, Press, Pressing, RawPart, StoredPart};
use crate::{Error, ErrorKind, Result};

/// How often a session with nothing to do says that it is there, so that nothing in between forgets it.
const PING: Duration = Duration::from_secs(20);

/// One thing to do.
#[derive(Debug)]
pub(super) enum Task {
    /// A large table or a range of it, or several small tables.
    Rows(Vec<Piece>),
    /// What the materialized view at that place holds.
    View(usize),
    /// All of them, after the parts that make them.
    LargeObjects(Vec<PartNumber>),
}

/// What a worker hands on.
pub(super) enum Done {
    Part(StoredPart),
    /// What some tables, by their places, hold, or those pages of them that were read.
    Rows(Vec<(usize, RowsRead)>),
    /// What the materialized view at that place holds, if that could be read.
    View(usize, Option<TableDigest>),
    LargeObjects(TableDigest),
}

/// What all workers share.
pub(super) struct Work {
    targets: Vec<Target>,
    views: Vec<Target>,
    level: i32,
    queue: Mutex<VecDeque<Task>>,
    /// What only the session with the locks can do.
    handed: Mutex<VecDeque<Task>>,
    followers: AtomicUsize,
    changed: Notify,
}

impl Work {
    pub(super) fn new(
        targets: Vec<Target>,
        views: Vec<Target>,
        tasks: VecDeque<Task>,
        followers: usize,
        level: i32,
    ) -> Arc<Self> {
        Arc::new(Self {
            targets,
            views,
            level,
            queue: Mutex::new(tasks),
            handed: Mutex::default(),
            followers: AtomicUsize::new(followers),
            changed: Notify::new(),
        })
    }

    /// The tables.
    pub(super) fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The materialized views.
    pub(super) fn views(&self) -> &[Target] {
        &self.views
    }

    /// Works through everything; returns when the followers have ended too.
    pub(super) async fn lead(self: Arc<Self>, connection: Connection, to: mpsc::Sender<Result<Done>>) {
        let work = async {
            let mut out = Out::new(to.clone(), self.level)?;
            loop {
                let task = self.take(&self.handed).or_else(|| self.take(&self.queue));
                if let Some(task) = task {
                    self.run(&connection, &task, &mut out).await?;
                } else if self.followers.load(Ordering::Acquire) == 0 && locked(&self.handed).is_empty() {
                    out.flush().await?;
                    let end = connection.batch_execute("COMMIT").await;
                    return end.map_err(|error| connection.error(error, "cannot end the snapshot").into());
                } else if tokio::time::timeout(PING, self.changed.notified()).await.is_err() {
                    let ping = connection.batch_execute("SELECT 1").await;
                    ping.map_err(|error| connection.error(error, "cannot keep the snapshot"))?;
                }
            }
        };
        // After a failure nobody waits for the end of a COPY that still runs: the sessions are ended by their numbers.
        match work.await {
            Ok(()) => connection.close().await,
            Err(error) => report(error, &to).await,
        }
    }

    /// Works until the queue is empty.
    pub(super) async fn follow(self: Arc<Self>, connection: Connection, to: mpsc::Sender<Result<Done>>) {
        let _gone = Gone(&self);
        let work = async {
            let mut out = Out::new(to.clone(), self.level)?;
            // Whether we could lock a table.
            let mut ours = HashMap::new();
            while let Some(task) = self.take(&self.queue) {
                let task = match task {
                    Task::Rows(pieces) => {
                        self.lock(&connection, &pieces, &mut ours).await?;
                        let (mine, theirs): (Vec<_>, Vec<_>) =
                            pieces.into_iter().partition(|piece| ours.get(&piece.table) == Some(&true));
                        if !theirs.is_empty() {
                            locked(&self.handed).push_back(Task::Rows(theirs));
                            self.changed.notify_one();
                        }
                        Task::Rows(mine)
                    }
                    other => other,
                };
                self.run(&connection, &task, &mut out).await?;
            }
            out.flush().await
        };
        // After a failure nobody waits for the end of a COPY that still runs: the sessions are ended by their numbers.
        match work.await {
            Ok(()) => connection.close().await,
            Err(error) => report(error, &to).await,
        }
    }

    fn take(&self, queue: &Mutex<VecDeque<Task>>) -> Option<Task> {
        locked(queue).pop_front()
    }

    /// Tries to lock the tables without waiting, and keeps which of them it got.
    async fn lock(
        &self,
        connection: &Connection,
        pieces: &[Piece],
        ours: &mut HashMap<usize, bool>,
    ) -> Result<()> {
        let new: Vec<usize> =
            pieces.iter().map(|piece| piece.table).filter(|table| !ours.contains_key(table)).collect();
        if new.is_empty() {
            return Ok(());
        }
        if self.lock_all(connection, &new).await? {
            ours.extend(new.into_iter().map(|table| (table, true)));
            return Ok(());
        }
        for &table in &new {
            let got = new.len() > 1 && self.lock_all(connection, &[table]).await?;
            if !got {
                tracing::info!(table = %self.targets[table].id, "somebody waits to alter it; one session reads all of it");
            }
            ours.insert(table, got);
        }
        Ok(())
    }

    /// Locks all of them, or none if somebody stands in between.
    async fn lock_all(&self, connection: &Connection, tables: &[usize]) -> Result<bool> {
        let what = || match tables {
            [table] => format!("cannot lock {}", self.targets[*table].id),
            _ => format!("cannot lock {} tables", tables.len()),
        };
        let names: Vec<String> =
            tables.iter().map(|&table| format!("ONLY {}", self.targets[table].copied.name())).collect();
        let sql = format!(
            "SAVEPOINT dbm_lock; LOCK TABLE {} IN ACCESS SHARE MODE NOWAIT; RELEASE SAVEPOINT dbm_lock",
            names.join(", ")
        );
        match connection.batch_execute(&sql).await {
            Ok(()) => Ok(true),
            Err(error) if error.code() == Some(&tokio_postgres::error::SqlState::LOCK_NOT_AVAILABLE) => {
                let back = "ROLLBACK TO SAVEPOINT dbm_lock; RELEASE SAVEPOINT dbm_lock";
                let failed = |error| connection.error(error, what());
                connection.batch_execute(back).await.map_err(failed)?;
                Ok(false)
            }
            Err(error) => Err(connection.error(error, what()).into()),
        }
    }

    async fn run(&self, connection: &Connection, task: &Task, out: &mut Out) -> Result<()> {
        match task {
            Task::Rows(pieces) => {
                let digests = self.rows(connection, pieces, out).await?;
                out.send(Done::Rows(digests)).await
            }
            &Task::View(place) => {
                let digest = views::read(connection, &self.views[place]).await?;
                out.send(Done::View(place, digest)).await
            }
            Task::LargeObjects(made) => {
                let to = out.to.clone();
                let press = out.press.clone();
                let digest = large_objects::contents(connection, &mut |mut part: RawPart| {
                    let (to, press) = (to.clone(), press.clone());
                    part.follows.clone_from(made);
                    async move {
                        let (part, _) = press.begin(part).end().await?;
                        to.send(Ok(Done::Part(part))).await.map_err(|_| stopped())
                    }
                    .boxed()
                })
                .await?;
                out.send(Done::LargeObjects(digest)).await
            }
        }
    }

    async fn rows(
        &self,
        connection: &Connection,
        pieces: &[Piece],
        out: &mut Out,
    ) -> Result<Vec<(usize, RowsRead)>> {
        let statements =
            pieces.iter().map(|piece| self.targets[piece.table].copied.out(piece.pages)).collect();
        let mut streams = std::pin::pin!(copy::out_in_turn(connection, statements));
        let bytes = pieces.iter().fold(0, |sum: u64, piece| sum.saturating_add(piece.bytes));
        // The text of rows is often larger than they are on disk.
        let mut blocks = Blocks::new(bytes.saturating_mul(2));
        blocks.reuse(std::mem::take(&mut out.spare));
        let mut digests = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let target = &self.targets[piece.table];
            let failed = |error| connection.error(error, format!("cannot read the rows of {}", target.id));
            let Some(stream) = streams.try_next().await.map_err(failed)? else {
                let what = format!("nobody asked for the rows of {}", target.id);
                return Err(Error::new(ErrorKind::Internal, what));
            };
            let mut stream = std::pin::pin!(stream);
            blocks.begin(piece.table, target.copied.header().into_bytes(), target.copied.generated());
            while let Some(row) = stream.try_next().await.map_err(failed)? {
                if let Some(block) = blocks.before(row.len()) {
                    blocks.reuse(out.put(self.part(block)).await?);
                }
                blocks.add(&row).map_err(|error| about(target, error))?;
                drop(row);
                if let Some(block) = blocks.full() {
                    blocks.reuse(out.put(self.part(block)).await?);
                }
            }
            digests.push((piece.table, blocks.end()));
        }
        out.spare = match blocks.finish() {
            Some(block) => out.put(self.part(block)).await?,
            None => blocks.into_spare(),
        };
        Ok(digests)
    }

    fn part(&self, block: Block) -> RawPart {
        RawPart {
            section: Section::Data,
            aspect: Aspect::Rows,
            objects: block.tables.iter().map(|&table| self.targets[table].id.clone()).collect(),
            rows: block.rows,
            bytes: block.bytes,
            follows: Vec::new(),
        }
    }
}

/// Tells the leader that a follower has ended, however it did.
struct Gone<'a>(&'a Work);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.followers.fetch_sub(1, Ordering::AcqRel);
        self.0.changed.notify_one();
    }
}

/// Compresses parts beside the reading, one at a time, and hands them on in their order.
struct Out {
    to: mpsc::Sender<Result<Done>>,
    press: Press,
    pending: Option<Pressing>,
    /// Room for a part's bytes, kept between tasks.
    spare: Vec<u8>,
}

impl Out {
    fn new(to: mpsc::Sender<Result<Done>>, level: i32) -> Result<Self> {
        Ok(Self { to, press: Press::new(level)?, pending: None, spare: Vec::new() })
    }

    /// Begins with this part, and hands on the one before it, whose room it returns: with two of them each worker
    /// fills one while the other is compressed.
    async fn put(&mut self, part: RawPart) -> Result<Vec<u8>> {
        let room = self.settle().await?;
        self.pending = Some(self.press.begin(part));
        Ok(room)
    }

    async fn flush(&mut self) -> Result<()> {
        self.settle().await.map(drop)
    }

    async fn settle(&mut self) -> Result<Vec<u8>> {
        let Some(pending) = self.pending.take() else { return Ok(Vec::new()) };
        let (part, room) = pending.end().await?;
        self.send(Done::Part(part)).await?;
        Ok(room)
    }

    async fn send(&mut self, done: Done) -> Result<()> {
        self.to.send(Ok(done)).await.map_err(|_| stopped())
    }
}

async fn report(error: Error, to: &mpsc::Sender<Result<Done>>) {
    // Nobody listens any more where another worker has failed before.
    let _ = to.send(Err(error)).await;
}

fn about(target: &Target, error: database::Error) -> Error {
    let outer = Error::new(ErrorKind::Refused, format!("the backup cannot hold {}: {error}", target.id));
    match error.hint() {
        Some(hint) => outer.with_hint(hint),
        None => outer,
    }
}

fn stopped() -> Error {
    Error::new(ErrorKind::Cancelled, "the backup was stopped")
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
