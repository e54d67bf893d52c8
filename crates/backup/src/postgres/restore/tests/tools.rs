//! PostgreSQL's own programs and zstd's, as judges.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use helpers::naming::BackupName;

use super::archives::Place;
use super::url;
use crate::store::LocalStore;

/// One of PostgreSQL's programs, pointed at a database of the throwaway server as a superuser.
pub(super) fn tool(program: &str, database: &str) -> Command {
    let database::DatabaseUrl::Postgres(settings) = url() else { panic!("not a PostgreSQL URL") };
    let host = &settings.hosts[0];
    let mut command = Command::new(program);
    command
        .env("PGHOST", &host.name)
        .env("PGPORT", host.port.to_string())
        .env("PGUSER", settings.user.as_deref().unwrap_or("postgres"))
        .env("PGDATABASE", database)
        .env("EDITOR", "false");
    command
}

/// What a program says, which has to succeed.
pub(super) fn said(command: &mut Command, input: &[u8]) -> String {
    let output = fed(command, input);
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a program with that input, of which it need not read everything.
pub(super) fn fed(command: &mut Command, input: &[u8]) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join();
    output
}

/// Runs SQL in psql, which takes everything that a user may type.
pub(super) fn psql(database: &str, sql: &str) -> String {
    said(tool("psql", database).args(["-XAtq", "-v", "ON_ERROR_STOP=1"]), sql.as_bytes())
}

/// What `pg_dump` says without its random key and without dbm's own namespace.
pub(super) fn pg_dump(database: &str, arguments: &[&str]) -> String {
    let text = said(
        tool("pg_dump", "postgres").args(["-N", "dbm"]).args(arguments).env("PGDATABASE", database),
        b"",
    );
    let kept =
        text.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
    kept.collect::<Vec<_>>().join("\n")
}

/// What `pg_dump --schema-only` says.
pub(super) fn schema_only(database: &str) -> String {
    pg_dump(database, &["--schema-only"])
}

/// What `pg_dump --data-only` says of rows, sequences and large objects, in an order that tells nothing.
pub(super) fn data_only(database: &str) -> String {
    let text = pg_dump(database, &["--data-only", "--blobs", "--quote-all-identifiers"]);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// Compares two texts, and shows where they differ.
pub(super) fn same_text(what: &str, one: &str, other: &str) {
    if one == other {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let paths = ["one", "other"].map(|name| folder.path().join(name));
    std::fs::write(&paths[0], one).unwrap();
    std::fs::write(&paths[1], other).unwrap();
    let output = Command::new("diff").arg("-u").args(&paths).output().unwrap();
    panic!("{what}:\n{}", String::from_utf8_lossy(&output.stdout));
}

/// Compares two databases by `pg_dump` and by their digests.
pub(super) async fn same(one: &str, other: &str) {
    same_text("definitions", &schema_only(one), &schema_only(other));
    same_text("data", &data_only(one), &data_only(other));
    assert_eq!(super::digests(one).await, super::digests(other).await);
}

/// Restores by zstd and psql alone, with no flag but `-X`.
pub(super) fn restore_by_hand(place: &Place, name: &BackupName, into: &str) {
    let store: &LocalStore = &place.store;
    let script = Command::new("zstd")
        .arg("-dc")
        .arg(store.folder().join(name.to_string()))
        .output()
        .expect("zstd is on PATH");
    assert!(script.status.success());
    let output = fed(tool("psql", into).arg("-X"), &script.stdout);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && words.is_empty(), "{words}");
}
