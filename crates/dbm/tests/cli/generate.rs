//! Migrations that `dbm generate` writes, run, and judged by the engine's own tools.

use crate::harness::Place;
use crate::postgres::{fresh, psql};

const BEFORE: &str =
    "CREATE TABLE item (id bigserial PRIMARY KEY, title text NOT NULL, price numeric(10,2) DEFAULT 0);
    CREATE VIEW items AS SELECT id, title FROM item;
    CREATE TYPE mood AS ENUM ('a', 'c');
    CREATE TABLE feel (id int PRIMARY KEY, m mood DEFAULT 'a');
    CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'select 1';
    GRANT SELECT ON items TO PUBLIC;
    INSERT INTO item (title) VALUES ('one'), ('two');";

const WANTED: &str = "CREATE TYPE mood AS ENUM ('a', 'b', 'c');
    CREATE TABLE item (id bigserial PRIMARY KEY, title varchar(100) NOT NULL DEFAULT 'x',
        price numeric(12,2) NOT NULL DEFAULT 0 CHECK (price >= 0), extra jsonb);
    CREATE TABLE line (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, item bigint NOT NULL REFERENCES item (id));
    CREATE INDEX item_title ON item (title);
    CREATE VIEW items AS SELECT id, title, extra FROM item;
    CREATE TABLE feel (id int PRIMARY KEY, m mood DEFAULT 'b', item bigint REFERENCES item (id));
    CREATE FUNCTION f(a bigint) RETURNS int LANGUAGE sql AS 'select 2 -- ${name} ${{name}}';
    GRANT SELECT ON items TO PUBLIC;
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
    let (other, wanted) = fresh("wanted", WANTED);
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

/// What may be given, in every place where it can stand.
const GRANTED: &str =
    "CREATE SCHEMA shop; CREATE TABLE shop.item (id serial PRIMARY KEY, title text, price int);
    CREATE SEQUENCE shop.numbers; CREATE FUNCTION shop.f(a int) RETURNS int LANGUAGE sql AS 'select 1';
    CREATE VIEW shop.items AS SELECT id FROM shop.item; CREATE TYPE shop.mood AS ENUM ('a');";

/// Each is given before or after, to more or to fewer.
const GRANTS: &[(&str, &str)] = &[
    (
        "GRANT USAGE ON SCHEMA shop TO pg_monitor",
        "GRANT USAGE, CREATE ON SCHEMA shop TO pg_monitor, pg_read_all_stats",
    ),
    (
        "GRANT SELECT, INSERT ON shop.item TO pg_monitor WITH GRANT OPTION",
        "GRANT SELECT ON shop.item TO pg_monitor",
    ),
    (
        "GRANT UPDATE (title) ON shop.item TO pg_monitor",
        "GRANT UPDATE (title, price), SELECT (id) ON shop.item TO pg_read_all_stats",
    ),
    ("SELECT 1", "GRANT USAGE, SELECT ON SEQUENCE shop.numbers, shop.item_id_seq TO pg_monitor"),
    (
        "REVOKE EXECUTE ON FUNCTION shop.f(int) FROM PUBLIC",
        "GRANT EXECUTE ON FUNCTION shop.f(int) TO pg_monitor",
    ),
    ("GRANT SELECT ON shop.items TO PUBLIC", "REVOKE ALL ON shop.items FROM PUBLIC"),
    ("REVOKE USAGE ON TYPE shop.mood FROM PUBLIC", "GRANT USAGE ON TYPE shop.mood TO pg_monitor"),
];

