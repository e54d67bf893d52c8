//! Backups on S3: the whole way through the binary, and what is left when it is killed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Bucket, Folder, Judge, Mariadb, Postgres, Sqlite};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The names that `dbm backups` lists as good.
fn listed(bucket: &Bucket, folder: &Folder, url: &str) -> Vec<String> {
    let answer = json(&bucket.dbm(folder, url, &["backups", "--json"]).run().expect(0).stdout);
    let good =
        answer["backups"].as_array().expect("a list").iter().filter(|backup| backup["state"] == "good");
    good.map(|backup| backup["file"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn postgres_there_and_back() {
    let database = Postgres::new("bucket");
    database.run(
        "CREATE TABLE item (id INTEGER PRIMARY KEY, body TEXT);
         INSERT INTO item SELECT i, md5(i::text) FROM generate_series(1, 100000) i;
         CREATE TABLE other (id INTEGER); INSERT INTO other VALUES (1);",
    );
    let (url, bucket) = (database.url(), Bucket::new("postgres"));
    let folder = Folder::new(&url);
    let dbm = |arguments: &[&str]| bucket.dbm(&folder, &url, arguments).run();
    let made = json(&dbm(&["backup", "--verify", "--json"]).expect(0).stdout);
    assert_eq!(made["verified"], true);
    assert_eq!(listed(&bucket, &folder, &url), [made["archive"].as_str().expect("a name")]);
    assert_eq!(json(&dbm(&["show", "latest", "--json"]).expect(0).stdout)["identity"], made["identity"]);
    let before = database.everything();
    dbm(&["verify", "latest", "--deep"]).expect(0);
    database.run("DROP TABLE other; DELETE FROM item WHERE id % 2 = 0; CREATE TABLE more (x INTEGER)");
    dbm(&["restore", "latest", "--table", "other"]).expect(0);
    dbm(&["restore", "latest", "--yes", "--disconnect", "--jobs", "4"]).expect(0);
    assert_eq!(database.everything(), before);
    // A run whose way back is a restore goes back from the bucket.
    folder.migration(
        "001_first",
        "-- dbm: no-transaction\nCREATE TABLE first (x INTEGER);",
        "DROP TABLE first;",
    );
    folder.migration("002_broken", "DELETE FROM item; SELECT 1 / 0;", "SELECT 1;");
    dbm(&["migrate", "--safe", "--fence"]).expect(3);
    assert_eq!(database.ask("SELECT count(*) FROM item"), "100000");
    assert_eq!(database.ask("SELECT to_regclass('first') IS NULL"), "t");
}

/// Backs a database up into a bucket, encrypted, spoils it, and brings it back by ranges, whole and one table.
fn encrypted_there_and_back(purpose: &str, database: &dyn Judge, spoil: &dyn Fn()) {
    let url = &database.address();
    let (folder, bucket) = (Folder::new(url), Bucket::new(purpose));
    let keys =
        json(&folder.dbm(url, &["keys", "generate", "--into", "keys", "--json"]).run().expect(0).stdout);
    let recipient = keys["recipient"].as_str().expect("a recipient").to_owned();
    let dbm = |arguments: &[&str]| {
        bucket
            .dbm(&folder, url, arguments)
            .args(["--identity-file", "keys/identity.txt", "--recipients", &recipient, "--jobs", "4"])
            .env("DBM_MAC_KEY_FILE", "keys/mac.key")
            .run()
    };
    let made = json(&dbm(&["backup", "--verify", "--json"]).expect(0).stdout);
    assert!(made["archive"].as_str().expect("a name").ends_with(".age"), "{made}");
    let before = database.everything();
    spoil();
    assert_ne!(database.everything(), before);
    dbm(&["restore", "latest", "--yes", "--disconnect"]).expect(0);
    assert_eq!(database.everything(), before);
    dbm(&["verify", "latest", "--deep"]).expect(0);
}

#[test]
fn postgres_encrypted_there_and_back() {
    let database = Postgres::new("sealed");
    database.run(
        "CREATE TABLE item (id INTEGER PRIMARY KEY, body TEXT);
         INSERT INTO item SELECT i, md5(i::text) FROM generate_series(1, 300000) i;
         CREATE TABLE wide AS SELECT repeat('w', 4000000) || i AS body FROM generate_series(1, 3) i;",
    );
    let spoil = || database.run("DROP TABLE wide; DELETE FROM item WHERE id % 2 = 0;");
    encrypted_there_and_back("sealed", &database, &spoil);
}

#[test]
fn mariadb_there_and_back_plain_and_encrypted() {
    let database = Mariadb::new("bucket");
    database.run(
        "CREATE TABLE item (id INT PRIMARY KEY, body TEXT);
         INSERT INTO item SELECT a.n * 1000 + b.n, SHA2(a.n * 1000 + b.n, 256) FROM
            (WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 199) SELECT n FROM n) a,
            (WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 999) SELECT n FROM n) b;
         CREATE TABLE other (id INT PRIMARY KEY); INSERT INTO other VALUES (1);",
    );
    let (url, bucket) = (database.url(), Bucket::new("mariadb"));
    let folder = Folder::new(&url);
    let dbm = |arguments: &[&str]| bucket.dbm(&folder, &url, arguments).run();
    let made = json(&dbm(&["backup", "--verify", "--json"]).expect(0).stdout);
    assert_eq!(listed(&bucket, &folder, &url), [made["archive"].as_str().expect("a name")]);
    let before = database.everything();
    let spoil = || database.run("DROP TABLE other; DELETE FROM item WHERE id % 2 = 0;");
    spoil();
    dbm(&["restore", "latest", "--table", "other"]).expect(0);
    assert_eq!(database.ask("SELECT count(*) FROM other"), "1");
    dbm(&["restore", "latest", "--yes", "--disconnect", "--jobs", "4"]).expect(0);
    assert_eq!(database.everything(), before);
    encrypted_there_and_back("mariadb-sealed", &database, &spoil);
}

#[test]
fn sqlite_there_and_back_with_a_copy_and_a_policy() {
    let folder = Folder::new("sqlite://unset.db");
    let database = Sqlite::new(
        folder.path().join("shop.db"),
        "CREATE TABLE item (id INTEGER PRIMARY KEY, body BLOB);
         INSERT INTO item WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
             SELECT i, randomblob(1000) FROM n;",
    );
    let (url, bucket) = (database.url(), Bucket::new("sqlite"));
    let dbm = |arguments: &[&str]| bucket.dbm(&folder, &url, arguments).run();
    for _ in 0..3 {
        dbm(&["backup"]).expect(0);
    }
    let names = listed(&bucket, &folder, &url);
    assert_eq!(names.len(), 3);
    dbm(&["pin", &names[0], "--reason", "the first"]).expect(0);
    let shown = dbm(&["prune", "--keep-last", "1", "--min-keep", "1", "--dry-run"]).expect(0).stdout;
    assert!(shown.contains("pinned: the first") && shown.contains("the newest good one"), "{shown}");
    assert_eq!(listed(&bucket, &folder, &url), names);
    let pruned = json(&dbm(&["prune", "--keep-last", "1", "--min-keep", "1", "--json"]).expect(0).stdout);
    assert_eq!(pruned["removed"], serde_json::json!([names[1]]));
    assert_eq!(listed(&bucket, &folder, &url), [names[0].clone(), names[2].clone()]);
    dbm(&["prune"]).expect(2);
    dbm(&["unpin", "latest~1"]).expect(0);
    let pruned =
        json(&dbm(&["backup", "--prune", "--keep-last", "2", "--min-keep", "1", "--json"]).expect(0).stdout);
    assert_eq!(pruned["pruned"]["removed"], serde_json::json!([names[0]]));
    // Into a folder, and from there.
    let dump = database.dump();
    let backups = folder.path().join("backups");
    dbm(&["copy", "latest", "--to", backups.to_str().expect("UTF-8")]).expect(0);
    database.run("DELETE FROM item");
    folder.dbm(&url, &["restore", "latest", "--yes"]).run().expect(0);
    assert_eq!(database.dump(), dump);
    database.run("DELETE FROM item");
    dbm(&["restore", "latest", "--yes"]).expect(0);
    assert_eq!(database.dump(), dump);
}

#[test]
fn a_killed_backup_is_not_listed_and_the_next_prune_sweeps_it() {
    let database = Postgres::new("killed");
    database.run("CREATE TABLE item AS SELECT 1 AS id");
    let (url, bucket) = (database.url(), Bucket::new("killed"));
    let folder = Folder::new(&url);
    bucket.dbm(&folder, &url, &["backup"]).run().expect(0);
    let good = listed(&bucket, &folder, &url);
    // The dump waits for this lock, its upload being open.
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let connected = runtime.block_on(tokio_postgres::connect(&url, tokio_postgres::NoTls));
    let (client, connection) = connected.expect("connected");
    runtime.spawn(connection);
    runtime.block_on(client.batch_execute("BEGIN; LOCK TABLE item")).expect("locked");
    let mut child = bucket.dbm(&folder, &url, &["backup"]).spawn();
    let start = Instant::now();
    // It waits for the table only after its name was taken. Those who wait in other databases are other tests'.
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    while database.ask(waiting) == "0" {
        assert!(start.elapsed() < Duration::from_secs(60) && child.try_wait().expect("its state").is_none());
        std::thread::sleep(Duration::from_millis(50));
    }
    let overlapping = bucket.dbm(&folder, &url, &["backup"]).run().expect(75);
    assert!(overlapping.stderr.contains("another backup of this database"), "{}", overlapping.stderr);
    child.kill().expect("SIGKILL");
    child.wait().expect("its end");
    drop(client);
    assert_eq!(listed(&bucket, &folder, &url), good);
    let pruned =
        json(&bucket.dbm(&folder, &url, &["prune", "--keep-last", "5", "--json"]).run().expect(0).stdout);
    assert_eq!(pruned["swept"].as_array().map(Vec::len), Some(1), "{pruned}");
    assert_eq!(listed(&bucket, &folder, &url), good);
    let pruned =
        json(&bucket.dbm(&folder, &url, &["prune", "--keep-last", "5", "--json"]).run().expect(0).stdout);
    assert_eq!(pruned["swept"], serde_json::json!([]), "{pruned}");
}

#[test]
fn encrypted_for_whoever_has_the_identity() {
    let folder = Folder::new("sqlite://unset.db");
    let database = Sqlite::new(
        folder.path().join("shop.db"),
        "CREATE TABLE item (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO item VALUES (1, 'plain as day');",
    );
    let (url, bucket) = (database.url(), Bucket::new("encrypted"));
    let keys =
        json(&folder.dbm(&url, &["keys", "generate", "--into", "keys", "--json"]).run().expect(0).stdout);
    let recipient = keys["recipient"].as_str().expect("a recipient");
    let run = |arguments: &[&str]| {
        bucket.dbm(&folder, &url, arguments).env("DBM_MAC_KEY_FILE", "keys/mac.key").run()
    };
    let with_identity = |arguments: &[&str]| {
        bucket
            .dbm(&folder, &url, arguments)
            .args(["--identity-file", "keys/identity.txt"])
            .env("DBM_MAC_KEY_FILE", "keys/mac.key")
            .run()
    };
    let made = run(&["backup", "--recipients", recipient, "--json"]).expect(0);
    assert!(made.stderr.contains("was ever opened again"), "{}", made.stderr);
    let name = json(&made.stdout)["archive"].as_str().expect("a name").to_owned();
    assert!(name.ends_with(".sqlite.zst.age"), "{name}");
    // Without the identity it is listed, counted, and its bytes are checked; nothing of it is read.
    let listed = json(&run(&["backups", "--json"]).expect(0).stdout);
    assert_eq!(listed["backups"][0]["state"], "good");
    assert!(run(&["verify", &name]).expect(0).stdout.contains("proven only where its identity is"));
    run(&["prune", "--keep-last", "1"]).expect(0);
    let before = database.dump();
    let refused = run(&["restore", "latest", "--yes"]).expect(1);
    assert!(refused.stderr.contains("no identity is given"), "{}", refused.stderr);
    database.run("DELETE FROM item");
    with_identity(&["verify", "latest", "--deep"]).expect(0);
    with_identity(&["restore", "latest", "--yes"]).expect(0);
    assert_eq!(database.dump(), before);
    // Whoever has no dbm: age and zstd.
    run(&["copy", &name, "--to", "backups"]).expect(0);
    let by_hand = folder.path().join("by_hand.db");
    let command = format!("age -d -i keys/identity.txt 'backups/{name}' | zstd -dc > by_hand.db");
    let status = std::process::Command::new("sh").args(["-c", &command]).current_dir(folder.path()).status();
    assert!(status.expect("sh").success());
    let by_hand = Sqlite::new(by_hand, "");
    assert_eq!(by_hand.ask("SELECT body FROM item"), "plain as day");
}

#[test]
fn a_plan_says_where_large_parts_wait() {
    let folder = Folder::new("sqlite://unset.db");
    let database =
        Sqlite::new(folder.path().join("shop.db"), "CREATE TABLE t (x); INSERT INTO t VALUES (1);");
    let (url, bucket) = (database.url(), Bucket::new("planned"));
    let in_parts = |size: &str| format!("{}&part_size={size}", bucket.store());
    let plan = |store: &str, spool: &str| {
        let arguments = ["backup", "--dry-run", "--json", "--store", store, "--spool", spool];
        folder.dbm(&url, &arguments).run()
    };
    let wait = folder.path().join("wait");
    std::fs::create_dir(&wait).expect("a folder");
    let wait = wait.to_str().expect("text");
    let small = json(&plan(bucket.store(), wait).expect(0).stdout);
    assert_eq!(small["uploads"][0]["parts"]["spool"], Value::Null, "{small}");
    let large = json(&plan(&in_parts("64MiB"), wait).expect(0).stdout);
    let parts = &large["uploads"][0]["parts"];
    assert_eq!(
        (&parts["part_bytes"], &parts["spool"]["folder"]),
        (&json!(64 << 20), &json!(wait)),
        "{large}"
    );
    assert_eq!(parts["spool"]["bytes"], 4 * (64 << 20));
    let shown = folder.dbm(&url, &["backup", "--dry-run", "--store", &in_parts("64MiB"), "--spool", wait]);
    assert!(shown.run().expect(0).stdout.contains(wait));
    // What it needs is looked for before anything is begun.
    let full = plan(&in_parts("5GiB"), "/proc").expect(1);
    assert!(full.stderr.contains("--spool"), "{}", full.stderr);
    assert!(
        listed(&bucket, &folder, &url).is_empty() && std::fs::read_dir(wait).expect("a folder").count() == 0
    );
}

#[test]
fn the_keys_of_a_profile() {
    let folder = Folder::new("sqlite://unset.db");
    let database =
        Sqlite::new(folder.path().join("shop.db"), "CREATE TABLE t (x); INSERT INTO t VALUES (1);");
    let (url, bucket) = (database.url(), Bucket::new("profile"));
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    let keys = write(
        "credentials",
        "[default]\naws_access_key_id = nobody\naws_secret_access_key = wrong\n\
         [nightly]\naws_access_key_id = dbmtest\naws_secret_access_key = dbm-test-secret\n",
    );
    let settings = write("config", "[profile nightly]\nregion = eu-north-1\n");
    let call = |more: &str, profile: Option<&str>| {
        let store = format!("{}{more}", bucket.store());
        let call = folder
            .dbm(&url, &["backup", "--json", "--store", &store])
            .env("AWS_SHARED_CREDENTIALS_FILE", &keys)
            .env("AWS_CONFIG_FILE", &settings);
        match profile {
            Some(profile) => call.env("AWS_PROFILE", profile),
            None => call,
        }
        .run()
    };
    // The default's keys are not good; the profile's are, whether the store or the environment names it.
    call("", None).expect(1);
    call("&profile=nightly", None).expect(0);
    call("", Some("nightly")).expect(0);
    assert_eq!(listed(&bucket, &folder, &url).len(), 2);
}
