//! What the command line itself answers.

use crate::harness::{Place, says};

#[test]
fn help() {
    says!(Place::new(), ["--help"]);
    says!(Place::new(), ["migrate", "--help"]);
}

#[test]
fn no_url() {
    let place = Place::new();
    says!(place, ["migrate", "--safe"]);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn no_url_as_json() {
    says!(Place::new(), ["status", "--json"]);
}

#[test]
fn an_unknown_key() {
    let place = Place::new();
    place.file("dbm.toml", "stor = \"backups\"\n");
    says!(place, ["status"]);
}

#[test]
fn a_broken_dotenv() {
    let place = Place::new();
    place.file(".env", "DATABASE_URL=sqlite:x.db\nhunter2\n");
    says!(place, ["status"]);
}

#[test]
fn an_unknown_engine() {
    says!(Place::new(), ["status", "--url", "oracle://scott:tiger@host/db"]);
}

#[test]
fn a_url_where_none_belongs() {
    says!(Place::new(), ["status", "postgres://me:hunter2@host/db"]);
}

#[test]
fn a_missing_file_is_not_made() {
    let place = Place::new();
    place.file("migrations/001_a.sql", "SELECT 1;");
    place.file("rollback/001_a.sql", "SELECT 1;");
    says!(place, ["migrate", "--url", "sqlite:gone.db"]);
    assert!(!place.path().join("gone.db").exists());
}

#[test]
fn revisions_that_are_none() {
    says!(Place::new(), ["upgrade", "tomorrow"]);
    says!(Place::new(), ["downgrade", "-x"]);
}

#[test]
fn passwords() {
    says!(Place::new(), ["password", "encode"], "p@ss:w/or?d#%\n");
    says!(Place::new(), ["password", "encode"], "");
    let hash = Place::new().run_with(&["password", "hash"], "p@ss\n").stdout;
    assert!(hash.starts_with("$argon2id$"), "{hash}");
    let verifier =
        Place::new().run_with(&["password", "hash", "--algorithm", "scram-sha-256"], "p@ss\n").stdout;
    assert!(verifier.starts_with("SCRAM-SHA-256$"), "{verifier}");
    let (one, other) = (
        Place::new().run(&["password", "generate"]).stdout,
        Place::new().run(&["password", "generate"]).stdout,
    );
    assert!(one.len() > 16 && one != other);
}

#[test]
fn completions_and_man_pages() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = place.run(&["completions", shell]);
        assert_eq!(ended.code, Some(0));
        assert!(ended.stdout.contains("accept-lost-writes"), "{shell}");
    }
    says!(place, ["man", "pages"]);
    let page = std::fs::read_to_string(place.path().join("pages/dbm-restore.1")).unwrap();
    assert!(page.contains("disconnect"), "{page}");
}

#[test]
fn init_changes_nothing_that_is_there() {
    let place = Place::new();
    place.file(".gitignore", "mine\n");
    says!(place, ["init"]);
    says!(place, ["init"]);
    assert_eq!(std::fs::read_to_string(place.path().join(".gitignore")).unwrap(), "mine\n");
    // What it wrote is what it reads: the defaults, and no URL.
    assert_eq!(place.run(&["status"]).code, Some(2));
}

#[test]
fn a_broken_pipe_ends_quietly() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(env!("CARGO_BIN_EXE_dbm"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
}
