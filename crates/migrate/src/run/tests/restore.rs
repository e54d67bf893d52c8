//! Restores, alone and over a run that somebody left.

use backup::dump::BackupOptions;
use backup::progress::Silent;
use backup::store::LocalStore;
use database::Engine;
use helpers::naming::BackupName;

use super::{Sandbox, engines};
use crate::plan::Allowed;
use crate::{Outcome, Restoring};

async fn backed_up(sandbox: &Sandbox) -> BackupName {
    let store = LocalStore::new(sandbox.path().join("store"));
    sandbox.database.ensure_source_id().await.unwrap();
    backup::dump::create(&sandbox.database, &store, &BackupOptions::default(), &Silent).await.unwrap().name
}

fn two_groups(sandbox: &Sandbox) {
    sandbox.file("001_a", "ALTER TABLE item ADD COLUMN c int;", "SELECT 1;");
    sandbox.file(
        "002_b",
        "-- dbm: no-transaction\nINSERT INTO item (id) VALUES (2);\nINSERT INTO item (id) VALUES (3);",
        "SELECT 1;",
    );
}

async fn sandbox(engine: Engine) -> Sandbox {
    let mut sandbox = Sandbox::new(engine).await;
    sandbox.allow(Allowed { accept_lost_writes: true, ..Allowed::default() });
    sandbox.execute("CREATE TABLE item (id int); INSERT INTO item VALUES (1)").await;
    sandbox
}

#[tokio::test]
async fn an_archive_takes_the_place_of_the_database() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        let (name, before) = (backed_up(&sandbox).await, sandbox.everything());
        sandbox.execute("DROP TABLE item; CREATE TABLE other (x int)").await;
        let report = sandbox.runner().restore(&name, &Restoring::default()).await.unwrap();
        assert_eq!(report.outcome, Outcome::Done, "{report:?}");
        assert_eq!(sandbox.everything(), before);
        let restored = report.restored.unwrap();
        assert!(restored.replaced.is_some() && restored.archive.rows == 1, "{restored:?}");
        assert!(sandbox.runner().open_run().await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_crash_of_a_restore_leaves_before_or_after() {
    for engine in engines() {
        let mut steps = Vec::new();
        let mut place = 0;
        loop {
            let mut sandbox = sandbox(engine).await;
            let (name, archived) = (backed_up(&sandbox).await, sandbox.everything());
            sandbox.execute("INSERT INTO item VALUES (7)").await;
            let before = sandbox.everything();
            if steps.is_empty() {
                sandbox.runner().restore(&name, &Restoring::default()).await.unwrap();
                steps = sandbox.events();
                assert_eq!(sandbox.everything(), archived);
                continue;
            }
            let Some(step) = steps.get(place) else { break };
            place += 1;
            *sandbox.watch.crash_at.lock().unwrap() = Some(step.clone());
            let runner = sandbox.runner();
            let restored = name.clone();
            tokio::spawn(async move { runner.restore(&restored, &Restoring::default()).await.map(drop) })
                .await
                .unwrap_err();
            sandbox.watch.crash_at.clear_poison();
            *sandbox.watch.crash_at.lock().unwrap() = None;
            sandbox.settings.yes = place % 2 == 0;
            let first = sandbox.runner().recover().await.unwrap();
            sandbox.settings.yes = true;
            let report = sandbox.runner().recover().await.unwrap();
            assert_eq!(report.outcome, Outcome::Done, "{engine} {step}: {first:?} {report:?}");
            let now = sandbox.everything();
            assert!(now == before || now == archived, "{engine} {step}: {report:?}\n{now}");
            assert!(sandbox.runner().open_run().await.unwrap().is_none());
        }
    }
}

#[tokio::test]
async fn an_explicit_restore_closes_what_was_left_open() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        let (name, before) = (backed_up(&sandbox).await, sandbox.everything());
        two_groups(&sandbox);
        assert!(sandbox.crash("commit:before").await);
        let open = sandbox.runner().open_run().await.unwrap().unwrap();
        assert_eq!(open.pinned().len(), 1);
        let report = sandbox.runner().restore(&name, &Restoring::default()).await.unwrap();
        assert_eq!(report.outcome, Outcome::Done, "{report:?}");
        assert_eq!(sandbox.everything(), before);
        assert!(sandbox.runner().open_run().await.unwrap().is_none());
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
    }
}

