use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use chrono::{DateTime, Utc};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use super::client::{self, Connected};
use super::failure::{failure, is_denied, is_missing, is_taken, is_unknown};
use super::lease::{Lease, QUIET};
use super::options::S3Options;
use crate::store::Listed;
use crate::{Error, ErrorKind, Result};

/// No small object of ours is longer.
const SMALL: usize = 1 << 20;

/// What a store, its uploads and its readers have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: S3Options,
    connected: OnceCell<Connected>,
    /// Uploads that were dropped and are being aborted.
    leaving: Mutex<Vec<JoinHandle<()>>>,
}

/// An upload that is not complete.
pub(super) struct Unfinished {
    pub(super) key: String,
    pub(super) id: String,
    pub(super) begun: Option<DateTime<Utc>>,
}

impl Shared {
    pub(super) fn new(options: S3Options) -> Self {
        Self { options, connected: OnceCell::new(), leaving: Mutex::default() }
    }

    pub(super) async fn connected(&self) -> &Connected {
        self.connected.get_or_init(|| Box::pin(client::connect(&self.options))).await
    }

    pub(super) async fn client(&self) -> &Client {
        &self.connected().await.client
    }

    pub(super) fn bucket(&self) -> &str {
        &self.options.bucket
    }

    pub(super) fn key(&self, file: &str) -> String {
        format!("{}{file}", self.options.prefix)
    }

    /// The lease's file on a second (`BackupName::second`): there is one backup of a database in each.
    pub(super) fn lease_file(second: &str) -> String {
        format!(".{second}.part")
    }

    /// Where a file lies, for messages.
    pub(super) fn at(&self, file: &str) -> String {
        format!("{}/{file}", self.options.url())
    }

    /// Lets an abort run on its own; whoever asks the store next waits for it.
    pub(super) fn leave(&self, abort: JoinHandle<()>) {
        if let Ok(mut leaving) = self.leaving.lock() {
            leaving.push(abort);
        }
    }

    /// Waits until dropped uploads are gone.
    pub(super) async fn settle(&self) {
        let leaving =
            self.leaving.lock().map(|mut leaving| std::mem::take(&mut *leaving)).unwrap_or_default();
        for abort in leaving {
            let _ = abort.await;
        }
    }

