//! Views that nobody can use.

use super::{Archive, BackupOptions, back_up, beside, database, fresh, is_mariadb, rows, run};
use crate::mysql::testing::account;
use crate::progress::Silent;
use crate::store::LocalStore;
use crate::{ErrorKind, Result, dump, restore};

const BROKEN: [&str; 5] = ["of_column", "of_function", "of_table", "of_table_too", "over_broken"];

const OBJECTS: &str = "CREATE TABLE t (a int, b int); INSERT INTO t VALUES (1, 2); CREATE TABLE gone (a int);
    CREATE FUNCTION f() RETURNS int DETERMINISTIC NO SQL RETURN 1; CREATE VIEW sound AS SELECT a FROM t;
    CREATE VIEW of_table AS SELECT a FROM gone; CREATE SQL SECURITY INVOKER VIEW of_table_too AS SELECT a FROM gone;
    CREATE VIEW of_column AS SELECT b FROM t; CREATE VIEW of_function AS SELECT f() AS x;
    CREATE VIEW over_broken AS SELECT a FROM of_table;
    DROP TABLE gone; ALTER TABLE t DROP COLUMN b; DROP FUNCTION f";

async fn refused(server: &database::mysql::Server, options: &BackupOptions) -> crate::Error {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path());
    let written: Result<_> = dump::create(&database(server), &store, options, &Silent).await;
    written.unwrap_err()
}

/// A backup goes without them and names them; what has to bring everything back is told before the first byte.
#[tokio::test]
async fn a_broken_view_is_named_and_keeps_nobody_from_a_backup() {
    let server = fresh().await;
    run(&server, OBJECTS).await;
    let (_folder, archive, _) = back_up(&server, &BackupOptions::default()).await;
    let left_out = |archive: &Archive| -> Vec<String> {
        let said = archive.index().left_out.iter();
        said.map(|what| what.split_once(" (it is broken").unwrap().0.to_owned()).collect()
    };
    assert_eq!(left_out(&archive), BROKEN.map(|name| format!("view {name}")));

    run(&server, "DELETE FROM t").await;
    let replaced = beside(&archive, &server).await.swap(&[], true).await.unwrap();
    let views =
        rows(&server, "SELECT table_name FROM information_schema.views WHERE table_schema = DATABASE()")
            .await;
    assert_eq!(views, [[Some("sound".to_owned())]]);
    assert_eq!(rows(&server, "SELECT * FROM sound").await, [[Some("1".to_owned())]]);
    restore::let_go(&database(&server), &replaced.name).await.unwrap();

    run(&server, "CREATE TABLE gone (a int); CREATE VIEW of_table AS SELECT a FROM gone; DROP TABLE gone")
        .await;
    let whole = BackupOptions { whole: true, ..BackupOptions::default() };
    let error = refused(&server, &whole).await;
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("view of_table (it is broken"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.starts_with("mend or drop")), "{error:?}");
    run(&server, "DROP VIEW of_table").await;
    back_up(&server, &whole).await;
}

/// What an account may not use need not be broken. MySQL shows it such a view all the same.
#[tokio::test]
async fn a_view_that_only_we_cannot_use_is_refused() {
    let (server, other) = (fresh().await, fresh().await);
    if !is_mariadb() {
        return;
    }
    run(&other, "CREATE FUNCTION f() RETURNS int DETERMINISTIC NO SQL RETURN 1").await;
    run(&server, &format!("CREATE SQL SECURITY INVOKER VIEW v AS SELECT {}.f() AS x", other.database()))
        .await;
    let rights = "SELECT, SHOW VIEW, TRIGGER, EVENT, EXECUTE, LOCK TABLES";
    let (user, poor) = account(&server, rights).await;
    let error = refused(&poor, &BackupOptions::default()).await;
    assert!(error.to_string().contains("may not read all that it is made of"), "{error}");
    run(&server, &format!("DROP USER {user}; DROP VIEW v")).await;
}
