//! Runs of several groups, whose way back is the backup.

use database::Engine;

use super::{Sandbox, engines};
use crate::plan::Allowed;
use crate::{MigrateOptions, Outcome};

const BASE: &str = "CREATE TABLE item (id int PRIMARY KEY, name text);
    INSERT INTO item VALUES (1, 'one'), (2, 'two ''quoted'' \\ and more');
    CREATE TABLE note (item int REFERENCES item (id), body text); INSERT INTO note VALUES (1, 'n');
    CREATE VIEW names AS SELECT name FROM item";

async fn sandbox(engine: Engine, fence: bool) -> Sandbox {
    let mut sandbox = Sandbox::new(engine).await;
    sandbox.allow(Allowed { fence, accept_lost_writes: !fence, ..Allowed::default() });
    sandbox.execute(BASE).await;
    sandbox
}

fn alone(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "VACUUM;",
        Engine::Mysql => "CREATE INDEX item_name ON item (name(20));",
        _ => "CREATE INDEX CONCURRENTLY item_name ON item (name);",
    }
}

const FIRST: &str =
    "ALTER TABLE item ADD COLUMN weight int;\nUPDATE item SET weight = id * 10;\nDROP VIEW names;";
const BROKEN: &str = "INSERT INTO item (id, name) VALUES (3, 'x');\nSELECT nothing FROM nowhere;";
const LAST: &str =
    "INSERT INTO item (id, name) VALUES (4, 'four');\n-- dbm: verify\nSELECT count(*) = 3 FROM item;";

fn files(sandbox: &Sandbox, engine: Engine, last: &str) {
    sandbox.file("001_first", FIRST, "SELECT 1;");
    sandbox.file("002_alone", alone(engine), "SELECT 1;");
    sandbox.file("003_last", last, "SELECT 1;");
}

