//! What was changed by hand, and what a run says to it.

use std::sync::Arc;

use database::Engine;

use super::{Sandbox, engines};
use crate::files::{Folder, read_for_rollback};
use crate::history::{self, Mark, Records, Ways};
use crate::placeholders::{NoVariables, Variables};
use crate::plan::Allowed;
use crate::scratch::{Scratch, drift};
use crate::{MigrateOptions, Outcome, Restoring, RollbackOptions, Until};

const LOST: Allowed = Allowed {
    no_backup: false,
    fence: false,
    accept_lost_writes: true,
    server_wide: false,
    detach_replication: false,
    drift: false,
    disposable: false,
};

/// One with the tables `item` and `other`, made by two migrations.
async fn two_tables(engine: Engine) -> Sandbox {
    let mut sandbox = Sandbox::with_item(engine).await;
    sandbox.allow(LOST);
    sandbox.file("002_other", "CREATE TABLE other (id int);", "DROP TABLE other;");
    assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
    sandbox
}

fn add_column(sandbox: &Sandbox, number: u8, table: &str) {
    let (name, column) = (format!("00{number}_column"), format!("column{number}"));
    sandbox.file(
        &name,
        &format!("ALTER TABLE {table} ADD COLUMN {column} int;"),
        &format!("ALTER TABLE {table} DROP COLUMN {column};"),
    );
}

async fn refusal(sandbox: &Sandbox) -> String {
    let done = sandbox.runner().migrate(&sandbox.migrations(), &MigrateOptions::default()).await;
    done.expect_err("it touches what was changed by hand").to_string()
}

#[tokio::test]
async fn what_was_changed_by_hand_is_not_touched_unless_that_is_allowed() {
    for engine in engines() {
        let mut sandbox = two_tables(engine).await;
        sandbox.execute("ALTER TABLE item ADD COLUMN colour int").await;
        sandbox.execute("CREATE INDEX by_colour ON item (colour)").await;
        add_column(&sandbox, 3, "item");
        let before = sandbox.everything();
        let said = refusal(&sandbox).await;
        assert!(said.contains("item is another one"), "{engine}: {said}");
        let planned = sandbox.runner().plan_migrate(&sandbox.migrations(), &MigrateOptions::default()).await;
        assert_eq!(planned.unwrap_err().to_string(), said, "{engine}: a dry run says the same");
        assert_eq!((sandbox.everything(), sandbox.history().await.len()), (before, 2), "{engine}");

        // What touches nothing of it is run, forward and back, and takes no note of it.
        add_column(&sandbox, 3, "other");
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done, "{engine}");
        let back = RollbackOptions { until: Until::Count(1), module: None };
        let back = sandbox.runner().rollback(&sandbox.migrations(), &back).await.unwrap();
        assert_eq!((back.outcome, back.not_undone), (Outcome::Done, Vec::new()), "{engine}");
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done, "{engine}");
        add_column(&sandbox, 4, "item");
        assert_eq!(refusal(&sandbox).await, said, "{engine}");

        // What is allowed once is known from then on.
        sandbox.allow(Allowed { drift: true, ..LOST });
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done, "{engine}");
        sandbox.allow(LOST);
        add_column(&sandbox, 5, "item");
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done, "{engine}");
        assert!(!sandbox.notes().contains("looked for"), "{engine}: {}", sandbox.notes());
    }
}

/// One word for one table is none for another that was changed by hand, too.
#[tokio::test]
async fn only_what_is_touched_is_taken_as_it_is() {
    for engine in engines() {
        let mut sandbox = two_tables(engine).await;
        for table in ["item", "other"] {
            sandbox.execute(&format!("ALTER TABLE {table} ADD COLUMN by_hand int")).await;
        }
        add_column(&sandbox, 3, "item");
        sandbox.allow(Allowed { drift: true, ..LOST });
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done, "{engine}");
        let said = sandbox.notes();
        assert!(
            said.contains("is taken as it is from then on") && !said.contains("other is"),
            "{engine}: {said}"
        );
        sandbox.allow(LOST);
        add_column(&sandbox, 4, "item");
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done, "{engine}");
        add_column(&sandbox, 5, "other");
        let said = refusal(&sandbox).await;
        assert!(said.contains("other is another one") && !said.contains("item"), "{engine}: {said}");
    }
}

