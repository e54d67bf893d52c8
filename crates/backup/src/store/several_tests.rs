use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{TimeZone as _, Utc};
use helpers::naming::{ArchiveKind, BackupName};

use super::memory::MemoryStore;
use super::{Listed, Require, SeveralStores, Sidecar, Source, Store, Stored, Upload, conformance};
use crate::catalogue;
use crate::{Error, ErrorKind, Result};

/// Where a store fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fails {
    Create,
    Write,
    Complete,
    Sidecar,
    List,
}

/// A store that fails at one place.
#[derive(Clone, Debug)]
struct Broken(MemoryStore, Fails);

impl Broken {
    fn at(&self, place: Fails) -> Result<()> {
        match self.1 == place {
            true => Err(Error::new(ErrorKind::Store, format!("it fails at {place:?}"))),
            false => Ok(()),
        }
    }
}

#[derive(Debug)]
struct BrokenUpload(Box<dyn Upload>, Broken);

#[async_trait]
impl Upload for BrokenUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.1.at(Fails::Write)?;
        self.0.write(bytes).await
    }

    async fn complete(self: Box<Self>) -> Result<Stored> {
        self.1.at(Fails::Complete)?;
        self.0.complete().await
    }
}

#[async_trait]
impl Store for Broken {
    fn describe(&self) -> String {
        "broken".to_owned()
    }

    async fn create(&self, name: &BackupName) -> Result<Box<dyn Upload>> {
        self.at(Fails::Create)?;
        Ok(Box::new(BrokenUpload(self.0.create(name).await?, self.clone())))
    }

    async fn source(&self, name: &BackupName) -> Result<Arc<dyn Source>> {
        self.0.source(name).await
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        self.at(Fails::List)?;
        self.0.list().await
    }

    async fn read_sidecar(&self, name: &BackupName) -> Result<Option<Sidecar>> {
        self.0.read_sidecar(name).await
    }

    async fn write_sidecar(&self, name: &BackupName, sidecar: &Sidecar) -> Result<()> {
        self.at(Fails::Sidecar)?;
        self.0.write_sidecar(name, sidecar).await
    }

    async fn remove(&self, name: &BackupName) -> Result<()> {
        self.0.remove(name).await
    }

