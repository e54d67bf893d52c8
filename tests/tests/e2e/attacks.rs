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