/// Somebody has removed rows of the journal: what run that was cannot be told, and a restore by name still helps.
#[tokio::test]
async fn a_restore_supersedes_a_journal_without_a_beginning() {
    for engine in engines() {
        let sandbox = sandbox(engine).await;
        let (name, before) = (backed_up(&sandbox).await, sandbox.everything());
        two_groups(&sandbox);
        assert!(sandbox.crash("commit:before").await);
        match sandbox.database.url() {
            database::DatabaseUrl::Sqlite(file) => {
                let journal = std::path::PathBuf::from(format!("{}-dbm", file.path.display()));
                let text = std::fs::read_to_string(&journal).unwrap();
                let kept =
                    text.lines().filter(|line| !line.contains("\"begin\"")).map(|line| format!("{line}\n"));
                std::fs::write(&journal, kept.collect::<String>()).unwrap();
            }
            _ if engine == Engine::Mysql => {
                sandbox.execute("DELETE FROM dbm.journal WHERE number = 0 AND `database` = DATABASE()").await;
            }
            _ => sandbox.execute("DELETE FROM dbm.journal WHERE number = 0").await,
        }
        let error = sandbox.runner().recover().await.unwrap_err();
        assert!(error.to_string().contains("has no beginning"), "{error}");
        assert!(error.hint().unwrap().contains("dbm restore NAME"), "{error:?}");
        let report = sandbox.runner().restore(&name, &Restoring::default()).await.unwrap();
        assert_eq!(report.outcome, Outcome::Done, "{report:?}");
        assert_eq!(sandbox.everything(), before);
        assert_eq!(sandbox.migrate().await.outcome, Outcome::Done);
    }
}

/// The journal at the archive's own moment decides, not the one at the command's start.
#[tokio::test]
async fn a_backup_in_the_middle_of_a_run_is_no_good_one() {
    for engine in engines() {
        let mut sandbox = sandbox(engine).await;
        let store = LocalStore::new(sandbox.path().join("backups"));
        let options =
            BackupOptions { is_open: Some(crate::journal::Told::is_open), ..BackupOptions::default() };
        let back_up = async || {
            let written = backup::dump::create(&sandbox.database, &store, &options, &Silent).await.unwrap();
            assert_eq!(written.unfinished, written.name.to_string().contains("_unfinished."));
            written.unfinished
        };
        assert!(!back_up().await, "no run ever was");
        two_groups(&sandbox);
        assert!(sandbox.crash("commit:before").await);
        assert!(back_up().await, "one is open");
        sandbox.settings.yes = true;
        sandbox.runner().recover().await.unwrap();
        let back_up = async || {
            backup::dump::create(&sandbox.database, &store, &options, &Silent).await.unwrap().unfinished
        };
        assert!(!back_up().await, "it has ended");
    }
}

#[tokio::test]
async fn an_archive_that_is_out_of_reach_needs_a_person() {
    for engine in engines() {
        let mut sandbox = sandbox(engine).await;
        let before = sandbox.everything();
        two_groups(&sandbox);
        assert!(sandbox.crash("commit:before").await);
        sandbox.settings.yes = true;
        let (store, away) = (sandbox.path().join("store"), sandbox.path().join("away"));
        std::fs::rename(&store, &away).unwrap();
        std::fs::create_dir(&store).unwrap();
        for report in [sandbox.runner().recover().await.unwrap(), sandbox.migrate().await] {
            assert_eq!(report.outcome, Outcome::NeedsPerson, "{report:?}");
            assert_eq!(report.outcome.exit_code(), 4);
            assert!(report.hint.as_deref().unwrap().contains("dbm restore OTHER"), "{report:?}");
            let told = format!("{report:?}");
            assert!(
                told.contains(&store.display().to_string()) && told.contains("cannot be read from here"),
                "{told}"
            );
        }
        std::fs::remove_dir(&store).unwrap();
        std::fs::rename(&away, &store).unwrap();
        let report = sandbox.migrate().await;
        assert_eq!(report.outcome, Outcome::Done, "{report:?}");
        assert!(report.recovered.unwrap().restored.is_some());
        assert_ne!(sandbox.everything(), before);
        assert_eq!(sandbox.ask("SELECT count(*) FROM item").await, "3");
    }
}

