//! Migrations folded into one.

use std::sync::Arc;
use std::time::Duration;

use database::Engine;
use tokio_util::sync::CancellationToken;

use super::{Sandbox, engines};
use crate::compare::{What, compare};
use crate::files::{Folder, Migration, Rule, read, survey};
use crate::placeholders::{Configured, NoVariables, Variables};
use crate::plan::Allowed;
use crate::scratch::mysql::Account;
use crate::squash::{Squashed, Squasher, write};
use crate::{MigrateOptions, Outcome, RollbackOptions, Until};

impl Sandbox {
    fn folder(&self) -> Folder {
        Folder { migrations: self.path().join("migrations"), rollback: self.path().join("rollback") }
    }

    async fn squash(&self, to: u64) -> backup::Result<Squashed> {
        self.squash_until(CancellationToken::new(), to).await
    }

    async fn squash_until(&self, cancel: CancellationToken, to: u64) -> backup::Result<Squashed> {
        let variables: Arc<dyn Variables> = Arc::new(NoVariables);
        let (folder, files) = (self.folder(), read(&self.folder())?);
        let squasher = Squasher {
            on: &self.database,
            applied_in: Some(&self.database),
            settings: &self.settings,
            variables,
            cancel,
        };
        squasher.squash(&folder, &files, to).await
    }

    async fn refused(&self, to: u64) -> String {
        self.squash(to).await.unwrap_err().to_string()
    }

    async fn apply(&self, migrations: &[Migration], count: Option<usize>) -> usize {
        let options = MigrateOptions { count, ..MigrateOptions::default() };
        let mut runner = self.runner();
        runner.settings.allowed = Allowed { accept_lost_writes: true, ..Allowed::default() };
        let report = runner.migrate(migrations, &options).await.unwrap();
        assert_eq!(report.outcome, Outcome::Done, "{:?}", report.failure);
        report.migrations.len()
    }
}

async fn four(engine: Engine) -> Sandbox {
    let sandbox = Sandbox::with_item(engine).await;
    let more = match engine {
        Engine::Postgres => {
            "CREATE TABLE note (id serial PRIMARY KEY, at int); GRANT SELECT ON note TO PUBLIC;
             CREATE SEQUENCE drawn; SELECT nextval('drawn'), nextval('drawn');
             CREATE FUNCTION two() RETURNS int LANGUAGE sql AS 'SELECT 2 -- ${{x}}'; REVOKE ALL ON FUNCTION two() FROM PUBLIC;"
        }
        Engine::Sqlite => {
            "CREATE TABLE note (id INTEGER PRIMARY KEY AUTOINCREMENT, at int); PRAGMA user_version = 7;
             CREATE TRIGGER t AFTER INSERT ON note BEGIN SELECT 1; END;"
        }
        _ => {
            "CREATE TABLE note (id int AUTO_INCREMENT PRIMARY KEY, at int);
             CREATE VIEW v AS SELECT id, '${{x}}' AS x FROM note;"
        }
    };
    sandbox.file("002_note", more, "DROP TABLE note;");
    sandbox.file("003_index", "CREATE INDEX note_at ON note (at);", "SELECT 1;");
    sandbox.file("004_later", "-- dbm: requires 002\nCREATE TABLE later (id int);", "DROP TABLE later;");
    sandbox
}

