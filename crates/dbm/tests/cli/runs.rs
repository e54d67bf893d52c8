//! What runs say, from the first line to the exit code.

use crate::harness::{Place, says};

/// `dbm.toml` settles what a run of several groups needs.
fn several_groups(last: &str) -> Place {
    let place = Place::with_database();
    place.file("dbm.toml", "url = \"sqlite:shop.db\"\naccept_lost_writes = true\n");
    place.file("migrations/002_compact.sql", "VACUUM;\n");
    place.file("rollback/002_rollback.sql", "SELECT 1;\n");
    place.file("migrations/003_last.sql", last);
    place.file("rollback/003_rollback.sql", "DELETE FROM item;\n");
    place
}

#[test]
fn a_migration_and_its_rollback() {
    let place = Place::with_database();
    says!(place, ["migrate", "--safe"]);
    says!(place, ["migrate", "--safe"]);
    says!(place, ["status", "--tables"]);
    says!(place, ["current"]);
    says!(place, ["downgrade", "-1"]);
    says!(place, ["upgrade", "head", "--quiet"]);
    says!(place, ["backups"]);
}

/// Nobody has seen the schema between the two.
#[test]
fn a_rollback_of_a_part_of_a_run() {
    let place = Place::with_database();
    place.file(
        "migrations/002_note.sql",
        "CREATE TABLE note (id INTEGER);\nCREATE INDEX note_id ON note (id);\n",
    );
    place.file("rollback/002_rollback.sql", "DROP INDEX note_id;\n");
    assert_eq!(place.run(&["migrate", "--safe"]).code, Some(0));
    says!(place, ["rollback"]);
    let log = std::fs::read_to_string(place.path().join("logs/migration.log")).unwrap();
    let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!((&last["outcome"], &last["compared"]), (&"done".into(), &"replayed".into()));
    assert_eq!(last["not_undone"][0], "table note is there, and was not");

    place.by_hand("DROP TABLE note");
    place.file("rollback/002_rollback.sql", "DROP TABLE note;\n");
    assert_eq!(place.run(&["rollback", "--all"]).code, Some(0));
    assert_eq!(place.run(&["migrate", "--safe"]).code, Some(0));
    says!(place, ["rollback"]);

    // What makes the rest is another text by now.
    assert_eq!(place.run(&["rollback", "--all"]).code, Some(0));
    assert_eq!(place.run(&["migrate", "--safe"]).code, Some(0));
    place.file("migrations/001_item.sql", "CREATE TABLE item (id INTEGER);\n");
    says!(place, ["rollback"]);
}

#[test]
fn one_that_fails_in_its_transaction() {
    let place = Place::with_database();
    place.file(
        "migrations/001_item.sql",
        "CREATE TABLE item (id INTEGER);\nINSERT INTO item (nam) VALUES (1);\n",
    );
    says!(place, ["migrate", "--safe"]);
    let log = std::fs::read_to_string(place.path().join("logs/migration.log")).unwrap();
    let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!(last["outcome"], "nothing-changed");
    assert!(last["error"].as_str().unwrap().contains("nam"), "{last}");
}

#[test]
fn one_that_is_put_back() {
    let place = several_groups(
        "INSERT INTO item (name) VALUES ('x');\n-- dbm: verify\nSELECT count(*) = 2 FROM item;\n",
    );
    says!(place, ["migrate", "--safe"]);
    says!(place, ["status"]);
    says!(place, ["replaced"]);
}

#[test]
fn groups_need_a_decision() {
    let place = several_groups("SELECT 1;\n");
    place.file("dbm.toml", "url = \"sqlite:shop.db\"\n");
    place.by_hand("CREATE TABLE somebody_s (a)");
    says!(place, ["migrate", "--safe"]);
    says!(place, ["migrate", "--safe", "--fence", "--quiet"]);
}

#[test]
fn a_killed_run_is_told_of_and_recovered() {
    let place = several_groups("SELECT 1;\n").variable("DBM_TEST_STOP_AT", "apply-2:noted");
    assert_eq!(place.run(&["migrate"]).code, None, "it was killed");
    let place = place.variable("DBM_TEST_STOP_AT", "");
    let status = place.run(&["status"]);
    assert!(
        status.stderr.contains("is open since") && status.stderr.contains("dbm recover"),
        "{}",
        status.stderr
    );
    let backup = place.run(&["backup"]);
    assert!(backup.stdout.contains("_unfinished"), "{}{}", backup.stdout, backup.stderr);
    says!(place, ["recover", "--yes"]);
    assert_eq!(place.run(&["status", "--exit-code"]).code, Some(5));
    assert_eq!(place.run(&["migrate"]).code, Some(0));
}

