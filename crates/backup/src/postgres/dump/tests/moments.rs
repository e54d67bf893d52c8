//! One moment of the database, whatever others do meanwhile, and nobody waits for the backup.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

use super::*;

/// Twenty tables' worth of pages in one, so that several workers share it.
const ACCOUNTS: &str = "CREATE TABLE account (id integer PRIMARY KEY, balance bigint, pad text);
    INSERT INTO account SELECT g, 1000, repeat('x', 900) FROM generate_series(1, 60000) g;
    ALTER TABLE account ALTER pad SET STORAGE PLAIN; VACUUM ANALYZE account;";

/// Takes no more parts than the first until so many sessions read at the same time.
struct UntilAllRead<'a> {
    database: &'a Fresh,
    sessions: usize,
    seen: AtomicBool,
}

impl Progress for UntilAllRead<'_> {
    fn phase(&self, _name: &str, _total_bytes: Option<u64>) {}

    fn advance(&self, _bytes: u64, rows: u64) {
        if rows == 0 || self.seen.load(Ordering::Relaxed) {
            return;
        }
        let started = Instant::now();
        // One that waits for us between two pieces of a table is not active, and counts.
        let reading =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%'";
        while self.database.sql(reading).trim() != self.sessions.to_string() {
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "{} sessions read",
                self.database.sql(reading)
            );
        }
        self.seen.store(true, Ordering::Relaxed);
    }

    fn done(&self) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn as_many_sessions_read_as_there_are_jobs() {
    let fresh = Fresh::new();
    fresh.sql(ACCOUNTS);
    // Before PostgreSQL 14 no table is cut.
    fresh.sql(
        "CREATE TABLE two AS SELECT * FROM account LIMIT 20000; CREATE TABLE three AS TABLE two; ANALYZE",
    );
    let all = UntilAllRead { database: &fresh, sessions: 3, seen: AtomicBool::new(false) };
    back_up_watched(&fresh.server(), &jobs(3), &all).await.unwrap();
    assert!(all.seen.into_inner());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_sum_of_the_balances_is_that_of_one_moment() {
    let fresh = Fresh::new();
    fresh.sql(ACCOUNTS);
    fresh.sql("CREATE SEQUENCE s");
    let (stop, transfers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut writers = Vec::new();
    for writer in 0..3_i32 {
        let (connection, stop, transfers) =
            (fresh.connect().await, Arc::clone(&stop), Arc::clone(&transfers));
        writers.push(tokio::spawn(async move {
            let mut n = writer * 1_000 + 1;
            while !stop.load(Ordering::Relaxed) {
                let (one, other) = (n % 60_000 + 1, (n.wrapping_mul(7919) % 60_000).abs() + 1);
                // In one order, so that no two wait for each other; now and then the rows move to other pages.
                let (low, high) = (one.min(other), one.max(other));
                let sql = format!(
                    "BEGIN; UPDATE account SET balance = balance - 1 WHERE id = {low}; \
                     UPDATE account SET balance = balance + 1 WHERE id = {high}; SELECT nextval('s'); COMMIT"
                );
                connection.batch_execute(&sql).await.unwrap();
                transfers.fetch_add(1, Ordering::Relaxed);
                n = n.wrapping_add(31);
            }
        }));
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let before = transfers.load(Ordering::Relaxed);
    let backup = back_up(&fresh, 4).await;
    let during = transfers.load(Ordering::Relaxed) - before;
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(during > 20, "{during} transfers while the backup read");

    let archive = backup.open().await;
    let parts = archive.index().parts.iter().filter(|part| part.rows > 0).count();
    assert!(parts > 3, "the table was cut: {parts}");
    let restored = restore(&backup, "");
    assert_eq!(
        restored.sql("SELECT sum(balance), count(*), count(DISTINCT id) FROM account"),
        "60000000|60000|60000\n"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_alter_table_that_waits_for_us_does_not_stop_us() {
    let fresh = Fresh::new();
    fresh.sql(ACCOUNTS);
    let prepared = super::super::prepare(&fresh.server(), &BackupOptions::default()).await.unwrap();
    // It queues behind the leader's lock, and every later lock on the table queues behind it.
    let other = fresh.connect().await;
    let altering =
        tokio::spawn(async move { other.batch_execute("ALTER TABLE account ADD COLUMN late integer").await });
    let watch = fresh.connect().await;
    // Those who wait in other databases are other tests'.
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'account'::regclass";
    loop {
        let waits = watch.query_one(waiting, &[]).await.unwrap();
        if waits.get::<_, i64>(0) > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path());
    let name = BackupName::new(&fresh.name, Utc::now(), None, ArchiveKind::Script);
    let head = Head {
        engine: Engine::Postgres,
        server_version: "15".into(),
        database: fresh.name.clone(),
        time: Utc::now(),
        dbm_version: "0".into(),
    };
    let mut writer = ArchiveWriter::begin(store.create(&name).await.unwrap(), &head).await.unwrap();
    let options = jobs(3);
    let write = prepared.write(&mut writer, SourceId("test".into()), &options, &Silent);
    let tail = tokio::time::timeout(Duration::from_secs(60), write).await.expect("it does not hang").unwrap();
    assert_eq!(tail.tables[0].digest.rows, 60_000);
    assert_eq!(tail.tables[0].columns, ["id", "balance", "pad"].into_iter().collect());
    altering.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lock_held_by_another_is_tried_for_again_and_tables_may_go_meanwhile() {
    let fresh = Fresh::new();
    fresh.sql("CREATE TABLE a (n integer); CREATE TABLE b (n integer); INSERT INTO b VALUES (1);");
    let mut other = fresh.connect().await;
    let transaction = other.transaction().await.unwrap();
    transaction.batch_execute("DROP TABLE a; CREATE TABLE c (n integer)").await.unwrap();
    let server = fresh.server();
    let backup = tokio::spawn(async move { back_up_as(&server, &jobs(2)).await });
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(!backup.is_finished());
    transaction.commit().await.unwrap();
    let backup = backup.await.unwrap().unwrap();
    let names: Vec<String> = backup.tables().await.into_iter().map(|(id, _)| id.name).collect();
    assert_eq!(names, ["b", "c"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_connection_that_breaks_leaves_no_backup() {
    let fresh = Fresh::new();
    fresh.sql(ACCOUNTS);
    fresh.sql("INSERT INTO account SELECT g, 1000, repeat('x', 900) FROM generate_series(60001, 200000) g");
    let killer = fresh.connect().await;
    let kill = tokio::spawn(async move {
        loop {
            let killed = killer
                .query_one(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() \
                     AND pid <> pg_backend_pid() AND query LIKE 'COPY%' AND state = 'active'",
                    &[],
                )
                .await
                .unwrap();
            if killed.get::<_, i64>(0) > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let error = failure(&fresh).await;
    kill.await.unwrap();
    assert_eq!(error.kind(), crate::ErrorKind::Connection, "{error}");
    assert!(error.to_string().contains("cannot read the rows of table public.account"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cancelled_backup_ends_its_sessions() {
    let fresh = Fresh::new();
    fresh.sql(ACCOUNTS);
    let options = jobs(2);
    let cancel = options.cancel.clone();
    let server = fresh.server();
    let backup = tokio::spawn(async move { back_up_as(&server, &options).await.err() });
    tokio::time::sleep(Duration::from_millis(150)).await;
    cancel.cancel();
    let error = backup.await.unwrap().expect("it was cancelled");
    assert_eq!(error.kind(), crate::ErrorKind::Cancelled, "{error}");
    let watch = fresh.connect().await;
    let started = Instant::now();
    loop {
        let others = watch
            .query_one("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()", &[])
            .await
            .unwrap();
        if others.get::<_, i64>(0) == 0 {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(5), "sessions are left");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
