//! What cannot be compared, or is better not run again, is said to be in doubt.

use std::sync::{Arc, Mutex};

use database::Engine;
use tokio_util::sync::CancellationToken;

use super::super::engines;
use super::{DOWN, UP, back, migrate, sandbox};
use crate::{Compared, Event, Moment, Outcome, RollbackOptions, Until, Watch};

#[tokio::test]
async fn what_cannot_be_compared_says_why() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        sandbox.file("002_more", UP, DOWN);
        sandbox.file("003_view", "CREATE VIEW v AS SELECT id FROM item;", "DROP VIEW v;");
        migrate(&sandbox).await;
        sandbox.execute("UPDATE dbm_history SET checksum = 'another' WHERE number = 1").await;
        let report = back(&sandbox, Until::Count(1)).await;
        assert_eq!((report.compared, report.not_undone.len()), (Some(Compared::WithinRun), 0), "{engine}");
        assert!(report.uncompared.as_ref().unwrap().contains("001_item"), "{engine}: {report:?}");
        assert_eq!(sandbox.history().await.len(), 2, "{engine}: the rollback is kept");
    }
}

/// Nobody has asked for what is run again, so that it is to reach nothing else.
#[tokio::test]
async fn what_may_reach_others_is_not_run_again() {
    if !engines().contains(&Engine::Postgres) {
        return;
    }
    let sandbox = sandbox(Engine::Postgres).await;
    sandbox.execute("CREATE FOREIGN DATA WRAPPER far").await;
    sandbox.execute("CREATE SERVER away FOREIGN DATA WRAPPER far").await;
    sandbox.file("002_more", UP, DOWN);
    migrate(&sandbox).await;
    let report = back(&sandbox, Until::Count(1)).await;
    assert_eq!(report.compared, Some(Compared::WithinRun));
    assert!(report.uncompared.as_ref().unwrap().contains("foreign server away"), "{report:?}");
}

/// Stops the run when the comparison begins.
struct Stops {
    cancel: CancellationToken,
    said: Mutex<Vec<String>>,
}

impl Watch for Stops {
    fn step(&self, event: &Event) {
        if event.step == "compare" && event.moment == Moment::Before {
            self.cancel.cancel();
        }
        self.said.lock().unwrap().extend(event.error.clone());
    }
}

#[tokio::test]
async fn a_stop_leaves_the_comparison_out() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        sandbox.file("002_more", UP, DOWN);
        migrate(&sandbox).await;
        let stops = Arc::new(Stops { cancel: CancellationToken::new(), said: Mutex::default() });
        let watch: Arc<dyn Watch> = Arc::clone(&stops) as Arc<dyn Watch>;
        let runner = sandbox.runner().with_watch(watch).with_cancel(stops.cancel.clone());
        let one = RollbackOptions { until: Until::Count(1), module: None };
        let report = runner.rollback(&sandbox.migrations(), &one).await.unwrap();
        assert_eq!((report.outcome, report.compared), (Outcome::Done, Some(Compared::WithinRun)), "{engine}");
        assert_eq!(report.uncompared.as_deref(), Some("stopped on request"), "{engine}");
        assert!(report.state.contains("committed"), "{engine}: {}", report.state);
        assert_eq!(*stops.said.lock().unwrap(), ["stopped on request"], "{engine}");
        assert_eq!(sandbox.history().await.len(), 1, "{engine}");
    }
}

/// What files make of the rows that they find is in no scratch database.
#[tokio::test]
async fn what_goes_by_rows_is_not_called_undone() {
    if !engines().contains(&Engine::Postgres) {
        return;
    }
    let sandbox = sandbox(Engine::Postgres).await;
    sandbox.execute("CREATE TABLE tenant (name text); INSERT INTO tenant VALUES ('a')").await;
    sandbox.file("002_plain", "CREATE TABLE plain (id int);", "DROP TABLE plain;");
    sandbox.file(
        "003_notes",
        "DO $$ DECLARE t text; BEGIN\n\
         IF to_regclass('tenant') IS NULL THEN RETURN; END IF;\n\
         FOR t IN SELECT name FROM tenant LOOP EXECUTE format('CREATE TABLE note_%s (id int)', t); END LOOP;\n\
         END $$;",
        "SELECT 1;",
    );
    migrate(&sandbox).await;
    let report = back(&sandbox, Until::Count(1)).await;
    assert_eq!(report.compared, Some(Compared::ReplayedInPart), "{:?}", report.not_undone);
    let doubt = report.uncompared.unwrap_or_default();
    assert!(doubt.contains("table public.note_a is there") && doubt.contains("no rows"), "{doubt}");
    assert!(!doubt.contains("tenant"), "{doubt}");
}

/// What a file brings along and takes away again is not in the database when it is looked at.
#[tokio::test]
async fn what_could_change_others_is_not_run_again_unasked() {
    if !engines().contains(&Engine::Postgres) {
        return;
    }
    for text in [
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE false;",
        "DO $$ BEGIN EXECUTE 'CREATE  EXTENSION postgres_fdw'; EXCEPTION WHEN others THEN NULL; END $$;",
    ] {
        let sandbox = sandbox(Engine::Postgres).await;
        sandbox.file("002_others", text, "SELECT 1;");
        sandbox.file("003_plain", "CREATE TABLE plain (id int);", "DROP TABLE plain;");
        migrate(&sandbox).await;
        let report = back(&sandbox, Until::Count(1)).await;
        assert_eq!(report.compared, Some(Compared::WithinRun));
        let why = report.uncompared.unwrap_or_default();
        assert!(why.contains("002_others could change others") && why.contains('`'), "{why}");
    }
}
