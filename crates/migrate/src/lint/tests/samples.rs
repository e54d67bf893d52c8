//! One statement for each rule.

use std::collections::BTreeSet;

use super::*;

const COMMON: &[(&str, &str)] = &[
    ("delete-without-where", "DELETE FROM item;"),
    ("truncate-table", "TRUNCATE TABLE item;"),
    ("update-without-where", "UPDATE item SET a = 1;"),
];

const POSTGRES: &[(&str, &str)] = &[
    ("adding-field-with-default", "ALTER TABLE item ADD a uuid DEFAULT gen_random_uuid();"),
    ("adding-foreign-key-constraint", "ALTER TABLE item ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES b (id);"),
    ("adding-not-nullable-field", "ALTER TABLE item ALTER COLUMN a SET NOT NULL;"),
    ("adding-required-field", "ALTER TABLE item ADD a int NOT NULL;"),
    ("adding-serial-primary-key-field", "ALTER TABLE item ADD PRIMARY KEY (a);"),
    ("ban-alter-domain-with-add-constraint", "ALTER DOMAIN short ADD CONSTRAINT c CHECK (VALUE <> '');"),
    ("ban-alter-identity", "ALTER TABLE item ALTER a DROP IDENTITY;"),
    ("ban-create-domain-with-constraint", "CREATE DOMAIN short AS text CHECK (VALUE <> '');"),
    ("ban-drop-column", "ALTER TABLE item DROP COLUMN a;"),
    ("ban-drop-constraint", "ALTER TABLE item DROP CONSTRAINT c;"),
    ("ban-drop-database", "DROP DATABASE shop;"),
    ("ban-drop-default", "ALTER TABLE item ALTER a DROP DEFAULT;"),
    ("ban-drop-domain", "DROP DOMAIN short;"),
    ("ban-drop-extension", "DROP EXTENSION hstore;"),
    ("ban-drop-function", "DROP FUNCTION f(int);"),
    ("ban-drop-generated-expression", "ALTER TABLE item ALTER a DROP EXPRESSION;"),
    ("ban-drop-not-null", "ALTER TABLE item ALTER a DROP NOT NULL;"),
    ("ban-drop-owned", "DROP OWNED BY clerk, boss CASCADE;"),
    ("ban-drop-schema", "DROP SCHEMA shop;"),
    ("ban-drop-sequence", "DROP SEQUENCE s;"),
    ("ban-drop-table", "DROP TABLE item;"),
    ("ban-drop-type", "DROP TYPE mood;"),
    ("ban-drop-view", "DROP VIEW v;"),
    ("ban-duplicate-column-assignments", "UPDATE item SET a = 1, a = 2 WHERE id = 1;"),
    ("ban-set-schema", "ALTER TABLE item SET SCHEMA other;"),
    ("ban-truncate-cascade", "TRUNCATE item CASCADE;"),
    ("changing-column-type", "ALTER TABLE item ALTER a TYPE bigint;"),
    ("constraint-missing-not-valid", "ALTER TABLE item ADD CONSTRAINT c CHECK (a > 0);"),
    ("disallowed-unique-constraint", "ALTER TABLE item ADD CONSTRAINT c UNIQUE (a);"),
    (
        "identifier-too-long",
        "CREATE TABLE a_name_that_is_longer_than_the_server_keeps_and_that_is_cut_by_it_unasked (id int);",
    ),
    ("merge-deletes", "MERGE INTO item i USING gone g ON i.id = g.id WHEN MATCHED THEN DELETE;"),
    ("prefer-repack", "VACUUM FULL item;"),
    ("renaming-column", "ALTER TABLE item RENAME COLUMN a TO b;"),
    ("renaming-object", "ALTER VIEW v RENAME TO w;"),
    ("renaming-table", "ALTER TABLE item RENAME TO goods;"),
    ("require-concurrent-index-creation", "CREATE INDEX i ON item (a);"),
    ("require-concurrent-index-deletion", "DROP INDEX i;"),
    ("require-concurrent-partition-detach", "ALTER TABLE item DETACH PARTITION old;"),
    ("require-concurrent-reindex", "REINDEX INDEX i;"),
    ("require-enum-value-ordering", "ALTER TYPE mood ADD VALUE 'glad';"),
];

