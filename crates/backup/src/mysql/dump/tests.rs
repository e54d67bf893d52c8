use std::fs;
use std::time::{Duration, Instant};

use database::mysql::Server;
use database::{Database, Statements as _};

use super::snapshot::{Tables, WAIT, take};
use crate::ErrorKind;
use crate::archive::{Aspect, Grade};
use crate::dump::{BackupOptions, create};
use crate::mysql::testing::{
    account, back_up, fresh, is_mariadb, load, mariadb_dump, own, rows, run, values,
};
use crate::progress::Silent;
use crate::store::LocalStore;

#[tokio::test]
async fn the_stock_client_restores_it_to_equal_digests() {
    let (source, copy) = (fresh().await, fresh().await);
    values(&source).await;
    let (_folder, archive, script) = back_up(&source, &BackupOptions::default()).await;
    archive.verify_all(&Silent, &tokio_util::sync::CancellationToken::new()).await.unwrap();
    assert_eq!(archive.index().grade, Grade::Exact);
    let text = String::from_utf8(script.clone()).unwrap();
    assert_eq!(text.starts_with("/*M!999999\\- enable the sandbox mode */\n"), is_mariadb());
    assert_eq!(text.lines().last(), Some("-- dbm: the archive ends here"));
    assert!(!text.contains(source.database()));
    load(&copy, &script).unwrap();
    let digests = copy.digests().await.unwrap();
    for table in &archive.index().tables {
        assert_eq!(digests[&table.id], table.digest, "{}", table.id);
    }
    assert_eq!(digests, source.digests().await.unwrap());
    assert_eq!(copy.schema().await.unwrap(), source.schema().await.unwrap());
    assert_eq!(mariadb_dump(&copy), mariadb_dump(&source));
    let mut session = copy.session().await.unwrap();
    assert!(session.query("SELECT * FROM fired").await.unwrap().is_empty(), "no trigger fired");
    if is_mariadb() {
        assert_eq!(session.query("SELECT NEXTVAL(s)").await.unwrap(), [[Some("110".into())]]);
    }
}

