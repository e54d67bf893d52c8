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
            ("ALTER TABLE item ADD COLUMN a int NOT NULL;", "adding-required-field:1"),
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
            "ALTER TABLE item ADD COLUMN note varchar(20);\nUPDATE item SET note = 'none';",
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
            "foreign_keys", "DELETE", "FROM", "UPDATE", "TRUNCATE", ".", "${x}", "$$", "\n", "-- dbm: allow x y\n", "é",
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
