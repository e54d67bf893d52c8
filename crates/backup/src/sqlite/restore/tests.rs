use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use database::sqlite::{File, Mode};
use database::{Database, Engine, Entry, Fence as _, Journal as _};
use helpers::naming::{ArchiveKind, BackupName};
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use crate::archive::{Archive, ArchiveWriter, Head, RawPart, compress};
use crate::dump::{self, BackupOptions};
use crate::progress::Silent;
use crate::restore::{self, RestoreOptions, TargetState};
use crate::store::{LocalStore, Store as _};
use crate::{ErrorKind, Result};

struct Case {
    folder: TempDir,
    file: File,
    database: Database,
    archive: Archive,
}

const SQL: &str = "CREATE TABLE parent (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, twice AS (id * 2));
    CREATE TABLE child (id INTEGER PRIMARY KEY, parent REFERENCES parent ON DELETE CASCADE, x REAL, b BLOB);
    CREATE INDEX i ON child (parent);
    CREATE VIEW v AS SELECT * FROM parent JOIN child ON parent.id = child.parent;
    CREATE TRIGGER tr AFTER DELETE ON child BEGIN UPDATE parent SET name = name || '!' WHERE id = old.parent; END;
    CREATE VIRTUAL TABLE f USING fts5(body);
    INSERT INTO f VALUES ('the quick fox');
    CREATE TABLE \"a \"\"b\"\"\n\" (k TEXT PRIMARY KEY, v ANY) STRICT, WITHOUT ROWID;
    INSERT INTO \"a \"\"b\"\"\n\" VALUES ('x', '123'), ('y', 123), ('z', x'00');
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    INSERT INTO parent (name) SELECT 'p' || i FROM n;
    INSERT INTO child SELECT id, id, id / 3.0, randomblob(500) FROM parent;";

impl Case {
    /// A database with its archive.
    async fn new(pragmas: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.sqlite");
        Connection::open(&path).unwrap().execute_batch(&format!("{pragmas}; {SQL}")).unwrap();
        let file = File::new(path, Mode::ReadWrite);
        file.ensure_source_id().await.unwrap();
        let database = Database::Sqlite(file.clone());
        let store = LocalStore::new(folder.path().join("backups"));
        let written = dump::create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap();
        let archive = Archive::open(store.source(&written.name).await.unwrap()).await.unwrap();
        Self { folder, file, database, archive }
    }

    fn change(&self, sql: &str) {
        Connection::open(self.file.path()).unwrap().execute_batch(sql).unwrap();
    }

    async fn restore(&self) -> Result<restore::Replaced> {
        let options = RestoreOptions::default();
        restore::beside(&self.archive, &self.database, &options, &Silent).await?.swap(&[], false).await
    }

    async fn is_restored(&self) {
        let digests = self.file.digests().await.unwrap();
        let index = self.archive.index();
        assert_eq!(digests.len(), index.tables.len());
        for (id, digest) in digests {
            assert_eq!(index.table(&id).unwrap().digest, digest, "{id}");
        }
        let checked =
            Command::new("sqlite3").arg(self.file.path()).arg("PRAGMA integrity_check").output().unwrap();
        assert_eq!(String::from_utf8(checked.stdout).unwrap(), "ok\n");
        let left = self.files();
        assert!(!left.iter().any(|name| name.contains("restoring") || name.contains("scratch")), "{left:?}");
    }

    fn files(&self) -> Vec<String> {
        let mut files: Vec<_> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        files
    }
}

fn one(path: &Path, sql: &str) -> i64 {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_table_in_the_order_of_an_applications_collation_comes_back() {
    let case = Case::new("").await;
    let connection = Connection::open(case.file.path()).unwrap();
    connection.create_collation("backwards", |a, b| b.cmp(a)).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE u (n TEXT COLLATE backwards PRIMARY KEY, m) WITHOUT ROWID;
             CREATE INDEX of_u ON u (m COLLATE backwards); INSERT INTO u VALUES ('a', 1), ('b', 2), ('c', 3)",
        )
        .unwrap();
    drop(connection);
    let store = LocalStore::new(case.folder.path().join("backups"));
    let written = dump::create(&case.database, &store, &BackupOptions::default(), &Silent).await.unwrap();
    let case =
        Case { archive: Archive::open(store.source(&written.name).await.unwrap()).await.unwrap(), ..case };
    assert_eq!(case.archive.index().tables.iter().find(|table| table.id.name == "u").unwrap().digest.rows, 3);
    case.change("DROP TABLE child");
    case.restore().await.unwrap();
    for (id, digest) in case.file.digests().await.unwrap() {
        assert_eq!(case.archive.index().table(&id).unwrap().digest, digest, "{id}");
    }
}

