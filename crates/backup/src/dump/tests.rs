use std::fs;
use std::path::Path;
use std::process::Command;

use chrono::SubsecRound as _;
use database::Database;
use database::sqlite::{File, Mode};
use rusqlite::Connection;

use super::*;
use crate::archive::Archive;
use crate::catalogue;
use crate::progress::Silent;
use crate::store::LocalStore;

fn make(folder: &Path, sql: &str) -> Database {
    let path = folder.join("shop.sqlite");
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    Database::Sqlite(File::new(path, Mode::ReadWrite))
}

fn files(folder: &Path) -> Vec<String> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    files
}

const ROWS: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, x); 
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
    INSERT INTO t SELECT i, hex(randomblob(300)) FROM n; CREATE INDEX i ON t (x);";

#[tokio::test]
async fn the_archive_is_the_database_file() {
    for mode in ["DELETE", "WAL"] {
        let folder = tempfile::tempdir().unwrap();
        let database = make(folder.path(), &format!("PRAGMA journal_mode = {mode}; {ROWS}"));
        // A connection that stays open, with its WAL.
        let open = Connection::open(folder.path().join("shop.sqlite")).unwrap();
        open.execute_batch("INSERT INTO t (x) VALUES ('last')").unwrap();
        let store = LocalStore::new(folder.path().join("backups"));
        let written = create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap();
        assert_eq!(
            (written.rows, written.tables, &written.grade),
            (20_001, 1, &crate::archive::Grade::Exact)
        );
        let archive = Archive::open(store.source(&written.name).await.unwrap()).await.unwrap();
        assert!(archive.index().parts.len() > 2);
        archive.verify_all(&Silent, &Default::default()).await.unwrap();
        // The stock tools: zstd, then sqlite3.
        let plain = folder.path().join("plain.sqlite");
        let output = Command::new("zstd")
            .arg("-dc")
            .arg(folder.path().join("backups").join(written.name.to_string()))
            .output()
            .unwrap();
        assert!(output.status.success());
        fs::write(&plain, &output.stdout).unwrap();
        let asked = Command::new("sqlite3")
            .arg(&plain)
            .arg("PRAGMA integrity_check; SELECT count(*) FROM t; SELECT x FROM t ORDER BY id DESC LIMIT 1")
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(asked.stdout).unwrap(), "ok\n20001\nlast\n");
        // Nothing but the database is left beside it.
        let left = files(folder.path());
        assert!(!left.iter().any(|file| file.contains("scratch")), "{left:?}");
        let listed = catalogue::list(&store).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert!(listed[0].is_good());
        assert_eq!(listed[0].sidecar.as_ref().unwrap().sha256.map(|hash| hash.to_string().len()), Some(64));
    }
}

#[tokio::test]
async fn an_empty_file_is_a_database_too() {
    let folder = tempfile::tempdir().unwrap();
    let database = make(folder.path(), "");
    let store = LocalStore::new(folder.path().join("backups"));
    let written = create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap();
    assert_eq!((written.rows, written.tables), (0, 0));
    let path = folder.path().join("backups").join(written.name.to_string());
    let output = Command::new("zstd").arg("-dc").arg(path).output().unwrap();
    assert!(output.status.success());
}

#[tokio::test]
async fn each_has_a_second_of_its_own_that_has_come() {
    let folder = tempfile::tempdir().unwrap();
    let database = make(folder.path(), "CREATE TABLE t (x)");
    let store = LocalStore::new(folder.path().join("backups"));
    let (plain, labelled) =
        (BackupOptions::default(), BackupOptions { label: Some("a".into()), ..Default::default() });
    let began = Utc::now().trunc_subsecs(0);
    let made = |options| {
        let (database, store) = (&database, &store);
        async move {
            let written = create(database, store, options, &Silent).await.unwrap();
            (written.name.time, Utc::now())
        }
    };
    let (one, two, three) = tokio::join!(made(&plain), made(&labelled), made(&plain));
    for (time, ended) in [one, two, three] {
        assert!(began <= time && time <= ended, "{began} {time} {ended}");
    }
    let mut times = [one.0, two.0, three.0];
    times.sort();
    assert!(times[0] < times[1] && times[1] < times[2], "{times:?}");
}

