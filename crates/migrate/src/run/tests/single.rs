//! Runs of one group, whose way back is the transaction where the engine has one that holds DDL.

use database::Engine;

use super::{Sandbox, engines, quoted, undone};
use crate::history::State;
use crate::plan::Allowed;
use crate::{Became, MigrateOptions, Outcome, RollbackOptions, Until};

pub(super) async fn sandbox(engine: Engine) -> Sandbox {
    let mut sandbox = Sandbox::new(engine).await;
    let committing = engine == Engine::Mysql;
    sandbox.allow(Allowed { no_backup: !committing, accept_lost_writes: committing, ..Allowed::default() });
    sandbox
}

#[tokio::test]
async fn up_and_down_and_up() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        sandbox.file("001_a", "CREATE TABLE a (b int);\nINSERT INTO a VALUES (1), (2);", "DROP TABLE a;");
        sandbox.file(
            "002_c",
            "-- dbm: module m\nCREATE TABLE c (d int);\n-- dbm: verify\nSELECT count(*) = 2 FROM a;",
            "DROP TABLE c;",
        );
        let report = sandbox.migrate().await;
        assert_eq!(report.outcome, Outcome::Done, "{report:?}");
        assert_eq!((report.migrations.len(), report.checks), (2, 1));
        let history = sandbox.history().await;
        assert_eq!(
            history.iter().map(|row| (row.number, row.position)).collect::<Vec<_>>(),
            [(1, 1), (2, 2)]
        );
        assert_eq!(history[1].module.as_deref(), Some("m"));
        assert_eq!(history[0].rollback.as_deref(), Some("DROP TABLE a;"));
        assert_eq!((history[0].applied_by.as_str(), history[0].state), ("tester", State::Applied));
        let again = sandbox.migrate().await;
        assert_eq!((again.outcome, again.run), (Outcome::Done, None));

        let back = RollbackOptions { until: Until::Count(1), module: None };
        let report = sandbox.runner().rollback(&sandbox.migrations(), &back).await.unwrap();
        assert_eq!(
            (report.outcome, report.migrations[0].became),
            (Outcome::Done, Became::RolledBack),
            "{report:?}"
        );
        assert_eq!(sandbox.history().await.len(), 1);
        let all = RollbackOptions { until: Until::All, module: None };
        sandbox.runner().rollback(&sandbox.migrations(), &all).await.unwrap();
        assert!(sandbox.history().await.is_empty());
        assert_eq!(sandbox.migrate().await.migrations.len(), 2);
    }
}

#[tokio::test]
async fn a_failing_statement_is_named_and_nothing_is_left() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        sandbox.file("001_a", "CREATE TABLE item (id int, name text);", "DROP TABLE item;");
        let mut nine = "-- Nine of them.\n".to_owned();
        for number in 1..=9 {
            let column = if number == 7 { "nam" } else { "name" };
            nine.push_str(&format!("INSERT INTO item\n  (id, {column}) VALUES ({number}, ';--');\n"));
        }
        let path = sandbox.file("002_nine", &nine, "DELETE FROM item;");
        let report = sandbox.migrate().await;
        assert_eq!(report.outcome, undone(engine), "{report:?}");
        let told =
            if engine == Engine::Mysql { ["restored from", "digests"] } else { ["rolled back", "mark"] };
        assert!(told.iter().all(|word| report.state.contains(word)), "{}", report.state);
        let failure = report.failure.unwrap();
        assert_eq!((failure.statement, failure.statements), (Some(7), Some(9)), "{failure:?}");
        assert_eq!(failure.file.as_deref(), Some(path.as_path()));
        assert!(failure.message.contains("nam"), "{failure:?}");
        // Postgres points into the statement, the others do not.
        assert_eq!(failure.line, Some(if engine == Engine::Postgres { 15 } else { 14 }), "{failure:?}");
        assert!(sandbox.history().await.is_empty());
        assert!(sandbox.runner().open_run().await.unwrap().is_none());
        sandbox.file("002_nine", "SELECT 1;", "SELECT 1;");
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
    }
}

