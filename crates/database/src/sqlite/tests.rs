mod modes;

use std::time::Duration;

use chrono::Utc;
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use super::{CopyOptions, File, Mode, Session};
use crate::script::Statement;
use crate::{Entry, ErrorKind, Fence as _, Journal as _, Lock as _, Statements as _};

fn make() -> (TempDir, File) {
    let folder = tempfile::tempdir().unwrap();
    let file = File::new(folder.path().join("shop.sqlite"), Mode::Create);
    (folder, file)
}

async fn filled(file: &File) -> Session {
    let mut session = file.session().await.unwrap();
    session
        .execute(
            "CREATE TABLE parent (id INTEGER PRIMARY KEY);
             CREATE TABLE child (id INTEGER PRIMARY KEY, parent REFERENCES parent ON DELETE CASCADE);
             INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (10, 1), (20, 2);",
        )
        .await
        .unwrap();
    session
}

fn statement(text: &str) -> Statement<'_> {
    Statement { text, line: 1, offset: 0, copy_rows: None }
}

fn entry(run: &str, number: u32) -> Entry {
    Entry { run: run.into(), number, at: Utc::now(), step: json!({ "kind": "begun" }) }
}

#[tokio::test]
async fn a_missing_file_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nothing.sqlite");
    let error = File::new(&path, Mode::ReadWrite).session().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NoDatabase);
    assert!(error.hint().unwrap().contains("mode=rwc"));
    assert!(!path.exists());
    let error = File::new(folder.path().join("no/folder.db"), Mode::Create).session().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NoDatabase);
}

#[tokio::test]
async fn statements_run_and_say_what_they_did() {
    let (_folder, file) = make();
    let mut session = filled(&file).await;
    assert_eq!(session.run(&statement("UPDATE child SET parent = 1")).await.unwrap().rows, Some(2));
    assert_eq!(session.run(&statement("SELECT * FROM child")).await.unwrap().rows, Some(2));
    assert_eq!(session.run(&statement("CREATE TABLE t (x)")).await.unwrap().rows, Some(0));
    let rows = session.query("SELECT 1, 'a', NULL, x'00ff', 0.5").await.unwrap();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(rows, [[text("1"), text("a"), None, text("00ff"), text("0.5")]]);
    let error = session.run(&statement("SELECT * FROM nowhere")).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Statement, "no such table: nowhere"));
}

#[tokio::test]
async fn foreign_keys_are_checked_at_the_end_and_old_violations_are_not_ours() {
    let (_folder, file) = make();
    let mut session = filled(&file).await;
    session.execute("INSERT INTO child VALUES (30, 99)").await.unwrap();
    session.begin(None).await.unwrap();
    session.end_file().await.unwrap();
    session.execute("DELETE FROM parent WHERE id = 2").await.unwrap();
    let error = session.end_file().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "2 rows of `child` point to rows of `parent` that are not there, 1 before these statements"
    );
    session.rollback().await.unwrap();
    session.rollback().await.unwrap();
    assert_eq!(session.query("SELECT count(*) FROM parent").await.unwrap()[0][0].as_deref(), Some("2"));
}

#[tokio::test]
async fn the_foreign_keys_pragma_does_nothing_inside_a_transaction_so_it_is_off_from_the_start() {
    let (_folder, file) = make();
    let mut session = filled(&file).await;
    session.execute("PRAGMA foreign_keys = ON").await.unwrap();
    session.begin(None).await.unwrap();
    session.execute("PRAGMA foreign_keys = OFF").await.unwrap();
    assert_eq!(session.query("PRAGMA foreign_keys").await.unwrap()[0][0].as_deref(), Some("1"));
    session.rollback().await.unwrap();

    let mut session = file.session().await.unwrap();
    session.begin(None).await.unwrap();
    session
        .execute(
            "CREATE TABLE parent_new (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO parent_new SELECT id, 'x' FROM parent;
             DROP TABLE parent; ALTER TABLE parent_new RENAME TO parent;",
        )
        .await
        .unwrap();
    session.end_file().await.unwrap();
    session.commit().await.unwrap();
    assert_eq!(session.query("SELECT count(*) FROM child").await.unwrap()[0][0].as_deref(), Some("2"));
}

#[tokio::test]
async fn a_lock_is_waited_for_no_longer_than_said() {
    let (_folder, file) = make();
    let mut first = filled(&file).await;
    let mut second = file.session().await.unwrap();
    first.begin(None).await.unwrap();
    let error = second.begin(Some(Duration::from_millis(50))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockTimeout);
    first.commit().await.unwrap();
    second.begin(Some(Duration::from_millis(50))).await.unwrap();
    second.commit().await.unwrap();
}

