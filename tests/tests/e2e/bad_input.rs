//! What a tired person does. Each ends in a clear message that says what to type next, and loses nothing.

use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{Dbm, Ended, Folder, Judge, Mariadb, Postgres, Sqlite, tool};

const TABLE: &str = "CREATE TABLE item (id INTEGER PRIMARY KEY, name VARCHAR(50));";

/// A call that must fail with `code`, say `words`, and say what to do; it must not panic.
#[track_caller]
fn refused(dbm: Dbm, code: i32, words: &[&str]) -> Ended {
    let ended = dbm.run().expect(code);
    for word in words {
        assert!(ended.stderr.contains(word), "`{word}` is not in:\n{}", ended.stderr);
    }
    assert!(ended.stderr.contains("hint:"), "no hint in:\n{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    ended
}

fn sqlite_project() -> (Folder, Sqlite) {
    let folder = Folder::new("sqlite://unset.db");
    let database = Sqlite::new(folder.path().join("app.db"), TABLE);
    (folder, database)
}

/// The one archive in the project's store.
fn archive(folder: &Folder) -> PathBuf {
    let mut all: Vec<PathBuf> = fs::read_dir(folder.path().join("backups"))
        .expect("the store")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "zst"))
        .collect();
    all.sort();
    all.pop().expect("an archive")
}

fn name_of(archive: &Path) -> String {
    archive.file_name().expect("a name").to_string_lossy().into_owned()
}

#[test]
fn no_url() {
    let folder = tempfile::tempdir().expect("a folder");
    let ended = refused(Dbm::new(folder.path()).args(["migrate", "--safe"]), 2, &["DATABASE_URL", "--url"]);
    assert!(ended.stdout.is_empty());
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 0, "nothing was made");
}

#[test]
fn a_missing_sqlite_file_is_not_made() {
    let folder = Folder::new("sqlite://nowhere.db");
    refused(folder.dbm("sqlite://nowhere.db", &["migrate"]), 1, &["nowhere.db", "mode=rwc"]);
    assert!(!folder.path().join("nowhere.db").exists());
}

#[test]
fn unknown_engine() {
    let folder = Folder::new("sqlite://x.db");
    refused(folder.dbm("oracle://host/db", &["status"]), 2, &["oracle", "postgres"]);
}

#[test]
fn server_down() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let folder = Folder::new("sqlite://x.db");
    let url = format!("postgres://me:s3cr%2Ft@127.0.0.1:{port}/shop");
    let ended = refused(folder.dbm(&url, &["backup"]), 1, &["127.0.0.1", &port.to_string()]);
    assert!(!ended.stderr.contains("s3cr"), "{}", ended.stderr);
}

#[test]
fn missing_database() {
    let database = Postgres::new("there");
    let folder = Folder::new("sqlite://x.db");
    refused(folder.dbm(&database.url_of("not_there_at_all"), &["migrate"]), 1, &["not_there_at_all"]);
}

#[test]
fn wrong_password() {
    let database = Postgres::new("locked");
    let role = format!("clerk_{}", std::process::id());
    database.run(&format!(
        "DO $$ BEGIN CREATE ROLE dbm_with_password; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
         CREATE ROLE {role} LOGIN PASSWORD 'right@horse/1' IN ROLE dbm_with_password;"
    ));
    let at = database.url().replace("postgres@", &format!("{role}:wrong%40horse@"));
    let folder = Folder::new("sqlite://x.db");
    let ended = refused(folder.dbm(&at, &["status"]), 1, &["password", &role]);
    assert!(
        !ended.stderr.contains("wrong%40horse") && !ended.stderr.contains("wrong@horse"),
        "{}",
        ended.stderr
    );
    // And the right one, not encoded.
    let at = database.url().replace("postgres@", &format!("{role}:right@horse/1@"));
    folder.dbm(&at, &["status"]).run().expect(0);
    database.run(&format!("DROP ROLE {role}"));
}

#[test]
fn folders_missing_or_unreadable() {
    let (folder, database) = sqlite_project();
    fs::remove_dir(folder.path().join("migrations")).expect("removed");
    refused(folder.dbm(&database.url(), &["migrate"]), 1, &["migrations"]);
    fs::create_dir(folder.path().join("migrations")).expect("made");
    fs::remove_dir(folder.path().join("rollback")).expect("removed");
    fs::write(folder.path().join("migrations/001_a.sql"), "SELECT 1;").expect("written");
    refused(folder.dbm(&database.url(), &["migrate"]), 1, &["rollback"]);
    fs::remove_dir_all(folder.path().join("backups")).expect("removed");
    fs::write(folder.path().join("backups"), "a file").expect("written");
    refused(folder.dbm(&database.url(), &["backup"]), 1, &["backups"]);
    assert_eq!(database.ask("SELECT count(*) FROM item"), "0");
}

