//! Projects of other tools.

use crate::harness::{Place, says};

#[test]
fn a_project_of_another_tool_is_taken_over() {
    let place = Place::new();
    place.file("shop.db", "");
    place.file("dbm.toml", "url = \"sqlite:shop.db\"\n");
    place.file(
        "db/migrations/20240101_item.sql",
        "-- migrate:up\nCREATE TABLE item (id int);\n\n-- migrate:down\nDROP TABLE item;\n",
    );
    place.file(
        "db/migrations/20240102_more.sql",
        "-- migrate:up\nCREATE TABLE more (id int);\n-- migrate:down\n",
    );
    place.by_hand("CREATE TABLE item (id int); CREATE TABLE schema_migrations (version text); INSERT INTO schema_migrations VALUES ('20240101');");
    says!(place, ["adopt", "dbmate", "db/migrations", "--dry-run"]);
    says!(place, ["adopt", "dbmate", "db/migrations"]);
    says!(place, ["adopt", "dbmate", "db/migrations"]);
    says!(place, ["adopt", "dbmate", "migrations"]);
    says!(place, ["adopt", "rails", "db/migrations"]);
    assert_eq!(place.run(&["migrate"]).code, Some(0));
    assert!(place.run(&["status"]).stdout.contains(" 0 pending"), "{}", place.run(&["status"]).stdout);
    assert_eq!(place.run(&["check", "--files"]).code, Some(0));
}
