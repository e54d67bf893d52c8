//! Migrations folded into one, before anybody's eyes.

use crate::harness::{Place, says};

#[test]
fn old_migrations_are_folded() {
    let place = Place::with_database();
    place.file("migrations/002_price.sql", "ALTER TABLE item ADD COLUMN price int;\n");
    place.file("rollback/002_price.sql", "ALTER TABLE item DROP COLUMN price;\n");
    assert_eq!(place.run(&["migrate"]).code, Some(0));
    says!(place, ["squash", "--to", "2", "--dry-run"]);
    says!(place, ["squash", "--to", "2"]);
    says!(place, ["status"]);
    assert_eq!(place.run(&["check"]).code, Some(0));
    says!(place, ["squash", "--to", "2"]);

    // Broken off before the last was moved.
    std::fs::rename(
        place.path().join("migrations/squashed/001_item.sql"),
        place.path().join("migrations/001_item.sql"),
    )
    .unwrap();
    assert_eq!(place.run(&["migrate"]).code, Some(0));
    says!(place, ["check"]);
    says!(place, ["squash", "--to", "2"]);
    assert_eq!(place.run(&["check"]).code, Some(0));
}
