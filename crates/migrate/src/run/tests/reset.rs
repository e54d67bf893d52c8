//! A development database, made anew.

use std::path::{Path, PathBuf};

use database::{Database, DatabaseUrl, Engine};

use super::sandbox::tool;
use super::{Sandbox, engines};
use crate::files::{Repeat, RepeatedFile};
use crate::journal::Told;
use crate::{Anew, Outcome, Report, Restoring};

impl Sandbox {
    fn seeds(&self) -> Vec<RepeatedFile> {
        self.repeated(Repeat::Seed)
    }

    async fn reset(&self) -> backup::Result<Report> {
        let (migrations, seeds) = (self.migrations(), self.seeds());
        let anew = Anew { migrations: &migrations, repeatables: &[], seeds: &seeds, beside: None };
        self.runner().reset(anew).await
    }
}

/// One that has rows, and a table by hand; nothing is left beside it.
async fn grown(engine: Engine) -> Sandbox {
    let sandbox = Sandbox::with_item(engine).await;
    assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
    sandbox.execute("INSERT INTO item VALUES (1, 'by hand')").await;
    sandbox.execute("CREATE TABLE by_hand (id int)").await;
    sandbox.again(Repeat::Seed, "items", "INSERT INTO item VALUES (2, 'seeded');");
    sandbox
}

async fn is_alone(database: &Database) -> bool {
    backup::restore::replaced(database).await.unwrap().is_empty()
        && backup::restore::leftovers(database).await.unwrap().is_empty()
}

#[tokio::test]
async fn a_development_database_is_made_anew() {
    for engine in engines() {
        let sandbox = grown(engine).await;
        if engine == Engine::Postgres {
            let name = sandbox.database.name();
            sandbox.execute(&format!("ALTER DATABASE {name} SET work_mem = '7MB'")).await;
            sandbox.execute(&format!("COMMENT ON DATABASE {name} IS 'mine'")).await;
        }
        let view =
            if engine == Engine::Mysql { "CREATE VIEW v AS SELECT id FROM item;" } else { "SELECT 1;" };
        sandbox.file("002_view", view, "SELECT 1;");
        let source = sandbox.database.ensure_source_id().await.unwrap();
        let reset = sandbox.reset().await.unwrap();
        assert_eq!(reset.outcome, Outcome::Done, "{engine}: {reset:#?}");
        assert_eq!(sandbox.ask("SELECT name FROM item").await, "seeded", "{engine}");
        assert!(sandbox.database.session().await.unwrap().query("SELECT id FROM by_hand").await.is_err());
        assert_eq!(sandbox.history().await.len(), 2, "{engine}");
        assert!(is_alone(&sandbox.database).await, "{engine}: what was replaced is in the backup");
        assert_eq!(sandbox.database.ensure_source_id().await.unwrap(), source, "{engine}");
        match engine {
            Engine::Postgres => {
                assert_eq!(sandbox.ask("SHOW work_mem").await, "7MB");
                let comment = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()";
                assert_eq!(sandbox.ask(comment).await, "mine");
            }
            // Whoever made it there is gone.
            Engine::Mysql => assert_eq!(sandbox.ask("SELECT count(*) FROM v").await, "1"),
            _ => {}
        }
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
        assert!(!sandbox.notes().contains("by hand"), "{engine}: {}", sandbox.notes());

        let name = reset.backup.unwrap().name.parse().unwrap();
        let runner = sandbox.runner();
        let beside = runner.store().read_sidecar(&name).await.unwrap().unwrap();
        assert!(
            beside.last_verified.is_some(),
            "{engine}: every byte was read before what it is of was let go"
        );
        let back = sandbox.runner().restore(&name, &Restoring::default()).await.unwrap();
        assert_eq!(back.outcome, Outcome::Done, "{engine}: {:?}", back.failure);
        assert_eq!(sandbox.ask("SELECT name FROM item").await, "by hand", "{engine}");
    }
}

