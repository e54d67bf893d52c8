//! What is in a run's way on MariaDB: other runs, locks, accounts of few rights, a server that takes nothing. Each ends in
//! a clear message and loses nothing.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable as _;
use rustix::process::Signal;
use tests::{Ended, Folder, Judge as _, Mariadb, OwnMariadb};

const TABLE: &str = "CREATE TABLE item (id int PRIMARY KEY, name varchar(50), body longblob);
    INSERT INTO item (id, name) VALUES (1, 'one'), (2, 'two');";
const RUN: &[&str] = &["migrate", "--safe", "--accept-lost-writes"];

fn project(database: &Mariadb, text: &str) -> Folder {
    database.run(TABLE);
    let folder = Folder::new(&database.url());
    folder.migration("001_item", text, "SELECT 1;");
    folder
}

/// It says these words and what to do, and panics nowhere.
#[track_caller]
fn told(ended: &Ended, words: &[&str]) {
    for word in words {
        assert!(ended.stderr.contains(word), "`{word}` is not in:\n{}", ended.stderr);
    }
    assert!(ended.stderr.contains("hint:") && !ended.stderr.contains("panicked"), "{}", ended.stderr);
}

/// A client that does something and then stays; it ends with the test.
struct Client(Child);

impl Client {
    fn new(database: &Mariadb, script: &str) -> Self {
        Self::within(database, database.name(), script)
    }