#[tokio::test]
async fn one_moment_while_a_writer_is_at_work_and_a_big_table_in_ranges() {
    let source = fresh().await;
    run(&source, "CREATE TABLE big (id int PRIMARY KEY, a int, pad char(250)); CREATE TABLE small (id int PRIMARY KEY, a int);
        CREATE TABLE ten (n int); INSERT INTO ten VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9);
        INSERT INTO big SELECT a.n + b.n * 10 + c.n * 100 + d.n * 1000 + e.n * 10000 + f.n * 100000 + 1, 0, REPEAT('x', 250)
          FROM ten a, ten b, ten c, ten d, ten e, ten f WHERE f.n * 10 + e.n < 15; DROP TABLE ten; INSERT INTO small VALUES (1, 0); ANALYZE TABLE big").await;
    let writer = source.clone();
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let writing = tokio::spawn(async move {
        let mut session = writer.session().await.unwrap();
        let mut count = 0;
        while stopped.try_recv().is_err() {
            count += 1;
            let sql = format!(
                "START TRANSACTION; UPDATE big SET a = {count} WHERE id IN (1, 75000, 150000); UPDATE small SET a = {count}; COMMIT"
            );
            session.execute(&sql).await.unwrap();
        }
        count
    });
    let mut looker = source.session().await.unwrap();
    while looker.query("SELECT a FROM small").await.unwrap() == [[Some("0".into())]] {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let options = BackupOptions { jobs: 3, ..BackupOptions::default() };
    let (_folder, archive, script) = back_up(&source, &options).await;
    stop.send(()).unwrap();
    assert!(writing.await.unwrap() > 0);
    let copy = fresh().await;
    load(&copy, &script).unwrap();
    let mut session = copy.session().await.unwrap();
    let seen = session
        .query("SELECT DISTINCT a FROM big WHERE id IN (1, 75000, 150000) UNION SELECT a FROM small")
        .await
        .unwrap();
    assert_eq!(seen.len(), 1, "both tables and all ranges are of one moment: {seen:?}");
    let index = archive.index();
    assert_eq!(index.rows(), 150_001);
    assert!(index.parts.iter().filter(|part| part.aspect == Aspect::Rows).count() > 8);
    let digests = copy.digests().await.unwrap();
    for table in &index.tables {
        assert_eq!(digests[&table.id], table.digest, "{}", table.id);
    }
}

#[tokio::test]
async fn an_account_without_reload_backs_up() {
    let source = fresh().await;
    values(&source).await;
    let (_, limited) = account(&source, "SELECT, SHOW VIEW, TRIGGER, LOCK TABLES, EVENT, EXECUTE").await;
    let (_folder, archive, script) = back_up(&limited, &BackupOptions::default()).await;
    assert_eq!(archive.index().grade, Grade::Exact);
    let copy = fresh().await;
    load(&copy, &script).unwrap();
    assert_eq!(copy.digests().await.unwrap(), source.digests().await.unwrap());
}

/// What has no snapshot may change while it is read: the index says so, with the table and the reason.
#[tokio::test]
async fn a_table_without_transactions_that_may_not_be_locked_weakens_the_grade() {
    let source = fresh().await;
    run(&source, "CREATE TABLE t (a int); CREATE TABLE m (a int) ENGINE = MyISAM; INSERT INTO m VALUES (1)")
        .await;
    let (_, limited) = account(&source, "SELECT, SHOW VIEW, TRIGGER, EVENT, EXECUTE").await;
    let (_folder, archive, _) = back_up(&limited, &BackupOptions::default()).await;
    let Grade::Weakened(reasons) = &archive.index().grade else { panic!("{:?}", archive.index().grade) };
    let [reason] = reasons.as_slice() else { panic!("{reasons:?}") };
    assert!(reason.starts_with("`m` have engines without transactions, and could not be locked"), "{reason}");
    assert_eq!(archive.index().rows(), 1);
}

/// Nobody alters what is being read; MySQL has a lock for all of it, and nobody waits to write rows.
#[tokio::test]
async fn definitions_stand_still_while_rows_are_written() {
    let source = fresh().await;
    run(&source, "CREATE TABLE t (a int)").await;
    let tables = Tables { with_snapshot: vec!["t".to_owned()], without_snapshot: Vec::new() };
    let snapshot = take(&source, &tables, 2, &tokio_util::sync::CancellationToken::new()).await.unwrap();
    let mut other = source.session().await.unwrap();
    // What may go on has its time: a backup of another database may hold it up for a moment.
    let (brief, long) = ("SET lock_wait_timeout = 1", "SET lock_wait_timeout = 60");
    other.execute(long).await.unwrap();
    other.execute("INSERT INTO t VALUES (1)").await.unwrap();
    other.execute(brief).await.unwrap();
    let altered = other.execute("ALTER TABLE t ADD COLUMN b int").await.unwrap_err();
    assert_eq!(altered.kind(), database::ErrorKind::LockTimeout, "{altered}");
    other.execute(if is_mariadb() { long } else { brief }).await.unwrap();
    let made = other.execute("CREATE TABLE u (a int)").await;
    assert_eq!(made.is_ok(), is_mariadb(), "{made:?}");
    drop(snapshot);
    other.execute(long).await.unwrap();
    other.execute("ALTER TABLE t ADD COLUMN b int").await.unwrap();
}

/// A table that somebody has locked for himself is told in time, and no server is left locked behind it.
#[tokio::test]
async fn a_lock_that_is_held_is_told() {
    let source = fresh().await;
    run(&source, "CREATE TABLE t (a int)").await;
    let mut other = source.session().await.unwrap();
    other.execute("LOCK TABLES t WRITE").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path());
    let error = create(&Database::Mysql(source.clone()), &store, &BackupOptions::default(), &Silent)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockTimeout, "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("PROCESSLIST")), "{error:?}");
    other.execute("UNLOCK TABLES").await.unwrap();
    create(&Database::Mysql(source), &store, &BackupOptions::default(), &Silent).await.unwrap();
}