#[test]
fn privileges_are_given_and_taken_and_given_back() {
    let with = |grants: fn(&(&'static str, &'static str)) -> &'static str| {
        let grants: Vec<&str> = GRANTS.iter().map(grants).collect();
        format!("{GRANTED} {};", grants.join("; "))
    };
    let (old, new) = (with(|both| both.0), with(|both| both.1));
    let (name, url) = fresh("granted", &old);
    let (other, wanted) = fresh("given", &new);
    let place = Place::new().variable("DATABASE_URL", &url);
    place.file("schema.sql", &new);
    let before = dumped(&url);
    // They are accounts' business where nobody asks for them.
    let found = place.run(&["generate", "rights"]);
    assert!(found.stdout.contains("nothing to write"), "{}{}", found.stdout, found.stderr);
    for call in [&["generate", "rights", "--privileges"][..], &["migrate", "--safe", "--accept-lost-writes"]]
    {
        let done = place.run(call);
        assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    }
    assert_eq!(dumped(&url), dumped(&wanted));
    let again = place.run(&["generate", "again", "--privileges"]);
    assert!(again.stdout.contains("nothing to write"), "{}{}", again.stdout, again.stderr);
    let back = place.run(&["rollback", "--all", "--no-backup"]);
    assert_eq!(back.code, Some(0), "{}{}", back.stdout, back.stderr);
    assert_eq!(dumped(&url), before);
    let server = url.replace(&format!("/{name}"), "/postgres");
    for database in [name, other] {
        psql(&server, &format!("DROP DATABASE \"{database}\" WITH (FORCE)"));
    }
}