#[tokio::test]
async fn one_session_has_the_lock() {
    let (folder, file) = make();
    let mut first = filled(&file).await;
    assert_eq!(first.lock_holder().await.unwrap(), None);
    assert!(first.try_lock().await.unwrap());
    assert!(first.try_lock().await.unwrap());
    std::os::unix::fs::symlink(file.path(), folder.path().join("other.db")).unwrap();
    let mut second = File::new(folder.path().join("other.db"), Mode::ReadWrite).session().await.unwrap();
    assert!(!second.try_lock().await.unwrap());
    assert_eq!(second.lock_holder().await.unwrap().as_ref(), Some(first.id()));
    assert_eq!(second.end_session(first.id()).await.unwrap_err().kind(), ErrorKind::Busy);
    let gone = first.id().clone();
    // As a process has it that is started meanwhile, until it becomes its program.
    let _copy = first.beside.locked.as_ref().unwrap().0.try_clone().unwrap();
    drop(first);
    assert!(second.try_lock().await.unwrap());
    assert!(!second.end_session(&gone).await.unwrap());
    second.unlock().await.unwrap();
    assert_eq!(second.lock_holder().await.unwrap(), None);
}

#[tokio::test]
async fn the_journal_holds_the_last_run_and_survives_a_torn_line() {
    let (_folder, file) = make();
    let mut session = filled(&file).await;
    let path = file.beside().unwrap();
    assert!(session.entries().await.unwrap().is_empty());
    assert!(!path.exists());
    session.begin_run(&entry("one", 0)).await.unwrap();
    session.append(&entry("one", 1)).await.unwrap();
    // Torn within a character, as the bytes of a host's or a store's name may be.
    let torn = [std::fs::read(&path).unwrap(), b"{\"run\":\"one\",\"by\":\"Jos\xc3".to_vec()].concat();
    std::fs::write(&path, torn).unwrap();
    assert_eq!(session.entries().await.unwrap().len(), 2);
    assert!(session.try_lock().await.unwrap());
    session.append(&entry("one", 2)).await.unwrap();
    let numbers: Vec<u32> = session.entries().await.unwrap().iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, [0, 1, 2]);
    session.begin_run(&entry("two", 0)).await.unwrap();
    assert_eq!(session.entries().await.unwrap().len(), 1);

    let long = Entry { step: json!("x".repeat(300_000)), ..entry("two", 1) };
    session.append(&long).await.unwrap();
    session.begin_run(&entry("three", 0)).await.unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() < 1000);
    assert_eq!(session.entries().await.unwrap()[0].run, "three");
}

#[tokio::test]
async fn the_mark_commits_with_its_group() {
    let (_folder, file) = make();
    let mut session = filled(&file).await;
    assert!(session.committed("one").await.unwrap().is_empty());
    assert_eq!(session.mark_committed("one", 0).await.unwrap_err().kind(), ErrorKind::Internal);
    session.begin(None).await.unwrap();
    session.mark_committed("one", 0).await.unwrap();
    session.rollback().await.unwrap();
    assert!(session.committed("one").await.unwrap().is_empty());
    for group in [0, 1] {
        session.begin(None).await.unwrap();
        session.mark_committed("one", group).await.unwrap();
        session.commit().await.unwrap();
    }
    assert_eq!(session.committed("one").await.unwrap(), [0, 1]);
    assert!(session.committed("two").await.unwrap().is_empty());
}

#[tokio::test]
async fn the_id_stays_and_a_copy_can_be_told_apart() {
    let (_folder, file) = make();
    drop(filled(&file).await);
    // Another machine's file at the same path is another database.
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let by_path = file.about().await.unwrap().source;
    assert!(!machine.is_empty() && by_path.0.starts_with(&format!("sqlite:path:{machine}/")), "{by_path}");
    assert_eq!(file.source_by_path().unwrap(), by_path);
    let id = file.ensure_source_id().await.unwrap();
    assert_eq!(id, file.ensure_source_id().await.unwrap());
    let about = file.about().await.unwrap();
    assert_eq!((about.source, about.database.as_str(), about.may_write), (id.clone(), "shop", true));
    let other = crate::SourceId(format!("sqlite:{}", "ab".repeat(16)));
    file.set_source_id(&other, &file).await.unwrap();
    assert_eq!(file.about().await.unwrap().source, other);
    assert!(file.set_source_id(&crate::SourceId("sqlite:'".into()), &file).await.is_err());
}

