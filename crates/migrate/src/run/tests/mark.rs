//! `baseline`, `stamp` and `repair` change the history and nothing else; one run's rollback.

use super::{Sandbox, engines};
use crate::compare::{What, compare};
use crate::history::{self, Applied, Change, Mark, State, Ways};
use crate::plan::{Allowed, RollbackOptions, Until};
use crate::run::Compared;
use crate::{MigrateOptions, Outcome};

const FIRST: &str = "CREATE TABLE item (id int PRIMARY KEY);";
const SECOND: &str = "CREATE TABLE note (id int PRIMARY KEY);";

fn files(sandbox: &Sandbox) {
    sandbox.file("001_item", FIRST, "DROP TABLE item;");
    sandbox.file("002_note", SECOND, "DROP TABLE note;");
}

async fn sandbox(engine: database::Engine) -> Sandbox {
    let mut sandbox = Sandbox::new(engine).await;
    sandbox.allow(Allowed { accept_lost_writes: true, ..Default::default() });
    files(&sandbox);
    sandbox
}

fn labels(rows: &[Applied]) -> Vec<(u64, State)> {
    rows.iter().map(|row| (row.number, row.state)).collect()
}

async fn mark(
    sandbox: &Sandbox,
    decide: impl Fn(&[crate::files::Migration], &[Applied]) -> backup::Result<Vec<Change>>,
) -> backup::Result<usize> {
    let migrations = sandbox.migrations();
    Ok(sandbox.runner().mark(|rows| decide(&migrations, &rows.applied)).await?.changes.len())
}

#[tokio::test]
async fn a_database_of_others_is_taken_over() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        sandbox.execute(FIRST).await;
        sandbox.execute("INSERT INTO item VALUES (7)").await;
        let before = sandbox.database.schema().await.unwrap();
        assert_eq!(
            mark(&sandbox, |files, rows| history::baseline(files, rows, Mark::To(1))).await.unwrap(),
            1
        );
        assert_eq!(labels(&sandbox.history().await), [(1, State::Satisfied)]);
        assert_eq!(sandbox.migrate().await.migrations.len(), 1, "{engine}: only what is not there is made");
        assert_eq!(labels(&sandbox.history().await), [(1, State::Satisfied), (2, State::Applied)]);
        let again =
            mark(&sandbox, |files, rows| history::baseline(files, rows, Mark::Head)).await.unwrap_err();
        assert_eq!(again.kind(), backup::ErrorKind::Refused);
        let all = RollbackOptions { until: Until::All, module: None };
        let report = sandbox.runner().rollback(&sandbox.migrations(), &all).await.unwrap();
        assert_eq!(report.outcome, Outcome::Done, "{report:?}");
        let after = sandbox.database.schema().await.unwrap();
        let differences = compare(engine, &before, &after, What::Everything);
        assert!(differences.is_empty(), "dbm drops nothing that it did not make: {differences:?}");
        assert_eq!(sandbox.ask("SELECT id FROM item").await, "7");
    }
}

#[tokio::test]
async fn what_others_made_is_forgotten_without_a_fence() {
    for engine in engines() {
        let mut sandbox = sandbox(engine).await;
        sandbox.allow(Allowed::default());
        sandbox.execute(FIRST).await;
        sandbox.execute(SECOND).await;
        let baseline =
            |files: &[crate::files::Migration], rows: &[Applied]| history::baseline(files, rows, Mark::Head);
        assert_eq!(mark(&sandbox, baseline).await.unwrap(), 2);
        let before = sandbox.database.schema().await.unwrap();
        let last = RollbackOptions { until: Until::Count(1), module: None };
        let report = sandbox.runner().rollback(&sandbox.migrations(), &last).await.unwrap();
        assert_eq!(report.outcome, Outcome::Done, "{engine}: {report:?}");
        assert_eq!(labels(&sandbox.history().await), [(1, State::Satisfied)]);

        // The row goes with the mark that says so, or stays.
        let all = RollbackOptions { until: Until::All, module: None };
        let (runner, migrations, options) = (sandbox.runner(), sandbox.migrations(), all.clone());
        let work = async move { runner.rollback(&migrations, &options).await.map(drop) };
        assert!(sandbox.crash_in("commit:before", work).await, "{engine}");
        assert_eq!(labels(&sandbox.history().await), [(1, State::Satisfied)], "{engine}");
        let report = sandbox.runner().rollback(&sandbox.migrations(), &all).await.unwrap();
        assert_eq!(report.outcome, Outcome::Done, "{engine}: {report:?}");
        assert!(sandbox.history().await.is_empty());
        let after = sandbox.database.schema().await.unwrap();
        let differences = compare(engine, &before, &after, What::Everything);
        assert!(differences.is_empty(), "{engine}: {differences:?}");
    }
}

