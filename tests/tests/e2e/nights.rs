//! Nights with nobody watching: several stores, what a monitor is told, and who else hears of it.

use std::fs;

use serde_json::Value;
use tests::{Bucket, Folder, Listener, Sqlite};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A project with a database of one row.
fn project() -> (Folder, Sqlite, String) {
    let folder = Folder::new("sqlite://unset.db");
    let database = Sqlite::new(
        folder.path().join("shop.db"),
        "CREATE TABLE item (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO item VALUES (1, 'one');",
    );
    let url = database.url();
    (folder, database, url)
}

fn files(folder: &Folder, store: &str) -> Vec<String> {
    let entries = fs::read_dir(folder.path().join(store)).expect("the store");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
    let mut names: Vec<_> = names.filter(|name| !name.starts_with('.') && !name.ends_with(".json")).collect();
    names.sort();
    names
}

#[test]
fn one_backup_is_made_for_several_stores_and_any_of_them_restores_it() {
    let (folder, database, url) = project();
    let bucket = Bucket::new("several");
    let keys =
        json(&folder.dbm(&url, &["keys", "generate", "--into", "keys", "--json"]).run().expect(0).stdout);
    let recipient = keys["recipient"].as_str().expect("a recipient");
    let dbm = |arguments: &[&str]| {
        let both = ["--store", "backups"];
        bucket.dbm(&folder, &url, arguments).args(both).env("DBM_MAC_KEY_FILE", "keys/mac.key")
    };
    let made = json(&dbm(&["backup", "--json", "--recipients", recipient]).run().expect(0).stdout);
    let name = made["archive"].as_str().expect("a name");
    assert_eq!(made["stores"].as_array().map(Vec::len), Some(2), "{made}");
    assert_eq!(made["missing_in"], serde_json::json!([]));
    assert_eq!(files(&folder, "backups"), [name]);
    // Encrypted once: the copies are equal to the byte, and so is what lies beside them.
    let listed = json(&dbm(&["backups", "--json"]).run().expect(0).stdout);
    let entries = listed["backups"].as_array().expect("a list");
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0]["sha256"], entries[1]["sha256"]);
    assert!(entries.iter().all(|entry| entry["state"] == "good"), "{listed}");
    // Each copy is verified by itself, and what is wrong with one says nothing of the other.
    let whole = fs::read(folder.path().join("backups").join(name)).expect("the archive");
    let mut broken = whole.clone();
    let middle = broken.len() / 2;
    broken[middle] ^= 1;
    fs::write(folder.path().join("backups").join(name), &broken).expect("written");
    let verify = dbm(&["verify", name, "--identity-file", "keys/identity.txt"]).run().expect(1);
    assert!(verify.stderr.contains("backups"), "{}", verify.stderr);
    let listed = json(&dbm(&["backups", "--json"]).run().expect(0).stdout);
    let states: Vec<_> =
        listed["backups"].as_array().expect("a list").iter().map(|entry| entry["state"].clone()).collect();
    assert!(states.contains(&"good".into()) && states.iter().any(|state| state != "good"), "{states:?}");
    // The copy that is whole is the one that is restored, whatever comes first.
    let before = database.dump();
    database.run("DELETE FROM item");
    let local_first = |arguments: &[&str]| {
        folder
            .dbm(&url, arguments)
            .args(["--store", "backups", "--store", bucket.store(), "--identity-file", "keys/identity.txt"])
            .env("DBM_MAC_KEY_FILE", "keys/mac.key")
            .env("AWS_ACCESS_KEY_ID", "dbmtest")
            .env("AWS_SECRET_ACCESS_KEY", "dbm-test-secret")
            .run()
    };
    local_first(&["restore", "latest", "--yes"]).expect(0);
    assert_eq!(database.dump(), before);
    // Pins go everywhere, and so does pruning, by each store's own rules.
    local_first(&["pin", name, "--reason", "both"]).expect(0);
    let listed = json(&local_first(&["backups", "--json"]).expect(0).stdout);
    let pinned = listed["backups"].as_array().expect("a list").iter();
    assert!(pinned.filter(|entry| entry["pin"] == "both").count() >= 1, "{listed}");
}

