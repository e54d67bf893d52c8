//! How rows are read: each value as the exact bytes of it, the same for digests, dumps and proofs.
//!
//! The session must have [`ROW_SESSION`], by which the server sends texts in their own character sets, unchanged.

use crate::{Engine, Kind, ObjectId, Table, quote};

/// What a session needs to read rows: texts as they are, times in UTC, and no mode that changes what is shown.
pub const ROW_SESSION: &str = "SET character_set_results = NULL, time_zone = '+00:00', sql_mode = ''";

/// How a value is read and what it is when it has been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// A number, as digits.
    Number,
    /// A FLOAT or DOUBLE: the server prints FLOAT with six digits, so it is read as the DOUBLE that it is.
    Float,
    /// An ENUM or SET, as its number: an ENUM's empty error value and a member `''` print the same.
    Choice,
    /// Date, time, uuid, address: plain characters.
    Plain,
    /// Text, in its column's character set.
    Text,
    /// Bytes.
    Bytes,
}

/// A column that goes with the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowColumn {
    /// Its name.
    pub name: String,
    /// How it is read.
    pub read: Read,
    /// The character set of its text; empty for others.
    pub charset: String,
}

impl RowColumn {
    /// The expression that reads it.
    pub fn expression(&self) -> String {
        let name = quote::identifier(Engine::Mysql, &self.name);
        match self.read {
            Read::Float => format!("CAST({name} AS DOUBLE)"),
            Read::Choice => format!("{name}+0"),
            _ => name,
        }
    }
}

/// The columns that rows are made of, in order: all but generated ones.
pub fn columns(table: &Table) -> Vec<RowColumn> {
    let carried = table.columns.iter().filter(|column| column.generated.is_none());
    carried
        .map(|column| {
            let (kind, charset) =
                column.data_type.split_once(" CHARACTER SET ").unwrap_or((column.data_type.as_str(), ""));
            let word = kind.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
            let read = match word.to_ascii_lowercase().as_str() {
                "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "year" => Read::Number,
                "float" | "double" | "real" => Read::Float,
                "enum" | "set" => Read::Choice,
                "date" | "time" | "datetime" | "timestamp" | "uuid" | "inet4" | "inet6" => Read::Plain,
                "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "json" => Read::Text,
                _ => Read::Bytes,
            };
            let charset = match read {
                // MySQL's JSON has no character set of its own, and comes as utf8mb4.
                Read::Text if charset.is_empty() => "utf8mb4",
                Read::Text => charset,
                _ => "",
            };
            RowColumn { name: column.name.clone(), read, charset: charset.to_owned() }
        })
        .collect()
}

/// The query that reads a table's rows; `rest` follows it (`WHERE …`), or is empty.
pub fn select(id: &ObjectId, table: &Table, rest: &str) -> String {
    debug_assert_eq!(id.kind, Kind::Table);
    let expressions: Vec<String> = columns(table).iter().map(RowColumn::expression).collect();
    // A table of nothing but generated columns still has a number of rows.
    let expressions = if expressions.is_empty() { "NULL".to_owned() } else { expressions.join(", ") };
    let name = quote::identifier(Engine::Mysql, &id.name);
    let filter = table.filter.as_deref().unwrap_or_default();
    format!("SELECT {expressions} FROM {name} {filter} {rest}").trim_end().to_owned()
}

/// A row as the bytes that its digest is of: each value with its length before it, so that no two rows have one text.
pub fn encode<'a>(row: impl Iterator<Item = Option<&'a [u8]>>, bytes: &mut Vec<u8>) {
    bytes.clear();
    for value in row {
        match value {
            None => bytes.push(b'n'),
            Some(value) => {
                bytes.push(b'v');
                bytes.extend((value.len() as u64).to_le_bytes());
                bytes.extend_from_slice(value);
            }
        }
    }
}