#[tokio::test]
async fn old_migrations_become_one_for_new_databases() {
    for engine in engines() {
        let old = four(engine).await;
        let files = old.migrations();
        let (half, hole) = (Sandbox::new(engine).await, Sandbox::new(engine).await);
        assert_eq!(old.apply(&files, Some(3)).await, 3);
        half.apply(&files, Some(1)).await;
        hole.apply(&files, Some(3)).await;
        hole.execute("DELETE FROM dbm_history WHERE number = 2").await;
        if engine == Engine::Postgres {
            assert!(old.refused(3).await.contains("the counter"), "a sequence that has given numbers");
            let text = std::fs::read_to_string(old.path().join("migrations/002_note.sql")).unwrap();
            let without = text.replace("SELECT nextval('drawn'), nextval('drawn');", "");
            old.file("002_note", &without, "DROP TABLE note;");
            old.execute(&format!(
                "UPDATE dbm_history SET checksum = '{}' WHERE number = 2",
                crate::files::checksum(&without)
            ))
            .await;
        }
        let squashed = old.squash(3).await.unwrap();
        assert_eq!(read(&old.folder()).unwrap().len(), 4, "nothing is written yet");

        // Wherever it is broken off, the one file is there whole or not at all, and what it stands for is read by nobody.
        let only = Squashed { moved: Vec::new(), ..squashed.clone() };
        write(&only).unwrap();
        let (migrations, findings) = survey(&old.folder()).unwrap();
        assert_eq!(migrations.iter().map(|file| file.number).collect::<Vec<_>>(), [3, 4], "{engine}");
        assert!(findings.iter().all(|one| one.rule == Rule::Folded), "{findings:?}");
        assert_eq!(findings.len(), 6, "{findings:?}");
        let rest = old.squash(3).await.unwrap();
        assert_eq!((rest.text.clone(), rest.moved.len()), (None, 6));
        write(&rest).unwrap();
        let (migrations, findings) = survey(&old.folder()).unwrap();
        assert_eq!((migrations.len(), findings), (2, Vec::new()), "{engine}");
        assert!(old.path().join("rollback/squashed/001_item.sql").exists());

        // Where all of them are applied, it goes on; a new database begins with the one; a part of them is refused.
        let new = Sandbox::new(engine).await;
        assert_eq!((old.apply(&migrations, None).await, new.apply(&migrations, None).await), (1, 2));
        let (one, other) = (old.database.schema().await.unwrap(), new.database.schema().await.unwrap());
        assert_eq!(compare(engine, &one, &other, What::Everything), [], "{engine}");
        if engine == Engine::Sqlite {
            assert_eq!(new.ask("PRAGMA user_version").await, "7");
        }
        for partly in [&half, &hole] {
            let error = partly.runner().migrate(&migrations, &MigrateOptions::default()).await.unwrap_err();
            assert!(error.to_string().contains("only a part of those"), "{engine}: {error}");
        }
        let mut session = old.database.session().await.unwrap();
        let status = crate::status::status(&mut *session, &migrations).await.unwrap();
        assert!(status.pending.is_empty() && status.findings.is_empty(), "{:?}", status.findings);
        assert!(crate::history::broken(&migrations, &old.history().await).unwrap().is_empty());

        // What the history has kept of them still takes them back.
        let back = RollbackOptions { until: Until::To(1), module: None };
        let mut runner = old.runner();
        runner.settings.allowed.accept_lost_writes = true;
        let plan = runner.plan_rollback(&migrations, &back).await.unwrap();
        let folded =
            "002_note, 003_index are folded into 003_squashed, so this folder cannot apply them again";
        assert!(plan.warnings.len() == 1 && plan.warnings[0].starts_with(folded), "{:?}", plan.warnings);
        for until in [Until::Count(1), Until::All] {
            let options = RollbackOptions { until, module: None };
            let plan = runner.plan_rollback(&migrations, &options).await.unwrap();
            assert_eq!(plan.warnings, [""; 0], "{engine}: the folder can bring it forward again");
        }
        let report = runner.rollback(&migrations, &back).await.unwrap();
        assert_eq!((report.outcome, report.migrations.len()), (Outcome::Done, 3), "{:?}", report.failure);
        let error = new.runner().rollback(&migrations, &back).await.unwrap_err();
        assert!(error.to_string().contains("not applied"), "{error}");

        // Folded once more, with what came since.
        let folder = new;
        for name in ["migrations", "rollback"] {
            std::fs::remove_dir_all(folder.path().join(name)).unwrap();
            std::fs::rename(old.path().join(name), folder.path().join(name)).unwrap();
        }
        write(&folder.squash(4).await.unwrap()).unwrap();
        let migrations = read(&folder.folder()).unwrap();
        assert_eq!(migrations[0].directives.squashes, Some(1));
        assert_eq!(folder.apply(&migrations, None).await, 0, "{engine}: it began with the first of them");
        assert_eq!(Sandbox::new(engine).await.apply(&migrations, None).await, 1, "{engine}");
    }
}

