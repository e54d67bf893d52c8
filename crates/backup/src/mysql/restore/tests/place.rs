//! Restores within the database, for accounts that may make no other.

use std::collections::BTreeMap;
use std::time::Duration;

use database::mysql::{Server, Settings};
use database::{Database, Entry, Journal as _, ObjectId, TableDigest};

use super::{backed_up, database, databases, same_text, state};
use crate::archive::Archive;
use crate::dump::BackupOptions;
use crate::mysql::restore::in_place;
use crate::mysql::testing::{everything, fresh, is_mariadb, rows, run, values};
use crate::progress::Silent;
use crate::restore::{self, RestoreOptions, Safeguard, Way};
use crate::store::{LocalStore, Store as _};
use crate::{ErrorKind, Result};

fn entry(run: &str) -> Entry {
    Entry { run: run.to_owned(), number: 0, at: chrono::Utc::now(), step: serde_json::json!({}) }
}

async fn put(
    archive: &Archive,
    server: &Server,
    kept: &BTreeMap<ObjectId, TableDigest>,
    entry: &Entry,
) -> Result<()> {
    // Sessions of the test's own may just be going.
    let options = RestoreOptions { disconnect: true, ..RestoreOptions::default() };
    in_place(archive, server, (kept, std::slice::from_ref(entry)), &options, &Silent).await
}

async fn tables(server: &Server) -> Vec<String> {
    let sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1";
    rows(server, sql).await.into_iter().flatten().flatten().collect()
}

#[tokio::test]
async fn all_of_a_database_comes_back_in_its_place() {
    let target = fresh().await;
    everything(&target).await;
    values(&target).await;
    let (_folder, archive) = backed_up(&target).await;
    let (before, were) = (state(&target).await, tables(&target).await);
    // Other tables have the names of constraints that are to come back.
    run(&target, "DROP TABLE texts; INSERT INTO customer VALUES (7, 'x'); DROP TABLE a_child; CREATE TABLE later (a int,
        p int, CONSTRAINT a_child_ibfk_1 FOREIGN KEY (p) REFERENCES parent (id), CONSTRAINT later_c CHECK (a > 0));
        CREATE VIEW of_later AS SELECT * FROM later; CREATE TRIGGER late BEFORE INSERT ON later FOR EACH ROW SET NEW.a = 1;
        ALTER EVENT nightly DISABLE; DROP VIEW beyond; ALTER TABLE numbers AUTO_INCREMENT = 5000").await;
    if is_mariadb() {
        run(&target, "ALTER TABLE later ALTER COLUMN a SET DEFAULT NEXTVAL(s)").await;
    }
    let kept = target.digests().await.unwrap();
    put(&archive, &target, &kept, &entry("one")).await.unwrap();
    same_text(&state(&target).await.0, &before.0);
    assert_eq!(state(&target).await.1, before.1);
    assert_eq!(tables(&target).await, were);
    assert_eq!(target.session().await.unwrap().entries().await.unwrap()[0].run, "one");
    assert_eq!(databases(&target).await, [target.database()]);
    // And once more: what it made has the names that it had.
    put(&archive, &target, &before_digests(&target).await, &entry("two")).await.unwrap();
    same_text(&state(&target).await.0, &before.0);
}

async fn before_digests(server: &Server) -> BTreeMap<ObjectId, TableDigest> {
    server.digests().await.unwrap()
}