#[test]
fn numbers_and_rollbacks() {
    let (folder, database) = sqlite_project();
    let url = database.url();
    folder.migration("001_a", "CREATE TABLE a (x INTEGER);", "DROP TABLE a;");
    folder.migration("003_c", "CREATE TABLE c (x INTEGER);", "DROP TABLE c;");
    refused(folder.dbm(&url, &["migrate"]), 1, &["002"]);
    folder.migration("002_b", "CREATE TABLE b (x INTEGER);", "DROP TABLE b;");
    folder.migration("002_d", "CREATE TABLE d (x INTEGER);", "DROP TABLE d;");
    refused(folder.dbm(&url, &["migrate"]), 1, &["002_b", "002_d"]);
    fs::remove_file(folder.path().join("migrations/002_d.sql")).expect("removed");
    fs::remove_file(folder.path().join("rollback/002_d.sql")).expect("removed");
    fs::remove_file(folder.path().join("rollback/003_c.sql")).expect("removed");
    refused(folder.dbm(&url, &["migrate"]), 1, &["003_c"]);
    assert_eq!(database.ask("SELECT count(*) FROM sqlite_schema WHERE name IN ('a', 'b', 'c')"), "0");
    folder.dbm(&url, &["check"]).run().expect(5);
}

#[test]
fn changed_and_gone() {
    let (folder, database) = sqlite_project();
    let url = database.url();
    folder.migration("001_a", "CREATE TABLE a (x INTEGER);", "DROP TABLE a;");
    folder.migration("002_b", "CREATE TABLE b (x INTEGER);", "DROP TABLE b;");
    folder.dbm(&url, &["migrate"]).run().expect(0);
    fs::write(folder.path().join("migrations/001_a.sql"), "CREATE TABLE a (x TEXT);").expect("written");
    refused(folder.dbm(&url, &["migrate"]), 1, &["001_a"]);
    folder.dbm(&url, &["check"]).run().expect(5);
    // Other line ends and a byte-order mark are no change.
    fs::write(folder.path().join("migrations/001_a.sql"), "\u{feff}CREATE TABLE a (x INTEGER);  \r\n")
        .expect("written");
    folder.dbm(&url, &["check"]).run().expect(0);
    fs::remove_file(folder.path().join("migrations/002_b.sql")).expect("removed");
    fs::remove_file(folder.path().join("rollback/002_b.sql")).expect("removed");
    refused(folder.dbm(&url, &["migrate"]), 1, &["002"]);
    folder.dbm(&url, &["check"]).run().expect(5);
}

fn fails_and_nothing_changed(database: &impl Judge) {
    let url = database.address();
    let folder = Folder::new(&url);
    database.run(TABLE);
    let before = database.everything();
    let mut nine = String::new();
    for number in 1..=9 {
        if number == 7 {
            nine.push_str("INSERT INTO item (id, nam) VALUES (7, 'seven');\n");
        } else {
            nine.push_str(&format!("INSERT INTO item (id, name) VALUES ({number}, ';--');\n"));
        }
    }
    folder.migration("001_nine", &nine, "DELETE FROM item;");
    let ended = folder.dbm(&url, &["migrate", "--safe"]).run().expect(1);
    for word in ["001_nine.sql", "7", "nam"] {
        assert!(ended.stderr.contains(word), "`{word}` is not in:\n{}", ended.stderr);
    }
    assert_eq!(database.everything(), before);

    folder.migration(
        "001_nine",
        "INSERT INTO item VALUES (1, 'x');\n-- dbm: verify\nSELECT count(*) = 2 FROM item;\n",
        "SELECT 1;",
    );
    let ended = folder.dbm(&url, &["migrate", "--safe"]).run().expect(1);
    assert!(ended.stderr.contains("001_nine.sql"), "{}", ended.stderr);
    assert_eq!(database.everything(), before);
}

