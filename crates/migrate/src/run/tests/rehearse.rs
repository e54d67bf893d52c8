//! Runs that are tried on a copy first.

use std::time::Duration;

use database::Engine;

use super::{Sandbox, engines};
use crate::files::{Directives, Repeat, RepeatedFile, Source};
use crate::plan::Allowed;
use crate::rehearse::{Rehearsal, Rehearse};
use crate::{MigrateOptions, Outcome, Report};

impl Sandbox {
    /// With a table that holds a few rows.
    async fn with_rows(engine: Engine) -> Self {
        let sandbox = Self::with_item(engine).await;
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
        sandbox.execute("INSERT INTO item VALUES (1, 'one'), (2, 'two'), (3, 'two')").await;
        sandbox
    }

    async fn rehearsed(&self, max_lock: Option<Duration>, repeatables: Vec<RepeatedFile>) -> Report {
        let runner = self.runner().with_rehearsal(Rehearse { max_lock, ..Rehearse::default() });
        let options = MigrateOptions { repeatables, ..MigrateOptions::default() };
        let report = runner.migrate(&self.migrations(), &options).await.unwrap();
        assert!(
            backup::restore::leftovers(&self.database).await.unwrap().is_empty(),
            "nothing is left of it"
        );
        report
    }
}

fn lines(rehearsal: &Rehearsal) -> Vec<String> {
    rehearsal.statements.iter().map(|one| format!("{}:{}", one.migration, one.line)).collect()
}

#[tokio::test]
async fn what_goes_well_on_the_copy_is_then_done() {
    for engine in engines() {
        let sandbox = Sandbox::with_rows(engine).await;
        let price = |rollback: &str| {
            sandbox.file(
                "002_price",
                "ALTER TABLE item ADD COLUMN price int;\nUPDATE item SET price = 1;\n-- dbm: verify\nSELECT count(*) = 3 FROM item;",
                rollback,
            );
        };
        price("ALTER TABLE item DROP COLUMN price;");
        sandbox.file("003_note", "CREATE TABLE note (id int);", "DROP TABLE note;");
        let text = "CREATE VIEW priced AS SELECT price FROM item;".to_owned();
        let view = RepeatedFile {
            kind: Repeat::Repeatable,
            name: "priced".to_owned(),
            directives: Directives::default(),
            source: Source { path: "priced.sql".into(), text },
        };
        if engine != Engine::Mysql {
            // With the view there, the column cannot go.
            let report = sandbox.rehearsed(None, vec![view.clone()]).await;
            assert_eq!(report.outcome, Outcome::NothingChanged, "{engine}");
            let failure = report.failure.unwrap();
            assert!(
                failure.message.contains("the rollback failed") && failure.causes.is_empty(),
                "{failure:?}"
            );
        }
        price("DROP VIEW IF EXISTS priced;\nALTER TABLE item DROP COLUMN price;");
        let report = sandbox.rehearsed(None, vec![view]).await;
        assert_eq!(report.outcome, Outcome::Done, "{engine}: {:?}", report.failure);
        assert_eq!(report.migrations.len(), 3);
        let rehearsal = report.rehearsal.unwrap();
        assert_eq!(
            lines(&rehearsal),
            ["002_price:1", "002_price:2", "003_note:1", "repeatable/priced:1"],
            "{engine}"
        );
        assert_eq!((rehearsal.rolled_back, rehearsal.checks), (true, 1));
        assert_eq!(rehearsal.statements[1].rows, Some(3), "{engine}");
        assert_eq!(sandbox.ask("SELECT count(price) FROM priced").await, "3");
        // Nothing pending, nothing to rehearse.
        assert!(sandbox.rehearsed(None, Vec::new()).await.rehearsal.is_none());
    }
}

/// What a trigger writes through a foreign table would be written for good.
#[tokio::test]
async fn a_copy_that_reaches_others_is_not_rehearsed_on() {
    let sandbox = Sandbox::with_rows(Engine::Postgres).await;
    sandbox
        .execute("CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere")
        .await;
    sandbox.file("002_note", "CREATE TABLE note (id int);", "DROP TABLE note;");
    let report = sandbox.rehearsed(None, Vec::new()).await;
    assert_eq!(report.outcome, Outcome::NothingChanged);
    let message = report.failure.unwrap().message;
    assert!(message.contains("could change others, through foreign server elsewhere"), "{message}");
    assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
}

