//! Databases that are not, or not only, the one that the journal in them tells of.

use database::{Database, Engine};

use super::Sandbox;
use super::sandbox::tool;
use crate::plan::Allowed;
use crate::{Outcome, Restoring, Runner};

/// A run with a fence that was killed when its second group was not committed yet.
async fn killed() -> Sandbox {
    let mut sandbox = Sandbox::new(Engine::Postgres).await;
    sandbox.allow(Allowed { fence: true, ..Allowed::default() });
    sandbox.execute("CREATE TABLE item (id int); INSERT INTO item VALUES (1)").await;
    sandbox.file("001_a", "-- dbm: no-transaction\nINSERT INTO item VALUES (2);", "SELECT 1;");
    assert!(sandbox.crash("commit:before").await);
    sandbox
}

fn database(sandbox: &Sandbox, name: &str) -> Database {
    Database::new(sandbox.database.url().with_database(name)).unwrap()
}

impl Sandbox {
    /// Runs SQL from the server's maintenance database.
    async fn administer(&self, sql: &str) {
        database(self, "postgres").session().await.unwrap().execute(sql).await.unwrap();
    }

    async fn is_open_to_all(&self) -> String {
        self.ask("SELECT count(*) FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) a WHERE datname = current_database() AND a.grantee = 0 AND privilege_type = 'CONNECT'").await
    }

    /// The same project for a database of another name, which is dropped at the end.
    fn runner_on(&self, name: &str) -> Runner {
        let mut runner = self.runner();
        runner.database = database(self, name);
        runner
    }
}

/// A journal that came with a copy says nothing of the copy, and nothing is taken from the original through it.
#[tokio::test]
async fn a_copy_made_during_a_run_is_not_restored_over() {
    let mut sandbox = killed().await;
    sandbox.settings.yes = true;
    let copy = format!("{}_copy", sandbox.database.name());
    let script = sandbox.path().join("copy.sql").display().to_string();
    let at = |name: &str| format!("{}/{name}", sandbox.server());
    tool("pg_dump", &["-f", &script, "-d", &at(&sandbox.database.name())]);
    sandbox.administer(&format!("DROP DATABASE IF EXISTS \"{copy}\"")).await;
    sandbox.administer(&format!("CREATE DATABASE \"{copy}\"")).await;
    tool("psql", &["-qX", "-f", &script, "-d", &at(&copy)]);
    let staging = || tool("psql", &["-qXAt", "-d", &at(&copy), "-c", "SELECT id FROM item ORDER BY id"]);
    tool("psql", &["-qX", "-d", &at(&copy), "-c", "INSERT INTO item VALUES (7)"]);

    let error = sandbox.runner_on(&copy).recover().await.unwrap_err();
    assert!(error.to_string().contains("was of another database"), "{error}");
    assert!(error.hint().unwrap().contains("dbm restore NAME"), "{error:?}");
    let options = crate::MigrateOptions::default();
    sandbox.runner_on(&copy).migrate(&sandbox.migrations(), &options).await.unwrap_err();
    assert_eq!(staging(), "1\n2\n7\n");
    assert_eq!(sandbox.is_open_to_all().await, "0", "the fence of the original still stands");

    // What the error says to type helps, and leaves the original's run and fence to it.
    let backup = sandbox.runner().open_run().await.unwrap().unwrap().backup().unwrap().name.parse().unwrap();
    let from = Some(sandbox.database.about().await.unwrap().source);
    let restoring = Restoring { from_source: from, ..Restoring::default() };
    let report = sandbox.runner_on(&copy).restore(&backup, &restoring).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(staging(), "1\n");
    assert_eq!(sandbox.is_open_to_all().await, "0", "the fence of the original still stands");

    let report = sandbox.runner().recover().await.unwrap();
    assert!(report.restored.is_some(), "{report:?}");
    assert_eq!(sandbox.ask("SELECT id FROM item").await, "1");
    assert_eq!(sandbox.is_open_to_all().await, "1");
    for name in [copy.clone(), report_name(&report), report_name_of(&sandbox, &copy).await] {
        sandbox.administer(&format!("DROP DATABASE \"{name}\"")).await;
    }
}

fn report_name(report: &crate::Report) -> String {
    report.restored.as_ref().unwrap().replaced.as_ref().unwrap().name.clone()
}

async fn report_name_of(sandbox: &Sandbox, copy: &str) -> String {
    let replaced = backup::restore::replaced(&database(sandbox, copy)).await.unwrap();
    replaced.first().unwrap().name.clone()
}

#[tokio::test]
async fn a_database_that_was_renamed_is_still_recovered() {
    let mut sandbox = killed().await;
    let moved = format!("{}_moved", sandbox.database.name());
    sandbox.administer(&format!("DROP DATABASE IF EXISTS \"{moved}\"")).await;
    sandbox
        .administer(&format!("ALTER DATABASE \"{}\" RENAME TO \"{moved}\"", sandbox.database.name()))
        .await;
    sandbox.database = database(&sandbox, &moved);
    let report = sandbox.runner().recover().await.unwrap();
    assert!(report.restored.is_some(), "{report:?}");
    assert_eq!(sandbox.ask("SELECT id FROM item").await, "1");
    assert_eq!(sandbox.is_open_to_all().await, "1");
}

