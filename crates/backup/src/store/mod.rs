//! Where archives live.

#[cfg(test)]
pub(crate) mod conformance;
mod local;
#[cfg(test)]
mod local_tests;
#[cfg(test)]
pub(crate) mod memory;
mod planned;
mod s3;
mod several;
#[cfg(test)]
mod several_tests;
mod sidecar;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use helpers::naming::BackupName;

use crate::archive::Hash;
use crate::{Error, ErrorKind, Result};

pub use local::LocalStore;
pub use planned::{Cut, Spooling, UploadPlan};
pub use s3::{S3_OPTIONS, S3Credentials, S3Store, StoreSettings};
pub use several::{Require, SeveralStores, Trouble};
pub use sidecar::Sidecar;

/// A place for archives, and for the small file beside each of them.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// What it is, for messages: the folder, or the bucket's URL.
    fn describe(&self) -> String;

    /// Whether archives written here are encrypted on their way, so that their names end in `.age`.
    fn encrypts(&self) -> bool {
        false
    }

    /// Begins a new archive, of which nothing is visible before [`Upload::complete`].
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] if the name's second ([`BackupName::shares_second`]) is taken, be it by an archive that
    /// is still being written, and whatever label or kind: within one second names would not sort by time.
    async fn create(&self, name: &BackupName) -> Result<Box<dyn Upload>>;

    /// How it, or each of several, will take an archive of about so many bytes. Nothing is sent.
    ///
    /// # Errors
    /// [`ErrorKind::NoSpace`] if what the store needs on this machine is not there, [`ErrorKind::Usage`] if it is not named.
    fn plans(&self, _bytes: u64) -> Result<Vec<UploadPlan>> {
        Ok(vec![UploadPlan::file(self.describe())])
    }

    /// Opens an archive for reading.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if it is not there.
    async fn source(&self, name: &BackupName) -> Result<Arc<dyn Source>>;

    /// As [`Store::create`], for bytes that are encrypted already where they are to be.
    async fn create_stored(&self, name: &BackupName) -> Result<Box<dyn Upload>> {
        self.create(name).await
    }

    /// As [`Store::source`], but its bytes as they are stored, encrypted or not.
    async fn stored(&self, name: &BackupName) -> Result<Arc<dyn Source>> {
        self.source(name).await
    }

    /// All complete files of the store but the ones beside archives, sorted by name.
    async fn list(&self) -> Result<Vec<Listed>>;

    /// Reads what lies beside an archive; `None` if nothing does.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] if something does that cannot be read, or that nobody with the key wrote.
    async fn read_sidecar(&self, name: &BackupName) -> Result<Option<Sidecar>>;

    /// Writes (or replaces) what lies beside an archive, in one step.
    async fn write_sidecar(&self, name: &BackupName, sidecar: &Sidecar) -> Result<()>;

    /// Deletes an archive and what lies beside it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if it is not there.
    async fn remove(&self, name: &BackupName) -> Result<()>;

    /// What killed backups have left behind and the next one sweeps.
    async fn leftovers(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Removes what killed backups have left behind, and never what a running one is writing; returns what it removed.
    async fn sweep(&self) -> Result<Vec<String>>;

    /// Waits until nothing is left of uploads that were dropped, where that takes longer than dropping them.
    async fn settle(&self) {}

    /// Which places have an archive, for messages: itself, or those of several stores that took it.
    async fn holders(&self, _name: &BackupName) -> Vec<String> {
        vec![self.describe()]
    }

    /// What has failed so far in a part of it without failing the whole.
    fn troubles(&self) -> Vec<Trouble> {
        Vec::new()
    }
}

/// A file of a store, as its listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The file's name.
    pub file: String,
    /// The name parsed; `None` for a file that no dbm named.
    pub name: Option<BackupName>,
    /// Its size.
    pub bytes: u64,
    /// When it was last changed, by the store's clock.
    pub modified: Option<DateTime<Utc>>,
}

/// An archive that is being written. Dropping it leaves nothing behind.
#[async_trait]
pub trait Upload: fmt::Debug + Send {
    /// Says before the first byte about how many will come, for stores that have to plan for them.
    ///
    /// # Errors
    /// [`ErrorKind::NoSpace`] if what the store needs on this machine is not there.
    fn expect(&mut self, _bytes: u64) -> Result<()> {
        Ok(())
    }

    /// Adds bytes at the end.
    async fn write(&mut self, bytes: Bytes) -> Result<()>;

    /// Makes everything durable and then visible. After an error nothing is visible.
    ///
    /// It is the one step that must be awaited to its end: dropped halfway, it may still come to pass.
    async fn complete(self: Box<Self>) -> Result<Stored>;
}

/// A file as it lies in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its size.
    pub bytes: u64,
    /// The hash of its bytes.
    pub sha256: Hash,
}

/// An archive that can be read by ranges, by several readers at once.
#[async_trait]
#[expect(clippy::len_without_is_empty, reason = "no one asks whether an archive is empty")]
pub trait Source: fmt::Debug + Send + Sync {
    /// The file's name, for messages.
    fn describe(&self) -> String;

    /// Its size.
    async fn len(&self) -> Result<u64>;

    /// Its size as it is stored: an encrypted one is larger than what it holds.
    async fn stored_len(&self) -> Result<u64> {
        self.len().await
    }

    /// Reads exactly `length` bytes from `offset` on.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] if the file ends before that.
    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes>;
}

/// The store that a text names: a folder, with or without `file://`, or `s3://bucket/prefix`.
///
/// # Errors
/// [`ErrorKind::Usage`] for a text or an option that cannot be used.
pub fn choose(text: &str, settings: &StoreSettings) -> Result<Box<dyn Store>> {
    if text.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "the store has no name")
            .with_hint("name a folder: `--store backups`"));
    }
    if let Some(folder) = text.strip_prefix("file://") {
        return Ok(Box::new(LocalStore::new(Path::new(folder))));
    }
    if text.starts_with("s3://") {
        return Ok(Box::new(S3Store::new(text, settings)?));
    }
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(Error::new(ErrorKind::Usage, format!("dbm has no stores of kind `{scheme}://`"))
            .with_hint(
                "name a folder, `--store /var/backups/dbm`, or a bucket, `--store s3://bucket/prefix`",
            ));
    }
    Ok(Box::new(LocalStore::new(Path::new(text))))
}