#[test]
fn syntax_error_and_failing_check_sqlite() {
    let (_folder, database) = sqlite_project();
    database.run("DROP TABLE item;");
    fails_and_nothing_changed(&database);
}

#[test]
fn syntax_error_and_failing_check_postgres() {
    fails_and_nothing_changed(&Postgres::new("failing"));
}

/// A file system of 4 MiB, unmounted when dropped.
struct Small(tempfile::TempDir);

impl Small {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_str().expect("UTF-8").to_owned();
        let arguments = ["-t", "tmpfs", "-o", "size=4m", "tmpfs", &path];
        let mounted = Command::new("mount").args(arguments).status().is_ok_and(|status| status.success())
            || Command::new("sudo")
                .arg("mount")
                .args(arguments)
                .status()
                .is_ok_and(|status| status.success());
        assert!(mounted, "a small tmpfs cannot be mounted: run the tests as root, or where sudo works");
        Self(folder)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let path = self.0.path().to_str().expect("UTF-8").to_owned();
        if !Command::new("umount").arg(&path).status().is_ok_and(|status| status.success()) {
            let _ = Command::new("sudo").arg("umount").arg(&path).status();
        }
    }
}

fn full_disk(database: &impl Judge) {
    let url = database.address();
    let small = Small::new();
    let folder = Folder::new(&url);
    let store = small.0.path().to_str().expect("UTF-8").to_owned();
    let ended = refused(folder.dbm(&url, &["backup", "--store", &store]), 1, &["space"]);
    assert!(ended.stderr.contains(&store), "it names the folder:\n{}", ended.stderr);
    assert_eq!(
        fs::read_dir(small.0.path())
            .expect("the store")
            .filter(|entry| {
                entry
                    .as_ref()
                    .expect("an entry")
                    .path()
                    .extension()
                    .is_some_and(|ending| ending == "zst" || ending == "json")
            })
            .count(),
        0
    );
    // A run that cannot back up does not begin.
    folder.migration("001_a", "CREATE TABLE a (x INTEGER);", "DROP TABLE a;");
    let before = database.everything();
    folder.dbm(&url, &["migrate", "--accept-lost-writes", "--store", &store]).run().expect(1);
    assert_eq!(database.everything(), before);
    folder.dbm(&url, &["migrate", "--accept-lost-writes"]).run().expect(0);
}

#[test]
fn full_disk_sqlite() {
    let (_folder, database) = sqlite_project();
    database.run(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)
                  INSERT INTO item SELECT i, hex(randomblob(500)) FROM n;",
    );
    full_disk(&database);
}

#[test]
fn full_disk_postgres() {
    let database = Postgres::new("full");
    database.run("CREATE TABLE item (id INTEGER, name TEXT);
                  INSERT INTO item SELECT i, (SELECT string_agg(md5(random()::text || i || j), '') FROM generate_series(1, 30) j)
                  FROM generate_series(1, 12000) i;");
    full_disk(&database);
}

#[test]
fn full_disk_mariadb() {
    let database = Mariadb::new("full");
    database.run(
        "CREATE TABLE item (id INTEGER, name TEXT);
         INSERT INTO item WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 110)
         SELECT a.i * 1000 + b.i, HEX(RANDOM_BYTES(500)) FROM n a, n b;",
    );
    full_disk(&database);
}

fn damage(database: &impl Judge) {
    let url = database.address();
    let folder = Folder::new(&url);
    folder.dbm(&url, &["backup"]).run().expect(0);
    let file = archive(&folder);
    let name = name_of(&file);
    let good = fs::read(&file).expect("the archive");
    let before = database.everything();
    folder.dbm(&url, &["verify", &name]).run().expect(0);

    // Every byte is tried by the archive's own tests; here some, through the whole command.
    for place in (0..good.len()).step_by(good.len() / 12 + 1).chain([good.len() - 1]) {
        let mut bad = good.clone();
        bad[place] ^= 0x20;
        fs::write(&file, &bad).expect("written");
        refused(folder.dbm(&url, &["verify", &name]), 1, &[&name]);
        refused(folder.dbm(&url, &["restore", &name, "--disconnect", "--yes"]), 1, &[&name]);
        assert_eq!(database.everything(), before, "byte {place}");
    }
    for length in [0, 1, good.len() / 3, good.len() / 2, good.len() - 1] {
        fs::write(&file, &good[..length]).expect("written");
        refused(folder.dbm(&url, &["verify", &name]), 1, &[&name]);
        refused(folder.dbm(&url, &["restore", &name, "--disconnect", "--yes"]), 1, &[&name]);
        assert_eq!(database.everything(), before, "cut to {length}");
    }
    fs::write(&file, &good).expect("written");
    folder.dbm(&url, &["restore", &name, "--disconnect", "--yes"]).run().expect(0);
    assert_eq!(database.everything(), before);
}

