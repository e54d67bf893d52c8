//! A server that is in the way: settings of the role, too few locks, a full disk, a proof that must fail.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tests::{Folder, Judge as _, OwnServer, Postgres, server_user, tool, try_tool};

/// Timeouts that a role, a database or the server may have set do not end what takes longer.
#[test]
fn timeouts_of_the_role() {
    let database = Postgres::new("timeouts");
    let role = format!("hasty_{}", database.name());
    let name = database.name();
    database.run(&format!(
        "CREATE ROLE {role} LOGIN CREATEDB; ALTER DATABASE {name} OWNER TO {role};
         DO $$ DECLARE name text; BEGIN
           FOR name IN SELECT s.name FROM pg_settings s WHERE s.name IN ('statement_timeout', 'lock_timeout',
             'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout')
           LOOP EXECUTE format('ALTER ROLE {role} SET %I = %L', name, '150ms'); END LOOP; END $$;
         SET ROLE {role}; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET idle_session_timeout = 0;
         CREATE TABLE item (id integer PRIMARY KEY, body text);
         INSERT INTO item SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 20000) i;
         CREATE INDEX item_body ON item (md5(body || body));"
    ));
    let url = database.url().replace("//postgres@", &format!("//{role}@"));
    let hasty = try_tool("psql", &["-X", &url, "-c", "SELECT pg_sleep(2)"], "");
    assert!(hasty.2.contains("timeout"), "the settings hold for everybody else: {}", hasty.2);
    let rows = "SELECT count(*), sum(id) FROM item";
    let before = database.ask(rows);
    let folder = Folder::new(&url);
    folder.dbm(&url, &["backup"]).run().expect(0);
    folder.dbm(&url, &["verify", "latest", "--deep"]).run().expect(0);
    database.run("DELETE FROM item WHERE id > 5");
    folder.dbm(&url, &["restore", "latest", "--yes"]).run().expect(0);
    assert_eq!(database.ask(rows), before);
    folder.migration(
        "001_slow",
        "SELECT pg_sleep(0.4); CREATE TABLE added (a integer);",
        "DROP TABLE added;",
    );
    folder.migration("002_wrong", "-- dbm: no-transaction\nDELETE FROM item;\nSELECT 1 / 0;", "SELECT 1;");
    folder.dbm(&url, &["migrate", "--safe", "--accept-lost-writes"]).run().expect(3);
    assert_eq!(database.ask(rows), before);
    for name in database.kin() {
        tool(
            "psql",
            &["-qX", &database.url_of("postgres"), "-c", &format!("DROP DATABASE \"{name}\" WITH (FORCE)")],
            "",
        );
    }
    database
        .run(&format!("ALTER DATABASE {name} OWNER TO postgres; DROP OWNED BY {role}; DROP ROLE {role};"));
}

/// More tables than the server can lock at once are named before anything is written; a restore that runs out of locks
/// leaves nothing.
#[test]
fn too_few_locks() {
    let server = OwnServer::start(&["max_locks_per_transaction=10", "max_connections=10"]);
    let url = server.url("crowded");
    tool("psql", &["-qX", &server.url("postgres"), "-c", "CREATE DATABASE crowded"], "");
    let folder = Folder::new(&url);
    let make = |from: u32, to: u32| -> String {
        (from..to)
            .map(|n| format!("CREATE TABLE t{n} (id serial PRIMARY KEY, a text UNIQUE, b text);\n"))
            .collect()
    };
    let run = |script: &str| tool("psql", &["-qX", "-v", "ON_ERROR_STOP=1", &url], script);
    run(&make(0, 60));
    folder.dbm(&url, &["backup"]).run().expect(0);
    run("INSERT INTO t7 (a) VALUES ('later')");
    let restored = folder.dbm(&url, &["restore", "latest", "--yes"]).run();
    let rows = tool("psql", &["-qXAt", &url, "-c", "SELECT count(*) FROM t7"], "");
    let databases =
        tool("psql", &["-qXAt", &server.url("postgres"), "-c", "SELECT datname FROM pg_database"], "");
    if restored.code == 0 {
        assert_eq!(rows.trim(), "0", "{}", restored.stderr);
    } else {
        assert_eq!((restored.code, rows.trim()), (1, "1"), "{}", restored.stderr);
        assert!(
            restored.stderr.contains("max_locks_per_transaction") && restored.stderr.contains("hint:"),
            "{}",
            restored.stderr
        );
        assert!(!databases.contains("_restoring_"), "{databases}");
    }
    run(&make(60, 400));
    let ended = folder.dbm(&url, &["backup"]).run().expect(1);
    assert!(
        ended.stderr.contains("400 tables") && ended.stderr.contains("max_locks_per_transaction"),
        "{}",
        ended.stderr
    );
    // Some of them are few enough.
    folder.dbm(&url, &["backup", "--table", "t10*"]).run().expect(0);
}

/// A file system of some MiB that the server's user owns, unmounted when dropped.
struct Small(tempfile::TempDir);