#[tokio::test]
async fn what_one_file_cannot_have_is_refused() {
    for engine in engines() {
        let mut sandbox = four(engine).await;
        sandbox.file("003_rows", "INSERT INTO item VALUES (1, 'one');", "DELETE FROM item;");
        std::fs::remove_file(sandbox.path().join("migrations/003_index.sql")).unwrap();
        std::fs::remove_file(sandbox.path().join("rollback/003_index.sql")).unwrap();
        let said = sandbox.refused(3).await;
        assert!(said.contains("put 1 rows into table") && said.contains("item"), "{engine}: {said}");
        sandbox.file("003_rows", "CREATE TABLE x (a varchar(9) DEFAULT '${env:TOKEN}');", "DROP TABLE x;");
        assert!(sandbox.refused(3).await.contains("perhaps a secret"), "{engine}");
        sandbox.file("003_rows", "CREATE TABLE x (a ${number});", "DROP TABLE x;");
        let values = [(Engine::Sqlite, "INTEGER"), (Engine::Postgres, "bigint"), (Engine::Mysql, "BIGINT")];
        sandbox.settings.placeholders = Configured {
            engines: values
                .map(|(engine, value)| (engine, [("number".to_owned(), value.to_owned())].into()))
                .into(),
            ..Configured::default()
        };
        assert!(sandbox.refused(3).await.contains("another text on other engines"), "{engine}");
        sandbox.file("003_rows", "-- dbm: module hr\nSELECT 1;", "SELECT 1;");
        assert!(sandbox.refused(3).await.contains("different modules"), "{engine}");
        assert!(sandbox.refused(1).await.contains("one migration already"), "{engine}");
        assert!(sandbox.refused(9).await.contains("no migration of the number 009"), "{engine}");
    }
}

#[tokio::test]
async fn what_was_changed_after_it_was_applied_is_not_folded() {
    for engine in engines() {
        let sandbox = four(engine).await;
        assert_eq!(sandbox.apply(&sandbox.migrations(), Some(3)).await, 3);
        sandbox.file("003_index", "CREATE INDEX note_at ON note (at, id);", "SELECT 1;");
        assert!(sandbox.refused(3).await.contains("was changed after it was applied"), "{engine}");
    }
}

#[tokio::test]
async fn what_a_database_has_only_a_part_of_is_not_folded() {
    for engine in engines() {
        let sandbox = four(engine).await;
        assert_eq!(sandbox.apply(&sandbox.migrations(), Some(2)).await, 2);
        let error = sandbox.squash(3).await.unwrap_err();
        assert!(error.to_string().contains("001_item is applied, and 003_index is not"), "{engine}: {error}");
        assert!(error.hint().unwrap().contains("dbm migrate"), "{engine}");
        sandbox.execute("DELETE FROM dbm_history WHERE number = 1").await;
        assert!(sandbox.refused(2).await.contains("002_note is applied, and 001_item is not"), "{engine}");
    }
}

