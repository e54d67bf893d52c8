mod samples;

use std::path::Path;

use super::*;
use crate::files::{Directives, Source};

fn migration(text: &str) -> Migration {
    let path = Path::new("007_x.sql");
    let directives = Directives::parse(text, path).unwrap();
    let source = Source { path: path.to_owned(), text: text.to_owned() };
    Migration { number: 7, name: "x".to_owned(), directives, source, rollback: None }
}

/// The rules that hit, each with its line.
fn found(engine: Engine, text: &str) -> Vec<String> {
    let name = |finding: &Finding| match finding.rule {
        Rule::Statement(name) => name.to_owned(),
        other => format!("{other:?}"),
    };
    let findings = lint(engine, Some("15.18"), &migration(text));
    findings.iter().map(|finding| format!("{}:{}", name(finding), finding.line.unwrap_or_default())).collect()
}

const ALL: [Engine; 3] = [Engine::Postgres, Engine::Mysql, Engine::Sqlite];

#[test]
fn what_loses_data_has_one_name_on_every_engine() {
    for engine in ALL {
        for (text, rule) in [
            ("DROP TABLE shop.item;", "ban-drop-table:1"),
            ("SELECT 1;\nALTER TABLE item DROP COLUMN price;", "ban-drop-column:2"),
            ("ALTER TABLE item RENAME COLUMN a TO b;", "renaming-column:1"),
            ("ALTER TABLE item RENAME TO goods;", "renaming-table:1"),
            ("-- all\nDELETE FROM item;", "delete-without-where:2"),
            ("UPDATE item SET price = 0;", "update-without-where:1"),
            (
                "ALTER TABLE item ADD note text;\nUPDATE item SET note = 'none', price = 0;",
                "update-without-where:2",
            ),
            ("WITH a AS (SELECT id FROM b WHERE c = 1)\nDELETE FROM item;", "delete-without-where:1"),
            ("CREATE TABLE IF NOT EXISTS item (id int);\nDELETE FROM item;", "delete-without-where:2"),
            ("CREATE TABLE IF NOT EXISTS item (id int);\nDROP TABLE item;", "ban-drop-table:2"),
            ("ALTER TABLE item ADD COLUMN a int NOT NULL;", "adding-required-field:1"),
            ("CREATE VIEW v AS TABLE item;\nDELETE FROM item;", "delete-without-where:2"),
            ("DELETE FROM item WHERE true;", "delete-without-where:1"),
            ("DELETE FROM item WHERE (1 = 1);", "delete-without-where:1"),
            ("DELETE FROM item WHERE id = 7 OR 1=1;", "delete-without-where:1"),
            ("UPDATE item SET price = 0 WHERE TRUE;", "update-without-where:1"),
            ("WITH a AS (SELECT 1)\nDELETE FROM item WHERE NOT false;", "delete-without-where:1"),
        ] {
            assert!(
                found(engine, text).contains(&rule.to_owned()),
                "{engine} {text}: {:?}",
                found(engine, text)
            );
        }
    }
}

#[test]
fn what_is_harmless_is_not_found() {
    for engine in ALL {
        for text in [
            "CREATE TABLE item (id int NOT NULL PRIMARY KEY);\nCREATE INDEX i ON item (id);\nDELETE FROM item;\nDROP TABLE item;",
            "CREATE TABLE IF NOT EXISTS ${user} (id ${identity}, made ${timestamp});\nINSERT INTO ${user} (id) VALUES (1);",
            "DELETE FROM item WHERE id IN (SELECT id FROM gone);",
            "UPDATE item SET price = 0 WHERE price IS NULL;",
            "DELETE FROM item WHERE 1 = 1 AND id = 7;",
            "DELETE FROM item WHERE note = 'where true';",
            "CREATE TABLE item (id int);\nDELETE FROM item WHERE true;",
            "ALTER TABLE item ADD COLUMN note varchar(20);\nUPDATE item SET note = 'none';",
            "ALTER TABLE item ADD COLUMN a int;\nALTER TABLE item ADD COLUMN b int;\nUPDATE item SET a = coalesce(c, d), b = 1;",
            "CREATE TEMPORARY TABLE IF NOT EXISTS part (id int);\nDELETE FROM part;\nDROP TABLE part;",
            "INSERT INTO item (name) VALUES ('DROP TABLE item; DELETE FROM item');",
            "-- dbm: verify\nSELECT count(*) = 1 FROM item;",
        ] {
            assert_eq!(found(engine, text), Vec::<String>::new(), "{engine} {text}");
        }
    }
}

