//! A bucket of S3, or of a store that speaks its language, and a prefix as a store.
//!
//! An archive is a multipart upload: nothing of it is visible before it is complete. While it is written, a lease
//! `.DATABASE_TIME.part` says who writes it (`lease.rs`).

mod client;
mod failure;
mod lease;
mod options;
mod plan;
mod shared;
mod source;
mod spool;
#[cfg(test)]
mod tests;
mod upload;

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::operation::create_multipart_upload::builders::CreateMultipartUploadFluentBuilder;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::types::ServerSideEncryption;
use helpers::naming::BackupName;

use self::options::{S3Options, ServerEncryption};
use self::plan::{IN_MEMORY, PartPlan};
use self::shared::{Shared, Unfinished};
use self::source::S3Source;
use self::upload::S3Upload;
use super::{Cut, Listed, Sidecar, Source, Spooling, Store, Upload, UploadPlan};
use crate::{Error, ErrorKind, Result};

pub use options::{S3_OPTIONS, S3Credentials, StoreSettings};

/// A bucket and a prefix as a store. The bucket must be there.
#[derive(Clone, Debug)]
pub struct S3Store {
    shared: Arc<Shared>,
}

impl S3Store {
    /// The store of that URL, `s3://bucket/prefix?option=value`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] naming what of it cannot be used.
    pub fn new(url: &str, settings: &StoreSettings) -> Result<Self> {
        Ok(Self { shared: Arc::new(Shared::new(S3Options::parse(url, settings)?)) })
    }

    /// What killed backups have left: seconds whose lease is stale, and uploads whose lease was lost.
    async fn stale(&self) -> Result<(Vec<String>, Vec<Unfinished>)> {
        let shared = &self.shared;
        let (mut stale, mut leased) = (Vec::new(), Vec::new());
        for Listed { file, .. } in shared.objects(".").await? {
            let Some(second) = file.strip_prefix('.').and_then(|file| file.strip_suffix(".part")) else {
                continue;
            };
            let Some(lease) = shared.lease(second).await? else { continue };
            let of_which = if shared.is_stale(second, &lease).await? { &mut stale } else { &mut leased };
            of_which.push(second.to_owned());
        }
        let Some(uploads) = shared.unfinished(&shared.options.prefix).await? else {
            tracing::warn!(store = self.describe(), "the account may not list uploads: abandoned ones stay");
            return Ok((stale, Vec::new()));
        };
        let mut lost = Vec::new();
        for upload in uploads {
            let file = upload.key.strip_prefix(&shared.options.prefix).unwrap_or_default();
            let Ok(name) = file.parse::<BackupName>() else { continue };
            let second = name.second();
            // Others may have begun it, with tools of theirs: it is ours to abort when nothing has come for a day.
            if !leased.contains(&second) && !stale.contains(&second) && shared.is_quiet(&upload).await? {
                lost.push(upload);
            }
        }
        Ok((stale, lost))
    }
}

#[async_trait]
impl Store for S3Store {
    fn describe(&self) -> String {
        self.shared.options.url()
    }

    fn plans(&self, bytes: u64) -> Result<Vec<UploadPlan>> {
        let options = &self.shared.options;
        let parts = options.cut(&options.plan(Some(bytes)))?;
        Ok(vec![UploadPlan { store: self.describe(), parts: Some(parts) }])
    }

    async fn create(&self, name: &BackupName) -> Result<Box<dyn Upload>> {
        Ok(Box::new(Box::pin(S3Upload::begin(self.shared.clone(), name)).await?))
    }

    async fn source(&self, name: &BackupName) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(S3Source::open(self.shared.clone(), name.to_string()).await?))
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        self.shared.settle().await;
        let mut listed = self.shared.objects("").await?;
        listed.retain(|listed| !listed.file.starts_with('.') && !listed.file.ends_with(".json"));
        Ok(listed)
    }

    async fn read_sidecar(&self, name: &BackupName) -> Result<Option<Sidecar>> {
        let file = format!("{name}.json");
        let text = self.shared.read(&file).await?;
        text.map(|text| Sidecar::parse(&text, &format!("{}: {file}", self.describe()))).transpose()
    }

    async fn write_sidecar(&self, name: &BackupName, sidecar: &Sidecar) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(sidecar)
            .map_err(|cause| Error::new(ErrorKind::Internal, "cannot write a sidecar").with_source(cause))?;
        text.push(b'\n');
        self.shared.put(&format!("{name}.json"), text, false).await.map(drop)
    }

    async fn remove(&self, name: &BackupName) -> Result<()> {
        let file = name.to_string();
        if self.shared.head(&file).await?.is_none() {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("{} has no archive {name}", self.describe()),
            ));
        }
        self.shared.delete(&file).await?;
        self.shared.delete(&format!("{name}.json")).await
    }

    async fn leftovers(&self) -> Result<Vec<String>> {
        let (stale, lost) = self.stale().await?;
        let lost = lost.into_iter().map(|upload| upload.key);
        Ok(stale.iter().map(|second| Shared::lease_file(second)).chain(lost).collect())
    }

    async fn sweep(&self) -> Result<Vec<String>> {
        self.shared.settle().await;
        let (stale, lost) = self.stale().await?;
        let mut swept = Vec::new();
        for second in stale {
            self.shared.clear(&second).await?;
            swept.push(Shared::lease_file(&second));
        }
        for upload in lost {
            self.shared.abort(&upload.key, &upload.id).await?;
            swept.push(upload.key);
        }
        Ok(swept)
    }

    async fn settle(&self) {
        self.shared.settle().await;
    }
}

impl S3Options {
    /// How an archive of about so many bytes, or of nobody knows how many, is cut into parts.
    fn plan(&self, expected: Option<u64>) -> PartPlan {
        PartPlan::new(expected, self.part_size, self.max_parts, self.uniform_parts)
    }

    /// What that needs on this machine, which has it.
    ///
    /// # Errors
    /// [`ErrorKind::NoSpace`] and [`ErrorKind::Usage`] where the parts have no place to wait.
    fn cut(&self, plan: &PartPlan) -> Result<Cut> {
        let size = plan.base();
        let bytes = size * (PartPlan::in_flight(size) as u64 + 1);
        let spool = match &self.spool {
            _ if size <= IN_MEMORY => None,
            Some(folder) => {
                spool::check_space(folder, bytes)?;
                Some(Spooling { folder: folder.clone(), bytes })
            }
            None => return Err(spool::unnamed(size)),
        };
        Ok(Cut { part_bytes: size, capacity: plan.capacity(), spool })
    }

    fn encryption(&self) -> (Option<ServerSideEncryption>, Option<String>) {
        match &self.encryption {
            None => (None, None),
            Some(ServerEncryption::Aes256) => (Some(ServerSideEncryption::Aes256), None),
            Some(ServerEncryption::Kms { key }) => (Some(ServerSideEncryption::AwsKms), key.clone()),
        }
    }

    fn encrypted_put(&self, request: PutObjectFluentBuilder) -> PutObjectFluentBuilder {
        let (mode, key) = self.encryption();
        request.set_server_side_encryption(mode).set_ssekms_key_id(key)
    }

    fn encrypted_upload(
        &self,
        request: CreateMultipartUploadFluentBuilder,
    ) -> CreateMultipartUploadFluentBuilder {
        let (mode, key) = self.encryption();
        request.set_server_side_encryption(mode).set_ssekms_key_id(key)
    }
}