#[tokio::test]
async fn several_groups_are_applied() {
    for engine in engines() {
        let sandbox = sandbox(engine, false).await;
        files(&sandbox, engine, LAST);
        let report = sandbox.migrate().await;
        assert_eq!(report.outcome, Outcome::Done, "{report:?}");
        assert_eq!(report.migrations.iter().map(|migration| migration.group).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(report.backup.is_some());
        assert_eq!(sandbox.history().await.len(), 3);
    }
}

#[tokio::test]
async fn a_failure_in_a_later_group_puts_the_database_back() {
    for engine in engines() {
        for fence in [false, true] {
            let sandbox = sandbox(engine, fence).await;
            files(&sandbox, engine, BROKEN);
            let before = sandbox.everything();
            let report = sandbox.migrate().await;
            assert_eq!(report.outcome, Outcome::PutBack, "{engine} {report:?}");
            assert_eq!(sandbox.everything(), before);
            let failure = report.failure.unwrap();
            assert_eq!((failure.line, failure.statement), (Some(2), Some(2)), "{failure:?}");
            assert!(report.restored.unwrap().replaced.unwrap().name.contains("_replaced_"));
            assert!(sandbox.history().await.is_empty());
            assert!(sandbox.runner().open_run().await.unwrap().is_none());
            files(&sandbox, engine, LAST);
            assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
        }
    }
}

/// An update leaves the number of rows as it is; it is said all the same that what was replaced holds other ones.
#[tokio::test]
async fn what_differs_in_the_replaced_database_is_told() {
    for engine in engines() {
        let sandbox = sandbox(engine, false).await;
        let last = "UPDATE note SET body = 'changed';\nSELECT 1;";
        sandbox.file("001_note", &format!("-- dbm: no-transaction\n{last}"), "SELECT 1;");
        sandbox.file("002_alone", alone(engine), "SELECT 1;");
        sandbox.file("003_last", BROKEN, "SELECT 1;");
        let report = sandbox.migrate().await;
        assert_eq!(report.outcome, Outcome::PutBack, "{engine} {report:?}");
        let told = report.restored.unwrap().unarchived;
        let told: Vec<_> =
            told.iter().map(|one| (one.table.name.as_str(), one.archived, one.replaced)).collect();
        // Without a transaction, what the failing file did before its failure is in the replaced database too.
        let own = if engine == Engine::Mysql { vec![("item", 2, 3)] } else { vec![] };
        assert_eq!(told, [own, vec![("note", 1, 1)]].concat(), "{engine}");
    }
}

/// The fence of a file goes with the process that held it: what others write until the recovery is told.
#[tokio::test]
async fn what_was_written_between_a_kill_and_the_recovery_is_told() {
    let mut sandbox = sandbox(Engine::Sqlite, true).await;
    files(&sandbox, Engine::Sqlite, BROKEN);
    assert!(sandbox.crash("apply-3:before").await);
    sandbox.execute("INSERT INTO note VALUES (2, 'between')").await;
    sandbox.settings.yes = true;
    let report = sandbox.runner().recover().await.unwrap();
    let told = report.restored.expect("put back").unarchived;
    let note = told.iter().find(|one| one.table.name == "note").expect("the table is named");
    assert_eq!((note.archived, note.replaced), (1, 2));
}

/// Somebody knows them, from a row that only the replaced database has.
async fn others_draw_numbers(engine: Engine, fence: bool) {
    let mut sandbox = sandbox(engine, fence).await;
    let id = match engine {
        Engine::Mysql => "bigint PRIMARY KEY AUTO_INCREMENT",
        Engine::Sqlite => "integer PRIMARY KEY AUTOINCREMENT",
        _ => "bigserial PRIMARY KEY",
    };
    sandbox
        .execute(&format!(
            "CREATE TABLE orders (id {id}, what varchar(9)); INSERT INTO orders (what) VALUES ('a'), ('b')"
        ))
        .await;
    let sequences = engine != Engine::Sqlite && !sandbox.ask("SELECT version()").await.starts_with('9');
    if sequences {
        sandbox.execute("CREATE SEQUENCE tickets; CREATE SEQUENCE down INCREMENT -1").await;
    }
    files(&sandbox, engine, BROKEN);
    assert!(sandbox.crash("apply-3:before").await);
    sandbox.execute("INSERT INTO orders (what) VALUES ('c'), ('d'); DELETE FROM orders WHERE id > 2").await;
    if sequences {
        sandbox.ask("SELECT NEXTVAL('tickets')".replace('\'', quote(engine)).as_str()).await;
        sandbox.ask("SELECT NEXTVAL('down')".replace('\'', quote(engine)).as_str()).await;
    }
    sandbox.settings.yes = true;
    let report = sandbox.runner().recover().await.unwrap();
    assert!(report.restored.is_some(), "{engine} {report:?}");
    sandbox.execute("INSERT INTO orders (what) VALUES ('e')").await;
    assert_eq!(sandbox.ask("SELECT MAX(id), COUNT(*) FROM orders").await, "5|3", "{engine}");
    let notes = sandbox.watch.notes.lock().unwrap().join("\n");
    assert!(notes.contains("orders") && !notes.contains("may be given again"), "{engine}: {notes}");
    if sequences {
        let next = |name: &str| format!("SELECT NEXTVAL('{name}')").replace('\'', quote(engine));
        let up: i64 = sandbox.ask(&next("tickets")).await.parse().unwrap();
        let down: i64 = sandbox.ask(&next("down")).await.parse().unwrap();
        assert!(up > 1 && down < -1, "{engine}: {up} {down}");
    }
}

#[tokio::test]
async fn numbers_that_others_drew_are_not_given_again_on_sqlite() {
    others_draw_numbers(Engine::Sqlite, false).await;
}

/// The recovery raises the fence again, which keeps its own other sessions out too.
#[tokio::test]
async fn numbers_that_others_drew_after_a_kill_behind_a_fence_are_not_given_again() {
    others_draw_numbers(Engine::Sqlite, true).await;
}

#[tokio::test]
async fn numbers_that_others_drew_are_not_given_again_on_postgres() {
    others_draw_numbers(Engine::Postgres, false).await;
}

#[tokio::test]
async fn numbers_that_others_drew_are_not_given_again_on_mysql() {
    others_draw_numbers(Engine::Mysql, false).await;
}

/// PostgreSQL takes a sequence as text, MariaDB by its name.
fn quote(engine: Engine) -> &'static str {
    if engine == Engine::Mysql { "`" } else { "'" }
}