#[tokio::test]
async fn the_backup_is_pinned_only_while_the_run_is_open() {
    use backup::store::Store as _;
    for engine in engines() {
        let mut sandbox = sandbox(engine).await;
        two_groups(&sandbox);
        assert!(sandbox.crash("commit:before").await);
        let store = LocalStore::new(sandbox.path().join("store"));
        let pins = async || {
            let mut pins = Vec::new();
            for listed in store.list().await.unwrap() {
                let Some(name) = listed.name else { continue };
                pins.push(store.read_sidecar(&name).await.unwrap().unwrap().pin);
            }
            pins
        };
        assert!(matches!(pins().await.as_slice(), [Some(pin)] if pin.starts_with("run ")));
        sandbox.settings.yes = true;
        sandbox.runner().recover().await.unwrap();
        assert_eq!(pins().await, [None]);
    }
}

/// The mark of the commit counts, and not the restore that somebody had begun over it.
#[tokio::test]
async fn a_committed_release_outlives_a_killed_restore() {
    for engine in engines() {
        let mut sandbox = sandbox(engine).await;
        let name = backed_up(&sandbox).await;
        sandbox.file("001_release", "CREATE TABLE released (id int);", "DROP TABLE released;");
        assert!(sandbox.crash("end:before").await);
        let after = sandbox.everything();
        sandbox.settings.yes = true;
        *sandbox.watch.crash_at.lock().unwrap() = Some("restore:noted".to_owned());
        let runner = sandbox.runner();
        tokio::spawn(async move { runner.restore(&name, &Restoring::default()).await.map(drop) })
            .await
            .unwrap_err();
        sandbox.watch.crash_at.clear_poison();
        *sandbox.watch.crash_at.lock().unwrap() = None;
        let report = sandbox.runner().recover().await.unwrap();
        assert_eq!(sandbox.everything(), after, "{engine}: {report:?}");
        assert!(report.restored.is_none() && report.state.contains("committed"), "{engine}: {report:?}");
    }
}

/// A file takes the database's place before the journal can know: what it replaced is told all the same.
#[tokio::test]
async fn what_a_cut_off_exchange_has_kept_is_named() {
    let mut sandbox = sandbox(Engine::Sqlite).await;
    let name = backed_up(&sandbox).await;
    let stop = async |step: &str| {
        *sandbox.watch.crash_at.lock().unwrap() = Some(step.to_owned());
        let (runner, name) = (sandbox.runner(), name.clone());
        tokio::spawn(async move { runner.restore(&name, &Restoring::default()).await.map(drop) })
            .await
            .unwrap_err();
        sandbox.watch.crash_at.clear_poison();
        *sandbox.watch.crash_at.lock().unwrap() = None;
    };
    stop("swap:noted").await;
    let kept = format!("shop_replaced_{}.db", chrono::Utc::now().format("%Y%m%dT%H%M%SZ"));
    std::fs::copy(sandbox.path().join("shop.db"), sandbox.path().join(&kept)).unwrap();
    sandbox.settings.yes = true;
    assert_eq!(sandbox.runner().recover().await.unwrap().outcome, Outcome::Done);
    assert!(sandbox.notes().contains(&kept), "{}", sandbox.notes());
}
