//! Security labels there and back again, on the newest server: `DBM_TEST_LABEL_PROVIDER` is a library for it that takes
//! every label, since none comes with the server.

use std::process::Command;

use database::{Database, DatabaseUrl};

use super::archives::Place;
use super::name;
use super::tools::said;
use crate::ErrorKind;
use crate::progress::Silent;
use crate::restore::{self, RestoreOptions};

const LABELLED: &str = r#"
CREATE SCHEMA s; CREATE TABLE s."t \!" ("a b" int); CREATE VIEW v AS SELECT 1 AS n; CREATE SEQUENCE q;
CREATE MATERIALIZED VIEW m AS SELECT 1 AS n; CREATE DOMAIN d AS int; CREATE TYPE pair AS (a int);
CREATE FUNCTION f(int, text) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int); SELECT lo_create(7); CREATE PUBLICATION pub;
CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER fires ON sql_drop EXECUTE FUNCTION e();
SECURITY LABEL ON SCHEMA s IS 'namespace'; SECURITY LABEL ON TABLE s."t \!" IS E'it''s \\ a\n\\! table';
SECURITY LABEL ON COLUMN s."t \!"."a b" IS 'column'; SECURITY LABEL ON VIEW v IS 'view'; SECURITY LABEL ON SEQUENCE q IS 'sequence';
SECURITY LABEL ON COLUMN v.n IS 'column of a view'; SECURITY LABEL ON MATERIALIZED VIEW m IS 'filled'; SECURITY LABEL ON DOMAIN d IS 'domain';
SECURITY LABEL ON TYPE pair IS 'type'; SECURITY LABEL ON FUNCTION f(int, text) IS 'function';
SECURITY LABEL ON PROCEDURE p() IS 'procedure'; SECURITY LABEL ON AGGREGATE total(int) IS 'aggregate';
SECURITY LABEL ON LARGE OBJECT 7 IS 'large object'; SECURITY LABEL ON PUBLICATION pub IS 'publication';
SECURITY LABEL ON EVENT TRIGGER fires IS 'event trigger'; SECURITY LABEL ON LANGUAGE plpgsql IS 'language';
SECURITY LABEL ON FUNCTION pg_catalog.now() IS 'built in';
"#;

const LABELS: &str = "SELECT objtype, objname, provider, label FROM pg_seclabels
    WHERE objtype NOT IN ('database', 'role') ORDER BY 1, 2; \
    SELECT provider, label FROM pg_shseclabel WHERE classoid = 'pg_database'::regclass
        AND objoid = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// A role of the newest server whose sessions have the provider, or have not.
struct Account(DatabaseUrl);

impl Account {
    fn new(newest: &DatabaseUrl, name: &str, library: Option<&str>) -> Self {
        let of = |user: &str| {
            let DatabaseUrl::Postgres(mut settings) = newest.clone() else { panic!("not a PostgreSQL URL") };
            settings.user = Some(user.to_owned());
            Self(DatabaseUrl::Postgres(settings))
        };
        let load = library.map_or_else(String::new, |path| {
            format!("ALTER ROLE {name} SET session_preload_libraries = '{path}';")
        });
        let DatabaseUrl::Postgres(settings) = newest else { panic!("not a PostgreSQL URL") };
        let superuser = settings.user.clone().unwrap_or_else(|| "postgres".to_owned());
        of(&superuser).sql("postgres", &format!("CREATE ROLE {name} LOGIN SUPERUSER; {load}"));
        of(name)
    }

    fn database(&self, name: &str) -> Database {
        Database::new(self.0.with_database(name)).unwrap()
    }

    fn sql(&self, database: &str, text: &str) -> String {
        let DatabaseUrl::Postgres(settings) = &self.0 else { panic!("not a PostgreSQL URL") };
        let mut psql = Command::new("psql");
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1"]).env("PGHOST", &settings.hosts[0].name);
        psql.env("PGPORT", settings.hosts[0].port.to_string()).env("PGDATABASE", database);
        said(psql.env("PGUSER", settings.user.as_deref().unwrap_or("postgres")), text.as_bytes())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_come_back_where_their_provider_is() {
    let variable = |name: &str| {
        std::env::var(name).unwrap_or_else(|_| panic!("{name} is missing: run scripts/test, which sets it"))
    };
    let newest = DatabaseUrl::parse(&variable("DBM_TEST_POSTGRES_NEWEST_URL")).unwrap();
    let library = variable("DBM_TEST_LABEL_PROVIDER");
    let process = std::process::id();
    let with = Account::new(&newest, &format!("dbm_labels_{process}"), Some(&library));
    let without = Account::new(&newest, &format!("dbm_no_labels_{process}"), None);
    let (one, two, three) = (name("labels"), name("labels, by dbm"), name("labels, by psql"));
    for database in [&one, &three] {
        with.sql("postgres", &format!("CREATE DATABASE \"{database}\" TEMPLATE template0"));
    }
    with.sql(&one, LABELLED);
    with.sql(&one, &format!("SECURITY LABEL ON DATABASE \"{one}\" IS 'of the database'"));
    let place = Place::new();
    let (archive, written) = place.back_up(&with.database(&one)).await;
    restore::into(&archive, &with.database(&one), &two, &RestoreOptions::default(), &Silent).await.unwrap();
    let before = with.sql(&one, LABELS);
    assert_eq!(before.lines().filter(|line| line.contains("dbm \"test|")).count(), 18, "{before}");
    assert_eq!(with.sql(&two, LABELS), before);
    let script =
        said(Command::new("zstd").arg("-dc").arg(place.store.folder().join(written.name.to_string())), b"");
    with.sql(&three, &script);
    // What is the database's own is no part of the script.
    assert_eq!(with.sql(&three, LABELS), before.replace("dbm \"test|of the database\n", ""));
    // Without the provider nothing is made.
    let four = name("labels, nowhere");
    let (door, options) = (without.database(&one), RestoreOptions::default());
    let error = restore::into(&archive, &door, &four, &options, &Silent).await.unwrap_err();
    assert!(
        error.kind() != ErrorKind::Internal && format!("{error:?}").contains("is not loaded"),
        "{error:?}"
    );
    let there = with
        .sql("postgres", &format!("SELECT count(*) FROM pg_database WHERE starts_with(datname, '{four}')"));
    assert_eq!(there, "0\n");
}