async fn crashes(engine: Engine, fence: bool, last: &str) {
    let mut before = String::new();
    let mut after = String::new();
    let mut steps = Vec::new();
    for (place, at) in std::iter::once(None).chain((0..).map(Some)).enumerate() {
        let mut sandbox = sandbox(engine, fence).await;
        files(&sandbox, engine, last);
        let start = sandbox.everything();
        let Some(at) = at else {
            before = start;
            sandbox.migrate().await;
            after = sandbox.everything();
            steps = sandbox.events();
            continue;
        };
        let Some(step): Option<&String> = steps.get::<usize>(at) else { break };
        assert!(sandbox.crash(step).await, "{engine}: {place} {step}");
        // Somebody has to say so where rows could have been written since.
        let asked = sandbox.runner().recover().await.unwrap();
        if asked.outcome == Outcome::NeedsPerson {
            assert!(
                asked.hint.as_deref().is_some_and(|hint| hint.contains("--yes")),
                "{engine} {step}: {asked:?}"
            );
            // In the middle of the exchange, this might be the database that was replaced.
            let sure = !(engine == Engine::Postgres && step.starts_with("swap"));
            assert!(!(fence && engine != Engine::Sqlite && sure), "{engine} {step}: {asked:?}");
        }
        sandbox.settings.yes = true;
        let report = sandbox.runner().recover().await.unwrap();
        assert_eq!(report.outcome, Outcome::Done, "{engine} {step}: {report:?}");
        let now = sandbox.everything();
        assert!(now == before || now == after, "{engine} {step}: {report:?}\n{now}");
        let committed = steps.iter().position(|step| step == "commit:after");
        if committed.is_some_and(|committed| at >= committed) && last == LAST {
            assert!(now == after, "{engine} {step}: a release was undone");
        }
        assert!(sandbox.runner().open_run().await.unwrap().is_none());
        let end = if last == LAST { Outcome::Done } else { Outcome::PutBack };
        assert_eq!(sandbox.migrate().await.outcome, end, "{engine} {step}");
        assert_eq!(sandbox.everything(), after, "{engine} {step}");
    }
}

#[tokio::test]
async fn crashes_of_a_run_that_succeeds_on_sqlite() {
    crashes(Engine::Sqlite, false, LAST).await;
}

#[tokio::test]
async fn crashes_of_a_run_that_fails_on_sqlite() {
    crashes(Engine::Sqlite, true, BROKEN).await;
}

#[tokio::test]
async fn crashes_of_a_run_that_succeeds_on_postgres() {
    crashes(Engine::Postgres, false, LAST).await;
}

#[tokio::test]
async fn crashes_of_a_run_that_fails_on_postgres() {
    crashes(Engine::Postgres, true, BROKEN).await;
}

#[tokio::test]
async fn crashes_of_a_run_that_succeeds_on_mysql() {
    crashes(Engine::Mysql, false, LAST).await;
}

#[tokio::test]
async fn crashes_of_a_run_that_fails_on_mysql() {
    crashes(Engine::Mysql, true, BROKEN).await;
}

#[tokio::test]
async fn without_leave_such_a_run_does_not_begin() {
    for engine in engines() {
        let mut sandbox = sandbox(engine, true).await;
        sandbox.allow(Allowed::default());
        files(&sandbox, engine, LAST);
        let error =
            sandbox.runner().migrate(&sandbox.migrations(), &MigrateOptions::default()).await.unwrap_err();
        assert_eq!(crate::exit_code(&error), 2, "{error}");
        assert!(error.hint().unwrap().contains("--accept-lost-writes"), "{error}");
        assert!(sandbox.events().is_empty());
    }
}

#[tokio::test]
async fn an_enum_value_is_added_and_then_used() {
    let sandbox = sandbox(Engine::Postgres, false).await;
    sandbox.execute("CREATE TYPE mood AS ENUM ('sad')").await;
    sandbox.file("001_calm", "ALTER TYPE mood ADD VALUE 'calm';", "SELECT 1;");
    sandbox.file("002_use", "CREATE TABLE m (m mood);\nINSERT INTO m VALUES ('calm');", "DROP TABLE m;");
    let report = sandbox.migrate().await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(report.migrations[1].group, 2);
}
