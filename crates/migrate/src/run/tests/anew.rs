//! Databases made anew, and migrations folded into one.

use std::sync::Arc;

use database::Engine;

use super::{ENGINES, Sandbox};
use crate::compare::{What, compare};
use crate::files::{Folder, Repeat, read, read_repeated};
use crate::placeholders::{NoVariables, Variables};
use crate::squash::{squash, write};
use crate::{MigrateOptions, Outcome, Reset, RollbackOptions, Until};

impl Sandbox {
    fn folder(&self) -> Folder {
        Folder { migrations: self.path().join("migrations"), rollback: self.path().join("rollback") }
    }

    async fn reset(&self) -> Reset {
        let seeds = read_repeated(&self.folder(), Repeat::Seed).unwrap();
        self.runner().reset(&self.migrations(), &MigrateOptions::default(), &seeds).await.unwrap()
    }
}

#[tokio::test]
async fn a_development_database_is_made_anew_or_put_back() {
    for engine in ENGINES {
        let sandbox = Sandbox::with_item(engine).await;
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
        sandbox.execute("INSERT INTO item VALUES (1, 'by hand')").await;
        sandbox.execute("CREATE TABLE by_hand (id int)").await;
        sandbox.again(Repeat::Seed, "items", "INSERT INTO item VALUES (2, 'seeded');");
        let reset = sandbox.reset().await;
        assert_eq!(reset.outcome, Outcome::Done, "{engine}: {reset:#?}");
        assert_eq!(sandbox.ask("SELECT name FROM item").await, "seeded", "{engine}");
        assert!(sandbox.database.session().await.unwrap().query("SELECT id FROM by_hand").await.is_err());
        assert_eq!(sandbox.history().await.len(), 1);
        assert!(
            backup::restore::replaced(&sandbox.database).await.unwrap().is_empty(),
            "it is in the backup"
        );
        let name = reset.backup.parse().unwrap();
        let back = sandbox.runner().restore(&name, &crate::Restoring::default()).await.unwrap();
        assert_eq!(back.outcome, Outcome::Done, "{engine}: {:?}", back.failure);
        assert_eq!(sandbox.ask("SELECT name FROM item").await, "by hand");

        // One that fails on the way changes nothing in the end.
        let before = sandbox.everything();
        sandbox.again(Repeat::Seed, "items", "INSERT INTO item VALUES (2, 'two'), (2, 'twice');");
        let reset = sandbox.reset().await;
        assert_eq!(reset.outcome, Outcome::PutBack, "{engine}: {reset:#?}");
        assert_eq!(sandbox.everything(), before, "{engine}");
        if engine == Engine::Postgres {
            sandbox.file("002_gone", "CREATE TABLE x (a ${nothing});", "SELECT 1;");
            let seeds = read_repeated(&sandbox.folder(), Repeat::Seed).unwrap();
            let error =
                sandbox.runner().reset(&sandbox.migrations(), &MigrateOptions::default(), &seeds).await;
            assert!(error.unwrap_err().to_string().contains("nothing"), "it is not begun");
        }
    }
}

#[tokio::test]
async fn old_migrations_become_one_for_new_databases() {
    for engine in ENGINES {
        let mut old = Sandbox::with_item(engine).await;
        old.file(
            "002_price",
            "ALTER TABLE item ADD COLUMN price int;",
            "ALTER TABLE item DROP COLUMN price;",
        );
        old.file("003_index", "CREATE INDEX item_price ON item (price);", "DROP INDEX item_price;");
        old.file("004_later", "-- dbm: requires 002\nCREATE TABLE later (id int);", "DROP TABLE later;");
        let options = |count| MigrateOptions { count: Some(count), ..MigrateOptions::default() };
        let half = Sandbox::new(engine).await;
        for (sandbox, count) in [(&old, 3), (&half, 1)] {
            let mut runner = sandbox.runner();
            runner.settings.allowed.accept_lost_writes = true;
            let report = runner.migrate(&old.migrations(), &options(count)).await.unwrap();
            assert_eq!(report.outcome, Outcome::Done);
        }
        let variables: Arc<dyn Variables> = Arc::new(NoVariables);
        let (folder, files) = (old.folder(), old.migrations());
        let fold = squash(&old.database, &folder, &files, 3, &old.settings, &variables);
        let squashed = fold.await.unwrap();
        write(&squashed).unwrap();
        let migrations = read(&old.folder()).unwrap();
        assert_eq!(migrations.iter().map(|file| file.number).collect::<Vec<_>>(), [3, 4], "{engine}");
        assert!(old.path().join("rollback/squashed/001_item.sql").exists());

        // Where all of them are applied, it goes on; a new database begins with the one; half of them is refused.
        let new = Sandbox::new(engine).await;
        for (sandbox, ran) in [(&old, 1), (&new, 2)] {
            let mut runner = sandbox.runner();
            runner.settings.allowed.accept_lost_writes = true;
            let report = runner.migrate(&migrations, &MigrateOptions::default()).await.unwrap();
            assert_eq!(
                (report.outcome, report.migrations.len()),
                (Outcome::Done, ran),
                "{engine}: {:?}",
                report.failure
            );
        }
        let schemas = (old.database.schema().await.unwrap(), new.database.schema().await.unwrap());
        assert_eq!(compare(engine, &schemas.0, &schemas.1, What::Definitions), [], "{engine}");
        let error = half.runner().migrate(&migrations, &MigrateOptions::default()).await.unwrap_err();
        assert!(error.to_string().contains("only a part of those (001_item)"), "{error}");
        // An old one can still go back behind it, by what its history keeps.
        old.settings.allowed.accept_lost_writes = true;
        if engine != Engine::Mysql {
            let back = RollbackOptions { until: Until::To(1), module: None };
            let report = old.runner().rollback(&migrations, &back).await.unwrap();
            assert_eq!((report.outcome, report.migrations.len()), (Outcome::Done, 3), "{:?}", report.failure);
        }
    }
}

#[tokio::test]
async fn rows_are_not_folded_away() {
    let sandbox = Sandbox::with_item(Engine::Sqlite).await;
    sandbox.file("002_rows", "INSERT INTO item VALUES (1, 'one');", "DELETE FROM item;");
    let variables: Arc<dyn Variables> = Arc::new(NoVariables);
    let (folder, files) = (sandbox.folder(), sandbox.migrations());
    for (to, message) in [
        (2, "put rows into table item (1)"),
        (1, "is one migration already"),
        (7, "no migration of the number 007"),
    ] {
        let fold = squash(&sandbox.database, &folder, &files, to, &sandbox.settings, &variables);
        let error = fold.await.unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
}