#[tokio::test]
async fn a_moved_file_keeps_its_id_and_a_copy_beside_its_original_has_another() {
    let (folder, file) = make();
    drop(filled(&file).await);
    let id = file.ensure_source_id().await.unwrap();
    let copy = File::new(folder.path().join("copy.sqlite"), Mode::ReadWrite);
    std::fs::copy(file.path(), copy.path()).unwrap();
    assert_eq!(copy.about().await.unwrap().source, copy.source_by_path().unwrap());
    let own = copy.ensure_source_id().await.unwrap();
    assert!(own != id && own == copy.about().await.unwrap().source, "{own}");
    assert_eq!(file.about().await.unwrap().source, id);
    // Moved into another's place: it is what it was.
    std::fs::rename(copy.path(), file.path()).unwrap();
    assert_eq!(file.about().await.unwrap().source, own);
    assert_eq!(file.ensure_source_id().await.unwrap(), own);
    let moved = File::new(folder.path().join("moved.sqlite"), Mode::ReadWrite);
    std::fs::rename(file.path(), moved.path()).unwrap();
    assert_eq!(moved.about().await.unwrap().source, own);
    assert_eq!(moved.ensure_source_id().await.unwrap(), own);
    // Its place is noted: what is copied back to where it was is the copy.
    std::fs::copy(moved.path(), file.path()).unwrap();
    assert_eq!(moved.about().await.unwrap().source, own);
    assert_ne!(file.ensure_source_id().await.unwrap(), own);
    // An id from before places were noted is taken over.
    let early = "DROP TABLE dbm_source; CREATE TABLE dbm_source (id TEXT PRIMARY KEY NOT NULL); INSERT INTO dbm_source VALUES ('ab')";
    rusqlite::Connection::open(moved.path()).unwrap().execute_batch(early).unwrap();
    assert_eq!(moved.about().await.unwrap().source.0, "sqlite:ab");
    assert_eq!(moved.ensure_source_id().await.unwrap().0, "sqlite:ab");
    std::fs::copy(moved.path(), copy.path()).unwrap();
    assert_ne!(copy.about().await.unwrap().source.0, "sqlite:ab");
}

#[tokio::test]
async fn a_file_of_two_names_has_no_run() {
    let (folder, file) = make();
    let mut session = filled(&file).await;
    session.unlock().await.unwrap();
    let other = folder.path().join("other.sqlite");
    std::fs::hard_link(file.path(), &other).unwrap();
    let error = session.try_lock().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Refused && error.to_string().contains("2 names"), "{error}");
    std::fs::remove_file(other).unwrap();
    assert!(session.try_lock().await.unwrap());
}

#[tokio::test]
async fn the_fence_keeps_others_out_and_lets_copies_through() {
    for wal in [false, true] {
        let (folder, file) = make();
        let mut session = filled(&file).await;
        if wal {
            session.execute("PRAGMA journal_mode = WAL").await.unwrap();
        }
        let state = session.fence_state().await.unwrap();
        session.raise_fence(&state).await.unwrap();
        session.raise_fence(&state).await.unwrap();
        let outsider = Connection::open(file.path()).unwrap();
        outsider.busy_timeout(Duration::ZERO).unwrap();
        let count = |sql| outsider.query_row(sql, [], |row| row.get::<_, i64>(0));
        assert!(count("SELECT count(*) FROM child").is_err(), "wal: {wal}");
        file.copy_to(&folder.path().join("copy"), CopyOptions::default()).await.unwrap();
        session.execute("DELETE FROM child").await.unwrap();
        file.copy_from(&folder.path().join("copy"), CopyOptions::default()).await.unwrap();
        assert!(count("SELECT count(*) FROM child").is_err(), "wal: {wal}");
        session.lift_fence(&state).await.unwrap();
        session.lift_fence(&state).await.unwrap();
        assert_eq!(count("SELECT count(*) FROM child").unwrap(), 2, "wal: {wal}");

        outsider.execute_batch("BEGIN IMMEDIATE").unwrap();
        session.set_lock_timeout(Some(Duration::from_millis(50))).await.unwrap();
        assert_eq!(session.raise_fence(&state).await.unwrap_err().kind(), ErrorKind::Busy);
        outsider.execute_batch("ROLLBACK").unwrap();
        assert_eq!(count("SELECT count(*) FROM child").unwrap(), 2, "wal: {wal}");
    }
}

