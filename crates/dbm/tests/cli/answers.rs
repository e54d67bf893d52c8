//! What commands answer about a small SQLite database.

use crate::harness::{Place, says};

#[test]
fn status_of_an_empty_database() {
    let place = Place::with_database();
    says!(place, ["status"]);
    says!(place, ["status", "--json"]);
    says!(place, ["status", "--exit-code", "--quiet"]);
    says!(place, ["current"]);
    says!(place, ["history"]);
}

#[test]
fn check_finds_what_is_wrong() {
    let place = Place::with_database();
    says!(place, ["check"]);
    place.file("migrations/003_more.sql", "SELECT 1;\n");
    says!(place, ["check", "--files"]);
    says!(place, ["check", "--json"]);
    says!(place, ["migrate"]);
}

#[test]
fn new_files() {
    let place = Place::with_database();
    says!(place, ["new", "add orders"]);
    says!(place, ["revision", "-m", "more orders", "--quiet"]);
    says!(place, ["new", "!"]);
}

#[test]
fn a_store_without_archives() {
    let place = Place::with_database();
    says!(place, ["backups"]);
    says!(place, ["restore", "latest"]);
    says!(place, ["show", "nothing"]);
    says!(place, ["backups", "--store", "ftp://host/shop"]);
}

#[test]
fn doctor() {
    let place = Place::with_database();
    let ended = place.run(&["doctor"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    place.file("migrations/001_other.sql", "SELECT 1;\n");
    let ended = place.run(&["doctor"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert!(ended.stdout.contains("FAILS  migrations"), "{}", ended.stdout);
}

#[test]
fn a_dry_run_changes_nothing() {
    let place = Place::with_database();
    says!(place, ["migrate", "--dry-run"]);
    assert_eq!(std::fs::metadata(place.path().join("shop.db")).unwrap().len(), 0);
    assert!(!place.path().join("logs").exists() && !place.path().join("backups").exists());
}

#[test]
fn a_database_of_a_long_name_has_backups_like_any_other() {
    let place = Place::new();
    let file = format!("{}.db", "é".repeat(61));
    place.file(&file, "");
    place.file("dbm.toml", &format!("url = \"sqlite:{file}\"\nkeep_last = 1\nmin_keep = 1\n"));
    for label in ["one", "a word of the user's own that is rather long"] {
        let ended = place.run(&["backup", "--label", label]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
    let count = || {
        let ended = place.run(&["backups", "--json"]);
        let document: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        let all = document["backups"].as_array().unwrap().clone();
        assert!(all.iter().all(|backup| backup["state"] == "good"), "{}", ended.stdout);
        all.len()
    };
    assert_eq!(count(), 2);
    for arguments in [&["restore", "latest", "--yes"][..], &["verify", "latest"], &["prune", "--yes"]] {
        let ended = place.run(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
    }
    assert_eq!(count(), 1);
}

#[test]
fn an_answer_has_one_form() {
    let place = Place::with_database();
    for call in [&["check", "--format", "sarif", "--json"][..], &["--json", "check", "--format", "github"]] {
        let ended = place.run(call);
        assert_eq!(ended.code, Some(2), "{}{}", ended.stdout, ended.stderr);
        assert!(ended.stderr.contains("two forms of one answer"), "{}", ended.stderr);
    }
    assert_eq!(place.run(&["check", "--format", "json", "--json"]).code, Some(0));
}
