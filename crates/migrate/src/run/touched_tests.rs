use database::{Kind, Object, ObjectId, Schema, Section};

use super::*;
use crate::compare::What;

fn id(namespace: &str, of: &str, name: &str) -> ObjectId {
    let kind = match (of.is_empty(), name.contains('(')) {
        (true, true) => Kind::Function,
        (true, false) => Kind::Table,
        (false, _) => Kind::Constraint,
    };
    ObjectId { kind, namespace: namespace.into(), of: of.into(), name: name.into() }
}

fn schema(engine: Engine, objects: &[(ObjectId, &str)]) -> Fingerprint {
    let object = |(id, definition): &(ObjectId, &str)| Object {
        id: id.clone(),
        section: Section::PreData,
        definition: (*definition).to_owned(),
        owner: None,
        comments: Vec::new(),
        privileges: Vec::new(),
        depends_on: Vec::new(),
        table: None,
    };
    let objects = objects.iter().map(object).collect();
    Fingerprint::of(engine, &Schema { objects, ..Schema::default() })
}

fn touched(engine: Engine, by_hand: &[(ObjectId, &str)], text: &str) -> usize {
    let same = (id("public", "", "item"), "CREATE TABLE item;");
    let before = [same, (id("public", "", "order"), "x"), (id("audit", "", "log"), "x")];
    between(engine, &before, &[before.as_slice(), by_hand].concat(), text)
}

fn between(engine: Engine, left: &[(ObjectId, &str)], now: &[(ObjectId, &str)], text: &str) -> usize {
    let (left, now) = (schema(engine, left), schema(engine, now));
    let of = Where::new(engine, &left, &now, Some("public".into()));
    of.touched(left.differences(&now, What::Definitions), &[text]).len()
}

#[test]
fn what_a_migration_names_is_touched() {
    let all = [
        (id("public", "Item", "by_hand"), "x"),
        (id("public", "", "f(integer)"), "x"),
        (id("public", "", "other"), "x"),
        (id("public", "other", "x"), "x"),
    ];
    let count = |text: &str| touched(Engine::Postgres, &all, text);
    assert_eq!(count("ALTER TABLE item ADD COLUMN a int; -- other"), 1);
    assert_eq!(count("SELECT f(1), 'other'"), 1);
    assert_eq!(count("DO $x$ BEGIN EXECUTE 'ALTER TABLE other ADD a int'; END $x$"), 2);
    assert_eq!(count("DO $x$ BEGIN EXECUTE format('ALTER TABLE %I ADD a int', 'other'); END $x$"), 2);
    assert_eq!(count("CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT a FROM item'"), 1);
    assert_eq!(count("DROP SCHEMA public CASCADE"), 4);
    assert_eq!(count("DO $$ BEGIN DROP SCHEMA public CASCADE; END $$"), 4);
    assert_eq!(count("DROP TYPE mood CASCADE"), 4);
    assert_eq!(
        count(
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO r; ALTER SCHEMA public OWNER TO r"
        ),
        0
    );
    assert_eq!(count("CREATE TABLE public.more (a int)"), 0);
    // What hangs on it may be a routine, and is no table.
    assert_eq!(count("DROP TABLE unknown CASCADE"), 1);
    let key = "ALTER TABLE \"order\" DROP CONSTRAINT k, ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES y ON DELETE CASCADE";
    assert_eq!(count(key), 0);
    assert_eq!(count("ALTER TABLE U&\"\\0069tem\" ADD a int"), 1);
    assert_eq!(count("ALTER TABLE U&\"!+000069tem\" UESCAPE '!' ADD a int"), 1);
}

#[test]
fn a_foreign_key_reaches_the_table_that_it_is_of() {
    let key = "ALTER TABLE other ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES \"public\".\"item\"(id) ON DELETE CASCADE;";
    let by_hand = [(id("public", "other", "k"), key)];
    assert_eq!(touched(Engine::Postgres, &by_hand, "DELETE FROM item"), 1);
    assert_eq!(touched(Engine::Postgres, &by_hand, "DELETE FROM public.item"), 1);
    assert_eq!(touched(Engine::Postgres, &by_hand, "DELETE FROM \"order\""), 0);
    // It stands in nobody's way who adds something.
    assert_eq!(
        touched(Engine::Postgres, &by_hand, "ALTER TABLE item ADD c int REFERENCES x ON DELETE SET NULL"),
        0
    );
    let table = "CREATE TABLE other (a int REFERENCES `item` (id), b int)";
    assert_eq!(touched(Engine::Sqlite, &[(id("", "", "other"), table)], "DELETE FROM item"), 1);
    assert_eq!(touched(Engine::Sqlite, &[(id("", "", "other"), table)], "DELETE FROM b"), 0);
}

#[test]
fn names_are_found_however_they_are_written() {
    let other = [(id("", "", "other"), "x")];
    let put_together = "SET @a = CONCAT('ALTER TABLE other ', 'ADD b int'); PREPARE s FROM @a; EXECUTE s;";
    assert_eq!(touched(Engine::Mysql, &other, put_together), 1);
    assert_eq!(touched(Engine::Mysql, &other, "INSERT INTO item VALUES ('other')"), 0);
    assert_eq!(touched(Engine::Sqlite, &other, "ALTER TABLE 'other' ADD COLUMN b int"), 1);
    assert_eq!(touched(Engine::Sqlite, &other, "INSERT INTO item VALUES ('other')"), 0);
}

