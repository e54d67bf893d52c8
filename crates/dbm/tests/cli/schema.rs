//! The schema as a file that a build keeps current.

use crate::harness::{Place, says};

#[test]
fn a_page_is_current_or_is_not() {
    let place = Place::with_database();
    assert_eq!(place.run(&["migrate"]).code, Some(0));
    says!(place, ["schema", "dump"]);
    says!(place, ["schema", "docs", "--title", "Shop"]);
    says!(place, ["schema", "docs", "--check", "--output", "STRUCTURE.md"]);
    says!(place, ["schema", "docs", "--output", "STRUCTURE.md"]);
    says!(place, ["schema", "docs", "--check", "--output", "STRUCTURE.md", "--json"]);
    place.file("migrations/002_price.sql", "ALTER TABLE item ADD COLUMN price REAL;\n");
    place.file("rollback/002_rollback.sql", "ALTER TABLE item DROP COLUMN price;\n");
    assert_eq!(place.run(&["migrate"]).code, Some(0));
    says!(place, ["schema", "docs", "--check", "--output", "STRUCTURE.md"]);
}
