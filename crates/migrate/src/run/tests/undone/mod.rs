//! Rollbacks of which nobody has seen the schema that was to come back: what they have not undone is told, and what others have
//! done is not laid at their door.

mod doubt;

use std::sync::Arc;

use database::Engine;

use super::{Sandbox, engines};
use crate::files::Repeat;
use crate::plan::Allowed;
use crate::{Compared, MigrateOptions, Outcome, Report, RollbackOptions, Until};

const LEFT_TABLE: &str = "table note is there, and was not";

/// A sandbox with the table `item`, in which migrations may touch what was changed by hand.
async fn sandbox(engine: Engine) -> Sandbox {
    let mut sandbox = Sandbox::with_item(engine).await;
    sandbox.allow(Allowed { accept_lost_writes: true, drift: true, ..Allowed::default() });
    sandbox
}

/// As if an older dbm had kept the schemas, in words of its own.
async fn forget(sandbox: &Sandbox) {
    sandbox.execute("UPDATE dbm_history SET dbm = 'older' WHERE number < 0 AND state = 'schema'").await;
}

async fn migrate(sandbox: &Sandbox) {
    let options = MigrateOptions { out_of_order: true, ..MigrateOptions::default() };
    let report = sandbox.runner().migrate(&read(sandbox), &options).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.failure);
}

async fn back(sandbox: &Sandbox, until: Until) -> Report {
    let options = RollbackOptions { until, module: None };
    let migrations = read(sandbox);
    let report = sandbox.runner().rollback(&migrations, &options).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.failure);
    let left = backup::restore::leftovers(&sandbox.database).await.unwrap();
    assert!(left.iter().all(|name| !name.starts_with(&sandbox.database.name())), "{left:?}");
    report
}

fn read(sandbox: &Sandbox) -> Vec<crate::files::Migration> {
    let folder = crate::files::Folder {
        migrations: sandbox.path().join("migrations"),
        rollback: sandbox.path().join("rollback"),
    };
    crate::files::read_for_rollback(&folder).unwrap()
}

fn remove(sandbox: &Sandbox, name: &str) {
    for folder in ["migrations", "rollback"] {
        std::fs::remove_file(sandbox.path().join(folder).join(format!("{name}.sql"))).unwrap();
    }
}

#[track_caller]
fn undone(report: &Report) {
    assert_eq!(
        (report.compared, report.not_undone.as_slice(), report.uncompared.as_deref()),
        (Some(Compared::Replayed), &[][..], None)
    );
}

/// That these lines, and no others, begin so.
#[track_caller]
fn left(report: &Report, lines: &[&str]) {
    let found = &report.not_undone;
    assert_eq!(report.compared, Some(Compared::Replayed), "{:?}", report.uncompared);
    let all = lines.iter().all(|line| found.iter().any(|one| one.starts_with(line)));
    assert!(all && found.len() == lines.len(), "{found:?}, and not {lines:?}");
}

/// How an index that is left over is told.
fn index_left(engine: Engine) -> &'static str {
    match engine {
        Engine::Mysql => "table item is another one",
        Engine::Sqlite => "index item.item_name is there, and was not",
        _ => "index public.item.item_name is there, and was not",
    }
}

fn note_left(engine: Engine) -> String {
    if engine == Engine::Postgres { LEFT_TABLE.replace("note", "public.note") } else { LEFT_TABLE.to_owned() }
}

fn drop_index(engine: Engine) -> &'static str {
    if engine == Engine::Mysql { "DROP INDEX item_name ON item;" } else { "DROP INDEX item_name;" }
}

const UP: &str = "ALTER TABLE item ADD COLUMN weight int;\nCREATE INDEX item_name ON item (name);\nCREATE TABLE note (id int);";
const DOWN: &str = "DROP TABLE note;\nALTER TABLE item DROP COLUMN weight;";