#[tokio::test]
async fn an_unfinished_one_is_never_the_latest() {
    let folder = tempfile::tempdir().unwrap();
    let database = make(folder.path(), "CREATE TABLE t (x)");
    let store = LocalStore::new(folder.path().join("backups"));
    let options = BackupOptions { unfinished: true, ..Default::default() };
    let written = create(&database, &store, &options, &Silent).await.unwrap();
    assert!(written.name.to_string().contains("Z_unfinished.sqlite.zst"));
    let error =
        catalogue::resolve(&store, "latest", std::slice::from_ref(&written.source)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let good = create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap();
    let latest = catalogue::resolve(&store, "latest", std::slice::from_ref(&written.source)).await.unwrap();
    assert_eq!(latest.name().unwrap(), good.name);
    assert_eq!(catalogue::resolve(&store, "shop_", &[]).await.unwrap_err().kind(), ErrorKind::Usage);
    let prefix = &good.name.to_string()[..22];
    assert!(catalogue::resolve(&store, prefix, &[]).await.is_ok());
    // Pinned ones stay.
    catalogue::pin(&store, &good.name, Some("a run is open")).await.unwrap();
    assert_eq!(catalogue::remove(&store, &good.name).await.unwrap_err().kind(), ErrorKind::Refused);
    catalogue::pin(&store, &good.name, None).await.unwrap();
    catalogue::remove(&store, &good.name).await.unwrap();
    assert_eq!(catalogue::list(&store).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_latest_may_be_from_before_the_file_had_an_id() {
    let folder = tempfile::tempdir().unwrap();
    let database = make(folder.path(), "CREATE TABLE t (x)");
    let store = LocalStore::new(folder.path().join("backups"));
    let read_only = Database::Sqlite(File::new(folder.path().join("shop.sqlite"), Mode::ReadOnly));
    let early = create(&read_only, &store, &BackupOptions::default(), &Silent).await.unwrap();
    let id = database.ensure_source_id().await.unwrap();
    assert_ne!(early.source, id);
    let sources = database.sources().await.unwrap();
    assert_eq!(sources, [id, early.source.clone()]);
    assert_eq!(catalogue::resolve(&store, "latest", &sources).await.unwrap().name().unwrap(), early.name);
    let late = create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap();
    assert_eq!(catalogue::resolve(&store, "latest", &sources).await.unwrap().name().unwrap(), late.name);
    // Another file of the same name is another database.
    let elsewhere = tempfile::tempdir().unwrap();
    let other = make(elsewhere.path(), "CREATE TABLE t (x)").sources().await.unwrap();
    assert_eq!(catalogue::resolve(&store, "latest", &other).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_moved_file_keeps_its_archives_and_a_lost_one_makes_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let database = make(folder.path(), "PRAGMA journal_mode = WAL; CREATE TABLE t (x)");
    let store = LocalStore::new(folder.path().join("backups"));
    let written = create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap();
    assert!(!written.source.0.contains("path"), "{}", written.source);
    let (old, new) = (folder.path().join("shop.sqlite"), folder.path().join("moved.sqlite"));
    fs::rename(&old, &new).unwrap();
    let sources = Database::Sqlite(File::new(&new, Mode::ReadWrite)).sources().await.unwrap();
    assert_eq!(catalogue::resolve(&store, "latest", &sources).await.unwrap().name().unwrap(), written.name);
    // Asked for in its old place, the database is neither found nor made.
    let lost = Database::Sqlite(File::new(&old, Mode::Create));
    let sources = lost.sources().await.unwrap();
    assert_eq!(catalogue::resolve(&store, "latest", &sources).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!old.exists());
}

#[tokio::test]
async fn a_backup_waits_for_no_id_and_needs_no_write_access() {
    let folder = tempfile::tempdir().unwrap();
    let database = make(folder.path(), "PRAGMA journal_mode = WAL; CREATE TABLE t (x)");
    let store = LocalStore::new(folder.path().join("backups"));
    // A writer that does not come to an end: readers go on, and nothing more can be written.
    let busy = Connection::open(folder.path().join("shop.sqlite")).unwrap();
    busy.execute_batch("BEGIN IMMEDIATE").unwrap();
    let during = create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap();
    assert!(during.source.0.starts_with("sqlite:path:"), "{}", during.source);
    busy.execute_batch("ROLLBACK").unwrap();
    let after = create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap();
    assert!(!after.source.0.contains("path"), "{}", after.source);
    // Both are this very database's.
    let sources = database.sources().await.unwrap();
    assert!(sources.contains(&during.source) && sources.contains(&after.source));
}

#[tokio::test]
async fn damage_is_listed_as_unknown_and_a_missing_sidecar_is_made_good_from_the_tail() {
    let folder = tempfile::tempdir().unwrap();
    let database = make(folder.path(), "CREATE TABLE t (x)");
    let store = LocalStore::new(folder.path().join("backups"));
    let written = create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap();
    let path = folder.path().join("backups").join(written.name.to_string());
    fs::remove_file(format!("{}.json", path.display())).unwrap();
    let listed = catalogue::list(&store).await.unwrap();
    assert!(listed[0].is_good());
    assert_eq!(listed[0].sidecar.as_ref().unwrap().identity, written.identity);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let listed = catalogue::list(&store).await.unwrap();
    assert!(
        matches!(&listed[0].state, catalogue::State::Unknown(why) if why.contains("no footer")),
        "{listed:?}"
    );
}

#[tokio::test]
async fn a_damaged_database_is_refused_and_a_cancelled_backup_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let database = make(folder.path(), ROWS);
    let store = LocalStore::new(folder.path().join("backups"));
    let options = BackupOptions::default();
    options.cancel.cancel();
    let error = create(&database, &store, &options, &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let path = folder.path().join("shop.sqlite");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0xAA);
    fs::write(&path, bytes).unwrap();
    let error = create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.hint().unwrap().contains("dbm restore latest"), "{error}");
    assert!(files(folder.path()).iter().all(|file| !file.contains("scratch")));
    assert!(catalogue::list(&store).await.unwrap().is_empty());
}

/// Makes an index say what its table does not: it is built for a table with other rows, then given to this one.
fn with_a_wrong_index(folder: &Path, other: &str) -> Database {
    let database = make(
        folder,
        "CREATE TABLE t (x, y INT); CREATE INDEX i ON t (x); INSERT INTO t VALUES ('a', 1), ('b', 2)",
    );
    let connection = Connection::open(folder.join("shop.sqlite")).unwrap();
    connection
        .execute_batch(&format!(
            "CREATE TABLE u (x, y INT); CREATE INDEX j ON u (x); INSERT INTO u VALUES {other};
             PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET rootpage = (SELECT sum(rootpage) FROM sqlite_schema WHERE name IN ('i', 'j')) - rootpage
              WHERE name IN ('i', 'j');"
        ))
        .unwrap();
    database
}

#[tokio::test]
async fn an_index_that_is_not_its_tables_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let database = with_a_wrong_index(folder.path(), "('a', 1)");
    let store = LocalStore::new(folder.path().join("backups"));
    let error = create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap_err();
    assert!(
        error.to_string().starts_with("the database file is damaged: wrong # of entries in index"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("REINDEX"), "{error}");
    assert!(files(&folder.path().join("backups")).iter().all(|file| file == ".dbm-lock"));
    // As many entries, but others: what is backed up is the rows, and only the deep look finds out.
    let folder = tempfile::tempdir().unwrap();
    let database = with_a_wrong_index(folder.path(), "('a', 1), ('c', 2)");
    let store = LocalStore::new(folder.path().join("backups"));
    let name = create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap().name;
    let error = crate::verify::verify(&store, &name, Some(&database), &Default::default(), &Silent).await;
    let error = error.unwrap_err();
    assert!(
        error.to_string().starts_with("the database file is damaged: row 2 missing from index"),
        "{error}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "the scratch file is gone");
}

#[tokio::test]
async fn tables_and_indexes_of_every_shape_are_whole() {
    let folder = tempfile::tempdir().unwrap();
    let database = make(
        folder.path(),
        "CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT UNIQUE, y REAL, rowid TEXT);
         CREATE INDEX expression ON t (lower(x), y DESC); CREATE INDEX partial ON t (y) WHERE y > 1;
         CREATE INDEX nocase ON t (x COLLATE NOCASE);
         CREATE TABLE w (a, b, PRIMARY KEY (a, b)) WITHOUT ROWID; CREATE INDEX w_b ON w (b);
         CREATE TABLE g (a, b AS (a * 2) VIRTUAL, c AS (a * 3) STORED); CREATE INDEX g_b ON g (b, c);
         CREATE VIRTUAL TABLE f USING fts5(body);
         INSERT INTO t VALUES (1, 'A', 1.5, NULL), (2, 'b', 0.5, NULL), (-7, NULL, NULL, 'r');
         INSERT INTO w VALUES (1, 2), (1, 3); INSERT INTO g (a) VALUES (1), (NULL); INSERT INTO f VALUES ('word');",
    );
    let store = LocalStore::new(folder.path().join("backups"));
    let written = create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap();
    assert_eq!(written.grade, crate::archive::Grade::Exact);
    let name = &written.name;
    crate::verify::verify(&store, name, Some(&database), &Default::default(), &Silent).await.unwrap();
}

/// A file system of a size, unmounted at the end.
pub(crate) struct Small(pub(crate) tempfile::TempDir);

impl Small {
    pub(crate) fn mount(size: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={size}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(folder.path()).status();
        assert!(mounted.unwrap().success(), "this test mounts a tmpfs: it runs as root (scripts/test)");
        Self(folder)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_stops_a_backup_and_nothing_is_left() {
    // No room for the scratch copy beside the database: said before the copy.
    let disk = Small::mount("44m");
    let database = make(disk.0.path(), ROWS);
    let elsewhere = tempfile::tempdir().unwrap();
    let store = LocalStore::new(elsewhere.path());
    let error = create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    assert!(error.to_string().starts_with("a copy of the database needs"), "{error}");
    assert_eq!(files(disk.0.path()), ["shop.sqlite"]);
    assert!(catalogue::list(&store).await.unwrap().is_empty());
    // No room in the store.
    let folder = tempfile::tempdir().unwrap();
    let database = make(folder.path(), ROWS);
    let disk = Small::mount("1m");
    let store = LocalStore::new(disk.0.path());
    let error = create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
    assert_eq!(files(disk.0.path()), [".dbm-lock"]);
    assert_eq!(files(folder.path()), ["shop.sqlite"]);
}
