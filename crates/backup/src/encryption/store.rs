use std::sync::Arc;

use async_trait::async_trait;
use helpers::naming::BackupName;

use super::Keys;
use super::source::EncryptedSource;
use super::upload::EncryptedUpload;
use crate::archive::Archive;
use crate::store::{Listed, Sidecar, Source, Store, Trouble, Upload, UploadPlan};
use crate::{Error, ErrorKind, Result};

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

impl EncryptedStore {
    /// Authenticates what lies beside an archive from before there was a key for that, once the archive itself, opened
    /// with the identity, says the same. Returns whether there was something to authenticate.
    ///
    /// A pin and what was found damaged stay; that it was verified, and its stored bytes' hash, nobody can vouch for.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] where they differ, or there is something that another key has authenticated;
    /// [`ErrorKind::Usage`] without a key.
    pub async fn vouch(&self, name: &BackupName) -> Result<bool> {
        if !self.keys.authenticates() {
            return Err(Error::new(ErrorKind::Usage, "there is no key to authenticate with")
                .with_hint("give it: `mac_key_file` in dbm.toml, or DBM_MAC_KEY_FILE"));
        }
        let beside = match self.inner.read_sidecar(name).await? {
            Some(beside) if name.encrypted => beside,
            _ => return Ok(false),
        };
        if self.keys.is_authentic(&name.to_string(), &beside) {
            return Ok(false);
        }
        let truth = Sidecar::of(&Archive::open(self.source(name).await?).await?).await?;
        let claimed = Sidecar {
            sha256: None,
            mac: None,
            last_proven: None,
            last_verified: None,
            damaged: None,
            pin: None,
            ..beside.clone()
        };
        if beside.mac.is_some() || claimed != truth {
            let why = match beside.mac {
                Some(_) => "is authenticated with another key, or was changed",
                None => "does not say what the archive itself says",
            };
            return Err(Error::new(ErrorKind::Refused, format!("{name}.json {why}")).with_hint(
                "bring it back from a copy; or remove it, with the pin that it may hold: \
                 `dbm verify NAME` then writes another",
            ));
        }
        let vouched = Sidecar { damaged: beside.damaged, pin: beside.pin, ..truth };
        self.write_sidecar(name, &vouched).await?;
        Ok(true)
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

    fn plans(&self, bytes: u64) -> Result<Vec<UploadPlan>> {
        self.inner.plans(bytes)
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
        let Some(sidecar) = self.inner.read_sidecar(name).await? else { return Ok(None) };
        if name.encrypted && !self.keys.is_authentic(&name.to_string(), &sidecar) {
            let what = match sidecar.mac {
                Some(_) => format!("{name}.json is not as somebody with the key of mac_key_file wrote it"),
                None => format!(
                    "{name}.json is from before there was a mac_key_file, or forged: `dbm keys sign` tells, where the \
                     identity is"
                ),
            };
            return Err(Error::new(ErrorKind::Refused, what).with_hint(
                "bring it back from a copy; or remove it, with the pin that it may hold: \
                 `dbm verify NAME` then writes another",
            ));
        }
        Ok(Some(sidecar))
    }

    async fn write_sidecar(&self, name: &BackupName, sidecar: &Sidecar) -> Result<()> {
        if !name.encrypted {
            return self.inner.write_sidecar(name, sidecar).await;
        }
        // Without the key what is written would not be authentic to those who have it.
        if !self.keys.authenticates()
            && self.inner.read_sidecar(name).await?.is_some_and(|there| there.mac.is_some())
        {
            let what = format!("{name}.json is authenticated, and the key to write it anew is not given");
            return Err(Error::new(ErrorKind::Refused, what)
                .with_hint("give the key: `mac_key_file` in dbm.toml, or DBM_MAC_KEY_FILE"));
        }
        self.inner.write_sidecar(name, &self.keys.sign(&name.to_string(), sidecar)).await
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

    async fn holders(&self, name: &BackupName) -> Vec<String> {
        self.inner.holders(name).await
    }

    fn troubles(&self) -> Vec<Trouble> {
        self.inner.troubles()
    }
}