    /// All objects directly under the prefix whose names begin so.
    pub(super) async fn objects(&self, beginning: &str) -> Result<Vec<Listed>> {
        let prefix = self.key(beginning);
        let request = self.client().await.list_objects_v2().bucket(self.bucket());
        let mut pages = request.prefix(prefix).delimiter("/").into_paginator().send();
        let mut listed = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failure(format!("cannot list {}", self.options.url()), error))?;
            for object in page.contents() {
                let Some(file) = object.key().and_then(|key| key.strip_prefix(&self.options.prefix)) else {
                    continue;
                };
                // What some tools make for an empty folder.
                if file.is_empty() {
                    continue;
                }
                listed.push(Listed {
                    file: file.to_owned(),
                    name: file.parse().ok(),
                    bytes: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                    modified: object
                        .last_modified()
                        .and_then(|time| DateTime::from_timestamp(time.secs(), time.subsec_nanos())),
                });
            }
        }
        listed.sort_unstable_by(|one, other| one.file.cmp(&other.file));
        Ok(listed)
    }

    /// What the store says of an object, if it is there.
    pub(super) async fn head(&self, file: &str) -> Result<Option<HeadObjectOutput>> {
        let request = self.client().await.head_object().bucket(self.bucket()).key(self.key(file));
        match request.send().await {
            Ok(head) => Ok(Some(head)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failure(format!("cannot look for {}", self.at(file)), error)),
        }
    }

    /// A small object's bytes, if it is there.
    pub(super) async fn read(&self, file: &str) -> Result<Option<Vec<u8>>> {
        let what = || format!("cannot read {}", self.at(file));
        let request = self.client().await.get_object().bucket(self.bucket()).key(self.key(file));
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(failure(what(), error)),
        };
        let mut bytes = Vec::new();
        let late = tokio::time::timeout(self.options.patience, async {
            while let Some(piece) = answer.body.try_next().await? {
                if bytes.len() + piece.len() > SMALL {
                    break;
                }
                bytes.extend_from_slice(&piece);
            }
            Ok::<_, aws_sdk_s3::primitives::ByteStreamError>(())
        });
        match late.await {
            Ok(Ok(())) => Ok(Some(bytes)),
            Ok(Err(cause)) => Err(Error::new(ErrorKind::Store, what()).with_source(cause)),
            Err(_) => {
                Err(Error::new(ErrorKind::Store, format!("{}: the store did not answer in time", what())))
            }
        }
    }

    /// Writes a small object in one step; `Ok(false)` if it must be new and is not.
    pub(super) async fn put(&self, file: &str, bytes: Vec<u8>, new: bool) -> Result<bool> {
        let client = self.client().await;
        let request = || {
            let request = client.put_object().bucket(self.bucket()).key(self.key(file));
            let request = self.options.encrypted_put(request).content_type("application/json");
            request.body(ByteStream::from(bytes.clone()))
        };
        let sent = match new {
            false => request().send().await,
            true => match request().if_none_match("*").send().await {
                // A store that does not know the condition gets a plain request; the name was looked for before.
                Err(error) if is_unknown(&error) => request().send().await,
                sent => sent,
            },
        };
        match sent {
            Ok(_) => Ok(true),
            Err(error) if new && is_taken(&error) => Ok(false),
            Err(error) => Err(failure(format!("cannot write {}", self.at(file)), error)),
        }
    }

    /// Deletes an object; one that is not there is none.
    pub(super) async fn delete(&self, file: &str) -> Result<()> {
        let request = self.client().await.delete_object().bucket(self.bucket()).key(self.key(file));
        match request.send().await {
            Err(error) if !is_missing(&error) => {
                Err(failure(format!("cannot delete {}", self.at(file)), error))
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn abort(&self, key: &str, id: &str) -> Result<()> {
        let request = self.client().await.abort_multipart_upload().bucket(self.bucket()).key(key);
        match request.upload_id(id).send().await {
            Err(error) if !is_missing(&error) => {
                Err(failure(format!("cannot abort the upload of {key} to {}", self.options.url()), error))
            }
            _ => Ok(()),
        }
    }

    /// The uploads of keys that begin so; `None` where the account may not list them.
    pub(super) async fn unfinished(&self, beginning: &str) -> Result<Option<Vec<Unfinished>>> {
        let mut all = Vec::new();
        let (mut key_marker, mut id_marker) = (None, None);
        loop {
            let request = self
                .client()
                .await
                .list_multipart_uploads()
                .bucket(self.bucket())
                .prefix(beginning)
                .set_key_marker(key_marker)
                .set_upload_id_marker(id_marker);
            let page = match request.send().await {
                Ok(page) => page,
                Err(error) if is_denied(&error) || is_unknown(&error) => return Ok(None),
                Err(error) if is_missing(&error) => return Ok(Some(all)),
                Err(error) => {
                    return Err(failure(format!("cannot list the uploads to {}", self.options.url()), error));
                }
            };
            for upload in page.uploads() {
                if let (Some(key), Some(id)) = (upload.key(), upload.upload_id()) {
                    let begun = upload
                        .initiated()
                        .and_then(|time| DateTime::from_timestamp(time.secs(), time.subsec_nanos()));
                    all.push(Unfinished { key: key.to_owned(), id: id.to_owned(), begun });
                }
            }
            (key_marker, id_marker) =
                (page.next_key_marker().map(str::to_owned), page.next_upload_id_marker().map(str::to_owned));
            if page.is_truncated() != Some(true) || key_marker.is_none() {
                return Ok(Some(all));
            }
        }
    }

    /// Whether nothing has been uploaded for so long that nobody can be at work.
    pub(super) async fn is_quiet(&self, upload: &Unfinished) -> Result<bool> {
        let old = Utc::now() - QUIET;
        if upload.begun.is_none_or(|begun| begun > old) {
            return Ok(false);
        }
        let request = self.client().await.list_parts().bucket(self.bucket()).key(&upload.key);
        let mut pages = request.upload_id(&upload.id).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error) if is_missing(&error) => return Ok(false),
                Err(error) => {
                    return Err(failure(format!("cannot list the parts of {}", upload.key), error));
                }
            };
            if page
                .parts()
                .iter()
                .any(|part| part.last_modified().is_none_or(|time| time.secs() > old.timestamp()))
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The lease on a second. One that cannot be read is of nobody, and old.
    pub(super) async fn lease(&self, second: &str) -> Result<Option<Lease>> {
        let Some(text) = self.read(&Self::lease_file(second)).await? else { return Ok(None) };
        Ok(Some(serde_json::from_slice(&text).unwrap_or_else(|_| Lease {
            host: String::new(),
            machine: String::new(),
            process: 0,
            began: 0,
            time: DateTime::UNIX_EPOCH,
            nonce: String::new(),
        })))
    }

    /// Uploads of a second's archives.
    async fn uploads_of(&self, second: &str) -> Result<Vec<Unfinished>> {
        let key = self.key(second);
        let mut uploads = self.unfinished(&key).await?.unwrap_or_default();
        uploads
            .retain(|upload| upload.key.strip_prefix(&key).is_some_and(|rest| rest.starts_with(['.', '_'])));
        Ok(uploads)
    }

    /// Whether nobody is writing under that lease any more.
    pub(super) async fn is_stale(&self, second: &str, lease: &Lease) -> Result<bool> {
        if lease.is_over() {
            return Ok(true);
        }
        if lease.time > Utc::now() - QUIET {
            return Ok(false);
        }
        for upload in self.uploads_of(second).await? {
            if !self.is_quiet(&upload).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Aborts what was begun in a second and lets the second go.
    pub(super) async fn clear(&self, second: &str) -> Result<()> {
        for upload in self.uploads_of(second).await? {
            self.abort(&upload.key, &upload.id).await?;
        }
        self.delete(&Self::lease_file(second)).await
    }

    /// A word that nobody else has.
    pub(super) fn nonce() -> String {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let time = Utc::now().timestamp_nanos_opt().unwrap_or_default();
        let text = format!(
            "{} {} {time} {}",
            rustix::system::uname().nodename().to_string_lossy(),
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        crate::archive::Hash::of(text.as_bytes()).to_string()[..32].to_owned()
    }
}