#[tokio::test]
async fn what_real_rows_refuse_is_found_before_anything_is_run() {
    for engine in engines() {
        let sandbox = Sandbox::with_rows(engine).await;
        let before = sandbox.everything();
        sandbox.file("002_note", "CREATE TABLE note (id int);", "DROP TABLE note;");
        sandbox.file("003_unique", "CREATE UNIQUE INDEX item_name ON item (name);", "SELECT 1;");
        let report = sandbox.rehearsed(None, Vec::new()).await;
        assert_eq!(report.outcome, Outcome::NothingChanged, "{engine}");
        let failure = report.failure.unwrap();
        assert!(failure.message.starts_with("the rehearsal failed: "), "{}", failure.message);
        assert_eq!((failure.migration.as_deref(), failure.line), (Some("003_unique"), Some(1)));
        assert!(report.migrations.is_empty() && report.restored.is_none());
        assert_eq!(sandbox.everything(), before, "{engine}");

        // A rollback that does not undo is found too, unless there is none on purpose.
        sandbox.file("003_unique", "CREATE INDEX item_name ON item (name);", "SELECT 1;");
        let report = sandbox.rehearsed(None, Vec::new()).await;
        assert_eq!(report.outcome, Outcome::NothingChanged, "{engine}");
        let message = report.failure.unwrap().message;
        assert!(message.contains("do not undo") && message.contains("item"), "{message}");
        sandbox.file(
            "003_unique",
            "-- dbm: irreversible why not\nCREATE INDEX item_name ON item (name);",
            "SELECT 1;",
        );
        let report = sandbox.rehearsed(None, Vec::new()).await;
        assert_eq!(report.outcome, Outcome::Done, "{engine}: {:?}", report.failure);
        assert!(!report.rehearsal.unwrap().rolled_back);
    }
}

#[tokio::test]
async fn what_one_row_refuses_is_found_before_anything_is_run() {
    for engine in engines() {
        let mut sandbox = Sandbox::with_rows(engine).await;
        sandbox.settings.allowed.drift = true;
        sandbox.execute("CREATE TABLE part (id int PRIMARY KEY, size varchar(20))").await;
        sandbox.execute("INSERT INTO part VALUES (1, '7'), (2, NULL), (3, 'large')").await;
        let before = sandbox.everything();
        let rebuilt = |column: &str, rows: &str| {
            format!(
                "CREATE TABLE part_new (id int PRIMARY KEY, {column}) STRICT;\nINSERT INTO part_new SELECT id, size FROM part{rows};
                 DROP TABLE part;\nALTER TABLE part_new RENAME TO part;"
            )
        };
        // A NULL, and a text that is no number.
        for (file, line, said) in match engine {
            Engine::Postgres => [
                ("ALTER TABLE part ALTER COLUMN size SET NOT NULL;".to_owned(), 1, "null values"),
                ("ALTER TABLE part ALTER COLUMN size TYPE int USING size::int;".to_owned(), 1, "large"),
            ],
            // In the strict mode that servers have by default.
            Engine::Mysql => [
                ("ALTER TABLE part MODIFY size varchar(20) NOT NULL;".to_owned(), 1, "(error 1"),
                ("ALTER TABLE part MODIFY size int;".to_owned(), 1, "large"),
            ],
            _ => [
                (rebuilt("size text NOT NULL", ""), 2, "NOT NULL"),
                (rebuilt("size int", " WHERE id <> 2"), 2, "TEXT value"),
            ],
        } {
            sandbox.file("002_note", "CREATE TABLE note (id int);", "DROP TABLE note;");
            sandbox.file("003_size", &file, "SELECT 1;");
            let report = sandbox.rehearsed(None, Vec::new()).await;
            assert_eq!(report.outcome, Outcome::NothingChanged, "{engine} {file}");
            let failure = report.failure.unwrap();
            assert!(failure.message.starts_with("the rehearsal failed: "), "{}", failure.message);
            assert!(failure.message.contains(said), "{engine} {file}: {}", failure.message);
            assert_eq!(
                (failure.migration.as_deref(), failure.line),
                (Some("003_size"), Some(line)),
                "{engine}"
            );
            assert!(report.migrations.is_empty() && report.restored.is_none(), "{engine}");
            assert_eq!(sandbox.everything(), before, "{engine} {file}");
        }
    }
}

