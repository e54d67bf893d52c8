//! What servers do, as measured once; each of these broke a tool of the field.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tests::{Ended, Folder, Judge as _, Postgres, Sqlite};

const ITEMS: &str = "CREATE TABLE item (id INTEGER, name TEXT);
    INSERT INTO item SELECT i, md5(i::text) FROM generate_series(1, 200000) i;";

const INDEXES: &str = "-- dbm: no-transaction
CREATE INDEX CONCURRENTLY item_id_idx ON item (id);
CREATE INDEX CONCURRENTLY item_name_idx ON item (name);
";

/// A session that waits in `pg_advisory_lock` deadlocks with `CREATE INDEX CONCURRENTLY`; a lock held as an open
/// transaction hangs it; two statements in one simple query make it fail.
#[test]
fn indexes_are_built_concurrently_while_others_wait_for_the_lock() {
    let database = Postgres::new("indexes");
    database.run(ITEMS);
    let url = database.url();
    let folder = Folder::new(&url);
    folder.migration("001_indexes", INDEXES, "DROP INDEX item_id_idx; DROP INDEX item_name_idx;");
    let run =
        || folder.dbm(&url, &["migrate", "--safe", "--accept-lost-writes", "--lock-timeout", "60s"]).spawn();
    let runs: Vec<_> = (0..20).map(|_| run()).collect();
    for run in runs {
        Ended::of(run).expect(0);
    }
    assert_eq!(
        database.ask("SELECT count(*) FROM pg_index WHERE indisvalid AND indrelid = 'item'::regclass"),
        "2"
    );
    assert_eq!(database.ask("SELECT count(*) FROM pg_index WHERE NOT indisvalid"), "0");
    assert_eq!(database.ask("SELECT count(*), count(DISTINCT run) FROM dbm_history WHERE number > 0"), "1|1");
}

/// A waiting `ALTER TABLE` makes every later `SELECT` wait too.
#[test]
fn readers_wait_no_longer_than_the_lock_timeout() {
    let database = Postgres::new("readers");
    database.run(ITEMS);
    let url = database.url();
    let folder = Folder::new(&url);
    folder.migration(
        "001_column",
        "-- dbm: lock-timeout 300ms\nALTER TABLE item ADD COLUMN weight INTEGER;",
        "ALTER TABLE item DROP COLUMN weight;",
    );

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let connect = || {
        let (client, connection) =
            runtime.block_on(tokio_postgres::connect(&url, tokio_postgres::NoTls)).expect("connected");
        runtime.spawn(connection);
        client
    };
    // A long report reads the table while the release comes.
    let report = connect();
    runtime.block_on(report.batch_execute("BEGIN; SELECT count(*) FROM item")).expect("the report");
    let stop = Arc::new(AtomicBool::new(false));
    let reader = {
        let (client, stop, runtime) = (connect(), Arc::clone(&stop), runtime.handle().clone());
        std::thread::spawn(move || {
            let mut worst = Duration::ZERO;
            while !stop.load(Ordering::Relaxed) {
                let start = Instant::now();
                runtime.block_on(client.batch_execute("SELECT * FROM item LIMIT 1")).expect("a read");
                worst = worst.max(start.elapsed());
                std::thread::sleep(Duration::from_millis(10));
            }
            worst
        })
    };
    let run = folder.dbm(&url, &["migrate", "--safe"]).spawn();
    std::thread::sleep(Duration::from_secs(3));
    runtime.block_on(report.batch_execute("COMMIT")).expect("the report's end");
    Ended::of(run).expect(0);
    stop.store(true, Ordering::Relaxed);
    let worst = reader.join().expect("the reader");
    assert!(worst < Duration::from_millis(1500), "a reader waited {worst:?}");
    assert_eq!(database.ask("SELECT count(weight) FROM item"), "0");
}

/// A commit that waits for a reader lets no other one in: no longer than the lock timeout, and then it is tried again.
#[test]
fn readers_of_a_file_wait_no_longer_than_the_lock_timeout() {
    let folder = Folder::new("sqlite://unset.db");
    let path = folder.path().join("app.db");
    let database =
        Sqlite::new(path.clone(), "CREATE TABLE item (id INTEGER); INSERT INTO item VALUES (1), (2);");
    // At its first backup a file gets its id, which waits for readers too.
    folder.dbm(&database.url(), &["backup"]).run().expect(0);
    folder.migration(
        "001_column",
        "-- dbm: lock-timeout 300ms\nALTER TABLE item ADD COLUMN weight INTEGER;",
        "ALTER TABLE item DROP COLUMN weight;",
    );
    let open = || {
        let connection = rusqlite::Connection::open(&path).expect("the file opens");
        connection.busy_timeout(Duration::from_secs(30)).expect("a timeout");
        connection
    };
    let read = |connection: &rusqlite::Connection| {
        connection.query_row("SELECT count(*) FROM item", [], |row| row.get::<_, i64>(0)).expect("a read")
    };
    let report = open();
    report.execute_batch("BEGIN").expect("the report");
    assert_eq!(read(&report), 2);
    let run = folder.dbm(&database.url(), &["migrate", "--safe"]).spawn();
    let (begin, reader) = (Instant::now(), open());
    let mut worst = Duration::ZERO;
    while begin.elapsed() < Duration::from_secs(3) {
        let start = Instant::now();
        assert_eq!(read(&reader), 2);
        worst = worst.max(start.elapsed());
        std::thread::sleep(Duration::from_millis(10));
    }
    report.execute_batch("COMMIT").expect("the report's end");
    let ended = Ended::of(run).expect(0);
    assert!(ended.stderr.contains("a lock was not had in time"), "{}", ended.stderr);
    assert!(worst < Duration::from_millis(1500), "a reader waited {worst:?}");
    assert_eq!(database.ask("SELECT count(weight) FROM item"), "0");
}