const MYSQL: &[(&str, &str)] = &[
    ("adding-foreign-key-constraint", "ALTER TABLE item ADD FOREIGN KEY (a) REFERENCES b (id);"),
    ("adding-required-field", "ALTER TABLE item ADD a int NOT NULL;"),
    ("ban-drop-column", "ALTER TABLE item DROP a;"),
    ("ban-drop-database", "DROP DATABASE shop;"),
    ("ban-drop-history", "ALTER TABLE item DROP SYSTEM VERSIONING;"),
    ("ban-drop-partition", "ALTER TABLE item DROP PARTITION old;"),
    ("ban-drop-sequence", "DROP SEQUENCE IF EXISTS s;"),
    ("ban-drop-table", "DROP TABLE item;"),
    ("changing-column-type", "ALTER TABLE item MODIFY a bigint;"),
    ("changing-enum", "ALTER TABLE item MODIFY a ENUM('a');"),
    ("copying-alter", "ALTER TABLE item ENGINE = InnoDB;"),
    ("ignoring-alter", "ALTER IGNORE TABLE item ADD UNIQUE (a);"),
    ("locking-index", "CREATE FULLTEXT INDEX i ON item (a);"),
    ("renaming-column", "ALTER TABLE item RENAME COLUMN a TO b;"),
    ("renaming-table", "RENAME TABLE item TO goods;"),
    ("replace-into", "REPLACE INTO item VALUES (1);"),
];

const SQLITE: &[(&str, &str)] = &[
    ("adding-required-field", "ALTER TABLE item ADD a int NOT NULL;"),
    ("ban-drop-column", "ALTER TABLE item DROP a;"),
    ("ban-drop-table", "DROP TABLE item;"),
    ("pragma-in-transaction", "BEGIN;\nPRAGMA foreign_keys = OFF;\nCOMMIT;"),
    (
        "rebuild-by-position",
        "CREATE TABLE n (a int);\nINSERT INTO n SELECT * FROM item;\nDROP TABLE item;\nALTER TABLE n RENAME TO item;",
    ),
    ("rebuild-cascades", REBUILD),
    (
        "rebuild-loses-constraints",
        "CREATE TABLE n AS SELECT * FROM item;\nDROP TABLE item;\nALTER TABLE n RENAME TO item;",
    ),
    ("rebuild-wrong-order", "ALTER TABLE item RENAME TO old;\nCREATE TABLE item (a int);"),
    ("renaming-column", "ALTER TABLE item RENAME COLUMN a TO b;"),
    ("renaming-table", "ALTER TABLE item RENAME TO goods;"),
    ("replace-into", "INSERT OR REPLACE INTO item VALUES (1);"),
    ("writable-schema", "PRAGMA writable_schema = ON;"),
];

#[test]
fn every_rule_gives_a_reason_and_a_safer_form() {
    for (engine, own) in [(Engine::Postgres, POSTGRES), (Engine::Mysql, MYSQL), (Engine::Sqlite, SQLITE)] {
        let samples: Vec<_> = COMMON.iter().chain(own).collect();
        let names: BTreeSet<&str> = samples.iter().map(|(rule, _)| *rule).collect();
        assert_eq!(names.into_iter().collect::<Vec<_>>(), rules(engine), "{engine}: a sample for each rule");
        for (rule, text) in samples {
            // REPACK is there from PostgreSQL 19 on.
            let version = if *rule == "prefer-repack" { "19.0" } else { "15.18" };
            let findings = lint(engine, Some(version), &migration(text));
            let of_rule: Vec<_> =
                findings.iter().filter(|finding| finding.rule == Rule::Statement(rule)).collect();
            assert!(!of_rule.is_empty(), "{engine} {rule}: {:?}", found(engine, text));
            for finding in of_rule {
                let reason = finding.message.rsplit_once(": ").unwrap().1;
                let safer = finding.hint.split_once("; if it is meant so").unwrap().0;
                for words in [reason, safer] {
                    assert!(words.split(' ').count() >= 4, "{engine} {rule}: {finding:?}");
                }
                assert!(!safer.contains("http"), "{engine} {rule}: {finding:?}");
            }
        }
    }
}
