//! A project's life: taken over, branched, merged, repaired.

use crate::harness::{Place, says};

#[test]
fn a_database_that_is_taken_over() {
    let place = Place::with_database();
    place.file("migrations/002_note.sql", "CREATE TABLE note (id INTEGER PRIMARY KEY);\n");
    place.file("rollback/002_rollback.sql", "DROP TABLE note;\n");
    says!(place, ["baseline", "7"]);
    says!(place, ["baseline", "1", "--dry-run"]);
    says!(place, ["baseline", "1"]);
    says!(place, ["baseline", "head"]);
    assert_eq!(place.run(&["migrate"]).code, Some(0));
    says!(place, ["stamp", "base"]);
    says!(place, ["stamp", "base", "--yes"]);
    says!(place, ["stamp", "head", "--json"]);
    says!(place, ["stamp", "tomorrow"]);
    let log = std::fs::read_to_string(place.path().join("logs/migration.log")).unwrap();
    assert!(log.contains("\"change\":\"record\"") && log.contains("\"outcome\":\"done\""), "{log}");
}

#[test]
fn what_was_written_at_the_same_time() {
    let place = Place::with_database();
    assert_eq!(place.run(&["migrate"]).code, Some(0));
    place.file("migrations/001_other.sql", "CREATE TABLE other (id INTEGER);\n");
    place.file("rollback/001_other.sql", "DROP TABLE other;\n");
    says!(place, ["heads", "--check"]);
    says!(place, ["merge", "--dry-run"]);
    says!(place, ["merge", "--quiet"]);
    for number in ["003_left", "004_right"] {
        place.file(&format!("migrations/{number}.sql"), "-- dbm: requires 002\nSELECT 1;\n");
        place.file(&format!("rollback/{number}.sql"), "SELECT 1;\n");
    }
    says!(place, ["heads", "--json"]);
    says!(place, ["check", "--files"]);
    says!(place, ["merge"]);
    says!(place, ["heads", "--check"]);
    assert_eq!(place.run(&["migrate"]).code, Some(0));
    assert_eq!(place.run(&["check"]).code, Some(0));
}

#[test]
fn a_history_that_does_not_fit() {
    let place = Place::with_database();
    assert_eq!(place.run(&["migrate"]).code, Some(0));
    says!(place, ["repair"]);
    place.file(
        "migrations/001_item.sql",
        "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, more TEXT);\n",
    );
    says!(place, ["repair"]);
    says!(place, ["repair", "--forget", "1"]);
    says!(place, ["repair", "--accept", "1"]);
    assert_eq!(place.run(&["check"]).code, Some(0));
}

#[test]
fn a_wait() {
    let place = Place::with_database();
    says!(place, ["wait"]);
    says!(place, ["wait", "--timeout", "soon"]);
    // Nobody listens there.
    says!(place, ["wait", "--timeout", "1s", "--quiet", "--url", "sqlite:gone/shop.db"]);
    // What `scripts/dbstart sqlite` prints, before there is a file.
    says!(place, ["wait", "--url", "sqlite:new.db?mode=rwc"]);
    assert_eq!(place.run(&["migrate", "--url", "sqlite:new.db?mode=rwc"]).code, Some(0));
}

#[test]
fn dangerous_statements_are_found_and_waived() {
    let place = Place::with_database();
    assert_eq!(place.run(&["migrate"]).code, Some(0));
    let dangerous = "DELETE FROM item;\nALTER TABLE item DROP COLUMN name;\n";
    place.file("migrations/002_clean.sql", dangerous);
    place.file("rollback/002_clean.sql", "ALTER TABLE item ADD COLUMN name TEXT;\n");
    says!(place, ["check"]);
    says!(place, ["check", "--files", "--engine", "mysql", "--from", "2", "--format", "github"]);
    says!(place, ["check", "--format", "sarif"]);
    let waived = dangerous.replace("ALTER", "-- dbm: allow ban-drop-column nobody reads it\nALTER");
    place.file(
        "migrations/002_clean.sql",
        &format!("-- dbm: allow delete-without-where a new start\n{waived}"),
    );
    says!(place, ["check", "--json"]);
}

#[test]
fn rollbacks_and_drift_are_told_by_a_scratch_database() {
    let place = Place::with_database();
    place.file(
        "migrations/002_note.sql",
        "CREATE TABLE note (id INTEGER);\nCREATE TABLE more (id INTEGER);\n",
    );
    place.file("rollback/002_note.sql", "DROP TABLE note;\n");
    says!(place, ["check", "--rollbacks"]);
    place.file("rollback/002_note.sql", "DROP TABLE more;\nDROP TABLE note;\n");
    assert_eq!(place.run(&["check", "--rollbacks"]).code, Some(0));
    assert_eq!(place.run(&["migrate"]).code, Some(0));
    says!(place, ["drift"]);
    place.by_hand("DROP TABLE more; CREATE INDEX by_name ON item (name);");
    says!(place, ["drift", "--sql"]);
    says!(place, ["drift", "--scratch-url", "postgres://localhost/x"]);
}
