//! Ctrl-C and SIGTERM stop cleanly: a backup leaves nothing, a run puts the database back, a restore leaves it as it is, the
//! exit code says so.

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tests::{Dbm, Ended, Folder, Judge as _, Mariadb, Postgres, Sqlite, Terminal, signal};

/// The command once a query gives `answer`: while it runs.
#[track_caller]
fn once(database: &Postgres, query: &str, answer: &str, mut child: Child) -> Child {
    let start = Instant::now();
    while database.ask(query) != answer {
        if child.try_wait().expect("looked at").is_some() {
            let ended = Ended::of(child);
            panic!("it ended before {query} gave {answer}: {}{}", ended.stdout, ended.stderr);
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{query} never gave {answer}");
        std::thread::sleep(Duration::from_millis(50));
    }
    child
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
        let child = once(
            &database,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
            "1",
            child,
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
    let child = once(
        &database,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
        "1",
        child,
    );
    assert_eq!(database.ask("SELECT count(*) FROM item"), "0");
    stopped(child, Signal::INT).expect(3);
    assert_eq!(database.everything(), before);
}

/// In a database that is being restored, it goes on for a minute.
const SLOW: &str = "CREATE FUNCTION slow(n integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
      PERFORM pg_sleep(60) WHERE current_database() LIKE '%restoring%'; RETURN n; END $$;
    CREATE TABLE item (id INTEGER); CREATE INDEX slowly ON item (slow(id)); INSERT INTO item VALUES (1), (2);";

#[test]
fn a_restore_leaves_a_database_as_it_is() {
    let database = Postgres::new("stopped");
    database.run(SLOW);
    let url = database.url();
    let folder = Folder::new(&url);
    folder.dbm(&url, &["backup"]).run().expect(0);
    database.run("INSERT INTO item VALUES (3)");
    let before = database.everything();
    for by in [Signal::INT, Signal::TERM] {
        let child = folder.dbm(&url, &["restore", "latest", "--yes"]).spawn();
        let restoring = format!("datname LIKE '{}_restoring%'", database.name());
        let child = once(
            &database,
            &format!(
                "SELECT count(*) > 0 FROM pg_stat_activity WHERE {restoring} AND wait_event = 'PgSleep'"
            ),
            "t",
            child,
        );
        let ended = stopped(child, by).expect(1);
        assert!(ended.stderr.contains("stopped on request"), "{}", ended.stderr);
        assert_eq!((database.everything(), database.kin()), (before.clone(), Vec::new()));
        // Nothing is left to recover.
        folder.dbm(&url, &["status", "--exit-code"]).run().expect(0);
    }
}

/// The comparison after a rollback takes as long as the migrations that stay; by then all is done, and others may go on.
#[test]
fn a_rollback_that_is_being_compared_is_done() {
    let database = Postgres::new("stopped");
    let url = database.url();
    let folder = Folder::new(&url);
    let slow =
        "CREATE TABLE item (id INTEGER); SELECT pg_sleep(60) WHERE current_database() LIKE '%restoring%';";
    folder.migration("001_slow", slow, "DROP TABLE item;");
    folder.migration("002_note", "CREATE TABLE note (id INTEGER);", "SELECT 1;");
    for by in [Signal::INT, Signal::TERM] {
        folder.dbm(&url, &["migrate", "--safe"]).run().expect(0);
        let child = folder.dbm(&url, &["rollback", "1"]).spawn();
        let child = once(&database, &sleeps(&database), "t", child);
        assert_eq!(database.ask("SELECT count(*) FROM dbm_history WHERE number > 0"), "1");
        folder.dbm(&url, &["stamp", "1"]).run().expect(0);
        let ended = stopped(child, by).expect(0);
        assert!(ended.stdout.contains("1 rolled back"), "{}{}", ended.stdout, ended.stderr);
        assert!(ended.stdout.contains("stopped on request"), "{}{}", ended.stdout, ended.stderr);
        assert!(!(ended.stdout + &ended.stderr).contains("nothing was changed"));
        assert_eq!(database.kin(), Vec::<String>::new());
        database.run("DROP TABLE note");
        folder.dbm(&url, &["rollback", "--all"]).run().expect(0);
    }
}

/// The same where a scratch database has an account of its own.
#[test]
fn a_rollback_that_is_being_compared_is_done_on_mariadb() {
    let database = Mariadb::new("stopped");
    let url = database.url();
    let folder = Folder::new(&url);
    let slow = "CREATE TABLE item (id int); SELECT IF(DATABASE() LIKE '%restoring%', SLEEP(60), 0);";
    folder.migration("001_slow", slow, "DROP TABLE item;");
    folder.migration("002_note", "CREATE TABLE note (id int);", "SELECT 1;");
    folder.dbm(&url, &["migrate", "--accept-lost-writes"]).run().expect(0);
    let mut child = folder.dbm(&url, &["rollback", "1", "--accept-lost-writes"]).spawn();
    let asleep = format!(
        "SELECT count(*) FROM information_schema.processlist WHERE db LIKE '{}\\_restoring%' AND info LIKE '%SLEEP(60)%'",
        database.name()
    );
    let start = Instant::now();
    while database.administer(&asleep).trim() != "1" {
        assert!(
            child.try_wait().expect("looked at").is_none(),
            "it has ended: {:?}",
            Ended::of(child).stdout
        );
        assert!(start.elapsed() < Duration::from_secs(30), "it does not get there");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(database.kin().len(), 1);
    let ended = stopped(child, Signal::INT).expect(0);
    assert!(ended.stdout.contains("stopped on request"), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(database.kin(), Vec::<String>::new());
}

/// Whether something goes on for a minute in a scratch database.
fn sleeps(database: &Postgres) -> String {
    format!(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname LIKE '{}_restoring%' AND wait_event = 'PgSleep'",
        database.name()
    )
}

/// What differs is made once more, in a scratch database of its own, to be shown in the same words.
#[test]
fn a_comparison_of_words_leaves_no_scratch_database() {
    let database = Postgres::new("stopped");
    let url = database.url();
    let folder = Folder::new(&url);
    let function = |body: &str| {
        format!(
            "CREATE OR REPLACE FUNCTION one() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN {body} RETURN 1; END $$;"
        )
    };
    let view = "CREATE MATERIALIZED VIEW ones AS SELECT one();";
    folder.migration("001_ones", &(function("") + view), "DROP MATERIALIZED VIEW ones; DROP FUNCTION one();");
    folder.dbm(&url, &["migrate", "--safe"]).run().expect(0);
    database.run(&function("PERFORM pg_sleep(60) WHERE current_database() LIKE '%restoring%';"));
    for by in [Signal::INT, Signal::TERM] {
        let child = folder.dbm(&url, &["drift"]).spawn();
        let child = once(&database, &sleeps(&database), "t", child);
        stopped(child, by).expect(1);
        assert_eq!(database.kin(), Vec::<String>::new());
    }
}

/// A file with an empty table, and a backup of it.
fn backed_up() -> (Folder, Sqlite, String) {
    let folder = Folder::new("sqlite://unset.db");
    let database = Sqlite::new(folder.path().join("app.db"), "CREATE TABLE item (id INTEGER);");
    let url = database.url();
    folder.dbm(&url, &["backup"]).run().expect(0);
    (folder, database, url)
}

#[test]
fn a_restore_leaves_a_file_as_it_is() {
    let (folder, database, url) = backed_up();
    database.run("INSERT INTO item VALUES (1)");
    let before = database.everything();
    let files = || {
        let entries = fs::read_dir(folder.path()).expect("the folder");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    // Whoever writes keeps the exchange waiting, and is kept out by nothing.
    let writer = rusqlite::Connection::open(database.path()).expect("opened");
    for by in [Signal::INT, Signal::TERM] {
        writer.execute_batch("BEGIN IMMEDIATE").expect("begun");
        let child = folder.dbm(&url, &["restore", "latest", "--yes"]).spawn();
        let journal = folder.path().join("app.db-dbm");
        let start = Instant::now();
        while !fs::read_to_string(&journal).is_ok_and(|text| text.ends_with("\"exchange\"}}\n")) {
            assert!(start.elapsed() < Duration::from_secs(30), "{:?}", fs::read_to_string(&journal));
            std::thread::sleep(Duration::from_millis(20));
        }
        stopped(child, by).expect(1);
        writer.execute_batch("ROLLBACK").expect("rolled back");
        assert_eq!(database.everything(), before);
        let left: Vec<_> = files().into_iter().filter(|it| it.to_string_lossy().contains("_re")).collect();
        assert!(left.is_empty(), "{left:?}");
        folder.dbm(&url, &["status", "--exit-code"]).run().expect(0);
    }
    folder.dbm(&url, &["restore", "latest", "--yes"]).run().expect(0);
    assert_eq!(database.ask("SELECT count(*) FROM item"), "0");
}

/// The exit code of a command that has little left to do.
#[track_caller]
fn code(mut child: Child) -> Option<i32> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("looked at") {
            return status.code();
        }
        if start.elapsed() > Duration::from_secs(10) {
            child.kill().expect("killed");
            panic!("it did not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_question_ends_with_the_first() {
    let (folder, _database, url) = backed_up();
    for by in [Signal::INT, Signal::TERM] {
        let terminal = Terminal::new();
        let child = folder.dbm(&url, &["restore", "latest"]).spawn_at(&terminal);
        terminal.shows("[y/N] ");
        signal(&child, by);
        assert_eq!(code(child), Some(1));
        terminal.shows("stopping cleanly");
        terminal.shows("nothing was restored");
    }
}

#[test]
fn a_terminal_that_goes_away_is_a_no() {
    let (folder, database, url) = backed_up();
    database.run("INSERT INTO item VALUES (1)");
    let terminal = Terminal::new();
    let child = folder.dbm(&url, &["restore", "latest"]).spawn_at(&terminal);
    terminal.shows("[y/N] ");
    drop(terminal);
    assert_eq!(code(child), Some(1));
    assert_eq!(database.ask("SELECT count(*) FROM item"), "1");
}

#[test]
fn a_password_is_asked_for_until_the_first() {
    let folder = Folder::new("sqlite://unset.db");
    for by in [Signal::INT, Signal::TERM] {
        let terminal = Terminal::new();
        let child = Dbm::new(folder.path()).args(["password", "hash"]).spawn_at(&terminal);
        terminal.shows("Password: ");
        assert!(!terminal.echoes());
        terminal.types("half of i");
        signal(&child, by);
        assert_eq!(code(child), Some(1));
        assert!(terminal.echoes());
        assert!(!terminal.shows("stopped on request").contains("half"));
    }
    let terminal = Terminal::new();
    let child = Dbm::new(folder.path()).args(["password", "encode"]).spawn_at(&terminal);
    terminal.shows("Password: ");
    terminal.types("p@ss\n");
    assert_eq!(code(child), Some(0));
    assert!(terminal.shows("p%40ss").ends_with("Password: \r\np%40ss\r\n"));
    assert!(terminal.echoes());
}

#[test]
fn what_the_first_does_not_stop_ends_with_the_second() {
    let folder = Folder::new("sqlite://unset.db");
    let terminal = Terminal::new();
    terminal.by_key();
    let child = Dbm::new(folder.path()).args(["password", "hash"]).spawn_at(&terminal);
    terminal.shows("Password: ");
    // The line that has begun is waited for.
    terminal.types("h");
    std::thread::sleep(Duration::from_millis(300));
    signal(&child, Signal::TERM);
    terminal.shows("stopping cleanly");
    assert!(!terminal.echoes());
    signal(&child, Signal::TERM);
    assert_eq!(code(child), Some(130));
    terminal.shows("ended at once");
    assert!(terminal.echoes());
}