#[tokio::test]
async fn who_would_wait_too_long_is_not_made_to() {
    for engine in engines() {
        let sandbox = Sandbox::with_rows(engine).await;
        let before = sandbox.everything();
        let slow = match engine {
            Engine::Postgres => "LOCK TABLE item IN SHARE MODE;\nSELECT pg_sleep(0.4);",
            Engine::Mysql => "UPDATE item SET name = 'x' WHERE sleep(0.2) = 0;",
            _ => {
                "CREATE TABLE n AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT i FROM n;
                 DROP TABLE n;"
            }
        };
        sandbox.file("002_slow", slow, "SELECT 1;");
        let report = sandbox.rehearsed(Some(Duration::from_millis(100)), Vec::new()).await;
        assert_eq!(report.outcome, Outcome::NothingChanged, "{engine}");
        let message = report.failure.unwrap().message;
        assert!(message.contains("002_slow, line 1, kept others waiting"), "{message}");
        assert_eq!(sandbox.everything(), before, "{engine}");
        let report = sandbox.rehearsed(Some(Duration::from_secs(3600)), Vec::new()).await;
        assert_eq!(report.outcome, Outcome::Done, "{engine}: {:?}", report.failure);
    }
}

#[tokio::test]
async fn locks_are_those_that_the_server_shows() {
    let sandbox = Sandbox::with_rows(Engine::Postgres).await;
    sandbox.file(
        "002_wide",
        "ALTER TABLE item ALTER COLUMN id TYPE bigint;\nCREATE TABLE note (id int);\nSELECT count(*) FROM item;",
        "ALTER TABLE item ALTER COLUMN id TYPE int; DROP TABLE note;",
    );
    sandbox.file(
        "003_index",
        "-- dbm: no-transaction\nCREATE INDEX CONCURRENTLY item_name ON item (name);\nVACUUM FULL item;",
        "DROP INDEX item_name;",
    );
    let report = sandbox.rehearsed(None, Vec::new()).await;
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.failure);
    let rehearsal = report.rehearsal.unwrap();
    assert!(rehearsal.locks_seen);
    let [wide, note, read, index, vacuum] = rehearsal.statements.as_slice() else { panic!("{rehearsal:?}") };
    let lock = wide.blocks().unwrap();
    assert!(lock.mode == "AccessExclusiveLock" && lock.on.starts_with("public.item"), "{wide:?}");
    assert!(wide.rewritten.contains(&"public.item".to_owned()), "{wide:?}");
    assert!(lock.held_ms >= wide.duration_ms, "to the end of its transaction: {wide:?}");
    assert!(note.blocks().is_none(), "nobody waits for what is new: {note:?}");
    assert!(read.blocks().is_none() && read.rewritten.is_empty(), "{read:?}");
    assert!(index.blocks().is_none(), "{index:?}");
    assert!(vacuum.rewritten.contains(&"public.item".to_owned()), "{vacuum:?}");
}

/// What the server copies is a table of its own to the server.
#[tokio::test]
async fn tables_that_mysql_writes_anew_are_seen() {
    let mut sandbox = Sandbox::with_rows(Engine::Mysql).await;
    sandbox.settings.allowed.drift = true;
    sandbox
        .execute("CREATE TABLE `we-ird` (id int) PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (9))")
        .await;
    sandbox.file(
        "002_wide",
        "-- dbm: irreversible why not
         ALTER TABLE item ADD COLUMN more int;
         ALTER TABLE item MODIFY name varchar(20) CHARACTER SET ascii;
         CREATE INDEX by_name ON item (name);
         CREATE TABLE note (id int);
         ALTER TABLE note ENGINE = InnoDB;
         ALTER TABLE `we-ird` ADD PARTITION (PARTITION b VALUES LESS THAN (99));
         ALTER TABLE `we-ird` MODIFY id bigint;
         UPDATE item SET name = 'x';",
        "SELECT 1;",
    );
    let report = sandbox.rehearsed(None, Vec::new()).await;
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.failure);
    let rehearsal = report.rehearsal.unwrap();
    assert!(rehearsal.rewrites_seen && !rehearsal.locks_seen);
    let hint = rehearsal.locks_hint.as_deref().unwrap();
    assert!(hint.contains("start it with performance_schema=ON"), "{hint}");
    let rewritten: Vec<String> = rehearsal.statements.iter().map(|one| one.rewritten.join(" ")).collect();
    assert_eq!(rewritten, ["", "item", "", "", "", "", "we-ird", ""], "{rehearsal:?}");
}

