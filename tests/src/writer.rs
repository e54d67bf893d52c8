use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The statement that makes the table that a [`Writer`] writes, on any engine.
pub const LEDGER: &str = "CREATE TABLE ledger (entry BIGINT PRIMARY KEY, note VARCHAR(40));";

/// Somebody who goes on writing into `ledger` while a test works, and remembers what was acknowledged.
#[derive(Debug)]
pub struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<BTreeSet<i64>>,
}

impl Writer {
    /// Writes into a PostgreSQL database, and connects again whenever its session was ended.
    ///
    /// # Panics
    /// If its thread cannot be started.
    pub fn postgres(url: String) -> Self {
        Self::start(move |stop| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(write_postgres(&url, stop))
        })
    }

    /// Writes into a SQLite file over one connection that stays open.
    pub fn sqlite(path: PathBuf) -> Self {
        Self::start(move |stop| {
            let connection = rusqlite::Connection::open(&path).expect("the file opens");
            connection.busy_timeout(Duration::from_millis(50)).expect("a timeout");
            let mut acknowledged = BTreeSet::new();
            let mut entry = 0;
            while !stop.load(Ordering::Relaxed) {
                entry += 1;
                if connection.execute("INSERT INTO ledger VALUES (?1, 'w')", [entry]).is_ok() {
                    acknowledged.insert(entry);
                }
                std::thread::sleep(Duration::from_millis(3));
            }
            acknowledged
        })
    }

    /// Writes into a MariaDB database, and connects again whenever its session was ended.
    ///
    /// # Panics
    /// If its thread cannot be started.
    pub fn mariadb(url: String) -> Self {
        Self::start(move |stop| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(write_mariadb(&url, stop))
        })
    }

    fn start(work: impl FnOnce(&AtomicBool) -> BTreeSet<i64> + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&stop);
        Self { stop, thread: std::thread::spawn(move || work(&theirs)) }
    }

    /// Ends it; gives the entries that the database acknowledged.
    ///
    /// # Panics
    /// If it panicked.
    pub fn stop(self) -> BTreeSet<i64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the writer")
    }
}

async fn write_postgres(url: &str, stop: &AtomicBool) -> BTreeSet<i64> {
    let mut acknowledged = BTreeSet::new();
    let mut entry = 0_i64;
    while !stop.load(Ordering::Relaxed) {
        let Ok((client, connection)) = tokio_postgres::connect(url, tokio_postgres::NoTls).await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let driver = tokio::spawn(connection);
        while !stop.load(Ordering::Relaxed) {
            entry += 1;
            let insert = format!("INSERT INTO ledger VALUES ({entry}, 'w')");
            // A lock that a migration holds must not keep the writer past the end of the test.
            match tokio::time::timeout(Duration::from_secs(20), client.batch_execute(&insert)).await {
                Ok(Ok(())) => {
                    acknowledged.insert(entry);
                }
                _ if client.is_closed() => break,
                _ => {}
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        driver.abort();
    }
    acknowledged
}

async fn write_mariadb(url: &str, stop: &AtomicBool) -> BTreeSet<i64> {
    use mysql_async::prelude::Queryable as _;

    let mut acknowledged = BTreeSet::new();
    let mut entry = 0_i64;
    while !stop.load(Ordering::Relaxed) {
        let connecting = mysql_async::Conn::from_url(url);
        let Ok(Ok(mut connection)) = tokio::time::timeout(Duration::from_secs(5), connecting).await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        while !stop.load(Ordering::Relaxed) {
            entry += 1;
            let insert = format!("INSERT INTO ledger VALUES ({entry}, 'w')");
            match tokio::time::timeout(Duration::from_secs(20), connection.query_drop(insert)).await {
                Ok(Ok(())) => {
                    acknowledged.insert(entry);
                }
                // The table may be away for a moment; the session is as it was.
                Ok(Err(mysql_async::Error::Server(_))) => {}
                _ => break,
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }
    acknowledged
}
