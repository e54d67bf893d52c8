use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use chrono::{TimeZone as _, Utc};
use helpers::naming::{ArchiveKind, BackupName};

use super::{LocalStore, Store, StoreSettings, conformance};
use crate::ErrorKind;

fn name() -> BackupName {
    let time = Utc.with_ymd_and_hms(2026, 11, 21, 1, 34, 0).unwrap();
    BackupName::new("shop", time, None, ArchiveKind::Script)
}

fn files(folder: &Path) -> Vec<String> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn it_conforms() {
    let folder = tempfile::tempdir().unwrap();
    conformance::run(&LocalStore::new(folder.path().join("made/when needed"))).await;
}

#[tokio::test]
async fn only_its_owner_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path());
    let mut upload = store.create(&name()).await.unwrap();
    let mode = |file: &str| fs::metadata(folder.path().join(file)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&format!(".{}.part", name())), 0o600);
    upload.write(Bytes::from_static(b"x")).await.unwrap();
    let stored = upload.complete().await.unwrap();
    store.write_sidecar(&name(), &conformance::sidecar(stored)).await.unwrap();
    assert_eq!(mode(&name().to_string()), 0o600);
    assert_eq!(mode(&format!("{}.json", name())), 0o600);
}

#[tokio::test]
async fn what_a_killed_backup_left_is_swept_and_its_name_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path());
    let stale = format!(".{}.part", name());
    fs::write(folder.path().join(&stale), b"half").unwrap();
    assert!(store.list().await.unwrap().is_empty());
    assert_eq!(store.leftovers().await.unwrap(), [stale.as_str()]);
    assert_eq!(store.sweep().await.unwrap(), [stale.as_str()]);
    assert!(store.leftovers().await.unwrap().is_empty());
    fs::write(folder.path().join(&stale), b"half").unwrap();
    let upload = store.create(&name()).await.unwrap();
    upload.complete().await.unwrap();
    assert_eq!(fs::read(folder.path().join(name().to_string())).unwrap(), b"");
}

#[tokio::test]
async fn an_archive_that_came_meanwhile_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path());
    let upload = store.create(&name()).await.unwrap();
    fs::write(folder.path().join(name().to_string()), b"another's").unwrap();
    assert!(upload.complete().await.is_err());
    assert_eq!(fs::read(folder.path().join(name().to_string())).unwrap(), b"another's");
    assert_eq!(files(folder.path()), [".dbm-lock".to_owned(), name().to_string()]);
}

#[tokio::test]
async fn other_files_are_listed_as_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), b"x").unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    let listed = LocalStore::new(folder.path()).list().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].file.as_str(), &listed[0].name), ("notes.txt", &None));
}

/// A file system of a size, unmounted at the end.
struct Small(tempfile::TempDir);

impl Small {
    fn mount(size: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"])
            .arg(folder.path())
            .status()
            .unwrap();
        assert!(mounted.success(), "this test mounts a tmpfs: it runs as root (scripts/test)");
        Self(folder)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_named_and_nothing_is_left() {
    let disk = Small::mount("256k");
    let store = LocalStore::new(disk.0.path());
    let mut upload = store.create(&name()).await.unwrap();
    let mut result = Ok(());
    for _ in 0..8 {
        result = upload.write(Bytes::from(vec![7; 64 << 10])).await;
        if result.is_err() {
            break;
        }
    }
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    assert!(error.to_string().ends_with("no space is left") && error.hint().is_some(), "{error}");
    assert_eq!(files(disk.0.path()), [".dbm-lock"]);
    assert!(upload.complete().await.is_err());
    assert_eq!(files(disk.0.path()), [".dbm-lock"]);
}

#[test]
fn stores_are_chosen_by_their_names() {
    let choose = |text| super::choose(text, &StoreSettings::default());
    assert_eq!(choose("backups").unwrap().describe(), "backups");
    assert_eq!(choose("file:///var/backups").unwrap().describe(), "/var/backups");
    assert_eq!(choose("s3://bucket/a/?region=eu-1").unwrap().describe(), "s3://bucket/a");
    assert_eq!(choose("").unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(choose("ftp://host/x").unwrap_err().kind(), ErrorKind::Usage);
}