#[test]
fn a_waiver_holds_for_the_statement_below_it_or_for_the_file() {
    let two = "ALTER TABLE a DROP COLUMN b;\nALTER TABLE a DROP COLUMN c;";
    let one = format!("SELECT 1;\n-- dbm: allow ban-drop-column nobody reads it\n{two}");
    for engine in ALL {
        assert_eq!(found(engine, &one), ["ban-drop-column:4"], "{engine}");
        assert_eq!(
            found(engine, &format!("-- dbm: allow ban-drop-column nobody reads them\n{two}")),
            Vec::<String>::new()
        );
        assert_eq!(
            found(engine, &format!("-- dbm: allow renaming-table it is another rule\n{two}")).len(),
            2
        );
        assert!(
            found(engine, "-- dbm: allow ban-drop-colum nobody\nSELECT 1;").contains(&"Waiver:1".to_owned())
        );
    }
    assert!(
        Directives::parse("-- dbm: allow ban-drop-column\nSELECT 1;", Path::new("x")).is_err(),
        "a reason is needed"
    );
    let hint = lint(Engine::Sqlite, None, &migration("DROP TABLE a;")).remove(0).hint;
    assert!(hint.ends_with("if it is meant so: -- dbm: allow ban-drop-table REASON"), "{hint}");
}

#[test]
fn what_does_not_end_is_found_with_its_line() {
    for engine in ALL {
        let cut = "CREATE TABLE a (id int);\nINSERT INTO a VALUES ('x);\n";
        assert_eq!(found(engine, cut), ["Unfinished:2"], "{engine}");
        assert_eq!(found(engine, &format!("SELECT 1;\n-- dbm: verify\n{cut}")), ["Unfinished:4"], "{engine}");
        let rollback = Source { path: "rollback/007.sql".into(), text: cut.to_owned() };
        let file = Migration { rollback: Some(rollback.into()), ..migration("SELECT 1;") };
        let finding = lint(engine, None, &file).remove(0);
        assert_eq!((finding.path.to_str(), finding.line), (Some("rollback/007.sql"), Some(2)), "{engine}");
        // What reads as a directive is in the middle of a text.
        let text = "INSERT INTO a VALUES ('how:\n-- dbm: verify\nSELECT 1;');";
        let finding = lint(engine, None, &migration(text)).remove(0);
        assert_eq!((finding.rule, finding.line), (Rule::Unfinished, Some(1)), "{engine}");
        assert!(finding.hint.starts_with("line 2 says `-- dbm: verify` in the middle"), "{}", finding.hint);
    }
}

#[test]
fn locks_of_postgres() {
    let find = |text| found(Engine::Postgres, text);
    assert_eq!(find("CREATE INDEX i ON item (name);"), ["require-concurrent-index-creation:1"]);
    assert_eq!(
        find("-- dbm: no-transaction\nCREATE INDEX CONCURRENTLY i ON item (name);"),
        Vec::<String>::new()
    );
    assert_eq!(find("\nALTER TABLE item ALTER COLUMN name TYPE int USING 1;"), ["changing-column-type:2"]);
    let foreign = find("ALTER TABLE item ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES b (id);");
    assert!(foreign.contains(&"adding-foreign-key-constraint:1".to_owned()), "{foreign:?}");
    // Rows after COPY are no statements, and what follows is on its own line.
    let rows = "COPY item (name) FROM stdin;\nDROP TABLE item;\n'\n\\.\nDROP TABLE item;\n";
    assert_eq!(find(rows), ["ban-drop-table:5"]);
    assert_eq!(
        find("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DROP TABLE a $$;"),
        Vec::<String>::new()
    );
}

