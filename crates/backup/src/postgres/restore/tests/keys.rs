//! Keys of large tables, which are made of indexes that are built beside the table's others.

use super::archives::Place;
use super::tools::{psql, restore_by_hand, same};
use super::{ask, database, fresh, name};
use crate::archive::Aspect;
use crate::progress::Silent;
use crate::restore::{self, RestoreOptions};

/// Large on the disk, with one row in each page.
const LARGE: &str = r#"
CREATE TABLE large (id int NOT NULL, b int NOT NULL, "c ""d" int, e text) WITH (fillfactor = 10);
INSERT INTO large SELECT n, -n, n * 2, repeat('x', 700) FROM generate_series(1, 8400) n;
ALTER TABLE large ADD CONSTRAINT "its \! key" PRIMARY KEY (id) INCLUDE (e) WITH (fillfactor = 70),
    ADD CONSTRAINT later UNIQUE (b, id) DEFERRABLE INITIALLY DEFERRED, ADD UNIQUE ("c ""d");
CREATE INDEX ON large (b); CREATE UNIQUE INDEX ON large (lower(e), id);
ALTER TABLE large CLUSTER ON "its \! key"; COMMENT ON CONSTRAINT "its \! key" ON large IS 'a key';
ALTER TABLE large REPLICA IDENTITY USING INDEX "large_c ""d_key";
CREATE TABLE refers (id int REFERENCES large, b int REFERENCES large ("c ""d")); INSERT INTO refers VALUES (7, 8);
CREATE VIEW grouped AS SELECT id, e, count(*) FROM large GROUP BY id;
CREATE TABLE parted (id int, e text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (100000) WITH (fillfactor = 10);
INSERT INTO parted SELECT id, e FROM large;
CREATE TABLE small (id int PRIMARY KEY);
"#;

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_large_tables_come_back_by_way_of_their_indexes() {
    let shop = fresh("keys").await;
    let more = "ALTER TABLE large ALTER \"c \"\"d\" SET NOT NULL;";
    psql(&shop, &LARGE.replace("ALTER TABLE large REPLICA", &format!("{more} ALTER TABLE large REPLICA")));
    let (door, place) = (database(&shop), Place::new());
    let (archive, written) = place.back_up(&door).await;
    let parts = || archive.index().parts.iter().filter(|part| part.aspect == Aspect::Index);
    let names: Vec<&str> = parts().flat_map(|part| part.objects.iter()).map(|id| id.name.as_str()).collect();
    assert_eq!(names, ["its \\! key", "large_c \"d_key", "later", "part_pkey"]);
    let (by_dbm, by_psql) = (name("keys, by dbm"), fresh("keys, by psql").await);
    let options = RestoreOptions { jobs: 3, ..RestoreOptions::default() };
    restore::into(&archive, &door, &by_dbm, &options, &Silent).await.unwrap();
    restore_by_hand(&place, &written.name, &by_psql);
    let catalog =
        "SELECT string_agg(k.conname::text || k.contype::text || k.condeferrable || k.condeferred || i.indisclustered
            || i.indisreplident || i.indisvalid || i.indimmediate || k.coninhcount, ',' ORDER BY k.conname)
         FROM pg_constraint k JOIN pg_index i ON i.indexrelid = k.conindid WHERE k.contype IN ('p', 'u')";
    let before = ask(&shop, catalog).await;
    for copy in [&by_dbm, &by_psql] {
        same(&shop, copy).await;
        assert_eq!(ask(copy, catalog).await, before);
    }
    // One table alone has its keys, too.
    let options = super::parts::options(super::parts::of_tables(&["large"]));
    let alone = name("keys, alone");
    restore::into(&archive, &door, &alone, &options, &Silent).await.unwrap();
    assert_eq!(
        ask(
            &alone,
            "SELECT count(*) FROM pg_constraint WHERE conrelid = 'large'::regclass AND contype IN ('p', 'u')"
        )
        .await,
        "3"
    );
}
