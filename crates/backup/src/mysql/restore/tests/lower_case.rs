//! A server that writes all names of databases and tables in lower case, and URLs that do not.

use database::mysql::Flavour;
use database::{Entry, OtherSession};

use super::{backed_up, database, named};
use crate::mysql::testing::{own, rows, run};
use crate::progress::Silent;
use crate::restore::{self, RestoreOptions};

const OBJECTS: &str = "CREATE TABLE Parent (Id int PRIMARY KEY);
    CREATE TABLE Child (Id int PRIMARY KEY NUMBERED, P int, FOREIGN KEY (P) REFERENCES Parent (Id));
    INSERT INTO Parent VALUES (1), (2); INSERT INTO Child (P) VALUES (1);
    CREATE VIEW V AS SELECT c.Id FROM Parent p JOIN Child c ON c.P = p.Id; CREATE TRIGGER Tr BEFORE INSERT ON Child FOR EACH ROW SET NEW.P = 2;
    CREATE PROCEDURE Pr() SELECT * FROM ShopLow.Parent; CREATE EVENT Ev ON SCHEDULE EVERY 1 DAY DO DO 0";

#[tokio::test]
async fn a_database_is_one_whatever_the_case_of_its_name() {
    let server = own("--lower-case-table-names=1").await;
    run(&server.server, "CREATE DATABASE ShopLow").await;
    let (mixed, lower) = (named(&server.server, "ShopLow"), named(&server.server, "shoplow"));
    // MySQL has no sequences.
    let sequences = server.server.connect(None).await.unwrap().flavour() == Flavour::MariaDb;
    let numbered = if sequences { "DEFAULT NEXTVAL(Sq)" } else { "AUTO_INCREMENT" };
    if sequences {
        run(&mixed, "CREATE SEQUENCE Sq").await;
    }
    run(&mixed, &OBJECTS.replace("NUMBERED", numbered)).await;
    let (digests, schema) = (lower.digests().await.unwrap(), lower.schema().await.unwrap());
    assert!(schema.refused.is_empty() && schema.objects.len() > 7, "{schema:?}");
    assert_eq!(mixed.schema().await.unwrap(), schema);
    assert_eq!(mixed.ensure_source_id().await.unwrap(), lower.ensure_source_id().await.unwrap());
    let (_folder, archive) = backed_up(&mixed).await;
    assert_eq!(archive.head().database, "shoplow");

    // One of the same run's journal and lock.
    let mut session = mixed.session().await.unwrap();
    assert!(database::Lock::try_lock(&mut session).await.unwrap());
    let mut second = lower.session().await.unwrap();
    assert!(!database::Lock::try_lock(&mut second).await.unwrap());
    // What was closed a moment ago may still be seen; these two stay, and each is the other's other.
    let (of_mixed, of_lower) = tokio::join!(mixed.others_staying(), lower.others_staying());
    let ids = |others: database::Result<Vec<OtherSession>>| {
        others.unwrap().iter().map(|other| other.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(of_lower), [database::Lock::id(&session).id]);
    assert_eq!(ids(of_mixed), [database::Lock::id(&second).id]);
    drop((session, second));

    run(&mixed, "DELETE FROM Child; DROP VIEW V; DROP PROCEDURE Pr").await;
    let options = RestoreOptions { disconnect: true, ..RestoreOptions::default() };
    let entry: Vec<Entry> = Vec::new();
    let replaced = restore::beside(&archive, &database(&mixed), &options, &Silent).await.unwrap();
    let replaced = replaced.swap(&entry, true).await.unwrap();
    assert_eq!((lower.digests().await.unwrap(), lower.schema().await.unwrap()), (digests.clone(), schema));
    let child = rows(&mixed, "SHOW CREATE TABLE Child").await[0][1].clone().unwrap();
    assert_eq!(child.contains("`shoplow`.`sq`"), sequences, "{child}");
    run(&mixed, "CALL Pr(); INSERT INTO Child (P) VALUES (1)").await;
    let kept = restore::replaced(&database(&mixed)).await.unwrap();
    assert_eq!(kept.iter().map(|one| &one.name).collect::<Vec<_>>(), [&replaced.name]);
    restore::let_go(&database(&mixed), &replaced.name).await.unwrap();

    // The procedure would act on the database that it is a copy of.
    let into = async |name| restore::into(&archive, &database(&mixed), name, &options, &Silent).await;
    let error = into("CopyLow").await.unwrap_err();
    assert!(error.to_string().contains("procedure Pr"), "{error}");
    run(&mixed, "DROP DATABASE ShopLow").await;
    into("SHOPLOW").await.unwrap();
    assert_eq!(mixed.digests().await.unwrap(), digests);
    assert_eq!(rows(&server.server, "SHOW DATABASES LIKE 'shoplow%'").await.len(), 1);
}