#[test]
fn what_runs_of_postgres_trips_over() {
    let find = |text| found(Engine::Postgres, text);
    for (text, rule) in [
        ("DROP VIEW items;", "ban-drop-view:1"),
        ("DROP FUNCTION f(int, text);", "ban-drop-function:1"),
        ("DROP TYPE mood;", "ban-drop-type:1"),
        ("ALTER TABLE item DROP CONSTRAINT short;", "ban-drop-constraint:1"),
        ("ALTER TABLE item ALTER COLUMN a DROP DEFAULT;", "ban-drop-default:1"),
        ("ALTER TABLE item SET SCHEMA other;", "ban-set-schema:1"),
        ("ALTER VIEW items RENAME TO goods;", "renaming-object:1"),
        ("DROP VIEW IF EXISTS items CASCADE;\nCREATE VIEW items AS SELECT 1;", "ban-drop-view:1"),
        ("DROP TYPE mood CASCADE;\nCREATE TYPE mood AS ENUM ('a');", "ban-drop-type:1"),
        ("DROP DOMAIN short CASCADE;\nCREATE DOMAIN short AS text;", "ban-drop-domain:1"),
        ("ALTER TABLE item DROP CONSTRAINT c CASCADE, ADD CONSTRAINT c UNIQUE (a);", "ban-drop-constraint:1"),
        // What was there before the first one is gone.
        ("DROP VIEW v;\nCREATE VIEW v AS SELECT 1;\nDROP VIEW v;", "ban-drop-view:1"),
        (
            "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS '1';\nDROP FUNCTION f();",
            "ban-drop-function:2",
        ),
        (
            "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS '1';\nDROP FUNCTION f(text);",
            "ban-drop-function:2",
        ),
        ("CREATE TEMP VIEW v AS SELECT 1;\nDROP VIEW public.v;", "ban-drop-view:2"),
        ("DROP VIEW v;\nCREATE TEMP VIEW v AS SELECT 1;", "ban-drop-view:1"),
        ("DROP SEQUENCE s;\nCREATE SEQUENCE s;", "ban-drop-sequence:1"),
        ("ALTER TYPE mood RENAME TO feeling;", "renaming-object:1"),
        ("ALTER TYPE mood RENAME TO feeling;\nDROP TYPE feeling;", "ban-drop-type:2"),
        ("ALTER TABLE item ADD a int DEFAULT 1, ALTER a DROP DEFAULT;", "ban-drop-default:1"),
        ("ALTER TABLE item ADD IF NOT EXISTS a int;\nALTER TABLE item DROP a;", "ban-drop-column:2"),
        // What runs does not know the column, and its rows are refused from then on.
        (
            "ALTER TABLE item ADD COLUMN x int NOT NULL DEFAULT 0;\nALTER TABLE item ALTER COLUMN x DROP DEFAULT;",
            "ban-drop-default:2",
        ),
        (
            "ALTER TABLE item ADD x int DEFAULT 0;\nALTER TABLE item ALTER x SET NOT NULL;\nALTER TABLE item ALTER x DROP DEFAULT;",
            "ban-drop-default:3",
        ),
        // Required again, or required while others already see it.
        (
            "ALTER TABLE item ADD x int NOT NULL DEFAULT 0;\nALTER TABLE item ALTER x DROP NOT NULL, ALTER x SET NOT NULL, ALTER x DROP DEFAULT;",
            "ban-drop-default:2",
        ),
        (
            "-- dbm: no-transaction\nALTER TABLE item ADD x int NOT NULL DEFAULT 0;\nALTER TABLE item ALTER x DROP DEFAULT;\nALTER TABLE item ALTER x DROP NOT NULL;",
            "ban-drop-default:3",
        ),
        (
            "ALTER TABLE item ALTER a SET DEFAULT 1;\nALTER TABLE item ALTER a DROP DEFAULT;",
            "ban-drop-default:2",
        ),
        (
            "-- dbm: no-transaction\nCREATE INDEX CONCURRENTLY i ON item (a);\nDROP INDEX i;",
            "require-concurrent-index-deletion:3",
        ),
        ("DROP VIEW items, goods;\nCREATE VIEW items AS SELECT 1 AS a, 2 AS goods;", "ban-drop-view:1"),
    ] {
        assert!(find(text).contains(&rule.to_owned()), "{text}: {:?}", find(text));
    }
    for text in [
        "DROP VIEW IF EXISTS items;\nCREATE VIEW items AS SELECT 1;",
        "DROP MATERIALIZED VIEW shop.items;\nCREATE MATERIALIZED VIEW shop.items AS SELECT 1;",
        "DROP FUNCTION f(int, text);\nCREATE OR REPLACE FUNCTION f(a bigint) RETURNS int LANGUAGE sql AS 'SELECT 1';",
        "ALTER TABLE item DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (a > 0) NOT VALID;",
        "ALTER TABLE item ALTER COLUMN a DROP DEFAULT;\nALTER TABLE item ALTER COLUMN a SET DEFAULT 2;",
        "-- dbm: no-transaction\nALTER TABLE item VALIDATE CONSTRAINT c;\nALTER TABLE item DROP CONSTRAINT c;",
    ] {
        assert_eq!(find(text), Vec::<String>::new(), "{text}");
    }
    for text in [
        "ALTER TABLE item ALTER a DROP DEFAULT, ALTER a SET DATA TYPE text;\nALTER TABLE item ALTER COLUMN a SET DEFAULT 1;",
        "ALTER TABLE item ADD COLUMN x int DEFAULT 0;\nALTER TABLE item ALTER COLUMN x DROP DEFAULT;",
        "ALTER TABLE item ADD COLUMN x int NOT NULL DEFAULT 0;\nALTER TABLE item ALTER x DROP NOT NULL;\nALTER TABLE item ALTER x DROP DEFAULT;",
        "ALTER TABLE item ADD COLUMN x int NOT NULL DEFAULT 0;\nALTER TABLE item ALTER x DROP DEFAULT, ALTER x DROP NOT NULL;",
        "-- dbm: no-transaction\nALTER TABLE item ADD x int NOT NULL DEFAULT 0;\nALTER TABLE item ALTER x DROP NOT NULL;\nALTER TABLE item ALTER x DROP DEFAULT;",
        "ALTER TABLE item ADD COLUMN x int CONSTRAINT c CHECK (x > 0);\nALTER TABLE item DROP CONSTRAINT c;",
        "ALTER TABLE item ADD x int;\nALTER TABLE item DROP COLUMN x;",
        "CREATE FUNCTION f(a int, b text DEFAULT 'x') RETURNS int LANGUAGE sql AS '1';\nDROP FUNCTION f(int, text);",
        "CREATE OR REPLACE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS '1';\nDROP FUNCTION pg_temp.f();",
        "CREATE VIEW v AS SELECT 1;\nALTER VIEW v RENAME TO w;\nALTER VIEW w SET SCHEMA shop;",
        "CREATE OR REPLACE TEMP VIEW v AS SELECT 1;\nDROP VIEW v;",
        "CREATE SEQUENCE s;\nDROP SEQUENCE s;",
        "CREATE TABLE item (id int);\nCREATE UNIQUE INDEX i ON item (id);\nDROP INDEX i;",
        "ALTER INDEX a RENAME TO b;\nALTER TABLE item RENAME CONSTRAINT a TO b;",
        "CREATE TYPE mood_new AS ENUM ('a');\nDROP TYPE mood;\nALTER TYPE mood_new RENAME TO mood;",
        // What a changed enum is generated as.
        "ALTER TYPE shop.mood RENAME TO mood_dbm_old;\nCREATE TYPE shop.mood AS ENUM ('a');\nDROP TYPE shop.mood_dbm_old;",
    ] {
        let lost = |hit: &String| {
            ["ban-drop-", "ban-set-", "renaming-", "require-concurrent-index-deletion"]
                .iter()
                .any(|rule| hit.starts_with(rule))
        };
        assert!(!find(text).iter().any(lost), "{text}: {:?}", find(text));
    }
}