#[test]
fn backup_and_restore() {
    let place = Place::with_database();
    assert_eq!(place.run(&["migrate"]).code, Some(0));
    says!(place, ["backup", "--label", "evening"]);
    says!(place, ["verify", "latest", "--deep"]);
    says!(place, ["restore", "latest"]);
    let replaced = place.run(&["replaced", "--json"]);
    let replaced: serde_json::Value = serde_json::from_str(&replaced.stdout).unwrap();
    let name = replaced["replaced"][0]["name"].as_str().unwrap();
    says!(place, ["replaced", "--let-go", name]);
    says!(place, ["replaced", "--let-go", name, "--yes"]);
    says!(place, ["replaced"]);
}

#[test]
fn a_module_that_fails_stops_no_other() {
    let place = Place::with_database();
    place.file(
        "migrations/002_pay.sql",
        "-- dbm: module pay\nCREATE TABLE pay (id int);\nINSERT INTO nowhere VALUES (1);\n",
    );
    place.file("rollback/002_pay.sql", "DROP TABLE pay;\n");
    place.file("migrations/003_hr.sql", "-- dbm: module hr\nCREATE TABLE hr (id int);\n");
    place.file("rollback/003_hr.sql", "DROP TABLE hr;\n");
    place.file(
        "migrations/004_bonus.sql",
        "-- dbm: module bonus\n-- dbm: requires 002\nCREATE TABLE bonus (id int);\n",
    );
    place.file("rollback/004_bonus.sql", "DROP TABLE bonus;\n");
    let ended = place.run(&["migrate", "--keep-going"]);
    assert_eq!(ended.code, Some(6), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("2 of 4 modules failed: pay, bonus; what the others did stays"),
        "{}",
        ended.stderr
    );
    let again = place.run(&["migrate", "--keep-going", "--out-of-order"]);
    assert_eq!(again.code, Some(1), "now nothing is changed: {}", again.stderr);
    assert!(ended.stderr.contains("no such table: nowhere"), "{}", ended.stderr);
    assert!(ended.stderr.contains("module bonus: 004_bonus requires 002"), "{}", ended.stderr);
    let status = place.run(&["status", "--json"]).stdout;
    assert!(
        status.contains("\"name\": \"hr\"") && place.run(&["status"]).stdout.contains("2 applied, 2 pending"),
        "{status}"
    );
    place.file("migrations/002_pay.sql", "-- dbm: module pay\nCREATE TABLE pay (id int);\n");
    let ended = place.run(&["migrate", "--keep-going", "--out-of-order", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("\"module\": \"bonus\""), "{}", ended.stdout);
    assert!(place.run(&["status"]).stdout.contains("4 applied, 0 pending"));
}

#[test]
fn modules_that_cross_go_in_parts() {
    let fin =
        |more: &str| format!("-- dbm: module fin\n-- dbm: requires 001\nCREATE TABLE fin (id int);\n{more}");
    let place = Place::with_database();
    for (name, text) in [
        ("002_fin", fin("INSERT INTO nowhere VALUES (1);\n").as_str()),
        ("003_hr", "-- dbm: module hr\n-- dbm: requires 002\nCREATE TABLE hr AS SELECT id FROM fin;\n"),
        ("004_log", "-- dbm: module log\nCREATE TABLE log (id int);\n"),
        ("001_item", "-- dbm: module hr\nCREATE TABLE item (id int);\n"),
    ] {
        place.file(&format!("migrations/{name}.sql"), text);
        place
            .file(&format!("rollback/{}_rollback.sql", &name[..3]), &format!("DROP TABLE {};\n", &name[4..]));
    }
    // It runs again after the last of its module's alone.
    place.file(
        "migrations/repeatable/hr.sql",
        "-- dbm: module hr\nDROP VIEW IF EXISTS people;\nCREATE VIEW people AS SELECT id FROM hr;\n",
    );
    let ended = place.run(&["migrate", "--keep-going"]);
    assert_eq!(ended.code, Some(6), "{}", ended.stderr);
    assert!(ended.stderr.contains("2 of 3 modules failed: fin, hr; what"), "{}", ended.stderr);
    assert!(ended.stderr.contains("module hr: 003_hr requires 002"), "{}", ended.stderr);
    assert!(place.run(&["status"]).stdout.contains("2 applied, 2 pending"));
    assert_eq!(place.run(&["rollback", "--all"]).code, Some(0));

    place.file("migrations/001_item.sql", "-- dbm: module hr\nINSERT INTO nowhere VALUES (1);\n");
    let ended = place.run(&["migrate", "--keep-going"]);
    assert!(ended.stderr.contains("2 of 3 modules failed: hr, fin; what"), "{}", ended.stderr);
    assert!(place.run(&["status"]).stdout.contains("1 applied, 3 pending"));

    place.file("migrations/001_item.sql", "-- dbm: module hr\nCREATE TABLE item (id int);\n");
    place.file("migrations/002_fin.sql", &fin(""));
    let ended = place.run(&["migrate", "--keep-going", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let told: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let modules = told["modules"].as_array().unwrap().iter();
    let names: Vec<&str> = modules.map(|one| one["module"].as_str().unwrap()).collect();
    assert_eq!(names, ["hr", "fin", "hr"]);
    assert!(place.run(&["status"]).stdout.contains("4 applied, 0 pending"));
}
