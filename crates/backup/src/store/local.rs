//! A folder as a store.
//!
//! An archive is written as `.NAME.part`, which its writer holds locked, and renamed when it is
//! complete. `.dbm-lock` is held only while names are taken or swept, never while bytes are written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use helpers::naming::BackupName;
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use rustix::io::Errno;

use super::{Listed, Sidecar, Source, Store, Stored, Upload};
use crate::archive::Hasher;
use crate::{Error, ErrorKind, Result};

const LOCK: &str = ".dbm-lock";
/// No sidecar is longer.
const SIDECAR_LIMIT: u64 = 1 << 20;

/// A folder as a store. It is made with the first archive.
#[derive(Clone, Debug)]
pub struct LocalStore {
    folder: PathBuf,
}

impl LocalStore {
    /// The store in that folder. Nothing is made or read yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, name: &BackupName) -> PathBuf {
        self.folder.join(name.to_string())
    }

    fn sidecar_path(&self, name: &BackupName) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }

    fn temporary(&self, file: &str) -> PathBuf {
        self.folder.join(format!(".{file}.part"))
    }

    /// Holds the folder's lock until what it returns is dropped.
    fn lock(&self) -> Result<File> {
        let path = self.folder.join(LOCK);
        let what = || format!("cannot lock the store {}", self.folder.display());
        let file = open_options().create(true).truncate(false).open(&path);
        let file = file.map_err(|cause| Error::io(ErrorKind::Store, what(), cause))?;
        flock(&file, FlockOperation::LockExclusive)
            .map_err(|cause| Error::io(ErrorKind::Store, what(), cause.into()))?;
        Ok(file)
    }

    fn begin(&self, name: &BackupName) -> Result<LocalUpload> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(|cause| {
            Error::io(ErrorKind::Store, format!("cannot make the folder {}", self.folder.display()), cause)
                .with_hint("make it, or name another store with `--store FOLDER`")
        })?;
        let taken = || {
            let what = format!("{} has a backup {} already", self.folder.display(), name.second());
            Error::new(ErrorKind::Exists, what)
        };
        let _lock = self.lock()?;
        let target = self.path(name);
        let temporary = self.temporary(&name.to_string());
        for file in files(&self.folder)? {
            let path = self.folder.join(&file);
            match file.strip_prefix('.') {
                None if name.shares_second(&file) => return Err(taken()),
                Some(hidden) if path != temporary && name.shares_second(hidden) && !is_stale(&path)? => {
                    return Err(taken());
                }
                _ => {}
            }
        }
        if target.symlink_metadata().is_ok() {
            return Err(taken());
        }
        let file = match open_options().create_new(true).open(&temporary) {
            Ok(file) => file,
            // What a killed backup has left of the same name; the lock says that nobody is writing it.
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists && is_stale(&temporary)? => {
                fs::remove_file(&temporary)
                    .and_then(|()| open_options().create_new(true).open(&temporary))
                    .map_err(|cause| {
                        Error::io(ErrorKind::Store, format!("cannot write {}", temporary.display()), cause)
                    })?
            }
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => return Err(taken()),
            Err(cause) => {
                return Err(Error::io(
                    ErrorKind::Store,
                    format!("cannot write {}", temporary.display()),
                    cause,
                ));
            }
        };
        let mut upload = LocalUpload {
            file: Some(file),
            temporary,
            target,
            folder: self.folder.clone(),
            hasher: Hasher::default(),
            bytes: 0,
        };
        let locked = upload.file.as_ref().map(|file| flock(file, FlockOperation::NonBlockingLockExclusive));
        if let Some(Err(cause)) = locked {
            upload.discard();
            return Err(Error::io(
                ErrorKind::Store,
                format!("cannot lock a file in {}", self.folder.display()),
                cause.into(),
            ));
        }
        Ok(upload)
    }
}

/// Whether nobody holds the lock of a temporary file.
fn is_stale(path: &Path) -> Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(cause) => {
            return Err(Error::io(ErrorKind::Store, format!("cannot read {}", path.display()), cause));
        }
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(cause) => {
            Err(Error::io(ErrorKind::Store, format!("cannot lock {}", path.display()), cause.into()))
        }
    }
}

fn open_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    options
}

fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|cause| {
        Error::io(ErrorKind::Store, format!("cannot flush the folder {}", folder.display()), cause)
    })
}

/// Runs work that blocks on a thread where it may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|cause| {
        Err(Error::new(ErrorKind::Internal, "a thread that worked on the store broke off").with_source(cause))
    })
}

#[async_trait]
impl Store for LocalStore {
    fn describe(&self) -> String {
        self.folder.display().to_string()
    }

    async fn create(&self, name: &BackupName) -> Result<Box<dyn Upload>> {
        let (store, name) = (self.clone(), name.clone());
        blocking(move || Ok(Box::new(store.begin(&name)?) as Box<dyn Upload>)).await
    }

