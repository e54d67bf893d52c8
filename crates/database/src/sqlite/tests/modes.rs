//! Files in WAL mode that take the place of others, and the other way round.

use super::*;

fn mode(connection: &Connection) -> String {
    connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap()
}

/// A program that has no patience reads, and writes.
fn is_let_in(program: &Connection) {
    program.busy_timeout(Duration::ZERO).unwrap();
    program
        .execute_batch("INSERT INTO child (parent) VALUES (1); DELETE FROM child WHERE parent = 1")
        .unwrap();
}

#[tokio::test]
async fn who_takes_the_place_of_a_file_in_another_mode_keeps_nobody_waiting() {
    for (old, new) in [("delete", "wal"), ("wal", "delete"), ("wal", "wal"), ("truncate", "wal")] {
        for (fenced, beside) in [(false, false), (false, true), (true, false)] {
            let what = format!("{old} to {new}, fenced: {fenced}, beside: {beside}");
            let (folder, file) = make();
            let mut session = filled(&file).await;
            session.execute(&format!("PRAGMA journal_mode = {old}")).await.unwrap();
            let from = folder.path().join("new.sqlite");
            let made = Connection::open(&from).unwrap();
            made.execute_batch(&format!("PRAGMA journal_mode = {new}; CREATE TABLE child (parent)")).unwrap();
            drop(made);
            let reader = Connection::open(file.path()).unwrap();
            assert_eq!(
                reader.query_row("SELECT count(*) FROM child", [], |row| row.get::<_, i64>(0)).unwrap(),
                2
            );
            let reader = beside.then_some(reader);
            assert!(session.try_lock().await.unwrap());
            let state = session.fence_state().await.unwrap();
            if fenced {
                session.raise_fence(&state).await.unwrap();
            }
            file.replace_with(&from, &folder.path().join("kept"), CopyOptions::default()).await.unwrap();
            if fenced {
                assert!(session.is_sealed(), "{what}");
                session.lift_fence(&state).await.unwrap();
            }
            let other = Connection::open(file.path()).unwrap();
            is_let_in(&other);
            reader.iter().for_each(is_let_in);
            // Where others have it open, it cannot leave the WAL mode.
            let stays = beside && old == "wal";
            assert_eq!(mode(&other), if stays { "wal" } else { new }, "{what}");
        }
    }
}

#[tokio::test]
async fn a_statement_that_begins_a_wal_keeps_nobody_waiting() {
    let (_folder, file) = make();
    let mut session = filled(&file).await;
    let state = session.fence_state().await.unwrap();
    session.raise_fence(&state).await.unwrap();
    session.execute("PRAGMA journal_mode = wal; INSERT INTO child VALUES (30, 2)").await.unwrap();
    session.reset().await.unwrap();
    assert!(session.is_sealed());
    session.lift_fence(&state).await.unwrap();
    let other = Connection::open(file.path()).unwrap();
    is_let_in(&other);
    assert_eq!(mode(&other), "wal");

    let (_folder, file) = make();
    let mut session = filled(&file).await;
    session.execute("PRAGMA locking_mode = exclusive; PRAGMA journal_mode = wal").await.unwrap();
    session.reset().await.unwrap();
    let other = Connection::open(file.path()).unwrap();
    is_let_in(&other);
    assert_eq!(mode(&other), "wal");
}
