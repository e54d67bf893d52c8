//! What cannot be dumped is refused by name before the first byte.

use super::*;
use crate::ErrorKind;

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

    fresh.sql(&format!("ALTER TABLE a DISABLE ROW LEVEL SECURITY; CREATE SEQUENCE s; SELECT lo_create(77); ALTER ROLE {} SET statement_timeout = 1", role.1));
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
