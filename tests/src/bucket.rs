use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Dbm, Folder};

/// A prefix of a test's own in the bucket of the server that `scripts/test` starts.
#[derive(Debug)]
pub struct Bucket {
    store: String,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Bucket {
    /// An empty one.
    ///
    /// # Panics
    /// If there is no server.
    pub fn new(purpose: &str) -> Self {
        let endpoint = std::env::var("DBM_TEST_S3_URL")
            .expect("DBM_TEST_S3_URL is not set: run the tests through scripts/test");
        let (time, number) = (chrono::Utc::now().timestamp_micros(), NUMBER.fetch_add(1, Ordering::Relaxed));
        Self { store: format!("s3://dbm-test/e2e/{purpose} ä {time}-{number}?endpoint={endpoint}") }
    }

    /// Its URL, with the server's address.
    pub fn store(&self) -> &str {
        &self.store
    }

    /// A call of `dbm` on a project, with this store and its keys.
    pub fn dbm(&self, folder: &Folder, url: &str, arguments: &[&str]) -> Dbm {
        folder
            .dbm(url, arguments)
            .args(["--store", &self.store])
            .env("AWS_ACCESS_KEY_ID", "dbmtest")
            .env("AWS_SECRET_ACCESS_KEY", "dbm-test-secret")
    }
}