#[tokio::test]
async fn a_reset_that_fails_changes_nothing() {
    for engine in engines() {
        let sandbox = grown(engine).await;
        let before = sandbox.everything();
        sandbox.again(Repeat::Seed, "items", "INSERT INTO item VALUES (2, 'two'), (2, 'twice');");
        let reset = sandbox.reset().await.unwrap();
        assert_eq!(reset.outcome, Outcome::NothingChanged, "{engine}: {reset:#?}");
        assert_eq!(reset.failure.unwrap().migration.as_deref(), Some("seeds/items"), "{engine}");
        assert!(is_alone(&sandbox.database).await && sandbox.everything() == before, "{engine}");
        // What cannot be planned is not begun.
        sandbox.file("002_gone", "CREATE TABLE x (a ${nothing});", "SELECT 1;");
        assert!(sandbox.reset().await.unwrap_err().to_string().contains("nothing"), "{engine}");
        sandbox.file("002_gone", "SELECT 1;", "SELECT 1;");
        sandbox.again(Repeat::Seed, "items", "SELECT 1;");
        assert_eq!(sandbox.reset().await.unwrap().outcome, Outcome::Done, "{engine}");
    }
}

/// Dropped like a process that is killed at each of its moments: the old database or the new one, and no third.
#[tokio::test]
async fn a_reset_that_is_killed_leaves_the_old_or_the_new() {
    for engine in engines() {
        let sandbox = grown(engine).await;
        let old = sandbox.everything();
        sandbox.events();
        assert_eq!(sandbox.reset().await.unwrap().outcome, Outcome::Done);
        let new = sandbox.everything();
        let mut moments = sandbox.events();
        moments.dedup();
        // What comes before is what a migration does, too.
        let from = moments.iter().position(|moment| moment.starts_with("build")).unwrap();
        let moments = moments.split_off(from);
        let (mut olds, mut news) = (0, 0);
        for (place, moment) in moments.into_iter().enumerate() {
            let sandbox = grown(engine).await;
            *sandbox.watch.crash_at.lock().unwrap() = Some(moment.clone());
            let (runner, migrations, seeds) = (sandbox.runner(), sandbox.migrations(), sandbox.seeds());
            let crashed = tokio::spawn(async move {
                let anew = Anew { migrations: &migrations, repeatables: &[], seeds: &seeds, beside: None };
                runner.reset(anew).await.map(drop)
            });
            assert!(crashed.await.is_err(), "{engine} {moment}");
            sandbox.watch.crash_at.clear_poison();
            *sandbox.watch.crash_at.lock().unwrap() = None;
            // A process that is killed removes nothing.
            let entries = sandbox.database.session().await.unwrap().entries().await.unwrap();
            let told = Told::read(&entries).unwrap().unwrap();
            let folders: Vec<PathBuf> = told.scratch_folders().into_iter().map(Path::to_owned).collect();
            folders.iter().for_each(|folder| std::fs::create_dir_all(folder.join("new")).unwrap());
            let mut runner = sandbox.runner();
            runner.settings.yes = true;
            if place % 2 == 0 {
                let recovered = runner.recover().await.unwrap();
                assert_eq!(recovered.outcome, Outcome::Done, "{engine} {moment}: {recovered:#?}");
            } else {
                // The same command again does so first, and then what it was asked for.
                let (migrations, seeds) = (sandbox.migrations(), sandbox.seeds());
                let anew = Anew { migrations: &migrations, repeatables: &[], seeds: &seeds, beside: None };
                let again = runner.reset(anew).await.unwrap();
                assert_eq!(again.outcome, Outcome::Done, "{engine} {moment}: {again:#?}");
                assert_eq!(sandbox.everything(), new, "{engine} {moment}");
            }
            assert!(folders.iter().all(|folder| !folder.exists()), "{engine} {moment}: {folders:?}");
            let now = sandbox.everything();
            olds += usize::from(now == old);
            news += usize::from(now == new);
            assert!(now == old || now == new, "{engine} {moment}: {now}");
            assert!(
                backup::restore::leftovers(&sandbox.database).await.unwrap().is_empty(),
                "{engine} {moment}"
            );
        }
        assert!(olds > 2 && news > 0, "{engine}: {olds} {news}");
    }
}

/// What a file is, and nothing in it.
async fn modes(sandbox: &Sandbox) -> String {
    let mut modes = Vec::new();
    for name in ["encoding", "page_size", "auto_vacuum", "journal_mode"] {
        modes.push(sandbox.ask(&format!("PRAGMA {name}")).await);
    }
    modes.join(" ")
}

async fn each(sandbox: &Sandbox, statements: &[&str]) {
    let mut session = sandbox.database.session().await.unwrap();
    for sql in statements {
        session.execute(sql).await.unwrap();
    }
}

