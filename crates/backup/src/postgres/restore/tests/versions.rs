//! An archive of one server on a newer one, and what hangs on objects.

use database::postgres::Server;
use database::{Database, DatabaseUrl};

use super::archives::Place;
use super::tools::{psql, same};
use super::{database, fresh, name, run};
use crate::dump::{BackupOptions, create};
use crate::progress::Silent;
use crate::restore::{self, RestoreOptions};

const OBJECTS: &str = include_str!("../../../../../database/src/postgres/catalog/tests/objects.sql");
const MARKED: &str = include_str!("../../../../../database/src/postgres/catalog/tests/marked_objects.sql");

const ROLES: &str = "DO $$BEGIN CREATE ROLE dbm_test_app; EXCEPTION WHEN duplicate_object OR unique_violation THEN END$$;
    DO $$BEGIN CREATE ROLE \"dbm_test \\!role\"; EXCEPTION WHEN duplicate_object OR unique_violation THEN END$$";

/// No database with a subscription can be dropped.
const UNSUBSCRIBE: &str = "DO $$DECLARE s text; BEGIN
    FOR s IN SELECT quote_ident(subname) FROM pg_subscription WHERE subdbid =
        (SELECT oid FROM pg_database WHERE datname = current_database()) LOOP
        EXECUTE 'ALTER SUBSCRIPTION ' || s || ' SET (slot_name = NONE)';
        EXECUTE 'DROP SUBSCRIPTION ' || s;
    END LOOP; END$$";

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_on_objects_comes_back() {
    run("postgres", ROLES).await;
    let all = fresh("marks").await;
    psql(&all, MARKED);
    psql(&all, "INSERT INTO marks.published (id, c) SELECT n, n FROM generate_series(1, 90) n");
    let (door, place) = (database(&all), Place::new());
    let options = BackupOptions { secrets: true, ..BackupOptions::default() };
    let written = create(&door, &place.store, &options, &Silent).await.unwrap();
    let archive = place.open(&written.name).await;
    let by_dbm = name("marks, by dbm");
    restore::into(&archive, &door, &by_dbm, &RestoreOptions::default(), &Silent).await.unwrap();
    same(&all, &by_dbm).await;
    for one in [&all, &by_dbm] {
        psql(one, UNSUBSCRIBE);
    }
}

/// `DBM_TEST_POSTGRES_NEWEST_URL` is a server of the newest version that dbm knows.
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_restores_into_the_newest_server() {
    run("postgres", ROLES).await;
    let url = std::env::var("DBM_TEST_POSTGRES_NEWEST_URL").expect(
        "DBM_TEST_POSTGRES_NEWEST_URL names no PostgreSQL server: run scripts/test, which starts one",
    );
    let newest = DatabaseUrl::parse(&url).unwrap();
    let all = fresh("older").await;
    psql(&all, OBJECTS);
    psql(&all, "INSERT INTO app.other (id, other) SELECT n, n FROM generate_series(1, 500) n");
    let place = Place::new();
    let (archive, _) = place.back_up(&database(&all)).await;
    let DatabaseUrl::Postgres(settings) = newest.clone() else { panic!("not a PostgreSQL URL") };
    let client = Server::new(settings).connect(None).await.unwrap();
    client.batch_execute(ROLES).await.unwrap();
    let (door, into) = (Database::new(newest.clone()).unwrap(), name("newest"));
    // Counts and digests are proven by the restore itself.
    restore::into(&archive, &door, &into, &RestoreOptions::default(), &Silent).await.unwrap();
    let restored = Database::new(newest.with_database(&into)).unwrap();
    assert_eq!(restored.digests().await.unwrap(), super::digests(&all).await);
}
