//! The planner's statistics, judged by `pg_dump --statistics-only`.

use super::archives::Place;
use super::parts::{of_tables, options};
use super::tools::{pg_dump, restore_by_hand, same_text};
use super::{ask, connect, database, fresh, name, run};
use crate::dump::{BackupOptions, create};
use crate::progress::Silent;
use crate::restore::{self, RestoreOptions};
use crate::{ErrorKind, Result};

const TABLES: &str = r#"
CREATE TABLE wide (id integer PRIMARY KEY, t text, a integer[], v tsvector, r int4range, m int4multirange);
INSERT INTO wide SELECT n, CASE n % 3 WHEN 0 THEN NULL ELSE E'it''s \\ "' || n % 7 END, ARRAY[n % 5, n % 3], to_tsvector('w' || n % 9),
    int4range(n, n + 10), int4multirange(int4range(n, n + 3)) FROM generate_series(1, 2000) n;
CREATE INDEX lowered ON wide (lower(t), (id + 1)); CREATE STATISTICS both_columns ON id, t FROM wide;
CREATE TABLE parent (id integer, x text); CREATE TABLE child () INHERITS (parent);
INSERT INTO parent SELECT n, 'p' FROM generate_series(1, 50) n; INSERT INTO child SELECT n, 'c' FROM generate_series(1, 70) n;
CREATE TABLE "Strange ""'\n" ("c'ol" date) PARTITION BY RANGE ("c'ol"); CREATE TABLE part PARTITION OF "Strange ""'\n" DEFAULT;
INSERT INTO part SELECT '2026-01-01'::date + n FROM generate_series(1, 500) n;
CREATE MATERIALIZED VIEW seen AS SELECT DISTINCT t FROM wide; CREATE TABLE never (id integer);
ANALYZE; CREATE TABLE later (id integer PRIMARY KEY); INSERT INTO later SELECT generate_series(1, 300);
"#;

fn statistics_only(database: &str) -> String {
    pg_dump(database, &["--statistics-only"])
}

async fn with_statistics(place: &Place, name: &str) -> Result<crate::archive::Archive> {
    let options = BackupOptions { statistics: true, ..BackupOptions::default() };
    let written = create(&database(name), &place.store, &options, &Silent).await?;
    assert!(written.left_out.iter().any(|what| what.contains("both_columns")), "{:?}", written.left_out);
    let by_hand = fresh("statistics by hand").await;
    restore_by_hand(place, &written.name, &by_hand);
    same_text("by psql", &statistics_only(name), &statistics_only(&by_hand));
    Ok(place.open(&written.name).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_come_back_on_request() {
    let source = fresh("statistics").await;
    let place = Place::new();
    if connect(&source).await.major_version() < 18 {
        run(&source, "CREATE TABLE t (a integer)").await;
        let options = BackupOptions { statistics: true, ..BackupOptions::default() };
        let error = create(&database(&source), &place.store, &options, &Silent).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
        return;
    }
    // No autovacuum looks at it in between.
    run(&source, TABLES).await;
    let tables = "SELECT string_agg(format('ALTER TABLE %I SET (autovacuum_enabled = off)', relname), ';') FROM pg_class
                  WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'm')";
    run(&source, &ask(&source, tables).await).await;
    let archive = with_statistics(&place, &source).await.unwrap();
    let copy = name("statistics by dbm");
    restore::into(&archive, &database(&source), &copy, &RestoreOptions::default(), &Silent).await.unwrap();
    same_text("by dbm", &statistics_only(&source), &statistics_only(&copy));
    // Of one table, its own.
    let part = name("statistics of a part");
    let wide = options(of_tables(&["wide"]));
    restore::into(&archive, &database(&source), &part, &wide, &Silent).await.unwrap();
    let own = |database: &str| pg_dump(database, &["--statistics-only", "--table=wide"]);
    same_text("a part", &own(&source), &own(&part));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_analyzes_unless_told_not_to() {
    let source = fresh("analyze").await;
    run(
        &source,
        "CREATE TABLE t WITH (autovacuum_enabled = off) AS SELECT generate_series(1, 1000) AS id;
         CREATE TABLE u WITH (autovacuum_enabled = off) AS TABLE t",
    )
    .await;
    let place = Place::new();
    let (archive, _) = place.back_up(&database(&source)).await;
    let known =
        "SELECT string_agg(tablename, ',' ORDER BY tablename) FROM pg_stats WHERE schemaname = 'public'";
    for (analyze, expected) in [(true, "t,u"), (false, "NULL")] {
        let copy = name("analyzed");
        let whole = RestoreOptions { analyze, ..RestoreOptions::default() };
        restore::into(&archive, &database(&source), &copy, &whole, &Silent).await.unwrap();
        assert_eq!(ask(&copy, known).await, expected, "{analyze}");
        // The same for what is restored beside what is there.
        run(&copy, "DROP TABLE t; DELETE FROM pg_statistic WHERE starelid >= 16384").await;
        let wanted = RestoreOptions { analyze, ..options(of_tables(&["t"])) };
        restore::among(&archive, &database(&copy), &wanted, &Silent).await.unwrap();
        assert_eq!(ask(&copy, known).await, if analyze { "t" } else { "NULL" }, "{analyze}");
    }
}