#[test]
fn deep_nesting_is_no_end_of_the_check() {
    let text = format!("SELECT {}1{};\nDROP TABLE t;", "(".repeat(30_000), ")".repeat(30_000));
    for engine in ALL {
        assert_eq!(found(engine, &text).len(), 1, "{engine}");
    }
}

#[test]
fn what_writes_elsewhere_in_a_statement_of_postgres() {
    let find = |text| found(Engine::Postgres, text);
    let moved = "WITH gone AS (DELETE FROM item RETURNING *) INSERT INTO kept SELECT * FROM gone;";
    assert_eq!(find(moved), ["delete-without-where:1"]);
    let some = "WITH gone AS (DELETE FROM item WHERE a RETURNING *) SELECT * FROM gone;";
    assert_eq!(find(some), Vec::<String>::new());
    let compared =
        "ALTER TABLE item ADD note boolean;\nUPDATE item SET note = a IS DISTINCT FROM b, price = 0;";
    assert_eq!(find(compared), ["update-without-where:2"]);
    let public = "CREATE PUBLICATION p FOR TABLE item;\nALTER TABLE item DROP COLUMN b;\nTRUNCATE item;\nUPDATE item SET a = 1;";
    assert_eq!(find(public), ["ban-drop-column:2", "truncate-table:3", "update-without-where:4"]);
    assert_eq!(find("CREATE UNLOGGED TABLE item (a int);\nTRUNCATE item;"), Vec::<String>::new());
    assert_eq!(find("TRUNCATE TABLE ONLY a, b;"), ["truncate-table:1", "truncate-table:1"]);
    assert_eq!(
        find("DELETE FROM ONLY item;\nUPDATE ONLY item SET a = 1;"),
        ["delete-without-where:1", "update-without-where:2"]
    );
}

