//! Attempts to break the promise: each of them once succeeded, or came close.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tests::{Folder, Judge as _, Postgres, Sqlite, tool};

/// The one archive of a folder's store.
fn archive(folder: &Folder) -> String {
    let entries = fs::read_dir(folder.path().join("backups")).expect("the store");
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".zst")).min().expect("an archive")
}

/// A database that is not there is made whole or not at all, whenever the restore is killed.
#[test]
fn a_killed_restore_leaves_no_half_database_of_that_name() {
    let database = Postgres::new("missing");
    database.run(
        "CREATE TABLE item AS SELECT i, repeat(md5(i::text), 20) AS body FROM generate_series(1, 60000) i",
    );
    let (url, before) = (database.url(), database.everything());
    let folder = Folder::new(&url);
    folder.dbm(&url, &["backup"]).run().expect(0);
    let archive = archive(&folder);
    let there = format!("SELECT count(*) FROM pg_database WHERE datname = '{}'", database.name());
    let server = database.url_of("postgres");
    let ask = |query: &str| tool("psql", &["-qXAt", &server, "-c", query], "").trim_end().to_owned();
    let (mut killed, mut whole) = (0, 0);
    for after in [100, 300, 500, 700, 900, 1200, 60_000] {
        ask(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", database.name()));
        let dbm = folder.dbm(&url, &["restore", &archive, "--yes"]);
        let ended = if after == 60_000 {
            Some(dbm.run().expect(0))
        } else {
            dbm.run_and_kill(Duration::from_millis(after))
        };
        killed += u32::from(ended.is_none());
        // What a killed client has sent may still be under way.
        std::thread::sleep(Duration::from_millis(500));
        if ask(&there) == "1" {
            whole += 1;
            assert_eq!(database.everything(), before, "killed after {after} ms");
        }
    }
    assert!(killed > 0 && whole > 0, "{killed} killed, {whole} whole");
}

/// The same of a file; and the file is the one that the URL names, with its ending.
#[test]
fn a_missing_file_is_restored_whole_or_not_at_all() {
    let scratch = tempfile::tempdir().expect("a folder");
    let path = scratch.path().join("app.sqlite");
    let database = Sqlite::new(
        path.clone(),
        "CREATE TABLE item (body BLOB); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
         INSERT INTO item SELECT randomblob(300) FROM n;",
    );
    let (url, before) = (database.url(), database.ask("SELECT count(*), sum(length(body)) FROM item"));
    let folder = Folder::new(&url);
    folder.dbm(&url, &["backup"]).run().expect(0);
    let archive = archive(&folder);
    let beside = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).expect("the folder");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    };
    for after in [20, 50, 90, 140, 200, 60_000] {
        for name in beside(scratch.path()) {
            fs::remove_file(scratch.path().join(name)).expect("removed");
        }
        let dbm = folder.dbm(&url, &["restore", &archive, "--yes"]);
        if after == 60_000 {
            dbm.run().expect(0);
            assert!(path.exists(), "{:?}", beside(scratch.path()));
        } else {
            dbm.run_and_kill(Duration::from_millis(after));
        }
        if path.exists() {
            assert_eq!(database.ask("SELECT count(*), sum(length(body)) FROM item"), before, "{after} ms");
            assert_eq!(database.ask("PRAGMA integrity_check"), "ok");
        }
        let strange = beside(scratch.path())
            .into_iter()
            .find(|name| name != "app.sqlite" && !name.contains("_restoring_") && !name.ends_with("-dbm"));
        assert_eq!(strange, None);
    }
}

/// What a file outside a transaction leaves set in the session is not in the way of the way back.
#[test]
fn a_role_that_a_failed_file_has_taken_does_not_stop_the_restore() {
    let texts = [
        "SET ROLE pg_monitor;",
        "SET default_transaction_read_only = on;",
        "SET SESSION AUTHORIZATION pg_monitor;",
        "SELECT pg_advisory_unlock_all();",
        "DO $$ BEGIN EXECUTE 'DROP SCHE' || 'MA dbm CASCADE'; END $$;",
    ];
    for text in texts {
        let database = Postgres::new("role");
        database.run("CREATE TABLE item (id INTEGER); INSERT INTO item VALUES (1)");
        let (url, before) = (database.url(), database.everything());
        let folder = Folder::new(&url);
        let file =
            format!("-- dbm: no-transaction\nCREATE TABLE more (id INTEGER);\n{text}\nSELECT 1 / 0;\n");
        folder.migration("001_role", &file, "DROP TABLE more;");
        folder.dbm(&url, &["migrate", "--accept-lost-writes"]).run().expect(3);
        assert_eq!(database.everything(), before, "{text}");
        folder.dbm(&url, &["recover"]).run().expect(0);
        assert_eq!(database.everything(), before, "{text}");
    }
}