#[tokio::test]
async fn a_part_of_a_run_that_is_not_undone_is_told() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        sandbox.file("002_more", UP, &format!("{DOWN}\n{}", drop_index(engine)));
        migrate(&sandbox).await;
        let report = back(&sandbox, Until::Count(1)).await;
        undone(&report);
        assert_eq!(report.hint, None);
        let compared: Vec<String> =
            sandbox.events().into_iter().filter(|name| name.starts_with("compare")).collect();
        assert_eq!(compared, ["compare:before", "compare:after"], "{engine}");

        back(&sandbox, Until::All).await;
        sandbox.file("002_more", UP, DOWN);
        sandbox.file("003_last", "CREATE TABLE last (id int);", "DROP TABLE last;");
        migrate(&sandbox).await;
        let report = back(&sandbox, Until::To(1)).await;
        left(&report, &[index_left(engine)]);
        assert!(report.hint.unwrap().contains("check --rollbacks"), "{engine}");

        // Also of what should have stayed.
        back(&sandbox, Until::All).await;
        sandbox.file("002_more", UP, &format!("{DOWN}\n{}", drop_index(engine)));
        sandbox.file("003_last", "CREATE VIEW v AS SELECT 1 AS one;", "DROP VIEW v;\nDROP TABLE note;");
        migrate(&sandbox).await;
        let report = back(&sandbox, Until::To(2)).await;
        left(&report, &[&note_left(engine).replace("is there, and was not", "is missing")]);
    }
}

/// The second of the runs is whole, and nobody knows what it found.
#[tokio::test]
async fn a_run_whose_schema_was_not_kept_is_compared_alike() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        migrate(&sandbox).await;
        sandbox.file("002_more", UP, "DROP TABLE note;\nALTER TABLE item DROP COLUMN weight;");
        migrate(&sandbox).await;
        forget(&sandbox).await;
        left(&back(&sandbox, Until::Count(1)).await, &[index_left(engine)]);
        forget(&sandbox).await;
        sandbox.execute(drop_index(engine)).await;
        undone(&back(&sandbox, Until::All).await);
    }
}

#[tokio::test]
async fn what_was_changed_by_hand_is_not_the_rollback_s() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        sandbox.execute("CREATE TABLE older (id int)").await;
        sandbox.file("002_other", "CREATE TABLE other (id int, name varchar(20));", "DROP TABLE other;");
        sandbox.file("003_more", UP, &format!("{DOWN}\n{}", drop_index(engine)));
        migrate(&sandbox).await;
        for sql in [
            "CREATE TABLE by_hand (id int)",
            "CREATE INDEX other_by_hand ON other (name)",
            "ALTER TABLE other ADD COLUMN by_hand int",
            // Also on what the rollback changes.
            "ALTER TABLE item ADD COLUMN by_hand decimal(10, 2)",
            "CREATE INDEX item_by_hand ON item (by_hand)",
        ] {
            sandbox.execute(sql).await;
        }
        undone(&back(&sandbox, Until::Count(1)).await);

        // What it leaves is told all the same, and that more is not as it was made.
        sandbox.file("003_more", UP, drop_index(engine));
        migrate(&sandbox).await;
        forget(&sandbox).await;
        let report = back(&sandbox, Until::Count(1)).await;
        let item = if engine == Engine::Postgres { "table public.item" } else { "table item" };
        let changed = format!("{item} is another one (and was not as its migrations make it before, either)");
        left(&report, &[&changed, &note_left(engine)]);
    }
}

/// What was changed by hand comes along when a table gets its old name back.
#[tokio::test]
async fn what_was_changed_by_hand_comes_along_with_its_table() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        let (there, back_again) = ("ALTER TABLE item RENAME TO items;", "ALTER TABLE items RENAME TO item;");
        sandbox.file("002_items", there, back_again);
        migrate(&sandbox).await;
        sandbox.execute("ALTER TABLE items ADD COLUMN by_hand int").await;
        sandbox.execute("CREATE INDEX found_by_hand ON items (by_hand)").await;
        undone(&back(&sandbox, Until::Count(1)).await);
        sandbox.file("002_items", &format!("{there}\nALTER TABLE items ADD COLUMN weight int;"), back_again);
        migrate(&sandbox).await;
        forget(&sandbox).await;
        let item = if engine == Engine::Postgres { "table public.item is" } else { "table item is" };
        left(&back(&sandbox, Until::Count(1)).await, &[item]);
    }
}