/// Another server may say the same in other words; what is new or gone is known all the same.
#[tokio::test]
async fn an_update_of_the_server_does_not_hide_what_was_made_by_hand() {
    for engine in engines() {
        let sandbox = two_tables(engine).await;
        sandbox.execute("CREATE TABLE by_hand (id int)").await;
        sandbox
            .execute("UPDATE dbm_history SET algorithm = 'older' WHERE number < 0 AND name = 'last'")
            .await;
        add_column(&sandbox, 3, "item");
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done, "{engine}");
        assert!(sandbox.notes().contains("only what is new or gone is looked for"), "{}", sandbox.notes());
        add_column(&sandbox, 4, "by_hand");
        let said = refusal(&sandbox).await;
        assert!(said.contains("by_hand is there, and was not"), "{engine}: {said}");
    }
}

#[tokio::test]
async fn what_is_there_before_its_migrations_is_no_drift() {
    for engine in engines() {
        let mut sandbox = Sandbox::with_item(engine).await;
        sandbox.allow(LOST);
        sandbox.execute("CREATE TABLE item (id int PRIMARY KEY, name varchar(20), theirs int)").await;
        sandbox.file("001_item", "-- dbm: unless table item\nCREATE TABLE item (id int);", "SELECT 1;");
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done, "{engine}");
        add_column(&sandbox, 2, "item");
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done, "{engine}");

        // A database that has everything, by another tool.
        let mut sandbox = Sandbox::with_item(engine).await;
        sandbox.allow(LOST);
        sandbox.execute("CREATE TABLE item (id int PRIMARY KEY, name varchar(20), theirs int)").await;
        let migrations = sandbox.migrations();
        let all = |records: &crate::history::Records| {
            crate::history::baseline(&migrations, &records.applied, crate::history::Mark::Head)
        };
        sandbox.runner().mark(all).await.unwrap();
        add_column(&sandbox, 2, "item");
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done, "{engine}");
        assert!(!sandbox.notes().contains("by hand"), "{engine}: {}", sandbox.notes());

        // Where nobody knows what was there, it is said.
        sandbox.execute("DELETE FROM dbm_history WHERE number < 0").await;
        sandbox.execute("CREATE INDEX by_hand ON item (theirs)").await;
        add_column(&sandbox, 3, "item");
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done, "{engine}");
        assert!(
            sandbox.notes().contains("changed by hand is not looked for"),
            "{engine}: {}",
            sandbox.notes()
        );
    }
}

/// A rollback that leaves a grant behind is told.
#[tokio::test]
async fn a_rollback_is_compared_with_its_privileges() {
    let sandbox = Sandbox::with_item(Engine::Postgres).await;
    assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
    sandbox.file("002_read", "GRANT SELECT ON item TO PUBLIC;", "REVOKE SELECT ON item FROM PUBLIC;");
    let back = RollbackOptions { until: Until::Count(1), module: None };
    for (rollback, left) in [("REVOKE SELECT ON item FROM PUBLIC;", 0), ("SELECT 1;", 1)] {
        sandbox.file("002_read", "GRANT SELECT ON item TO PUBLIC;", rollback);
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
        let report = sandbox.runner().rollback(&sandbox.migrations(), &back).await.unwrap();
        assert_eq!(
            (report.outcome, report.not_undone.len()),
            (Outcome::Done, left),
            "{:?}",
            report.not_undone
        );
    }
}

/// What came out of a dump is shown by PostgreSQL in other words than what was made first.
#[tokio::test]
async fn a_restored_database_has_not_drifted() {
    let sandbox = Sandbox::with_item(Engine::Postgres).await;
    let kinds = "CREATE TABLE kinds (kind varchar(9) CONSTRAINT known CHECK (kind IN ('a', 'b')));";
    sandbox.file("002_kinds", kinds, "DROP TABLE kinds;");
    assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
    sandbox.file("003_more", "CREATE TABLE more (id int);", "DROP TABLE more;");
    let name = sandbox.migrate().await.backup.unwrap().name.parse().unwrap();
    let restored = sandbox.runner().restore(&name, &Restoring::default()).await.unwrap();
    assert_eq!(restored.outcome, Outcome::Done, "{:?}", restored.failure);
    let variables: Arc<dyn Variables> = Arc::new(NoVariables);
    for expected in [0, 1] {
        let scratch = Scratch::new(&sandbox.database).await.unwrap();
        let (target, files) = (&sandbox.database, sandbox.migrations());
        let found = drift(target, &scratch, &files, &sandbox.settings, &variables).await;
        scratch.discard().await.unwrap();
        assert_eq!(found.as_ref().unwrap().len(), expected, "{found:#?}");
        sandbox.execute("ALTER TABLE kinds DROP CONSTRAINT known").await;
        sandbox.execute("ALTER TABLE kinds ADD CONSTRAINT known CHECK (kind IN ('a', 'c'))").await;
    }
}

