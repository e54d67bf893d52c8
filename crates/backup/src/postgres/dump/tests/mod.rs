//! Dumps of real databases, restored by psql and compared by pg_dump.

mod cut;
mod moments;
mod order;
mod refusals;
mod values;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::Utc;
use database::postgres::{Connection, Server};
use database::{DatabaseUrl, Engine, ObjectId, SourceId, TableDigest};
use helpers::naming::{ArchiveKind, BackupName};
use tempfile::TempDir;

use super::prepare::Extras;
use crate::archive::{Archive, ArchiveWriter, Head};
use crate::dump::BackupOptions;
use crate::progress::{Progress, Silent};
use crate::store::{LocalStore, Store};
use crate::{Error, Result};

/// A database of the test's own on the throwaway server; dropped with it.
struct Fresh {
    url: DatabaseUrl,
    name: String,
}

fn server_url() -> DatabaseUrl {
    let url =
        std::env::var("DBM_TEST_POSTGRES_URL").expect("DBM_TEST_POSTGRES_URL is missing: run scripts/test");
    DatabaseUrl::parse(&url).unwrap()
}

fn server_of(url: &DatabaseUrl) -> Server {
    let DatabaseUrl::Postgres(settings) = url else { panic!("a postgres URL") };
    Server::new(settings.clone())
}

impl Fresh {
    fn new() -> Self {
        Self::with("")
    }

    /// With options of CREATE DATABASE.
    fn with(options: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("dump_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let url = server_url().with_database(&name);
        let fresh = Self { url, name };
        fresh.maintain(&format!("CREATE DATABASE {} TEMPLATE template0 {options}", fresh.name));
        fresh
    }

    fn server(&self) -> Server {
        server_of(&self.url)
    }

    async fn connect(&self) -> Connection {
        self.server().connect(None).await.unwrap()
    }

    /// Runs SQL by psql in this database.
    fn sql(&self, sql: &str) -> String {
        let output = psql(&self.name, &["-v", "ON_ERROR_STOP=1", "-Atq"], sql.as_bytes());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn maintain(&self, sql: &str) {
        let output = psql("postgres", &["-v", "ON_ERROR_STOP=1", "-q"], sql.as_bytes());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// What `pg_dump --schema-only` says of it, without what differs from call to call.
    fn pg_dump(&self) -> String {
        let output = tool("pg_dump", &self.name).args(["--schema-only"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().filter(|line| !line.starts_with("\\")).map(|line| format!("{line}\n")).collect()
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        self.maintain(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

/// One of PostgreSQL's programs, pointed at a database.
fn tool(program: &str, database: &str) -> Command {
    let DatabaseUrl::Postgres(_) = server_url() else { panic!("a postgres URL") };
    let url = std::env::var("DBM_TEST_POSTGRES_URL").unwrap();
    // The path of the URL is its database.
    let (before, query) =
        url.split_once('?').map_or((url.as_str(), String::new()), |(a, b)| (a, format!("?{b}")));
    let (server, _) = before.rsplit_once('/').expect("a URL with a database");
    let mut command = Command::new(program);
    command.arg("-d").arg(format!("{server}/{database}{query}"));
    command
}

fn psql(database: &str, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = tool("psql", database)
        .arg("-X")
        .args(arguments)
        .env("EDITOR", "false")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("psql is on PATH");
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // psql may stop before it has read everything.
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// A backup in a folder of its own.
struct Backup {
    store: LocalStore,
    name: BackupName,
    _folder: TempDir,
}

impl Backup {
    fn path(&self) -> PathBuf {
        self.store.folder().join(self.name.to_string())
    }

    async fn open(&self) -> Archive {
        Archive::open(self.store.source(&self.name).await.unwrap()).await.unwrap()
    }

    /// What `zstd -dc` makes of it.
    fn script(&self) -> Vec<u8> {
        let output = Command::new("zstd").arg("-dc").arg(self.path()).output().expect("zstd is on PATH");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    async fn extras(&self) -> Extras {
        serde_json::from_value(self.open().await.index().extras.clone()).unwrap()
    }

    async fn tables(&self) -> Vec<(ObjectId, TableDigest)> {
        self.open().await.index().tables.iter().map(|table| (table.id.clone(), table.digest)).collect()
    }
}

fn jobs(jobs: usize) -> BackupOptions {
    BackupOptions { jobs, ..BackupOptions::default() }
}

/// Backs a database up without the door in front of it.
async fn back_up_as(server: &Server, options: &BackupOptions) -> Result<Backup> {
    back_up_watched(server, options, &Silent).await
}

/// The same with somebody who is told of its progress.
async fn back_up_watched(
    server: &Server,
    options: &BackupOptions,
    progress: &dyn Progress,
) -> Result<Backup> {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path());
    let prepared = super::prepare(server, options).await?;
    let name = BackupName::new(server.database(), Utc::now(), None, ArchiveKind::Script);
    let head = Head {
        engine: Engine::Postgres,
        server_version: "15".into(),
        database: server.database().into(),
        time: Utc::now(),
        dbm_version: "0".into(),
    };
    let mut writer = ArchiveWriter::begin(store.create(&name).await?, &head).await?;
    let tail = prepared.write(&mut writer, SourceId("test".into()), options, progress).await?;
    writer.finish(tail).await?;
    Ok(Backup { store, name, _folder: folder })
}

async fn back_up(fresh: &Fresh, workers: usize) -> Backup {
    back_up_as(&fresh.server(), &jobs(workers)).await.unwrap()
}

async fn failure(fresh: &Fresh) -> Error {
    back_up_as(&fresh.server(), &jobs(2)).await.err().expect("the backup fails")
}

/// Restores by psql alone, with no flag but -X, into a new database.
fn restore(backup: &Backup, options: &str) -> Fresh {
    let fresh = Fresh::with(options);
    let output = psql(&fresh.name, &[], &backup.script());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    fresh
}

/// Backs up, restores by psql, and finds both equal: definitions by pg_dump, rows and large objects by digest.
async fn round_trip(fresh: &Fresh, workers: usize, options: &str) -> (Backup, Fresh) {
    let backup = back_up(fresh, workers).await;
    let restored = restore(&backup, options);
    let (before, after) = (fresh.pg_dump(), restored.pg_dump());
    if before != after {
        let folder = tempfile::tempdir().unwrap().keep();
        std::fs::write(folder.join("before.sql"), before).unwrap();
        std::fs::write(folder.join("after.sql"), after).unwrap();
        panic!("pg_dump of both sides differs: diff {}/*.sql", folder.display());
    }
    let again = back_up(&restored, 1).await;
    assert_eq!(backup.tables().await, again.tables().await);
    let (one, other) = (backup.extras().await, again.extras().await);
    assert_eq!(one.large_objects_digest, other.large_objects_digest);
    (backup, restored)
}
