//! What the command line itself answers.

use crate::harness::{Place, says};

#[test]
fn help() {
    says!(Place::new(), ["--help"]);
    says!(Place::new(), ["migrate", "--help"]);
}

#[test]
fn no_url() {
    let place = Place::new();
    says!(place, ["migrate", "--safe"]);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn no_url_as_json() {
    says!(Place::new(), ["status", "--json"]);
}

#[test]
fn an_unknown_key() {
    let place = Place::new();
    place.file("dbm.toml", "stor = \"backups\"\n");
    says!(place, ["status"]);
}

#[test]
fn a_broken_dotenv() {
    let place = Place::new();
    place.file(".env", "DATABASE_URL=sqlite:x.db\nhunter2\n");
    says!(place, ["status"]);
}

#[test]
fn an_unknown_engine() {
    says!(Place::new(), ["status", "--url", "oracle://scott:tiger@host/db"]);
}

#[test]
fn a_url_where_none_belongs() {
    says!(Place::new(), ["status", "postgres://me:hunter2@host/db"]);
}

#[test]
fn a_missing_file_is_not_made() {
    let place = Place::new();
    place.file("migrations/001_a.sql", "SELECT 1;");
    place.file("rollback/001_a.sql", "SELECT 1;");
    says!(place, ["migrate", "--url", "sqlite:gone.db"]);
    assert!(!place.path().join("gone.db").exists());
}

#[test]
fn of_a_lost_file_the_newest_archive_is_named_and_nothing_made() {
    for mode in ["", "?mode=rwc"] {
        let place = Place::with_database();
        let url = format!("sqlite:shop.db{mode}");
        assert_eq!(place.run(&["backup", "--url", &url]).code, Some(0));
        let name = archive(&place);
        std::fs::remove_file(place.path().join("shop.db")).unwrap();
        let ended = place.run(&["restore", "latest", "--url", &url]);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains(&format!("hint: {name} is the newest")), "{}", ended.stderr);
        assert!(!place.path().join("shop.db").exists());
        // Nothing is made of an archive that cannot be read.
        let path = place.path().join("backups").join(&name);
        let whole = std::fs::read(&path).unwrap();
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 1;
        std::fs::write(&path, damaged).unwrap();
        assert_ne!(place.run(&["restore", &name, "--yes", "--url", &url]).code, Some(0));
        assert!(!place.path().join("shop.db").exists());
        std::fs::write(&path, whole).unwrap();
        let ended = place.run(&["restore", &name, "--url", &url]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        // It is the database that was lost, so that its backups are its own.
        let ended = place.run(&["restore", "latest", "--yes", "--url", &url]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
}

/// The empty file that takes a lost one's place would be backed up every night, as a good backup.
#[test]
fn a_lost_file_is_made_by_nobody_but_on_request() {
    let place = Place::with_database();
    let url = "sqlite:shop.db?mode=rwc";
    assert_eq!(place.run(&["backup", "--url", url]).code, Some(0));
    let name = archive(&place);
    std::fs::remove_file(place.path().join("shop.db")).unwrap();
    for arguments in [
        &["backup"][..],
        &["status"],
        &["history"],
        &["doctor"],
        &["migrate", "--dry-run"],
        &["rollback"],
        &["migrate"],
    ] {
        let ended = place.run(&[arguments, &["--url", url]].concat());
        assert_eq!(ended.code, Some(1), "{arguments:?}: {}", ended.stderr);
        let said = ended.stdout + &ended.stderr;
        assert!(said.contains("shop.db") && said.contains("dbm restore"), "{arguments:?}: {said}");
        assert!(!place.path().join("shop.db").exists(), "{arguments:?}");
    }
    assert_eq!(archive(&place), name);
    assert_eq!(place.run(&["migrate", "--yes", "--url", url]).code, Some(0));
}

#[test]
fn restoring_an_archive_without_rows_names_the_one_that_has_some() {
    let place = Place::with_database();
    let url = "sqlite:shop.db";
    place.by_hand("CREATE TABLE thing (id INTEGER); INSERT INTO thing VALUES (1), (2)");
    assert_eq!(place.run(&["backup", "--url", url]).code, Some(0));
    let full = archive(&place);
    place.by_hand("DELETE FROM thing");
    assert_eq!(place.run(&["backup", "--url", url]).code, Some(0));
    let ended = place.run(&["restore", "latest", "--url", url, "--yes"]);
    assert!(ended.stderr.contains(&format!("{full} before it holds")), "{}", ended.stderr);
    let ended = place.run(&["restore", &full, "--url", url, "--yes"]);
    assert!(ended.code == Some(0) && !ended.stderr.contains("before it holds"), "{}", ended.stderr);
}

/// The one archive of the store.
fn archive(place: &Place) -> String {
    let files = std::fs::read_dir(place.path().join("backups")).unwrap();
    let mut names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.find(|name| name.ends_with(".zst")).unwrap()
}

#[test]
fn revisions_that_are_none() {
    says!(Place::new(), ["upgrade", "tomorrow"]);
    says!(Place::new(), ["downgrade", "-x"]);
}

#[test]
fn none_is_no_count() {
    let place = Place::with_database();
    for arguments in
        [&["migrate", "--count", "0"][..], &["upgrade", "+0"], &["rollback", "0"], &["downgrade", "-0"]]
    {
        assert_eq!(place.run(arguments).code, Some(2), "{arguments:?}");
    }
}

#[test]
fn settings_of_the_wrong_shape() {
    let place = Place::new();
    for line in ["jobs = \"x\"", "lock_wait = 5", "lock_timeout = \"soon\"", "store = \"\"", "jobs = 0"] {
        place.file("dbm.toml", &format!("url = \"sqlite:x.db\"\n{line}\n"));
        says!(place, ["status"]);
    }
    let place = Place::new().variable("DBM_JOBS", "x");
    says!(place, ["status"]);
    says!(Place::new(), ["migrate", "--lock-timeout", "soon", "--url", "sqlite:x.db"]);
    says!(Place::new(), ["--config", "gone.toml", "status"]);
}

#[test]
fn an_empty_store_is_not_the_current_folder() {
    let place = Place::with_database();
    says!(place, ["backup", "--store", ""]);
    assert!(std::fs::read_dir(place.path()).unwrap().all(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        !name.ends_with(".zst")
    }));
}

#[test]
fn words_that_are_not_known() {
    says!(Place::new(), ["restor", "latest"]);
    says!(Place::new(), ["frobnicate", "--json"]);
    says!(Place::new(), ["restore", "latest", "--into", ""]);
    says!(Place::new(), ["restore"]);
    says!(Place::new(), ["status", "--url", "postgres://h/x?sslmode=verify_full"]);
}

#[test]
fn what_was_not_filled_in_is_not_applied() {
    let place = Place::with_database();
    assert_eq!(place.run(&["new", "add orders"]).code, Some(0));
    says!(place, ["migrate", "--safe"]);
    says!(place, ["check"]);
    // It is in nobody else's way: not of the ones before it, nor of their rollback.
    assert_eq!(place.run(&["migrate", "--to", "001"]).code, Some(0));
    assert_eq!(place.run(&["status"]).code, Some(0));
    assert_eq!(place.run(&["rollback"]).code, Some(0));
}

#[test]
fn more_than_is_applied_is_not_rolled_back() {
    let place = Place::with_database();
    assert_eq!(place.run(&["migrate", "--safe"]).code, Some(0));
    says!(place, ["rollback", "99"]);
    says!(place, ["current"]);
}

#[test]
fn what_killed_restores_left_is_listed_and_goes() {
    let place = Place::with_database();
    place.file("shop_restoring_20261121T013400Z.db", "half");
    place.file("backups/.shop_20261121T013400Z.sqlite.zst.part", "half");
    says!(place, ["replaced"]);
    let found = place.run(&["doctor"]).stdout;
    assert!(found.contains("dbm replaced --let-go shop_restoring_20261121T013400Z.db"), "{found}");
    assert!(found.contains("1 leftover of killed backups"), "{found}");
    says!(place, ["replaced", "--let-go", "shop_restoring_20261121T013400Z.db", "--yes"]);
    assert!(!place.path().join("shop_restoring_20261121T013400Z.db").exists());
    says!(place, ["replaced", "--let-go", "shop_restoring_20261121T013400Z.db"]);
    assert!(place.path().join("shop.db").exists());
}

#[test]
fn a_table_s_columns_and_rows_come_back_beside_it() {
    let place = Place::with_database();
    assert_eq!(place.run(&["migrate", "--safe"]).code, Some(0));
    assert_eq!(place.run(&["backup"]).code, Some(0));
    says!(place, ["restore", "latest", "--table", "item"]);
    says!(place, ["restore", "latest", "--table", "nothing"]);
}

/// Several at once: each has a second of its own, and none is named after a second to come.
#[test]
fn backups_of_parallel_processes() {
    let place = Place::with_database();
    let began = chrono::Utc::now().timestamp();
    let names: Vec<String> = std::thread::scope(|scope| {
        let place = &place;
        let started: Vec<_> = (0..4)
            .map(|number| {
                scope.spawn(move || {
                    // One folder of logs lets one backup of a database run at a time.
                    let logs = format!("logs{number}");
                    let ended = place.run(&["backup", "--json", "--log-dir", &logs]);
                    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
                    let document: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
                    let name = document["archive"].as_str().unwrap().to_owned();
                    let stamp = &name["shop_".len().."shop_20261121T013400Z".len()];
                    let time = chrono::NaiveDateTime::parse_from_str(stamp, "%Y%m%dT%H%M%SZ").unwrap();
                    let second = time.and_utc().timestamp();
                    assert!(began <= second && second <= chrono::Utc::now().timestamp(), "{name}");
                    name
                })
            })
            .collect();
        started.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), 4, "{names:?}");
}

#[test]
fn passwords() {
    says!(Place::new(), ["password", "encode"], "p@ss:w/or?d#%\n");
    says!(Place::new(), ["password", "encode"], "");
    let hash = Place::new().run_with(&["password", "hash"], "p@ss\n").stdout;
    assert!(hash.starts_with("$argon2id$"), "{hash}");
    let verifier =
        Place::new().run_with(&["password", "hash", "--algorithm", "scram-sha-256"], "p@ss\n").stdout;
    assert!(verifier.starts_with("SCRAM-SHA-256$"), "{verifier}");
    let (one, other) = (
        Place::new().run(&["password", "generate"]).stdout,
        Place::new().run(&["password", "generate"]).stdout,
    );
    assert!(one.len() > 16 && one != other);
}

#[test]
fn completions_and_man_pages() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = place.run(&["completions", shell]);
        assert_eq!(ended.code, Some(0));
        assert!(ended.stdout.contains("accept-lost-writes"), "{shell}");
    }
    says!(place, ["man", "pages"]);
    let page = std::fs::read_to_string(place.path().join("pages/dbm-restore.1")).unwrap();
    assert!(page.contains("disconnect"), "{page}");
}