#[test]
fn losses_of_postgres() {
    let find = |text: &str| found(Engine::Postgres, text);
    assert_eq!(find("DROP OWNED BY clerk;"), ["ban-drop-owned:1"]);
    let merge = |when: &str| format!("MERGE INTO ONLY item i USING gone g ON i.id = g.id {when};");
    let insert = "WHEN NOT MATCHED THEN INSERT VALUES (g.id)";
    for when in [
        "WHEN MATCHED THEN DELETE",
        "WHEN NOT MATCHED BY SOURCE THEN DELETE",
        "WHEN MATCHED AND g.a THEN UPDATE SET a = 1 WHEN MATCHED THEN DELETE",
        "WHEN MATCHED AND true THEN DELETE",
    ] {
        assert_eq!(find(&merge(when)), ["merge-deletes:1"], "{when}");
        assert_eq!(find(&merge(&format!("{insert} {when}"))), ["merge-deletes:1"], "{when}");
    }
    for when in [insert, "WHEN MATCHED AND g.old THEN DELETE", "WHEN MATCHED THEN UPDATE SET a = 1"] {
        assert_eq!(find(&merge(when)), Vec::<String>::new(), "{when}");
    }
    let chosen = |when: &str| {
        format!("MERGE INTO item i USING (SELECT id FROM gone WHERE a) g ON i.id = g.id {when};")
    };
    assert_eq!(find(&chosen("WHEN MATCHED THEN DELETE")), Vec::<String>::new());
    assert_eq!(find(&chosen("WHEN NOT MATCHED BY SOURCE THEN DELETE")), ["merge-deletes:1"]);
    let own = format!("CREATE TABLE item (id int);\n{}", merge("WHEN MATCHED THEN DELETE"));
    assert_eq!(find(&own), Vec::<String>::new());
    let inner = format!("WITH a AS (SELECT 1) {}", merge("WHEN MATCHED THEN DELETE"));
    assert_eq!(find(&inner), ["merge-deletes:1"]);
}

#[test]
fn rows_that_are_replaced() {
    for (engine, text) in [
        (Engine::Mysql, "REPLACE INTO shop.item (id) VALUES (1);"),
        (Engine::Mysql, "REPLACE LOW_PRIORITY item SET id = 1;"),
        (Engine::Mysql, "LOAD DATA LOCAL INFILE 'a' REPLACE INTO TABLE item;"),
        (Engine::Sqlite, "REPLACE INTO item VALUES (1);"),
        (Engine::Sqlite, "WITH a AS (SELECT 1) REPLACE INTO item SELECT * FROM a;"),
        (Engine::Sqlite, "WITH a AS (SELECT 1) INSERT OR REPLACE INTO item SELECT * FROM a;"),
        (Engine::Sqlite, "UPDATE OR REPLACE item SET id = 2 WHERE id = 1;"),
    ] {
        assert_eq!(found(engine, text), ["replace-into:1"], "{engine} {text}");
        let own = format!("CREATE TABLE item (id int);\n{}", text.replace("shop.", ""));
        assert_eq!(found(engine, &own), Vec::<String>::new(), "{engine} {text}");
    }
    for text in ["UPDATE item a JOIN gone b ON a.id = b.id SET a.x = 1;", "UPDATE item, gone SET item.x = 1;"]
    {
        assert_eq!(found(Engine::Mysql, text), Vec::<String>::new(), "{text}");
    }
    for text in ["CREATE OR REPLACE VIEW v AS SELECT 1;", "INSERT IGNORE INTO item VALUES (1);"] {
        assert_eq!(found(Engine::Mysql, text), Vec::<String>::new(), "{text}");
    }
    assert_eq!(found(Engine::Sqlite, "INSERT OR IGNORE INTO item VALUES (1);"), Vec::<String>::new());
}

