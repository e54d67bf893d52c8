//! Databases whose names differ in nothing but case or accents, which servers tell apart by their files.

use database::mysql::Server;

use super::{backed_up, database, databases, named};
use crate::mysql::testing::{fresh, rows, run};
use crate::progress::Silent;
use crate::restore::{self, RestoreOptions};

const OWN: &str = "CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE TABLE `T` (b int);
    CREATE TRIGGER a_t BEFORE INSERT ON t FOR EACH ROW SET NEW.a = NEW.a; CREATE TRIGGER a_big BEFORE INSERT ON `T` FOR EACH ROW SET NEW.b = 1;
    CREATE TRIGGER b_t BEFORE INSERT ON t FOR EACH ROW SET NEW.a = NEW.a + 1; CREATE VIEW v AS SELECT a FROM t;
    CREATE PROCEDURE p() SELECT 1; CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DO 0";

const OTHERS: &str = "CREATE TABLE t (a int PRIMARY KEY, note text); INSERT INTO t VALUES (1, 'x'), (2, 'y');
    CREATE TABLE of_t (a int, CONSTRAINT `to``t` FOREIGN KEY (a) REFERENCES t (a)); CREATE VIEW v2 AS SELECT a FROM t;
    CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.note = 'z'; CREATE PROCEDURE p() SELECT 2;
    CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1; CREATE EVENT e2 ON SCHEDULE EVERY 1 DAY DO DO 0; CREATE EVENT e ON SCHEDULE EVERY 2 DAY DO DO 0";

async fn names(server: &Server) -> Vec<String> {
    server.schema().await.unwrap().objects.iter().map(|object| object.id.to_string()).collect()
}

#[tokio::test]
async fn nothing_of_a_namesake_is_read_moved_or_ended() {
    let alone = fresh().await;
    run(&alone, OWN).await;
    let expected = names(&alone).await;
    let target = fresh().await;
    let mut others = Vec::new();
    for name in [target.database().replace("dbm", "DBM"), target.database().replace("dbm", "dbḿ")] {
        run(&target, &format!("CREATE DATABASE `{name}`")).await;
        let other = named(&target, &name);
        run(&other, OTHERS).await;
        others.push(other);
    }
    run(&target, OWN).await;
    assert_eq!(names(&target).await, expected);
    let (schemas, digests) = (others[0].schema().await.unwrap(), others[0].digests().await.unwrap());
    let mut staying = others[0].session().await.unwrap();
    assert!(target.others().await.unwrap().is_empty());
    let (_folder, archive) = backed_up(&target).await;
    assert_eq!(archive.index().tables.len(), 2);
    run(&target, "INSERT INTO t VALUES (7)").await;
    let options = RestoreOptions { disconnect: true, ..RestoreOptions::default() };
    let beside = restore::beside(&archive, &database(&target), &options, &Silent).await.unwrap();
    let replaced = beside.swap(&[], true).await.unwrap();
    assert_eq!(names(&target).await, expected);
    assert_eq!(rows(&target, "SELECT * FROM t").await.len(), 1);
    assert_eq!(others[0].schema().await.unwrap(), schemas);
    assert_eq!(others[0].digests().await.unwrap(), digests);
    staying.batch("SELECT 1", "it was ended").await.unwrap();
    restore::let_go(&database(&target), &replaced.name).await.unwrap();
    assert_eq!(databases(&target).await, [target.database()]);
}
