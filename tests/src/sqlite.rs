use std::path::{Path, PathBuf};

use crate::tool;

/// A SQLite file of a test.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
}

impl Sqlite {
    /// The file of that name in a folder, made with a script.
    pub fn new(path: PathBuf, script: &str) -> Self {
        let new = Self { path };
        new.run(script);
        new
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("sqlite://{}", self.path.display())
    }

    /// Runs a script with sqlite3.
    ///
    /// # Panics
    /// If it fails.
    pub fn run(&self, script: &str) {
        tool("sqlite3", &["-bail", "-cmd", ".timeout 10000", self.path.to_str().expect("UTF-8")], script);
    }

    /// What a query gives, a line a row, columns parted by `|`.
    ///
    /// # Panics
    /// If it fails.
    pub fn ask(&self, query: &str) -> String {
        let path = self.path.to_str().expect("UTF-8");
        tool("sqlite3", &["-bail", "-cmd", ".timeout 10000", path, query], "").trim_end().to_owned()
    }

    /// All that is in it as `sqlite3` dumps it, without what is dbm's own.
    pub fn dump(&self) -> String {
        let own = ["dbm_committed", "dbm_source", "dbm_history"];
        let mut kept = String::new();
        let mut skipping = false;
        for line in self.ask(".dump").lines() {
            let begins = line.starts_with("CREATE ") || line.starts_with("INSERT ");
            skipping = if begins { own.iter().any(|name| line.contains(name)) } else { skipping };
            if !skipping {
                kept.push_str(line);
                kept.push('\n');
            }
            skipping = skipping && !line.ends_with(';');
        }
        kept
    }
}