    async fn source(&self, name: &BackupName) -> Result<Arc<dyn Source>> {
        let (path, name, store) = (self.path(name), name.to_string(), self.describe());
        blocking(move || match File::open(&path) {
            Ok(file) => Ok(Arc::new(LocalSource { file: Arc::new(file), name }) as Arc<dyn Source>),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                Err(Error::new(ErrorKind::NotFound, format!("{store} has no archive {name}"))
                    .with_hint("`dbm backups` lists what is there"))
            }
            Err(cause) => Err(Error::io(ErrorKind::Store, format!("cannot read {}", path.display()), cause)),
        })
        .await
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        let folder = self.folder.clone();
        blocking(move || list(&folder)).await
    }

    async fn read_sidecar(&self, name: &BackupName) -> Result<Option<Sidecar>> {
        let path = self.sidecar_path(name);
        blocking(move || {
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(cause) => {
                    return Err(Error::io(
                        ErrorKind::Store,
                        format!("cannot read {}", path.display()),
                        cause,
                    ));
                }
            };
            let mut text = Vec::new();
            file.take(SIDECAR_LIMIT).read_to_end(&mut text).map_err(|cause| {
                Error::io(ErrorKind::Store, format!("cannot read {}", path.display()), cause)
            })?;
            Sidecar::parse(&text, &path.display().to_string()).map(Some)
        })
        .await
    }

    async fn write_sidecar(&self, name: &BackupName, sidecar: &Sidecar) -> Result<()> {
        let (store, name, sidecar) = (self.clone(), name.clone(), sidecar.clone());
        blocking(move || {
            let target = store.sidecar_path(&name);
            let temporary = store.temporary(&format!("{name}.json"));
            let mut text = serde_json::to_vec_pretty(&sidecar).map_err(|cause| {
                Error::new(ErrorKind::Internal, "cannot write a sidecar").with_source(cause)
            })?;
            text.push(b'\n');
            let _lock = store.lock()?;
            let written = (|| {
                let mut file = open_options().create(true).truncate(true).open(&temporary)?;
                file.write_all(&text)?;
                file.sync_all()?;
                fs::rename(&temporary, &target)
            })();
            written.map_err(|cause| {
                drop(fs::remove_file(&temporary));
                Error::io(ErrorKind::Store, format!("cannot write {}", target.display()), cause)
            })?;
            sync_folder(&store.folder)
        })
        .await
    }

    async fn remove(&self, name: &BackupName) -> Result<()> {
        let (store, name) = (self.clone(), name.clone());
        blocking(move || {
            let _lock = store.lock()?;
            let path = store.path(&name);
            // The archive first: what lies beside it says nothing without it.
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                    return Err(Error::new(
                        ErrorKind::NotFound,
                        format!("{} has no archive {name}", store.folder.display()),
                    )
                    .with_hint("`dbm backups` lists what is there"));
                }
                Err(cause) => {
                    return Err(Error::io(
                        ErrorKind::Store,
                        format!("cannot remove {}", path.display()),
                        cause,
                    ));
                }
            }
            match fs::remove_file(store.sidecar_path(&name)) {
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                    Err(Error::io(ErrorKind::Store, format!("cannot remove {name}.json"), cause))
                }
                _ => sync_folder(&store.folder),
            }
        })
        .await
    }

    async fn leftovers(&self) -> Result<Vec<String>> {
        let folder = self.folder.clone();
        blocking(move || stale(&folder)).await
    }

    async fn sweep(&self) -> Result<Vec<String>> {
        let store = self.clone();
        blocking(move || {
            if !store.folder.exists() {
                return Ok(Vec::new());
            }
            let _lock = store.lock()?;
            let swept = stale(&store.folder)?;
            for file in &swept {
                let path = store.folder.join(file);
                fs::remove_file(&path).map_err(|cause| {
                    Error::io(ErrorKind::Store, format!("cannot remove {}", path.display()), cause)
                })?;
            }
            Ok(swept)
        })
        .await
    }
}

/// The temporary files that nobody is writing.
fn stale(folder: &Path) -> Result<Vec<String>> {
    let mut stale = Vec::new();
    for file in files(folder)? {
        if file.starts_with('.') && file.ends_with(".part") && is_stale(&folder.join(&file))? {
            stale.push(file);
        }
    }
    Ok(stale)
}

