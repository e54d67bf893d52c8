//! Values, encodings and rows of all sizes come back as they were.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_the_database_do_not_reach_the_values() {
    let fresh = Fresh::new();
    // First the rows: these settings would end psql's session too.
    fresh.sql(
        "SET default_transaction_read_only = off; SET statement_timeout = 0; SET standard_conforming_strings = on; SET xmloption = content; SET array_nulls = on;
         BEGIN READ WRITE;
         CREATE TABLE public.v (d date, t timestamptz, i interval, f double precision, r real, b bytea, a text[], x xml, j jsonb, m money);
         INSERT INTO public.v VALUES
           ('2026-02-01', '2026-02-01 03:04:05.678901+05:45', '-1 day 2 hours', 0.1::float8 + 0.2::float8, 1.1::real / 3, '\\x005cff0a', '{NULL,\"NULL\",\"a\\\\b\"}', 'a<b/>', '{\"a\": [1, \"\\u00e9\"]}', 12.5),
           ('infinity', '-infinity', '1 year 2 mons -3 days 04:05:06.7', 'NaN', '-infinity', '', '{}', NULL, 'null', -1),
           ('4713-01-01 BC', '294276-12-31 23:59:59.999999+00', '-178000000 years', 5e-324, 1e-45, '\\\\', '[2:3]={a,b}', '', '\"\\\\u0000\"'::text::jsonb, 0),
           (NULL, NULL, '0', 1.7976931348623157e308, 3.4028235e38, NULL, NULL, NULL, NULL, NULL);
         COMMIT;",
    );
    for setting in [
        "DateStyle = 'SQL, DMY'",
        "IntervalStyle = 'sql_standard'",
        "extra_float_digits = -5",
        "bytea_output = 'escape'",
        "TimeZone = 'Asia/Kathmandu'",
        "search_path = 'other'",
        "statement_timeout = '20ms'",
        "idle_in_transaction_session_timeout = '10ms'",
        "idle_session_timeout = '10ms'",
        "lock_timeout = '1ms'",
        "default_transaction_read_only = on",
        "default_transaction_isolation = 'serializable'",
        "array_nulls = off",
        "standard_conforming_strings = off",
        "quote_all_identifiers = on",
        "xmloption = 'document'",
        "row_security = on",
    ] {
        // Until 14 there was no idle_session_timeout.
        let name = setting.split(' ').next().unwrap_or_default();
        let known = psql(
            "postgres",
            &["-Atq"],
            format!("SELECT FROM pg_settings WHERE name ILIKE '{name}'").as_bytes(),
        );
        if !known.stdout.is_empty() {
            fresh.maintain(&format!("ALTER DATABASE {} SET {setting}", fresh.name));
        }
    }
    let backup = back_up(&fresh, 2).await;
    let restored = Fresh::new();
    for setting in [
        "DateStyle = 'SQL, DMY'",
        "default_transaction_read_only = on",
        "standard_conforming_strings = off",
        "array_nulls = off",
    ] {
        restored.maintain(&format!("ALTER DATABASE {} SET {setting}", restored.name));
    }
    let output = psql(&restored.name, &[], &backup.script());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let again = back_up(&restored, 1).await;
    assert_eq!(backup.tables().await, again.tables().await);
    assert_eq!(backup.tables().await[0].1.rows, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_s_own_encoding_goes_through() {
    for (encoding, value) in [
        ("LATIN1", "E'\\xe9\\xff\\x80'"),
        ("SQL_ASCII", "E'\\xe9\\x80\\xff\\xc3'"),
        ("EUC_JP", "E'\\xa4\\xa2'"),
    ] {
        let options = format!("ENCODING '{encoding}' LOCALE 'C'");
        let fresh = Fresh::with(&options);
        fresh.sql(&format!("SET client_encoding = '{encoding}'; CREATE TABLE t (a text); INSERT INTO t VALUES ({value}), ('a');"));
        if encoding != "SQL_ASCII" {
            fresh.sql(
                "SET client_encoding = 'UTF8'; ALTER TABLE t ADD COLUMN \"\u{f7}\" text DEFAULT '\u{a7}';",
            );
        }
        let (backup, restored) = round_trip(&fresh, 2, &options).await;
        assert_eq!(backup.extras().await.encoding, encoding);
        let hex = "SELECT encode(convert_to(a, current_setting('server_encoding')), 'hex') FROM t ORDER BY 1";
        assert_eq!(fresh.sql(hex), restored.sql(hex));
        if encoding == "LATIN1" {
            // What another encoding can hold may be restored there.
            restore(&backup, "ENCODING 'UTF8' LOCALE 'C'");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_all_shapes() {
    let fresh = Fresh::new();
    fresh.sql(
        "CREATE TABLE empty (a integer); CREATE TABLE none ();
         INSERT INTO none SELECT FROM generate_series(1, 3);
         CREATE TABLE odd (a text, b text);
         INSERT INTO odd VALUES ('\\.', NULL), ('\\N', '\\\\N'), (E'\\t\\n\\r\\b\\f\\v', ''), ('', '\\\\.'), (NULL, NULL), ('COPY x FROM stdin;', '\\! touch f');
         CREATE TABLE \"n\"\"a\\! :m'e $$\" (\"c\n\\.\" text, \"select\" integer);
         INSERT INTO \"n\"\"a\\! :m'e $$\" VALUES ('x', 1);
         CREATE TABLE wide (a text); INSERT INTO wide SELECT repeat('0123456789', 2 * 1024 * 1024) FROM generate_series(1, 2);
         INSERT INTO wide SELECT repeat(md5(g::text), 40000) FROM generate_series(1, 20) g;",
    );
    let (backup, _restored) = round_trip(&fresh, 2, "").await;
    let tables = backup.tables().await;
    let rows = |name: &str| tables.iter().find(|(id, _)| id.name == name).unwrap().1.rows;
    assert_eq!([rows("empty"), rows("none"), rows("odd"), rows("wide")], [0, 3, 6, 22]);
    let archive = backup.open().await;
    for part in &archive.index().parts {
        assert!(part.bytes <= 16 << 20 || part.rows == 1, "{part:?}");
        assert!(part.objects.iter().all(|id| id.name != "empty") || part.rows == 0);
    }
    archive.verify_all(&Silent, &BackupOptions::default().cancel).await.unwrap();
}

#[tokio::test]
async fn of_an_extension_s_table_only_the_rows_that_it_asks_for() {
    let fresh = Fresh::new();
    // What pg_extension_config_dump() writes when an extension's own script calls it.
    fresh.sql(
        "CREATE EXTENSION citext; CREATE TABLE conf (a int); INSERT INTO conf SELECT generate_series(1, 5);
         ALTER EXTENSION citext ADD TABLE conf;
         UPDATE pg_catalog.pg_extension SET extconfig = ARRAY['conf'::regclass::oid], extcondition = ARRAY['WHERE a > 2']
         WHERE extname = 'citext'",
    );
    let backup = back_up(&fresh, 2).await;
    let archive = backup.open().await;
    let [table] = archive.index().tables.as_slice() else { panic!("one table") };
    assert_eq!(table.digest.rows, 3);
    assert!(String::from_utf8(backup.script()).unwrap().contains("FROM stdin;\n3\n4\n5\n\\.\n"));
}

#[tokio::test]
async fn what_is_left_out_stands_in_the_index() {
    let fresh = Fresh::new();
    fresh.sql(
        "CREATE TABLE t (a int PRIMARY KEY, b int REFERENCES t); CREATE INDEX broken ON t (b);
         UPDATE pg_catalog.pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass;
         ALTER TABLE t DISABLE TRIGGER ALL",
    );
    let backup = back_up(&fresh, 1).await;
    let left_out = backup.open().await.index().left_out.clone();
    assert_eq!(
        left_out,
        [
            "index public.broken (it is INVALID)",
            "triggers of foreign keys of public.t (they are switched off, which a restored foreign key is not)"
        ]
    );
}

#[tokio::test]
async fn a_namespace_public_that_was_dropped_is_dropped_by_psql_too() {
    let fresh = Fresh::new();
    fresh.sql("DROP SCHEMA public; CREATE SCHEMA s; CREATE TABLE s.t (a int)");
    let (_, restored) = round_trip(&fresh, 1, "").await;
    assert_eq!(restored.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'public'"), "0\n");
}
