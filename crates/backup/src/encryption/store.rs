use std::sync::Arc;

use async_trait::async_trait;
use helpers::naming::BackupName;

use super::Keys;
use super::source::EncryptedSource;
use super::upload::EncryptedUpload;
use crate::Result;
use crate::store::{Listed, Sidecar, Source, Store, Upload};

/// A store behind keys: what is encrypted by its name (`.age`) is written and read through them, the rest as it is.
#[derive(Debug)]
pub struct EncryptedStore {
    inner: Box<dyn Store>,
    keys: Arc<Keys>,
}

impl EncryptedStore {
    /// The store behind these keys.
    pub fn new(inner: Box<dyn Store>, keys: Arc<Keys>) -> Self {
        Self { inner, keys }
    }
}

#[async_trait]
impl Store for EncryptedStore {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn encrypts(&self) -> bool {
        self.keys.encrypts()
    }

    async fn create(&self, name: &BackupName) -> Result<Box<dyn Upload>> {
        if !name.encrypted {
            return self.inner.create(name).await;
        }
        let encryptor = self.keys.encryptor()?;
        Ok(Box::new(EncryptedUpload::new(self.inner.create(name).await?, encryptor)?))
    }

    async fn source(&self, name: &BackupName) -> Result<Arc<dyn Source>> {
        let source = self.inner.source(name).await?;
        match name.encrypted {
            true => Ok(Arc::new(EncryptedSource::open(source, self.keys.clone()).await?)),
            false => Ok(source),
        }
    }

    async fn create_stored(&self, name: &BackupName) -> Result<Box<dyn Upload>> {
        self.inner.create_stored(name).await
    }

    async fn stored(&self, name: &BackupName) -> Result<Arc<dyn Source>> {
        self.inner.stored(name).await
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        self.inner.list().await
    }

    async fn read_sidecar(&self, name: &BackupName) -> Result<Option<Sidecar>> {
        let sidecar = self.inner.read_sidecar(name).await?;
        // One that somebody else wrote is as good as none.
        Ok(sidecar.filter(|sidecar| !name.encrypted || self.keys.is_authentic(&name.to_string(), sidecar)))
    }

    async fn write_sidecar(&self, name: &BackupName, sidecar: &Sidecar) -> Result<()> {
        match name.encrypted {
            true => self.inner.write_sidecar(name, &self.keys.sign(&name.to_string(), sidecar)).await,
            false => self.inner.write_sidecar(name, sidecar).await,
        }
    }

    async fn remove(&self, name: &BackupName) -> Result<()> {
        self.inner.remove(name).await
    }

    async fn leftovers(&self) -> Result<Vec<String>> {
        self.inner.leftovers().await
    }

    async fn sweep(&self) -> Result<Vec<String>> {
        self.inner.sweep().await
    }

    async fn settle(&self) {
        self.inner.settle().await;
    }
}