impl Small {
    fn new(megabytes: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("its mode");
        let user = server_user().unwrap_or_else(|| rustix::process::geteuid().as_raw());
        let options = format!("size={megabytes}m,uid={user},mode=700");
        let mounted = Self::with_rights("mount", &["-t", "tmpfs", "-o", &options, "tmpfs"], folder.path());
        assert!(mounted, "a small tmpfs cannot be mounted: run the tests as root, or where sudo works");
        Self(folder)
    }

    fn with_rights(program: &str, arguments: &[&str], path: &Path) -> bool {
        let done = |command: &mut Command| {
            command.args(arguments).arg(path).status().is_ok_and(|status| status.success())
        };
        done(&mut Command::new(program)) || done(Command::new("sudo").arg(program))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        Self::with_rights("umount", &[], self.0.path());
    }
}

/// The server's disk is full in the middle of a restore, where it could not be known before.
#[test]
fn a_full_disk_of_the_server() {
    let small = Small::new(30);
    let database = Postgres::new("full_restore");
    let (name, server) = (database.name().to_owned(), database.url_of("postgres"));
    let space = format!("small_{name}");
    let administer = |sql: &str| tool("psql", &["-qX", "-v", "ON_ERROR_STOP=1", &server, "-c", sql], "");
    administer(&format!("CREATE TABLESPACE {space} LOCATION '{}'", small.0.path().display()));
    administer(&format!("ALTER DATABASE {name} SET TABLESPACE {space}"));
    database.run(
        "CREATE TABLE item (id integer PRIMARY KEY, body text);
         INSERT INTO item SELECT i, repeat(md5(i::text), 50) FROM generate_series(1, 6000) i; ALTER TABLE item ALTER body SET STORAGE PLAIN;",
    );
    database.run("CHECKPOINT");
    let url = database.url();
    let folder = Folder::new(&url);
    folder.dbm(&url, &["backup"]).run().expect(0);
    database.run("DELETE FROM item WHERE id = 1");
    let before = database.everything();
    std::fs::write(small.0.path().join("filler"), vec![1; 7 << 20]).expect("the disk takes that much");
    let ended = folder.dbm(&url, &["restore", "latest", "--yes"]).run().expect(1);
    assert!(ended.stderr.contains("space") && ended.stderr.contains("hint:"), "{}", ended.stderr);
    assert_eq!(database.everything(), before);
    assert_eq!(database.kin(), [""; 0]);
    std::fs::remove_file(small.0.path().join("filler")).expect("removed");
    database.run("INSERT INTO item VALUES (1, 'there is room')");
    administer(&format!("DROP DATABASE {name} WITH (FORCE)"));
    administer(&format!("DROP TABLESPACE {space}"));
}

/// Somebody changes the restored rows before they are proven: then they are not proven.
#[test]
fn a_restored_copy_that_is_changed_before_its_proof() {
    let changes = [
        "UPDATE noted SET body = 'x' WHERE id = 7",
        "DELETE FROM noted WHERE id = 7",
        "INSERT INTO noted SELECT * FROM noted WHERE id = 7",
        "SELECT setval('counted', 99)",
        "SELECT lo_put(4711, 0, 'y')",
    ];
    // An index that takes its time stands between the rows and the proof.
    let database = Postgres::new("sabotage");
    database.run(
        "CREATE TABLE noted (id integer, body text); INSERT INTO noted SELECT i, 'n' FROM generate_series(1, 100) i;
         CREATE SEQUENCE counted; SELECT lo_from_bytea(4711, 'x');
         CREATE FUNCTION slow(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM pg_catalog.pg_sleep(0.02); RETURN $1; END $$;
         CREATE TABLE waits (id integer); INSERT INTO waits SELECT generate_series(1, 100);
         CREATE INDEX waits_slow ON waits (public.slow(id));",
    );
    let url = database.url();
    let folder = Folder::new(&url);
    folder.dbm(&url, &["backup"]).run().expect(0);
    for change in changes {
        let child = folder.dbm(&url, &["verify", "latest", "--deep"]).spawn();
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            assert!(Instant::now() < until, "no rows to change: {change}");
            let scratch = database.kin().into_iter().find(|name| name.contains("_restoring_"));
            let Some(scratch) = scratch else {
                std::thread::sleep(Duration::from_millis(10));
                continue;
            };
            let guarded = format!(
                "DO $$ BEGIN IF (SELECT count(*) FROM noted) <> 100 OR (SELECT count(*) FROM waits) <> 100
                   OR NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'CREATE INDEX%')
                 THEN RAISE EXCEPTION 'not yet'; END IF; END $$; {change};"
            );
            let scratch = database.url_of(&scratch.replace(' ', "%20"));
            if try_tool("psql", &["-qX", "-v", "ON_ERROR_STOP=1", &scratch], &guarded).0 == 0 {
                break;
            }
        }
        let ended = tests::Ended::of(child).expect(1);
        assert!(ended.stderr.contains("is not what the archive's index says"), "{change}: {}", ended.stderr);
        assert_eq!(database.kin(), [""; 0], "{change}");
        let listed = folder.dbm(&url, &["show", "latest"]).run().expect(0);
        assert!(
            listed.stdout.lines().any(|line| line.starts_with("proven") && line.contains("never")),
            "{}",
            listed.stdout
        );
    }
    folder.dbm(&url, &["verify", "latest", "--deep"]).run().expect(0);
}
