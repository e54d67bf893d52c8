use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use tokio::sync::OnceCell;

use super::failure::{failure, is_missing, is_taken};
use super::shared::Shared;
use crate::store::Source;
use crate::{Error, ErrorKind, Result};

/// How often a range is asked for before its failure is ours; a break after some bytes goes on where it broke.
const ATTEMPTS: u32 = 6;

/// The end of an archive that is fetched at once: footer, seek table and a small index lie there.
const TAIL: u64 = 64 << 10;

/// An archive on S3, read by ranges of the very object that was there first.
#[derive(Debug)]
pub(super) struct S3Source {
    shared: Arc<Shared>,
    name: String,
    bytes: u64,
    etag: Option<String>,
    tail: OnceCell<Bytes>,
}

impl S3Source {
    pub(super) async fn open(shared: Arc<Shared>, name: String) -> Result<Self> {
        let Some(head) = shared.head(&name).await? else {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("{} has no archive {name}", shared.options.url()),
            )
            .with_hint("`dbm backups` lists what is there"));
        };
        let bytes = head.content_length().and_then(|length| u64::try_from(length).ok()).unwrap_or(0);
        Ok(Self { shared, name, bytes, etag: head.e_tag, tail: OnceCell::new() })
    }

    /// Fetches a range, going on where an answer breaks off.
    async fn fetch(&self, offset: u64, length: usize) -> Result<Bytes> {
        let patience = self.shared.options.patience;
        let mut have = BytesMut::with_capacity(length);
        let mut attempt = 0;
        loop {
            let before = have.len();
            // The slowest that is waited for is 64 KiB/s.
            let time = patience + Duration::from_secs((length - before) as u64 / (64 << 10));
            let done = tokio::time::timeout(time, self.attempt(offset, length, &mut have)).await;
            let error = match done {
                Ok(Ok(())) => return Ok(have.freeze()),
                Ok(Err(Attempted::Failed(error))) => return Err(error),
                Ok(Err(Attempted::Broke(error))) => error,
                Err(_) => Error::new(
                    ErrorKind::Store,
                    format!("cannot read {}: the store is too slow", self.shared.at(&self.name)),
                )
                .with_hint("try again later, or give the store more `patience`"),
            };
            attempt += 1;
            if attempt >= ATTEMPTS {
                return Err(error);
            }
            tracing::debug!(%error, attempt, name = self.name, "a range broke off; it is asked for again");
            tokio::time::sleep(patience / 60 * (1 << attempt.min(5))).await;
        }
    }

    async fn attempt(&self, offset: u64, length: usize, have: &mut BytesMut) -> Result<(), Attempted> {
        let what = || format!("cannot read {}", self.shared.at(&self.name));
        let (from, to) = (offset + have.len() as u64, offset + length as u64 - 1);
        let request = self
            .shared
            .client()
            .await
            .get_object()
            .bucket(self.shared.bucket())
            .key(self.shared.key(&self.name))
            .range(format!("bytes={from}-{to}"))
            .set_if_match(self.etag.clone());
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if is_taken(&error) || is_missing(&error) => {
                let text = format!("{} was removed or replaced while it was read", self.name);
                return Err(Attempted::Failed(Error::new(ErrorKind::Store, text)));
            }
            // The SDK has tried as often as is sensible.
            Err(error) => return Err(Attempted::Failed(failure(what(), error))),
        };
        if answer.content_length() != Some((to - from + 1).cast_signed()) {
            let text = format!("{}: the store did not send the range that was asked for", what());
            return Err(Attempted::Failed(Error::new(ErrorKind::Store, text)));
        }
        loop {
            match answer.body.try_next().await {
                Ok(Some(piece)) if have.len() + piece.len() <= length => have.extend_from_slice(&piece),
                Ok(Some(_)) => {
                    let text = format!("{}: the store sent more than was asked for", what());
                    return Err(Attempted::Failed(Error::new(ErrorKind::Store, text)));
                }
                Ok(None) if have.len() == length => return Ok(()),
                Ok(None) => {
                    let text = format!("{}: the store's answer broke off", what());
                    return Err(Attempted::Broke(Error::new(ErrorKind::Store, text)));
                }
                Err(cause) => {
                    let text = format!("{}: the store's answer broke off", what());
                    return Err(Attempted::Broke(Error::new(ErrorKind::Store, text).with_source(cause)));
                }
            }
        }
    }
}

/// How an attempt ended that did not succeed.
enum Attempted {
    /// Asking again may help.
    Broke(Error),
    Failed(Error),
}

#[async_trait]
impl Source for S3Source {
    fn describe(&self) -> String {
        self.name.clone()
    }

    async fn len(&self) -> Result<u64> {
        Ok(self.bytes)
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        let end = offset.checked_add(length as u64).filter(|end| *end <= self.bytes);
        let Some(end) = end else {
            return Err(Error::new(ErrorKind::Damaged, "it ends before its last part: it was cut off")
                .with_hint("do not restore it; take another backup (`dbm backups` lists them)"));
        };
        if length == 0 {
            return Ok(Bytes::new());
        }
        let tail_at = self.bytes.saturating_sub(TAIL);
        if offset >= tail_at {
            let whole = usize::try_from(self.bytes - tail_at).unwrap_or(0);
            let tail = self.tail.get_or_try_init(|| Box::pin(self.fetch(tail_at, whole))).await?;
            let at = |place: u64| usize::try_from(place - tail_at).unwrap_or(0);
            return Ok(tail.slice(at(offset)..at(end)));
        }
        Box::pin(self.fetch(offset, length)).await
    }
}
