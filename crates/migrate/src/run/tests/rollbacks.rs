//! Rollbacks that are tried in a scratch database, which reaches nothing else and is gone afterwards.

use std::sync::Arc;

use database::Engine;

use super::{Sandbox, engines};
use crate::files::Rule;
use crate::placeholders::{NoVariables, Variables};
use crate::scratch::{self, Proof, Scratch, Tried};
use crate::{Compared, Outcome, RollbackOptions, Until};

async fn tried(sandbox: &Sandbox) -> backup::Result<Vec<Tried>> {
    let scratch = Scratch::new(&sandbox.database).await?;
    let variables: Arc<dyn Variables> = Arc::new(NoVariables);
    let migrations = sandbox.migrations();
    let tried =
        Box::pin(scratch::prove_rollbacks(&scratch, &migrations, &sandbox.settings, &variables, &|_| {}))
            .await;
    scratch.discard().await?;
    assert!(backup::restore::leftovers(&sandbox.database).await?.is_empty(), "nothing is left of it");
    tried
}

fn words(tried: &[Tried]) -> Vec<&'static str> {
    let word = |one: &Tried| match &one.proof {
        Proof::Undone => "undone",
        Proof::Irreversible => "irreversible",
        Proof::Fails { .. } => "fails",
        Proof::RollbackFails { .. } => "rollback fails",
        Proof::NotUndone { .. } => "not undone",
        Proof::NotAgain { .. } => "not again",
    };
    tried.iter().map(word).collect()
}

#[tokio::test]
async fn each_rollback_is_told_what_it_does() {
    for engine in engines() {
        let sandbox = Sandbox::new(engine).await;
        sandbox.execute("CREATE TABLE theirs (id int)").await;
        let before = sandbox.everything();
        sandbox.file(
            "001_item",
            "CREATE TABLE item (id int PRIMARY KEY, name varchar(20));",
            "DROP TABLE item;",
        );
        sandbox.file(
            "002_name",
            "CREATE INDEX item_name ON item (name);\nCREATE VIEW v AS SELECT id FROM item;",
            "DROP VIEW v;",
        );
        sandbox.file("003_note", "CREATE TABLE note (id int);", "DROP TABLE notes;");
        sandbox.file(
            "004_kept",
            "-- dbm: irreversible the rows are gone\nCREATE TABLE kept (id int);",
            "SELECT 1;",
        );
        sandbox.file(
            "005_weight",
            "ALTER TABLE item ADD COLUMN weight int;",
            "ALTER TABLE item DROP COLUMN weight;",
        );
        // What 002 leaves is in its own way when it is applied again.
        let found = tried(&sandbox).await.unwrap();
        assert_eq!(words(&found), ["undone", "not again"], "{engine} {found:?}");
        let Proof::NotAgain { differences, .. } = &found[1].proof else { panic!("{found:?}") };
        assert!(differences.iter().any(|one| one.line().contains("item")), "{differences:?}");
        sandbox.file(
            "002_name",
            "CREATE VIEW v AS SELECT id FROM item;\nCREATE TABLE IF NOT EXISTS more (id int);",
            "DROP VIEW v;",
        );
        let found = tried(&sandbox).await.unwrap();
        let expected = ["undone", "not undone", "rollback fails", "irreversible", "undone"];
        // A failure where nothing is rolled back is the last thing that is tried.
        let expected = if engine == database::Engine::Mysql { &expected[..3] } else { &expected[..] };
        assert_eq!(words(&found), expected, "{engine} {found:?}");
        let findings = scratch::findings(&sandbox.migrations(), &found);
        assert!(findings.iter().all(|one| one.rule == Rule::Rollback), "{findings:?}");
        assert!(findings.len() == 2 && findings[1].path.ends_with("003_note.sql"), "{findings:?}");
        assert_eq!(sandbox.everything(), before, "{engine}: the target is untouched");
        assert!(sandbox.history().await.is_empty());
    }
}

#[tokio::test]
async fn one_that_cannot_be_applied_ends_the_trial() {
    for engine in engines() {
        let sandbox = Sandbox::new(engine).await;
        sandbox.file(
            "001_item",
            "CREATE TABLE item (id int);\nSELECT nothing FROM nowhere;",
            "DROP TABLE item;",
        );
        sandbox.file("002_note", "CREATE TABLE note (id int);", "DROP TABLE note;");
        assert_eq!(words(&tried(&sandbox).await.unwrap()), ["fails"]);
    }
}