#[test]
fn a_store_that_is_away_fails_the_backup_or_is_told_of() {
    let (folder, database, url) = project();
    // Nobody listens there; the first attempt is enough.
    let away = "s3://dbm-test/away?endpoint=http://127.0.0.1:9&patience=1s";
    let dbm = |arguments: &[&str]| {
        folder
            .dbm(&url, arguments)
            .args(["--store", "backups", "--store", away])
            .env("AWS_ACCESS_KEY_ID", "x")
            .env("AWS_SECRET_ACCESS_KEY", "y")
            .run()
    };
    let refused = dbm(&["backup"]).expect(1);
    assert!(refused.stderr.contains("s3://dbm-test/away") && refused.stderr.contains("--require any"));
    assert!(files(&folder, "backups").is_empty(), "none has it");
    let made = dbm(&["backup", "--require", "any", "--json"]).expect(0);
    assert!(made.stderr.contains("is not in s3://dbm-test/away"), "{}", made.stderr);
    let made = json(&made.stdout);
    assert_eq!(made["stores"].as_array().map(Vec::len), Some(1));
    assert_eq!(made["missing_in"], serde_json::json!(["s3://dbm-test/away"]));
    assert_eq!(files(&folder, "backups"), [made["archive"].as_str().expect("a name")]);
    // So is the backup of a run: its report names only the store that has it, and says what the other lacks.
    folder.migration("001_more", "CREATE TABLE more (x INTEGER);", "DROP TABLE more;");
    let ran = dbm(&["migrate", "--safe", "--require", "any", "--json"]).expect(0);
    let store = json(&ran.stdout)["backup"]["store"].as_str().expect("a store").to_owned();
    assert!(store.ends_with("/backups") && !store.contains("away"), "{store}");
    assert!(ran.stderr.contains("s3://dbm-test/away fails"), "{}", ran.stderr);
    // At three in the morning one store is enough.
    dbm(&["backup", "--require", "any"]).expect(0);
    let before = database.dump();
    database.run("DELETE FROM item");
    let restored = dbm(&["restore", "latest", "--yes", "--require", "any"]).expect(0);
    assert!(restored.stderr.contains("s3://dbm-test/away"), "{}", restored.stderr);
    assert_eq!(database.dump(), before);
}

#[test]
fn a_monitor_learns_of_backups_that_are_too_old_or_were_never_proven() {
    let (folder, _database, url) = project();
    let dbm = |arguments: &[&str]| folder.dbm(&url, arguments).run();
    let watched = ["status", "--max-age", "26h", "--max-unproven", "8d", "--exit-code", "--json"];
    let findings = |ended: &tests::Ended| {
        let backups = &json(&ended.stdout)["backups"][0];
        backups["findings"].as_array().expect("a list").len()
    };
    assert_eq!(findings(&dbm(&watched).expect(5)), 2);
    dbm(&["backup", "--label", "x"]).expect(0);
    assert_eq!(findings(&dbm(&watched).expect(5)), 1);
    dbm(&["verify", "latest"]).expect(0);
    assert_eq!(findings(&dbm(&watched).expect(5)), 1, "read back is not proven");
    dbm(&["verify", "latest", "--deep"]).expect(0);
    assert_eq!(findings(&dbm(&watched).expect(0)), 0);
    let shown = dbm(&["backups"]).expect(0).stdout;
    assert!(shown.contains("proven 20"), "{shown}");
    // Without --exit-code it is told all the same.
    let told = dbm(&["status", "--max-age", "1ms"]).expect(0).stdout;
    assert!(told.contains("is too old") && told.contains("dbm backup"), "{told}");
    assert!(!dbm(&["status"]).expect(0).stdout.contains("backup"), "nobody asked for them");
}

