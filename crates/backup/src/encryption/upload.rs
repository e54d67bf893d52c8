use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use age::stream::StreamWriter;
use async_trait::async_trait;
use bytes::Bytes;

use crate::store::{Stored, Upload};
use crate::{Error, ErrorKind, Result};

/// What the cipher has given and the store does not have yet.
#[derive(Clone, Default)]
struct Drain(Arc<Mutex<Vec<u8>>>);

impl Write for Drain {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .map_err(|_| io::Error::other("a thread that encrypted broke off"))?
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drain {
    fn take(&self) -> Bytes {
        self.0.lock().map(|mut bytes| std::mem::take(&mut *bytes)).unwrap_or_default().into()
    }
}

/// An upload whose bytes are encrypted on their way.
pub(super) struct EncryptedUpload {
    inner: Box<dyn Upload>,
    /// `None` once it has failed.
    writer: Option<StreamWriter<Drain>>,
    drain: Drain,
}

impl std::fmt::Debug for EncryptedUpload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EncryptedUpload").field("inner", &self.inner).finish_non_exhaustive()
    }
}

fn broken(cause: io::Error) -> Error {
    Error::new(ErrorKind::Internal, "cannot encrypt").with_source(cause)
}

impl EncryptedUpload {
    pub(super) fn new(inner: Box<dyn Upload>, encryptor: age::Encryptor) -> Result<Self> {
        let drain = Drain::default();
        let writer = encryptor.wrap_output(drain.clone()).map_err(broken)?;
        Ok(Self { inner, writer: Some(writer), drain })
    }

    fn writer(&mut self) -> Result<StreamWriter<Drain>> {
        let failed = || Error::new(ErrorKind::Internal, "an upload that failed cannot go on");
        self.writer.take().ok_or_else(failed)
    }
}

/// Runs what takes a processor's time on a thread of its own.
async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(broken),
        Err(cause) => {
            Err(Error::new(ErrorKind::Internal, "a thread that encrypted broke off").with_source(cause))
        }
    }
}

#[async_trait]
impl Upload for EncryptedUpload {
    fn expect(&mut self, bytes: u64) -> Result<()> {
        // 16 bytes more for each 64 KiB.
        self.inner.expect(bytes + bytes / 4096 + 4096)
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let mut writer = self.writer()?;
        let writer = on_thread(move || writer.write_all(&bytes).map(|()| writer)).await?;
        let encrypted = self.drain.take();
        if !encrypted.is_empty() {
            self.inner.write(encrypted).await?;
        }
        self.writer = Some(writer);
        Ok(())
    }

    async fn complete(mut self: Box<Self>) -> Result<Stored> {
        let writer = self.writer()?;
        on_thread(move || writer.finish().map(drop)).await?;
        self.inner.write(self.drain.take()).await?;
        self.inner.complete().await
    }
}