const SLEEPING: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";

/// Starts a run and kills it once the server sleeps in one of its statements.
fn killed_while_asleep(folder: &Folder, database: &Postgres) {
    let mut child = folder.dbm(&database.url(), &["migrate", "--safe", "--accept-lost-writes"]).spawn();
    let start = Instant::now();
    while database.ask(SLEEPING) != "1" {
        assert!(start.elapsed() < Duration::from_secs(30), "it never came to the slow statement");
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().expect("SIGKILL");
    child.wait().expect("its end");
}

/// The server looks whether the client is still there (`client_connection_check_interval`): without anybody's doing, the
/// statement of one that was killed ends long before its time, and what it changed is undone.
#[test]
fn the_server_notices_that_a_client_was_killed() {
    let database = Postgres::new("noticed");
    let folder = Folder::new(&database.url());
    folder.migration(
        "001_slow",
        "-- dbm: no-transaction\nCREATE TABLE late AS SELECT 1 AS x FROM pg_sleep(600);",
        "DROP TABLE late;",
    );
    killed_while_asleep(&folder, &database);
    let start = Instant::now();
    while database.ask(SLEEPING) != "0" {
        assert!(start.elapsed() < Duration::from_secs(60), "the server works for a client that is gone");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(database.ask("SELECT to_regclass('late') IS NULL"), "t");
}

/// After `kill -9` of the client a running statement goes on in the server and commits.
#[test]
fn the_orphan_of_a_killed_client_is_ended_first() {
    let database = Postgres::new("orphan");
    database.run("CREATE TABLE item (id INTEGER); INSERT INTO item VALUES (1);");
    let url = database.url();
    let before = database.everything();
    let folder = Folder::new(&url);
    folder.migration("001_first", "DELETE FROM item;", "SELECT 1;");
    folder.migration(
        "002_slow",
        "-- dbm: no-transaction\nCREATE TABLE late AS SELECT 1 AS x FROM pg_sleep(300);",
        "DROP TABLE late;",
    );
    killed_while_asleep(&folder, &database);
    let start = Instant::now();
    let ended = folder.dbm(&url, &["recover", "--yes"]).run();
    assert!(matches!(ended.code, 0 | 3), "{}\n{}", ended.stdout, ended.stderr);
    assert!(start.elapsed() < Duration::from_secs(60));
    assert_eq!(database.ask(SLEEPING), "0");
    assert_eq!(database.everything(), before);
}

/// `PRAGMA foreign_keys=OFF` inside `BEGIN` is ignored, and the rebuild then deletes cascading children.
#[test]
fn a_rebuilt_table_keeps_its_children() {
    let folder = Folder::new("sqlite://unset.db");
    let database = Sqlite::new(
        folder.path().join("app.db"),
        "CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT);
         CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent (id) ON DELETE CASCADE);
         INSERT INTO parent VALUES (1, 'a'), (2, 'b'); INSERT INTO child VALUES (10, 1), (20, 2);",
    );
    let rebuild = |name: &str| {
        format!(
            "PRAGMA foreign_keys=OFF;
             CREATE TABLE new_parent (id INTEGER PRIMARY KEY, {name} TEXT NOT NULL);
             INSERT INTO new_parent SELECT * FROM parent;
             DROP TABLE parent;
             ALTER TABLE new_parent RENAME TO parent;
             PRAGMA foreign_keys=ON;\n"
        )
    };
    folder.migration("001_rebuild", &rebuild("title"), &rebuild("name"));
    folder.dbm(&database.url(), &["migrate", "--safe", "--accept-lost-writes"]).run().expect(0);
    assert_eq!(database.ask("SELECT count(*) FROM child"), "2");
    assert_eq!(database.ask("SELECT title FROM parent WHERE id = 1"), "a");
    folder.dbm(&database.url(), &["rollback", "--accept-lost-writes"]).run().expect(0);
    assert_eq!(database.ask("SELECT count(*) FROM child"), "2");
    assert_eq!(database.ask("SELECT name FROM parent WHERE id = 2"), "b");
}

/// A lock or journal that comes back with a restored dump blocks the next run.
#[test]
fn a_restored_backup_brings_no_lock_along() {
    let database = Postgres::new("nolock");
    database.run("CREATE TABLE item (id INTEGER);");
    let url = database.url();
    let folder = Folder::new(&url);
    folder.migration("001_a", "CREATE TABLE a (x INTEGER);", "DROP TABLE a;");
    // The run's own backup is taken while it holds the lock and has an open journal.
    folder.dbm(&url, &["migrate", "--safe"]).run().expect(0);
    folder.dbm(&url, &["restore", "latest", "--yes", "--disconnect"]).run().expect(0);
    assert_eq!(database.ask("SELECT to_regclass('a') IS NULL"), "t");
    folder.dbm(&url, &["migrate", "--safe"]).run().expect(0);
    assert_eq!(database.ask("SELECT count(*) FROM a"), "0");
}