#[test]
fn damage_sqlite() {
    let (_folder, database) = sqlite_project();
    database.run("INSERT INTO item VALUES (1, 'one');");
    damage(&database);
}

#[test]
fn damage_mariadb() {
    let database = Mariadb::new("damage");
    database.run(&format!("{TABLE} INSERT INTO item VALUES (1, 'one');"));
    damage(&database);
}

#[test]
fn damage_postgres() {
    let database = Postgres::new("damage");
    database.run(&format!("{TABLE} INSERT INTO item VALUES (1, 'one');"));
    damage(&database);
}

#[test]
fn another_engine() {
    let (folder, lite) = sqlite_project();
    folder.dbm(&lite.url(), &["backup"]).run().expect(0);
    let name = name_of(&archive(&folder));
    let database = Postgres::new("other");
    refused(folder.dbm(&database.url(), &["restore", &name]), 1, &["sqlite", "postgres"]);
}

/// `DBM_TEST_POSTGRES_NEWEST_URL` is a server of the newest version that dbm knows.
#[test]
fn a_newer_server() {
    let newest = std::env::var("DBM_TEST_POSTGRES_NEWEST_URL")
        .expect("DBM_TEST_POSTGRES_NEWEST_URL is not set: run the tests through scripts/test");
    let older = Postgres::new("older");
    older.run("CREATE TABLE kept (id INTEGER)");
    tool("psql", &["-qX", &newest, "-c", &format!("CREATE DATABASE {}", older.name())], "");
    let newer = format!("{}/{}", newest.rsplit_once('/').expect("a URL with a database").0, older.name());
    tool("psql", &["-qX", &newer, "-c", TABLE], "");
    let folder = Folder::new(&older.url());
    folder.dbm(&newer, &["backup"]).run().expect(0);
    let name = name_of(&archive(&folder));
    let before = older.everything();
    for arguments in [&["restore", &name, "--yes"][..], &["restore", &name, "--into", "copy_of_newer"]] {
        refused(
            folder.dbm(&older.url(), arguments),
            1,
            &["of PostgreSQL 18", "newer than the server's", "of version 18 or newer"],
        );
    }
    assert_eq!((older.everything(), older.kin()), (before, Vec::new()));
    tool("psql", &["-qX", &newest, "-c", &format!("DROP DATABASE {}", older.name())], "");
}

#[test]
fn a_newer_format() {
    let (folder, database) = sqlite_project();
    folder.dbm(&database.url(), &["backup"]).run().expect(0);
    let path = archive(&folder);
    let bytes = fs::read(&path).expect("the archive");
    // The version stands behind the head's magic.
    let magic = b"dbm head";
    let place =
        bytes.windows(magic.len()).position(|window| window == magic).expect("the head") + magic.len();
    let file = fs::OpenOptions::new().write(true).open(&path).expect("opened");
    file.write_all_at(&[9], place as u64).expect("written");
    refused(folder.dbm(&database.url(), &["verify", &name_of(&path)]), 1, &["newer"]);
}

#[test]
fn open_connections() {
    let database = Postgres::new("inuse");
    database.run(TABLE);
    let url = database.url();
    let folder = Folder::new(&url);
    folder.dbm(&url, &["backup"]).run().expect(0);
    database.run("INSERT INTO item VALUES (1, 'since')");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (client, connection) = runtime
        .block_on(tokio_postgres::connect(&format!("{url}?application_name=till_4"), tokio_postgres::NoTls))
        .expect("connected");
    runtime.spawn(connection);
    refused(folder.dbm(&url, &["restore", "latest", "--yes"]), 1, &["till_4", "--disconnect"]);
    assert_eq!(database.ask("SELECT count(*) FROM item"), "1");
    folder.dbm(&url, &["restore", "latest", "--yes", "--disconnect"]).run().expect(0);
    assert_eq!(database.ask("SELECT count(*) FROM item"), "0");
    drop(client);
    let replaced = folder.dbm(&url, &["replaced", "--json"]).run().expect(0);
    let name = database.kin().pop().expect("the replaced database");
    assert!(replaced.stdout.contains(&name), "{}", replaced.stdout);
    folder.dbm(&url, &["replaced", "--let-go", &name, "--yes"]).run().expect(0);
    assert!(database.kin().is_empty());
}

