mod bad_input;
mod faults;
mod options;
mod proxy;
mod uploads;

use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use chrono::{TimeZone as _, Utc};
use helpers::naming::{ArchiveKind, BackupName};

use super::*;
use crate::store::{Stored, conformance};

/// The bucket that `scripts/test` makes.
const BUCKET: &str = "dbm-test";
const SECRET: &str = "dbm-test-secret";

fn endpoint() -> String {
    std::env::var("DBM_TEST_S3_URL").expect("DBM_TEST_S3_URL names a SeaweedFS server: run scripts/test")
}

/// A prefix that no other test has.
fn prefix() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let time = Utc::now().timestamp_micros();
    format!("tests/{time}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn settings(key: &str) -> StoreSettings {
    StoreSettings {
        s3_credentials: Some(S3Credentials { key: key.into(), secret: SECRET.into(), token: None }),
        ..StoreSettings::default()
    }
}

/// A store at an endpoint under a prefix; `more` are further options.
fn store_at(endpoint: &str, prefix: &str, more: &str) -> S3Store {
    S3Store::new(&format!("s3://{BUCKET}/{prefix}?endpoint={endpoint}{more}"), &settings("dbmtest")).unwrap()
}

fn store(prefix: &str, more: &str) -> S3Store {
    store_at(&endpoint(), prefix, more)
}

fn name(second: u32) -> BackupName {
    let time = Utc.with_ymd_and_hms(2026, 11, 21, 1, 34, second).unwrap();
    BackupName::new("shop ä", time, None, ArchiveKind::Script)
}

/// Bytes that are not alike anywhere.
fn noise(length: usize) -> Bytes {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

/// Uploads bytes in pieces of a megabyte, as a dump does.
async fn put(store: &S3Store, name: &BackupName, bytes: &Bytes) -> Result<Stored> {
    let mut upload = store.create(name).await?;
    upload.expect(bytes.len() as u64)?;
    for at in (0..bytes.len()).step_by(1 << 20) {
        upload.write(bytes.slice(at..bytes.len().min(at + (1 << 20)))).await?;
    }
    upload.complete().await
}

/// Nothing is listed, nothing is being uploaded, no name is reserved.
async fn is_empty(store: &S3Store) -> bool {
    let uploads = store.shared.unfinished(&store.shared.options.prefix).await.unwrap().unwrap();
    store.shared.objects("").await.unwrap().is_empty() && uploads.is_empty()
}

#[tokio::test]
async fn it_conforms() {
    conformance::run(&store(&prefix(), "")).await;
}

#[tokio::test]
async fn it_conforms_with_the_checksums_of_the_sdk() {
    conformance::run(&store(&prefix(), "&checksum=when-supported")).await;
}