#[tokio::test]
async fn the_fence_stands_beside_idle_readers_of_a_wal_database() {
    let (folder, file) = make();
    let mut session = filled(&file).await;
    session.execute("PRAGMA journal_mode = WAL").await.unwrap();
    // Two programs that have it open for as long as they run, one of them in the middle of a read.
    let (reader, writer) = (Connection::open(file.path()).unwrap(), Connection::open(file.path()).unwrap());
    reader.execute_batch("BEGIN; SELECT * FROM child").unwrap();
    writer.busy_timeout(Duration::ZERO).unwrap();
    let count = || writer.query_row("SELECT count(*) FROM child", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count(), 2);
    let fenced = || match writer.execute_batch("INSERT INTO child (parent) VALUES (1)") {
        Ok(()) => false,
        Err(cause) => {
            assert_eq!(cause.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy), "{cause}");
            true
        }
    };
    let state = session.fence_state().await.unwrap();
    session.raise_fence(&state).await.unwrap();
    session.raise_fence(&state).await.unwrap();
    assert!(fenced() && session.is_sealed());
    assert_eq!(count(), 2, "readers go on");
    file.copy_to(&folder.path().join("copy"), CopyOptions::default()).await.unwrap();
    // In a transaction of ours and out of one, after an error and after a rollback.
    session.execute("DELETE FROM child WHERE rowid = 1").await.unwrap();
    assert!(fenced());
    session.begin(None).await.unwrap();
    session.execute("DELETE FROM child").await.unwrap();
    assert!(fenced());
    session.commit().await.unwrap();
    assert!(fenced());
    session.begin(None).await.unwrap();
    session.rollback().await.unwrap();
    assert!(fenced());
    session.execute("BEGIN; INSERT INTO child (parent) VALUES (1)").await.unwrap();
    assert!(fenced());
    session.execute("COMMIT; INSERT INTO nowhere VALUES (1)").await.unwrap_err();
    assert!(fenced());
    session.execute("VACUUM").await.unwrap();
    session.query("DELETE FROM child RETURNING 1").await.unwrap();
    assert!(fenced() && session.is_sealed());
    assert_eq!(count(), 0);
    // The old rows come back, and still nobody else may write.
    let kept = folder.path().join("kept");
    file.replace_with(&folder.path().join("copy"), &kept, CopyOptions::default()).await.unwrap();
    assert!(fenced() && session.is_sealed());
    assert_eq!(count(), 2);
    session.lift_fence(&state).await.unwrap();
    session.lift_fence(&state).await.unwrap();
    assert!(!fenced() && !session.is_sealed());
    assert_eq!(count(), 3);

    // Who writes in the moment when the gate is open is found out.
    session.raise_fence(&state).await.unwrap();
    file.gate.open().unwrap();
    assert!(!session.is_sealed(), "the gate is open");
    assert!(!fenced());
    session.execute("DELETE FROM child").await.unwrap();
    assert!(fenced() && !session.is_sealed());
    session.lift_fence(&state).await.unwrap();
    // A writer that does not come to an end is waited for, and then named.
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = session.raise_fence(&state).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.hint().unwrap().contains("--accept-lost-writes"), "{error}");
    assert!(!session.is_sealed());
}

/// Between the copy of what is there and the exchange the gate is open for a moment.
#[tokio::test]
async fn who_slips_in_during_the_exchange_is_found_out() {
    let (folder, file) = make();
    let mut session = filled(&file).await;
    session.execute("PRAGMA journal_mode = WAL").await.unwrap();
    let from = folder.path().join("from");
    file.copy_to(&from, CopyOptions::default()).await.unwrap();
    let state = session.fence_state().await.unwrap();
    assert!(session.try_lock().await.unwrap());
    for round in 0.. {
        // A program that has it open, and tries without a rest until it is let in once.
        let writer = Connection::open(file.path()).unwrap();
        writer.busy_timeout(Duration::ZERO).unwrap();
        assert_eq!(
            writer.query_row("SELECT count(*) FROM child", [], |row| row.get::<_, i64>(0)).unwrap(),
            2
        );
        session.raise_fence(&state).await.unwrap();
        assert!(session.is_sealed());
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stopped = std::sync::Arc::clone(&stop);
        let writing = std::thread::spawn(move || {
            let mut wrote = false;
            while !wrote && !stopped.load(std::sync::atomic::Ordering::Relaxed) {
                wrote = writer.execute_batch("INSERT INTO child (parent) VALUES (1)").is_ok();
            }
            wrote
        });
        let kept = folder.path().join(format!("kept{round}"));
        file.replace_with(&from, &kept, CopyOptions::default()).await.unwrap();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let wrote = writing.join().unwrap();
        assert_eq!(session.is_sealed(), !wrote, "round {round}");
        session.lift_fence(&state).await.unwrap();
        if wrote {
            break;
        }
    }
}