#[tokio::test]
async fn a_failing_check_undoes_the_file() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        sandbox.file(
            "001_a",
            "CREATE TABLE a (b int);\n-- dbm: verify\nSELECT 1 = 1;\n\nSELECT count(*) = 1 FROM a;",
            "DROP TABLE a;",
        );
        let report = sandbox.migrate().await;
        assert_eq!(report.outcome, undone(engine), "{report:?}");
        let failure = report.failure.unwrap();
        assert!(failure.check && failure.line == Some(5) && failure.statement == Some(2), "{failure:?}");
        assert!(sandbox.history().await.is_empty());
        sandbox.file("001_a", "CREATE TABLE a (b int);\n-- dbm: verify\nSELECT NULL;", "DROP TABLE a;");
        assert!(sandbox.migrate().await.failure.unwrap().message.contains("NULL"));
    }
}

#[tokio::test]
async fn a_check_only_reads() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        let file = |check: &str| format!("CREATE TABLE a (b int);\n-- dbm: verify\n{check}");
        for check in ["INSERT INTO a VALUES (1);", "SELECT 1 = 1; DELETE FROM a WHERE b = 1;"] {
            sandbox.file("001_a", &file(check), "DROP TABLE a;");
            let report = sandbox.migrate().await;
            assert_eq!(report.outcome, undone(engine), "{engine} {check}: {report:?}");
            let failure = report.failure.unwrap();
            assert!(failure.check && failure.line == Some(3), "{engine} {check}: {failure:?}");
            let hint = failure.hint.unwrap_or_default();
            assert!(hint.starts_with("a check only reads"), "{engine} {check}: {} {hint}", failure.message);
        }
        // What follows the checks writes again, in the next file and in the history.
        sandbox.file("001_a", &file("SELECT count(*) = 0 FROM a;"), "DROP TABLE a;");
        sandbox.file("002_b", "INSERT INTO a VALUES (2);", "DELETE FROM a;");
        let report = sandbox.migrate().await;
        assert_eq!((report.outcome, report.checks), (Outcome::Done, 1), "{engine}: {report:?}");
    }
}

#[tokio::test]
async fn what_is_there_already_is_recorded_as_satisfied() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        let there = "CREATE TABLE \"user\" (id int, Priority int, CONSTRAINT u UNIQUE (id)); CREATE INDEX i ON \"user\" (id); INSERT INTO \"user\" VALUES (1, 1)";
        sandbox.execute(&quoted(engine, there)).await;
        sandbox.file(
            "001_a",
            &quoted(engine, "-- dbm: unless table user\nCREATE TABLE \"user\" (id int);"),
            &quoted(engine, "DROP TABLE \"user\";"),
        );
        let column =
            "-- dbm: unless column user.priority\n-- dbm: unless index i\n-- dbm: unless constraint user.u\n";
        sandbox.file(
            "002_b",
            &format!("{column}SELECT nothing FROM nowhere;"),
            "SELECT nothing FROM nowhere;",
        );
        sandbox.file(
            "003_c",
            &quoted(engine, "-- dbm: unless column user.notes\nALTER TABLE \"user\" ADD COLUMN notes text;"),
            &quoted(engine, "ALTER TABLE \"user\" DROP COLUMN notes;"),
        );
        let report = sandbox.migrate().await;
        assert_eq!(report.outcome, Outcome::Done, "{report:?}");
        let became: Vec<_> = report.migrations.iter().map(|migration| migration.became).collect();
        assert_eq!(became, [Became::Satisfied, Became::Satisfied, Became::Applied]);
        let all = RollbackOptions { until: Until::All, module: None };
        let report = sandbox.runner().rollback(&sandbox.migrations(), &all).await.unwrap();
        assert_eq!(report.outcome, Outcome::Done, "{report:?}");
        assert_eq!(sandbox.ask(&quoted(engine, "SELECT count(*) FROM \"user\"")).await, "1");
        sandbox.file(
            "003_c",
            "-- dbm: unless table user\n-- dbm: unless table other\nSELECT 1;",
            "SELECT 1;",
        );
        let report = sandbox.migrate().await;
        assert_eq!(report.outcome, undone(engine), "{report:?}");
        let failure = report.failure.unwrap();
        assert!(failure.hint.unwrap().contains("split the file"), "{}", failure.message);
    }
}