/// What a job makes, or fills, at its own time.
#[tokio::test]
async fn partitions_and_refreshes_are_not_the_rollback_s() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        let (up, by_hand) = match engine {
            Engine::Sqlite => continue,
            Engine::Mysql => (
                "CREATE TABLE log (id int NOT NULL) PARTITION BY RANGE (id) (PARTITION p1 VALUES LESS THAN (10));",
                vec!["ALTER TABLE log ADD PARTITION (PARTITION p2 VALUES LESS THAN (20))"],
            ),
            _ => (
                "CREATE TABLE log (id int NOT NULL) PARTITION BY RANGE (id);\n\
                 CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (0) TO (10);\n\
                 CREATE MATERIALIZED VIEW numbers AS SELECT 1 AS one WITH NO DATA;",
                vec![
                    "CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM (10) TO (20)",
                    "REFRESH MATERIALIZED VIEW numbers",
                ],
            ),
        };
        sandbox.file("002_log", up, "SELECT 1;");
        sandbox.file(
            "003_line",
            "ALTER TABLE log ADD COLUMN line int;\nCREATE INDEX log_line ON log (line);",
            if engine == Engine::Mysql {
                "ALTER TABLE log DROP COLUMN line;"
            } else {
                "ALTER TABLE log DROP COLUMN line;\nREFRESH MATERIALIZED VIEW numbers;"
            },
        );
        migrate(&sandbox).await;
        for sql in by_hand {
            sandbox.execute(sql).await;
        }
        undone(&back(&sandbox, Until::Count(1)).await);
    }
}

/// The server writes down when it was made.
#[tokio::test]
async fn an_event_that_is_made_again_is_the_same() {
    if !engines().contains(&Engine::Mysql) {
        return;
    }
    let sandbox = sandbox(Engine::Mysql).await;
    let event = "CREATE EVENT tidy ON SCHEDULE EVERY 1 DAY DO DELETE FROM item;";
    sandbox.file("002_event", &format!("SELECT SLEEP(1.5);\n{event}"), "DROP EVENT tidy;");
    sandbox.file("003_none", "DROP EVENT tidy;", event);
    migrate(&sandbox).await;
    undone(&back(&sandbox, Until::Count(1)).await);
    let scratch = crate::scratch::Scratch::new(&sandbox.database).await.unwrap();
    let variables: Arc<dyn crate::placeholders::Variables> = Arc::new(crate::placeholders::NoVariables);
    let (target, files) = (&sandbox.database, read(&sandbox));
    let drift = crate::scratch::drift(target, &scratch, &files, &sandbox.settings, &variables).await;
    scratch.discard().await.unwrap();
    assert_eq!(drift.unwrap(), [], "nor is it drift");
    sandbox.file("003_none", "DROP EVENT tidy;", &event.replace("1 DAY", "2 DAY"));
    migrate(&sandbox).await;
    forget(&sandbox).await;
    left(&back(&sandbox, Until::Count(1)).await, &["event tidy is another one"]);
}

/// What the migrations that stay make is known also where those that were taken back cannot be run without the rows that were
/// there: then the history says what they had changed.
#[tokio::test]
async fn one_that_cannot_be_run_again_is_compared_all_the_same() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        sandbox.file("002_other", "CREATE TABLE other (id int);", "DROP TABLE other;");
        let needs_rows =
            format!("{UP}\nINSERT INTO note VALUES (1);\n-- dbm: verify\nSELECT count(*) = 1 FROM theirs;");
        sandbox.file("003_more", &needs_rows, "ALTER TABLE item DROP COLUMN weight;");
        sandbox.execute("CREATE TABLE theirs (id int)").await;
        sandbox.execute("INSERT INTO theirs VALUES (1)").await;
        migrate(&sandbox).await;
        sandbox.execute("CREATE TABLE by_hand (id int)").await;
        left(&back(&sandbox, Until::Count(1)).await, &[index_left(engine), &note_left(engine)]);

        // Where the history does not say it, nobody is blamed, and what differs is named.
        sandbox.execute("DROP TABLE note").await;
        sandbox.execute(drop_index(engine)).await;
        migrate(&sandbox).await;
        forget(&sandbox).await;
        let report = back(&sandbox, Until::Count(1)).await;
        assert_eq!(report.compared, Some(Compared::ReplayedInPart), "{engine}: {report:?}");
        let why = report.uncompared.as_ref().unwrap();
        for word in ["003_more", "note is there, and was not", "by_hand is there, and was not", "theirs"] {
            assert!(why.contains(word), "{engine}: {why}");
        }
        // On MySQL the index is a part of the table, which the rollback has changed.
        assert_eq!(report.not_undone.len(), usize::from(engine == Engine::Mysql), "{engine}: {report:?}");
    }
}

