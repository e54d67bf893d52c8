//! Ctrl-C and SIGTERM stop cleanly: a backup leaves nothing, a run puts the database back, the exit code says so.

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tests::{Ended, Folder, Judge as _, Postgres, signal};

/// Waits until a query gives `answer`.
#[track_caller]
fn wait_for(database: &Postgres, query: &str, answer: &str) {
    let start = Instant::now();
    while database.ask(query) != answer {
        assert!(start.elapsed() < Duration::from_secs(30), "{query} never gave {answer}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn stopped(child: Child, by: Signal) -> Ended {
    signal(&child, by);
    let start = Instant::now();
    let ended = Ended::of(child);
    assert!(start.elapsed() < Duration::from_secs(30), "it took {:?} to stop", start.elapsed());
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    ended
}

#[test]
fn a_backup_leaves_nothing() {
    let database = Postgres::new("stopped");
    database.run("CREATE TABLE item (id INTEGER)");
    let url = database.url();
    let folder = Folder::new(&url);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (client, connection) =
        runtime.block_on(tokio_postgres::connect(&url, tokio_postgres::NoTls)).expect("connected");
    runtime.spawn(connection);
    runtime
        .block_on(client.batch_execute("BEGIN; LOCK TABLE item IN ACCESS EXCLUSIVE MODE"))
        .expect("locked");
    for by in [Signal::INT, Signal::TERM] {
        let child = folder.dbm(&url, &["backup"]).spawn();
        std::thread::sleep(Duration::from_millis(700));
        stopped(child, by).expect(1);
        let left = fs::read_dir(folder.path().join("backups")).expect("the store").filter(|entry| {
            !entry.as_ref().expect("an entry").file_name().to_string_lossy().contains("lock")
        });
        assert_eq!(left.count(), 0);
    }
}

#[test]
fn a_run_of_one_group_is_rolled_back() {
    let database = Postgres::new("stopped");
    database.run("CREATE TABLE item (id INTEGER)");
    let url = database.url();
    let before = database.everything();
    let folder = Folder::new(&url);
    folder.migration("001_slow", "DROP TABLE item; SELECT pg_sleep(60);", "CREATE TABLE item (id INTEGER);");
    for by in [Signal::INT, Signal::TERM] {
        let child = folder.dbm(&url, &["migrate", "--safe"]).spawn();
        wait_for(
            &database,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
            "1",
        );
        let ended = stopped(child, by).expect(1);
        assert!(
            ended.stderr.contains("nothing") || ended.stdout.contains("nothing"),
            "{}{}",
            ended.stdout,
            ended.stderr
        );
        assert_eq!(database.everything(), before);
    }
}

#[test]
fn a_run_of_several_groups_is_put_back() {
    let database = Postgres::new("stopped");
    database.run("CREATE TABLE item (id INTEGER); INSERT INTO item VALUES (1), (2)");
    let url = database.url();
    let before = database.everything();
    let folder = Folder::new(&url);
    folder.migration("001_gone", "DELETE FROM item;", "SELECT 1;");
    folder.migration(
        "002_index",
        "-- dbm: no-transaction\nCREATE INDEX CONCURRENTLY item_id_idx ON item (id);\nSELECT pg_sleep(60);",
        "DROP INDEX item_id_idx;",
    );
    let child = folder.dbm(&url, &["migrate", "--safe", "--accept-lost-writes"]).spawn();
    wait_for(
        &database,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
        "1",
    );
    assert_eq!(database.ask("SELECT count(*) FROM item"), "0");
    stopped(child, Signal::INT).expect(3);
    assert_eq!(database.everything(), before);
}
