//! Views that run again, and seeds.

use crate::harness::{Place, says};

#[test]
fn views_and_seeds_are_run_and_shown() {
    let place = Place::with_database();
    place.file(
        "migrations/repeatable/named.sql",
        "DROP VIEW IF EXISTS named;\nCREATE VIEW named AS SELECT name FROM item;\n",
    );
    place.file("migrations/seeds/items.sql", "INSERT INTO item VALUES (1, 'one') ON CONFLICT DO NOTHING;\n");
    says!(place, ["migrate", "--dry-run"]);
    says!(place, ["migrate"]);
    says!(place, ["status"]);
    says!(place, ["seed", "--dry-run"]);
    says!(place, ["seed"]);
    says!(place, ["seed"]);
    place.file("migrations/repeatable/named.sql", "DROP VIEW IF EXISTS named;\n-- dbm: unless table t\n");
    says!(place, ["status", "--exit-code"]);
    let history = place.run(&["history", "--json"]).stdout;
    assert!(history.contains("\"kind\": \"seed\"") && history.contains("\"name\": \"named\""), "{history}");
    place.file("migrations/repeatable/named.sql", "-- dbm: requires 001\nDROP VIEW named;\n");
    says!(place, ["check"]);
}

#[test]
fn a_file_that_is_gone_is_forgotten_when_asked() {
    let place = Place::with_database();
    place.file(
        "migrations/repeatable/named.sql",
        "DROP VIEW IF EXISTS named;\nCREATE VIEW named AS SELECT 1;\n",
    );
    place.file("migrations/seeds/items.sql", "INSERT INTO item VALUES (1, 'one');\n");
    for command in ["migrate", "seed"] {
        assert_eq!(place.run(&[command]).code, Some(0));
    }
    assert_eq!(place.run(&["repair"]).code, Some(0));
    for file in ["repeatable/named.sql", "seeds/items.sql"] {
        std::fs::remove_file(place.path().join("migrations").join(file)).unwrap();
    }
    says!(place, ["status", "--exit-code"]);
    assert_eq!(place.run(&["check"]).code, Some(5));
    says!(place, ["repair"]);
    says!(place, ["repair", "--forget"]);
    says!(place, ["repair", "--forget", "seeds/other"]);
    says!(place, ["--yes", "repair", "--forget", "seeds/items", "--json"]);
    says!(place, ["--yes", "repair", "--forget"]);
    for command in ["repair", "check"] {
        assert_eq!(place.run(&[command]).code, Some(0), "{command}");
    }
}

#[test]
fn a_rehearsal_is_a_table_and_a_gate() {
    let place = Place::with_database();
    says!(place, ["migrate", "--rehearse", "--dry-run"]);
    let none = place.run(&["migrate", "--rehearse=nothing", "--dry-run"]);
    assert!(none.code == Some(1) && none.stderr.contains("nothing"), "{}", none.stderr);
    assert_eq!(place.run(&["backup"]).code, Some(0));
    let latest = place.run(&["migrate", "--rehearse=latest", "--dry-run"]);
    assert!(latest.stdout.contains("rehearsed on a copy of shop_"), "{}{}", latest.stdout, latest.stderr);
    says!(place, ["migrate", "--max-lock", "2s"]);
    says!(place, ["migrate", "--rehearse", "--max-lock", "soon"]);
    assert_eq!(place.run(&["migrate", "--rehearse", "--max-lock", "1h"]).code, Some(0));
    place.file("migrations/002_name.sql", "CREATE UNIQUE INDEX item_name ON item (name);\n");
    place.file("rollback/002_rollback.sql", "SELECT 1;\n");
    says!(place, ["migrate", "--rehearse", "--quiet"]);
    let told = place.run(&["migrate", "--rehearse"]).stderr;
    assert!(told.contains("rehearse: failed") && !told.contains("rehearse: done"), "{told}");
}