/// An older checkout has no files of what it takes back.
#[tokio::test]
async fn rollbacks_of_the_history_alone_are_compared_too() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        sandbox.file("002_more", UP, DOWN);
        sandbox.file("003_view", "CREATE VIEW v AS SELECT id FROM item;", "DROP VIEW v;");
        migrate(&sandbox).await;
        sandbox.execute("CREATE TABLE by_hand (id int)").await;
        for name in ["002_more", "003_view"] {
            remove(&sandbox, name);
        }
        left(&back(&sandbox, Until::To(1)).await, &[index_left(engine)]);
        sandbox.execute(drop_index(engine)).await;
        sandbox.file("002_more", UP, &format!("{DOWN}\n{}", drop_index(engine)));
        sandbox.file("003_view", "CREATE VIEW v AS SELECT id FROM item;", "DROP VIEW v;");
        migrate(&sandbox).await;
        remove(&sandbox, "003_view");
        undone(&back(&sandbox, Until::Count(1)).await);
    }
}

#[tokio::test]
async fn migrations_are_run_again_in_the_order_in_which_they_were_applied() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        sandbox.file(
            "004_size",
            "ALTER TABLE item ADD COLUMN size int;",
            "ALTER TABLE item DROP COLUMN size;",
        );
        migrate(&sandbox).await;
        // Late, and not without the other.
        sandbox.file(
            "003_size",
            "UPDATE item SET size = 1;\nALTER TABLE item ADD COLUMN after_size int;",
            "ALTER TABLE item DROP COLUMN after_size;",
        );
        sandbox.file("005_more", UP, DOWN);
        migrate(&sandbox).await;
        left(&back(&sandbox, Until::Count(1)).await, &[index_left(engine)]);
        sandbox.execute(drop_index(engine)).await;
        forget(&sandbox).await;
        undone(&back(&sandbox, Until::Count(1)).await);
    }
}

/// What it drops or renames, SQLite writes anew, with other quotes, and so it does with all that has improper ones.
#[tokio::test]
async fn quotes_are_no_difference() {
    if !engines().contains(&Engine::Sqlite) {
        return;
    }
    let sandbox = Sandbox::new(Engine::Sqlite).await;
    sandbox.file(
        "001_item",
        "CREATE TABLE 'Item' (id INTEGER PRIMARY KEY, [name] TEXT DEFAULT \"x y\", kind TEXT CHECK (kind IN (\"a\", \"it's\")));\n\
         CREATE TABLE other (id int, item REFERENCES 'Item', `word` TEXT DEFAULT \"Old\");\n\
         CREATE INDEX item_kind ON Item(kind) WHERE kind <> \"none\";\n\
         CREATE VIEW v AS SELECT name, \"literally\" AS word FROM Item;",
        "DROP VIEW v;\nDROP TABLE other;\nDROP TABLE Item;",
    );
    sandbox.file(
        "002_more",
        "ALTER TABLE Item ADD COLUMN weight int;\nALTER TABLE Item RENAME TO things;\nALTER TABLE things RENAME COLUMN name TO title;",
        "ALTER TABLE things RENAME COLUMN title TO name;\nALTER TABLE things RENAME TO \"Item\";\nALTER TABLE Item DROP COLUMN weight;",
    );
    migrate(&sandbox).await;
    undone(&back(&sandbox, Until::Count(1)).await);
    let text = sandbox.ask("SELECT group_concat(sql) FROM sqlite_schema").await;
    assert!(text.contains("'it''s'") && text.contains("\"Item\""), "SQLite has written them anew: {text}");
    // And what is another text is one.
    let another =
        "ALTER TABLE other DROP COLUMN word;\nALTER TABLE other ADD COLUMN word TEXT DEFAULT 'old';";
    sandbox.file("002_more", another, another);
    migrate(&sandbox).await;
    forget(&sandbox).await;
    left(&back(&sandbox, Until::Count(1)).await, &["table other is another one"]);
}