/// Who says that a file's work is not there says it of what the file is about.
#[tokio::test]
async fn what_is_stamped_away_may_be_gone() {
    for engine in engines() {
        let sandbox = two_tables(engine).await;
        add_column(&sandbox, 3, "item");
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done, "{engine}");
        sandbox.execute("ALTER TABLE item DROP COLUMN column3").await;
        let migrations = sandbox.migrations();
        let back = |records: &Records| history::stamp(&migrations, &records.applied, Mark::To(2));
        sandbox.runner().mark(back).await.unwrap();
        let report = sandbox.migrate().await;
        assert_eq!((report.outcome, report.migrations.len()), (Outcome::Done, 1), "{engine}: {report:?}");
    }
}

/// Who says that a file's work is done says it of what the file is about, and of nothing else.
#[tokio::test]
async fn a_mark_takes_what_its_files_are_about() {
    for engine in engines() {
        let sandbox = two_tables(engine).await;
        sandbox.execute("ALTER TABLE item ADD COLUMN column3 int").await;
        sandbox.execute("ALTER TABLE other ADD COLUMN by_hand int").await;
        add_column(&sandbox, 3, "item");
        let migrations = sandbox.migrations();
        let stamp = |mark| {
            let migrations = &migrations;
            move |records: &Records| history::stamp(migrations, &records.applied, mark)
        };
        sandbox.runner().mark(stamp(Mark::Head)).await.unwrap();
        let said = sandbox.notes();
        assert!(said.contains("item is another one") && !said.contains("other is"), "{engine}: {said}");
        add_column(&sandbox, 4, "item");
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done, "{engine}");
        add_column(&sandbox, 5, "other");
        let said = refusal(&sandbox).await;
        assert!(said.contains("other is another one") && !said.contains("item"), "{engine}: {said}");

        // A row that leaves the history says it of what it was about, and a file that is renumbered says nothing.
        sandbox.runner().mark(stamp(Mark::To(3))).await.unwrap();
        for folder in ["migrations", "rollback"] {
            let file = |name: &str| sandbox.path().join(folder).join(name);
            std::fs::remove_file(file("004_column.sql")).unwrap();
            std::fs::remove_file(file("005_column.sql")).unwrap();
            std::fs::rename(file("002_other.sql"), file("004_other.sql")).unwrap();
        }
        let folder = Folder {
            migrations: sandbox.path().join("migrations"),
            rollback: sandbox.path().join("rollback"),
        };
        let migrations = read_for_rollback(&folder).unwrap();
        let ways = Ways { accept: Some(vec![2]), forget: None };
        sandbox.runner().mark(|records| history::repair(&migrations, &[], records, &ways)).await.unwrap();
        sandbox.file("002_same", "SELECT 1;", "SELECT 1;");
        let migrations = sandbox.migrations();
        let head = |records: &Records| history::stamp(&migrations, &records.applied, Mark::Head);
        sandbox.runner().mark(head).await.unwrap();
        add_column(&sandbox, 5, "other");
        let said = refusal(&sandbox).await;
        assert!(said.contains("other is another one") && !said.contains("item"), "{engine}: {said}");

        // A text that was changed is about what it names.
        let text = "-- by hand, too\nCREATE TABLE other (id int);";
        sandbox.file("004_other", text, "DROP TABLE other;");
        let migrations = sandbox.migrations();
        let ways = Ways { accept: Some(vec![4]), forget: None };
        sandbox.runner().mark(|records| history::repair(&migrations, &[], records, &ways)).await.unwrap();
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done, "{engine}");
    }
}