/// On MySQL an index has its name within its table.
#[tokio::test]
async fn an_index_may_be_named_with_its_table() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        sandbox.execute("CREATE TABLE one (id int, colour int); CREATE INDEX by_id ON one (id)").await;
        sandbox.execute("CREATE TABLE other (id int)").await;
        let of = |table: &str| {
            format!("-- dbm: unless index {table}.by_id\nCREATE INDEX {table}_more ON {table} (id);")
        };
        sandbox.file("001_one", &of("one"), "SELECT 1;");
        sandbox.file("002_other", &of("other"), "SELECT 1;");
        let report = sandbox.migrate().await;
        let became: Vec<_> = report.migrations.iter().map(|migration| migration.became).collect();
        assert_eq!(became, [Became::Satisfied, Became::Applied], "{engine}: {:?}", report.failure);
    }
}

/// What a failed `CREATE INDEX CONCURRENTLY` has left is no index.
#[tokio::test]
async fn an_invalid_index_is_not_there() {
    let sandbox = sandbox(Engine::Postgres).await;
    sandbox.execute("CREATE TABLE one (id int); INSERT INTO one VALUES (1), (1)").await;
    sandbox.execute("CREATE TABLE parts (id int) PARTITION BY LIST (id); CREATE TABLE part PARTITION OF parts DEFAULT").await;
    sandbox.execute("CREATE INDEX by_part ON ONLY parts (id)").await;
    let mut session = sandbox.database.session().await.unwrap();
    assert!(session.execute("CREATE UNIQUE INDEX CONCURRENTLY by_id ON one (id)").await.is_err());
    sandbox.execute("DELETE FROM one").await;
    sandbox.file(
        "001_one",
        "-- dbm: unless index by_id\nCREATE UNIQUE INDEX by_id ON one (id);",
        "SELECT 1;",
    );
    let report = sandbox.migrate().await;
    assert!(report.failure.unwrap().message.contains("already exists"));
    sandbox.execute("REINDEX INDEX by_id").await;
    assert_eq!(sandbox.migrate().await.migrations[0].became, Became::Satisfied);
    // That of a partitioned table waits for its partitions'.
    for (file, name) in [("002_parts", "by_part"), ("003_named", "public.parts.by_part")] {
        let text = format!("-- dbm: unless index {name}\nCREATE INDEX by_part ON parts (id);");
        sandbox.file(file, &text, "SELECT 1;");
        let report = sandbox.migrate().await;
        let became = report.migrations.first().map(|migration| migration.became);
        assert_eq!(became, Some(Became::Satisfied), "{:?}", report.failure);
    }
}

#[tokio::test]
async fn a_crash_at_each_step_leaves_before_or_after() {
    for engine in engines() {
        let steps = {
            let sandbox = sandbox(engine).await;
            sandbox.file("001_a", "CREATE TABLE a (b int);", "DROP TABLE a;");
            sandbox.migrate().await;
            sandbox.events()
        };
        assert!(steps.contains(&"commit:after".to_owned()), "{steps:?}");
        let committed = steps.iter().position(|step| step == "commit:after").unwrap();
        for (place, step) in steps.iter().enumerate() {
            let mut sandbox = sandbox(engine).await;
            // Where the backup is the way back, somebody has to say so.
            sandbox.settings.yes = engine == Engine::Mysql;
            sandbox.file("001_a", "CREATE TABLE a (b int);", "DROP TABLE a;");
            assert!(sandbox.crash(step).await, "{step}");
            let report = sandbox.runner().recover().await.unwrap();
            assert_eq!(report.outcome, Outcome::Done, "{engine} {step}: {report:?}");
            assert_eq!(sandbox.history().await.len(), usize::from(place >= committed), "{engine} {step}");
            assert!(sandbox.runner().open_run().await.unwrap().is_none());
            assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
            assert_eq!(sandbox.history().await.len(), 1);
        }
    }
}