#[test]
fn others_are_told_how_it_went_and_cannot_fail_it() {
    let (folder, _database, url) = project();
    let (listener, angry) = (Listener::answering(200), Listener::answering(500));
    fs::write(folder.path().join("headers"), "Authorization: Bearer s3cr3t-token\n").expect("written");
    fs::write(folder.path().join("ping"), format!("{}/uuid-of-ping?x=1\n", listener.url())).expect("written");
    let hook = "echo \"$DBM_EVENT $DBM_COMMAND $DBM_ARCHIVE\" >> hooks; echo seen; false";
    let dbm = |url: &str, webhook: &str, arguments: &[&str]| {
        folder
            .dbm(url, arguments)
            .env("DBM_PING_URL_FILE", "ping")
            .env("DBM_WEBHOOK_URL", format!("{webhook}/hook-of-secret"))
            .env("DBM_WEBHOOK_HEADER_FILE", "headers")
            .env("DBM_HOOK_BEFORE", hook)
            .env("DBM_HOOK_AFTER", hook)
            .env("DBM_METRICS", "shop.prom")
            .run()
    };
    let lines = |listener: &Listener| {
        let requests = listener.take();
        requests.into_iter().map(|request| (request.line.clone(), request)).collect::<Vec<_>>()
    };
    // Hooks that fail do not: the backup is there, and standard output is its own.
    let made = dbm(&url, listener.url(), &["backup", "--json"]).expect(0);
    let archive = json(&made.stdout)["archive"].as_str().expect("a name").to_owned();
    assert!(made.stderr.contains("hook_before: it ended with exit status: 1"), "{}", made.stderr);
    let heard = lines(&listener);
    let told: Vec<_> = heard.iter().map(|(line, _)| line.as_str()).collect();
    assert_eq!(told, ["POST /uuid-of-ping/start?x=1", "POST /uuid-of-ping?x=1", "POST /hook-of-secret"]);
    let hook = &heard[2].1;
    assert!(hook.headers.to_lowercase().contains("authorization: bearer s3cr3t-token"), "{}", hook.headers);
    let body = json(&hook.body);
    assert_eq!(body["event"], "success");
    assert_eq!(body["result"]["archive"], archive.as_str());
    let hooks = fs::read_to_string(folder.path().join("hooks")).expect("written");
    assert_eq!(hooks, format!("before backup \nsuccess backup {archive}\n"));
    // A failure is told too, also one from before the work.
    let missing = "sqlite:missing.db";
    dbm(missing, listener.url(), &["backup"]).expect(1);
    let heard = lines(&listener);
    let told: Vec<_> = heard.iter().map(|(line, _)| line.as_str()).collect();
    assert_eq!(told, ["POST /uuid-of-ping/start?x=1", "POST /uuid-of-ping/fail?x=1", "POST /hook-of-secret"]);
    assert!(heard[1].1.body.contains("missing.db"), "{:?}", heard[1]);
    assert_eq!(json(&heard[2].1.body)["error"]["exit_code"], 1);
    // A receiver that is not well fails nothing, and its address is not told.
    let made = dbm(&url, angry.url(), &["backup"]).expect(0);
    assert!(made.stderr.contains("webhook: the server answered 500"), "{}", made.stderr);
    let log = fs::read_to_string(folder.path().join("logs/migration.log")).expect("the log");
    assert!(log.contains("could not notify") && log.contains("answered 500"), "{log}");
    for secret in ["uuid-of-ping", "hook-of-secret", "s3cr3t-token"] {
        assert!(!log.contains(secret) && !made.stderr.contains(secret), "{secret} is told");
    }
    // What Prometheus reads: the last failure is of another database.
    dbm(&url, listener.url(), &["verify", "latest", "--deep"]).expect(0);
    let metrics = fs::read_to_string(folder.path().join("shop.prom")).expect("metrics");
    for line in [
        "dbm_last_run_success{command=\"backup\",database=\"shop\"} 1",
        "dbm_last_run_success{command=\"backup\",database=\"missing\"} 0",
        "dbm_last_run_success{command=\"verify\",database=\"shop\"} 1",
        "dbm_backup_rows{database=\"shop\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is missing in\n{metrics}");
    }
    for (family, end) in [
        ("dbm_archives{", "state=\"good\"} 2"),
        ("dbm_archive_last_proven_timestamp_seconds{", ""),
        ("dbm_archive_last_proof_age_seconds{", ""),
        ("dbm_last_run_duration_seconds{", ""),
        ("dbm_last_success_timestamp_seconds{", ""),
        ("dbm_backup_bytes{", ""),
    ] {
        assert!(
            metrics.lines().any(|line| line.starts_with(family) && line.ends_with(end)),
            "{family} is missing in\n{metrics}"
        );
    }
}

#[test]
fn a_ping_goes_over_tls_to_whom_the_machine_trusts() {
    let (folder, _database, url) = project();
    let listener = Listener::answering_in_private(folder.path(), 200);
    let backup = || folder.dbm(&url, &["backup"]).env("DBM_PING_URL", format!("{}/uuid", listener.url()));
    let trusting = backup().env("SSL_CERT_FILE", folder.path().join("certificate.pem")).run().expect(0);
    assert!(!trusting.stderr.contains("ping"), "{}", trusting.stderr);
    let heard: Vec<_> = listener.take().into_iter().map(|request| request.line).collect();
    assert_eq!(heard, ["POST /uuid/start", "POST /uuid"]);
    let untrusting = backup().run().expect(0);
    assert!(
        untrusting.stderr.contains("ping: the server cannot be reached, or its"),
        "{}",
        untrusting.stderr
    );
    assert!(listener.take().is_empty());
}