#[tokio::test]
async fn a_file_keeps_its_modes() {
    let sandbox = Sandbox::new(Engine::Sqlite).await;
    sandbox.file(
        "001_item",
        "CREATE TABLE item (id int PRIMARY KEY, page_size int, encoding text);",
        "DROP TABLE item;",
    );
    let old =
        ["PRAGMA encoding = 'UTF-16le'; PRAGMA page_size = 1024; PRAGMA auto_vacuum = 2; CREATE TABLE x (y)"];
    each(&sandbox, &old).await;
    for mode in ["delete", "wal", "wal"] {
        assert_eq!(sandbox.ask(&format!("PRAGMA journal_mode = {mode}")).await, mode);
        let reset = sandbox.reset().await.unwrap();
        assert_eq!(reset.outcome, Outcome::Done, "{reset:#?}");
        assert_eq!(modes(&sandbox).await, format!("UTF-16le 1024 2 {mode}"));
        assert_eq!(sandbox.ask("SELECT count(*) FROM item").await, "0");
        assert!(!sandbox.notes().contains("could not be kept"), "{}", sandbox.notes());
    }
}

#[tokio::test]
async fn a_file_has_the_modes_that_its_migrations_ask_for() {
    let sandbox = Sandbox::new(Engine::Sqlite).await;
    each(&sandbox, &["PRAGMA page_size = 1024; PRAGMA auto_vacuum = 2; CREATE TABLE x (y)"]).await;
    each(&sandbox, &["PRAGMA journal_mode = wal"]).await;
    sandbox.file("001_item", "CREATE TABLE item (id int PRIMARY KEY, name text);", "DROP TABLE item;");
    sandbox.file(
        "002_mode",
        "-- page_size\nPRAGMA Auto_Vacuum = 1;\nVACUUM;\nPRAGMA journal_mode = delete;",
        "SELECT 1;",
    );
    assert_eq!(sandbox.reset().await.unwrap().outcome, Outcome::Done);
    assert_eq!(modes(&sandbox).await, "UTF-8 1024 1 delete");
    sandbox.file("002_mode", "PRAGMA auto_vacuum = 1;\nVACUUM;\nPRAGMA journal_mode = wal;", "SELECT 1;");
    sandbox.file("003_size", "PRAGMA page_size = 2048;\nSELECT 'encoding';", "SELECT 1;");
    for _ in 0..2 {
        let reset = sandbox.reset().await.unwrap();
        assert_eq!(reset.outcome, Outcome::Done, "{reset:#?}");
        // Without a VACUUM it asks for nothing in a file that has tables.
        assert_eq!(modes(&sandbox).await, "UTF-8 4096 1 wal");
        assert!(!sandbox.notes().contains("could not be kept"), "{}", sandbox.notes());
    }
    // Those who have it open are not kept waiting.
    let other = tool(
        "sqlite3",
        &[&sandbox.path().join("shop.db").display().to_string(), "SELECT count(*) FROM item"],
    );
    assert_eq!(other.trim(), "0");
}

#[tokio::test]
async fn a_file_may_be_called_as_what_lies_beside_it() {
    for name in ["new", "backups", "database"] {
        let mut sandbox = grown(Engine::Sqlite).await;
        let path = sandbox.path().join(name);
        std::fs::copy(sandbox.path().join("shop.db"), &path).unwrap();
        let url = DatabaseUrl::parse(&format!("sqlite://{}", path.display())).unwrap();
        sandbox.database = Database::new(url).unwrap();
        let reset = sandbox.reset().await.unwrap();
        assert_eq!(reset.outcome, Outcome::Done, "{name}: {reset:#?}");
    }
}

/// What another account makes beside would be that account's.
#[tokio::test]
async fn a_reset_beside_is_made_by_the_owner() {
    let sandbox = grown(Engine::Postgres).await;
    let role = format!("{}_other", sandbox.database.name());
    sandbox.execute(&format!("CREATE ROLE {role} LOGIN SUPERUSER")).await;
    let url = sandbox.database.url().to_string();
    let (_, rest) = url.split_once('@').unwrap();
    let beside = Database::new(DatabaseUrl::parse(&format!("postgres://{role}@{rest}")).unwrap()).unwrap();
    let migrations = sandbox.migrations();
    let anew = Anew { migrations: &migrations, repeatables: &[], seeds: &[], beside: Some(&beside) };
    let before = sandbox.everything();
    let error = sandbox.runner().reset(anew).await.unwrap_err();
    assert!(error.to_string().contains("would belong to"), "{error}");
    assert!(error.hint().unwrap().contains("--scratch-url"), "{error:?}");
    assert_eq!(sandbox.everything(), before);
    sandbox.execute(&format!("DROP ROLE {role}")).await;
}
