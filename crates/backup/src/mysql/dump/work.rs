//! The workers: each reads its pieces over a connection of its own, and hands on parts.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use database::mysql::values::{Room, Rows};
use database::mysql::{Connection, error, rows};
use database::{ErrorKind as DatabaseErrorKind, RowsRead, Section};
use tokio::sync::mpsc;

use super::plan::Piece;
use super::rows::{Block, Blocks, Target};
use crate::archive::{Aspect, PART_BYTES, Press, Pressing, RawPart, StoredPart};
use crate::{Error, ErrorKind, Result};

/// How often a worker waits for a table as long as its session does.
const WAITS: u32 = 120;

/// What a worker hands on.
pub(super) enum Done {
    Part(StoredPart),
    Rows { table: usize, read: RowsRead, largest: usize },
}

/// What all workers share.
pub(super) struct Work {
    pub(super) targets: Vec<Target>,
    pub(super) level: i32,
    pub(super) longest: usize,
}

/// What is still to be done.
#[derive(Clone)]
pub(super) struct Queue(Arc<Mutex<VecDeque<Piece>>>);

impl Queue {
    pub(super) fn new(pieces: impl IntoIterator<Item = Piece>) -> Self {
        Self(Arc::new(Mutex::new(pieces.into_iter().collect())))
    }

    fn take(&self) -> Option<Piece> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

impl Work {
    /// Works until the queue is empty.
    pub(super) async fn run(
        self: Arc<Self>,
        connection: Connection,
        queue: Queue,
        to: mpsc::Sender<Result<Done>>,
    ) {
        if let Some(connection) = self.run_on(connection, queue, to).await {
            connection.close().await;
        }
    }

    /// The same, and gives the connection back, unless it failed.
    pub(super) async fn run_on(
        &self,
        mut connection: Connection,
        queue: Queue,
        to: mpsc::Sender<Result<Done>>,
    ) -> Option<Connection> {
        let work = async {
            let mut out = Out { to: to.clone(), press: Press::new(self.level)?, pending: None };
            while let Some(piece) = queue.take() {
                let (read, largest) = self.piece(&mut connection, &piece, &mut out).await?;
                out.send(Done::Rows { table: piece.table, read, largest }).await?;
            }
            out.flush().await
        };
        match work.await {
            Ok(()) => Some(connection),
            Err(error) => {
                // Nobody listens any more where another worker has failed before.
                let _ = to.send(Err(error)).await;
                None
            }
        }
    }

    async fn piece(
        &self,
        connection: &mut Connection,
        piece: &Piece,
        out: &mut Out,
    ) -> Result<(RowsRead, usize)> {
        let target = &self.targets[piece.table];
        let failed = |cause| error(cause, format!("cannot read the rows of {}", target.id));
        let sql = rows::select(&target.id, &target.table, &piece.rest(None));
        let mut waits = 0;
        let mut result = loop {
            match Rows::of(connection, &sql).await.map_err(failed) {
                Ok(result) => break result,
                // Somebody flushes the table, and waits for another worker's piece of it; so do we.
                Err(error) if error.kind() == DatabaseErrorKind::LockTimeout && waits < WAITS => {
                    waits += 1;
                    tracing::info!(%error, "the table is flushed by somebody; it is waited for");
                }
                Err(error) => return Err(error.into()),
            }
        };
        let mut room = Room::default();
        let mut blocks = Blocks::new(target, self.longest);
        while let Some(row) = result.next().await.map_err(failed)? {
            let before = blocks.add(&room.values(&row))?;
            // One of 4 MiB is not held while the part is compressed.
            drop(row);
            for block in before.into_iter().chain(blocks.full()) {
                blocks.reuse(out.put(part(target, block)).await?);
            }
        }
        result.end().await.map_err(failed)?;
        let (last, read, largest) = blocks.finish();
        if let Some(block) = last {
            drop(out.put(part(target, block)).await?);
        }
        Ok((read, largest))
    }
}

/// Compresses parts beside the reading, one at a time, and hands them on in their order.
struct Out {
    to: mpsc::Sender<Result<Done>>,
    press: Press,
    pending: Option<Pressing>,
}

impl Out {
    /// Begins with this part, and hands on the one before it, whose room it returns: with two of them each worker fills
    /// one while the other is compressed. One that a large row has made larger is waited for: two of them are too much.
    async fn put(&mut self, part: RawPart) -> Result<Vec<u8>> {
        let large = part.bytes.len() > PART_BYTES + PART_BYTES / 2;
        let room = self.settle().await?;
        self.pending = Some(self.press.begin(part));
        if !large {
            return Ok(room);
        }
        drop(room);
        self.settle().await
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
        let sent = self.to.send(Ok(done)).await;
        sent.map_err(|_| Error::new(ErrorKind::Cancelled, "the backup was stopped"))
    }
}

fn part(target: &Target, block: Block) -> RawPart {
    RawPart {
        section: Section::Data,
        aspect: Aspect::Rows,
        objects: vec![target.id.clone()],
        rows: block.rows,
        bytes: block.bytes,
        follows: Vec::new(),
    }
}
