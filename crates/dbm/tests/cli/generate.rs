//! Migrations that `dbm generate` writes, run, and judged by the engine's own tools.

use crate::harness::Place;
use crate::postgres::{fresh, psql};

const BEFORE: &str =
    "CREATE TABLE item (id bigserial PRIMARY KEY, title text NOT NULL, price numeric(10,2) DEFAULT 0);
    CREATE VIEW items AS SELECT id, title FROM item;
    CREATE TYPE mood AS ENUM ('a', 'c');
    CREATE TABLE feel (id int PRIMARY KEY, m mood DEFAULT 'a');
    CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'select 1';
    INSERT INTO item (title) VALUES ('one'), ('two');";

const WANTED: &str = "CREATE TYPE mood AS ENUM ('a', 'b', 'c');
    CREATE TABLE item (id bigserial PRIMARY KEY, title varchar(100) NOT NULL DEFAULT 'x',
        price numeric(12,2) NOT NULL DEFAULT 0 CHECK (price >= 0), extra jsonb);
    CREATE TABLE line (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, item bigint NOT NULL REFERENCES item (id));
    CREATE INDEX item_title ON item (title);
    CREATE VIEW items AS SELECT id, title, extra FROM item;
    CREATE TABLE feel (id int PRIMARY KEY, m mood DEFAULT 'b', item bigint REFERENCES item (id));
    CREATE FUNCTION f(a bigint) RETURNS int LANGUAGE sql AS 'select 2 -- ${{name}}';
    COMMENT ON TABLE item IS 'what we ''sell''';";

/// What pg_dump says of a database, without what dbm keeps for itself.
fn dumped(url: &str) -> String {
    let output = std::process::Command::new("pg_dump")
        .args(["--schema-only", "--no-owner", "-T", "dbm_history", "-N", "dbm", url])
        .output()
        .expect("pg_dump is needed: run scripts/test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Newer ones begin with a key of their own making.
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| !line.starts_with("\\")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_generated_migration_makes_what_is_wanted_and_its_rollback_what_was_there() {
    let (name, url) = fresh("generate", BEFORE);
    let (other, wanted) = fresh("wanted", &WANTED.replace("${{name}}", "${name}"));
    let place = Place::new().variable("DATABASE_URL", &url);
    place.file("schema.sql", WANTED);
    let before = dumped(&url);

    let found = place.run(&["generate", "colours", "--dry-run"]);
    assert_eq!(found.code, Some(0), "{}{}", found.stdout, found.stderr);
    assert!(!place.path().join("migrations/001_colours.sql").exists());
    let found = place.run(&["generate", "colours"]);
    assert_eq!(found.code, Some(0), "{}{}", found.stdout, found.stderr);
    let done = place.run(&["migrate", "--safe", "--accept-lost-writes"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert_eq!(dumped(&url), dumped(&wanted));
    let again = place.run(&["generate", "again"]);
    assert!(again.stdout.contains("nothing to write"), "{}{}", again.stdout, again.stderr);
    let files = place.run(&["generate", "again", "--from", "migrations"]);
    assert!(files.stderr.contains("do not run in a new database"), "{}{}", files.stdout, files.stderr);

    let back = place.run(&["rollback", "--all", "--no-backup"]);
    assert_eq!(back.code, Some(0), "{}{}", back.stdout, back.stderr);
    assert_eq!(dumped(&url), before);
    assert_eq!(psql(&url, "SELECT count(*) FROM item"), "2\n");

    let server = url.replace(&format!("/{name}"), "/postgres");
    for database in [name, other] {
        psql(&server, &format!("DROP DATABASE \"{database}\" WITH (FORCE)"));
    }
}

#[test]
fn what_is_lost_or_renamed_has_to_be_said() {
    let (name, url) = fresh(
        "renamed",
        "CREATE TABLE item (id int PRIMARY KEY, title text, CONSTRAINT short CHECK (length(title) < 9));
         CREATE VIEW titles AS SELECT title FROM item; INSERT INTO item VALUES (1, 'one')",
    );
    let place = Place::new().variable("DATABASE_URL", &url);
    place.file(
        "schema.sql",
        "CREATE TABLE item (id int PRIMARY KEY, name text, CONSTRAINT short CHECK (length(name) < 9));
         CREATE VIEW titles AS SELECT name AS title FROM item;",
    );
    let refused = place.run(&["generate", "names"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    assert!(refused.stderr.contains("--rename 'public.item.title=public.item.name'"), "{}", refused.stderr);
    let refused = place.run(&["generate", "names", "--drop", "item.title"]);
    assert!(refused.stderr.contains("loses data: column title of table public.item"), "{}", refused.stderr);
    assert!(!place.path().join("migrations").exists(), "nothing is written");

    let done = place.run(&["generate", "names", "--rename", "item.title=name"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    let done = place.run(&["migrate"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert_eq!(psql(&url, "SELECT name FROM item"), "one\n");
    let back = place.run(&["rollback", "--no-backup"]);
    assert_eq!(back.code, Some(0), "{}{}", back.stdout, back.stderr);
    assert_eq!(psql(&url, "SELECT title FROM item"), "one\n");
    psql(&url.replace(&format!("/{name}"), "/postgres"), &format!("DROP DATABASE \"{name}\" WITH (FORCE)"));
}
