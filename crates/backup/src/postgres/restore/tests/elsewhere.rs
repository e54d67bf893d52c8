//! Functions of a database's owner that look further than they say: at names without a namespace, at other tables.

use super::archives::Place;
use super::{ask, database, digests, fresh, name, run};
use crate::progress::Silent;
use crate::restore::{self, RestoreOptions, Safeguard};

/// A check on a large table, one on a small table that shares a part, a domain's, a generated column, a partition's key.
const OWN: &str = "
CREATE SCHEMA app; SET search_path = app, public;
CREATE TABLE app.lim (n integer); INSERT INTO app.lim VALUES (7);
CREATE FUNCTION app.helper(a integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT a + 1';
CREATE FUNCTION app.most(a integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN helper(a) > 1; END';
CREATE FUNCTION app.computed(a integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN helper(a); END';
CREATE DOMAIN app.d AS integer CHECK (app.most(VALUE));
CREATE TABLE app.large (a integer CHECK (app.most(a)), t text); INSERT INTO app.large SELECT n, repeat('x', 500) FROM generate_series(1, 5000) n;
CREATE TABLE app.small (a integer CHECK (app.most(a))); INSERT INTO app.small VALUES (1), (2);
CREATE TABLE app.of_domain (a app.d); INSERT INTO app.of_domain VALUES (1), (2);
CREATE TABLE app.generated (a integer, b integer GENERATED ALWAYS AS (app.computed(a)) STORED); INSERT INTO app.generated VALUES (1), (2);
CREATE TABLE app.parted (a integer) PARTITION BY RANGE ((app.computed(a)));
CREATE TABLE app.part PARTITION OF app.parted FOR VALUES FROM (0) TO (10); INSERT INTO app.parted VALUES (1);
CREATE TABLE app.defaults (a integer DEFAULT app.computed(1)); INSERT INTO app.defaults VALUES (DEFAULT);
REVOKE USAGE ON TYPE int4, text FROM PUBLIC;";

/// From 17 on the server makes them with a path of its own, so that no database has any that need another.
const OLDER: &str = "
CREATE INDEX i ON app.large ((a + app.computed(a)));
CREATE MATERIALIZED VIEW app.m AS SELECT app.computed(6) AS most;";

/// `pg_restore` fails at all of them, since it restores with an empty search path.
#[tokio::test(flavor = "multi_thread")]
async fn functions_that_name_things_without_a_namespace_are_run_as_the_database_runs_them() {
    let name = fresh("unqualified").await;
    run("postgres", &format!("ALTER DATABASE \"{name}\" SET search_path = app, public")).await;
    run(&name, OWN).await;
    let older = ask(&name, "SELECT current_setting('server_version_num')::int < 170000").await == "t";
    if older {
        run(&name, OLDER).await;
    }
    let door = database(&name);
    let place = Place::new();
    let (archive, written) = place.back_up(&door).await;
    let copy = super::name("unqualified copy");
    let options = RestoreOptions::default();
    restore::into(&archive, &door, &copy, &options, &Silent).await.unwrap();
    if older {
        assert_eq!(ask(&copy, "SELECT most FROM app.m").await, "7");
    }
    assert_eq!(ask(&copy, "SELECT typacl IS NOT NULL FROM pg_type WHERE oid = 'int4'::regtype").await, "t");
    let rows = digests(&name).await;
    assert_eq!(digests(&copy).await, rows);
    // The same within one transaction.
    run(&name, "DELETE FROM app.large").await;
    let safeguard = Safeguard::verify(&written, &place.store, &door, &Silent, &options.cancel).await.unwrap();
    let options = RestoreOptions { disconnect: true, ..options };
    restore::in_place(&archive, &door, &safeguard, &[], &options, &Silent).await.unwrap();
    assert_eq!(digests(&name).await, rows);
    // And one table beside what is there.
    let table = restore::table(&archive, &door, "app.of_domain", &options, &Silent).await.unwrap();
    assert_eq!(ask(&name, &format!("SELECT count(*) FROM {table}")).await, "2");
}

/// In which order tables are loaded says no catalog: the small ones share a part, in the order of their names.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_may_look_at_rows_that_are_not_in_yet() {
    let shop = fresh("looks").await;
    run(
        &shop,
        "CREATE FUNCTION in_large() RETURNS boolean LANGUAGE sql AS 'SELECT true'; CREATE FUNCTION in_b() RETURNS boolean LANGUAGE sql AS 'SELECT true';
         CREATE TABLE a (n integer CHECK (in_b())); CREATE TABLE b (n integer CHECK (in_large())); CREATE TABLE large (n integer, t text);
         INSERT INTO large SELECT n, repeat('x', 500) FROM generate_series(1, 5000) n; INSERT INTO a VALUES (1), (2); INSERT INTO b VALUES (1);
         CREATE OR REPLACE FUNCTION in_large() RETURNS boolean LANGUAGE sql AS 'SELECT count(*) = 5000 FROM public.large';
         CREATE OR REPLACE FUNCTION in_b() RETURNS boolean LANGUAGE plpgsql AS
         'BEGIN IF NOT EXISTS (SELECT FROM b) THEN RAISE EXCEPTION ''b is empty''; END IF; RETURN true; END'",
    )
    .await;
    let (door, place) = (database(&shop), Place::new());
    let (archive, written) = place.back_up(&door).await;
    let before = digests(&shop).await;
    for jobs in [1, 2] {
        let (copy, options) = (name("looks copy"), RestoreOptions { jobs, ..RestoreOptions::default() });
        restore::into(&archive, &door, &copy, &options, &Silent).await.unwrap();
        assert_eq!(digests(&copy).await, before);
    }
    let options = RestoreOptions { disconnect: true, ..RestoreOptions::default() };
    let safeguard = Safeguard::verify(&written, &place.store, &door, &Silent, &options.cancel).await.unwrap();
    restore::in_place(&archive, &door, &safeguard, &[], &options, &Silent).await.unwrap();
    assert_eq!(digests(&shop).await, before);
    // What no order makes right is told as the server says it: of `b`, or of `a`, which waits for that.
    run(&shop, "CREATE OR REPLACE FUNCTION in_large() RETURNS boolean LANGUAGE sql AS 'SELECT false'").await;
    let (archive, _) = place.back_up(&door).await;
    let failed = restore::into(&archive, &door, &name("looks wrong"), &options, &Silent).await.unwrap_err();
    assert!(matches!(failed.sqlstate(), Some("23514" | "P0001")), "{failed}");
}