#[test]
fn what_a_statement_hides() {
    let find = |text: &str| found(Engine::Mysql, text);
    assert_eq!(
        find("SET STATEMENT max_statement_time = 9 FOR\nDELETE FROM item;"),
        ["delete-without-where:2"]
    );
    let block = "DELIMITER //\nBEGIN NOT ATOMIC\n  ALTER TABLE item DROP COLUMN a;\n  UPDATE item SET b = 1 WHERE c;\nEND//";
    assert_eq!(find(block), ["ban-drop-column:3"]);
    let waived = format!("-- dbm: allow ban-drop-column nobody reads it\n{block}");
    assert_eq!(find(&waived), Vec::<String>::new());
    assert_eq!(find("EXECUTE IMMEDIATE 'REPLACE INTO item VALUES (\\'a\\')';"), ["replace-into:1"]);
    let kept = "SET @s = CONCAT('DELETE FROM ', @t);\nPREPARE s FROM @s;\nEXECUTE s;";
    assert_eq!(find(kept), ["delete-without-where:1"]);
    let made = "DELIMITER //\nCREATE PROCEDURE p() BEGIN\n  TRUNCATE item; END//\n";
    assert_eq!(find(made), Vec::<String>::new());
    assert_eq!(find(&format!("{made}CALL p()//")), ["truncate-table:3"]);
    let own = "DELIMITER //\nBEGIN NOT ATOMIC CREATE TABLE item (a int); DELETE FROM item; END//";
    assert_eq!(find(own), Vec::<String>::new());

    let find = |text: &str| found(Engine::Postgres, text);
    let block = "DO $$ BEGIN\n  DELETE FROM item;\n  ALTER TABLE item DROP COLUMN a;\n  EXECUTE 'TRUNCATE ' || 'item';\nEND $$;";
    assert_eq!(find(block), ["delete-without-where:2", "ban-drop-column:3", "truncate-table:4"]);
    let own = format!("CREATE TABLE item (a int);\n{block}");
    assert_eq!(find(&own), Vec::<String>::new());
    let made = "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$\n  DELETE FROM item $$;\n";
    assert_eq!(find(&format!("{made}SELECT f();")), ["delete-without-where:2"]);
    assert_eq!(find(&format!("{made}CREATE TABLE item (a int);\nSELECT f();")), Vec::<String>::new());
    let verbatim = "DO $$ BEGIN\n  EXECUTE 'ALTER TABLE item ADD COLUMN x int';\n  ALTER TABLE item DROP COLUMN a;\nEND $$;";
    assert_eq!(find(verbatim), ["ban-drop-column:3"]);
    let indexed = "CREATE TABLE item (a int);\nDO $$ BEGIN CREATE INDEX i ON item (a); END $$;";
    assert_eq!(find(indexed), Vec::<String>::new());
    let merge =
        "DO $$ BEGIN\n  MERGE INTO item i USING gone g ON i.id = g.id WHEN MATCHED THEN DELETE;\nEND $$;";
    assert_eq!(find(merge), ["merge-deletes:2"]);
    assert_eq!(find("EXPLAIN ANALYZE DELETE FROM item;"), ["delete-without-where:1"]);
    assert_eq!(find("EXPLAIN DELETE FROM item;"), Vec::<String>::new());
}

#[test]
fn copies_of_mysql() {
    let find = |text| found(Engine::Mysql, text);
    assert_eq!(find("ALTER TABLE item CONVERT TO CHARACTER SET utf8mb4;"), ["copying-alter:1"]);
    assert_eq!(find("ALTER TABLE item MODIFY name varchar(300) NOT NULL;"), ["changing-column-type:1"]);
    assert_eq!(
        find("ALTER TABLE item MODIFY name varchar(300), ALGORITHM=INPLACE, LOCK=NONE;"),
        Vec::<String>::new()
    );
    assert_eq!(
        find("ALTER TABLE item CHANGE COLUMN a b int;"),
        ["renaming-column:1", "changing-column-type:1"]
    );
    assert_eq!(find("ALTER TABLE item MODIFY kind ENUM('a','b');"), ["changing-enum:1"]);
    assert_eq!(find("ALTER TABLE item ADD total int AS (a * b) STORED;"), ["copying-alter:1"]);
    assert_eq!(find("ALTER TABLE `it``em` ADD FULLTEXT KEY f (body);"), ["locking-index:1"]);
    assert_eq!(find("DROP TABLE a, b;"), ["ban-drop-table:1", "ban-drop-table:1"]);
    assert_eq!(find("ALTER TABLE item ADD INDEX i (name), ADD note text;"), Vec::<String>::new());
    assert_eq!(find("DROP TEMPORARY TABLE a;"), Vec::<String>::new());
    assert_eq!(find("ALTER TABLE item ADD CONSTRAINT c CHECK (a > 0);"), ["copying-alter:1"]);
    assert_eq!(find("ALTER TABLE item ADD CONSTRAINT c CHECK (a > 0) NOT ENFORCED;"), Vec::<String>::new());
    assert_eq!(find("ALTER TABLE item ADD id int AUTO_INCREMENT PRIMARY KEY;"), ["copying-alter:1"]);
    assert_eq!(find("ALTER TABLE item ADD COLUMN (a int NOT NULL, b int);"), ["adding-required-field:1"]);
    assert_eq!(
        find("ALTER TABLE item REORGANIZE PARTITION a INTO (PARTITION b VALUES IN (1));"),
        ["copying-alter:1"]
    );
    assert_eq!(
        find("ALTER TABLE item ADD c int AS (a) PERSISTENT, ALGORITHM=INPLACE;"),
        Vec::<String>::new()
    );
}