/// A long query stands before our lock of all writing: others wait for as long as we try, and not for as long as it runs.
#[tokio::test]
async fn nobody_waits_behind_a_lock_that_is_not_had() {
    let source = fresh().await;
    run(&source, "CREATE TABLE t (a int); CREATE TABLE u (a int); INSERT INTO t VALUES (1), (2)").await;
    let mut long = source.session().await.unwrap();
    // Its transaction keeps single tables from being locked, and its query all of them.
    long.execute("START TRANSACTION; UPDATE t SET a = 3 WHERE a = 1").await.unwrap();
    let querying = tokio::spawn(async move {
        long.execute("SELECT SLEEP(12) FROM t").await.unwrap();
        long.execute("COMMIT").await.unwrap();
    });
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let writer = source.clone();
    let writing = tokio::spawn(async move {
        let mut session = writer.session().await.unwrap();
        session.execute("SET lock_wait_timeout = 60").await.unwrap();
        let mut longest = Duration::ZERO;
        while stopped.try_recv().is_err() {
            let start = Instant::now();
            session.execute("INSERT INTO u VALUES (1)").await.unwrap();
            longest = longest.max(start.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        longest
    });
    let (_folder, archive, _) = back_up(&source, &BackupOptions::default()).await;
    assert_eq!(archive.index().grade, Grade::Exact);
    stop.send(()).unwrap();
    let longest = writing.await.unwrap();
    assert!(longest < Duration::from_secs(2 * u64::from(WAIT)), "{longest:?}");
    querying.await.unwrap();
}

/// Who replays the log from where the archive says has each row once, although nobody kept others from writing.
#[tokio::test]
async fn the_position_is_that_of_the_snapshot_while_others_write() {
    let source = fresh().await;
    run(&source, "CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY) ENGINE = InnoDB").await;
    let (_, limited) = account(&source, "SELECT, SHOW VIEW, TRIGGER, EVENT, EXECUTE").await;
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let writer = source.clone();
    let writing = tokio::spawn(async move {
        let mut session = writer.session().await.unwrap();
        while stopped.try_recv().is_err() {
            session.execute("INSERT INTO t VALUES ()").await.unwrap();
        }
    });
    for _ in 0..3 {
        let (_folder, archive, _) = back_up(&limited, &BackupOptions::default()).await;
        let index = archive.index();
        if !is_mariadb() {
            assert_eq!(index.snapshot, "", "nobody knows it");
            continue;
        }
        let (place, gtid) = index.snapshot.split_once(" gtid ").unwrap();
        assert!(!gtid.is_empty());
        let (file, at) = place.rsplit_once(':').unwrap();
        let at: u64 = at.parse().unwrap();
        let mut session = source.session().await.unwrap();
        let events = session.query(&format!("SHOW BINLOG EVENTS IN '{file}'")).await.unwrap();
        let insert = format!("use `{}`; INSERT INTO t VALUES ()", source.database());
        let before = events.iter().filter(|row| {
            // Some servers say where a transaction ends, and of what is in it only where that begins.
            let begin: u64 = row[1].as_deref().unwrap().parse().unwrap();
            begin < at && row[5].as_deref() == Some(&insert)
        });
        assert_eq!(before.count() as u64, index.rows());
    }
    stop.send(()).unwrap();
    writing.await.unwrap();
}

/// Whoever opens a table that is flushed waits for all who have it locked, ourselves among them.
#[tokio::test]
async fn others_flush_tables_while_dumps_of_two_databases_run() {
    let (one, two) = (fresh().await, fresh().await);
    for source in [&one, &two] {
        values(source).await;
        run(source, "INSERT INTO in_my SELECT seq.a FROM (WITH RECURSIVE s AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM s WHERE a < 900) SELECT a FROM s) seq").await;
    }
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let flusher = one.clone();
    let flushing = tokio::spawn(async move {
        let mut session = flusher.session().await.unwrap();
        session.execute("SET lock_wait_timeout = 1").await.unwrap();
        let mut flushed = 0;
        while stopped.try_recv().is_err() {
            // One that gives up leaves the tables flushed all the same.
            let _ = session.execute("FLUSH TABLES WITH READ LOCK; UNLOCK TABLES").await;
            flushed += 1;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        flushed
    });
    let options = BackupOptions::default();
    let back = |source: Server| {
        let options = options.clone();
        async move {
            for _ in 0..3 {
                let (_folder, archive, _) = back_up(&source, &options).await;
                assert_eq!(archive.index().grade, Grade::Exact);
                let digests = source.digests().await.unwrap();
                for table in &archive.index().tables {
                    assert_eq!(digests[&table.id], table.digest, "{}", table.id);
                }
            }
        }
    };
    let both = async { tokio::join!(back(one.clone()), back(two.clone()), back(one.clone())) };
    tokio::time::timeout(Duration::from_secs(120), Box::pin(both)).await.expect("nobody waits for himself");
    stop.send(()).unwrap();
    assert!(flushing.await.unwrap() > 0);
}

/// Tables that a holder keeps locked are flushed by somebody who then gives up: that leaves them shut to all who come.
#[tokio::test]
async fn a_snapshot_with_locked_tables_keeps_no_other_backup_waiting() {
    let source = fresh().await;
    run(&source, "CREATE TABLE t (a int); CREATE TABLE m (a int) ENGINE = MyISAM; INSERT INTO m VALUES (1)")
        .await;
    let tables = Tables { with_snapshot: vec!["t".to_owned()], without_snapshot: vec!["m".to_owned()] };
    let cancel = tokio_util::sync::CancellationToken::new();
    let other = fresh().await;
    run(&other, "CREATE TABLE t (a int)").await;
    let held = take(&source, &tables, 2, &cancel).await.unwrap();
    assert!(held.holder.is_some() && held.weakened.is_empty() && held.workers.len() == 2);
    let start = Instant::now();
    let (_folder, archive, _) = back_up(&other, &BackupOptions::default()).await;
    assert_eq!(archive.index().grade, Grade::Exact);
    let again = take(&source, &tables, 2, &cancel).await.unwrap();
    assert!(again.holder.is_some() && again.weakened.is_empty() && again.workers.len() == 2);
    // Each wait for a lock that another backup holds is given up after seconds, and none was needed.
    assert!(start.elapsed() < Duration::from_secs(60));
    let mut writer = other.session().await.unwrap();
    writer.execute("SET lock_wait_timeout = 60").await.unwrap();
    writer.execute("INSERT INTO t VALUES (1)").await.unwrap();
    held.release().await;
    again.release().await;
}

/// Without RELOAD, the tables of the database are all that is locked, and all workers have the same moment.
#[tokio::test]
async fn an_account_that_may_lock_tables_has_all_its_workers() {
    let source = fresh().await;
    run(&source, "CREATE TABLE t (a int)").await;
    let (_, limited) = account(&source, "SELECT, LOCK TABLES").await;
    let tables = Tables { with_snapshot: vec!["t".to_owned()], without_snapshot: Vec::new() };
    let cancel = tokio_util::sync::CancellationToken::new();
    let snapshot = take(&limited, &tables, 3, &cancel).await.unwrap();
    assert_eq!(snapshot.workers.len(), 3);
}

#[tokio::test]
async fn an_account_that_may_not_see_everything_is_refused() {
    let source = fresh().await;
    run(&source, "CREATE TABLE t (a int); CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1")
        .await;
    run(&source, "CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1").await;
    let (user, limited) = account(&source, "USAGE").await;
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path());
    let database = Database::Mysql(limited);
    for (grant, unseen) in [
        ("SELECT, SHOW VIEW", "triggers, events, functions and procedures"),
        ("TRIGGER", "events, functions and procedures"),
        ("EVENT", "functions and procedures"),
    ] {
        run(&source, &format!("GRANT {grant} ON {}.* TO {user}", source.database())).await;
        let error = create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap_err();
        assert!(error.to_string().ends_with(&format!("has {unseen}")), "{grant}: {error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("GRANT ")), "{error:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_carried_leaves_no_archive() {
    let source = fresh().await;
    run(&source, "CREATE TABLE t (a int); CREATE VIEW v AS SELECT * FROM t; DROP TABLE t").await;
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path());
    let database = Database::Mysql(source);
    let whole = BackupOptions { whole: true, ..BackupOptions::default() };
    let error = create(&database, &store, &whole, &Silent).await.unwrap_err();
    assert!(error.to_string().contains("view v"), "{error}");
    let left =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.contains(".sql")).collect::<Vec<_>>(), [""; 0]);
}

/// Of MySQL alone: MariaDB has its histograms in a table of the server's, and no libraries.
#[tokio::test]
async fn histograms_are_left_out_and_libraries_refused_by_name() {
    let source = fresh().await;
    run(&source, "CREATE TABLE t (a int, b int); INSERT INTO t VALUES (1, 2), (3, 4)").await;
    let update = if is_mariadb() { "PERSISTENT FOR ALL" } else { "UPDATE HISTOGRAM ON a, b" };
    run(&source, &format!("ANALYZE TABLE t {update}")).await;
    let folder = tempfile::tempdir().unwrap();
    let (store, database) = (LocalStore::new(folder.path()), Database::Mysql(source.clone()));
    let written = create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap();
    let of = |column: &str| format!("histogram of t.{column}");
    for name in [of("a"), of("b")] {
        let told =
            written.left_out.iter().any(|line| line.starts_with(&name) && line.contains("ANALYZE TABLE"));
        assert_eq!(told, !is_mariadb(), "{name}: {:?}", written.left_out);
    }
    let library = "CREATE LIBRARY shared LANGUAGE JAVASCRIPT AS 'export function one() { return 1 }'";
    let mut session = source.session().await.unwrap();
    // MySQL has them since 9.2.
    let made = session.execute(library).await.is_ok();
    assert!(!(made && is_mariadb()));
    let outcome = create(&database, &store, &BackupOptions::default(), &Silent).await;
    assert_eq!(outcome.is_err(), made);
    if let Err(error) = outcome {
        assert!(error.to_string().contains("library shared"), "{error}");
    }
}

/// Of MariaDB alone, which has such tables; one that says it is older cannot put their history back.
#[tokio::test]
async fn history_that_the_server_could_not_load_again_is_not_backed_up() {
    fresh().await;
    if !is_mariadb() {
        return;
    }
    let own = own("--loose-version=10.6.20-MariaDB").await;
    let mut session = own.server.session().await.unwrap();
    session.execute("CREATE DATABASE shop").await.unwrap();
    let settings = own.server.settings().clone();
    let shop = Server::new(database::mysql::Settings { database: "shop".into(), ..settings });
    let mut session = shop.session().await.unwrap();
    for sql in
        ["CREATE TABLE t (a int) WITH SYSTEM VERSIONING", "INSERT INTO t VALUES (1)", "UPDATE t SET a = 2"]
    {
        session.execute(sql).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let (store, database) = (LocalStore::new(folder.path()), Database::Mysql(shop));
    let error = create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert!(error.to_string().contains("before MariaDB 10.11 cannot load again"), "{error}");
    assert!(error.hint().unwrap().contains("--no-history"), "{error:?}");
    let without = BackupOptions { no_history: true, ..BackupOptions::default() };
    create(&database, &store, &without, &Silent).await.unwrap();
}

/// Each byte is two digits. What stands in its way is found by `prepare`, which has no archive to write to.
#[tokio::test]
async fn a_row_that_no_statement_carries_is_named_before_the_first_byte() {
    let source = fresh().await;
    run(&source, "CREATE TABLE plain (id int, no varchar(5), a longblob, PRIMARY KEY (id, no));
        CREATE TABLE locked (a longblob) ENGINE = MyISAM;
        SET @half = @@global.max_allowed_packet DIV 2;
        INSERT INTO plain VALUES (7, 'x', REPEAT('a', @half - 1000)), (8, 'y', NULL); INSERT INTO locked SELECT a FROM plain").await;
    let prepare = async || super::prepare(&source, &BackupOptions::default()).await.map(drop);
    prepare().await.unwrap();
    run(&source, "UPDATE plain SET a = CONCAT(a, REPEAT('a', 1000)) WHERE id = 7").await;
    let error = prepare().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("the row of table plain with id = 7 and no = x takes"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("max_allowed_packet = ")), "{error:?}");
    run(&source, "INSERT INTO locked SELECT a FROM plain; UPDATE plain SET a = NULL").await;
    let error = prepare().await.unwrap_err();
    assert!(error.to_string().contains("a row of table locked, which has no key"), "{error}");
    run(&source, "DELETE FROM locked WHERE LENGTH(a) > @@global.max_allowed_packet DIV 2 - 10 OR a IS NULL")
        .await;
    prepare().await.unwrap();
}

/// Looking through a large table first would read it twice.
#[tokio::test]
async fn a_row_that_no_statement_carries_is_named_while_a_large_table_is_read() {
    let source = fresh().await;
    run(&source, "CREATE TABLE large (id int PRIMARY KEY, a longblob)").await;
    let packet = &rows(&source, "SELECT @@global.max_allowed_packet").await[0][0];
    let half: usize = packet.as_ref().unwrap().parse::<usize>().unwrap() / 2;
    for id in 0..=(80 << 20) / half {
        run(&source, &format!("INSERT INTO large VALUES ({id}, REPEAT('a', {}))", half - 1000)).await;
    }
    run(&source, "UPDATE large SET a = CONCAT(a, REPEAT('a', 1000)) WHERE id = 1; ANALYZE TABLE large").await;
    super::prepare(&source, &BackupOptions::default()).await.map(drop).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path());
    let database = Database::Mysql(source);
    let error = create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("the row of table large with id = 1 takes"), "{error}");
    let hint = error.hint().unwrap_or_default();
    assert!(hint.contains("SELECT MAX(LENGTH(`a`)) FROM `large`"), "{hint}");
    let left =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.contains(".sql")).collect::<Vec<_>>(), [""; 0]);
}