#[tokio::test]
async fn a_stamp_changes_what_counts_as_applied() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        sandbox.migrate().await;
        let before = sandbox.everything();
        let stamp = |last| {
            move |files: &[crate::files::Migration], rows: &[Applied]| history::stamp(files, rows, last)
        };
        assert_eq!(mark(&sandbox, stamp(Mark::To(1))).await.unwrap(), 1);
        assert_eq!(labels(&sandbox.history().await), [(1, State::Applied)]);
        assert_eq!(mark(&sandbox, stamp(Mark::Head)).await.unwrap(), 1);
        assert_eq!(labels(&sandbox.history().await), [(1, State::Applied), (2, State::Satisfied)]);
        assert_eq!(mark(&sandbox, stamp(Mark::Head)).await.unwrap(), 0);
        assert_eq!(sandbox.everything(), before);
    }
}

#[tokio::test]
async fn a_history_is_repaired() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        sandbox.migrate().await;
        sandbox.file("001_item", &format!("-- why\n{FIRST}"), "DROP TABLE item; -- it's \\ 'theirs'");
        std::fs::remove_file(sandbox.path().join("migrations/002_note.sql")).unwrap();
        std::fs::remove_file(sandbox.path().join("rollback/002_note.sql")).unwrap();
        sandbox.file("002_other", "SELECT 1;", "SELECT 1;");
        sandbox.file("003_note", SECOND, "DROP TABLE note;");
        assert!(sandbox.runner().migrate(&sandbox.migrations(), &MigrateOptions::default()).await.is_err());
        // 002 has another text now, so that what was moved is not mistaken for it.
        let rows = sandbox.history().await;
        assert_eq!(history::broken(&sandbox.migrations(), &rows).unwrap().len(), 2);
        let ways = Ways { accept: Some(vec![1]), forget: None };
        let migrations = sandbox.migrations();
        let marked = sandbox.runner().mark(|rows| history::repair(&migrations, &[], rows, &ways)).await;
        assert_eq!(marked.unwrap().changes.len(), 1);
        std::fs::remove_file(sandbox.path().join("migrations/002_other.sql")).unwrap();
        std::fs::remove_file(sandbox.path().join("rollback/002_other.sql")).unwrap();
        let folder = crate::files::Folder {
            migrations: sandbox.path().join("migrations"),
            rollback: sandbox.path().join("rollback"),
        };
        let migrations = crate::files::read_for_rollback(&folder).unwrap();
        let all = Ways { accept: Some(vec![]), forget: Some(vec![]) };
        let marked =
            sandbox.runner().mark(|rows| history::repair(&migrations, &[], rows, &all)).await.unwrap();
        assert_eq!(marked.changes.len(), 1, "{marked:?}");
        let rows = sandbox.history().await;
        assert_eq!(labels(&rows), [(1, State::Applied), (3, State::Applied)]);
        assert_eq!(rows[0].rollback.as_deref(), Some("DROP TABLE item; -- it's \\ 'theirs'"));
        assert!(history::broken(&migrations, &rows).unwrap().is_empty());
    }
}

#[tokio::test]
async fn an_open_run_is_not_marked_over() {
    for engine in engines() {
        let mut sandbox = sandbox(engine).await;
        sandbox.settings.yes = true;
        assert!(sandbox.crash("apply-1:noted").await);
        let error = mark(&sandbox, |files, rows| history::stamp(files, rows, Mark::Head)).await.unwrap_err();
        assert!(error.hint().unwrap().contains("dbm recover"), "{error:?}");
        assert!(sandbox.history().await.is_empty());
        let report = sandbox.migrate().await;
        assert_eq!(report.outcome, Outcome::Done, "the lock was given back: {report:?}");
    }
}

#[tokio::test]
async fn one_run_is_rolled_back() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        let first = MigrateOptions { count: Some(1), ..MigrateOptions::default() };
        let report = sandbox.runner().migrate(&sandbox.migrations(), &first).await.unwrap();
        let run = report.run.unwrap();
        sandbox.migrate().await;
        let back = |run: &str| RollbackOptions { until: Until::Run(run.to_owned()), module: None };
        assert!(sandbox.runner().rollback(&sandbox.migrations(), &back("nobody's")).await.is_err());
        let report = sandbox.runner().rollback(&sandbox.migrations(), &back(&run)).await.unwrap();
        assert_eq!(report.migrations.iter().map(|one| one.number).collect::<Vec<_>>(), [1]);
        assert_eq!(labels(&sandbox.history().await), [(2, State::Applied)]);
        // The schema that the second run found had in it what is gone by now.
        let last = RollbackOptions { until: Until::Count(1), module: None };
        let report = sandbox.runner().rollback(&sandbox.migrations(), &last).await.unwrap();
        assert_eq!(
            (report.not_undone.as_slice(), report.compared),
            (&[][..], Some(Compared::Replayed)),
            "{engine}"
        );
    }
}
