//! Archives of one kind of server in the other one, and back again.

use database::mysql::Server;

use super::{backed_up, database, named};
use crate::ErrorKind;
use crate::mysql::testing::{fresh, fresh_on, is_mariadb, rows, run};
use crate::progress::Silent;
use crate::restore::{self, RestoreOptions};

/// What both kinds have, in a collation that both know.
const OF_BOTH: &str = "CREATE TABLE customer (id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, name varchar(50) NOT NULL,
      born date, at timestamp(6) NULL DEFAULT CURRENT_TIMESTAMP(6), sum decimal(12,2), half double, kind enum('a', 'b') DEFAULT 'a',
      bits bit(9), bytes varbinary(20), twice decimal(13,2) AS (sum * 2) STORED, KEY by_name (name(10)), CONSTRAINT positive CHECK (sum >= 0));
    CREATE TABLE orders (id int PRIMARY KEY, customer bigint unsigned, note text CHARACTER SET latin1,
      CONSTRAINT of_customer FOREIGN KEY (customer) REFERENCES customer (id) ON DELETE CASCADE);
    CREATE TABLE log (id int); CREATE VIEW names AS SELECT id, name FROM customer;
    CREATE PROCEDURE many() SELECT count(*) FROM orders;
    INSERT INTO customer (id, name, born, at, sum, half, kind, bits, bytes) VALUES
      (7, 'Zoë 😀', '2000-02-29', '2020-10-25 00:30:00.000001', 1.10, 0.5, 'b', b'101', 0x00FF275C), (9, '', NULL, NULL, NULL, NULL, NULL, NULL, '');
    INSERT INTO orders VALUES (1, 7, 'it''s \\\\ äöü'), (2, NULL, NULL);
    CREATE TRIGGER logs AFTER INSERT ON orders FOR EACH ROW INSERT INTO log VALUES (NEW.id)";

async fn prepared(server: &Server) {
    run(
        server,
        &format!("ALTER DATABASE {} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", server.database()),
    )
    .await;
}

async fn into(archive: &crate::archive::Archive, on: &Server, name: &str) -> Server {
    restore::into(archive, &database(on), name, &RestoreOptions::default(), &Silent).await.unwrap();
    named(on, name)
}

#[tokio::test]
async fn what_both_kinds_have_goes_there_and_back() {
    let (here, there) = (fresh().await, fresh_on("DBM_TEST_MARIADB_OTHER_URL").await);
    prepared(&here).await;
    run(&here, OF_BOTH).await;
    let (_folder, archive) = backed_up(&here).await;
    let copy = into(&archive, &there, &format!("{}_copy", there.database())).await;
    let (_folder, archive) = backed_up(&copy).await;
    let back = into(&archive, &here, &format!("{}_back", here.database())).await;
    for server in [&copy, &back] {
        assert_eq!(server.digests().await.unwrap(), here.digests().await.unwrap());
        run(
            server,
            "INSERT INTO orders VALUES (3, 9, 'more'); INSERT INTO customer (name, sum) VALUES ('next', 2)",
        )
        .await;
        let found = rows(server, "SELECT (SELECT MAX(id) FROM log), (SELECT MAX(id) FROM names), (SELECT MAX(twice) FROM customer)").await;
        let expected = ["3", "10", "4.00"].map(|value| Some(value.to_owned()));
        assert_eq!(found, [expected]);
        for refused in ["INSERT INTO orders VALUES (4, 99, '')", "UPDATE customer SET sum = -1"] {
            assert!(server.session().await.unwrap().batch(refused, "").await.is_err(), "{refused}");
        }
    }
}

/// What only the other kind has stops the restore by its name, and nothing is left.
#[tokio::test]
async fn what_only_one_kind_has_is_refused_by_name() {
    let (here, there) = (fresh().await, fresh_on("DBM_TEST_MARIADB_OTHER_URL").await);
    let kind = |server: &str| server.contains("MariaDB");
    let version = async |server: &Server| rows(server, "SELECT VERSION()").await[0][0].clone().unwrap();
    let (own, other) = (version(&here).await, version(&there).await);
    if kind(&own) || !kind(&other) {
        // The collation is MySQL's, and newer MariaDB servers know it too.
        return;
    }
    run(
        &here,
        &format!(
            "ALTER DATABASE {} CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci; CREATE TABLE t (a int)",
            here.database()
        ),
    )
    .await;
    let (_folder, archive) = backed_up(&here).await;
    let name = format!("{}_copy", there.database());
    let error = restore::into(&archive, &database(&there), &name, &RestoreOptions::default(), &Silent)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("utf8mb4_0900_ai_ci"), "{error}");
}

/// What MySQL writes into comments that MariaDB passes over goes there in its words, or not at all.
#[tokio::test]
async fn what_one_kind_passes_over_is_not_lost_in_silence() {
    let (here, there) = (fresh().await, fresh_on("DBM_TEST_MARIADB_OTHER_URL").await);
    if is_mariadb() {
        return;
    }
    prepared(&here).await;
    let name = format!("{}_copy", there.database());
    run(
        &here,
        "CREATE TABLE known (id int PRIMARY KEY, hidden int INVISIBLE, shapes geometrycollection, KEY unseen (hidden) INVISIBLE);
         INSERT INTO known (id, hidden, shapes) VALUES (1, 2, ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1))'))",
    )
    .await;
    let (_folder, archive) = backed_up(&here).await;
    let copy = into(&archive, &there, &name).await;
    assert_eq!(copy.digests().await.unwrap(), here.digests().await.unwrap());
    let text = rows(&copy, "SHOW CREATE TABLE known").await[0][1].clone().unwrap();
    assert!(text.contains("INVISIBLE") && text.contains("IGNORED"), "{text}");
    for (column, named) in
        [("a point NOT NULL SRID 4326", "SRID 4326"), ("a int CHECK (a > 0) NOT ENFORCED", "NOT ENFORCED")]
    {
        run(&here, &format!("CREATE TABLE odd ({column})")).await;
        let (_folder, archive) = backed_up(&here).await;
        let name = format!("{name}_2");
        let error = restore::into(&archive, &database(&there), &name, &RestoreOptions::default(), &Silent)
            .await
            .unwrap_err();
        assert!(error.kind() == ErrorKind::Refused && error.to_string().contains(named), "{error}");
        assert!(error.to_string().contains("`odd`"), "{error}");
        assert!(rows(&there, &format!("SHOW DATABASES LIKE '{name}%'")).await.is_empty());
        run(&here, "DROP TABLE odd").await;
    }
}
