//! Runs and restores by an account that may make no database beside its own.

use backup::dump::BackupOptions;
use backup::progress::Silent;
use backup::store::LocalStore;

use super::Sandbox;
use crate::plan::Allowed;
use crate::{Outcome, Restoring};

const BASE: &str = "CREATE TABLE item (id int PRIMARY KEY, name text);
    INSERT INTO item VALUES (1, 'one'), (2, 'two ''quoted'' \\\\ and more');
    CREATE TABLE note (item int, body text, CONSTRAINT of_item FOREIGN KEY (item) REFERENCES item (id));
    INSERT INTO note VALUES (1, 'n'); CREATE VIEW names AS SELECT name FROM item;
    CREATE TABLE log (id int); CREATE PROCEDURE count_them() SELECT count(*) FROM item";

/// It leaves a view without its table, and a constraint's name with another table.
const BROKEN: &str = "ALTER TABLE note DROP FOREIGN KEY of_item;
CREATE TABLE other (item int, CONSTRAINT of_item FOREIGN KEY (item) REFERENCES item (id));
RENAME TABLE item TO thing;
INSERT INTO thing (id, name) VALUES (3, 'x');
SELECT nothing FROM nowhere;";
const WORKING: &str = "INSERT INTO item (id, name) VALUES (4, 'four');";

async fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::alone().await;
    sandbox.allow(Allowed { accept_lost_writes: true, ..Allowed::default() });
    sandbox.execute(BASE).await;
    sandbox
}

async fn leftovers(sandbox: &Sandbox) -> String {
    sandbox
        .ask("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()
                 AND (table_name LIKE 'dbm\\_new%' OR table_name LIKE 'dbm\\_old%' OR table_name LIKE '%\\_replaced\\_%')")
        .await
}

#[tokio::test]
async fn a_run_that_fails_is_put_back_in_place_on_mysql() {
    let sandbox = sandbox().await;
    sandbox.file("001_first", BROKEN, "SELECT 1;");
    let before = sandbox.everything();
    let report = sandbox.migrate().await;
    assert_eq!(report.outcome, Outcome::PutBack, "{report:?}");
    assert_eq!(sandbox.everything(), before);
    assert_eq!(leftovers(&sandbox).await, "");
    assert!(report.restored.unwrap().replaced.is_none());
    let notes = sandbox.watch.notes.lock().unwrap().join("\n");
    assert!(notes.contains("is kept as the backup"), "{notes}");
    assert!(sandbox.history().await.is_empty());
    sandbox.file("001_first", WORKING, "SELECT 1;");
    let report = sandbox.migrate().await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(sandbox.ask("SELECT MAX(id) FROM item").await, "4");
}

#[tokio::test]
async fn an_archive_takes_the_place_of_what_is_there_on_mysql() {
    let sandbox = sandbox().await;
    let store = LocalStore::new(sandbox.path().join("store"));
    sandbox.database.ensure_source_id().await.unwrap();
    let options = BackupOptions::default();
    let written = backup::dump::create(&sandbox.database, &store, &options, &Silent).await.unwrap();
    let before = sandbox.everything();
    sandbox.execute("DROP TABLE log; CREATE TABLE more (x int); INSERT INTO more VALUES (1)").await;
    let restoring = Restoring { disconnect: true, ..Restoring::default() };
    let report = sandbox.runner().restore(&written.name, &restoring).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(sandbox.everything(), before);
    assert_eq!(leftovers(&sandbox).await, "");
    assert!(sandbox.runner().open_run().await.unwrap().is_none());
}

/// At each step that only a way back in place has.
#[tokio::test]
async fn crashes_of_a_way_back_in_place_on_mysql() {
    let mut steps = Vec::new();
    for at in std::iter::once(None).chain((0..).map(Some)) {
        let mut sandbox = sandbox().await;
        sandbox.file("001_first", BROKEN, "SELECT 1;");
        let before = sandbox.everything();
        let Some(at) = at else {
            assert_eq!(sandbox.migrate().await.outcome, Outcome::PutBack);
            steps = sandbox.events();
            let first = steps.iter().position(|step| step == "back-up-first:before").expect("in place");
            steps.drain(..first);
            continue;
        };
        let Some(step): Option<&String> = steps.get::<usize>(at) else { break };
        assert!(sandbox.crash(step).await, "{step}");
        sandbox.settings.yes = true;
        let report = sandbox.runner().recover().await.unwrap();
        assert_eq!(report.outcome, Outcome::Done, "{step}: {report:?}");
        assert_eq!(sandbox.everything(), before, "{step}");
        assert_eq!(leftovers(&sandbox).await, "", "{step}");
        assert!(sandbox.runner().open_run().await.unwrap().is_none());
    }
    assert!(steps.len() > 5, "{steps:?}");
}