#[tokio::test]
async fn a_copy_takes_the_place_under_an_open_reader() {
    for (wal, page_size) in [(false, 4096), (false, 1024), (true, 4096), (true, 1024)] {
        let (folder, file) = make();
        let mut session = filled(&file).await;
        if wal {
            session.execute("PRAGMA journal_mode = WAL").await.unwrap();
        }
        drop(session);
        let new = folder.path().join("new.sqlite");
        let made = Connection::open(&new).unwrap();
        made.execute_batch(&format!(
            "PRAGMA page_size = {page_size}; CREATE TABLE child (x); INSERT INTO child VALUES (1), (2), (3);"
        ))
        .unwrap();
        drop(made);
        let reader = Connection::open(file.path()).unwrap();
        let count = || reader.query_row("SELECT count(*) FROM child", [], |row| row.get::<_, i64>(0));
        assert_eq!(count().unwrap(), 2);
        let result =
            file.copy_from(&new, CopyOptions { wait: Duration::from_millis(50), ..CopyOptions::default() });
        match result.await {
            Ok(()) => assert_eq!(count().unwrap(), 3, "wal: {wal}, {page_size}"),
            Err(error) => {
                assert!(wal && page_size == 1024, "{error}");
                assert_eq!(error.kind(), ErrorKind::Busy);
                assert_eq!(count().unwrap(), 2);
                drop(reader);
                file.copy_from(&new, CopyOptions::default()).await.unwrap();
                let rows = file.session().await.unwrap().query("SELECT count(*) FROM child").await.unwrap();
                assert_eq!(rows[0][0].as_deref(), Some("3"));
            }
        }
    }
}

#[tokio::test]
async fn a_copy_waits_no_longer_than_said_and_can_be_cancelled() {
    let (folder, file) = make();
    drop(filled(&file).await);
    file.copy_to(&folder.path().join("copy"), CopyOptions::default()).await.unwrap();
    let writer = Connection::open(file.path()).unwrap();
    writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let options = CopyOptions { wait: Duration::from_millis(50), ..CopyOptions::default() };
    let error = file.copy_from(&folder.path().join("copy"), options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockTimeout);
    writer.execute_batch("ROLLBACK").unwrap();
    let options = CopyOptions::default();
    options.cancel.cancel();
    let error = file.copy_from(&folder.path().join("copy"), options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[tokio::test]
async fn a_running_statement_is_cancelled_from_outside() {
    let (_folder, file) = make();
    let mut session = filled(&file).await;
    let canceller = session.canceller();
    let asking = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            canceller.cancel().await.unwrap();
        }
    });
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    assert_eq!(session.run(&statement(endless)).await.unwrap_err().kind(), ErrorKind::Cancelled);
    asking.abort();
    session.execute("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn a_copy_under_a_busy_writer_is_of_one_moment() {
    for wal in [false, true] {
        let (folder, file) = make();
        let mut session = filled(&file).await;
        if wal {
            session.execute("PRAGMA journal_mode = WAL").await.unwrap();
        }
        let sums = "CREATE TABLE account (id INTEGER PRIMARY KEY, money INTEGER, filler TEXT);
                    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
                    INSERT INTO account SELECT i, 10, hex(zeroblob(200)) FROM n;";
        session.execute(sums).await.unwrap();
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (path, stopped) = (file.path().to_owned(), std::sync::Arc::clone(&stop));
        let writer = std::thread::spawn(move || {
            let writer = Connection::open(path).unwrap();
            writer.busy_timeout(Duration::from_secs(10)).unwrap();
            let mut count = 0;
            while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
                let moved = "BEGIN IMMEDIATE; UPDATE account SET money = money - 1 WHERE id % 97 = 1;
                             UPDATE account SET money = money + 1 WHERE id % 97 = 2; COMMIT";
                writer.execute_batch(moved).unwrap();
                count += 1;
            }
            count
        });
        for copy in 0..5 {
            let to = folder.path().join(format!("copy{copy}"));
            file.copy_to(&to, CopyOptions::default()).await.unwrap();
            let copied = Connection::open(&to).unwrap();
            let sum: i64 = copied.query_row("SELECT sum(money) FROM account", [], |row| row.get(0)).unwrap();
            let whole: String = copied.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!((sum, whole.as_str()), (200_000, "ok"), "wal: {wal}");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(writer.join().unwrap() > 0);
    }
}