#[tokio::test]
async fn a_big_table_is_cut_by_a_key_of_text() {
    let source = fresh().await;
    run(&source, "CREATE TABLE ten (n int); INSERT INTO ten VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9);
        CREATE TABLE big (id varchar(40) CHARACTER SET latin1, n int, pad char(250), PRIMARY KEY (id, n));
        INSERT INTO big SELECT LEFT(SHA2(a.n + b.n * 10 + c.n * 100 + d.n * 1000 + e.n * 10000, 256), 32), f.n, REPEAT('x', 250)
          FROM ten a, ten b, ten c, ten d, ten e, ten f WHERE f.n < 2; DROP TABLE ten; ANALYZE TABLE big").await;
    let options = BackupOptions { jobs: 3, ..BackupOptions::default() };
    let (_folder, archive, _) = back_up(&source, &options).await;
    assert_eq!(archive.index().rows(), 200_000);
    let digests = source.digests().await.unwrap();
    for table in &archive.index().tables {
        assert_eq!(digests[&table.id], table.digest, "{}", table.id);
    }
    let ends = |text: &[u8]| text.split(|&byte| byte == b'\n').nth(1).map(|row| row[..4].to_vec());
    let mut first = std::collections::BTreeSet::new();
    for (number, part) in (0..).zip(&archive.index().parts) {
        if part.aspect == Aspect::Rows {
            first.insert(ends(&archive.part(number).await.unwrap()));
        }
    }
    assert!(first.len() > 3, "the ranges begin at different keys: {first:?}");
}