fn two_at_once(database: &impl Judge, slow: &str) {
    let url = database.address();
    let folder = Folder::new(&url);
    folder.migration("001_slow", slow, "DROP TABLE slow;");
    let runs: Vec<_> = (0..4).map(|_| folder.dbm(&url, &["migrate"]).spawn()).collect();
    let mut codes: Vec<i32> = runs.into_iter().map(|run| Ended::of(run).code).collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 75, 75, 75]);
    assert_eq!(database.ask("SELECT count(*) FROM dbm_history WHERE number > 0"), "1");
}

#[test]
fn two_at_once_postgres() {
    two_at_once(&Postgres::new("twice"), "CREATE TABLE slow (x INTEGER); SELECT pg_sleep(4);");
}

#[test]
fn two_at_once_sqlite() {
    let (_folder, database) = sqlite_project();
    two_at_once(
        &database,
        "CREATE TABLE slow (x INTEGER);
         INSERT INTO slow WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000000)
         SELECT count(*) FROM n;",
    );
}

#[test]
fn a_read_only_account() {
    let database = Postgres::new("readonly");
    let role = format!("reader_{}", std::process::id());
    database.run(&format!("{TABLE} CREATE ROLE {role} LOGIN; GRANT SELECT ON item TO {role};"));
    let at = database.url().replace("postgres@", &format!("{role}@"));
    let folder = Folder::new(&at);
    folder.migration("001_a", "CREATE TABLE a (x INTEGER);", "DROP TABLE a;");
    let before = database.everything();
    folder.dbm(&at, &["backup"]).run().expect(0);
    refused(folder.dbm(&at, &["migrate"]), 1, &["may not keep the history", "GRANT CREATE ON DATABASE"]);
    assert_eq!(database.everything(), before);
    tool("psql", &["-qX", &database.url(), "-c", &format!("DROP OWNED BY {role}; DROP ROLE {role}")], "");
}

#[test]
fn a_log_that_cannot_be_written() {
    let (folder, database) = sqlite_project();
    folder.migration("001_a", "CREATE TABLE a (x INTEGER);", "DROP TABLE a;");
    fs::write(folder.path().join("logs"), "no folder").expect("written");
    refused(folder.dbm(&database.url(), &["migrate"]), 1, &["logs"]);
    assert_eq!(database.ask("SELECT count(*) FROM sqlite_schema WHERE name = 'a'"), "0");
}

#[test]
fn archives_and_logs_are_private() {
    let (folder, database) = sqlite_project();
    folder.dbm(&database.url(), &["backup"]).run().expect(0);
    for file in [archive(&folder), folder.path().join("logs/migration.log")] {
        let mode = fs::metadata(&file).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
}

/// A journal that cannot be read may be of a run that is open: nothing is begun, a backup is made and is no good one.
#[test]
fn a_journal_of_a_newer_dbm_needs_that_dbm() {
    let folder = Folder::new("sqlite://unset.db");
    let database = Sqlite::new(folder.path().join("app.db"), "CREATE TABLE item (id INTEGER);");
    folder.migration("001_a", "CREATE TABLE a (x INTEGER);", "DROP TABLE a;");
    folder.dbm(&database.url(), &["migrate", "--safe"]).run().expect(0);
    let journal = folder.path().join("app.db-dbm");
    let text = std::fs::read_to_string(&journal).expect("the journal");
    std::fs::write(&journal, text.replace("\"step\":\"end\"", "\"step\":\"end-in-style\"")).expect("written");
    for arguments in [&["migrate", "--safe"][..], &["recover", "--yes"], &["restore", "latest", "--yes"]] {
        let ended = folder.dbm(&database.url(), arguments).run().expect(4);
        let version = concat!("the dbm that began it (", env!("CARGO_PKG_VERSION"), ")");
        assert!(ended.stderr.contains(version), "{}", ended.stderr);
    }
    let backed_up = folder.dbm(&database.url(), &["backup"]).run().expect(0);
    assert!(backed_up.stdout.contains("_unfinished."), "{}\n{}", backed_up.stdout, backed_up.stderr);
}