#[tokio::test]
async fn a_restore_brings_back_what_was_and_keeps_what_it_replaced() {
    for pragmas in
        ["", "PRAGMA journal_mode = WAL", "PRAGMA auto_vacuum = FULL", "PRAGMA encoding = 'UTF-16le'"]
    {
        let case = Case::new(pragmas).await;
        case.change("DELETE FROM child; DROP TABLE f; CREATE TABLE new (x); INSERT INTO new VALUES (1)");
        let source = case.file.about().await.unwrap().source;
        let replaced = case.restore().await.unwrap();
        case.is_restored().await;
        assert_eq!(case.file.about().await.unwrap().source, source, "it stays the same database");
        let copy = case.folder.path().join("copy.sqlite");
        fs::copy(case.file.path(), &copy).unwrap();
        let copy = File::new(copy, Mode::ReadWrite);
        assert_ne!(copy.about().await.unwrap().source, source, "a copy of it is another");
        assert_ne!(copy.ensure_source_id().await.unwrap(), source);
        let kept = case.folder.path().join(&replaced.name);
        assert_eq!(one(&kept, "SELECT count(*) FROM new"), 1);
        let listed = restore::replaced(&case.database).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!((&listed[0].name, listed[0].bytes), (&replaced.name, replaced.bytes));
        let error = restore::let_go(&case.database, "shop.sqlite").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        restore::let_go(&case.database, &replaced.name).await.unwrap();
        assert!(restore::replaced(&case.database).await.unwrap().is_empty());
        assert!(!kept.exists());
    }
}

#[tokio::test]
async fn open_connections_see_the_restored_rows() {
    for pragmas in ["", "PRAGMA journal_mode = WAL"] {
        let case = Case::new(pragmas).await;
        let reader = Connection::open(case.file.path()).unwrap();
        let count = |sql: &str| reader.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        case.change("DELETE FROM child");
        assert_eq!(count("SELECT count(*) FROM child"), 0);
        case.restore().await.unwrap();
        assert_eq!(count("SELECT count(*) FROM child"), 3000);
        reader.execute_batch("INSERT INTO parent (name) VALUES ('by the reader')").unwrap();
        assert_eq!(one(case.file.path(), "SELECT count(*) FROM parent"), 3001);
    }
}

#[tokio::test]
async fn a_reader_in_a_transaction_keeps_its_view_in_wal_mode() {
    let case = Case::new("PRAGMA journal_mode = WAL").await;
    case.change("DELETE FROM child");
    let reader = Connection::open(case.file.path()).unwrap();
    let count = || reader.query_row("SELECT count(*) FROM child", [], |row| row.get::<_, i64>(0)).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    assert_eq!(count(), 0);
    case.restore().await.unwrap();
    assert_eq!(count(), 0);
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(count(), 3000);
}

#[tokio::test]
async fn another_page_size() {
    for mode in ["DELETE", "WAL"] {
        let case = Case::new(&format!("PRAGMA page_size = 8192; PRAGMA journal_mode = {mode}")).await;
        case.change("PRAGMA journal_mode = DELETE; PRAGMA page_size = 1024; VACUUM; DELETE FROM child");
        case.change(&format!("PRAGMA journal_mode = {mode}"));
        assert_eq!(one(case.file.path(), "PRAGMA page_size"), 1024);
        if mode == "WAL" {
            let open = Connection::open(case.file.path()).unwrap();
            open.query_row("SELECT count(*) FROM child", [], |row| row.get::<_, i64>(0)).unwrap();
            let error = case.restore().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
            assert!(error.hint().unwrap().contains("stop the programs"));
            assert_eq!(one(case.file.path(), "SELECT count(*) FROM child"), 0);
            assert!(restore::replaced(&case.database).await.unwrap().is_empty());
            drop(open);
        }
        case.restore().await.unwrap();
        assert_eq!(one(case.file.path(), "PRAGMA page_size"), 8192);
        case.is_restored().await;
    }
}