#[test]
fn init_changes_nothing_that_is_there() {
    let place = Place::new();
    place.file(".gitignore", "mine\n");
    says!(place, ["init"]);
    says!(place, ["init"]);
    assert_eq!(std::fs::read_to_string(place.path().join(".gitignore")).unwrap(), "mine\n");
    // What it wrote is what it reads: the defaults, and no URL.
    assert_eq!(place.run(&["status"]).code, Some(2));
}

#[test]
fn a_broken_pipe_ends_quietly() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(env!("CARGO_BIN_EXE_dbm"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_was_to_encrypt_and_says_nothing_encrypts_nothing_in_silence() {
    let refused = |place: &Place, why: &str| {
        let ended = place.run(&["backup"]);
        assert!(ended.code == Some(2) && ended.stderr.contains(why), "{}", ended.stderr);
        assert!(!place.path().join("backups").exists(), "nothing was written");
    };
    for name in ["DBM_RECIPIENTS", "DBM_RECIPIENTS_FILE", "DBM_PASSPHRASE", "DBM_PASSPHRASE_FILE"] {
        refused(&Place::with_database().variable(name, ""), &format!("{name} is empty"));
    }
    let place = Place::with_database();
    place.file(".env", "DBM_PASSPHRASE=\n");
    refused(&place, "DBM_PASSPHRASE is empty");
    let place = Place::with_database().variable("DBM_PASSPHRASE_FILE", "list");
    place.file("list", "\n");
    refused(&place, "a passphrase is not empty");
    for (config, list) in [("recipients = \"\"\n", ""), ("recipients_file = \"list\"\n", "# ours\n")] {
        let place = Place::with_database();
        place.file("dbm.toml", &format!("url = \"sqlite:shop.db\"\n{config}"));
        place.file("list", list);
        refused(&place, "names no recipient");
    }
}

#[test]
fn no_variable_asks_for_more_threads_than_there_is_room_for() {
    // More than a process can have, and what the runtime itself would break off at.
    for workers in ["1000000", "0", "many"] {
        let ended = Place::new().variable("TOKIO_WORKER_THREADS", workers).run(&["password", "generate"]);
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{workers}");
    }
}