/// Somebody let the application in again before he recovered: what it wrote is not taken away unasked.
#[tokio::test]
async fn a_fence_that_was_lifted_by_hand_answers_no_question() {
    let sandbox = killed().await;
    let name = sandbox.database.name();
    sandbox.administer(&format!("GRANT CONNECT ON DATABASE \"{name}\" TO PUBLIC")).await;
    sandbox.execute("INSERT INTO item VALUES (7)").await;
    let report = sandbox.runner().recover().await.unwrap();
    assert_eq!(report.outcome, Outcome::NeedsPerson, "{report:?}");
    assert!(report.hint.as_deref().unwrap().contains("--yes"), "{report:?}");
    assert_eq!(sandbox.ask("SELECT id FROM item ORDER BY id").await, "1\n2\n7");
}

/// Gives a database that was replaced its name back, as whoever undoes a restore does.
async fn undo(sandbox: &Sandbox, replaced: &str) {
    let name = sandbox.database.name();
    sandbox.administer(&format!("DROP DATABASE \"{name}\" WITH (FORCE)")).await;
    sandbox.administer(&format!("ALTER DATABASE \"{replaced}\" RENAME TO \"{name}\"")).await;
}

#[tokio::test]
async fn a_restore_that_is_undone_by_renaming_stays_undone() {
    let mut sandbox = Sandbox::new(Engine::Postgres).await;
    sandbox.settings.yes = true;
    sandbox.execute("CREATE TABLE item (id int); INSERT INTO item VALUES (1)").await;
    let store = backup::store::LocalStore::new(sandbox.path().join("store"));
    let options = backup::dump::BackupOptions::default();
    let silent = backup::progress::Silent;
    let written = backup::dump::create(&sandbox.database, &store, &options, &silent).await.unwrap();
    sandbox.execute("INSERT INTO item VALUES (7)").await;
    let report = sandbox.runner().restore(&written.name, &Restoring::default()).await.unwrap();
    assert_eq!(sandbox.ask("SELECT id FROM item").await, "1");
    undo(&sandbox, &report_name(&report)).await;
    assert!(sandbox.runner().open_run().await.unwrap().is_none());
    let report = sandbox.migrate().await;
    assert!(report.recovered.is_none(), "{report:?}");
    assert_eq!(sandbox.ask("SELECT id FROM item ORDER BY id").await, "1\n7");
}

#[tokio::test]
async fn a_database_that_was_put_back_can_be_had_as_the_run_left_it() {
    let mut sandbox = killed().await;
    let report = sandbox.runner().recover().await.unwrap();
    assert_eq!(sandbox.ask("SELECT id FROM item").await, "1");
    undo(&sandbox, &report_name(&report)).await;
    sandbox.settings.yes = true;
    let report = sandbox.runner().recover().await.unwrap();
    assert!(report.restored.is_none(), "{report:?}");
    assert_eq!(sandbox.ask("SELECT id FROM item ORDER BY id").await, "1\n2");
    assert_eq!(sandbox.is_open_to_all().await, "1", "and its fence is lifted");
}

/// What the users' event triggers write down, or forbid, is no part of what dbm does for itself.
#[tokio::test]
async fn event_triggers_take_no_notice_of_the_journal() {
    let mut sandbox = Sandbox::new(Engine::Postgres).await;
    sandbox.allow(Allowed { accept_lost_writes: true, ..Allowed::default() });
    sandbox
        .execute(
            "CREATE TABLE ddl_log (tag text);
             CREATE FUNCTION log() RETURNS event_trigger LANGUAGE plpgsql AS
                 $$ BEGIN INSERT INTO public.ddl_log VALUES (tg_tag); END $$;
             CREATE EVENT TRIGGER log ON ddl_command_end EXECUTE FUNCTION log()",
        )
        .await;
    let before = sandbox.everything();
    sandbox.file("001_a", "-- dbm: no-transaction\nCREATE TABLE x (a int);\nSELECT 1/0;", "SELECT 1;");
    let report = sandbox.migrate().await;
    assert_eq!(report.outcome, crate::Outcome::PutBack, "{report:?}");
    assert_eq!(sandbox.everything(), before);
    assert_eq!(sandbox.ask("SELECT count(*) FROM ddl_log").await, "0");

    sandbox
        .execute(
            "CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE 'no ddl: %', tg_tag; END $$;
             CREATE EVENT TRIGGER no ON ddl_command_start EXECUTE FUNCTION no()",
        )
        .await;
    let backup = report.backup.unwrap().name.parse().unwrap();
    let report = sandbox.runner().restore(&backup, &Restoring::default()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    let store = backup::store::LocalStore::new(sandbox.path().join("store"));
    sandbox.execute("DROP SCHEMA dbm CASCADE").await;
    sandbox
        .execute(
            "CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE 'no ddl: %', tg_tag; END $$;
             CREATE EVENT TRIGGER no ON ddl_command_start EXECUTE FUNCTION no()",
        )
        .await;
    let options = backup::dump::BackupOptions::default();
    let written =
        backup::dump::create(&sandbox.database, &store, &options, &backup::progress::Silent).await.unwrap();
    let report = sandbox.runner().restore(&written.name, &Restoring::default()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(sandbox.ask("SELECT count(*) FROM pg_event_trigger").await, "2");
}
