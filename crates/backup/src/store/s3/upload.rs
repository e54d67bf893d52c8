use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, ObjectLockMode};
use bytes::Bytes;
use chrono::Utc;
use helpers::naming::BackupName;
use tokio::task::JoinSet;

use super::client::timeouts_for;
use super::failure::{failure, is_taken, is_unknown};
use super::lease::Lease;
use super::plan::PartPlan;
use super::shared::Shared;
use super::spool::{Filling, Full};
use crate::archive::Hasher;
use crate::store::{Stored, Upload};
use crate::{Error, ErrorKind, Result};

/// The object's own metadata that says of which upload it is.
const NONCE: &str = "dbm-upload";

/// An archive on its way to S3, in several parts at once.
#[derive(Debug)]
pub(super) struct S3Upload {
    shared: Arc<Shared>,
    name: BackupName,
    key: String,
    id: String,
    nonce: String,
    plan: PartPlan,
    number: u32,
    filling: Option<Filling>,
    sending: JoinSet<Result<CompletedPart>>,
    sent: Vec<CompletedPart>,
    hasher: Hasher,
    bytes: u64,
    /// Complete, or aborted.
    over: bool,
}

impl S3Upload {
    /// Reserves the name and begins an upload.
    pub(super) async fn begin(shared: Arc<Shared>, name: &BackupName) -> Result<Self> {
        shared.settle().await;
        let file = name.to_string();
        let taken = || {
            let what = format!("{} has a backup {} already", shared.options.url(), name.second());
            Error::new(ErrorKind::Exists, what)
        };
        let there = shared.objects(&name.second()).await?;
        if there.iter().any(|listed| name.shares_second(&listed.file)) {
            return Err(taken());
        }
        let nonce = Shared::nonce();
        reserve(&shared, name, &nonce).await?.then_some(()).ok_or_else(taken)?;
        let key = shared.key(&file);
        let id = match start(&shared, &key, &nonce).await {
            Ok(id) => id,
            Err(error) => {
                if let Err(cause) = shared.delete(&Shared::lease_file(&name.second())).await {
                    tracing::warn!(%cause, %name, "the name of a failed upload stays reserved");
                }
                return Err(error);
            }
        };
        let plan = shared.options.plan(None);
        Ok(Self {
            shared,
            name: name.clone(),
            key,
            id,
            nonce,
            plan,
            number: 0,
            filling: None,
            sending: JoinSet::new(),
            sent: Vec::new(),
            hasher: Hasher::default(),
            bytes: 0,
            over: false,
        })
    }

    /// The next part to be filled.
    fn next(&mut self) -> Result<Filling> {
        self.number += 1;
        let Some(size) = self.plan.size(self.number) else {
            let (parts, options) = (self.plan.most_parts(), &self.shared.options);
            let wanted = (self.plan.base() * 4).min(super::plan::MOST) >> 20;
            let message = format!(
                "{} is larger than {parts} parts of {} MiB, which is all that the upload was planned for",
                self.name,
                self.plan.base() >> 20
            );
            let hint = match options.uniform_parts {
                true => format!("set part_size = {wanted}MiB for this store"),
                false => "set a larger max_parts or part_size for this store".to_owned(),
            };
            return Err(Error::new(ErrorKind::Store, message).with_hint(hint));
        };
        Filling::new(size, self.shared.options.spool.as_deref())
    }

    /// Waits until there is room for one more part under way, and sends it.
    async fn send(&mut self, part: Full) -> Result<()> {
        let most = PartPlan::in_flight(part.bytes);
        while self.sending.len() >= most {
            self.collect().await?;
        }
        let (shared, key, id) = (self.shared.clone(), self.key.clone(), self.id.clone());
        let number = self.number;
        self.sending.spawn(async move { Box::pin(send(&shared, &key, &id, number, part)).await });
        Ok(())
    }

    async fn collect(&mut self) -> Result<()> {
        match self.sending.join_next().await {
            Some(Ok(sent)) => {
                self.sent.push(sent?);
                Ok(())
            }
            Some(Err(cause)) => {
                Err(Error::new(ErrorKind::Internal, "a task that uploaded broke off").with_source(cause))
            }
            None => Ok(()),
        }
    }

