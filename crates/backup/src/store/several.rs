use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use helpers::naming::BackupName;
use serde::Serialize;

use super::{Listed, Sidecar, Source, Store, Stored, Upload, UploadPlan};
use crate::{Error, ErrorKind, Result};

/// How many of several stores must have a backup for it to count as made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Require {
    /// Every one: if one of them fails, none has it.
    All,
    /// At least one; what failed in the others is told.
    Any,
}

/// What went wrong in one of several stores, though not in the whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// The store.
    pub store: String,
    /// What failed there.
    pub what: String,
}

type Troubles = Arc<Mutex<Vec<Trouble>>>;

/// Several stores as one: what is written goes to all of them as it is made, what is read comes from the first that
/// has it.
///
/// It moves bytes as they are stored: what encrypts stands before it ([`EncryptedStore`](crate::encryption::EncryptedStore)),
/// so that an archive is encrypted once and its copies are equal. Each bears the same name in all. What lies beside it is each store's own, since each copy is verified by
/// itself; only a pin is the same everywhere.
#[derive(Debug)]
pub struct SeveralStores {
    stores: Vec<Arc<dyn Store>>,
    require: Require,
    troubles: Troubles,
}

impl SeveralStores {
    /// These stores, in the order in which they are read.
    pub fn new(stores: Vec<Box<dyn Store>>, require: Require) -> Self {
        Self { stores: stores.into_iter().map(Arc::from).collect(), require, troubles: Troubles::default() }
    }

    fn trouble(&self, store: &dyn Store, error: &Error) {
        note(&self.troubles, store, error);
    }

    /// The first answer of a store that has one; where none has, the first failure.
    async fn first<T, F>(&self, asked: impl Fn(Arc<dyn Store>) -> F) -> Result<Option<T>>
    where
        F: Future<Output = Result<Option<T>>>,
    {
        let mut failed = None;
        for store in &self.stores {
            match asked(store.clone()).await {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                // Something is there that cannot be read: another's answer would hide it.
                Err(error) if error.kind() == ErrorKind::Refused => return Err(error),
                Err(error) => {
                    self.trouble(&**store, &error);
                    failed.get_or_insert(error);
                }
            }
        }
        failed.map_or(Ok(None), Err)
    }
}

fn note(troubles: &Troubles, store: &dyn Store, error: &Error) {
    let trouble = Trouble { store: store.describe(), what: error.to_string() };
    tracing::warn!(store = trouble.store, cause = trouble.what, "one of several stores fails");
    let mut troubles = troubles.lock().unwrap_or_else(PoisonError::into_inner);
    if !troubles.contains(&trouble) {
        troubles.push(trouble);
    }
}

fn of_store(store: &dyn Store, error: Error) -> Error {
    let hint = error.hint().map(str::to_owned);
    let named = Error::new(error.kind(), format!("of several stores {} fails", store.describe()));
    let others = "or be content with the other stores: `--require any`";
    let hint = hint.map_or_else(|| format!("mend it, {others}"), |hint| format!("{hint}; {others}"));
    named.with_hint(hint).with_source(error)
}

#[async_trait]
impl Store for SeveralStores {
    fn describe(&self) -> String {
        self.stores.iter().map(|store| store.describe()).collect::<Vec<_>>().join(", ")
    }

    fn plans(&self, bytes: u64) -> Result<Vec<UploadPlan>> {
        let (mut plans, mut failed) = (Vec::new(), None);
        for store in &self.stores {
            match store.plans(bytes) {
                Ok(more) => plans.extend(more),
                Err(error) if self.require == Require::All => return Err(of_store(&**store, error)),
                Err(error) => {
                    self.trouble(&**store, &error);
                    failed.get_or_insert(error);
                }
            }
        }
        failed.filter(|_| plans.is_empty()).map_or(Ok(plans), Err)
    }