/// DESIGN's walls: what names the real database is refused, or has no rights there.
#[tokio::test]
async fn a_scratch_run_reaches_nothing_else() {
    for engine in engines() {
        let sandbox = Sandbox::new(engine).await;
        sandbox.execute("CREATE TABLE theirs (id int)").await;
        sandbox.execute("INSERT INTO theirs VALUES (1)").await;
        let before = sandbox.everything();
        let name = sandbox.database.name();
        let texts = match engine {
            database::Engine::Mysql => vec![
                format!("USE {name};\nDROP TABLE theirs;"),
                format!("DROP TABLE {name}.theirs;"),
                // What no scanner sees, the account may not do.
                format!(
                    "SET @text = CONCAT('DROP TABLE ', '{name}', '.theirs');\nPREPARE s FROM @text;\nEXECUTE s;"
                ),
            ],
            database::Engine::Sqlite => {
                let path = sandbox.path().join("shop.db");
                vec![format!("ATTACH '{}' AS other;\nDROP TABLE other.theirs;", path.display())]
            }
            _ => vec![
                format!("ALTER DATABASE {name} SET work_mem = '1MB';"),
                "CREATE ROLE dbm_reached;".to_owned(),
                "COPY (SELECT 1) TO PROGRAM 'true';".to_owned(),
            ],
        };
        for text in texts {
            sandbox.file("001_reach", &text, "SELECT 1;");
            let reached = tried(&sandbox).await;
            assert!(
                !reached.as_ref().is_ok_and(|found| words(found) != ["fails"]),
                "{engine} {text}: {reached:?}"
            );
            assert_eq!(sandbox.everything(), before, "{engine} {text}");
        }
    }
}

/// Nothing after the migrations themselves; then what was done by hand, by name.
#[tokio::test]
async fn what_was_changed_by_hand_is_drift() {
    for engine in engines() {
        let mut sandbox = Sandbox::new(engine).await;
        sandbox.allow(crate::plan::Allowed { accept_lost_writes: true, ..Default::default() });
        sandbox.file(
            "001_item",
            "CREATE TABLE item (id int PRIMARY KEY, name varchar(20) DEFAULT 'x');",
            "DROP TABLE item;",
        );
        sandbox.file("002_view", "CREATE VIEW v AS SELECT id, name FROM item;", "DROP VIEW v;");
        sandbox.file(
            "003_later",
            "ALTER TABLE item ADD COLUMN weight int;",
            "ALTER TABLE item DROP COLUMN weight;",
        );
        let two = crate::MigrateOptions { count: Some(2), ..Default::default() };
        sandbox.runner().migrate(&sandbox.migrations(), &two).await.unwrap();
        let drift = async || {
            let scratch = Scratch::new(&sandbox.database).await.unwrap();
            let variables: Arc<dyn Variables> = Arc::new(NoVariables);
            let found = Box::pin(scratch::drift(
                &sandbox.database,
                &scratch,
                &sandbox.migrations(),
                &sandbox.settings,
                &variables,
            ))
            .await;
            scratch.discard().await.unwrap();
            found.map(|found| {
                found.iter().map(crate::compare::Difference::line).collect::<Vec<_>>().join("; ")
            })
        };
        assert_eq!(drift().await.unwrap(), "", "{engine}: what is pending is no drift");
        sandbox.execute("DROP VIEW v").await;
        sandbox.execute("CREATE TABLE hand (id int)").await;
        sandbox.execute("CREATE INDEX by_name ON item (name)").await;
        let found = drift().await.unwrap();
        for word in ["hand is there, and was not", "v is missing", "item"] {
            assert!(found.contains(word), "{engine}: {found}");
        }
        sandbox.file("001_item", "CREATE TABLE item (id int);", "DROP TABLE item;");
        assert!(drift().await.is_err(), "{engine}: a changed file says nothing of what is there");
    }
}