/// Long values are the table's own.
#[tokio::test]
async fn a_table_is_named_and_neither_its_indexes_nor_its_long_values() {
    let mut sandbox = Sandbox::with_rows(Engine::Postgres).await;
    sandbox.settings.allowed.drift = true;
    sandbox.execute("CREATE TABLE page (id int PRIMARY KEY, body text)").await;
    sandbox.file(
        "002_body",
        "ALTER TABLE page ALTER id TYPE bigint, ALTER body TYPE varchar(9);",
        "ALTER TABLE page ALTER id TYPE int, ALTER body TYPE text;",
    );
    let report = sandbox.rehearsed(None, Vec::new()).await;
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.failure);
    let rehearsal = report.rehearsal.unwrap();
    let one = &rehearsal.statements[0];
    assert_eq!(one.blocks().unwrap().on, "public.page", "{one:?}");
    assert!(!one.locks.iter().any(|lock| lock.on.starts_with("pg_toast")), "{one:?}");
}

#[tokio::test]
async fn whoever_is_kept_waiting_is_seen() {
    let most = Some(Duration::from_millis(200));
    let [postgres, mysql] = [Engine::Postgres, Engine::Mysql].map(Sandbox::with_rows);
    let (postgres, mysql) = (postgres.await, mysql.await);
    let row = "UPDATE item SET name = 'x' WHERE id = 1;";
    for (sandbox, file, line) in [
        (&postgres, "UPDATE item SET name = 'x';\nSELECT pg_sleep(0.3);".to_owned(), Some(1)),
        (&postgres, format!("DO $$BEGIN {row} END$$;\nSELECT pg_sleep(0.3);"), Some(1)),
        (&postgres, "INSERT INTO item VALUES (9, 'nine');\nSELECT pg_sleep(0.3);".to_owned(), None),
        (&postgres, "DROP TABLE item;\nSELECT pg_sleep(0.3);".to_owned(), Some(1)),
        (&postgres, "SAVEPOINT s;\nLOCK TABLE item;\nROLLBACK TO s;\nSELECT pg_sleep(0.3);".to_owned(), None),
        (
            &postgres,
            "-- dbm: no-transaction\nBEGIN;\nLOCK TABLE item IN SHARE MODE;\nSELECT pg_sleep(0.3);\nCOMMIT;"
                .to_owned(),
            Some(3),
        ),
        (
            &postgres,
            format!(
                "-- dbm: no-transaction\nBEGIN;\n{row}\nSELECT pg_sleep(0.3);\nROLLBACK;\nSELECT pg_sleep(0.3);"
            ),
            Some(3),
        ),
        (
            &postgres,
            format!("-- dbm: no-transaction\n{row}\nSELECT pg_sleep(0.3);\nBEGIN;\n{row}\nCOMMIT;"),
            None,
        ),
        (&mysql, format!("START TRANSACTION;\n{row}\n{}COMMIT;", "DO sleep(0.05);\n".repeat(6)), Some(1)),
        (
            &mysql,
            format!("LOCK TABLES item WRITE;\n{}UNLOCK TABLES;", "DO sleep(0.05);\n".repeat(6)),
            Some(1),
        ),
    ] {
        let file = format!("-- dbm: irreversible why not\n{file}");
        sandbox.file("002_slow", &file, "SELECT 1;");
        let how = Rehearse { max_lock: most, ..Rehearse::default() };
        let rehearsing = sandbox.runner();
        let rehearsal = rehearsing.rehearse(&how, &sandbox.migrations(), &MigrateOptions::default()).await;
        let refused = rehearsal.unwrap().refused(most).map(|failure| failure.message);
        match line {
            None => assert_eq!(refused, None, "{file}"),
            Some(line) => {
                let wanted = format!("002_slow, line {}, kept others waiting", line + 1);
                assert!(refused.as_ref().is_some_and(|said| said.contains(&wanted)), "{file}: {refused:?}");
            }
        }
    }
}