#[test]
fn losses_of_mysql() {
    let find = |text| found(Engine::Mysql, text);
    assert_eq!(find("ALTER TABLE item DROP PARTITION old;"), ["ban-drop-partition:1"]);
    assert_eq!(find("ALTER TABLE item TRUNCATE PARTITION old;"), ["truncate-table:1"]);
    assert_eq!(find("ALTER TABLE item DISCARD TABLESPACE;"), ["ban-drop-table:1"]);
    assert_eq!(find("ALTER IGNORE TABLE item ADD UNIQUE KEY k (a);"), ["ignoring-alter:1"]);
    assert_eq!(find("CREATE OR REPLACE TABLE item (a int);"), ["ban-drop-table:1"]);
    assert_eq!(find("CREATE OR REPLACE TEMPORARY TABLE item (a int);"), Vec::<String>::new());
    assert_eq!(
        find("CREATE TABLE item (a int);\nCREATE OR REPLACE TABLE item (b int);"),
        Vec::<String>::new()
    );
    assert_eq!(find("DELETE QUICK IGNORE FROM item;"), ["delete-without-where:1"]);
    assert_eq!(find("DELETE FROM item WHERE 1;"), ["delete-without-where:1"]);
    assert_eq!(find("DELETE a FROM item AS a;"), ["delete-without-where:1"]);
    assert_eq!(find("DELETE a FROM item a JOIN gone g ON a.id = g.id;"), Vec::<String>::new());
    assert_eq!(find("DELETE a FROM item a WHERE a.id = 1;"), Vec::<String>::new());
    assert_eq!(find("DELETE HISTORY FROM item;"), ["ban-drop-history:1"]);
    assert_eq!(find("DELETE HISTORY FROM item BEFORE SYSTEM_TIME '2026-01-01';"), Vec::<String>::new());
    assert_eq!(find("ALTER TABLE item DROP SYSTEM VERSIONING;"), ["ban-drop-history:1"]);
    assert_eq!(find("DROP SEQUENCE a, b;"), ["ban-drop-sequence:1", "ban-drop-sequence:1"]);
    assert_eq!(find("CREATE OR REPLACE SEQUENCE s;"), ["ban-drop-sequence:1"]);
    assert_eq!(find("CREATE SEQUENCE s;\nDROP SEQUENCE s;"), Vec::<String>::new());
    assert_eq!(find("DROP TEMPORARY SEQUENCE s;"), Vec::<String>::new());
    assert_eq!(find("UPDATE LOW_PRIORITY IGNORE item SET a = 1;"), ["update-without-where:1"]);
}

const REBUILD: &str = "CREATE TABLE item_new (id INTEGER PRIMARY KEY, name TEXT);\nINSERT INTO item_new SELECT id, name FROM item;\n\
                       DROP TABLE item;\nALTER TABLE item_new RENAME TO item;\n";