/// The names of the folder's plain files, sorted.
fn files(folder: &Path) -> Result<Vec<String>> {
    let unreadable =
        |cause| Error::io(ErrorKind::Store, format!("cannot read the folder {}", folder.display()), cause);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(unreadable(cause)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        if entry.path().is_file() {
            files.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn list(folder: &Path) -> Result<Vec<Listed>> {
    let mut listed = Vec::new();
    for file in files(folder)? {
        if file.starts_with('.') || file.ends_with(".json") {
            continue;
        }
        // A file that goes away meanwhile was removed, and is not listed.
        let Ok(metadata) = fs::metadata(folder.join(&file)) else { continue };
        let modified = metadata.modified().ok().map(Into::into);
        listed.push(Listed { name: file.parse().ok(), file, bytes: metadata.len(), modified });
    }
    Ok(listed)
}

#[derive(Debug)]
struct LocalUpload {
    /// Open and locked; `None` once it is renamed or discarded, or while a thread writes to it.
    file: Option<File>,
    temporary: PathBuf,
    target: PathBuf,
    folder: PathBuf,
    hasher: Hasher,
    bytes: u64,
}

impl LocalUpload {
    /// Removes the temporary file. Its lock is ours, so it cannot be anybody else's.
    fn discard(&mut self) {
        if !self.temporary.as_os_str().is_empty() {
            drop(fs::remove_file(std::mem::take(&mut self.temporary)));
        }
        self.file = None;
    }

    /// Gives it its name for good: `flush` makes the folder durable. A failure leaves no archive that is listed.
    fn publish(&mut self, flush: impl FnOnce(&Path) -> Result<()>) -> Result<Stored> {
        let failed = |what: &Path, cause| {
            Error::io(ErrorKind::Store, format!("cannot write {}", what.display()), cause)
        };
        let Some(file) = &self.file else {
            return Err(Error::new(ErrorKind::Internal, "an upload that failed cannot be completed"));
        };
        file.sync_all().map_err(|cause| failed(&self.temporary, cause))?;
        match renameat_with(CWD, &self.temporary, CWD, &self.target, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            // Some file systems cannot do it in one step: a link is never made over a file either.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                fs::hard_link(&self.temporary, &self.target).map_err(|cause| failed(&self.target, cause))?;
                drop(fs::remove_file(&self.temporary));
            }
            Err(cause) => return Err(failed(&self.target, cause.into())),
        }
        self.temporary = PathBuf::new();
        self.file = None;
        if let Err(error) = flush(&self.folder) {
            drop(fs::remove_file(&self.target));
            return Err(error);
        }
        Ok(Stored { bytes: self.bytes, sha256: std::mem::take(&mut self.hasher).finish() })
    }
}

impl Drop for LocalUpload {
    fn drop(&mut self) {
        self.discard();
    }
}

#[async_trait]
impl Upload for LocalUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let Some(mut file) = self.file.take() else {
            return Err(Error::new(ErrorKind::Internal, "an upload that failed cannot go on"));
        };
        let mut hasher = std::mem::take(&mut self.hasher);
        let length = bytes.len() as u64;
        // If this future is dropped, the file is removed by name and the thread writes into nothing.
        let (file, hasher, written) = blocking(move || {
            hasher.update(&bytes);
            let written = file.write_all(&bytes);
            Ok((file, hasher, written))
        })
        .await?;
        (self.file, self.hasher) = (Some(file), hasher);
        self.bytes += length;
        written.map_err(|cause| {
            let what = format!("cannot write {}", self.target.display());
            self.discard();
            Error::io(ErrorKind::Store, what, cause)
        })
    }

    async fn complete(mut self: Box<Self>) -> Result<Stored> {
        blocking(move || {
            let result = self.publish(sync_folder);
            if result.is_err() {
                self.discard();
            }
            result
        })
        .await
    }
}

#[derive(Debug)]
struct LocalSource {
    file: Arc<File>,
    name: String,
}

#[async_trait]
impl Source for LocalSource {
    fn describe(&self) -> String {
        self.name.clone()
    }

    async fn len(&self) -> Result<u64> {
        let (file, name) = (self.file.clone(), self.name.clone());
        blocking(move || {
            let metadata = file.metadata();
            Ok(metadata
                .map_err(|cause| Error::io(ErrorKind::Store, format!("cannot read {name}"), cause))?
                .len())
        })
        .await
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        let (file, name) = (self.file.clone(), self.name.clone());
        blocking(move || {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, offset).map_err(|cause| match cause.kind() {
                io::ErrorKind::UnexpectedEof => {
                    Error::new(ErrorKind::Damaged, "it ends before its last part: it was cut off")
                        .with_hint("do not restore it; take another backup (`dbm backups` lists them)")
                }
                _ => Error::io(ErrorKind::Store, format!("cannot read {name}"), cause),
            })?;
            Ok(bytes.into())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_not_be_made_durable_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let name: BackupName = "shop_20261121T013400Z.sql.zst".parse().unwrap();
        let mut upload = LocalStore::new(folder.path()).begin(&name).unwrap();
        let failed = upload.publish(|_| Err(Error::new(ErrorKind::Store, "the disk is gone")));
        assert_eq!(failed.unwrap_err().to_string(), "the disk is gone");
        assert_eq!(files(folder.path()).unwrap(), [LOCK]);
    }
}