    async fn create(&self, name: &BackupName) -> Result<Box<dyn Upload>> {
        let begun = join_all(self.stores.iter().map(|store| store.create_stored(name))).await;
        let (mut parts, mut failed) = (Vec::new(), Vec::new());
        for (store, begun) in self.stores.iter().zip(begun) {
            match begun {
                Ok(upload) => parts.push(Part { store: store.clone(), upload }),
                Err(error) => failed.push((store, error)),
            }
        }
        // A name that is taken in one of them is taken.
        if let Some(place) = failed.iter().position(|(_, error)| error.kind() == ErrorKind::Exists) {
            return Err(failed.swap_remove(place).1);
        }
        for (store, error) in failed {
            if self.require == Require::All {
                return Err(of_store(&**store, error));
            }
            self.trouble(&**store, &error);
            if parts.is_empty() {
                return Err(error);
            }
        }
        let (require, troubles) = (self.require, self.troubles.clone());
        Ok(Box::new(SeveralUploads { name: name.clone(), parts, require, troubles }))
    }

    async fn source(&self, name: &BackupName) -> Result<Arc<dyn Source>> {
        let found = self.first(|store| async move {
            match store.stored(name).await {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                source => source.map(Some),
            }
        });
        found.await?.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("{} have no archive {name}", self.describe()))
        })
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        let lists = join_all(self.stores.iter().map(|store| store.list())).await;
        let (mut all, mut failed, mut answered): (Vec<Listed>, _, _) = (Vec::new(), None, false);
        for (store, list) in self.stores.iter().zip(lists) {
            match list {
                Ok(list) => {
                    answered = true;
                    let known = all.len();
                    all.extend(list);
                    let (known, new) = all.split_at(known);
                    let new: Vec<_> = new
                        .iter()
                        .filter(|new| known.iter().all(|old| old.file != new.file))
                        .cloned()
                        .collect();
                    all.truncate(known.len());
                    all.extend(new);
                }
                Err(error) => {
                    self.trouble(&**store, &error);
                    failed.get_or_insert(error);
                }
            }
        }
        all.sort_by(|one, other| one.file.cmp(&other.file));
        match failed.filter(|_| !answered) {
            Some(error) => Err(error),
            None => Ok(all),
        }
    }

    async fn read_sidecar(&self, name: &BackupName) -> Result<Option<Sidecar>> {
        self.first(|store| async move { store.read_sidecar(name).await }).await
    }

    async fn write_sidecar(&self, name: &BackupName, sidecar: &Sidecar) -> Result<()> {
        let mut written = 0;
        for store in &self.stores {
            let done = async {
                let own = match store.read_sidecar(name).await? {
                    // Whether a copy was verified, and whether it is whole, is its own.
                    Some(own) if written > 0 => Sidecar { pin: sidecar.pin.clone(), ..own },
                    Some(_) => sidecar.clone(),
                    // There is nothing for it to lie beside where the upload failed.
                    None if !has(&**store, name).await? => return Ok(false),
                    None => sidecar.clone(),
                };
                store.write_sidecar(name, &own).await.map(|()| true)
            };
            match done.await {
                Ok(true) => written += 1,
                Ok(false) => {}
                Err(error) if self.require == Require::All => return Err(of_store(&**store, error)),
                Err(error) => self.trouble(&**store, &error),
            }
        }
        match written {
            0 => Err(Error::new(ErrorKind::NotFound, format!("{} have no archive {name}", self.describe()))),
            _ => Ok(()),
        }
    }

    async fn remove(&self, name: &BackupName) -> Result<()> {
        let (mut removed, mut failed) = (false, None);
        for store in &self.stores {
            match store.remove(name).await {
                Ok(()) => removed = true,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    failed.get_or_insert(of_store(&**store, error));
                }
            }
        }
        match (failed, removed) {
            (Some(error), _) => Err(error),
            (None, true) => Ok(()),
            (None, false) => {
                Err(Error::new(ErrorKind::NotFound, format!("{} have no archive {name}", self.describe())))
            }
        }
    }

    async fn leftovers(&self) -> Result<Vec<String>> {
        let all = join_all(self.stores.iter().map(|store| store.leftovers())).await;
        Ok(all.into_iter().collect::<Result<Vec<_>>>()?.concat())
    }

    async fn sweep(&self) -> Result<Vec<String>> {
        let (mut all, mut answered, mut failed) = (Vec::new(), false, None);
        for (store, swept) in
            self.stores.iter().zip(join_all(self.stores.iter().map(|store| store.sweep())).await)
        {
            match swept {
                Ok(swept) => {
                    all.extend(swept);
                    answered = true;
                }
                Err(error) if self.require == Require::All => return Err(of_store(&**store, error)),
                Err(error) => {
                    self.trouble(&**store, &error);
                    failed.get_or_insert(error);
                }
            }
        }
        match failed.filter(|_| !answered) {
            Some(error) => Err(error),
            None => Ok(all),
        }
    }

    async fn settle(&self) {
        join_all(self.stores.iter().map(|store| store.settle())).await;
    }

    async fn holders(&self, name: &BackupName) -> Vec<String> {
        let mut holders = Vec::new();
        for (store, asked) in
            self.stores.iter().zip(join_all(self.stores.iter().map(|store| has(&**store, name))).await)
        {
            match asked {
                Ok(true) => holders.extend(store.holders(name).await),
                Ok(false) => {}
                Err(error) => self.trouble(&**store, &error),
            }
        }
        holders
    }

    fn troubles(&self) -> Vec<Trouble> {
        let mut all = self.troubles.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.extend(self.stores.iter().flat_map(|store| store.troubles()));
        all
    }
}