#[tokio::test]
async fn a_rebuild_with_the_pragma_does_not_cascade() {
    let sandbox = sandbox(Engine::Sqlite).await;
    sandbox
        .execute(
            "CREATE TABLE parent (id INTEGER PRIMARY KEY, x); CREATE TABLE child (p REFERENCES parent (id) ON DELETE CASCADE);
             INSERT INTO parent VALUES (1, 'x'); INSERT INTO child VALUES (1), (1)",
        )
        .await;
    let rebuild = "CREATE TABLE new (id INTEGER PRIMARY KEY, x, y);\nINSERT INTO new SELECT id, x, 1 FROM parent;\n\
                   DROP TABLE parent;\nALTER TABLE new RENAME TO parent;\n";
    sandbox.file(
        "001_a",
        &format!("PRAGMA foreign_keys = OFF;\n{rebuild}PRAGMA foreign_keys = ON;"),
        "SELECT 1;",
    );
    assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
    assert_eq!(sandbox.ask("SELECT count(*), (SELECT y FROM parent) FROM child").await, "2|1");
    // A rebuild that loses a parent is found before the commit.
    sandbox.file("002_b", "PRAGMA foreign_keys = OFF;\nDELETE FROM parent;\n", "SELECT 1;");
    let report = sandbox.migrate().await;
    assert_eq!(report.outcome, Outcome::NothingChanged, "{report:?}");
    assert_eq!(sandbox.ask("SELECT count(*) FROM parent").await, "1");
}

#[tokio::test]
async fn one_files_settings_do_not_reach_the_next() {
    let sandbox = sandbox(Engine::Postgres).await;
    sandbox.file(
        "001_a",
        "CREATE SCHEMA other;\nSELECT set_config('search_path', '', false);\nSET statement_timeout = 100;",
        "DROP SCHEMA other;",
    );
    sandbox.file("002_b", "CREATE TABLE b (c int);\nSELECT pg_sleep(0.2);", "DROP TABLE b;");
    let report = sandbox.migrate().await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(sandbox.ask("SELECT to_regclass('public.b') IS NOT NULL").await, "t");
}

#[tokio::test]
async fn one_files_settings_do_not_reach_the_next_on_mysql() {
    let sandbox = sandbox(Engine::Mysql).await;
    sandbox.file(
        "001_a",
        "SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES';\nCREATE TABLE \"a\" (b varchar(9));\n\
         INSERT INTO \"a\" VALUES ('\\'), ('x');\nCREATE TEMPORARY TABLE own (c int);\nSET foreign_key_checks = 0;",
        "DROP TABLE a;",
    );
    sandbox.file(
        "002_b",
        "INSERT INTO a VALUES (\"it\\'s\");\nCREATE TABLE own (c int);",
        "DROP TABLE own;\nDELETE FROM a WHERE b LIKE 'it%';\n-- dbm: verify\nSELECT @@foreign_key_checks;",
    );
    let report = sandbox.migrate().await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(sandbox.ask("SELECT b FROM a ORDER BY HEX(b)").await, "\\\nit's\nx");
    let all = RollbackOptions { until: Until::All, module: None };
    let report = sandbox.runner().rollback(&sandbox.migrations(), &all).await.unwrap();
    assert_eq!((report.outcome, report.checks), (Outcome::Done, 1), "{report:?}");
}

