//! The digests of a SQLite database's tables.
//!
//! A row is the values of its columns, but for generated ones, each as a letter for its storage class and
//! its exact bytes: no two different rows have one encoding. The implicit rowid of a table that declares
//! none is no part of it: `VACUUM` may change it, and no one can rely on it
//! (<https://www.sqlite.org/rowidtable.html>). An archive keeps it all the same, since it keeps the pages.
//!
//! Virtual tables hold no rows: what they show is in their shadow tables, which are taken in, or outside
//! of the database.

use std::collections::BTreeMap;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::catalog::{at_one_moment, is_own, table as columns_of};
use super::{File, error};
use crate::quote::{identifier, qualified};
use crate::{Engine, Kind, ObjectId, Result, Table, TableDigest};

/// Some of a table's rows. All slices of a table together are all of its rows, each in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slice {
    /// The whole table.
    All,
    /// A range of rowids, under a name that none of the table's columns has; both ends are in it.
    Rowids {
        /// What the rowid is called.
        called: &'static str,
        /// The first.
        from: i64,
        /// The last.
        to: i64,
    },
}

/// Fewer rowids than this are not worth a range of their own.
const ROWIDS: i128 = 10_000;

/// Cuts a table whose rows nobody changes meanwhile into at most so many ranges of rowids, of equal width.
///
/// # Errors
/// SQLite's own.
pub fn slices(connection: &Connection, id: &ObjectId, table: &Table, at_most: u32) -> Result<Vec<Slice>> {
    let what = |cause| error(cause, &format!("cannot read the rows of `{}`", id.name));
    let taken = |name: &str| table.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
    let Some(called) = ["rowid", "_rowid_", "oid"].into_iter().find(|name| !taken(name)) else {
        return Ok(vec![Slice::All]);
    };
    let sql = "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1";
    if connection.query_row(sql, [&id.name], |row| row.get::<_, bool>(0)).map_err(what)? {
        return Ok(vec![Slice::All]);
    }
    let name = qualified(Engine::Sqlite, &["main", &id.name]);
    // One of them in each query: together they would read the whole table.
    let sql = format!("SELECT (SELECT min({called}) FROM {name}), (SELECT max({called}) FROM {name})");
    let ends = connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(what)?;
    let (Some(first), Some(last)): (Option<i64>, Option<i64>) = ends else { return Ok(vec![Slice::All]) };
    let width = ((i128::from(last) - i128::from(first)) / i128::from(at_most.max(1)) + 1).max(ROWIDS);
    let (mut from, last) = (i128::from(first), i128::from(last));
    let mut slices = Vec::new();
    while from <= last {
        let to = (from + width - 1).min(last);
        let ends = (i64::try_from(from), i64::try_from(to));
        let (Ok(from_rowid), Ok(to_rowid)) = ends else { return Ok(vec![Slice::All]) };
        slices.push(Slice::Rowids { called, from: from_rowid, to: to_rowid });
        from = to + 1;
    }
    Ok(slices)
}

/// Lets rows be read of tables that are kept in the order of an application's own collation, which is not here: their
/// order is nothing to a digest. Whoever looks at the order itself must not be given this.
///
/// # Errors
/// SQLite's own.
pub fn in_any_order(connection: &Connection) -> Result<()> {
    let stand_in = |connection: &Connection, name: &str| connection.create_collation(name, |a, b| a.cmp(b));
    connection
        .collation_needed(stand_in)
        .map_err(|cause| error(cause, "cannot do without an application's own collations"))
}

/// Digests the rows of one table.
///
/// # Errors
/// SQLite's own.
pub fn table(connection: &Connection, id: &ObjectId, table: &Table) -> Result<TableDigest> {
    slice(connection, id, table, &Slice::All)
}

