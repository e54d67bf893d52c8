//! Keys of tables that are there: their indexes are built while others write.

use super::*;

/// Servers of which the one shows the names of `NOT NULL`, and the other does not.
fn servers() -> Vec<Database> {
    let urls = ["DBM_TEST_POSTGRES_URL", "DBM_TEST_POSTGRES_NEWEST_URL"];
    let open = |name: &str| {
        let url = std::env::var(name).expect("run scripts/test");
        Database::new(DatabaseUrl::parse(&url).unwrap()).unwrap()
    };
    urls.into_iter().map(open).collect()
}

/// The files from one to the other; what is written is tried out, up and down.
async fn files(on: &Database, old: &str, new: &str, one_file: bool) -> Vec<String> {
    let options = GenerateOptions { data_loss: true, one_file, ..GenerateOptions::default() };
    let found = Box::pin(generate_with(on, &[old], new, &options)).await.unwrap();
    found.drafts.into_iter().map(|draft| draft.up).collect()
}

#[tokio::test]
async fn a_key_is_added_with_nobody_waiting_for_its_index() {
    let old = "CREATE TABLE t (id int, \"a b\" text, c int NOT NULL, d int);";
    for on in servers() {
        let new = format!(
            "{old} ALTER TABLE t ADD CONSTRAINT \"k 1\" UNIQUE (\"a b\", c) INCLUDE (d) WITH (fillfactor=70) DEFERRABLE INITIALLY DEFERRED;
             ALTER TABLE t ADD CONSTRAINT k2 UNIQUE (c); ALTER TABLE t REPLICA IDENTITY USING INDEX k2; ALTER TABLE t CLUSTER ON k2;
             COMMENT ON CONSTRAINT k2 ON t IS 'it''s'; ALTER TABLE t ADD PRIMARY KEY (id);
             CREATE TABLE other (id int REFERENCES t (id), c int REFERENCES t (c));"
        );
        let found = files(&on, old, &new, false).await;
        let [first, second] = found.as_slice() else { panic!("{found:#?}") };
        assert!(!first.contains("UNIQUE") && !first.contains("PRIMARY KEY"), "{first}");
        for statement in [
            "CREATE UNIQUE INDEX CONCURRENTLY \"k 1\" ON \"public\".\"t\" (\"a b\", c) INCLUDE (d) WITH (\"fillfactor\"='70');\n",
            "ADD CONSTRAINT \"k 1\" UNIQUE USING INDEX \"k 1\" DEFERRABLE INITIALLY DEFERRED;\n",
            "ADD CONSTRAINT \"t_pkey\" PRIMARY KEY USING INDEX \"t_pkey\";\n",
        ] {
            assert!(second.contains(statement), "{second}");
        }
        // Where the column refuses NULL before, the key reads no rows; what refers to it comes after.
        let at = |text: &str| second.find(text).unwrap_or_else(|| panic!("{text}: {second}"));
        let key = at("PRIMARY KEY USING INDEX");
        let is_refused_later = second.contains("VALIDATE CONSTRAINT");
        assert!(first.contains("NOT NULL") && key < at("FOREIGN KEY"), "{first}{second}");
        assert!(!is_refused_later || at("VALIDATE CONSTRAINT") < key, "{second}");
        Box::pin(pair(&on, old, &new)).await.unwrap();
        let found = files(&on, old, &new, true).await;
        assert!(found.len() == 1 && !found[0].contains("CONCURRENTLY"), "{found:#?}");
    }
}

#[tokio::test]
async fn nulls_that_are_not_distinct_stay_so() {
    let old = "CREATE TABLE t (id int);";
    let new = format!("{old} ALTER TABLE t ADD CONSTRAINT k UNIQUE NULLS NOT DISTINCT (id);");
    for on in servers() {
        let found = files(&on, old, &new, false).await;
        assert!(found.len() == 1 && found[0].contains("(id) NULLS NOT DISTINCT;\n"), "{found:#?}");
    }
}

#[tokio::test]
async fn a_key_that_changes_is_exchanged_in_one_statement() {
    let table = "CREATE TABLE t (id int NOT NULL, a int NOT NULL, b int);";
    for on in servers() {
        for (old, new) in
            [("PRIMARY KEY (id)", "PRIMARY KEY (id, a)"), ("UNIQUE (id)", "UNIQUE (b) DEFERRABLE")]
        {
            let with = |key: &str| {
                format!(
                    "{table} ALTER TABLE t ADD CONSTRAINT k {key}; COMMENT ON CONSTRAINT k ON t IS 'key';"
                )
            };
            let found = files(&on, &with(old), &with(new), false).await;
            assert!(
                found.len() == 1 && found[0].contains("DROP CONSTRAINT \"k\",\n    ADD CONSTRAINT"),
                "{found:#?}"
            );
        }
    }
}

/// There is no moment between two files in which rows are kept apart by neither, and partitions have no such form.
#[tokio::test]
async fn a_key_that_cannot_come_later_comes_at_once() {
    let table = "CREATE TABLE t (id int NOT NULL, a int NOT NULL);";
    let with = |key: &str| format!("{table} ALTER TABLE t ADD CONSTRAINT {key};");
    let refer = " CREATE TABLE c (id int REFERENCES t (id));";
    let view = " CREATE VIEW v AS SELECT id, a FROM t GROUP BY id;";
    let parted = "CREATE TABLE p (id int NOT NULL) PARTITION BY RANGE (id);
        CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (9);";
    let nullable = "CREATE TABLE t (id int, a int);";
    let cases = [
        (with("k UNIQUE (id)"), with("k2 UNIQUE (id, a)")),
        (format!("{table} CREATE UNIQUE INDEX i ON t (id);"), with("k UNIQUE (id)")),
        (with("k UNIQUE (id)") + refer, with("k UNIQUE (id) DEFERRABLE") + " CREATE TABLE c (id int);"),
        (with("k PRIMARY KEY (id)"), with("k PRIMARY KEY (id)") + view),
        (table.to_owned(), with("k PRIMARY KEY (id)") + view),
        (parted.to_owned(), format!("{parted} ALTER TABLE p ADD CONSTRAINT k UNIQUE (id);")),
        (table.to_owned(), with("k EXCLUDE USING btree (id WITH =)")),
        (with("k EXCLUDE USING btree (id WITH =)"), with("k2 UNIQUE (id)")),
        (
            with("k UNIQUE (id)") + " ALTER TABLE t ADD CONSTRAINT k2 UNIQUE (a);",
            with("k UNIQUE (a)") + " ALTER TABLE t ADD CONSTRAINT k2 UNIQUE (id);",
        ),
        (
            format!("{nullable} ALTER TABLE t ADD UNIQUE (a);"),
            format!("{nullable} ALTER TABLE t ADD PRIMARY KEY (id);"),
        ),
    ];
    for on in servers() {
        for (old, new) in &cases {
            let found = files(&on, old, new, false).await;
            assert!(!found.iter().any(|up| up.contains("USING INDEX")), "{old}\n{new}\n{found:#?}");
        }
    }
}
