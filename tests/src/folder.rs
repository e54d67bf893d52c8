use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::Dbm;

/// A project of a test: a folder with `dbm.toml`, `migrations/`, `rollback/`, and a store.
#[derive(Debug)]
pub struct Folder {
    folder: TempDir,
    config: Option<std::path::PathBuf>,
}

impl Folder {
    /// An empty project whose database is `url`.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn new(url: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("dbm-e2e-").tempdir().expect("a folder");
        let quoted = serde_json::to_string(url).expect("a string");
        fs::write(folder.path().join("dbm.toml"), format!("url = {quoted}\nstore = \"backups\"\n"))
            .expect("dbm.toml");
        for name in ["migrations", "rollback", "backups"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        Self { folder, config: None }
    }

    /// The example of the checkout, with its own `dbm.toml` and migrations, but store and logs in a folder of the test's.
    pub fn example(url: &str) -> Self {
        let mut new = Self::new(url);
        new.config = Some(crate::checkout().join("dbm.toml"));
        new
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Adds a migration and its rollback; `name` as in `001_first`.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn migration(&self, name: &str, text: &str, rollback: &str) {
        fs::write(self.path().join("migrations").join(format!("{name}.sql")), text).expect("a migration");
        fs::write(self.path().join("rollback").join(format!("{name}.sql")), rollback).expect("a rollback");
    }

    /// A call of `dbm` on this project and that database.
    pub fn dbm(&self, url: &str, arguments: &[&str]) -> Dbm {
        let mut dbm = Dbm::new(self.path()).env("DATABASE_URL", url);
        if let Some(config) = &self.config {
            dbm = dbm
                .args([std::ffi::OsStr::new("--config"), config.as_os_str()])
                .args([std::ffi::OsStr::new("--store"), self.path().join("backups").as_os_str()])
                .args([std::ffi::OsStr::new("--log-dir"), self.path().join("logs").as_os_str()]);
        }
        dbm.args(arguments)
    }
}