#[test]
fn what_only_sounds_the_same_is_not_touched() {
    let date = [(id("public", "", "date"), "x")];
    for text in ["CREATE TABLE x (a date, b date)", "ALTER TABLE item ALTER COLUMN a TYPE date"] {
        assert_eq!(touched(Engine::Postgres, &date, text), 0, "{text}");
    }
    for text in
        ["ALTER TABLE date ADD a int", "DROP TABLE item, date", "SELECT 1 FROM \"date\"", "SELECT date.a"]
    {
        assert_eq!(touched(Engine::Postgres, &date, text), 1, "{text}");
    }
    let audit = [(id("audit", "", "item"), "x")];
    assert_eq!(touched(Engine::Postgres, &audit, "ALTER TABLE item ADD a int"), 0);
    assert_eq!(touched(Engine::Postgres, &audit, "SET search_path = audit; ALTER TABLE item ADD a int"), 1);
    let public = [(id("public", "item", "by_hand"), "x")];
    assert_eq!(touched(Engine::Postgres, &public, "ALTER TABLE audit.item ADD a int"), 0);
    assert_eq!(touched(Engine::Postgres, &public, "ALTER TABLE public.item ADD a int"), 1);
}

#[test]
fn a_column_is_no_table() {
    for (name, text) in [
        ("state", "CREATE TABLE x (id int, state text, total int)"),
        ("state", "ALTER TABLE item ADD COLUMN \"state\" text, ADD COLUMN b int"),
        ("id", "UPDATE item SET id = 1, name = 2 WHERE id IN (SELECT id FROM x)"),
        ("data", "DO $$ BEGIN UPDATE item SET data = 1; END $$"),
    ] {
        assert_eq!(touched(Engine::Postgres, &[(id("public", "", name), "x")], text), 0, "{text}");
    }
    let state = [(id("public", "", "state"), "x")];
    for text in [
        "SELECT 1 FROM item, state WHERE a = 1",
        "DELETE FROM item USING x, state",
        "CREATE INDEX CONCURRENTLY i ON state (a)",
        "DO $$ BEGIN UPDATE state SET data = 1; END $$",
        "INSERT INTO item SELECT 1 FROM (state JOIN x ON true)",
    ] {
        assert_eq!(touched(Engine::Postgres, &state, text), 1, "{text}");
    }
    let state = [(id("", "", "state"), "x")];
    for text in
        ["ALTER TABLE shop.`state` ADD a int", "RENAME TABLE a TO b, state TO c", "UPDATE a, state SET b = 1"]
    {
        assert_eq!(touched(Engine::Mysql, &state, text), 1, "{text}");
    }
}

#[test]
fn what_is_gone_with_its_table_is_not_touched() {
    let cache = [(id("public", "", "cache"), "x"), (id("public", "cache", "cache_pkey"), "x")];
    let made = "CREATE TABLE IF NOT EXISTS cache (id int PRIMARY KEY)";
    assert_eq!(between(Engine::Postgres, &cache, &[], made), 0);
    assert_eq!(between(Engine::Postgres, &cache, &cache[..1], made), 1);
}

#[test]
fn upkeep_is_no_change() {
    let was = [(id("public", "item", "pkey"), "ALTER TABLE item ADD PRIMARY KEY (id);\n")];
    let is =
        [(was[0].0.clone(), "ALTER TABLE item ADD PRIMARY KEY (id);\nALTER TABLE item CLUSTER ON pkey;\n")];
    let differ = |engine, was: &[(ObjectId, &str)], is: &[(ObjectId, &str)]| {
        schema(engine, was).differences(&schema(engine, is), What::Definitions).len()
    };
    assert_eq!(differ(Engine::Postgres, &was, &is), 0);
    let parts = |list: &str| {
        format!("CREATE TABLE `p` (`a` int)\n PARTITION BY RANGE (`a`)\n(PARTITION `p0` {list})")
    };
    let (one, two) =
        (parts("VALUES LESS THAN (1)"), parts("VALUES LESS THAN (1),\n PARTITION `p1` VALUES LESS THAN (2)"));
    fn of(text: &str) -> [(ObjectId, &str); 1] {
        [(id("", "", "p"), text)]
    }
    assert_eq!(differ(Engine::Mysql, &of(&one), &of(&two)), 0);
    let versions = |number: u8| {
        format!(
            "CREATE TABLE `p` (`a` int)\n PARTITION BY SYSTEM_TIME INTERVAL 1 HOUR AUTO\nPARTITIONS {number}"
        )
    };
    assert_eq!(differ(Engine::Mysql, &of(&versions(3)), &of(&versions(4))), 0);
    let by_key =
        |number: u8| format!("CREATE TABLE `p` (`a` int)\n PARTITION BY KEY (`a`)\nPARTITIONS {number}");
    assert_eq!(differ(Engine::Mysql, &of(&by_key(3)), &of(&by_key(4))), 1);
    let other = one.replace("RANGE (`a`)", "RANGE (`a` + 1)");
    assert_eq!(differ(Engine::Mysql, &of(&one), &of(&other)), 1);
}