/// Digests some of a table's rows.
///
/// # Errors
/// SQLite's own.
pub fn slice(connection: &Connection, id: &ObjectId, table: &Table, slice: &Slice) -> Result<TableDigest> {
    let what = |cause| error(cause, &format!("cannot read the rows of `{}`", id.name));
    let columns: Vec<_> = columns(table).map(|name| identifier(Engine::Sqlite, name)).collect();
    // An index that has all columns would be read in the table's place: it is not what is to be told of.
    let mut sql = format!(
        "SELECT {} FROM {} NOT INDEXED",
        columns.join(", "),
        qualified(Engine::Sqlite, &["main", &id.name])
    );
    if let Slice::Rowids { called, from, to } = slice {
        sql.push_str(&format!(" WHERE {called} BETWEEN {from} AND {to}"));
    }
    let mut statement = connection.prepare(&sql).map_err(what)?;
    let mut rows = statement.query([]).map_err(what)?;
    let mut digest = TableDigest::default();
    let mut bytes = Vec::new();
    while let Some(row) = rows.next().map_err(what)? {
        bytes.clear();
        encode(row, columns.len(), &mut bytes).map_err(what)?;
        digest.add_row(&bytes);
    }
    Ok(digest)
}

/// The columns that rows are made of, in order: all but the generated ones.
pub fn columns(table: &Table) -> impl Iterator<Item = &str> {
    table.columns.iter().filter(|column| column.generated.is_none()).map(|column| column.name.as_str())
}

/// The tables that have a digest: all that hold rows, shadow tables and `sqlite_sequence` among them.
///
/// Not dbm's own markers, and not the planner's statistics (`sqlite_stat…`), which any connection may make anew.
///
/// # Errors
/// SQLite's own.
pub fn tables(connection: &Connection) -> Result<Vec<(ObjectId, Table)>> {
    let what = |cause| error(cause, "cannot read the catalog");
    let sql = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND rootpage > 0
               AND name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\' ORDER BY name";
    let mut statement = connection.prepare(sql).map_err(what)?;
    let names = statement.query_map([], |row| row.get(0)).map_err(what)?;
    let names = names.collect::<rusqlite::Result<Vec<String>>>().map_err(what)?;
    let mut tables = Vec::with_capacity(names.len());
    for name in names.into_iter().filter(|name| !is_own(name)) {
        let table = columns_of(connection, &name)?;
        tables
            .push((ObjectId { kind: Kind::Table, namespace: String::new(), of: String::new(), name }, table));
    }
    Ok(tables)
}

fn encode(row: &Row<'_>, columns: usize, bytes: &mut Vec<u8>) -> rusqlite::Result<()> {
    let mut counted = |tag: u8, content: &[u8]| {
        bytes.push(tag);
        bytes.extend((content.len() as u64).to_le_bytes());
        bytes.extend_from_slice(content);
    };
    for column in 0..columns {
        match row.get_ref(column)? {
            ValueRef::Null => counted(b'n', &[]),
            ValueRef::Integer(number) => counted(b'i', &number.to_le_bytes()),
            ValueRef::Real(number) => counted(b'r', &number.to_bits().to_le_bytes()),
            ValueRef::Text(text) => counted(b't', text),
            ValueRef::Blob(blob) => counted(b'b', blob),
        }
    }
    Ok(())
}