#[tokio::test]
async fn a_rollback_that_does_not_undo_is_told() {
    for engine in engines() {
        let sandbox = Sandbox::with_item(engine).await;
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
        let drop =
            if engine == Engine::Mysql { "DROP INDEX item_name ON item;" } else { "DROP INDEX item_name;" };
        sandbox.file("002_index", "CREATE INDEX item_name ON item (name);", drop);
        sandbox.file("003_note", "CREATE TABLE note (id int);", "SELECT 1;");
        let roll = async |count| {
            assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
            let back = RollbackOptions { until: Until::Count(count), module: None };
            let report = sandbox.runner().rollback(&sandbox.migrations(), &back).await.unwrap();
            assert_eq!(report.outcome, Outcome::Done, "{engine}: {:?}", report.failure);
            (report.compared, report.not_undone)
        };
        // Of a part of a run nobody has seen what was before.
        let (compared, left) = roll(1).await;
        assert_eq!(compared, Some(Compared::Replayed), "{engine}");
        assert!(left.len() == 1 && left[0].contains("note is there, and was not"), "{engine}: {left:?}");
        sandbox.execute("DROP TABLE note").await;
        let (compared, left) = roll(2).await;
        assert_eq!(compared, Some(Compared::Done), "{engine}");
        assert!(left.iter().any(|line| line.contains("note is there, and was not")), "{engine}: {left:?}");
        assert!(!left.iter().any(|line| line.contains("item")), "{engine}: {left:?}");
        sandbox.execute("DROP TABLE note").await;
        sandbox.file("003_note", "CREATE TABLE note (id int);", "DROP TABLE note;");
        let undone = (Some(Compared::Done), Vec::new());
        assert_eq!(roll(2).await, undone, "{engine}");
        assert_eq!(roll(3).await, undone, "{engine}: two runs, of which the first has its own");
        sandbox.migrate().await;
        // An older dbm has kept it in words of its own.
        sandbox.execute("UPDATE dbm_history SET dbm = '2' WHERE number < 0 AND state = 'schema'").await;
        let replayed = (Some(Compared::Replayed), Vec::new());
        assert_eq!(roll(3).await, replayed, "{engine}");
        sandbox.migrate().await;
        sandbox.execute("DELETE FROM dbm_history WHERE number < 0").await;
        assert_eq!(roll(3).await, replayed, "{engine}");
    }
}

/// What a newer release has applied is taken back by what its rows have kept.
#[tokio::test]
async fn an_older_checkout_takes_back_what_it_has_no_files_of() {
    for engine in engines() {
        let mut sandbox = Sandbox::with_item(engine).await;
        sandbox.settings.placeholders.common.insert("kind".to_owned(), "varchar(7)".to_owned());
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
        let before = sandbox.everything();
        let compact = if engine == Engine::Mysql { "OPTIMIZE TABLE item;" } else { "VACUUM;" };
        let files = [
            ("002_note", "CREATE TABLE note (id ${kind});".to_owned(), "DROP TABLE note;".to_owned()),
            (
                "003_name",
                "ALTER TABLE item ADD COLUMN long_name ${kind};\nINSERT INTO item VALUES (1, 'a', 'it''s');"
                    .to_owned(),
                format!(
                    "-- dbm: no-transaction\nDELETE FROM item;\nALTER TABLE item DROP COLUMN long_name;\n{compact}"
                ),
            ),
        ];
        for (name, up, down) in &files {
            sandbox.file(name, up, down);
        }
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
        for (name, ..) in &files {
            for folder in ["migrations", "rollback"] {
                std::fs::remove_file(sandbox.path().join(folder).join(format!("{name}.sql"))).unwrap();
            }
        }
        let error = sandbox.runner().migrate(&sandbox.migrations(), &crate::MigrateOptions::default()).await;
        assert!(error.unwrap_err().to_string().contains("its file is gone"), "{engine}");
        let back = RollbackOptions { until: Until::To(1), module: None };
        let report = sandbox.runner().rollback(&sandbox.migrations(), &back).await.unwrap();
        assert_eq!(report.outcome, Outcome::Done, "{engine}: {:?}", report.failure);
        assert_eq!((report.compared, report.not_undone), (Some(Compared::Done), Vec::new()), "{engine}");
        assert_eq!(sandbox.everything(), before, "{engine}");
        assert_eq!(sandbox.migrate().await.run, None, "{engine}: nothing is pending");
    }
}