#[tokio::test]
async fn what_repeatable_files_make_again_is_left_out() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        sandbox.again(
            Repeat::Repeatable,
            "named",
            "DROP VIEW IF EXISTS named;\nCREATE VIEW named AS SELECT name FROM item;",
        );
        sandbox.file("002_more", UP, &format!("{DOWN}\n{}", drop_index(engine)));
        let report = sandbox.migrate_all().await;
        assert_eq!(report.outcome, Outcome::Done, "{:?}", report.failure);
        undone(&back(&sandbox, Until::Count(1)).await);
        sandbox.file("002_more", &format!("CREATE VIEW v AS SELECT 1 AS one;\n{UP}"), DOWN);
        sandbox.file("003_last", "CREATE TABLE last (id int);", "DROP TABLE last;");
        assert_eq!(sandbox.migrate_all().await.outcome, Outcome::Done);
        undone(&back(&sandbox, Until::Count(1)).await);
        assert_eq!(sandbox.migrate_all().await.outcome, Outcome::Done);
        forget(&sandbox).await;
        let report = back(&sandbox, Until::To(1)).await;
        assert_eq!(report.compared, Some(Compared::ReplayedWithoutCode), "{engine}: {report:?}");
        assert_eq!(report.not_undone, [index_left(engine)], "{engine}");
    }
}

/// What dbm did not make it does not take back: that it stays is no fault.
#[tokio::test]
async fn what_was_there_before_its_migration_stays() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        sandbox.execute("CREATE TABLE theirs (id int, more int)").await;
        sandbox.file(
            "002_theirs",
            "-- dbm: unless table theirs\nCREATE TABLE theirs (id int);",
            "DROP TABLE theirs;",
        );
        sandbox.file("003_more", UP, DOWN);
        migrate(&sandbox).await;
        left(&back(&sandbox, Until::To(1)).await, &[index_left(engine)]);
    }
}

#[tokio::test]
async fn privileges_that_are_left_are_told() {
    if !engines().contains(&Engine::Postgres) {
        return;
    }
    let sandbox = sandbox(Engine::Postgres).await;
    let grant = "GRANT SELECT ON item TO PUBLIC;";
    sandbox.file("002_read", grant, "REVOKE SELECT ON item FROM PUBLIC;");
    migrate(&sandbox).await;
    sandbox.execute("GRANT UPDATE ON item TO PUBLIC").await;
    // Whatever is made anew is everybody's from here on, and in no scratch database.
    sandbox.execute("ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO PUBLIC").await;
    undone(&back(&sandbox, Until::Count(1)).await);
    sandbox.file("002_read", grant, "SELECT 1;");
    migrate(&sandbox).await;
    forget(&sandbox).await;
    left(&back(&sandbox, Until::Count(1)).await, &["table public.item is another one (and was not"]);
    sandbox.file("002_read", "DROP TABLE item;", "CREATE TABLE item (id int PRIMARY KEY, name varchar(20));");
    migrate(&sandbox).await;
    forget(&sandbox).await;
    undone(&back(&sandbox, Until::Count(1)).await);
}

/// What came out of a dump is shown in other words than what was made first.
#[tokio::test]
async fn a_restored_database_is_compared() {
    if !engines().contains(&Engine::Postgres) {
        return;
    }
    let sandbox = sandbox(Engine::Postgres).await;
    sandbox.file(
        "002_kinds",
        "CREATE TABLE kinds (kind varchar(9) CONSTRAINT known CHECK (kind IN ('a', 'b')));",
        "DROP TABLE kinds;",
    );
    sandbox.file("003_more", UP, DOWN);
    migrate(&sandbox).await;
    sandbox.file("004_last", "ALTER TABLE kinds ADD COLUMN last int;", "ALTER TABLE kinds DROP COLUMN last;");
    let name = sandbox.migrate().await.backup.unwrap().name.parse().unwrap();
    let restored = sandbox.runner().restore(&name, &crate::Restoring::default()).await.unwrap();
    assert_eq!(restored.outcome, Outcome::Done, "{:?}", restored.failure);
    migrate(&sandbox).await;
    left(&back(&sandbox, Until::To(2)).await, &[index_left(Engine::Postgres)]);
}
