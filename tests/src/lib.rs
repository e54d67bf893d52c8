//! What the end-to-end tests share: folders, databases, and the `dbm` binary run as a user would.
//!
//! The judges are the engines' own tools (`psql`, `pg_dump`, `mariadb`, `mariadb-dump`, `sqlite3`), from the PATH that
//! `scripts/test` sets. Nothing here skips: what is missing is a panic that says so.

mod binary;
mod bucket;
mod folder;
mod judge;
mod listener;
mod mariadb;
mod mariadb_server;
mod pooler;
mod postgres;
mod proxy;
mod server;
mod silence;
mod sqlite;
mod terminal;
mod writer;

pub use binary::{Dbm, Ended, signal, target_folder};
pub use bucket::Bucket;
pub use folder::Folder;
pub use judge::Judge;
pub use listener::{Listener, Request};
pub use mariadb::{Mariadb, client as mysql_client};
pub use mariadb_server::{OwnMariadb, is_mysql};
pub use pooler::Pooler;
pub use postgres::Postgres;
pub use proxy::Proxy;
pub use server::{OwnServer, server_user};
pub use silence::Silence;
pub use sqlite::Sqlite;
pub use terminal::Terminal;
pub use writer::{LEDGER, Writer};

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The checkout's top folder.
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the checkout").to_owned()
}

/// Runs a program of the engine's own with `input` and gives back what it prints.
///
/// # Panics
/// If it is missing or fails: then the test cannot judge.
pub fn tool(program: &str, arguments: &[&str], input: &str) -> String {
    let (status, stdout, stderr) = try_tool(program, arguments, input);
    assert!(status == 0, "{program} {arguments:?} ended with {status}: {stderr}");
    stdout
}

/// Runs a program and gives back its exit status, standard output and standard error.
///
/// # Panics
/// If it is missing.
pub fn try_tool(program: &str, arguments: &[&str], input: &str) -> (i32, String, String) {
    use std::io::Write as _;

    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed (run scripts/test): {error}"));
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_owned();
    let feeder = std::thread::spawn(move || {
        // A program that fails early closes its end; its status tells.
        let _ = stdin.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().expect("the program's output");
    feeder.join().expect("the feeder");
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}