/// Every row that a writer was told is committed is in the database or in what was replaced.
#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_row_is_lost() {
    for mode in ["DELETE", "WAL"] {
        let case = Case::new(&format!("PRAGMA journal_mode = {mode}")).await;
        case.change("CREATE TABLE ledger (n INTEGER PRIMARY KEY)");
        let stop = Arc::new(AtomicBool::new(false));
        let writer = std::thread::spawn({
            let (path, stop) = (case.file.path().to_owned(), stop.clone());
            move || {
                let connection = Connection::open(path).unwrap();
                connection.busy_timeout(Duration::from_secs(5)).unwrap();
                let mut acknowledged = Vec::new();
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    // Without a pause, SQLite lets nobody else in, not even to read.
                    std::thread::sleep(Duration::from_millis(2));
                    // After the exchange there is no such table any more.
                    match connection.execute("INSERT INTO ledger VALUES (?1)", [number]) {
                        Ok(_) => acknowledged.push(number),
                        Err(_) if !acknowledged.is_empty() => break,
                        Err(_) => {}
                    }
                }
                acknowledged
            }
        });
        std::thread::sleep(Duration::from_millis(100));
        let replaced = case.restore().await.unwrap();
        stop.store(true, Ordering::Relaxed);
        let acknowledged: Vec<i64> = writer.join().unwrap();
        assert!(!acknowledged.is_empty());
        let kept = Connection::open(case.folder.path().join(&replaced.name)).unwrap();
        let mut rows = kept.prepare("SELECT n FROM ledger ORDER BY n").unwrap();
        let rows: Vec<i64> = rows.query_map([], |row| row.get(0)).unwrap().map(|row| row.unwrap()).collect();
        let lost = acknowledged.iter().filter(|number| !rows.contains(number)).count();
        assert_eq!(lost, 0, "{mode}: {} acknowledged, {} kept", acknowledged.len(), rows.len());
        case.is_restored().await;
    }
}

