//! The example in `migrations/` and `rollback/`: on nothing, on everything, on half of it; on each engine.

use std::collections::BTreeSet;

use tests::{Dbm, Folder, Judge, LEDGER, Mariadb, OwnMariadb, Postgres, Sqlite, Writer};

const HALF: &str = "
    CREATE TABLE gate_users (id BIGINT PRIMARY KEY, name VARCHAR(150) NOT NULL, phone VARCHAR(30),
        badge_number VARCHAR(50) NOT NULL UNIQUE, created_at TIMESTAMP);
    INSERT INTO gate_users (id, name, badge_number) VALUES (1, 'Asha', 'B-1'), (2, 'Ravi', 'B-2');
    CREATE TABLE purchase_order (id BIGINT PRIMARY KEY, order_number VARCHAR(50) NOT NULL);
    INSERT INTO purchase_order VALUES (7, 'PO-7');
    CREATE TABLE showroom_product (id ${identity}, sku VARCHAR(50) NOT NULL UNIQUE,
        name VARCHAR(200) NOT NULL, price NUMERIC(12, 2) NOT NULL, stock INTEGER DEFAULT 0 NOT NULL);
    INSERT INTO showroom_product (sku, name, price) VALUES ('DESK-OAK', 'a desk of their own', 1);
    CREATE TABLE dispatch_request (id BIGINT PRIMARY KEY, request_number VARCHAR(50) NOT NULL, notes TEXT,
        priority VARCHAR(20) DEFAULT 'high' NOT NULL);
    INSERT INTO dispatch_request VALUES (3, 'DR-3', 'mind the step', 'low');
";

/// A run; where its way back is a restore, nobody else is at work here.
fn run(folder: &Folder, url: &str, arguments: &[&str]) -> Dbm {
    folder.dbm(url, arguments).env("DBM_ACCEPT_LOST_WRITES", "true").env("ADMIN_PASSWORD", "correct horse")
}

fn fresh(database: &impl Judge) {
    let url = database.address();
    let folder = Folder::example(&url);
    let first = run(&folder, &url, &["migrate", "--safe"]).run().expect(0);
    assert!(!first.stderr.contains("correct horse") && !first.stdout.contains("correct horse"));
    assert_eq!(database.ask("SELECT count(*) FROM showroom_product"), "4");
    let hash = database
        .ask(&format!("SELECT password_hash FROM {} WHERE username = 'admin'", database.quoted("user")));
    assert!(hash.starts_with("$argon2id$"), "{hash}");
    let after = database.everything();

    run(&folder, &url, &["migrate", "--safe"]).run().expect(0);
    assert_eq!(database.everything(), after, "a second run changes nothing");
    folder.dbm(&url, &["check"]).run().expect(0);
    folder.dbm(&url, &["status", "--exit-code"]).run().expect(0);
    // Its schema as one file, as it is kept beside these tests and as dbm writes it.
    let engine = url.split_once(':').map_or("", |(engine, _)| engine);
    let kept = tests::checkout().join(format!("tests/tests/e2e/schema/{engine}.sql"));
    let dumped = folder.path().join("schema.sql");
    let [kept, dumped] = [&kept, &dumped].map(|path| path.to_str().expect("a path of letters"));
    folder.dbm(&url, &["schema", "dump", "--output", dumped]).run().expect(0);
    for (schema, from) in [(kept, "database"), (kept, "migrations"), (dumped, "database")] {
        let written =
            run(&folder, &url, &["generate", "none", "--to", schema, "--from", from]).run().expect(0);
        assert!(written.stdout.contains("nothing to write"), "{from}: {}", written.stdout);
    }

    run(&folder, &url, &["rollback", "--all"]).run().expect(0);
    let left = database.everything();
    assert!(!left.contains("employees"), "{left}");
    run(&folder, &url, &["migrate"]).run().expect(0);
    assert_eq!(database.ask("SELECT count(*) FROM showroom_product"), "4");
}

fn existing(database: &impl Judge, prepare: impl Fn(&Folder)) {
    let url = database.address();
    let folder = Folder::example(&url);
    prepare(&folder);
    let before = database.everything();
    run(&folder, &url, &["migrate", "--safe"]).run().expect(0);
    assert_eq!(database.ask("SELECT count(*) FROM showroom_product WHERE sku = 'DESK-OAK'"), "1");
    assert_eq!(database.ask("SELECT count(*) FROM employees"), "0");
    assert_eq!(database.ask("SELECT count(original_requirements) FROM purchase_order"), "0");
    let after = database.everything();
    run(&folder, &url, &["rollback", "--all"]).run().expect(0);
    assert_eq!(database.everything(), before, "rollback --all leaves every row and table that was there");
    run(&folder, &url, &["migrate", "--safe"]).run().expect(0);
    assert_eq!(rows_aside(&database.everything()), rows_aside(&after), "up, down and up again");
}

/// The schema alone: rows that are made again have the hash of a password in them, or the day.
fn rows_aside(everything: &str) -> String {
    let rows = |line: &&str| !line.starts_with("INSERT ") && !line.contains('\t');
    everything.lines().filter(rows).map(|line| format!("{line}\n")).collect()
}