/// What `mariadb` and `mysql` run, dbm runs: their own delimiters, conditional comments, the line of a sandbox.
#[tokio::test]
async fn a_file_runs_as_the_native_client_would_run_it() {
    let sandbox = sandbox(Engine::Mysql).await;
    sandbox.file(
        "001_a",
        "/*M!999999\\- enable the sandbox mode */ \n# a comment; of the shell's kind\n-- and one; of SQL's\n\
         /*!40101 SET NAMES utf8mb4 */;\nCREATE TABLE a (b int /*! NOT NULL */) /*!50100 COMMENT = 'it; is' */;\n\
         DELIMITER //\nCREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN\n  SET NEW.b = NEW.b + 1;\nEND//\n\
         CREATE PROCEDURE p() BEGIN INSERT INTO a VALUES (1); INSERT INTO a VALUES (2); END//\nDELIMITER ;\nCALL p();\n\
         -- dbm: verify\nSELECT sum(b) = 5, count(*) = 2 FROM a;\nSELECT table_comment = 'it; is' FROM information_schema.tables\n\
         WHERE table_schema = DATABASE() AND table_name = 'a';",
        "DROP PROCEDURE p;\nDROP TABLE a;",
    );
    let report = sandbox.migrate().await;
    assert_eq!((report.outcome, report.checks), (Outcome::Done, 2), "{report:?}");
}

#[tokio::test]
async fn what_was_made_otherwise_is_told_from_a_fault_of_the_file() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        sandbox.execute("CREATE TABLE label (id int); CREATE TABLE note (name varchar(9))").await;
        for text in ["CREATE TABLE label (id int);", "ALTER TABLE note ADD COLUMN name varchar(9);"] {
            sandbox.file("001_more", text, "SELECT 1;");
            let failure = sandbox.migrate().await.failure.unwrap();
            assert!(
                failure.hint.as_ref().is_some_and(|hint| hint.contains("dbm stamp 001")),
                "{engine} {failure:?}"
            );
        }
        sandbox.file("001_more", "CREATE TABLE nothing (id intt, CHECK);", "SELECT 1;");
        let failure = sandbox.migrate().await.failure.unwrap();
        assert!(!failure.hint.unwrap_or_default().contains("stamp"), "{engine}");
    }
}

#[tokio::test]
async fn secrets_stay_out_of_messages() {
    use std::sync::Arc;
    struct Secret;
    impl crate::placeholders::Variables for Secret {
        fn variable(&self, name: &str) -> Option<String> {
            (name == "SECRET").then(|| "tr0ub4dor".to_owned())
        }
    }
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        sandbox.file(
        "001_a",
        "CREATE TABLE a (b varchar(50) UNIQUE, p text);\nINSERT INTO a VALUES ('${env:SECRET}', '${password:bcrypt:NEW:-generate}');\n\
         INSERT INTO a VALUES ('${env:SECRET}', '');",
        "DROP TABLE a;",
    );
        let runner = sandbox.runner().with_variables(Arc::new(Secret));
        let report = runner.migrate(&sandbox.migrations(), &MigrateOptions::default()).await.unwrap();
        assert_eq!(report.outcome, undone(engine), "{report:?}");
        let made = sandbox.watch.passwords.lock().unwrap().join(",");
        assert!(made.starts_with("NEW="), "{made}");
        let errors = sandbox.watch.errors.lock().unwrap().join("\n");
        assert!(
            ["unique", "UNIQUE", "Duplicate entry '***'"].iter().any(|word| errors.contains(word)),
            "{errors}"
        );
        for text in [format!("{report:?}"), sandbox.watch.notes.lock().unwrap().join("\n"), errors] {
            assert!(!text.contains("tr0ub4dor"), "{text}");
        }
        assert_eq!(report.failure.unwrap().line, Some(3));
    }
}

/// A password that no row was made with is nobody's, and showing it would mislead.
#[tokio::test]
async fn a_made_up_password_is_shown_where_a_row_has_it() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        let text = |n: u8, condition: &str| {
            format!(
                "INSERT INTO a SELECT {n}, '${{password:scrypt:NEW{n}:-generate}}' FROM (SELECT 1 AS one) AS s WHERE {condition};"
            )
        };
        sandbox.file("001_a", "CREATE TABLE a (b int, p varchar(200));", "DROP TABLE a;");
        sandbox.file("002_nobody", &text(2, "1 = 0"), "DELETE FROM a;");
        sandbox.file("003_somebody", &text(3, "1 = 1"), "DELETE FROM a;");
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
        let made = sandbox.watch.passwords.lock().unwrap().join(",");
        assert!(made.starts_with("NEW3=") && !made.contains("NEW2"), "{engine}: {made}");
    }
}

