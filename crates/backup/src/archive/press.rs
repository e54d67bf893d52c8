//! Who compresses parts: a thread of its own, one part after the other, or whoever has the time, in turns.
//!
//! A thread of its own has one compressor and one heap of its own. The threads that tokio lends for blocking work are more than are busy
//! at once: each of them would keep a compressor's tables, and the room that its parts took.

use std::fmt;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use tokio::sync::oneshot;

use super::part::Compressor;
use super::{RawPart, StoredPart};
use crate::{Error, ErrorKind, Result};

/// A part, and the room that its bytes took before compression.
pub(crate) type Pressed = (StoredPart, Vec<u8>);

/// A part on its way to the thread, and where the answer goes.
type Job = (RawPart, oneshot::Sender<Result<Pressed>>);

/// A thread that compresses; it ends when this and all its clones are dropped.
#[derive(Clone, Debug)]
pub(crate) struct Press {
    to: mpsc::Sender<Job>,
}

/// A part that is being compressed.
#[derive(Debug)]
pub(crate) struct Pressing(oneshot::Receiver<Result<Pressed>>);

impl Press {
    /// Starts the thread, for that level of compression.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] where the system gives no thread or no memory for it.
    pub(crate) fn new(level: i32) -> Result<Self> {
        let mut compressor = Compressor::new(level)?;
        let (to, jobs) = mpsc::channel::<Job>();
        let work = move || {
            for (part, answer) in jobs {
                // Nobody waits for the answer where the backup has failed meanwhile.
                drop(answer.send(compressor.compress(part)));
            }
        };
        let started = thread::Builder::new().name("dbm-compress".to_owned()).spawn(work);
        started.map_err(|cause| {
            Error::io(ErrorKind::Internal, "cannot start a thread that compresses", cause)
        })?;
        Ok(Self { to })
    }

    /// Begins to compress a part; whoever goes on meanwhile should not get further ahead than by one.
    pub(crate) fn begin(&self, part: RawPart) -> Pressing {
        let (answer, pressing) = oneshot::channel();
        // If the thread is gone, so is the other end of the answer.
        drop(self.to.send((part, answer)));
        Pressing(pressing)
    }
}

impl Pressing {
    /// Waits for it.
    ///
    /// # Errors
    /// As [`compress`](super::compress).
    pub(crate) async fn end(self) -> Result<Pressed> {
        self.0.await.unwrap_or_else(|cause| {
            Err(Error::new(ErrorKind::Internal, "compressing a part broke").with_source(cause))
        })
    }
}

/// Compressors for threads that are lent for one part each: as many as are at work at once, each with room for the bytes.
pub(crate) struct Lent {
    level: i32,
    idle: Mutex<Vec<(Compressor, Vec<u8>)>>,
}

impl Lent {
    pub(crate) fn new(level: i32) -> Self {
        Self { level, idle: Mutex::default() }
    }

    /// Compresses the part that is made of the room, which may hold what an earlier one left there.
    ///
    /// # Errors
    /// What making it gives, and as [`compress`](super::compress).
    pub(crate) fn compress(&self, make: impl FnOnce(Vec<u8>) -> Result<RawPart>) -> Result<StoredPart> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (mut compressor, room) = match idle {
            Some(idle) => idle,
            None => (Compressor::new(self.level)?, Vec::new()),
        };
        let (part, room) = compressor.compress(make(room)?)?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((compressor, room));
        Ok(part)
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").field("level", &self.level).finish_non_exhaustive()
    }
}
