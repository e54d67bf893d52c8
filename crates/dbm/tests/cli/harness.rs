use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A folder of a test, in which `dbm` is called with nothing of the caller's environment.
pub(crate) struct Place {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// What a call ended with.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::Builder::new().prefix("dbm-cli-").tempdir().unwrap(), variables: Vec::new() }
    }

    /// With an empty SQLite database, and a migration for it.
    pub(crate) fn with_database() -> Self {
        let place = Self::new();
        std::fs::write(place.path().join("shop.db"), "").unwrap();
        std::fs::write(place.path().join("dbm.toml"), "url = \"sqlite:shop.db\"\n").unwrap();
        place.file("migrations/001_item.sql", "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT);\n");
        place.file("rollback/001_rollback.sql", "DROP TABLE item;\n");
        place
    }

    /// What somebody else does in the database.
    pub(crate) fn by_hand(&self, sql: &str) {
        let done = Command::new("sqlite3").arg(self.path().join("shop.db")).arg(sql).status();
        assert!(done.unwrap().success());
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, "")
    }

    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Ended {
        let mut child = Command::new(env!("CARGO_BIN_EXE_dbm"))
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.path())
            .env("USER", "tester")
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that fails early closes its end; its status tells.
        let _gone = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Everything that a call says, with what differs from run to run taken out.
    pub(crate) fn snapshot(&self, arguments: &[&str], input: &str) -> String {
        let ended = self.run_with(arguments, input);
        let folder = self.path().to_str().unwrap();
        let clean = |text: &str| text.replace(folder, "[folder]");
        format!(
            "$ dbm {}\nstatus: {}\n--- stdout\n{}--- stderr\n{}",
            clean(&arguments.join(" ")),
            ended.code.map_or("killed".to_owned(), |code| code.to_string()),
            clean(&ended.stdout),
            clean(&ended.stderr),
        )
    }
}

/// Times, sizes, versions and names that hold them.
pub(crate) const FILTERS: &[(&str, &str)] = &[
    (r"\d{8}T\d{6}Z-[0-9a-f]{8}", "[run]"),
    // Of two that are made within one second neither may have the other's name.
    (r"_restoring_\d{8}T\d{6}Z(_\d+)?", "_restoring_[stamp]"),
    (r"\d{8}T\d{6}Z", "[stamp]"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
    (r"( +|\b)(\d+\.\d\d s|\d+ ms)\b", " [took]"),
    (r"\d+(\.\d+)? [KMGT]?i?B\b", "[bytes]"),
    (r#""duration_ms": \d+"#, r#""duration_ms": "[took]""#),
    (r"sqlite \d+\.\d+\.\d+", "sqlite [version]"),
    (r"\b[0-9a-f]{64}\b", "[hash]"),
    (r"identity [0-9a-f]{16}", "identity [identity]"),
    (r"\b[0-9a-f]{32}\b", "[id]"),
    (r"sqlite:path:[^\[\s]+\[folder\]", "sqlite:path:[host][folder]"),
    (r"begun by \S+@\S+ on \S+\)", "begun by [who]@[host] on [host])"),
    (r"\[bytes\] +", "[bytes] "),
];

/// Compares a whole answer with the one in `snapshots/`; `INSTA_UPDATE=always` writes them anew.
macro_rules! says {
    ($place:expr, $arguments:expr) => {
        says!($place, $arguments, "")
    };
    ($place:expr, $arguments:expr, $input:expr) => {
        insta::with_settings!({ filters => crate::harness::FILTERS.to_vec(), omit_expression => true }, {
            insta::assert_snapshot!($place.snapshot(&$arguments, $input));
        })
    };
}
pub(crate) use says;