impl File {
    /// The digests of all its tables, as they are at one moment.
    ///
    /// # Errors
    /// SQLite's own.
    pub async fn digests(&self) -> Result<BTreeMap<ObjectId, TableDigest>> {
        self.with(|connection| {
            in_any_order(connection)?;
            at_one_moment(connection, |connection| {
                let digest = |(id, columns): (ObjectId, Table)| {
                    let digest = table(connection, &id, &columns)?;
                    Ok((id, digest))
                };
                tables(connection)?.into_iter().map(digest).collect()
            })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(sql: &str) -> BTreeMap<String, TableDigest> {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(sql).unwrap();
        let digest = |(id, columns)| (table(&connection, &id, &columns).unwrap(), id);
        tables(&connection).unwrap().into_iter().map(digest).map(|(digest, id)| (id.name, digest)).collect()
    }

    fn one(value: &str) -> TableDigest {
        digests(&format!("CREATE TABLE t (x); INSERT INTO t VALUES ({value})"))["t"]
    }

    #[test]
    fn neighbours_differ() {
        let values = [
            "NULL",
            "0",
            "1",
            "'1'",
            "x'31'",
            "1.0",
            "'1.0'",
            "''",
            "x''",
            "'a'",
            "'A'",
            "'a '",
            "'a' || char(0)",
            "1e-308",
            "1.0000000000000002",
            "9e999",
            "-9e999",
            "9223372036854775807",
            "9223372036854775806",
            "9.223372036854775807e18",
            "'ä'",
            "'a' || char(776)",
            "zeroblob(1)",
            "zeroblob(2)",
        ];
        for (place, first) in values.iter().enumerate() {
            assert_eq!(one(first), one(first));
            for second in &values[place + 1..] {
                assert_ne!(one(first).digest, one(second).digest, "{first} and {second}");
            }
        }
    }

    #[test]
    fn values_do_not_flow_into_each_other() {
        let two =
            |values: &str| digests(&format!("CREATE TABLE t (x, y); INSERT INTO t VALUES ({values})"))["t"];
        assert_ne!(two("'ab', 'c'"), two("'a', 'bc'"));
        assert_ne!(two("NULL, 'a'"), two("'a', NULL"));
    }

    #[test]
    fn order_rowids_and_generated_columns_do_not_count_and_duplicates_do() {
        let made = |sql: &str| digests(&format!("CREATE TABLE t (x, y AS (x + 1) STORED); {sql}"))["t"];
        let plain = made("INSERT INTO t (x) VALUES (1), (2), (2)");
        assert_eq!(plain, made("INSERT INTO t (rowid, x) VALUES (7, 2), (9, 1), (11, 2)"));
        assert_ne!(plain, made("INSERT INTO t (x) VALUES (1), (2)"));
        assert_eq!(plain.rows, 3);
    }

    #[test]
    fn slices_are_all_rows_each_once() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE plain (x);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
                 INSERT INTO plain SELECT i FROM n;
                 CREATE TABLE far (id INTEGER PRIMARY KEY, x);
                 INSERT INTO far VALUES (-9223372036854775808, 1), (9223372036854775807, 2), (0, 3);
                 CREATE TABLE shadowed (rowid TEXT, _ROWID_ TEXT); INSERT INTO shadowed SELECT x, x FROM plain;
                 CREATE TABLE hidden (rowid, _rowid_, oid); INSERT INTO hidden VALUES (1, 2, 3);
                 CREATE TABLE without (x PRIMARY KEY) WITHOUT ROWID; INSERT INTO without VALUES ('a'), ('b');
                 CREATE TABLE empty (x);",
            )
            .unwrap();
        let mut counts = Vec::new();
        for (id, columns) in tables(&connection).unwrap() {
            let slices = slices(&connection, &id, &columns, 8).unwrap();
            let mut sum = TableDigest::default();
            for part in &slices {
                sum.merge(slice(&connection, &id, &columns, part).unwrap());
            }
            assert_eq!(sum, table(&connection, &id, &columns).unwrap(), "{}", id.name);
            counts.push((id.name, slices.len(), sum.rows));
        }
        let expected = [
            ("empty", 1, 0),
            ("far", 8, 3),
            ("hidden", 1, 1),
            ("plain", 3, 30_000),
            ("shadowed", 3, 30_000),
            ("without", 1, 2),
        ];
        assert_eq!(counts, expected.map(|(name, slices, rows)| (name.to_owned(), slices, rows)));
    }

    #[test]
    fn rows_are_read_from_the_table_and_not_from_an_index() {
        let sql = "CREATE TABLE t (x); CREATE INDEX i ON t (x); INSERT INTO t VALUES ('a')";
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(sql).unwrap();
        let plan: String = connection
            .query_row("EXPLAIN QUERY PLAN SELECT x FROM t NOT INDEXED", [], |row| row.get("detail"))
            .unwrap();
        assert_eq!(plan, "SCAN t");
    }

    #[test]
    fn shadow_tables_and_sequences_count_and_our_markers_do_not() {
        let found = digests(
            "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO t VALUES (5); DELETE FROM t;
             CREATE VIRTUAL TABLE f USING fts5(body); INSERT INTO f VALUES ('word');
             CREATE TABLE dbm_committed (x); CREATE TABLE dbm_source (id); ANALYZE;",
        );
        let names: Vec<_> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["f_config", "f_content", "f_data", "f_docsize", "f_idx", "sqlite_sequence", "t"]);
        assert_eq!(found["sqlite_sequence"].rows, 1);
    }
}
