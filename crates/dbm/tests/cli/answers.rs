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