    async fn add(&mut self, mut bytes: Bytes) -> Result<()> {
        while !bytes.is_empty() {
            let mut filling = match self.filling.take() {
                Some(filling) => filling,
                None => self.next()?,
            };
            let room = usize::try_from(filling.room()).unwrap_or(usize::MAX);
            let piece = bytes.split_to(bytes.len().min(room));
            let mut hasher = std::mem::take(&mut self.hasher);
            self.bytes += piece.len() as u64;
            let work = move || {
                hasher.update(&piece);
                let added = filling.add(piece);
                (filling, hasher, added)
            };
            let (filling, hasher, added) = tokio::task::spawn_blocking(work).await.map_err(|cause| {
                Error::new(ErrorKind::Internal, "a thread that filled a part broke off").with_source(cause)
            })?;
            self.hasher = hasher;
            added?;
            if filling.room() == 0 {
                self.send(filling.finish()).await?;
            } else {
                self.filling = Some(filling);
            }
        }
        Ok(())
    }

    async fn publish(&mut self) -> Result<Stored> {
        if self.over {
            return Err(Error::new(ErrorKind::Internal, "an upload that failed cannot be completed"));
        }
        let last = match self.filling.take() {
            Some(filling) if !filling.is_empty() => Some(filling),
            // An upload has at least one part.
            _ if self.number == 0 => Some(self.next()?),
            _ => None,
        };
        if let Some(last) = last {
            self.send(last.finish()).await?;
        }
        while !self.sending.is_empty() {
            self.collect().await?;
        }
        self.sent.sort_by_key(CompletedPart::part_number);
        let parts =
            CompletedMultipartUpload::builder().set_parts(Some(std::mem::take(&mut self.sent))).build();
        self.complete_parts(parts).await?;
        self.over = true;
        if let Err(cause) = self.shared.delete(&Shared::lease_file(&self.name.second())).await {
            tracing::warn!(%cause, name = %self.name, "the lease of a complete upload stays; the next backup sweeps it");
        }
        Ok(Stored { bytes: self.bytes, sha256: std::mem::take(&mut self.hasher).finish() })
    }

    async fn complete_parts(&mut self, parts: CompletedMultipartUpload) -> Result<()> {
        let time = timeouts_for(self.shared.options.patience * 10, 0);
        let request = || async {
            let client = self.shared.client().await;
            client
                .complete_multipart_upload()
                .bucket(self.shared.bucket())
                .key(&self.key)
                .upload_id(&self.id)
                .multipart_upload(parts.clone())
        };
        let customized = aws_sdk_s3::config::Config::builder().timeout_config(time);
        let sent =
            request().await.if_none_match("*").customize().config_override(customized.clone()).send().await;
        let sent = match sent {
            // The name was looked for at the start, and has been reserved since.
            Err(error) if is_unknown(&error) => {
                request().await.customize().config_override(customized).send().await
            }
            sent => sent,
        };
        let Err(error) = sent else { return Ok(()) };
        // The answer may have been lost, and not the request: after the abort nothing more can happen, and what is
        // there then is ours or is not.
        let taken = is_taken(&error);
        let failed = failure(format!("cannot publish {}", self.shared.at(&self.name.to_string())), error);
        self.leave().await;
        match self.shared.head(&self.name.to_string()).await {
            Ok(Some(head)) => match head.metadata().and_then(|metadata| metadata.get(NONCE)) {
                Some(nonce) if *nonce == self.nonce => Ok(()),
                _ if taken => Err(Error::new(
                    ErrorKind::Exists,
                    format!("{} came into {} meanwhile", self.name, self.shared.options.url()),
                )),
                _ => Err(failed),
            },
            _ => Err(failed),
        }
    }

    /// Leaves everything as a kill does.
    #[cfg(test)]
    pub(super) fn forget(mut self) {
        self.over = true;
    }

    /// Gives the upload up and the name back.
    async fn leave(&mut self) {
        self.over = true;
        self.sending.shutdown().await;
        give_up(&self.shared, &self.name, &self.key, &self.id).await;
    }
}

/// Aborts an upload and deletes its lease; where that fails, the next backup sweeps them.
async fn give_up(shared: &Shared, name: &BackupName, key: &str, id: &str) {
    let aborted = match shared.abort(key, id).await {
        Ok(()) => shared.delete(&Shared::lease_file(&name.second())).await,
        Err(error) => Err(error),
    };
    if let Err(cause) = aborted {
        tracing::warn!(%cause, %name, "an upload could not be aborted; the next backup tries again");
    }
}

