//! What every store must do. Each store's tests run [`run`] with fresh, empty stores.

use bytes::Bytes;
use chrono::{TimeZone as _, Utc};
use database::{Engine, SourceId};
use helpers::naming::{ArchiveKind, BackupName};

use super::{Sidecar, Store, Stored};
use crate::ErrorKind;
use crate::archive::{Grade, Hash};

fn name(second: u32) -> BackupName {
    let time = Utc.with_ymd_and_hms(2026, 11, 21, 1, 34, second).unwrap();
    BackupName::new("shop ä/1", time, None, ArchiveKind::Script)
}

pub(crate) fn sidecar(stored: Stored) -> Sidecar {
    Sidecar {
        format: 1,
        engine: Engine::Postgres,
        server_version: "15.18".to_owned(),
        database: "shop ä/1".to_owned(),
        source: SourceId("postgres:1/shop".to_owned()),
        time: name(0).time,
        dbm_version: "0.1.0".to_owned(),
        bytes: stored.bytes,
        sha256: Some(stored.sha256),
        identity: Hash([7; 32]),
        grade: Grade::Exact,
        rows: 1,
        tables: 1,
        last_proven: None,
        last_verified: None,
        damaged: None,
        mac: None,
        pin: None,
        partial: false,
    }
}

async fn put(store: &dyn Store, name: &BackupName, bytes: &'static [u8]) -> Stored {
    let mut upload = store.create(name).await.unwrap();
    for piece in bytes.chunks(3) {
        upload.write(Bytes::from_static(piece)).await.unwrap();
    }
    upload.complete().await.unwrap()
}

/// Runs all of it on an empty store.
pub(crate) async fn run(store: &dyn Store) {
    assert!(store.list().await.unwrap().is_empty());
    assert!(store.sweep().await.unwrap().is_empty());
    visible_only_when_complete(store).await;
    ranges(store).await;
    beside_an_archive(store).await;
    removal(store).await;
}

async fn visible_only_when_complete(store: &dyn Store) {
    let mut upload = store.create(&name(0)).await.unwrap();
    upload.write(Bytes::from_static(b"half")).await.unwrap();
    assert!(store.list().await.unwrap().is_empty());
    assert_eq!(store.source(&name(0)).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.create(&name(0)).await.unwrap_err().kind(), ErrorKind::Exists, "a name in use is taken");
    let labelled = BackupName { label: Some("x".to_owned()), ..name(0) };
    assert_eq!(store.create(&labelled).await.unwrap_err().kind(), ErrorKind::Exists, "and so is its second");
    assert!(store.sweep().await.unwrap().is_empty(), "a running upload is never swept");
    drop(upload);
    assert!(store.list().await.unwrap().is_empty());
    assert!(store.sweep().await.unwrap().is_empty(), "a dropped upload leaves nothing");
    let stored = put(store, &name(0), b"0123456789").await;
    assert_eq!(stored, Stored { bytes: 10, sha256: Hash::of(b"0123456789") });
    assert_eq!(store.create(&name(0)).await.unwrap_err().kind(), ErrorKind::Exists);
    let labelled = BackupName { label: Some("x".to_owned()), ..name(0) };
    assert_eq!(store.create(&labelled).await.unwrap_err().kind(), ErrorKind::Exists, "one a second");
    let listed = store.list().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].name.as_ref(), listed[0].bytes), (Some(&name(0)), 10));
    assert_eq!(listed[0].file, name(0).to_string());
}

async fn ranges(store: &dyn Store) {
    let source = store.source(&name(0)).await.unwrap();
    assert_eq!(source.len().await.unwrap(), 10);
    assert_eq!(source.describe(), name(0).to_string());
    assert_eq!(&*source.read_at(0, 10).await.unwrap(), b"0123456789");
    assert_eq!(&*source.read_at(3, 4).await.unwrap(), b"3456");
    assert_eq!(&*source.read_at(10, 0).await.unwrap(), b"");
    for (offset, length) in [(0, 11), (8, 3), (11, 1)] {
        assert_eq!(source.read_at(offset, length).await.unwrap_err().kind(), ErrorKind::Damaged);
    }
}

async fn beside_an_archive(store: &dyn Store) {
    assert_eq!(store.read_sidecar(&name(0)).await.unwrap(), None);
    let mut sidecar = sidecar(Stored { bytes: 10, sha256: Hash::of(b"0123456789") });
    store.write_sidecar(&name(0), &sidecar).await.unwrap();
    assert_eq!(store.read_sidecar(&name(0)).await.unwrap().as_ref(), Some(&sidecar));
    sidecar.pin = Some("a run is open".to_owned());
    store.write_sidecar(&name(0), &sidecar).await.unwrap();
    assert_eq!(store.read_sidecar(&name(0)).await.unwrap().as_ref(), Some(&sidecar));
    assert_eq!(store.list().await.unwrap().len(), 1, "it is not listed");
}

async fn removal(store: &dyn Store) {
    put(store, &name(1), b"x").await;
    let files: Vec<_> = store.list().await.unwrap().into_iter().map(|listed| listed.file).collect();
    assert_eq!(files, [name(0).to_string(), name(1).to_string()]);
    store.remove(&name(0)).await.unwrap();
    assert_eq!(store.remove(&name(0)).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.read_sidecar(&name(0)).await.unwrap(), None);
    assert_eq!(store.list().await.unwrap().len(), 1);
}