#[tokio::test]
async fn a_writer_in_a_transaction_is_waited_for_and_then_named() {
    for mode in ["DELETE", "WAL"] {
        let case = Case::new(&format!("PRAGMA journal_mode = {mode}")).await;
        let scratch = restore::scratch_name(&case.database).await.unwrap();
        let options = RestoreOptions { scratch: Some(scratch.clone()), ..Default::default() };
        let beside = restore::beside(&case.archive, &case.database, &options, &Silent).await.unwrap();
        assert_eq!(beside.scratch_name(), scratch);
        assert_eq!(restore::leftovers(&case.database).await.unwrap(), [scratch]);
        let writer = Connection::open(case.file.path()).unwrap();
        writer.execute_batch("BEGIN IMMEDIATE; DELETE FROM child").unwrap();
        let error = beside.swap(&[], false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LockTimeout, "{error}");
        writer.execute_batch("ROLLBACK").unwrap();
        drop(writer);
        case.is_restored().await;
        assert!(restore::replaced(&case.database).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn under_a_fence_the_session_that_holds_it_restores() {
    for mode in ["DELETE", "WAL"] {
        let case = Case::new(&format!("PRAGMA journal_mode = {mode}")).await;
        let mut session = case.file.session().await.unwrap();
        let state = session.fence_state().await.unwrap();
        session.raise_fence(&state).await.unwrap();
        database::Statements::execute(&mut session, "DELETE FROM child; CREATE TABLE new (x)").await.unwrap();
        let entry = |number| Entry { run: "r".into(), number, at: chrono::Utc::now(), step: json!(number) };
        let first = entry(0);
        session.begin_run(&first).await.unwrap();
        let options = RestoreOptions::default();
        let beside = restore::beside(&case.archive, &case.database, &options, &Silent).await.unwrap();
        let publish = [first, entry(1), entry(2)];
        beside.swap(&publish, true).await.unwrap();
        assert_eq!(session.entries().await.unwrap(), publish);
        session.lift_fence(&state).await.unwrap();
        drop(session);
        case.is_restored().await;
    }
}

#[tokio::test]
async fn a_disk_that_fills_up_leaves_the_target_as_it_was() {
    for mode in ["DELETE", "WAL"] {
        let disk = crate::dump::tests::Small::mount("24m");
        let path = disk.0.path().join("shop.sqlite");
        Connection::open(&path)
            .unwrap()
            .execute_batch(&format!("PRAGMA journal_mode = {mode}; {SQL}"))
            .unwrap();
        let file = File::new(path, Mode::ReadWrite);
        let database = Database::Sqlite(file.clone());
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::new(folder.path());
        let written = dump::create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap();
        let archive = Archive::open(store.source(&written.name).await.unwrap()).await.unwrap();
        Connection::open(file.path()).unwrap().execute_batch("DELETE FROM child").unwrap();
        let before = file.digests().await.unwrap();
        let options = RestoreOptions::default();
        let found = restore::preflight(&archive, &database, &options).await.unwrap();
        assert!(found.problems.is_empty());
        // The new file is there; then somebody else takes what was free.
        let beside = restore::beside(&archive, &database, &options, &Silent).await.unwrap();
        let filler = disk.0.path().join("filler");
        let free = rustix::fs::statvfs(disk.0.path()).map(|about| about.f_bavail * about.f_frsize).unwrap();
        let left = 3 * archive.index().bytes() / 2;
        fs::write(&filler, vec![0; usize::try_from(free - left).unwrap()]).unwrap();
        let error = beside.swap(&[], false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{mode}: {error}");
        assert_eq!(file.digests().await.unwrap(), before, "{mode}");
        assert!(restore::replaced(&database).await.unwrap().is_empty(), "{mode}");
        assert!(restore::leftovers(&database).await.unwrap().is_empty(), "{mode}");
        // With so little left, it is said before anything is done.
        let error = restore::beside(&archive, &database, &options, &Silent).await.unwrap_err();
        assert!(error.to_string().contains("the restore needs"), "{error}");
        fs::remove_file(&filler).unwrap();
        let beside = restore::beside(&archive, &database, &options, &Silent).await.unwrap();
        beside.swap(&[], false).await.unwrap();
        let child = |digests: &std::collections::BTreeMap<database::ObjectId, database::TableDigest>| {
            digests.iter().find(|(id, _)| id.name == "child").unwrap().1.rows
        };
        assert_eq!((child(&before), child(&file.digests().await.unwrap())), (0, 3000), "{mode}");
    }
}

#[tokio::test]
async fn a_new_file_is_another_database() {
    let case = Case::new("").await;
    let options = RestoreOptions::default();
    restore::into(&case.archive, &case.database, "copy.sqlite", &options, &Silent).await.unwrap();
    let copy = File::new(case.folder.path().join("copy.sqlite"), Mode::ReadWrite);
    assert_eq!(copy.digests().await.unwrap(), case.file.digests().await.unwrap());
    assert_ne!(copy.about().await.unwrap().source, case.file.about().await.unwrap().source);
    let error =
        restore::into(&case.archive, &case.database, "copy.sqlite", &options, &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.hint().unwrap().contains("name another file"));
    // Another database's archive over it needs a word; an empty one is simply filled.
    let other = Database::Sqlite(copy.clone());
    let preflight = restore::preflight(&case.archive, &other, &options).await.unwrap();
    assert_eq!(preflight.check().unwrap_err().kind(), database_refused());
    let from = RestoreOptions { from_source: Some(preflight.archive_source), ..Default::default() };
    restore::preflight(&case.archive, &other, &from).await.unwrap().check().unwrap();
    let empty = Database::Sqlite(File::new(case.folder.path().join("empty.sqlite"), Mode::Create));
    let preflight = restore::preflight(&case.archive, &empty, &options).await.unwrap();
    assert_eq!(preflight.target, TargetState::Empty);
    preflight.check().unwrap();
    let beside = restore::beside(&case.archive, &empty, &options, &Silent).await.unwrap();
    beside.swap(&[], false).await.unwrap();
    assert_eq!(one(&case.folder.path().join("empty.sqlite"), "SELECT count(*) FROM child"), 3000);
}

#[tokio::test]
async fn what_another_database_left_is_not_mixed_into_a_new_one() {
    let case = Case::new("").await;
    let new = case.folder.path().join("new.sqlite");
    for end in ["-wal", "-journal", "-shm"] {
        let left = case.folder.path().join(format!("new.sqlite{end}"));
        fs::write(&left, b"left").unwrap();
        let options = RestoreOptions::default();
        let into = restore::into(&case.archive, &case.database, "new.sqlite", &options, &Silent).await;
        let missing = Database::Sqlite(File::new(&new, Mode::ReadWrite));
        let in_place = restore::into_missing(&case.archive, &missing, &options, &Silent).await;
        for refused in [into, in_place] {
            let error = refused.unwrap_err();
            assert!(
                error.to_string().contains(&format!("new.sqlite{end}")) && error.hint().is_some(),
                "{error}"
            );
        }
        assert!(!new.exists() && fs::read(&left).unwrap() == b"left");
        fs::remove_file(&left).unwrap();
    }
}

fn database_refused() -> ErrorKind {
    ErrorKind::Refused
}

#[tokio::test]
async fn one_tables_rows_beside_it() {
    let case = Case::new("").await;
    case.change("DELETE FROM child; DELETE FROM \"a \"\"b\"\"\n\"");
    let options = RestoreOptions::default();
    for table in ["child", "a \"b\"\n", "PARENT"] {
        let new = restore::table(&case.archive, &case.database, table, &options, &Silent).await.unwrap();
        assert!(new.contains("_restored_"), "{new}");
        let digests = case.file.digests().await.unwrap();
        let restored = digests.iter().find(|(id, _)| id.name == new).unwrap().1;
        let wanted =
            case.archive.index().tables.iter().find(|entry| entry.id.name.eq_ignore_ascii_case(table));
        assert_eq!(*restored, wanted.unwrap().digest);
    }
    assert_eq!(one(case.file.path(), "SELECT count(*) FROM child"), 0, "the table itself is as it was");
    let error =
        restore::table(&case.archive, &case.database, "nothing", &options, &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn damage_never_reaches_the_target() {
    let case = Case::new("").await;
    let path = case.folder.path().join("backups").join(case.archive.name());
    let mut bytes = fs::read(&path).unwrap();
    let place = usize::try_from(case.archive.index().parts[0].offset).unwrap() + 1000;
    bytes[place] ^= 1;
    fs::write(&path, bytes).unwrap();
    let before = fs::read(case.file.path()).unwrap();
    assert_eq!(case.restore().await.unwrap_err().kind(), ErrorKind::Damaged);
    assert_eq!(fs::read(case.file.path()).unwrap(), before);
    let left = case.files();
    assert_eq!(left, ["backups", "shop.sqlite"]);
}

#[tokio::test]
async fn only_names_that_a_restore_makes_are_discarded() {
    let case = Case::new("").await;
    for name in ["shop.sqlite", "../shop_restoring_20261121T013400Z.sqlite", "", "shop_restoring_.sqlite"] {
        let error = restore::discard_scratch(&case.database, name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{name}");
    }
    let name = restore::scratch_name(&case.database).await.unwrap();
    fs::write(case.folder.path().join(&name), b"half").unwrap();
    fs::write(case.folder.path().join(format!("{name}-wal")), b"half").unwrap();
    restore::discard_scratch(&case.database, &name).await.unwrap();
    restore::discard_scratch(&case.database, &name).await.unwrap();
    assert_eq!(case.files(), ["backups", "shop.sqlite"]);
}

#[tokio::test]
async fn an_archive_of_another_engine_is_named() {
    let case = Case::new("").await;
    let store = LocalStore::new(case.folder.path().join("backups"));
    let time = chrono::Utc::now();
    let name = BackupName::new("other", time, None, ArchiveKind::Script);
    let head = Head { engine: Engine::Postgres, ..case.archive.head().clone() };
    let writer = ArchiveWriter::begin(store.create(&name).await.unwrap(), &head).await.unwrap();
    let index = case.archive.index().clone();
    let tail = index.into_tail();
    writer.finish(tail).await.unwrap();
    let archive = Archive::open(store.source(&name).await.unwrap()).await.unwrap();
    let options = RestoreOptions::default();
    let into = restore::into(&archive, &case.database, "new.sqlite", &options, &Silent).await.unwrap_err();
    let table = restore::table(&archive, &case.database, "child", &options, &Silent).await.unwrap_err();
    for error in [into, table] {
        assert_eq!(error.kind(), ErrorKind::OtherEngine);
        assert_eq!(error.hint(), Some("give the URL of a postgres database"));
    }
    let preflight = restore::preflight(&archive, &case.database, &options).await.unwrap();
    assert!(preflight.check().unwrap_err().to_string().contains("is of postgres, not of sqlite"));
    assert_eq!(case.files(), ["backups", "shop.sqlite"]);
}

#[tokio::test]
async fn a_file_whose_rows_are_not_the_indexs_is_not_put_in_place() {
    let case = Case::new("").await;
    let store = LocalStore::new(case.folder.path().join("backups"));
    let name = BackupName::new("forged", chrono::Utc::now(), None, ArchiveKind::SqliteFile);
    let mut writer =
        ArchiveWriter::begin(store.create(&name).await.unwrap(), case.archive.head()).await.unwrap();
    let mut index = case.archive.index().clone();
    for (number, part) in (0..).zip(&index.parts) {
        let bytes = case.archive.part(number).await.unwrap();
        let raw = RawPart {
            section: part.section,
            aspect: part.aspect,
            objects: Vec::new(),
            rows: 0,
            bytes,
            follows: Vec::new(),
        };
        writer.append(compress(raw, 1).unwrap()).await.unwrap();
    }
    index.tables[0].digest.add_row(b"one more");
    let tail = index.into_tail();
    writer.finish(tail).await.unwrap();
    let archive = Archive::open(store.source(&name).await.unwrap()).await.unwrap();
    let before = fs::read(case.file.path()).unwrap();
    let options = RestoreOptions::default();
    let error = restore::beside(&archive, &case.database, &options, &Silent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unproven, "{error}");
    assert_eq!(fs::read(case.file.path()).unwrap(), before);
    assert_eq!(case.files(), ["backups", "shop.sqlite"]);
}

#[tokio::test]
async fn what_is_made_beside_a_database_is_for_those_who_may_use_it() {
    let case = Case::new("").await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let link = case.folder.path().join("link.db");
    std::os::unix::fs::symlink(case.file.path(), &link).unwrap();
    for (number, given) in [0o660, 0o606, 0o600].into_iter().enumerate() {
        fs::set_permissions(case.file.path(), fs::Permissions::from_mode(given)).unwrap();
        let journal = case.folder.path().join("shop.sqlite-dbm");
        drop(fs::remove_file(&journal));
        let mut session = case.file.session().await.unwrap();
        let run = format!("run {number}");
        let first = Entry { run, number: 0, at: chrono::Utc::now(), step: json!("begun") };
        session.begin_run(&first).await.unwrap();
        assert_eq!(mode(&journal), given);
        // What is replaced through a link is the file's own all the same.
        let through = Database::Sqlite(File::new(&link, Mode::ReadWrite));
        let restored = restore::beside(&case.archive, &through, &RestoreOptions::default(), &Silent).await;
        let replaced = restored.unwrap().swap(&[], false).await.unwrap();
        assert_eq!(mode(&case.folder.path().join(&replaced.name)), given);
        for database in [&through, &case.database] {
            let listed = restore::replaced(database).await.unwrap();
            assert!(listed.iter().any(|one| one.name == replaced.name), "{listed:?}");
        }
        assert_eq!(mode(case.file.path()), given);
        // The file is gone, and what it was like stands in its journal's mode.
        fs::remove_file(case.file.path()).unwrap();
        let options = RestoreOptions::default();
        super::into_missing(&case.archive, &case.file, &options, &Silent).await.unwrap();
        assert_eq!(mode(case.file.path()), given);
        // It is the database that was lost.
        assert_eq!(case.file.about().await.unwrap().source, case.archive.index().source);
    }
}

/// A copy of what is replaced has its name only once it is whole: what was killed before leaves none that passes for one.
#[tokio::test]
async fn a_copy_that_was_not_finished_is_no_replaced_database() {
    let case = Case::new("").await;
    let left = case.folder.path().join("shop_replaced_20260101T000000Z.sqlite.partial");
    fs::write(&left, "").unwrap();
    assert!(restore::replaced(&case.database).await.unwrap().is_empty());
    let replaced = case.restore().await.unwrap();
    assert_eq!(case.files(), ["backups", "shop.sqlite", &replaced.name]);
}
