//! Reading the objects of a SQLite database from `sqlite_schema`, whose texts are the definitions.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::{COMMITTED_TABLE, File, SOURCE_TABLE, error};
use crate::quote::identifier;
use crate::{
    Column, Engine, Error, ErrorKind, Generated, Kind, Object, ObjectId, Result, Schema, Section, Table,
};

/// Reads all objects but dbm's own markers, SQLite's own tables (`sqlite_…`) and the shadow tables of virtual ones.
///
/// # Errors
/// [`ErrorKind::Refused`] for a kind of object that no SQLite of today has; otherwise SQLite's own.
pub fn read(connection: &Connection) -> Result<Schema> {
    let what = |cause| error(cause, "cannot read the catalog");
    let shadows = shadows(connection)?;
    let mut statement = connection
        .prepare("SELECT type, name, tbl_name, sql, rootpage FROM main.sqlite_schema WHERE sql IS NOT NULL")
        .map_err(what)?;
    let mut rows = statement.query([]).map_err(what)?;
    let mut schema = Schema::default();
    while let Some(row) = rows.next().map_err(what)? {
        let kind: String = row.get(0).map_err(what)?;
        let name: String = row.get(1).map_err(what)?;
        let of: String = row.get(2).map_err(what)?;
        let sql: String = row.get(3).map_err(what)?;
        let page: i64 = row.get(4).map_err(what)?;
        if is_own(&of) || internal(&name) || shadows.contains(&of) {
            continue;
        }
        schema.objects.push(object(connection, &kind, name, of, &sql, page)?);
    }
    schema.objects.sort_by(|a, b| (a.section, &a.id).cmp(&(b.section, &b.id)));
    Ok(schema)
}

fn object(
    connection: &Connection,
    kind: &str,
    name: String,
    of: String,
    sql: &str,
    page: i64,
) -> Result<Object> {
    let (kind, section) = match kind {
        "table" if page == 0 => (Kind::VirtualTable, Section::PreData),
        "table" => (Kind::Table, Section::PreData),
        "index" => (Kind::Index, Section::PostData),
        "view" => (Kind::View, Section::PostData),
        "trigger" => (Kind::Trigger, Section::PostData),
        other => {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("`{name}` is of a kind that dbm does not know: {other}"),
            )
            .with_hint("use a newer dbm"));
        }
    };
    let belongs = matches!(kind, Kind::Index | Kind::Trigger);
    let table = match kind {
        Kind::Table => Some(table(connection, &name)?),
        Kind::VirtualTable => Some(Table::default()),
        _ => None,
    };
    let depends_on = if belongs { owner(connection, &of)?.into_iter().collect() } else { Vec::new() };
    Ok(Object {
        id: ObjectId { kind, namespace: String::new(), of: if belongs { of } else { String::new() }, name },
        section,
        // A line comment at its end would swallow a semicolon on the same line.
        definition: if sql.lines().last().is_some_and(|last| last.contains("--")) {
            format!("{sql}\n;\n")
        } else {
            format!("{sql};\n")
        },
        owner: None,
        comments: Vec::new(),
        privileges: Vec::new(),
        depends_on,
        table: table.map(Box::new),
    })
}

/// The table or view of that name.
fn owner(connection: &Connection, name: &str) -> Result<Option<ObjectId>> {
    let what = |cause| error(cause, "cannot read the catalog");
    let sql = "SELECT name, type, rootpage FROM main.sqlite_schema
               WHERE type IN ('table', 'view') AND name = ?1 COLLATE NOCASE";
    let mut statement = connection.prepare_cached(sql).map_err(what)?;
    let mut rows = statement.query([name]).map_err(what)?;
    let Some(row) = rows.next().map_err(what)? else { return Ok(None) };
    let kind = match (row.get::<_, String>(1).map_err(what)?.as_str(), row.get::<_, i64>(2).map_err(what)?) {
        ("view", _) => Kind::View,
        (_, 0) => Kind::VirtualTable,
        _ => Kind::Table,
    };
    let name = row.get(0).map_err(what)?;
    Ok(Some(ObjectId { kind, namespace: String::new(), of: String::new(), name }))
}