/// `setval` is not rolled back; the application's next row would have a number that is there.
#[tokio::test]
async fn sequences_that_a_rolled_back_run_has_set_back_are_where_they_were() {
    for at in [None, Some("commit:before")] {
        let sandbox = sandbox(Engine::Postgres).await;
        sandbox
            .execute(
                "CREATE TABLE t (id serial PRIMARY KEY, v int); INSERT INTO t (v) SELECT generate_series(1, 100);
                 CREATE SEQUENCE down INCREMENT -1; SELECT nextval('down') FROM generate_series(1, 5);
                 CREATE SEQUENCE untouched; CREATE SEQUENCE ahead",
            )
            .await;
        let broken = if at.is_some() { "" } else { "SELECT 1/0;" };
        sandbox.file(
            "001_a",
            &format!(
                "SELECT setval('t_id_seq', 1, false); SELECT setval('down', -1); SELECT nextval('ahead');\n{broken}"
            ),
            "SELECT 1;",
        );
        match at {
            Some(at) => {
                assert!(sandbox.crash(at).await);
                sandbox.runner().recover().await.unwrap();
            }
            None => {
                let report = sandbox.migrate().await;
                assert_eq!(report.outcome, Outcome::NothingChanged);
                assert!(report.failure.as_ref().unwrap().message.contains("zero"), "{report:?}");
            }
        }
        sandbox.execute("INSERT INTO t (v) VALUES (0)").await;
        assert_eq!(sandbox.ask("SELECT max(id) FROM t").await, "101");
        assert_eq!(
            sandbox.ask("SELECT nextval('down'), nextval('untouched'), nextval('ahead')").await,
            "-6|1|2"
        );
        let notes = sandbox.watch.notes.lock().unwrap().join("\n");
        assert!(notes.contains("public.t_id_seq") && notes.contains("public.down"), "{notes}");
        assert!(!notes.contains("untouched") && !notes.contains("ahead"), "{notes}");
    }
}

#[tokio::test]
async fn rows_of_the_history_that_fill_several_statements_keep_their_order() {
    for engine in engines() {
        let mut sandbox = Sandbox::new(engine).await;
        sandbox.allow(Allowed { accept_lost_writes: true, ..Allowed::default() });
        let long = "-- a reason\n".repeat(10_000);
        for number in 1..=5 {
            let (up, down) =
                (format!("CREATE TABLE t{number} (a int);"), format!("{long}DROP TABLE t{number};"));
            sandbox.file(&format!("00{number}_t"), &up, &down);
        }
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
        let rows: Vec<_> =
            sandbox.history().await.into_iter().map(|row| (row.number, row.position, row.rollback)).collect();
        let wanted = |number| (number, number, Some(format!("{long}DROP TABLE t{number};")));
        assert!(rows == (1..=5).map(wanted).collect::<Vec<_>>(), "{engine}");
        let (runner, options) = (sandbox.runner(), RollbackOptions { until: Until::Count(1), module: None });
        assert_eq!(runner.rollback(&sandbox.migrations(), &options).await.unwrap().outcome, Outcome::Done);
        assert_eq!(sandbox.history().await.len(), 4, "{engine}");
    }
}

/// No backup could bring it back: a run that would need one is not begun.
#[tokio::test]
async fn a_broken_view_is_named_before_a_run_begins_to_change_anything() {
    let sandbox = sandbox(Engine::Mysql).await;
    sandbox
        .execute("CREATE TABLE gone (a int); CREATE VIEW broken AS SELECT a FROM gone; DROP TABLE gone")
        .await;
    sandbox.file("001_a", "CREATE TABLE a (b int);", "DROP TABLE a;");
    let report = sandbox.migrate().await;
    assert_eq!(report.outcome, Outcome::NothingChanged, "{report:?}");
    let failure = report.failure.unwrap();
    assert!(failure.message.contains("view broken (it is broken"), "{failure:?}");
    assert!(failure.hint.unwrap().contains("DROP VIEW"), "it says what to type");
    sandbox.execute("DROP VIEW broken").await;
    assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
}
