//! What cannot be dumped is refused by name before the first byte.

use super::*;
use crate::ErrorKind;
use crate::selection::{Content, Pattern, Selection};

/// A role of the test's own, with the right to connect.
struct Role<'a>(&'a Fresh, String);

impl<'a> Role<'a> {
    fn new(fresh: &'a Fresh) -> Self {
        let name = format!("{}_role", fresh.name);
        fresh.maintain(&format!("CREATE ROLE {name} LOGIN PASSWORD 'x'"));
        Self(fresh, name)
    }

    /// The database as this role sees it.
    fn server(&self) -> Server {
        let DatabaseUrl::Postgres(mut settings) = self.0.url.clone() else { panic!("a postgres URL") };
        settings.user = Some(self.1.clone());
        let mut url = DatabaseUrl::Postgres(settings);
        url.set_password("x");
        server_of(&url)
    }
}

impl Drop for Role<'_> {
    fn drop(&mut self) {
        self.0.sql(&format!("DROP OWNED BY {}", self.1));
        self.0.maintain(&format!("DROP ROLE {}", self.1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_are_no_text() {
    let fresh = Fresh::with("ENCODING 'SQL_ASCII' LOCALE 'C'");
    fresh.sql(
        "DO $$ BEGIN EXECUTE format('CREATE TABLE %I ()', 'caf' || convert_from('\\xe9'::bytea, 'SQL_ASCII')); END $$",
    );
    let error = back_up_as(&fresh.server(), &jobs(1)).await.err().unwrap();
    assert!(error.to_string().contains("invalid byte sequence"), "{error}");
    assert!(error.hint().unwrap().contains("SQL_ASCII lets pass: rename it"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_cannot_be_read() {
    let fresh = Fresh::new();
    let role = Role::new(&fresh);
    fresh.sql(&format!(
        "CREATE TABLE a (n integer); CREATE TABLE b (n integer); CREATE SCHEMA \"x y\"; CREATE TABLE \"x y\".c (n integer); \
         GRANT SELECT ON a, \"x y\".c TO {}; INSERT INTO a VALUES (1);",
        role.1
    ));
    let error = back_up_as(&role.server(), &jobs(2)).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Permission);
    assert!(error.to_string().ends_with("may not read table public.b, table x y.c"), "{error}");
    assert!(error.hint().unwrap().contains("SELECT"), "{:?}", error.hint());

    fresh.sql(&format!(
        "GRANT SELECT ON b TO {0}; GRANT USAGE ON SCHEMA \"x y\" TO {0}; ALTER TABLE a ENABLE ROW LEVEL SECURITY;", role.1
    ));
    let error = back_up_as(&role.server(), &jobs(2)).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Permission);
    assert!(
        error.to_string().contains("row-level security") && error.to_string().ends_with("in table public.a"),
        "{error}"
    );

    fresh.sql(&format!("ALTER TABLE a DISABLE ROW LEVEL SECURITY; CREATE SEQUENCE s; SELECT lo_create(77); ALTER ROLE {} SET statement_timeout = 50", role.1));
    let error = back_up_as(&role.server(), &jobs(2)).await.err().unwrap();
    assert!(error.to_string().ends_with("may not read sequence public.s"), "{error}");
    fresh.sql(&format!("GRANT SELECT ON s TO {}", role.1));
    let error = back_up_as(&role.server(), &jobs(2)).await.err().unwrap();
    assert!(error.to_string().ends_with("may not read large object 77"), "{error}");
    fresh.sql(&format!("GRANT SELECT ON LARGE OBJECT 77 TO {}", role.1));
    let backup = back_up_as(&role.server(), &jobs(2)).await.unwrap();
    assert_eq!(backup.open().await.index().rows(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hash_partitions_by_an_enum() {
    let fresh = Fresh::new();
    fresh.sql(
        "CREATE TYPE mood AS ENUM ('a', 'b'); CREATE TABLE p (m mood) PARTITION BY HASH (m);
         CREATE TABLE p0 PARTITION OF p FOR VALUES WITH (MODULUS 1, REMAINDER 0);",
    );
    let error = failure(&fresh).await;
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("table public.p:"), "{error}");
}

/// What is not selected need not be carried; what is has to be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partial_backup_refuses_only_what_it_takes() {
    let fresh = Fresh::new();
    fresh.sql(
        "CREATE TABLE plain (n integer); INSERT INTO plain VALUES (1); CREATE TABLE odd (n integer);
         UPDATE pg_catalog.pg_attribute SET attoptions = '{strange=1}' WHERE attrelid = 'odd'::regclass AND attname = 'n';
         CREATE TYPE mood AS ENUM ('a'); CREATE TABLE p (m mood) PARTITION BY HASH (m);
         CREATE TABLE p0 PARTITION OF p FOR VALUES WITH (MODULUS 1, REMAINDER 0);
         CREATE SCHEMA dbm; CREATE TABLE dbm.mine (n integer)",
    );
    let tables =
        |patterns: &[&str]| patterns.iter().map(|one| Pattern::table(one).unwrap()).collect::<Vec<_>>();
    let back_up = async |selection: Selection| {
        back_up_as(&fresh.server(), &BackupOptions { selection, ..jobs(1) })
            .await
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    let all = back_up(Selection::default()).await.unwrap_err();
    assert!(all.contains("strange=1") && all.contains("table dbm.mine"), "{all}");
    back_up(Selection { tables: tables(&["plain"]), ..Selection::default() }).await.unwrap();
    let odd =
        back_up(Selection { tables: tables(&["plain", "odd"]), ..Selection::default() }).await.unwrap_err();
    assert!(odd.contains("strange=1") && !odd.contains("dbm.mine"), "{odd}");
    let parted = back_up(Selection { tables: tables(&["p"]), ..Selection::default() }).await.unwrap_err();
    assert!(parted.contains("table public.p:"), "{parted}");
    let without = Selection { exclude_tables: tables(&["odd"]), ..Selection::default() };
    let ours = back_up(without.clone()).await.unwrap_err();
    assert!(ours.contains("dbm.mine") && !ours.contains("strange"), "{ours}");
    let bare = Selection {
        content: Content::SchemaOnly,
        exclude_schemas: vec![Pattern::schema("dbm").unwrap()],
        ..without
    };
    back_up(bare).await.unwrap();
}