    /// The same on this server, in another database.
    fn within(database: &Mariadb, name: &str, script: &str) -> Self {
        let url = database.url();
        let (port, _) = url.rsplit_once(':').and_then(|(_, rest)| rest.split_once('/')).expect("a port");
        let mut client = Command::new(tests::mysql_client());
        client.args(["--no-defaults", "-u", "root", "-h", "127.0.0.1", "-P", port, name, "-e", script]);
        let child = client.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("mariadb");
        let new = Self(child);
        let until = Instant::now() + Duration::from_secs(30);
        let there = format!(
            "SELECT count(*) FROM information_schema.processlist WHERE db = '{name}' AND info LIKE 'SELECT SLEEP%'"
        );
        while database.administer(&there).trim() == "0" {
            assert!(Instant::now() < until, "the client does not get there");
            std::thread::sleep(Duration::from_millis(20));
        }
        new
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until the migration of a run sleeps, and tells its session's number.
fn sleeping(database: &Mariadb) -> String {
    let query = format!(
        "SELECT id FROM information_schema.processlist WHERE db = '{}' AND info LIKE 'SELECT SLEEP(6%'",
        database.name()
    );
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let found = database.administer(&query);
        if !found.trim().is_empty() {
            return found.trim().to_owned();
        }
        assert!(Instant::now() < until, "the run does not get there");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Ctrl-C, SIGTERM and a connection that breaks in the middle of a file end a run in *before*.
#[test]
fn a_run_that_is_stopped_or_cut_off_is_put_back() {
    let database = Mariadb::new("stopped");
    let folder = project(&database, "ALTER TABLE item ADD weight int;\nDELETE FROM item;\nSELECT SLEEP(60);");
    let before = database.everything();
    for signal in [Some(Signal::INT), Some(Signal::TERM), None] {
        let child = folder.dbm(&database.url(), RUN).spawn();
        let session = sleeping(&database);
        assert_eq!(database.ask("SELECT count(*) FROM item"), "0");
        match signal {
            Some(signal) => tests::signal(&child, signal),
            None => drop(database.administer(&format!("KILL {session}"))),
        }
        let ended = Ended::of(child);
        assert!(ended.code == 3, "{signal:?}: {} {}{}", ended.code, ended.stdout, ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        assert_eq!(database.everything(), before, "{signal:?}");
        let open = folder.dbm(&database.url(), &["recover"]).run().expect(0);
        assert!(open.stdout.contains("No run is open"), "{signal:?}: {}", open.stdout);
    }
}

#[test]
fn a_backup_that_is_stopped_leaves_nothing() {
    let database = Mariadb::new("stopped");
    let folder = project(&database, "SELECT 1;");
    let _holder = Client::new(&database, "LOCK TABLES item WRITE; SELECT SLEEP(600);");
    for by in [Signal::INT, Signal::TERM] {
        let child = folder.dbm(&database.url(), &["backup"]).spawn();
        std::thread::sleep(Duration::from_millis(700));
        tests::signal(&child, by);
        let ended = Ended::of(child).expect(1);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        let left = std::fs::read_dir(folder.path().join("backups")).expect("the store").filter(|entry| {
            !entry.as_ref().expect("an entry").file_name().to_string_lossy().contains("lock")
        });
        assert_eq!(left.count(), 0, "{by:?}");
    }
}

/// The server has no room for what a migration writes: what it has done until then is put back.
#[test]
fn a_full_disk_of_the_server_ends_in_before() {
    let server = OwnMariadb::start(&[
        "--innodb-file-per-table=OFF",
        "--innodb-data-file-path=ibdata1:12M:autoextend:max:40M",
    ]);
    let database = Mariadb::on(&server, "full");
    let text = "ALTER TABLE item ADD weight int;
        CREATE TABLE fat (id bigint AUTO_INCREMENT PRIMARY KEY, body char(250));
        INSERT INTO fat (body) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)
          SELECT REPEAT('x', 250) FROM n a, n b;";
    let folder = project(&database, text);
    let before = database.everything();
    let ended = folder.dbm(&database.url(), RUN).run().expect(3);
    assert!(ended.stderr.contains("is full"), "{}", ended.stderr);
    assert_eq!(database.everything(), before);
    folder.migration("001_item", "ALTER TABLE item ADD weight int;", "SELECT 1;");
    folder.dbm(&database.url(), RUN).run().expect(0);
}

#[test]
fn one_of_two_runs_is_told_of_the_other() {
    let database = Mariadb::new("two");
    let folder = project(&database, "ALTER TABLE item ADD weight int;\nSELECT SLEEP(4);");
    let url = database.url();
    let first = folder.dbm(&url, RUN).spawn();
    let until = Instant::now() + Duration::from_secs(60);
    while !folder.path().join("logs/migration.log").exists()
        || !std::fs::read_to_string(folder.path().join("logs/migration.log"))
            .expect("a log")
            .contains("apply-1")
    {
        assert!(Instant::now() < until, "the first run does not get there");
        std::thread::sleep(Duration::from_millis(20));
    }
    let second = folder.dbm(&url, RUN).args(["--lock-timeout", "200ms"]).run().expect(75);
    told(&second, &["another run of dbm", "process"]);
    Ended::of(first).expect(0);
    assert_eq!(database.ask("SELECT count(weight), count(*) FROM item"), "0|2");
}

/// Whoever holds a lock on the table is waited for, and sent away only where the database has to be put back.
#[test]
fn a_lock_that_is_held_ends_in_before() {
    let database = Mariadb::new("held");
    let folder = project(&database, "CREATE TABLE other (a int);\nALTER TABLE item ADD weight int;");
    let before = database.everything();
    let _holder = Client::new(&database, "BEGIN; SELECT * FROM item; SELECT SLEEP(600);");
    let run = folder.dbm(&database.url(), RUN).args(["--lock-timeout", "1s"]).env("DBM_LOCK_RETRIES", "1");
    let ended = run.run().expect(3);
    assert!(ended.stderr.contains("a lock was not had in time"), "{}", ended.stderr);
    assert!(ended.stderr.contains("Lock wait timeout"), "{}", ended.stderr);
    assert_eq!(database.everything(), before);
    folder.dbm(&database.url(), RUN).run().expect(0);
}

/// Whoever waits for a metadata lock makes every later reader wait: no longer than the lock timeout, which this server counts
/// in seconds.
#[test]
fn readers_wait_no_longer_than_the_lock_timeout() {
    let database = Mariadb::new("readers");
    let folder = project(&database, "-- dbm: lock-timeout 1s\nALTER TABLE item ADD weight int;");
    // A long report reads the table while the release comes.
    let report = Client::new(&database, "BEGIN; SELECT * FROM item; SELECT SLEEP(600);");
    let stop = Arc::new(AtomicBool::new(false));
    let reader = {
        let (url, stop) = (database.url(), Arc::clone(&stop));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(async {
                let mut reader = mysql_async::Conn::from_url(url).await.expect("connected");
                let mut worst = Duration::ZERO;
                while !stop.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    reader.query_drop("SELECT * FROM item LIMIT 1").await.expect("a read");
                    worst = worst.max(start.elapsed());
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                worst
            })
        })
    };
    let run = folder.dbm(&database.url(), RUN).spawn();
    std::thread::sleep(Duration::from_secs(5));
    drop(report);
    let ended = Ended::of(run).expect(0);
    stop.store(true, Ordering::Relaxed);
    let worst = reader.join().expect("the reader");
    assert!(ended.stderr.contains("a lock was not had in time"), "{}", ended.stderr);
    assert!(worst > Duration::from_millis(300), "nobody was in the way: {worst:?}");
    assert!(worst < Duration::from_millis(2500), "a reader waited {worst:?}");
    assert_eq!(database.ask("SELECT count(weight), count(*) FROM item"), "0|2");
}

/// What cannot be seen of a rehearsal's locks is said once, with what would change that, and counts whole.
#[test]
fn a_rehearsal_says_that_no_locks_are_shown() {
    let database = Mariadb::new("unshown");
    let folder = project(&database, "UPDATE item SET name = 'x' WHERE id = 1 AND SLEEP(0.3) = 0;");
    let rehearse = ["migrate", "--accept-lost-writes", "--rehearse", "--dry-run", "--max-lock"];
    let ended = folder.dbm(&database.url(), &rehearse).args(["1h"]).run().expect(0);
    let said = "the server shows no locks, so that a whole statement counts as one; ";
    assert_eq!(ended.stdout.matches(said).count(), 1, "{}", ended.stdout);
    assert!(ended.stdout.contains("performance_schema=ON"), "{}", ended.stdout);
    assert!(ended.stdout.contains("at most "), "{}", ended.stdout);
    let ended = folder.dbm(&database.url(), &rehearse).args(["100ms"]).run().expect(1);
    told(&ended, &["001_item, line 1, kept others waiting for", "100 ms are allowed"]);
    assert_eq!(database.ask("SELECT name FROM item WHERE id = 1"), "one");
}

/// The rights of the account decide how, and never whether what is there is lost.
#[test]
fn accounts_of_few_rights() {
    let server = OwnMariadb::start(&[]);
    let database = Mariadb::on(&server, "rights");
    let folder = project(&database, "ALTER TABLE item ADD weight int;\nSELECT nothing FROM nowhere;");
    let name = database.name();
    database.administer(&format!(
        "{MOST} CREATE USER own; GRANT ALL ON {name}.* TO own; CREATE USER reader; GRANT SELECT, SHOW VIEW ON {name}.* TO reader;"
    ));
    let before = database.everything();
    // Without RELOAD the backup's snapshot is had in another way, and the way back is there.
    let ended = folder.dbm(&database.url_as("most"), RUN).run().expect(3);
    assert!(ended.stderr.contains("put back"), "{}", ended.stderr);
    assert_eq!(database.everything(), before);
    // Without leave to keep others out there is no fence.
    let fenced = folder.dbm(&database.url_as("most"), &["migrate", "--safe", "--fence"]).run();
    assert!(fenced.code == 1, "{}", fenced.stderr);
    told(&fenced, &["SUPER"]);
    assert_eq!(database.everything(), before);
    for account in ["own", "reader"] {
        // Who could not put the database back does not begin to change it.
        let ended = folder.dbm(&database.url_as(account), RUN).run().expect(1);
        told(&ended, &[]);
        assert_eq!(database.everything(), before, "{account}");
    }
    folder.dbm(&database.url(), &["status"]).run().expect(0);
}

const MOST: &str = "CREATE USER most; GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, TRIGGER,
    CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, EXECUTE, EVENT, LOCK TABLES, PROCESS ON *.* TO most;";

/// Whom the account may not end could be in the way back's way.
#[test]
fn others_whom_the_account_may_not_end() {
    let server = OwnMariadb::start(&[]);
    let database = Mariadb::on(&server, "stay");
    let folder = project(&database, "ALTER TABLE item ADD weight int;\nSELECT nothing FROM nowhere;");
    database.administer(MOST);
    let before = database.everything();
    let other = Client::new(&database, "SELECT SLEEP(600);");
    let ended = folder.dbm(&database.url_as("most"), RUN).run().expect(1);
    let right = if tests::is_mysql() { "CONNECTION_ADMIN" } else { "CONNECTION ADMIN" };
    told(&ended, &["may not end the sessions of others", "`root`", right, "nothing was run"]);
    assert_eq!(database.everything(), before);
    let sleeps = "SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%' AND id <> connection_id()";
    database.administer(&format!("KILL {}", database.ask(sleeps)));
    drop(other);
    folder.dbm(&database.url_as("most"), RUN).run().expect(3);
    assert_eq!(database.everything(), before);
}

/// Where nobody can be kept out while triggers are made again, who has written then may have passed them.
#[test]
fn an_exchange_without_a_fence_says_so() {
    let server = OwnMariadb::start(&[]);
    let database = Mariadb::on(&server, "open");
    let folder = project(&database, "SELECT 1;");
    database.run("CREATE TRIGGER kept AFTER INSERT ON item FOR EACH ROW SET @last = NEW.id");
    let rights = match tests::is_mysql() {
        true => "CONNECTION_ADMIN, SET_ANY_DEFINER, SYSTEM_USER",
        false => "CONNECTION ADMIN, SET USER",
    };
    // Beside a binary log a trigger of an account without SUPER is refused.
    let trust = "SET GLOBAL log_bin_trust_function_creators = 1;";
    database.administer(&format!("{MOST} GRANT {rights} ON *.* TO most; {trust}"));
    let most = database.url_as("most");
    folder.dbm(&most, &["backup"]).run().expect(0);
    let restore = |words: Option<&str>| {
        let ended = folder.dbm(&most, &["restore", "latest", "--disconnect", "--yes"]).run().expect(0);
        assert_eq!(ended.stdout.contains("unguarded"), words.is_some(), "{}", ended.stdout);
        let said = |words| ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ").contains(words);
        assert!(words.is_none_or(said), "{}", ended.stdout);
    };
    // Who is inside is not all who can write: not even with nobody there is that known.
    restore(Some("made again: cannot "));
    let more = if tests::is_mysql() { "CREATE USER, SYSTEM_VARIABLES_ADMIN" } else { "CREATE USER, SUPER" };
    database.administer(&format!("GRANT {more} ON *.* TO most; GRANT SELECT ON mysql.* TO most;"));
    restore(None);
    let elsewhere = Client::within(&database, "mysql", "SELECT SLEEP(600);");
    restore(Some("root from"));
    drop(elsewhere);
}

/// What the account of a scratch database may not do on a server with a binary log is no fault of the migration.
#[test]
fn a_trigger_in_a_scratch_run_beside_a_binary_log() {
    let server = OwnMariadb::start(&["--log-bin"]);
    let database = Mariadb::on(&server, "logged");
    let folder = Folder::new(&database.url());
    let text =
        "CREATE TABLE item (a int);\nCREATE TRIGGER g BEFORE INSERT ON item FOR EACH ROW SET NEW.a = 1;";
    folder.migration("001_item", text, "DROP TABLE item;");
    for command in [&["check", "--rollbacks"][..], &["drift"]] {
        if command == ["drift"] {
            folder.dbm(&database.url(), RUN).run().expect(0);
        }
        database.administer("SET GLOBAL log_bin_trust_function_creators = 0");
        let ended = folder.dbm(&database.url(), command).run().expect(1);
        told(&ended, &["001_item", "error 1419", "log_bin_trust_function_creators", "--scratch-url"]);
        assert!(!ended.stderr.contains("do not run in a new database"), "{}", ended.stderr);
        database.administer("SET GLOBAL log_bin_trust_function_creators = 1");
        folder.dbm(&database.url(), command).run().expect(0);
    }
}

/// What is there and could not be made again is no start for a run that may have to.
#[test]
fn what_the_server_would_not_take_again_is_told_before_a_run() {
    let server = OwnMariadb::start(&["--log-bin"]);
    let database = Mariadb::on(&server, "again");
    let folder = project(&database, "ALTER TABLE item ADD weight int;\nSELECT nothing FROM nowhere;");
    database.administer("SET GLOBAL log_bin_trust_function_creators = 1");
    database.run("CREATE FUNCTION any_number() RETURNS int RETURN RAND() * 10");
    let before = database.everything();
    database.administer("SET GLOBAL log_bin_trust_function_creators = 0");
    let ended = folder.dbm(&database.url(), RUN).run().expect(1);
    told(&ended, &["any_number", "log_bin_trust_function_creators", "nothing was run"]);
    assert_eq!(database.everything(), before);
    database.administer("SET GLOBAL log_bin_trust_function_creators = 1");
    folder.dbm(&database.url(), RUN).run().expect(3);
    assert_eq!(database.everything(), before);
    // As an account that could not make what others have made.
    let name = database.name();
    database.run("DROP FUNCTION any_number; CREATE VIEW of_root AS SELECT id FROM item");
    database
        .administer(&format!("CREATE USER app; GRANT ALL ON `{name}%`.* TO app; GRANT ALL ON dbm.* TO app;"));
    let before = database.everything();
    let ended = folder.dbm(&database.url_as("app"), RUN).run().expect(1);
    let right = if tests::is_mysql() { "SET_ANY_DEFINER" } else { "SET USER" };
    told(&ended, &["in the name of others", right, "nothing was run"]);
    assert_eq!(database.everything(), before);
}

/// A restore makes what the archive has, whatever it replaces.
#[test]
fn what_the_server_would_not_take_of_an_archive_is_told_before_a_restore() {
    let server = OwnMariadb::start(&["--log-bin"]);
    let database = Mariadb::on(&server, "taken");
    let folder = project(&database, "ALTER TABLE item ADD weight int;");
    database.administer("SET GLOBAL log_bin_trust_function_creators = 0");
    database.run("CREATE FUNCTION one() RETURNS int DETERMINISTIC RETURN 1");
    let before = database.everything();
    folder.dbm(&database.url(), &["backup"]).run().expect(0);
    let make = || {
        database.administer("SET GLOBAL log_bin_trust_function_creators = 1");
        database.run("CREATE FUNCTION any_number() RETURNS int RETURN RAND() * 10");
        database.administer("SET GLOBAL log_bin_trust_function_creators = 0");
    };
    make();
    let restore = &["restore", "latest", "--disconnect", "--yes"];
    folder.dbm(&database.url(), restore).run().expect(0);
    assert_eq!(database.everything(), before);
    // The other way round the target has nothing of the kind, or is not there.
    make();
    folder.dbm(&database.url(), &["backup"]).run().expect(0);
    database.run("DROP FUNCTION any_number");
    for into in [&["--disconnect", "--yes"][..], &["--into", "elsewhere"]] {
        let ended = folder.dbm(&database.url(), &[&["restore", "latest"], into].concat()).run().expect(1);
        told(&ended, &["any_number", "log_bin_trust_function_creators"]);
        assert_eq!(database.everything(), before);
    }
}

/// Where nobody may set the time, events that end some day are restored all the same.
#[test]
fn a_server_that_keeps_its_time() {
    let server = OwnMariadb::start(&["--loose-secure-timestamp=YES"]);
    let database = Mariadb::on(&server, "time");
    let folder = project(&database, "ALTER TABLE item ADD weight int;\nSELECT nothing FROM nowhere;");
    database.run("CREATE EVENT some_day ON SCHEDULE AT '2035-01-01 00:00:00' DO SELECT 1");
    let before = database.everything();
    folder.dbm(&database.url(), RUN).run().expect(3);
    assert_eq!(database.everything(), before);
}

/// What would stop a run is told before it: what is hidden in its files, and what the database has that nobody can carry.
#[test]
fn what_would_stop_a_run() {
    let database = Mariadb::new("stops");
    let text = "DELIMITER //\nBEGIN NOT ATOMIC\n  IF 1 THEN CREATE ROLE of_nobody; END IF;\nEND//";
    let folder = project(&database, text);
    let before = database.everything();
    let ended = folder.dbm(&database.url(), RUN).run().expect(2);
    told(&ended, &["line 2", "CREATE ROLE", "--allow-server-wide"]);
    assert_eq!(database.everything(), before);
    folder.dbm(&database.url(), &["doctor"]).run().expect(0);

    database.run("CREATE VIEW shown AS SELECT name FROM item; ALTER TABLE item RENAME COLUMN name TO label");
    let doctor = folder.dbm(&database.url(), &["doctor"]).run().expect(1);
    assert!(doctor.stdout.contains("FAILS  objects") && doctor.stdout.contains("shown"), "{}", doctor.stdout);
    let dump = folder.dbm(&database.url(), &["schema", "dump"]).run().expect(0);
    assert!(dump.stdout.contains("`label`") && !dump.stdout.contains("shown"), "{}", dump.stdout);
    assert!(
        dump.stderr.contains("no part of the schema: ") && dump.stderr.contains("shown"),
        "{}",
        dump.stderr
    );
}

#[test]
fn a_server_that_takes_nothing() {
    let server = OwnMariadb::start(&["--max-allowed-packet=1M"]);
    let database = Mariadb::on(&server, "shut");
    let folder = project(&database, "ALTER TABLE item ADD weight int;");
    let name = database.name();
    database
        .administer(&format!("CREATE USER app; GRANT ALL ON `{name}%`.* TO app; GRANT ALL ON dbm.* TO app;"));
    let app = database.url_as("app");
    let before = database.everything();
    database.administer("SET GLOBAL read_only = 1");
    told(&folder.dbm(&app, RUN).run().expect(1), &["cannot be written"]);
    database.administer("SET GLOBAL read_only = 0");
    assert_eq!(database.everything(), before);

    // A row that no INSERT could bring back is no backup, and without one nothing is run.
    database.run("UPDATE item SET body = REPEAT('x', 700000) WHERE id = 1");
    let before = database.everything();
    told(&folder.dbm(&database.url(), RUN).run().expect(1), &["item with id = 1", "max_allowed_packet"]);
    assert_eq!(database.everything(), before);
    // Nor is an archive begun to be restored whose rows the server would not take.
    database.administer("SET GLOBAL max_allowed_packet = 16777216");
    folder.dbm(&database.url(), &["backup"]).run().expect(0);
    database.administer("SET GLOBAL max_allowed_packet = 1048576");
    let kin = database.kin();
    let restore = &["restore", "latest", "--disconnect", "--yes"];
    told(&folder.dbm(&database.url(), restore).run().expect(1), &["item", "max_allowed_packet"]);
    assert_eq!((database.everything(), database.kin()), (before, kin));
    database.run("UPDATE item SET body = NULL");
    // A statement that is larger than the server takes is a failure like any other.
    let before = database.everything();
    let large = format!("CREATE TABLE other (a int);\nUPDATE item SET body = '{}';", "x".repeat(1_100_000));
    folder.migration("001_item", &large, "SELECT 1;");
    let ended = folder.dbm(&database.url(), RUN).run().expect(3);
    assert!(ended.stderr.contains("max_allowed_packet"), "{}", &ended.stderr[..ended.stderr.len().min(2000)]);
    assert_eq!(database.everything(), before);
}
