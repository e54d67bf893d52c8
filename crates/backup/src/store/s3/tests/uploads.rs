use std::fs;

use super::super::lease::Lease;
use super::*;
use crate::ErrorKind;
use crate::archive::Hash;

async fn is_there(store: &S3Store, name: &BackupName, bytes: &Bytes) {
    let source = store.source(name).await.unwrap();
    assert_eq!(source.len().await.unwrap(), bytes.len() as u64);
    for (offset, length) in [(0, 1), (3 << 20, 5 << 20), (bytes.len() - 7, 7), (0, bytes.len())] {
        let read = source.read_at(offset as u64, length).await.unwrap();
        assert!(read == bytes.slice(offset..offset + length), "{length} bytes at {offset}");
    }
}

#[tokio::test]
async fn many_parts_are_one_archive() {
    let store = store(&prefix(), "&part_size=5MiB");
    let bytes = noise((27 << 20) + 12_345);
    let stored = put(&store, &name(0), &bytes).await.unwrap();
    assert_eq!(stored, Stored { bytes: bytes.len() as u64, sha256: Hash::of(&bytes) });
    is_there(&store, &name(0), &bytes).await;
    let files: Vec<_> =
        store.shared.objects("").await.unwrap().into_iter().map(|listed| listed.file).collect();
    assert_eq!(files, [name(0).to_string()], "no lease stays");
}

#[tokio::test]
async fn large_parts_wait_in_files_without_a_name() {
    for more in ["", "&checksum=when-supported"] {
        let spool = tempfile::tempdir().unwrap();
        let options = format!("&part_size=17MiB&spool={}{more}", spool.path().display());
        let store = store(&prefix(), &options);
        let bytes = noise(40 << 20);
        put(&store, &name(0), &bytes).await.unwrap();
        is_there(&store, &name(0), &bytes).await;
        assert_eq!(fs::read_dir(spool.path()).unwrap().count(), 0);
    }
    let error = put(&store(&prefix(), "&part_size=17MiB"), &name(0), &noise(1)).await.unwrap_err();
    assert!(error.hint().unwrap().contains("--spool"), "{error}");
}

#[tokio::test]
async fn an_archive_that_outgrows_its_plan_is_given_up_with_the_figure_to_set() {
    let store = store(&prefix(), "&part_size=5MiB&max_parts=2&uniform_parts=true");
    let error = put(&store, &name(0), &noise(11 << 20)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert_eq!(error.hint(), Some("set part_size = 20MiB for this store"));
    assert!(is_empty(&store).await);
}

#[tokio::test]
async fn a_prefix_is_not_the_beginning_of_another() {
    let prefix = prefix();
    let (one, other) = (store(&format!("{prefix}/shop"), ""), store(&format!("{prefix}/shop2"), ""));
    let spaced = store(&format!("{prefix}/shop/a b+ä%41"), "");
    put(&other, &name(0), &noise(10)).await.unwrap();
    put(&spaced, &name(1), &noise(10)).await.unwrap();
    assert!(one.list().await.unwrap().is_empty(), "neither the neighbour's nor those below");
    put(&one, &name(2), &noise(10)).await.unwrap();
    for (store, second) in [(&one, 2), (&other, 0), (&spaced, 1)] {
        let listed = store.list().await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].name, Some(name(second)));
    }
}

#[tokio::test]
async fn more_objects_than_a_page_are_all_listed() {
    let store = store(&prefix(), "");
    let puts = (0..1_100).map(|number| {
        let store = &store;
        async move { store.shared.put(&format!("other {number:04}"), b"x".to_vec(), false).await.unwrap() }
    });
    use futures_util::StreamExt as _;
    futures_util::stream::iter(puts).buffer_unordered(32).count().await;
    put(&store, &name(0), &noise(10)).await.unwrap();
    let listed = store.list().await.unwrap();
    assert_eq!(listed.len(), 1_101);
    assert_eq!(listed.iter().filter(|listed| listed.name.is_some()).count(), 1);
    assert!(listed.is_sorted_by_key(|listed| listed.file.clone()));
}

/// What a killed backup leaves: its lease and its upload, and a process that is gone.
async fn killed(store: &S3Store, lease: impl FnOnce(&mut Lease)) {
    let mut upload = Box::pin(S3Upload::begin(store.shared.clone(), &name(0))).await.unwrap();
    upload.write(noise(6 << 20)).await.unwrap();
    upload.forget();
    let mut left = store.shared.lease(&name(0).second()).await.unwrap().unwrap();
    lease(&mut left);
    let text = serde_json::to_vec(&left).unwrap();
    store.shared.put(&Shared::lease_file(&name(0).second()), text, false).await.unwrap();
}

#[tokio::test]
async fn what_a_killed_backup_left_is_swept_and_its_name_is_free() {
    let store = store(&prefix(), "&part_size=5MiB");
    killed(&store, |lease| lease.began += 1).await;
    assert!(store.list().await.unwrap().is_empty());
    assert_eq!(store.leftovers().await.unwrap().len(), 1);
    assert_eq!(store.sweep().await.unwrap(), [format!(".{}.part", name(0).second())]);
    assert!(is_empty(&store).await);
    killed(&store, |lease| lease.began += 1).await;
    put(&store, &name(0), &noise(10)).await.unwrap();
    assert_eq!(store.shared.objects("").await.unwrap().len(), 1);
}

#[tokio::test]
async fn another_machines_upload_is_left_alone_for_a_day() {
    let store = store(&prefix(), "&part_size=5MiB");
    killed(&store, |lease| lease.machine = "another".to_owned()).await;
    assert!(store.sweep().await.unwrap().is_empty());
    assert_eq!(store.create(&name(0)).await.unwrap_err().kind(), ErrorKind::Exists);
    // Its lease is old, but the upload is of today: somebody may be at work.
    let mut lease = store.shared.lease(&name(0).second()).await.unwrap().unwrap();
    lease.time -= chrono::TimeDelta::days(3);
    let text = serde_json::to_vec(&lease).unwrap();
    store.shared.put(&Shared::lease_file(&name(0).second()), text.clone(), false).await.unwrap();
    assert!(store.sweep().await.unwrap().is_empty());
    // Without an upload nobody is.
    store.shared.clear(&name(0).second()).await.unwrap();
    store.shared.put(&Shared::lease_file(&name(0).second()), text, false).await.unwrap();
    assert_eq!(store.sweep().await.unwrap().len(), 1);
    assert!(is_empty(&store).await);
}

#[tokio::test]
async fn an_archive_that_came_meanwhile_is_not_replaced() {
    let store = store(&prefix(), "");
    let mut upload = store.create(&name(0)).await.unwrap();
    upload.write(noise(10)).await.unwrap();
    store.shared.put(&name(0).to_string(), b"another's".to_vec(), false).await.unwrap();
    assert_eq!(upload.complete().await.unwrap_err().kind(), ErrorKind::Exists);
    assert_eq!(store.shared.read(&name(0).to_string()).await.unwrap().unwrap(), b"another's");
    store.remove(&name(0)).await.unwrap();
    assert!(is_empty(&store).await);
}

#[tokio::test]
async fn an_archive_that_is_replaced_while_it_is_read_is_noticed() {
    let store = store(&prefix(), "");
    put(&store, &name(0), &noise(200 << 10)).await.unwrap();
    let source = store.source(&name(0)).await.unwrap();
    store.shared.put(&name(0).to_string(), vec![7; 200 << 10], false).await.unwrap();
    let error = source.read_at(0, 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(error.to_string().contains("replaced while it was read"), "{error}");
}