    async fn sweep(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

fn name(second: u32) -> BackupName {
    let time = Utc.with_ymd_and_hms(2025, 11, 21, 1, 34, second).unwrap();
    BackupName::new("shop", time, None, ArchiveKind::Script)
}

fn of(stores: &[&MemoryStore], require: Require) -> SeveralStores {
    let stores = stores.iter().map(|store| Box::new((*store).clone()) as Box<dyn Store>);
    SeveralStores::new(stores.collect(), require)
}

/// As a dump does it.
async fn back_up(store: &dyn Store) -> Result<()> {
    let mut upload = store.create(&name(0)).await?;
    for piece in [b"0123".as_slice(), b"456789"] {
        upload.write(Bytes::from_static(piece)).await?;
    }
    let stored = upload.complete().await?;
    let written = store.write_sidecar(&name(0), &conformance::sidecar(stored)).await;
    if written.is_err() {
        store.remove(&name(0)).await?;
    }
    written
}

#[tokio::test]
async fn they_conform_together() {
    for require in [Require::All, Require::Any] {
        let (one, other) = (MemoryStore::default(), MemoryStore::default());
        conformance::run(&of(&[&one, &other], require)).await;
    }
}

#[tokio::test]
async fn what_is_written_is_in_all_of_them() {
    let (one, other) = (MemoryStore::default(), MemoryStore::default());
    let both = of(&[&one, &other], Require::All);
    back_up(&both).await.unwrap();
    for store in [&one, &other] {
        assert_eq!(&*store.source(&name(0)).await.unwrap().read_at(0, 10).await.unwrap(), b"0123456789");
        assert!(store.read_sidecar(&name(0)).await.unwrap().is_some());
    }
    // A second that is taken in one of them is taken, and stays free in the other.
    one.remove(&name(0)).await.unwrap();
    assert_eq!(both.create(&name(0)).await.unwrap_err().kind(), ErrorKind::Exists);
    drop(one.create(&name(0)).await.unwrap());
}

#[tokio::test]
async fn where_one_fails_none_has_it_or_the_others_do() {
    for fails in [Fails::Create, Fails::Write, Fails::Complete, Fails::Sidecar] {
        for broken_first in [true, false] {
            for require in [Require::All, Require::Any] {
                let (whole, inner) = (MemoryStore::default(), MemoryStore::default());
                let broken: Box<dyn Store> = Box::new(Broken(inner.clone(), fails));
                let mut stores: Vec<Box<dyn Store>> = vec![Box::new(whole.clone())];
                stores.insert(usize::from(!broken_first), broken);
                let several = SeveralStores::new(stores, require);
                let case = format!("{fails:?} {broken_first} {require:?}");
                match (require, back_up(&several).await) {
                    (Require::All, Err(error)) => {
                        assert!(error.to_string().contains("broken") && error.hint().is_some(), "{case}");
                        for store in [&whole, &inner] {
                            assert!(store.list().await.unwrap().is_empty(), "{case}");
                        }
                    }
                    (Require::Any, Ok(())) => {
                        assert!(catalogue::list(&whole).await.unwrap()[0].is_good(), "{case}");
                        let troubles = several.troubles();
                        assert_eq!(troubles.len(), 1, "{case}: {troubles:?}");
                        assert_eq!(troubles[0].store, "broken");
                        assert!(troubles[0].what.contains(&format!("{fails:?}")), "{troubles:?}");
                        // Only what lies beside it is missing there.
                        let took = if fails == Fails::Sidecar { 2 } else { 1 };
                        assert_eq!(several.holders(&name(0)).await.len(), took, "{case}");
                    }
                    (_, done) => panic!("{case}: {done:?}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn where_all_fail_it_fails() {
    for fails in [Fails::Create, Fails::Write, Fails::Complete, Fails::Sidecar] {
        let broken = || Box::new(Broken(MemoryStore::default(), fails)) as Box<dyn Store>;
        let several = SeveralStores::new(vec![broken(), broken()], Require::Any);
        back_up(&several).await.unwrap_err();
    }
}

#[tokio::test]
async fn the_first_good_copy_is_read_and_each_copy_has_its_own_marks() {
    let (one, other) = (MemoryStore::default(), MemoryStore::default());
    let both = of(&[&one, &other], Require::All);
    back_up(&both).await.unwrap();
    catalogue::change(&other, &name(0), |sidecar| sidecar.last_verified = Some(name(0).time)).await.unwrap();
    catalogue::pin(&both, &name(0), Some("a run")).await.unwrap();
    for (store, verified) in [(&one, None), (&other, Some(name(0).time))] {
        let sidecar = store.read_sidecar(&name(0)).await.unwrap().unwrap();
        assert_eq!((sidecar.pin.as_deref(), sidecar.last_verified), (Some("a run"), verified));
    }
    let stores: [&dyn Store; 2] = [&one, &other];
    let sources = [one.read_sidecar(&name(0)).await.unwrap().unwrap().source];
    assert_eq!(catalogue::resolve_among(&stores, "latest", &sources).await.unwrap().place, 0);
    catalogue::change(&one, &name(0), |sidecar| sidecar.damaged = Some("a bit".to_owned())).await.unwrap();
    for text in ["latest", "shop_2025"] {
        assert_eq!(catalogue::resolve_among(&stores, text, &sources).await.unwrap().place, 1, "{text}");
    }
    one.remove(&name(0)).await.unwrap();
    assert_eq!(&*both.source(&name(0)).await.unwrap().read_at(0, 4).await.unwrap(), b"0123");
    let found = catalogue::resolve_among(&stores, "latest", &sources).await.unwrap();
    assert_eq!((found.place, found.troubles), (1, Vec::new()));
    let unlisted = Broken(one, Fails::List);
    let found = catalogue::resolve_among(&[&unlisted, &other], "latest", &sources).await.unwrap();
    assert_eq!((found.place, found.troubles.len()), (1, 1));
    assert_eq!(found.troubles[0].store, "broken");
    let unlisted: [&dyn Store; 2] = [&unlisted, &unlisted];
    let error = catalogue::resolve_among(&unlisted, "latest", &sources).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
}
