//! Locks that others hold, and runs that are stopped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use database::Engine;
use tokio_util::sync::CancellationToken;

use super::single::sandbox;
use super::{Sandbox, engines, undone};
use crate::plan::Allowed;
use crate::{MigrateOptions, Outcome};

#[tokio::test]
async fn one_of_two_runs_goes_on_and_the_other_is_told() {
    for engine in engines() {
        let mut sandbox = sandbox(engine).await;
        sandbox.settings.lock_wait = Duration::ZERO;
        sandbox.file("001_a", "CREATE TABLE a (b int);", "DROP TABLE a;");
        let mut holder = sandbox.database.session().await.unwrap();
        assert!(holder.try_lock().await.unwrap());
        let error =
            sandbox.runner().migrate(&sandbox.migrations(), &MigrateOptions::default()).await.unwrap_err();
        assert_eq!(crate::exit_code(&error), 75, "{error}");
        assert!(error.to_string().contains("another run of dbm"), "{error}");
        holder.unlock().await.unwrap();
        drop(holder);
        sandbox.settings.lock_wait = Duration::from_secs(20);
        let (one, two) = tokio::join!(sandbox.migrate(), sandbox.migrate());
        let mut ran = [one.migrations.len(), two.migrations.len()];
        ran.sort_unstable();
        assert_eq!(ran, [0, 1]);
    }
}

#[tokio::test]
async fn a_lock_timeout_is_no_failure_yet() {
    for engine in [Engine::Postgres, Engine::Mysql] {
        let sandbox = sandbox(engine).await;
        sandbox.execute("CREATE TABLE a (b int)").await;
        sandbox.file("001_a", "CREATE TABLE x (y int);\nALTER TABLE a ADD COLUMN c int;", "SELECT 1;");
        let mut reader = sandbox.database.session().await.unwrap();
        reader.begin(None).await.unwrap();
        reader.query("SELECT * FROM a").await.unwrap();
        let watch = Arc::clone(&sandbox.watch);
        let waits = tokio::spawn(async move {
            while !watch.notes.lock().unwrap().iter().any(|note| note.contains("tried again (1 of 3)")) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            reader.rollback().await.unwrap();
        });
        let report = sandbox.migrate().await;
        waits.await.unwrap();
        assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    }
}

/// What was run outside a transaction is done: that somebody has the history's table is no reason to undo it.
#[tokio::test]
async fn a_locked_history_is_waited_for() {
    for engine in engines() {
        if engine == Engine::Sqlite {
            // Whoever writes has all of the file.
            continue;
        }
        let mut sandbox = Sandbox::new(engine).await;
        sandbox.allow(Allowed { accept_lost_writes: true, ..Allowed::default() });
        sandbox.file("001_a", "CREATE TABLE a (b int);", "DROP TABLE a;");
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
        // The file waits until somebody has the history: not before, since the backup reads it too.
        let [shut, wait, lock, open] = match engine {
            Engine::Postgres => [
                "SELECT pg_advisory_lock(4711)",
                "DO $$BEGIN WHILE NOT pg_try_advisory_lock(4711) LOOP PERFORM pg_sleep(0.02); END LOOP; END$$",
                "BEGIN; LOCK TABLE dbm_history IN EXCLUSIVE MODE",
                "SELECT pg_advisory_unlock(4711)",
            ],
            _ => [
                "DO GET_LOCK(CONCAT('gate of ', DATABASE()), 0)",
                "DO GET_LOCK(CONCAT('gate of ', DATABASE()), 60)",
                "LOCK TABLES dbm_history READ",
                "DO RELEASE_LOCK(CONCAT('gate of ', DATABASE()))",
            ],
        };
        let text = format!("-- dbm: no-transaction\nCREATE TABLE b (c int);\n{wait};");
        sandbox.file("002_b", &text, "DROP TABLE b;");
        let mut holder = sandbox.database.session().await.unwrap();
        holder.execute(shut).await.unwrap();
        sandbox.events();
        let watch = Arc::clone(&sandbox.watch);
        let waits = tokio::spawn(async move {
            while !watch.events.lock().unwrap().iter().any(|event| event == "apply-1:noted") {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            holder.execute(lock).await.unwrap();
            holder.execute(open).await.unwrap();
            while !watch.notes.lock().unwrap().iter().any(|note| note.contains("tried again (1 of 3)")) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            drop(holder);
        });
        let report = tokio::time::timeout(Duration::from_secs(60), sandbox.migrate()).await.unwrap();
        assert_eq!(report.outcome, Outcome::Done, "{engine}: {report:?}");
        waits.await.unwrap();
        assert_eq!(sandbox.history().await.len(), 2, "{engine}");
    }
}

#[tokio::test]
async fn a_lock_that_is_never_free_leaves_what_was_before() {
    for engine in engines() {
        let mut sandbox = sandbox(engine).await;
        sandbox.settings.lock_retries = 1;
        sandbox.execute("CREATE TABLE a (b int)").await;
        sandbox.database.ensure_source_id().await.unwrap();
        sandbox.file("001_a", "ALTER TABLE a ADD COLUMN c int;", "SELECT 1;");
        let before = sandbox.everything();
        // Somebody else's: what is our own is not sent away.
        let other = database::Database::new(sandbox.database.url()).unwrap();
        let mut holder = other.session().await.unwrap();
        holder.begin(None).await.unwrap();
        holder.execute("INSERT INTO a VALUES (1)").await.unwrap();
        let report = sandbox.migrate().await;
        // Nothing had been changed, so that nothing is put back, and nobody is sent away for it.
        assert_eq!(report.outcome, Outcome::NothingChanged, "{engine} {report:?}");
        holder.rollback().await.unwrap();
        assert_eq!(sandbox.everything(), before);
        assert!(sandbox.history().await.is_empty());
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
    }
}

/// What was made for a file that then changed nothing is removed, even if somebody reads it just then: no restore for that.
#[tokio::test]
async fn a_history_that_was_made_for_nothing_goes_when_it_is_let_go() {
    let mut sandbox = sandbox(Engine::Mysql).await;
    sandbox.settings.lock_retries = 1;
    sandbox.execute("CREATE TABLE a (b int)").await;
    sandbox.file("001_a", "ALTER TABLE a ADD COLUMN c int;", "SELECT 1;");
    let mut holder = sandbox.database.session().await.unwrap();
    holder.begin(None).await.unwrap();
    holder.execute("INSERT INTO a VALUES (1)").await.unwrap();
    let mut reader = sandbox.database.session().await.unwrap();
    let watch = Arc::clone(&sandbox.watch);
    let reads = tokio::spawn(async move {
        while !watch.notes.lock().unwrap().iter().any(|note| note.contains("tried again (1 of 1)")) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        reader.execute("LOCK TABLES dbm_history READ").await.unwrap();
        // Longer than one attempt to remove it, and than the statement's own second one.
        tokio::time::sleep(Duration::from_secs(4)).await;
    });
    let report = sandbox.migrate().await;
    assert_eq!(report.outcome, Outcome::NothingChanged, "{report:?}");
    reads.await.unwrap();
    assert_eq!(sandbox.ask("SHOW TABLES LIKE 'dbm_history'").await, "");
    holder.rollback().await.unwrap();
    assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
}

#[tokio::test]
async fn a_cancelled_statement_is_stopped() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        let long = match engine {
            Engine::Sqlite => {
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n;"
            }
            Engine::Mysql => "SELECT SLEEP(600);",
            _ => "SELECT pg_sleep(600);",
        };
        sandbox.file("001_a", &format!("CREATE TABLE a (b int);\n{long}"), "DROP TABLE a;");
        let cancel = CancellationToken::new();
        let (stop, watch) = (cancel.clone(), Arc::clone(&sandbox.watch));
        let database = sandbox.database.clone();
        tokio::spawn(async move {
            while !watch.events.lock().unwrap().contains(&"apply-1:noted".to_owned()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let made = "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'a'";
            while engine == Engine::Mysql
                && database.session().await.unwrap().query(made).await.unwrap().is_empty()
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
            stop.cancel();
        });
        let runner = sandbox.runner().with_cancel(cancel);
        let report = runner.migrate(&sandbox.migrations(), &MigrateOptions::default()).await.unwrap();
        assert_eq!(report.outcome, undone(engine), "{report:?}");
        assert!(report.failure.unwrap().cancelled);
        assert!(sandbox.history().await.is_empty());
    }
}