/// A table with rows of its own, with its columns.
pub(super) fn table(connection: &Connection, name: &str) -> Result<Table> {
    let what = |cause| error(cause, &format!("cannot read the columns of `{name}`"));
    let sql = format!("PRAGMA main.table_xinfo({})", identifier(Engine::Sqlite, name));
    let mut statement = connection.prepare(&sql).map_err(what)?;
    let mut rows = statement.query([]).map_err(what)?;
    let mut columns = Vec::new();
    while let Some(row) = rows.next().map_err(what)? {
        columns.push(Column {
            name: row.get("name").map_err(what)?,
            data_type: row.get("type").map_err(what)?,
            not_null: row.get("notnull").map_err(what)?,
            default: row.get("dflt_value").map_err(what)?,
            // https://www.sqlite.org/pragma.html#pragma_table_xinfo
            generated: match row.get::<_, i64>("hidden").map_err(what)? {
                2 => Some(Generated::Virtual),
                3 => Some(Generated::Stored),
                _ => None,
            },
        });
    }
    Ok(Table { columns, holds_rows: true, ..Table::default() })
}

/// The tables that virtual tables keep their rows in. SQLite knows those of the modules that it has.
fn shadows(connection: &Connection) -> Result<BTreeSet<String>> {
    let what = |cause| error(cause, "cannot read the catalog");
    let sql = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow'";
    let mut statement = connection.prepare(sql).map_err(what)?;
    let names = statement.query_map([], |row| row.get(0)).map_err(what)?;
    names.collect::<rusqlite::Result<_>>().map_err(what)
}

/// Whether it is a table of dbm's that is no part of the database.
pub(super) fn is_own(name: &str) -> bool {
    name == COMMITTED_TABLE || name == SOURCE_TABLE
}

fn internal(name: &str) -> bool {
    name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"))
}

impl File {
    /// Its objects, as they are at one moment.
    ///
    /// # Errors
    /// What [`read`] or opening the file gave.
    pub async fn schema(&self) -> Result<Schema> {
        self.with(|connection| at_one_moment(connection, read)).await
    }
}

/// Reads within one transaction, unless one is open already.
pub(super) fn at_one_moment<T>(
    connection: &mut Connection,
    read: impl FnOnce(&Connection) -> Result<T>,
) -> Result<T> {
    if !connection.is_autocommit() {
        return read(connection);
    }
    let transaction = connection.transaction().map_err(|cause| error(cause, "cannot begin to read"))?;
    read(&transaction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_object() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE \"a\"\"b\n\" (id INTEGER PRIMARY KEY AUTOINCREMENT,
                   price REAL NOT NULL DEFAULT (1+1), twice REAL AS (price * 2) STORED, thrice AS (price * 3));
                 CREATE TABLE w (k TEXT PRIMARY KEY, v ANY) STRICT, WITHOUT ROWID;
                 CREATE TABLE u (x UNIQUE);
                 CREATE INDEX i ON \"a\"\"b\n\" (price) WHERE price > 0;
                 CREATE VIEW v AS SELECT * FROM w -- its comment
                 ;
                 CREATE TRIGGER tr INSTEAD OF INSERT ON v BEGIN SELECT 1; END;
                 CREATE VIRTUAL TABLE f USING fts5(body);
                 CREATE TABLE dbm_committed (x); CREATE TABLE dbm_source (id); CREATE TABLE dbm_history (x);",
            )
            .unwrap();
        let schema = read(&connection).unwrap();
        let names: Vec<String> = schema.objects.iter().map(|object| object.id.to_string()).collect();
        assert_eq!(
            names,
            [
                "table a\"b\n",
                "table dbm_history",
                "table u",
                "table w",
                "virtual table f",
                "view v",
                "index a\"b\n.i",
                "trigger v.tr",
            ]
        );
        let columns = &schema.objects[0].table.as_ref().unwrap().columns;
        let generated: Vec<_> = columns.iter().map(|column| column.generated).collect();
        assert_eq!(generated, [None, None, Some(Generated::Stored), Some(Generated::Virtual)]);
        assert_eq!((columns[1].default.as_deref(), columns[1].not_null), (Some("1+1"), true));
        assert_eq!(schema.objects[7].depends_on, [schema.objects[5].id.clone()]);
        // The definitions make the same schema again.
        let again = Connection::open_in_memory().unwrap();
        for object in &schema.objects {
            again.execute_batch(&object.definition).unwrap();
        }
        assert_eq!(read(&again).unwrap(), schema);
    }
}