/// A role that a file takes is not the one that writes the history.
#[test]
fn a_file_may_end_in_another_role() {
    let database = Postgres::new("role");
    database.run("CREATE SCHEMA theirs; GRANT CREATE, USAGE ON SCHEMA theirs TO pg_monitor");
    let url = database.url();
    let folder = Folder::new(&url);
    folder.migration(
        "001_role",
        "SET ROLE pg_monitor;\nCREATE TABLE theirs.more (id INTEGER);\n",
        "DROP TABLE theirs.more;",
    );
    folder.migration("002_next", "CREATE TABLE ours (id INTEGER);\n", "DROP TABLE ours;");
    folder.dbm(&url, &["migrate"]).run().expect(0);
    let owners = "SELECT string_agg(tablename || ' ' || tableowner, ',' ORDER BY 1) FROM pg_tables WHERE tablename IN ('ours', 'more')";
    assert!(database.ask(owners).contains("more pg_monitor"));
    assert!(!database.ask(owners).contains("ours pg_monitor"));
    assert_eq!(database.ask("SELECT count(*) FROM dbm_history"), "2");
}

/// The pragmas of a file that failed are not in the way, and the journal's mode is part of what is put back.
#[test]
fn pragmas_of_a_failed_file_are_put_back() {
    let cases = [
        ("delete", "PRAGMA journal_mode = WAL;"),
        ("wal", "PRAGMA journal_mode = DELETE;"),
        ("delete", "PRAGMA locking_mode = EXCLUSIVE;"),
        ("wal", "PRAGMA locking_mode = EXCLUSIVE;"),
        ("wal", "PRAGMA journal_mode = DELETE; PRAGMA page_size = 8192; VACUUM; PRAGMA journal_mode = WAL;"),
        ("delete", "PRAGMA synchronous = OFF; PRAGMA page_size = 8192; VACUUM; PRAGMA journal_mode = WAL;"),
    ];
    for (mode, text) in cases {
        for writers in ["--fence", "--accept-lost-writes"] {
            let scratch = tempfile::tempdir().expect("a folder");
            let script = format!(
                "PRAGMA journal_mode = {mode}; CREATE TABLE item (id INTEGER); INSERT INTO item VALUES (1);"
            );
            let database = Sqlite::new(scratch.path().join("app.sqlite"), &script);
            let (url, before) = (database.url(), database.everything());
            let folder = Folder::new(&url);
            folder.migration(
                "001_pragma",
                &format!("{text}\nCREATE TABLE more (id);\nSELECT nothing;\n"),
                "DROP TABLE more;",
            );
            folder.dbm(&url, &["migrate", writers]).run().expect(3);
            assert_eq!(database.everything(), before, "{text}");
            assert_eq!(database.ask("PRAGMA journal_mode"), mode, "{text} {writers}");
            assert_eq!(database.ask("PRAGMA page_size"), "4096", "{text} {writers}");
            assert_eq!(database.ask("PRAGMA integrity_check"), "ok");
        }
    }
}

/// One file's temporary table does not hide the next one's table.
#[test]
fn a_temporary_table_ends_with_its_file() {
    let scratch = tempfile::tempdir().expect("a folder");
    let script = "CREATE TABLE item (id INTEGER); INSERT INTO item VALUES (1);";
    let database = Sqlite::new(scratch.path().join("app.sqlite"), script);
    let url = database.url();
    let folder = Folder::new(&url);
    folder.migration(
        "001_first",
        "CREATE TEMP TABLE item AS SELECT 5 AS id; CREATE TEMP VIEW v AS SELECT 1;",
        "SELECT 1;",
    );
    folder.migration("002_next", "UPDATE item SET id = id + 1; CREATE TEMP VIEW v AS SELECT 2;", "SELECT 1;");
    folder.dbm(&url, &["migrate"]).run().expect(0);
    assert_eq!(database.ask("SELECT id FROM item"), "2");
}