#[tokio::test]
async fn the_lock_is_taken_while_something_else_is_done() {
    for engine in [Engine::Postgres, Engine::Mysql] {
        let sandbox = Sandbox::new(engine).await;
        let mut other = sandbox.database.session().await.unwrap();
        let runner = sandbox.runner();
        for (late, done) in [(true, Err("no file")), (false, Err("no file")), (true, Ok(())), (false, Ok(()))]
        {
            let work = async {
                if late {
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                done
            };
            assert_eq!(runner.locked_while(work).await, done);
            if done.is_ok() {
                assert!(!other.try_lock().await.unwrap(), "{engine}: it is the next command's");
                runner.migrate(&sandbox.migrations(), &MigrateOptions::default()).await.unwrap();
            }
            let start = Instant::now();
            while !other.try_lock().await.unwrap() {
                assert!(start.elapsed() < Duration::from_secs(10), "{engine}: it is given back");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            other.unlock().await.unwrap();
        }
    }
}

/// Somebody else holds the history, and what would have come after fails: nothing waits for them, here or in the server.
#[tokio::test]
async fn no_lock_is_kept_for_what_is_read_ahead() {
    for engine in [Engine::Postgres, Engine::Mysql] {
        let mut sandbox = Sandbox::new(engine).await;
        sandbox.allow(Allowed { accept_lost_writes: true, ..Allowed::default() });
        sandbox.file("001_t", "CREATE TABLE t (a int);", "DROP TABLE t;");
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
        let mut holder = sandbox.database.session().await.unwrap();
        let table = holder.history_table();
        for sql in match engine {
            Engine::Mysql => vec![format!("LOCK TABLES {table} WRITE")],
            _ => vec!["BEGIN".to_owned(), format!("LOCK TABLE {table}")],
        } {
            holder.execute(&sql).await.unwrap();
        }
        let runner = sandbox.runner();
        let work = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Err::<(), _>("no file")
        };
        let start = Instant::now();
        assert_eq!(runner.locked_while(work).await, Err("no file"));
        let mut next = sandbox.database.session().await.unwrap();
        while !next.try_lock().await.unwrap() {
            assert!(start.elapsed() < Duration::from_secs(4), "{engine}: it is given back");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(start.elapsed() >= Duration::from_secs(1));
    }
}
