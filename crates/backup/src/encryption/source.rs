use std::io::{self, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use age::DecryptError;
use age::stream::StreamReader;
use async_trait::async_trait;
use bytes::Bytes;
use tokio::runtime::Handle;

use super::Keys;
use crate::store::Source;
use crate::{Error, ErrorKind, Result};

/// The bytes of a chunk, before and after encryption: <https://age-encryption.org/v1>, "Payload".
const CHUNK: u64 = 64 << 10;
const STORED_CHUNK: u64 = CHUNK + 16;

/// The most that is fetched ahead at once.
const AHEAD: u64 = 4 << 20;

/// The stored bytes of an archive, read as a file is, on a thread that may wait.
#[derive(Debug)]
struct Stored {
    source: Arc<dyn Source>,
    runtime: Handle,
    bytes: u64,
    at: Arc<AtomicU64>,
    /// How far the caller is going to read: it is fetched together.
    wanted: Arc<AtomicU64>,
    window: (u64, Bytes),
}

impl Read for Stored {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at = self.at.load(Ordering::Relaxed);
        if at >= self.bytes || buffer.is_empty() {
            return Ok(0);
        }
        let (start, window) = &self.window;
        if at < *start || at >= start + window.len() as u64 {
            let wanted = self.wanted.load(Ordering::Relaxed).min(at + AHEAD);
            let end = wanted.max(at + STORED_CHUNK).min(self.bytes);
            let length = usize::try_from(end - at).map_err(io::Error::other)?;
            let fetched = self.runtime.block_on(self.source.read_at(at, length)).map_err(io::Error::other)?;
            self.window = (at, fetched);
        }
        let (start, window) = &self.window;
        let from = usize::try_from(at - start).map_err(io::Error::other)?;
        let length = buffer.len().min(window.len() - from);
        buffer[..length].copy_from_slice(&window[from..from + length]);
        self.at.store(at + length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

impl Seek for Stored {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let at = match position {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.load(Ordering::Relaxed).checked_add_signed(by),
            SeekFrom::End(by) => self.bytes.checked_add_signed(by),
        };
        let at = at.ok_or(io::ErrorKind::InvalidInput)?;
        self.at.store(at, Ordering::Relaxed);
        Ok(at)
    }
}

/// A reader that is open, with what its owner tells it.
struct Open {
    stream: StreamReader<Stored>,
    wanted: Arc<AtomicU64>,
    /// Where the first chunk begins.
    payload: u64,
}

/// An encrypted archive, read by ranges of what it holds.
pub(super) struct EncryptedSource {
    source: Arc<dyn Source>,
    keys: Arc<Keys>,
    stored: u64,
    payload: u64,
    bytes: u64,
    /// Readers that nobody is using: opening one takes the key's time, with a passphrase a second.
    idle: Arc<Mutex<Vec<Open>>>,
}

impl std::fmt::Debug for EncryptedSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EncryptedSource").field("source", &self.source).finish_non_exhaustive()
    }
}

fn open(source: Arc<dyn Source>, runtime: Handle, bytes: u64, keys: &Keys) -> Result<Open> {
    let name = source.describe();
    let (at, wanted) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let stored =
        Stored { source, runtime, bytes, at: at.clone(), wanted: wanted.clone(), window: (0, Bytes::new()) };
    let stream = age::Decryptor::new(stored).and_then(|decryptor| decryptor.decrypt(keys.identities()));
    let stream = stream.map_err(|cause| match cause {
        DecryptError::NoMatchingKeys => Error::new(
            ErrorKind::Refused,
            format!("{name} is encrypted, and none of the identities given opens it"),
        )
        .with_hint("give the right one with `--identity-file FILE` (or a passphrase)"),
        DecryptError::KeyDecryptionFailed | DecryptError::DecryptionFailed => {
            Error::new(ErrorKind::Refused, format!("{name} is encrypted, and the passphrase or key is wrong"))
                .with_hint("give the right one with `--identity-file FILE` (or a passphrase)")
        }
        DecryptError::Io(cause) => failed(&name, cause),
        cause => Error::new(ErrorKind::Damaged, format!("{name}: it is no archive encrypted by age"))
            .with_source(cause),
    })?;
    Ok(Open { stream, wanted, payload: at.load(Ordering::Relaxed) })
}

/// What went wrong below the cipher keeps its own words; the rest is damage.
fn failed(name: &str, cause: io::Error) -> Error {
    let text = cause.to_string();
    match cause.into_inner().map(|inner| inner.downcast::<Error>()) {
        Some(Ok(error)) => *error,
        _ => Error::new(ErrorKind::Damaged, format!("{name}: its encrypted bytes have changed: {text}"))
            .with_hint("do not restore it; take another backup (`dbm backups` lists them)"),
    }
}

impl EncryptedSource {
    pub(super) async fn open(source: Arc<dyn Source>, keys: Arc<Keys>) -> Result<Self> {
        let name = source.describe();
        if !keys.opens() {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("{name} is encrypted, and no identity is given to open it"),
            )
            .with_hint("give it with `--identity-file FILE`, or work where it is"));
        }
        let stored = source.len().await?;
        let (runtime, inner, with) = (Handle::current(), source.clone(), keys.clone());
        let opened = blocking(move || open(inner, runtime, stored, &with)).await?;
        let payload = opened.payload;
        let chunks = (stored - payload).div_ceil(STORED_CHUNK);
        let Some(bytes) = (stored - payload).checked_sub(16 * chunks) else {
            return Err(Error::new(ErrorKind::Damaged, format!("{name}: it was cut off")));
        };
        Ok(Self { source, keys, stored, payload, bytes, idle: Arc::new(Mutex::new(vec![opened])) })
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|cause| {
        Err(Error::new(ErrorKind::Internal, "a thread that decrypted broke off").with_source(cause))
    })
}

#[async_trait]
impl Source for EncryptedSource {
    fn describe(&self) -> String {
        self.source.describe()
    }

    async fn len(&self) -> Result<u64> {
        Ok(self.bytes)
    }

    async fn stored_len(&self) -> Result<u64> {
        Ok(self.stored)
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
        let (source, keys, idle) = (self.source.clone(), self.keys.clone(), self.idle.clone());
        let (runtime, stored, name) = (Handle::current(), self.stored, self.describe());
        let wanted = self.payload + end.div_ceil(CHUNK) * STORED_CHUNK;
        blocking(move || {
            let kept = idle.lock().ok().and_then(|mut idle| idle.pop());
            let mut reader = match kept {
                Some(reader) => reader,
                None => open(source, runtime, stored, &keys)?,
            };
            reader.wanted.store(wanted, Ordering::Relaxed);
            let mut bytes = vec![0; length];
            reader.stream.seek(SeekFrom::Start(offset)).map_err(|cause| failed(&name, cause))?;
            reader.stream.read_exact(&mut bytes).map_err(|cause| failed(&name, cause))?;
            // One that failed is not used again.
            if let Ok(mut idle) = idle.lock() {
                idle.push(reader);
            }
            Ok(bytes.into())
        })
        .await
    }
}