/// All tables are there, made by others; and so is an administrator of theirs.
fn with_everything(database: &impl Judge) {
    existing(database, |folder| {
        let url = database.address();
        run(folder, &url, &["migrate"]).env("ADMIN_PASSWORD", "theirs").run().expect(0);
        database.run(
            "DELETE FROM seeded_row; DROP TABLE dbm_history; DELETE FROM showroom_product WHERE stock > 20;",
        );
    });
}

fn with_half(database: &impl Judge) {
    existing(database, |_| database.run(&HALF.replace("${identity}", database.identity())));
}

fn sqlite(script: &str) -> (tempfile::TempDir, Sqlite) {
    let folder = tempfile::tempdir().expect("a folder");
    let database = Sqlite::new(folder.path().join("erp.db"), script);
    (folder, database)
}

#[test]
fn fresh_sqlite() {
    let (_folder, database) = sqlite("VACUUM;");
    fresh(&database);
}

#[test]
fn everything_sqlite() {
    let (_folder, database) = sqlite("VACUUM;");
    with_everything(&database);
}

#[test]
fn half_sqlite() {
    let (_folder, database) = sqlite("VACUUM;");
    with_half(&database);
}

#[test]
fn fresh_postgres() {
    fresh(&Postgres::new("fresh"));
}

#[test]
fn everything_postgres() {
    with_everything(&Postgres::new("everything"));
}

#[test]
fn half_postgres() {
    with_half(&Postgres::new("half"));
}

#[test]
fn fresh_mariadb() {
    fresh(&Mariadb::new("fresh"));
}

#[test]
fn everything_mariadb() {
    with_everything(&Mariadb::new("everything"));
}

#[test]
fn half_mariadb() {
    with_half(&Mariadb::new("half"));
}

/// Who may not log in, and whether the server's events run: what a fence changes.
fn open_to(database: &Mariadb) -> (Vec<String>, String) {
    (database.locked(), database.administer("SELECT @@event_scheduler").trim().to_owned())
}

/// A fault after every statement of every file, with a writer beside it: the database is exactly what it was before that
/// file, every row that the writer was promised is in it, and nobody is kept out any more.
#[test]
fn a_fault_at_every_statement_on_mariadb() {
    // A fence locks every other account that there is.
    let server = OwnMariadb::start(&[]);
    let database = Mariadb::on(&server, "faults");
    database.run(LEDGER);
    database.administer(
        "CREATE USER dbm_test_writer; GRANT INSERT ON `faults%`.* TO dbm_test_writer; CREATE USER shut ACCOUNT LOCK;",
    );
    let unfenced = open_to(&database);
    assert_eq!(unfenced, (vec!["shut".to_owned()], "ON".to_owned()));
    let url = database.address();
    let folder = Folder::new(&url);
    let example = tests::checkout();
    let placeholders = std::fs::read_to_string(example.join("dbm.toml")).expect("the example's settings");
    let placeholders = &placeholders[placeholders.find("[placeholders]").expect("placeholders")..];
    let settings = format!("url = \"{url}\"\nstore = \"backups\"\n{placeholders}");
    std::fs::write(folder.path().join("dbm.toml"), settings).expect("dbm.toml");
    let mut files: Vec<_> = std::fs::read_dir(example.join("migrations"))
        .expect("the example")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "sql"))
        .collect();
    files.sort();
    let (mut faults, mut written) = (0, 0);
    for file in files {
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).expect("a migration");
        let statements = database::script::split(database::Engine::Mysql, &text).expect("statements");
        let checks = text.find("-- dbm: verify").unwrap_or(text.len());
        let before = database.everything();
        for statement in statements.iter().filter(|statement| statement.offset < checks) {
            let end = statement.offset + statement.text.len();
            let broken = format!("{};\nSELECT nothing FROM nowhere;\n", &text[..end]);
            folder.migration(&name, &broken, "SELECT 1;");
            let what = format!("{name}, after the statement of line {}", statement.line);
            let writer = Writer::mariadb(database.url_as("dbm_test_writer"));
            let safe = folder.dbm(&url, &["migrate", "--safe", "--fence"]).env("ADMIN_PASSWORD", "x");
            let ended = safe.run().expect(3);
            assert!(ended.stderr.contains("nowhere"), "{what}: {}", ended.stderr);
            assert_eq!(open_to(&database), unfenced, "{what}");
            let acknowledged = writer.stop();
            assert_eq!(database.everything(), before, "{what}");
            let there = database.ask("SELECT entry FROM ledger");
            let there: BTreeSet<i64> = there.lines().map(|line| line.parse().expect("an entry")).collect();
            let lost: Vec<_> = acknowledged.difference(&there).collect();
            assert!(lost.is_empty(), "{what}: acknowledged rows are nowhere: {lost:?}\n{}", ended.stderr);
            written += acknowledged.len();
            database.run("TRUNCATE TABLE ledger");
            faults += 1;
        }
        folder.migration(&name, &text, "SELECT 1;");
        run(&folder, &url, &["migrate", "--safe"]).run().expect(0);
    }
    assert!(faults >= 40, "{faults}");
    assert!(written > faults, "the writer was at work: {written} rows beside {faults} faults");
}