async fn has(store: &dyn Store, name: &BackupName) -> Result<bool> {
    match store.stored(name).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// One store's share of an upload.
#[derive(Debug)]
struct Part {
    store: Arc<dyn Store>,
    upload: Box<dyn Upload>,
}

#[derive(Debug)]
struct SeveralUploads {
    name: BackupName,
    /// In the stores' order; those that failed are gone.
    parts: Vec<Part>,
    require: Require,
    troubles: Troubles,
}

impl SeveralUploads {
    /// Lets go of the uploads that failed, or fails with them.
    fn keep(&mut self, done: Vec<Result<()>>) -> Result<()> {
        let mut kept = Vec::new();
        let mut failed = None;
        for (part, done) in std::mem::take(&mut self.parts).into_iter().zip(done) {
            match done {
                Ok(()) => kept.push(part),
                Err(error) if self.require == Require::All => return Err(of_store(&*part.store, error)),
                Err(error) => {
                    note(&self.troubles, &*part.store, &error);
                    failed.get_or_insert(error);
                }
            }
        }
        self.parts = kept;
        match failed.filter(|_| self.parts.is_empty()) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Upload for SeveralUploads {
    fn expect(&mut self, bytes: u64) -> Result<()> {
        let done = self.parts.iter_mut().map(|part| part.upload.expect(bytes)).collect();
        self.keep(done)
    }

    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let done = join_all(self.parts.iter_mut().map(|part| part.upload.write(bytes.clone()))).await;
        self.keep(done)
    }

    async fn complete(mut self: Box<Self>) -> Result<Stored> {
        let (mut stored, mut having, mut failed) = (None, Vec::<Arc<dyn Store>>::new(), None);
        // The first store comes last: what it has, all have.
        for Part { store, upload } in std::mem::take(&mut self.parts).into_iter().rev() {
            match upload.complete().await {
                Ok(done) => {
                    stored = Some(done);
                    having.push(store);
                }
                Err(error) if self.require == Require::All => {
                    // A backup that failed is listed nowhere.
                    for had in &having {
                        if let Err(cause) = had.remove(&self.name).await {
                            note(&self.troubles, &**had, &cause);
                        }
                    }
                    return Err(of_store(&*store, error));
                }
                Err(error) => {
                    note(&self.troubles, &*store, &error);
                    failed.get_or_insert(error);
                }
            }
        }
        match (stored, failed) {
            (Some(stored), _) => Ok(stored),
            (None, Some(error)) => Err(error),
            (None, None) => Err(Error::new(ErrorKind::Internal, "an upload to no store was completed")),
        }
    }
}
