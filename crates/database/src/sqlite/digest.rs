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

/// Digests the rows of one table.
///
/// # Errors
/// SQLite's own.
pub fn table(connection: &Connection, id: &ObjectId, table: &Table) -> Result<TableDigest> {
    let what = |cause| error(cause, &format!("cannot read the rows of `{}`", id.name));
    let columns: Vec<_> = columns(table).map(|name| identifier(Engine::Sqlite, name)).collect();
    let sql =
        format!("SELECT {} FROM {}", columns.join(", "), qualified(Engine::Sqlite, &["main", &id.name]));
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
