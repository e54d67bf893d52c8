//! Two equal databases give equal archives but for the rows, in whatever order their objects were made.

use super::*;
use crate::archive::Aspect;
use crate::postgres::index_sizes;

/// Each after those that it names; what pg_dump lists by the catalogs' numbers is made in both orders, too.
const PIECES: [&str; 16] = [
    "CREATE TABLE b.one (id int PRIMARY KEY, n int DEFAULT 3 CHECK (n > 1), UNIQUE (n)); COMMENT ON TABLE b.one IS 'one'",
    "CREATE TABLE a.two (x int GENERATED ALWAYS AS IDENTITY, m text); CREATE TABLE a.other (y int)",
    "CREATE TABLE a.heir (z int) INHERITS (a.two, a.other)",
    "CREATE INDEX ON a.two (m); CREATE INDEX early ON a.two (x)",
    "CREATE MATERIALIZED VIEW a.seen AS SELECT o.id, t.m FROM b.one o JOIN a.two t ON t.x = o.id",
    "CREATE FUNCTION b.f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'",
    "CREATE FUNCTION b.f(text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2'",
    "CREATE EXTENSION citext WITH SCHEMA b",
    "CREATE EXTENSION hstore WITH SCHEMA b",
    "CREATE TABLE b.parted (k int, at date) PARTITION BY RANGE (k)",
    "CREATE TABLE b.low PARTITION OF b.parted FOR VALUES FROM (0) TO (9)",
    "CREATE TABLE b.high PARTITION OF b.parted FOR VALUES FROM (9) TO (20)",
    "GRANT SELECT ON b.one TO pg_monitor",
    "GRANT SELECT ON b.one TO pg_signal_backend",
    "CREATE POLICY p ON b.one USING (true); ALTER TABLE b.one ENABLE ROW LEVEL SECURITY",
    "CREATE TRIGGER t BEFORE UPDATE ON a.two FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
];

/// In one order, and in another.
const LATER: [[&str; 2]; 4] = [
    [
        "ALTER FUNCTION b.f(int) DEPENDS ON EXTENSION citext",
        "ALTER FUNCTION b.f(int) DEPENDS ON EXTENSION hstore",
    ],
    [
        "ALTER DEFAULT PRIVILEGES IN SCHEMA a GRANT SELECT ON TABLES TO pg_monitor",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA a GRANT SELECT ON TABLES TO pg_signal_backend",
    ],
    [
        "ALTER OPERATOR FAMILY b.fam USING btree ADD FUNCTION 1 (int4, int8) btint48cmp(int4, int8)",
        "ALTER OPERATOR FAMILY b.fam USING btree ADD FUNCTION 1 (int8, int4) btint84cmp(int8, int4)",
    ],
    ["COMMENT ON COLUMN a.two.m IS 'm'", "COMMENT ON COLUMN a.two.x IS 'x'"],
];

/// All parts but the rows: what they are of, and their text.
async fn schema_parts(fresh: &Fresh) -> Vec<(Aspect, Vec<ObjectId>, String)> {
    let archive = back_up(fresh, 2).await.open().await;
    let mut parts = Vec::new();
    for (number, part) in (0..).zip(&archive.index().parts) {
        if part.aspect != Aspect::Rows {
            let text = archive.part(number).await.unwrap();
            parts.push((part.aspect, part.objects.to_vec(), String::from_utf8(text).unwrap()));
        }
    }
    parts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_of_making_is_not_seen() {
    let start = "SET client_min_messages = error; CREATE SCHEMA {one}; CREATE SCHEMA {other}; CREATE OPERATOR FAMILY b.fam USING btree;\n";
    let make = |order: [usize; 16], names: [&str; 2], turned: bool| {
        let fresh = Fresh::new();
        let mut sql = start.replace("{one}", names[0]).replace("{other}", names[1]);
        order.iter().for_each(|place| sql.push_str(&format!("{};\n", PIECES[*place])));
        for [one, other] in LATER {
            let [one, other] = if turned { [other, one] } else { [one, other] };
            sql.push_str(&format!("{one};\n{other};\n"));
        }
        fresh.sql(&sql);
        fresh
    };
    let first = make([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], ["a", "b"], false);
    let second = make([8, 6, 7, 9, 11, 10, 1, 15, 3, 2, 0, 14, 13, 12, 4, 5], ["b", "a"], true);
    let (one, other) = (schema_parts(&first).await, schema_parts(&second).await);
    assert!(one.len() > 8, "{one:#?}");
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one, other);
    }
    assert_eq!(one.len(), other.len());
}

/// A restore builds the largest first.
#[tokio::test]
async fn larger_indexes_are_known_as_larger() {
    let fresh = Fresh::new();
    fresh.sql(
        "CREATE TABLE t (id int PRIMARY KEY, code text); CREATE TABLE empty (id int PRIMARY KEY);
         INSERT INTO t SELECT n, repeat(md5(n::text), 4) FROM generate_series(1, 2000) n;
         CREATE INDEX by_code ON t (code)",
    );
    let client = fresh.connect().await;
    let schema = database::postgres::catalog::read(&client).await.unwrap();
    let sizes = index_sizes::of_large(&client, &schema, 1).await.unwrap();
    let size = |name: &str| sizes.iter().find(|one| one.name == name).map(|one| one.bytes);
    assert!(size("by_code") > size("t_pkey") && size("t_pkey") > Some(0), "{sizes:?}");
    assert_eq!(size("empty_pkey"), None);
    assert_eq!(index_sizes::of_large(&client, &schema, 1 << 30).await.unwrap(), []);
}