#[tokio::test]
async fn nobody_waits_for_what_the_first_run_makes() {
    let mut sandbox = Sandbox::new(Engine::Postgres).await;
    sandbox.execute("CREATE TABLE old (id int, value text)").await;
    sandbox.file(
        "001_alone",
        "-- dbm: no-transaction\nCREATE TABLE item (id int, name text);",
        "DROP TABLE item;",
    );
    sandbox.file("002_slow", "ALTER TABLE item ADD COLUMN n int;\nSELECT pg_sleep(0.3);", "SELECT 1;");
    sandbox.allow(Allowed { accept_lost_writes: true, ..Allowed::default() });
    let report = sandbox.rehearsed(Some(Duration::from_millis(100)), Vec::new()).await;
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.failure);
    assert!(report.rehearsal.unwrap().statements.iter().all(|one| one.blocks().is_none()));
}

#[tokio::test]
async fn what_has_to_be_the_first_of_its_transaction_is() {
    let sandbox = Sandbox::with_rows(Engine::Postgres).await;
    sandbox.file(
        "002_snapshot",
        "-- dbm: no-transaction\nBEGIN;\nSET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\nALTER TABLE item ALTER COLUMN id TYPE bigint;\n\
         SELECT 1;\nCOMMIT;",
        "ALTER TABLE item ALTER COLUMN id TYPE int;",
    );
    let report = sandbox.rehearsed(None, Vec::new()).await;
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.failure);
    let rehearsal = report.rehearsal.unwrap();
    let rewritten: Vec<bool> = rehearsal.statements.iter().map(|one| !one.rewritten.is_empty()).collect();
    assert_eq!(rewritten, [false, false, true, false, false], "{rehearsal:?}");
}

#[tokio::test]
async fn what_acts_in_anothers_name_reaches_nothing_else_from_the_copy() {
    let mut sandbox = Sandbox::with_rows(Engine::Mysql).await;
    sandbox.settings.allowed.drift = true;
    let elsewhere = Sandbox::new(Engine::Mysql).await;
    elsewhere.execute("CREATE TABLE log (id int)").await;
    let log = format!("{}.log", elsewhere.database.name());
    sandbox
        .execute(&format!(
            "CREATE TRIGGER logged AFTER INSERT ON item FOR EACH ROW INSERT INTO {log} VALUES (NEW.id)"
        ))
        .await;
    sandbox.file("002_more", "INSERT INTO item VALUES (4, 'four');", "DELETE FROM item WHERE id = 4;");
    let report = sandbox.rehearsed(None, Vec::new()).await;
    assert_eq!(report.outcome, Outcome::NothingChanged, "{:?}", report.rehearsal);
    assert!(report.failure.unwrap().message.contains("denied"));
    assert_eq!(elsewhere.ask("SELECT count(*) FROM log").await, "0");
}

#[tokio::test]
async fn a_rehearsal_alone_leaves_everything() {
    for engine in engines() {
        let sandbox = Sandbox::with_rows(engine).await;
        let before = sandbox.everything();
        sandbox.file("002_note", "CREATE TABLE note (id int);", "DROP TABLE note;");
        let rehearsal = sandbox
            .runner()
            .rehearse(&Rehearse::default(), &sandbox.migrations(), &MigrateOptions::default())
            .await
            .unwrap();
        assert_eq!(rehearsal.refused(None), None, "{engine}");
        assert_eq!(lines(&rehearsal), ["002_note:1"]);
        assert_eq!(sandbox.everything(), before, "{engine}");
        assert!(backup::restore::leftovers(&sandbox.database).await.unwrap().is_empty());
        assert_eq!(sandbox.history().await.len(), 1);
    }
}

