//! Files that run again when their text changes.

use std::sync::Arc;

use database::Engine;

use super::{Sandbox, engines, undone};
use crate::compare::Differs;
use crate::files::{Folder, Repeat, RepeatedFile, read_repeated};
use crate::placeholders::{NoVariables, Variables};
use crate::plan::Allowed;
use crate::scratch::{self, Scratch};
use crate::status::{self, RepeatedState};
use crate::{Compared, MigrateOptions, Outcome, Report, RollbackOptions, Until};

const VIEW: &str = "DROP VIEW IF EXISTS named;\nCREATE VIEW named AS SELECT id, name FROM item;\n";
const OTHER: &str = "DROP VIEW IF EXISTS named;\nCREATE VIEW named AS SELECT id FROM item;\n";

impl Sandbox {
    /// With a migration that makes a table.
    pub(super) async fn with_item(engine: Engine) -> Self {
        let mut sandbox = Self::new(engine).await;
        sandbox.allow(Allowed { accept_lost_writes: true, ..Allowed::default() });
        sandbox.file(
            "001_item",
            "CREATE TABLE item (id int PRIMARY KEY, name varchar(20));",
            "DROP TABLE item;",
        );
        sandbox
    }

    pub(super) fn again(&self, kind: Repeat, name: &str, text: &str) {
        let folder = self.path().join("migrations").join(kind.folder());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.sql")), text).unwrap();
    }

    pub(super) fn repeated(&self, kind: Repeat) -> Vec<RepeatedFile> {
        let folder =
            Folder { migrations: self.path().join("migrations"), rollback: self.path().join("rollback") };
        read_repeated(&folder, kind).unwrap()
    }

    pub(super) async fn migrate_all(&self) -> Report {
        let options =
            MigrateOptions { repeatables: self.repeated(Repeat::Repeatable), ..MigrateOptions::default() };
        self.runner().migrate(&self.migrations(), &options).await.unwrap()
    }

    async fn drift(&self) -> Vec<(String, Differs)> {
        let scratch = Scratch::new(&self.database).await.unwrap();
        let variables: Arc<dyn Variables> = Arc::new(NoVariables);
        let found =
            scratch::drift(&self.database, &scratch, &self.migrations(), &self.settings, &variables).await;
        scratch.discard().await.unwrap();
        found.unwrap().into_iter().map(|one| (one.object.name, one.differs)).collect()
    }

    async fn seed(&self) -> Report {
        self.runner().seed(&self.repeated(Repeat::Seed), false).await.unwrap()
    }

    pub(super) async fn states(&self) -> Vec<RepeatedState> {
        let mut files = self.repeated(Repeat::Repeatable);
        files.extend(self.repeated(Repeat::Seed));
        let mut session = self.database.session().await.unwrap();
        let found = status::repeated(&mut *session, &files).await.unwrap();
        found.into_iter().map(|file| file.state).collect()
    }
}

pub(super) fn labels(report: &Report) -> Vec<String> {
    report.migrations.iter().map(crate::RanMigration::label).collect()
}

#[tokio::test]
async fn a_view_runs_after_the_numbers_and_again_when_it_changes() {
    for engine in engines() {
        let sandbox = Sandbox::with_item(engine).await;
        sandbox.again(Repeat::Repeatable, "named", VIEW);
        assert_eq!(sandbox.states().await, [RepeatedState::Pending]);
        let report = sandbox.migrate_all().await;
        assert_eq!(report.outcome, Outcome::Done, "{engine}: {:?}", report.failure);
        assert_eq!(labels(&report), ["001_item", "repeatable/named"]);
        assert_eq!(sandbox.states().await, [RepeatedState::Applied]);
        assert_eq!(sandbox.history().await.len(), 1, "it has no number");

        // What an editor does to a text counts for nothing.
        sandbox.again(Repeat::Repeatable, "named", &VIEW.replace('\n', "  \r\n"));
        assert!(sandbox.migrate_all().await.migrations.is_empty());
        sandbox.again(Repeat::Repeatable, "named", OTHER);
        assert_eq!(sandbox.states().await, [RepeatedState::Changed]);
        assert_eq!(labels(&sandbox.migrate_all().await), ["repeatable/named"]);
        assert_eq!(sandbox.ask("SELECT count(*) FROM named").await, "0");
        assert!(sandbox.database.session().await.unwrap().query("SELECT name FROM named").await.is_err());

        // A rollback may have taken it along.
        sandbox.execute("DROP VIEW named").await;
        let back = RollbackOptions { until: Until::All, module: None };
        let report = sandbox.runner().rollback(&sandbox.migrations(), &back).await.unwrap();
        assert_eq!(report.outcome, Outcome::Done, "{engine}: {:?}", report.failure);
        assert_eq!(sandbox.states().await, [RepeatedState::Changed]);
        assert_eq!(labels(&sandbox.migrate_all().await), ["001_item", "repeatable/named"]);
        // One that no rollback takes away stays, and nobody says that nothing does.
        sandbox.file("002_left", "CREATE VIEW left_over AS SELECT 1 AS one;", "SELECT 1;");
        sandbox.migrate_all().await;
        let one = RollbackOptions { until: Until::Count(1), module: None };
        let report = sandbox.runner().rollback(&sandbox.migrations(), &one).await.unwrap();
        assert_eq!((report.compared, report.not_undone.len()), (Some(Compared::WithoutCode), 0), "{engine}");
        sandbox.execute("DROP VIEW left_over").await;
        for folder in ["migrations", "rollback"] {
            std::fs::remove_file(sandbox.path().join(folder).join("002_left.sql")).unwrap();
        }
        sandbox.migrate_all().await;
        // So may what is applied, and its text did not change.
        sandbox.file(
            "002_wider",
            "DROP VIEW named;\nALTER TABLE item ADD COLUMN wide int;",
            "ALTER TABLE item DROP COLUMN wide;",
        );
        assert_eq!(labels(&sandbox.migrate_all().await), ["002_wider", "repeatable/named"]);
        assert_eq!(sandbox.ask("SELECT count(*) FROM named").await, "0");
        assert!(sandbox.migrate_all().await.migrations.is_empty());
        std::fs::remove_file(sandbox.path().join("migrations/repeatable/named.sql")).unwrap();
        assert_eq!(sandbox.states().await, [RepeatedState::Gone]);
    }
}