/// Whatever was written between the backup that came first and the exchange is not dropped.
#[tokio::test]
async fn rows_of_others_are_kept() {
    let target = fresh().await;
    run(&target, "CREATE TABLE t (a int PRIMARY KEY, CONSTRAINT c CHECK (a > 0));
        CREATE TABLE u (a int, CONSTRAINT k FOREIGN KEY (a) REFERENCES t (a)); INSERT INTO t VALUES (1); INSERT INTO u VALUES (1)").await;
    let (_folder, archive) = backed_up(&target).await;
    let (kept, before) = (target.digests().await.unwrap(), state(&target).await);
    run(&target, "INSERT INTO t VALUES (2); INSERT INTO u VALUES (2)").await;
    put(&archive, &target, &kept, &entry("one")).await.unwrap();
    let there = tables(&target).await;
    let replaced: Vec<&String> = there.iter().filter(|table| table.contains("_replaced_")).collect();
    assert_eq!(replaced.len(), 2, "{there:?}");
    for table in &replaced {
        assert_eq!(rows(&target, &format!("SELECT a FROM {table}")).await.len(), 2);
    }
    for table in replaced {
        run(&target, &format!("DROP TABLE {table}")).await;
    }
    assert_eq!(state(&target).await, before);
}

const BROKEN: &str =
    "INSERT INTO t VALUES (2); DROP VIEW v; CREATE VIEW w AS SELECT 2 FROM u; CREATE TABLE x (a int);
    ALTER TABLE u DROP FOREIGN KEY k; ALTER TABLE x ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES t (a)";

/// Drops the restore at a moment, as a killed process would, and looks what the next command makes of it.
#[tokio::test]
async fn a_restore_in_place_that_is_killed_anywhere_is_finished_or_undone() {
    let target = fresh().await;
    run(&target, "CREATE TABLE t (a int PRIMARY KEY, CONSTRAINT c CHECK (a > 0));
        CREATE TABLE u (a int, CONSTRAINT k FOREIGN KEY (a) REFERENCES t (a));
        CREATE TABLE log (a int); CREATE TRIGGER tr AFTER INSERT ON t FOR EACH ROW INSERT INTO log VALUES (NEW.a);
        CREATE VIEW v AS SELECT * FROM t; CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1;
        INSERT INTO t VALUES (1); INSERT INTO u VALUES (1)").await;
    if is_mariadb() {
        run(&target, "CREATE SEQUENCE s; CREATE TABLE d (a int DEFAULT NEXTVAL(s))").await;
    }
    let (_folder, archive) = backed_up(&target).await;
    let archive = std::sync::Arc::new(archive);
    let (before, were) = (state(&target).await, tables(&target).await);
    run(&target, BROKEN).await;
    let (between, had) = (state(&target).await, tables(&target).await);
    let kept = target.digests().await.unwrap();
    let (mut forward, mut back) = (0, 0);
    // How long one takes, of which each round is given another share.
    let mut whole = Duration::from_secs(2);
    for round in 0..40_u32 {
        if round > 30 && forward > 0 && back > 0 {
            break;
        }
        let run_name = format!("run {round}");
        let (archive, server, kept, entry) =
            (std::sync::Arc::clone(&archive), target.clone(), kept.clone(), entry(&run_name));
        let since = std::time::Instant::now();
        let putting = tokio::spawn(async move { put(&archive, &server, &kept, &entry).await });
        if round > 0 {
            tokio::time::sleep(whole * round / 30).await;
            putting.abort();
        }
        let done = match putting.await {
            Ok(done) => {
                done.unwrap_or_else(|error| panic!("round {round}: {error} {:?}", error.hint()));
                true
            }
            Err(_) => false,
        };
        if round == 0 {
            whole = since.elapsed();
        }
        restore::settle(&database(&target)).await.unwrap();
        let entries = target.session().await.unwrap().entries().await.unwrap();
        let published = entries.first().is_some_and(|entry| entry.run == run_name);
        assert!(published || !done, "round {round}");
        let now = state(&target).await;
        if published {
            forward += 1;
            assert_eq!(now, before, "round {round}");
            assert_eq!(tables(&target).await, were, "round {round}");
            run(&target, BROKEN).await;
        } else {
            back += 1;
            assert_eq!(now, between, "round {round}");
            assert_eq!(tables(&target).await, had, "round {round}");
        }
    }
    assert!(forward > 1 && back > 1, "{forward} forward, {back} back");
}

/// What cannot be made after the exchange takes it back.
#[tokio::test]
async fn what_cannot_be_made_leaves_the_database_as_it_was() {
    let target = fresh().await;
    run(&target, "CREATE TABLE t (a int PRIMARY KEY); CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = NEW.a + 1;
        CREATE PROCEDURE p() SELECT 1; INSERT INTO t VALUES (1)").await;
    let source = fresh().await;
    // Its text names its own database, so that it would act on that one.
    run(
        &source,
        &format!(
            "CREATE TABLE t (a int PRIMARY KEY); CREATE PROCEDURE p() SELECT * FROM {}.t",
            source.database()
        ),
    )
    .await;
    let (_folder, archive) = backed_up(&source).await;
    let (before, were) = (state(&target).await, tables(&target).await);
    let kept = target.digests().await.unwrap();
    let error = put(&archive, &target, &kept, &entry("one")).await.unwrap_err();
    assert!(error.to_string().contains("procedure p"), "{error}");
    assert_eq!(state(&target).await, before);
    let now: Vec<String> = tables(&target).await;
    let own = |tables: Vec<String>| {
        tables.into_iter().filter(|table| !table.starts_with("dbm_")).collect::<Vec<_>>()
    };
    assert_eq!(own(now.clone()), own(were));
    assert!(!now.iter().any(|table| table.starts_with("dbm_new") || table.starts_with("dbm_old")), "{now:?}");
}

#[tokio::test]
async fn an_account_of_one_database_restores_it() {
    let target = fresh().await;
    run(
        &target,
        "CREATE TABLE t (a int PRIMARY KEY); CREATE TABLE u (a int, FOREIGN KEY (a) REFERENCES t (a));
        INSERT INTO t VALUES (1); INSERT INTO u VALUES (1)",
    )
    .await;
    // The fences of other tests leave accounts of such a name alone.
    let user = target.database().replace("dbm_backup", "dbm_scratch_i");
    run(
        &target,
        &format!("CREATE USER {user} IDENTIFIED BY 'x'; GRANT ALL ON {}.* TO {user}", target.database()),
    )
    .await;
    let settings =
        Settings { user: Some(user), password: Some("x".to_owned().into()), ..target.settings().clone() };
    let own = Server::new(settings);
    run(&own, "CREATE VIEW v AS SELECT * FROM t; CREATE PROCEDURE p() SELECT 1").await;
    let plain = Database::Mysql(own.clone());
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path());
    let written = crate::dump::create(&plain, &store, &BackupOptions::default(), &Silent).await.unwrap();
    let archive = Archive::open(store.source(&written.name).await.unwrap()).await.unwrap();
    let before = (target.schema().await.unwrap(), target.digests().await.unwrap());
    // A view without its table is in no backup, and goes.
    run(&own, "DROP TABLE u; CREATE TABLE w (a int); CREATE VIEW broken AS SELECT * FROM w; DROP TABLE w")
        .await;
    let options = RestoreOptions { disconnect: true, ..RestoreOptions::default() };
    let found = restore::preflight(&archive, &plain, &options).await.unwrap();
    assert_eq!((found.way, restore::way(&plain).await.unwrap()), (Way::InPlace, Way::InPlace));
    let first = BackupOptions { unfinished: true, ..BackupOptions::default() };
    let written = crate::dump::create(&plain, &store, &first, &Silent).await.unwrap();
    let cancel = tokio_util::sync::CancellationToken::new();
    let safeguard = Safeguard::verify(&written, &store, &plain, &Silent, &cancel).await.unwrap();
    restore::in_place(&archive, &plain, &safeguard, &[], &options, &Silent).await.unwrap();
    assert_eq!((target.schema().await.unwrap(), target.digests().await.unwrap()), before);
    // What acts in another's name could not be made again by it.
    run(&target, "CREATE VIEW of_root AS SELECT 1").await;
    let found = restore::preflight(&archive, &plain, &options).await.unwrap();
    let error = found.check().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("root@"), "{error}");
}