#[tokio::test]
async fn whoever_stops_it_leaves_no_scratch_database() {
    for engine in engines() {
        // Where one is a file, it lies in a folder that goes with it.
        let names = match engine {
            Engine::Sqlite => continue,
            Engine::Postgres => {
                "SELECT string_agg(datname, ',') FROM pg_database WHERE datname LIKE current_database() || '\\_restoring%'"
            }
            _ => {
                "SELECT group_concat(schema_name) FROM information_schema.schemata
                  WHERE schema_name LIKE CONCAT(DATABASE(), '\\_restoring%')"
            }
        };
        let sleep = if engine == Engine::Postgres { "SELECT pg_sleep(60);" } else { "SELECT SLEEP(60);" };
        let sandbox = four(engine).await;
        sandbox.file("003_slow", sleep, "SELECT 1;");
        std::fs::remove_file(sandbox.path().join("migrations/003_index.sql")).unwrap();
        std::fs::remove_file(sandbox.path().join("rollback/003_index.sql")).unwrap();
        let stop = CancellationToken::new();
        let stopping = async {
            let mut name = String::new();
            while name.is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                name = sandbox.ask(names).await;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            stop.cancel();
            name
        };
        let (stopped, name) = tokio::join!(sandbox.squash_until(stop.clone(), 3), stopping);
        assert_eq!(stopped.unwrap_err().to_string(), "stopped on request; nothing was changed");
        assert_eq!(sandbox.ask(names).await, "", "{engine}");
        if engine == Engine::Mysql {
            let account = Account::of(&name).name;
            let users = format!("SELECT count(*) FROM mysql.user WHERE user = '{account}'");
            assert_eq!(sandbox.ask(&users).await, "0");
        }
    }
}

#[tokio::test]
async fn one_file_is_for_whoever_runs_it() {
    let sandbox = Sandbox::with_item(Engine::Postgres).await;
    let more = "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
                CREATE TABLE note (kind varchar(9) CHECK (kind IN ('a', 'b')));
                REVOKE INSERT ON note FROM CURRENT_USER;";
    sandbox.file("002_note", more, "DROP TABLE note;");
    let text = sandbox.squash(2).await.unwrap().text.unwrap();
    let account = sandbox.database.about().await.unwrap().account;
    assert!(text.contains("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES"), "{text}");
    assert!(text.contains("REVOKE INSERT ON TABLE \"public\".\"note\" FROM CURRENT_USER;"), "{text}");
    for word in ["TO", "FROM", "ROLE"] {
        assert!(!text.contains(&format!(" {word} {account}")), "{text}");
    }
}

#[tokio::test]
async fn one_file_of_sqlite_keeps_modes_and_statistics() {
    let sandbox = Sandbox::with_item(Engine::Sqlite).await;
    sandbox.file("002_wal", "PRAGMA journal_mode = wal;", "SELECT 1;");
    let counted = "-- dbm: unless table counted\nCREATE TABLE counted (id INTEGER PRIMARY KEY); ANALYZE;
                   INSERT INTO sqlite_stat1 VALUES ('counted', NULL, '1000');";
    sandbox.file("003_counted", counted, "DROP TABLE counted;");
    let squashed = sandbox.squash(3).await.unwrap();
    let text = squashed.text.clone().unwrap();
    assert!(text.contains("-- Without the `unless` of 003_counted"), "{text}");
    write(&squashed).unwrap();
    let migrations = read(&sandbox.folder()).unwrap();
    // Where nobody has anything yet, no word is needed on those who write meanwhile.
    let used = Sandbox::new(Engine::Sqlite).await;
    used.execute("CREATE TABLE somebody_s (a)").await;
    let refused = used.runner().migrate(&migrations, &MigrateOptions::default()).await.unwrap_err();
    assert!(refused.hint().unwrap().contains("--fence"), "{refused}");
    let sandbox = Sandbox::new(Engine::Sqlite).await;
    let report = sandbox.runner().migrate(&migrations, &MigrateOptions::default()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.failure);
    assert!(sandbox.notes().contains("is kept out during the run"), "{}", sandbox.notes());
    assert!(!sandbox.notes().contains("could not be kept"), "{}", sandbox.notes());
    assert_eq!(sandbox.ask("PRAGMA journal_mode").await, "wal");
    assert_eq!(sandbox.ask("SELECT stat FROM sqlite_stat1 WHERE tbl = 'counted'").await, "1000");
}