#[test]
fn nothing_but_files_and_a_place_for_scratch_databases_is_enough() {
    let place = Place::new();
    place.file("migrations/001_item.sql", "CREATE TABLE item (id INTEGER PRIMARY KEY);\n");
    place.file("rollback/001_rollback.sql", "DROP TABLE item;\n");
    place.file("schema.sql", "CREATE TABLE item (id INTEGER PRIMARY KEY, title TEXT);\n");
    let files = ["generate", "title", "--from", "migrations"];
    let refused = place.run(&files);
    assert_eq!(refused.code, Some(2), "{}{}", refused.stdout, refused.stderr);
    let scratch = ["--scratch-url", "sqlite:scratch.db"];
    for call in [&files[..], &["squash", "--to", "2", "--dry-run"]] {
        let done = place.run(&[call, &scratch].concat());
        assert_eq!(done.code, Some(0), "{call:?}: {}{}", done.stdout, done.stderr);
    }
    assert!(place.path().join("migrations/002_title.sql").exists());
    assert!(!place.path().join("scratch.db").exists(), "it is only said where");
    // Of the same engine, where there is a target.
    let other = place.variable("DATABASE_URL", "postgres://nobody@localhost/shop");
    let refused = other.run(&[&files[..], &scratch].concat());
    assert!(
        refused.stderr.contains("names sqlite, and the migrations are for postgres"),
        "{}",
        refused.stderr
    );
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

#[test]
fn what_was_changed_by_hand_becomes_a_migration() {
    let place = Place::with_database();
    assert_eq!(place.run(&["migrate", "--safe"]).code, Some(0));
    place.by_hand("ALTER TABLE item ADD COLUMN colour TEXT; CREATE INDEX by_hand ON item (colour)");
    assert_eq!(place.run(&["drift"]).code, Some(5));

    place.file("migrations/002_size.sql", "ALTER TABLE item ADD COLUMN size INTEGER;\n");
    place.file("rollback/002_rollback.sql", "ALTER TABLE item DROP COLUMN size;\n");
    let refused = place.run(&["migrate", "--safe"]);
    assert_eq!(refused.code, Some(1), "{}{}", refused.stdout, refused.stderr);
    assert!(
        refused.stderr.contains("table item is another one; index item.by_hand is there"),
        "{}",
        refused.stderr
    );
    let refused = place.run(&["drift", "--fix", "colours"]);
    assert!(refused.stderr.contains("002_size is pending"), "{}{}", refused.stdout, refused.stderr);
    place.file("migrations/002_size.sql", "CREATE TABLE other (id INTEGER PRIMARY KEY);\n");
    place.file("rollback/002_rollback.sql", "DROP TABLE other;\n");
    let done = place.run(&["migrate", "--safe"]);
    assert_eq!(done.code, Some(0), "what is pending touches nothing of it: {}", done.stderr);

    let done = place.run(&["drift", "--fix", "colours"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert!(place.path().join("migrations/003_colours.sql").exists());
    for call in [&["drift"][..], &["migrate", "--safe"], &["check"], &["check", "--rollbacks"]] {
        let done = place.run(call);
        assert_eq!(done.code, Some(0), "{call:?}: {}{}", done.stdout, done.stderr);
    }
    let status = place.run(&["status"]);
    assert!(status.stdout.contains("003"), "{}", status.stdout);
    let done = place.run(&["generate", "none", "--from", "migrations", "--to", "sqlite:shop.db"]);
    assert!(done.stdout.contains("nothing to write"), "{}{}", done.stdout, done.stderr);
}

#[test]
fn sqlite_rebuilds_a_table_and_keeps_rows_and_counters() {
    let place = Place::with_database();
    place.file(
        "migrations/001_item.sql",
        "CREATE TABLE kind (id INTEGER PRIMARY KEY);
         CREATE TABLE item (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, kind INTEGER REFERENCES kind (id));
         CREATE TABLE line (id INTEGER PRIMARY KEY, item INTEGER REFERENCES item (id) ON DELETE CASCADE);
         CREATE VIEW names AS SELECT name FROM item;
         INSERT INTO kind VALUES (1); INSERT INTO item VALUES (1, 'one', 1), (9, 'gone', 1); DELETE FROM item WHERE id = 9;
         INSERT INTO line VALUES (1, 1);\n",
    );
    place.file(
        "rollback/001_rollback.sql",
        "DROP VIEW names; DROP TABLE line; DROP TABLE item; DROP TABLE kind;\n",
    );
    assert_eq!(place.run(&["migrate", "--safe"]).code, Some(0));
    let wanted = "CREATE TABLE kind (id INTEGER PRIMARY KEY);
        CREATE TABLE item (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, price REAL DEFAULT 0 CHECK (price >= 0),
            kind INTEGER REFERENCES kind (id));
        CREATE TABLE line (id INTEGER PRIMARY KEY, item INTEGER REFERENCES item (id) ON DELETE CASCADE);
        CREATE VIEW names AS SELECT name, price FROM item;";
    place.file("schema.sql", wanted);
    let done = place.run(&["generate", "prices"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    for call in [&["check"][..], &["migrate", "--safe"]] {
        let done = place.run(call);
        assert_eq!(done.code, Some(0), "{call:?}: {}{}", done.stdout, done.stderr);
    }
    place.by_hand("INSERT INTO item (name) VALUES ('next')");
    let file = place.path().join("shop.db");
    let said = |sql: &str| {
        let output = std::process::Command::new("sqlite3").arg(&file).arg(sql).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(
        said("SELECT id, name, price FROM item; SELECT count(*) FROM line"),
        "1|one|0.0\n10|next|0.0\n1\n"
    );
    assert_eq!(said("PRAGMA foreign_key_check; PRAGMA integrity_check"), "ok\n");
    assert!(place.run(&["generate", "none"]).stdout.contains("nothing to write"));
    assert_eq!(place.run(&["rollback", "--no-backup"]).code, Some(0));
    assert_eq!(said("SELECT id, name FROM item; SELECT count(*) FROM line"), "1|one\n10|next\n1\n");
    assert_eq!(place.run(&["drift"]).code, Some(0));
}

#[test]
fn a_table_under_another_name_counts_on() {
    let (name, url) = fresh(
        "counts",
        "CREATE TABLE item (id serial PRIMARY KEY, title text); INSERT INTO item (title) VALUES ('a'), ('b')",
    );
    let place = Place::new().variable("DATABASE_URL", &url);
    place.file("schema.sql", "CREATE TABLE product (id serial PRIMARY KEY, title text);");
    for call in [&["generate", "names", "--rename", "item=product"][..], &["migrate"]] {
        let done = place.run(call);
        assert_eq!(done.code, Some(0), "{call:?}: {}{}", done.stdout, done.stderr);
    }
    assert_eq!(psql(&url, "INSERT INTO product (title) VALUES ('c') RETURNING id").lines().next(), Some("3"));
    assert_eq!(place.run(&["rollback", "--no-backup"]).code, Some(0));
    assert_eq!(psql(&url, "INSERT INTO item (title) VALUES ('d') RETURNING id").lines().next(), Some("4"));
    psql(&url.replace(&format!("/{name}"), "/postgres"), &format!("DROP DATABASE \"{name}\" WITH (FORCE)"));
}

#[test]
fn what_is_pending_is_not_written_twice() {
    let place = Place::with_database();
    assert_eq!(place.run(&["migrate", "--safe"]).code, Some(0));
    place.file("schema.sql", "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, colour TEXT);\n");
    assert_eq!(place.run(&["generate", "colours"]).code, Some(0));
    let again = place.run(&["generate", "again"]);
    assert_eq!(again.code, Some(1), "{}", again.stdout);
    assert!(again.stderr.contains("002_colours is pending"), "{}", again.stderr);
    assert!(!place.path().join("migrations/003_again.sql").exists());
    let files = place.run(&["generate", "again", "--from", "migrations"]);
    assert!(files.stdout.contains("nothing to write"), "{}{}", files.stdout, files.stderr);
}

#[test]
fn a_rename_by_hand_is_no_loss_unless_it_is_said_to_be() {
    let place = Place::with_database();
    assert_eq!(place.run(&["migrate", "--safe"]).code, Some(0));
    place.by_hand("ALTER TABLE item RENAME COLUMN name TO title");
    let refused = place.run(&["drift", "--fix", "titles"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    assert!(refused.stderr.contains("--rename 'item.name=item.title'"), "{}", refused.stderr);
    let refused = place.run(&["drift", "--fix", "titles", "--drop", "item.name"]);
    assert!(refused.stderr.contains("loses data: column name of table item"), "{}", refused.stderr);
    assert!(!place.path().join("migrations/002_titles.sql").exists());
    let done = place.run(&["drift", "--fix", "titles", "--rename", "item.name=title", "--json"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("\"losses\": []"), "{}", done.stdout);
    let text = std::fs::read_to_string(place.path().join("migrations/002_titles.sql")).unwrap();
    assert!(text.contains("RENAME COLUMN"), "{text}");
    assert_eq!(place.run(&["drift"]).code, Some(0));
}

#[test]
fn drift_is_refused_where_a_placeholder_names_what_drifted() {
    let place = Place::with_database().variable("WHAT", "item");
    assert_eq!(place.run(&["migrate", "--safe"]).code, Some(0));
    place.by_hand("ALTER TABLE item ADD COLUMN colour TEXT");
    place.file("migrations/002_size.sql", "ALTER TABLE ${env:WHAT} ADD COLUMN size INTEGER;\n");
    place.file("rollback/002_rollback.sql", "ALTER TABLE ${env:WHAT} DROP COLUMN size;\n");
    let refused = place.run(&["migrate", "--safe"]);
    assert_eq!(refused.code, Some(1), "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains("table item is another one"), "{}", refused.stderr);
}

#[test]
fn a_database_of_sqlite_may_be_empty() {
    let place = Place::new();
    for name in ["shop.db", "empty.db"] {
        place.file(name, "");
    }
    place.file("dbm.toml", "url = \"sqlite:shop.db\"\n");
    place.file("schema.sql", "CREATE TABLE item (id int DEFAULT '${x} ${{y}}');\n");
    for call in
        [&["generate", "first"][..], &["migrate", "--safe"], &["schema", "dump", "--output", "schema.sql"]]
    {
        let done = place.run(call);
        assert_eq!(done.code, Some(0), "{call:?}: {}{}", done.stdout, done.stderr);
    }
    let again = place.run(&["generate", "again"]);
    assert!(again.stdout.contains("nothing to write"), "{}{}", again.stdout, again.stderr);
    let away = place.run(&["generate", "away", "--to", "sqlite:empty.db", "--allow-data-loss", "--dry-run"]);
    assert!(away.stdout.contains("DROP TABLE"), "{}{}", away.stdout, away.stderr);

    place.by_hand("DROP TABLE item");
    let fixed = place.run(&["drift", "--fix", "away", "--allow-data-loss"]);
    assert_eq!(fixed.code, Some(0), "{}{}", fixed.stdout, fixed.stderr);
    assert!(place.path().join("migrations/002_away.sql").exists());
    assert_eq!(place.run(&["drift"]).code, Some(0));
}