#[test]
fn a_database_that_was_emptied_is_told_of_and_its_last_rows_stay() {
    let (folder, database, url) = project();
    let dbm = |arguments: &[&str]| folder.dbm(&url, arguments).env("DBM_METRICS", "shop.prom").run();
    let full = json(&dbm(&["backup", "--json"]).expect(0).stdout)["archive"].clone();
    database.run("DELETE FROM item");
    let nightly = ["backup", "--prune", "--keep-last", "1", "--min-keep", "1", "--json"];
    for night in 0..3 {
        let ended = dbm(&nightly).expect(0);
        assert!(ended.stderr.contains("has no rows any more"), "night {night}: {}", ended.stderr);
    }
    let left = files(&folder, "backups");
    assert!(left.len() == 2 && left.contains(&full.as_str().expect("a name").to_owned()), "{left:?}");
    let shown = dbm(&["prune", "--keep-last", "1", "--dry-run"]).expect(0).stdout;
    assert!(shown.contains("the newest with rows"), "{shown}");
    // What is left is in the metrics after any prune, and not only after the next backup.
    database.run("INSERT INTO item VALUES (2, 'two')");
    dbm(&["backup"]).expect(0);
    let good = |count: u32| {
        let metrics = fs::read_to_string(folder.path().join("shop.prom")).expect("metrics");
        let found = metrics.lines().any(|line| {
            line.starts_with("dbm_archives{") && line.ends_with(&format!("state=\"good\"}} {count}"))
        });
        assert!(found, "not {count} in\n{metrics}");
    };
    good(3);
    dbm(&["prune", "--keep-last", "1", "--min-keep", "1"]).expect(0);
    good(1);
}

#[test]
fn a_backup_that_is_none_to_rely_on_is_told_as_a_failure() {
    let (folder, _database, url) = project();
    let listener = Listener::answering(200);
    let dbm = |arguments: &[&str]| {
        let ping = format!("{}/uuid", listener.url());
        folder.dbm(&url, arguments).env("DBM_PING_URL", ping).env("DBM_METRICS", "shop.prom").run()
    };
    folder.migration("001_a", "CREATE TABLE a (x INTEGER);", "DROP TABLE a;");
    dbm(&["migrate", "--safe"]).expect(0);
    // A journal that cannot be read may be of a run that is open.
    let journal = folder.path().join("shop.db-dbm");
    let text = fs::read_to_string(&journal).expect("the journal");
    fs::write(&journal, text.replace("\"step\":\"end\"", "\"step\":\"later\"")).expect("written");
    listener.take();
    dbm(&["backup"]).expect(0);
    let heard = listener.take();
    let told: Vec<_> = heard.iter().map(|request| request.line.as_str()).collect();
    assert_eq!(told, ["POST /uuid/start", "POST /uuid/fail"]);
    assert!(heard[1].body.contains("unfinished"), "{:?}", heard[1]);
    let metrics = fs::read_to_string(folder.path().join("shop.prom")).expect("metrics");
    let failed = "dbm_last_run_success{command=\"backup\",database=\"shop\"} 0";
    assert!(metrics.lines().any(|line| line == failed), "{metrics}");
    assert!(!metrics.contains("dbm_last_success_timestamp_seconds{command=\"backup\""), "{metrics}");
}

#[test]
fn names_follow_a_template_and_a_beginning_is_enough() {
    let (folder, _database, url) = project();
    let dbm = |arguments: &[&str]| folder.dbm(&url, arguments).run();
    let template = ["backup", "--name", "prod-{database}.{host}_{time}_{label}", "--label", "a b", "--json"];
    let name = json(&dbm(&template).expect(0).stdout)["archive"].as_str().expect("a name").to_owned();
    assert!(name.starts_with("prod-shop.") && name.ends_with("Z_a%20b.sqlite.zst"), "{name}");
    for arguments in [["show", "prod-shop"], ["verify", "latest"], ["pin", "prod-s"], ["unpin", "latest~0"]] {
        dbm(&arguments).expect(0);
    }
    let refused = dbm(&["backup", "--name", "{label}_{time}"]).expect(2);
    assert!(refused.stderr.contains("would not sort"), "{}", refused.stderr);
    dbm(&["backup", "--name", "{database}_{time}", "--label", "x"]).expect(2);
}