#[test]
fn rebuilds_of_sqlite() {
    let find = |text: &str| found(Engine::Sqlite, text);
    assert_eq!(find(REBUILD), ["rebuild-cascades:3"]);
    assert_eq!(
        find(&format!("PRAGMA foreign_keys = OFF;\n{REBUILD}PRAGMA foreign_keys = ON;")),
        Vec::<String>::new()
    );
    let inside = format!("BEGIN;\nPRAGMA foreign_keys=OFF;\n{REBUILD}COMMIT;");
    assert_eq!(find(&inside), ["pragma-in-transaction:2", "rebuild-cascades:5"]);
    let wrong = "ALTER TABLE item RENAME TO item_old;\nCREATE TABLE item (id INTEGER);\nINSERT INTO item SELECT id FROM item_old;";
    assert_eq!(find(wrong), ["rebuild-wrong-order:1"]);
    let off = |text: &str| find(&format!("PRAGMA foreign_keys = OFF;\n{text}PRAGMA foreign_keys = ON;"));
    assert_eq!(off(&REBUILD.replace("SELECT id, name", "SELECT *")), ["rebuild-by-position:3"]);
    assert_eq!(
        off(&REBUILD.replace("item_new SELECT id, name", "item_new (id, name) SELECT *")),
        Vec::<String>::new()
    );
    let made = "CREATE TABLE item_new AS SELECT id FROM item;\nDROP TABLE item;\nALTER TABLE item_new RENAME TO item;\n";
    assert_eq!(off(made), ["rebuild-loses-constraints:2"]);
    let lost = |rows: &str| off(&REBUILD.replace("INSERT INTO item_new SELECT id, name FROM item;", rows));
    let gone = ["ban-drop-table:4"];
    assert_eq!(lost("SELECT id FROM item;"), gone);
    assert_eq!(lost("INSERT INTO item_new VALUES (1, 'item');"), gone);
    assert_eq!(lost("INSERT INTO item_new SELECT id, name FROM other;"), gone);
    assert_eq!(lost("INSERT INTO other SELECT id, name FROM item;"), gone);
    let twice = |second: &str| {
        off(&format!(
            "{REBUILD}{}",
            REBUILD.replace("INSERT INTO item_new SELECT id, name FROM item;", second)
        ))
    };
    assert_eq!(twice("INSERT INTO item_new SELECT id, name FROM item;"), Vec::<String>::new());
    assert_eq!(twice("SELECT 1;"), ["ban-drop-table:8"]);
    for rows in [
        "INSERT OR IGNORE INTO main.item_new (id) SELECT id FROM main.item;",
        "WITH a AS (SELECT * FROM item) INSERT INTO item_new (id) SELECT id FROM a;",
        "CREATE TEMP TABLE kept AS SELECT id FROM item; INSERT INTO item_new (id) SELECT id FROM kept;",
    ] {
        assert_eq!(lost(rows), Vec::<String>::new(), "{rows}");
    }
    let after = "CREATE TEMP TABLE kept AS SELECT id FROM item;\nCREATE TABLE item_new (id INTEGER);\nDROP TABLE item;\n\
                 ALTER TABLE item_new RENAME TO item;\nINSERT INTO item (id) SELECT id FROM kept;\n";
    assert_eq!(off(after), Vec::<String>::new());
    assert_eq!(off(&after.replace("FROM kept", "FROM item")), gone);
    assert_eq!(find("SAVEPOINT a;\nPRAGMA foreign_keys = OFF;\nRELEASE a;"), ["pragma-in-transaction:2"]);
    let released = "SAVEPOINT a;\nSAVEPOINT b;\nRELEASE SAVEPOINT a;\n";
    assert_eq!(off(&format!("{released}{REBUILD}")), Vec::<String>::new());
    let pragma = "PRAGMA foreign_keys = OFF;";
    assert_eq!(find(&format!("{released}{pragma}")), Vec::<String>::new());
    for open in [
        "SAVEPOINT a;\nSAVEPOINT b;\nRELEASE b;",
        "BEGIN;\nSAVEPOINT a;\nRELEASE a;",
        "BEGIN;\nSAVEPOINT a;\nROLLBACK TO a;",
    ] {
        assert_eq!(find(&format!("{open}\n{pragma}")), ["pragma-in-transaction:4"], "{open}");
    }
    let inner = |columns: &str| {
        REBUILD.replace("id, name FROM item", &format!("* FROM (SELECT {columns} FROM item)"))
    };
    assert_eq!(off(&inner("id, name")), Vec::<String>::new());
    assert_eq!(off(&inner("*")), ["rebuild-by-position:3"]);
    assert_eq!(find("UPDATE OR REPLACE item SET a = 1;"), ["update-without-where:1", "replace-into:1"]);
    assert_eq!(find("DELETE FROM item WHERE 1 == 1;"), ["delete-without-where:1"]);
    assert_eq!(find("PRAGMA writable_schema = ON;"), ["writable-schema:1"]);
    assert_eq!(find("PRAGMA foreign_keys;\nSELECT 1;"), Vec::<String>::new());
}

#[test]
fn placeholders_keep_every_place() {
    let text = "a ${identity} '${env:NAME}' ${password:argon2id:X} ${} ${a b} ${";
    assert_eq!(masked(text).len(), text.len());
    assert_eq!(masked("x ${user} y"), "x p_user_ y");
}

proptest::proptest! {
    /// Whatever stands in a file, it is judged and not tripped over.
    #[test]
    fn nothing_breaks_the_rules(words in proptest::collection::vec(
        proptest::sample::select(&[
            "ALTER", "TABLE", "item", "ADD", "COLUMN", "DROP", "RENAME", "TO", "(", ")", ",", ";", "'", "\"a\"", "`b`", "NOT",
            "NULL", "DEFAULT", "CREATE", "INDEX", "ON", "ONLY", "IF", "EXISTS", "CHANGE", "MODIFY", "ENUM", "PRAGMA", "=",
            "EXECUTE", "IMMEDIATE", "BEGIN", "ATOMIC", "END", "SET", "STATEMENT", "FOR", "CALL", "PROCEDURE", "CONCAT", "||", "DO",
            "foreign_keys", "DELETE", "FROM", "UPDATE", "TRUNCATE", "WHERE", "1", "OR", "MERGE", "WHEN", "THEN", "REPLACE", "SEQUENCE", "LOAD", ".", "${x}", "$$", "\n", "-- dbm: allow x y\n", "é",
        ][..]), 0..25)) {
        let text = words.join(" ");
        for engine in ALL {
            if let Ok(directives) = Directives::parse(&text, Path::new("x")) {
                let file = Migration { directives, ..migration("") };
                let file = Migration { source: Source { text: text.clone(), ..file.source }, ..file };
                lint(engine, None, &file);
            }
        }
    }
}