#[tokio::test]
async fn what_a_killed_rehearsal_left_goes_with_its_recovery() {
    for engine in engines() {
        let mut sandbox = Sandbox::with_rows(engine).await;
        sandbox.file("002_note", "CREATE TABLE note (id int);", "DROP TABLE note;");
        sandbox.settings.rehearse = Some(Rehearse::default());
        assert!(sandbox.crash("rehearse:noted").await, "{engine}");
        // As if it had been killed a little later.
        let told = sandbox.runner().open_run().await.unwrap().unwrap();
        let folder = told.scratch_folders()[0].to_owned();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("copy"), "rows").unwrap();
        let scratch = told.scratches().first().map(|name| (*name).to_owned());
        if let Some(name) = &scratch {
            let _left = crate::engine::make_scratch(&sandbox.database, name.clone(), &folder).await.unwrap();
            assert_eq!(
                backup::restore::leftovers(&sandbox.database).await.unwrap(),
                std::slice::from_ref(name)
            );
        }
        assert_eq!(scratch.is_some(), engine != Engine::Sqlite);
        let accounts = "SELECT count(*) FROM mysql.user WHERE User = '{}'";
        let accounts = |name: &str| accounts.replace("{}", &crate::scratch::mysql::Account::of(name).name);
        if engine == Engine::Mysql {
            assert_eq!(sandbox.ask(&accounts(scratch.as_deref().unwrap())).await, "1");
        }
        assert_eq!(sandbox.runner().recover().await.unwrap().outcome, Outcome::Done);
        assert!(!folder.exists(), "{engine}");
        assert!(backup::restore::leftovers(&sandbox.database).await.unwrap().is_empty(), "{engine}");
        if engine == Engine::Mysql {
            assert_eq!(sandbox.ask(&accounts(scratch.as_deref().unwrap())).await, "0");
        }
    }
}

#[tokio::test]
async fn two_at_once_are_in_nobody_s_way() {
    for engine in engines() {
        let sandbox = Sandbox::with_rows(engine).await;
        sandbox.file("002_note", "CREATE TABLE note (id int);", "DROP TABLE note;");
        let (how, migrations, options) =
            (Rehearse::default(), sandbox.migrations(), MigrateOptions::default());
        let (one, other) = (sandbox.runner(), sandbox.runner());
        let both = tokio::join!(
            one.rehearse(&how, &migrations, &options),
            other.rehearse(&how, &migrations, &options)
        );
        for rehearsal in [both.0.unwrap(), both.1.unwrap()] {
            assert_eq!(rehearsal.failure, None, "{engine}");
        }
    }
}

#[tokio::test]
async fn an_archive_is_as_good_as_a_fresh_backup() {
    for engine in engines() {
        let mut sandbox = Sandbox::with_rows(engine).await;
        sandbox.settings.allowed.accept_lost_writes = true;
        sandbox.file(
            "002_price",
            "ALTER TABLE item ADD COLUMN price int;",
            "ALTER TABLE item DROP COLUMN price;",
        );
        let backup = sandbox.migrate().await.backup.unwrap().name;
        sandbox.execute("INSERT INTO item (id, name) VALUES (4, 'two')").await;
        sandbox.file("003_unique", "CREATE UNIQUE INDEX by_id ON item (id, name);", "SELECT 1;");
        let how = Rehearse { archive: Some(backup.parse().unwrap()), ..Rehearse::default() };
        let before = sandbox.everything();
        let done =
            sandbox.runner().rehearse(&how, &sandbox.migrations(), &MigrateOptions::default()).await.unwrap();
        // It is from before 002, which is tried too.
        let tried: Vec<String> = lines(&done);
        assert_eq!(tried, ["002_price:1", "003_unique:1"], "{engine}");
        assert_eq!(done.archive, Some(backup), "{engine}");
        assert!(done.refused(None).unwrap().message.contains("do not undo"), "{engine}: {done:?}");
        assert_eq!(sandbox.everything(), before, "{engine}");
        // In a run, what it says is heard just so.
        let report = sandbox
            .runner()
            .with_rehearsal(how)
            .migrate(&sandbox.migrations(), &MigrateOptions::default())
            .await;
        assert_eq!(report.unwrap().outcome, Outcome::NothingChanged, "{engine}");
    }
}
