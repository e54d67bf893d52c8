//! Every kind of object there and back again, by dbm and by psql alone.

use super::archives::Place;
use super::tools::{psql, restore_by_hand, same};
use super::{ask, database, fresh, name, run};
use crate::progress::Silent;
use crate::restore::{self, RestoreOptions};

/// The catalogs' reader has it too: one list of all kinds.
const OBJECTS: &str = include_str!("../../../../../database/src/postgres/catalog/tests/objects.sql");

const RARE: &str = include_str!("../../../../../database/src/postgres/catalog/tests/rare_objects.sql");

/// Rows where the objects have none of their own.
const ROWS: &str = "
SET row_security = off; SET search_path = app, extras, public;
INSERT INTO app.parent (\"na\"\"me\n\", price, bits, tags, s) SELECT 'n' || n, n, ARRAY[B'101', NULL], ARRAY['a', NULL, '\\.'], 's' || n FROM generate_series(2, 400) n;
INSERT INTO app.heir (id, own, price, s, other) SELECT 1000 + n, n, n, 'h', n FROM generate_series(2, 20) n;
ALTER TABLE app.other DISABLE RULE quiet;
INSERT INTO app.other (id, other) SELECT n, n FROM generate_series(1, 50) n;
INSERT INTO \"a \"\"b\n\\! c\".\"table\" (\"order\") VALUES (DEFAULT), (7), (DEFAULT);
INSERT INTO app.no_columns SELECT FROM generate_series(1, 3);
INSERT INTO app.unlogged VALUES (1, NULL), (2, NULL);
INSERT INTO app.typed VALUES (2, 'x', '{sad,NULL}'), (DEFAULT, NULL, '{}');
INSERT INTO app.replicated VALUES (1, 2, 'Abc'), (2, 3, NULL);
INSERT INTO app.circle_a VALUES (1, NULL), (2, NULL), (5, NULL), (50, NULL), (200, NULL);
BEGIN; INSERT INTO app.circle_b VALUES (7, 1), (8, 2); UPDATE app.circle_a SET b = 7 WHERE id = 1; COMMIT;
INSERT INTO app.parted (k, region) VALUES (1, 'eu'), (50, 'it''s'), (5, 'us'), (200, 'asia');
INSERT INTO app.hashed SELECT n FROM generate_series(0, 100) n WHERE satisfies_hash_partition('app.hashed'::regclass, 2, 0, n);
INSERT INTO app.refers VALUES (1, 'eu', 9), (NULL, NULL, NULL);
INSERT INTO app.room VALUES (1, '[2020-01-01, 2020-01-02)'), (1, '[2020-01-02, 2020-01-03)'), (2, 'empty');
INSERT INTO app.self VALUES (1, 3); INSERT INTO app.self (id) VALUES (2);
REFRESH MATERIALIZED VIEW app.z_first; REFRESH MATERIALIZED VIEW app.a_second; REFRESH MATERIALIZED VIEW app.grouped_m;
INSERT INTO rare.typed VALUES (DEFAULT, '7', '(1,2)', '[1,3]', '{[1,3],[5,6)}', '{a;b}', '[a,b)', NULL, 'c'), ('\\.', NULL, NULL, 'empty', '{}', NULL, NULL, NULL, NULL);
INSERT INTO rare.by_words VALUES ('a'); INSERT INTO rare.in_heaps VALUES ('(1,2),(3,4)'); INSERT INTO rare.searched VALUES ('it has words');
REFRESH MATERIALIZED VIEW rare.seen_heaps; INSERT INTO rare.near_one VALUES (1, 'x');
SELECT lo_put(4242, 0, '\\x00ff5c2e0a'), lo_put(77, 300000, 'end after a hole');
SELECT setval('app.plain', 41, false), nextval('app.down'), nextval('app.down');
";

/// Roles are the server's, and other tests may be making them.
async fn roles() {
    for role in ["dbm_test_app", "dbm_test \\!role"] {
        let make = format!(
            "DO $$BEGIN CREATE ROLE \"{role}\"; EXCEPTION WHEN duplicate_object OR unique_violation THEN END$$"
        );
        run("postgres", &make).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_object_and_its_rows() {
    roles().await;
    let all = fresh("all kinds").await;
    psql(&all, OBJECTS);
    psql(&all, RARE);
    psql(&all, ROWS);
    let (door, place) = (database(&all), Place::new());
    let (archive, written) = place.back_up(&door).await;
    let (by_dbm, by_psql) = (name("all kinds, by dbm"), fresh("all kinds, by psql").await);
    let options = RestoreOptions { jobs: 3, ..RestoreOptions::default() };
    restore::into(&archive, &door, &by_dbm, &options, &Silent).await.unwrap();
    same(&all, &by_dbm).await;
    restore_by_hand(&place, &written.name, &by_psql);
    same(&all, &by_psql).await;
    for sql in [
        "SELECT string_agg(m::text, ',' ORDER BY id) FROM app.z_first m",
        "SELECT n FROM app.a_second",
        "SELECT string_agg(relname || relispopulated, ',' ORDER BY relname) FROM pg_class WHERE relkind = 'm'",
        "SELECT string_agg(indexrelid::regclass || ' ' || indisclustered || indisvalid || indisreplident, ',' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indexrelid >= 16384 AND indrelid NOT IN (SELECT oid FROM pg_class WHERE relkind = 't')",
    ] {
        let before = ask(&all, sql).await;
        assert!(before.len() > 1 || before == "418", "{sql}: {before}");
        assert_eq!(ask(&by_dbm, sql).await, before, "{sql}");
        assert_eq!(ask(&by_psql, sql).await, before, "{sql}");
    }
    // What was restored gives the same archive again, but for its moment.
    let (again, _) = place.back_up(&database(&by_dbm)).await;
    assert_eq!(again.index().kinds, archive.index().kinds);
    assert_eq!(again.index().tables, archive.index().tables);
    // And over itself, in the place of what a migration made of it.
    psql(&all, "DROP SCHEMA app CASCADE; DROP EXTENSION citext CASCADE; CREATE TABLE public.added (a int)");
    restore::beside(&archive, &door, &options, &Silent).await.unwrap().swap(&[], true).await.unwrap();
    same(&all, &by_psql).await;
}