#[tokio::test]
async fn one_that_fails_takes_the_run_with_it() {
    for engine in engines() {
        let sandbox = Sandbox::with_item(engine).await;
        let before = sandbox.everything();
        sandbox.again(Repeat::Repeatable, "a", VIEW);
        sandbox.again(Repeat::Repeatable, "b", "CREATE VIEW broken AS SELECT nothing FROM item;");
        let report = sandbox.migrate_all().await;
        assert_eq!(report.outcome, undone(engine), "{engine}");
        assert_eq!(report.failure.unwrap().migration.as_deref(), Some("repeatable/b"));
        assert_eq!(sandbox.everything(), before, "{engine}");
        assert_eq!(sandbox.states().await, [RepeatedState::Pending; 2]);
        // Where not all numbers are applied, a view may need what is missing.
        let one = MigrateOptions {
            count: Some(1),
            repeatables: sandbox.repeated(Repeat::Repeatable),
            ..MigrateOptions::default()
        };
        let report = sandbox.runner().migrate(&sandbox.migrations(), &one).await.unwrap();
        assert_eq!(labels(&report), ["001_item"]);
    }
}

#[tokio::test]
async fn drift_knows_what_was_run_and_not_what_the_folder_has() {
    for engine in engines() {
        let sandbox = Sandbox::with_item(engine).await;
        sandbox.again(Repeat::Repeatable, "named", VIEW);
        assert_eq!(sandbox.migrate_all().await.outcome, Outcome::Done);
        sandbox.again(Repeat::Repeatable, "named", OTHER);
        sandbox.execute("CREATE TABLE by_hand (id int)").await;
        assert_eq!(sandbox.drift().await, [("by_hand".to_owned(), Differs::Added)], "{engine}");
        // After a rollback the view is due, and still there as it was.
        sandbox.execute("DROP TABLE by_hand").await;
        sandbox.file("002_more", "CREATE TABLE more (id int);", "DROP TABLE more;");
        sandbox.again(Repeat::Repeatable, "named", VIEW);
        assert_eq!(sandbox.migrate_all().await.outcome, Outcome::Done);
        let back = RollbackOptions { until: Until::Count(1), module: None };
        sandbox.runner().rollback(&sandbox.migrations(), &back).await.unwrap();
        assert_eq!(sandbox.states().await, [RepeatedState::Changed]);
        assert_eq!(sandbox.drift().await, [], "{engine}");
        sandbox.execute("DROP VIEW named").await;
        assert_eq!(sandbox.drift().await, [], "{engine}: it is made again");
        sandbox.execute("CREATE VIEW named AS SELECT name FROM item").await;
        assert_ne!(sandbox.drift().await, [], "{engine}: made by hand");
    }
}

#[tokio::test]
async fn seeds_run_once_and_again_when_they_change() {
    for engine in engines() {
        let mut sandbox = Sandbox::with_item(engine).await;
        sandbox.settings.placeholders.common.insert("who".to_owned(), "root".to_owned());
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
        sandbox.again(Repeat::Seed, "010_items", "INSERT INTO item VALUES (1, '${who}');");
        sandbox.again(
            Repeat::Seed,
            "020_more",
            "INSERT INTO item VALUES (2, 'two');\n-- dbm: verify\nSELECT count(*) = 2 FROM item;",
        );
        let report = sandbox.seed().await;
        assert_eq!(report.outcome, Outcome::Done, "{engine}: {:?}", report.failure);
        assert_eq!(
            (labels(&report), report.checks),
            (vec!["seeds/010_items".into(), "seeds/020_more".into()], 1)
        );
        assert!(report.backup.is_some());
        assert!(sandbox.seed().await.migrations.is_empty(), "{engine}: it is there");
        assert_eq!(sandbox.ask("SELECT name FROM item ORDER BY id").await, "root\ntwo");

        let before = sandbox.everything();
        sandbox.again(
            Repeat::Seed,
            "020_more",
            "DELETE FROM item;\nINSERT INTO item VALUES (2, 'two'), (2, 'twice');",
        );
        let report = sandbox.seed().await;
        assert_eq!(report.outcome, undone(engine), "{engine}");
        assert_eq!(sandbox.everything(), before, "{engine}");
        sandbox.again(Repeat::Seed, "020_more", "UPDATE item SET name = 'zwei' WHERE id = 2;");
        assert_eq!(labels(&sandbox.seed().await), ["seeds/020_more"]);
        assert_eq!(sandbox.states().await, [RepeatedState::Applied; 2]);
        // A run of migrations leaves them alone, and a rollback too.
        let back = RollbackOptions { until: Until::All, module: None };
        sandbox.runner().rollback(&sandbox.migrations(), &back).await.unwrap();
        assert_eq!(labels(&sandbox.migrate_all().await), ["001_item"]);
        let again = sandbox.runner().seed(&sandbox.repeated(Repeat::Seed), true).await.unwrap();
        assert_eq!((again.outcome, again.migrations.len()), (Outcome::Done, 2), "{:?}", again.failure);
    }
}