/// Takes the lease on a name's second; `false` if another has it.
async fn reserve(shared: &Shared, name: &BackupName, nonce: &str) -> Result<bool> {
    let second = name.second();
    let lease = Lease::new(nonce.to_owned());
    let text = serde_json::to_vec(&lease)
        .map_err(|cause| Error::new(ErrorKind::Internal, "cannot write a lease").with_source(cause))?;
    for _ in 0..3 {
        match shared.lease(&second).await? {
            Some(lease) if lease.nonce == nonce => return Ok(true),
            Some(lease) if shared.is_stale(&second, &lease).await? => shared.clear(&second).await?,
            Some(_) => return Ok(false),
            None => {}
        }
        if shared.put(&Shared::lease_file(&second), text.clone(), true).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Begins a multipart upload; its id.
async fn start(shared: &Shared, key: &str, nonce: &str) -> Result<String> {
    let options = &shared.options;
    let connected = shared.connected().await;
    let request = connected.client.create_multipart_upload().bucket(shared.bucket()).key(key);
    let mut request = options
        .encrypted_upload(request)
        .content_type("application/zstd")
        .metadata(NONCE, nonce)
        .set_tagging(options.tags.clone())
        .set_storage_class(options.storage_class.as_deref().map(Into::into));
    if connected.checksums {
        request = request.checksum_algorithm(ChecksumAlgorithm::Crc32);
    }
    if let Some(lock) = options.object_lock {
        let mode = if lock.compliance { ObjectLockMode::Compliance } else { ObjectLockMode::Governance };
        let until = Utc::now() + lock.period;
        request = request
            .object_lock_mode(mode)
            .object_lock_retain_until_date(aws_sdk_s3::primitives::DateTime::from_secs(until.timestamp()));
    }
    let what = || format!("cannot begin an upload to {}/{key}", options.bucket);
    let started = request.send().await.map_err(|error| failure(what(), error))?;
    match started.upload_id() {
        Some(id) => Ok(id.to_owned()),
        None => Err(Error::new(ErrorKind::Store, format!("{}: the store gave no id", what()))),
    }
}

async fn send(shared: &Shared, key: &str, id: &str, number: u32, part: Full) -> Result<CompletedPart> {
    let connected = shared.connected().await;
    let mut request = connected
        .client
        .upload_part()
        .bucket(shared.bucket())
        .key(key)
        .upload_id(id)
        .part_number(number.cast_signed())
        .content_length(part.bytes.cast_signed())
        .body(part.body());
    request = match connected.checksums {
        true => request.checksum_algorithm(ChecksumAlgorithm::Crc32),
        false => request.content_md5(&part.md5),
    };
    let time = timeouts_for(shared.options.patience, part.bytes);
    let customized = aws_sdk_s3::config::Config::builder().timeout_config(time);
    let sent = request.customize().config_override(customized).send().await;
    let sent = sent.map_err(|error| failure(format!("cannot upload part {number} of {key}"), error))?;
    Ok(CompletedPart::builder()
        .part_number(number.cast_signed())
        .set_e_tag(sent.e_tag)
        .set_checksum_crc32(sent.checksum_crc32)
        .build())
}

#[async_trait]
impl Upload for S3Upload {
    fn expect(&mut self, bytes: u64) -> Result<()> {
        if self.number > 0 {
            return Ok(());
        }
        self.plan = self.shared.options.plan(Some(bytes));
        let cut = self.shared.options.cut(&self.plan)?;
        if let Some(spool) = cut.spool {
            tracing::info!(
                part_bytes = cut.part_bytes,
                spool_bytes = spool.bytes,
                spool = %spool.folder.display(),
                capacity = cut.capacity,
                "parts of the upload wait on disk until they are sent"
            );
        }
        Ok(())
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if self.over {
            return Err(Error::new(ErrorKind::Internal, "an upload that failed cannot go on"));
        }
        let added = self.add(bytes).await;
        if added.is_err() {
            self.leave().await;
        }
        added
    }

    async fn complete(mut self: Box<Self>) -> Result<Stored> {
        let published = self.publish().await;
        if published.is_err() && !self.over {
            self.leave().await;
        }
        published
    }
}

impl Drop for S3Upload {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        self.sending.abort_all();
        let (shared, name) = (self.shared.clone(), self.name.clone());
        let (key, id) = (std::mem::take(&mut self.key), std::mem::take(&mut self.id));
        // Without a runtime the process is about to end; the next backup sweeps.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let leaving = self.shared.clone();
            leaving.leave(runtime.spawn(async move { give_up(&shared, &name, &key, &id).await }));
        }
    }
}
