//! A store in memory, for tests that want one without a disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::Utc;
use helpers::naming::BackupName;

use super::{Listed, Sidecar, Source, Store, Stored, Upload};
use crate::archive::Hash;
use crate::{Error, ErrorKind, Result};

#[derive(Debug, Default)]
struct Contents {
    files: BTreeMap<String, Bytes>,
    sidecars: BTreeMap<String, Sidecar>,
    uploads: BTreeSet<String>,
}

/// Archives in memory; a clone is the same store.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryStore(Arc<Mutex<Contents>>);

#[derive(Debug)]
struct MemoryUpload {
    store: MemoryStore,
    name: String,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct MemorySource(String, Bytes);

#[async_trait]
impl Store for MemoryStore {
    fn describe(&self) -> String {
        "memory".to_owned()
    }

    async fn create(&self, name: &BackupName) -> Result<Box<dyn Upload>> {
        let mut contents = self.0.lock().unwrap();
        if contents.files.keys().chain(&contents.uploads).any(|file| name.shares_second(file)) {
            return Err(Error::new(
                ErrorKind::Exists,
                format!("memory has a backup {} already", name.second()),
            ));
        }
        let name = name.to_string();
        contents.uploads.insert(name.clone());
        Ok(Box::new(MemoryUpload { store: self.clone(), name, bytes: Vec::new() }))
    }

    async fn source(&self, name: &BackupName) -> Result<Arc<dyn Source>> {
        let name = name.to_string();
        match self.0.lock().unwrap().files.get(&name) {
            Some(bytes) => Ok(Arc::new(MemorySource(name, bytes.clone()))),
            None => Err(Error::new(ErrorKind::NotFound, format!("memory has no archive {name}"))),
        }
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        let contents = self.0.lock().unwrap();
        let listed = contents.files.iter().map(|(file, bytes)| Listed {
            file: file.clone(),
            name: file.parse().ok(),
            bytes: bytes.len() as u64,
            modified: Some(Utc::now()),
        });
        Ok(listed.collect())
    }

    async fn read_sidecar(&self, name: &BackupName) -> Result<Option<Sidecar>> {
        Ok(self.0.lock().unwrap().sidecars.get(&name.to_string()).cloned())
    }

    async fn write_sidecar(&self, name: &BackupName, sidecar: &Sidecar) -> Result<()> {
        self.0.lock().unwrap().sidecars.insert(name.to_string(), sidecar.clone());
        Ok(())
    }

    async fn remove(&self, name: &BackupName) -> Result<()> {
        let mut contents = self.0.lock().unwrap();
        let name = name.to_string();
        contents.sidecars.remove(&name);
        match contents.files.remove(&name) {
            Some(_) => Ok(()),
            None => Err(Error::new(ErrorKind::NotFound, format!("memory has no archive {name}"))),
        }
    }

    async fn sweep(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

impl MemoryStore {
    /// Puts a file there as it is, whatever is in it.
    pub(crate) fn insert(&self, file: &str, bytes: Vec<u8>) {
        self.0.lock().unwrap().files.insert(file.to_owned(), bytes.into());
    }
}

impl Drop for MemoryUpload {
    fn drop(&mut self) {
        self.store.0.lock().unwrap().uploads.remove(&self.name);
    }
}

#[async_trait]
impl Upload for MemoryUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn complete(mut self: Box<Self>) -> Result<Stored> {
        let bytes = std::mem::take(&mut self.bytes);
        let stored = Stored { bytes: bytes.len() as u64, sha256: Hash::of(&bytes) };
        self.store.insert(&self.name, bytes);
        Ok(stored)
    }
}

#[async_trait]
impl Source for MemorySource {
    fn describe(&self) -> String {
        self.0.clone()
    }

    async fn len(&self) -> Result<u64> {
        Ok(self.1.len() as u64)
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        let start = usize::try_from(offset).unwrap();
        match start.checked_add(length).filter(|end| *end <= self.1.len()) {
            Some(end) => Ok(self.1.slice(start..end)),
            None => Err(Error::new(ErrorKind::Damaged, "it ends too early")),
        }
    }
}

#[tokio::test]
async fn it_conforms() {
    super::conformance::run(&MemoryStore::default()).await;
}
