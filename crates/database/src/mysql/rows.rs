//! How rows are read: each value as the exact bytes of it, the same for digests, dumps and proofs.
//!
//! The session must be [set up](set_up), so that the server sends texts in their own character sets, unchanged.

use super::Connection;
use super::values::Values;
use crate::{Column, Engine, Generated, Kind, ObjectId, Result, RowsRead, Table, quote};

/// What a session needs to read rows: texts as they are, times in UTC, and no mode that changes what is shown.
pub(super) const ROW_SESSION: &str = "SET character_set_results = NULL, time_zone = '+00:00', sql_mode = ''";

/// A driver's connection reads 8 KiB at once until something longer has come: half of what the server sends at once.
const LONGER: &str = "SELECT SPACE(65000)";

/// Sets a session up to read rows.
///
/// # Errors
/// What the server says, with `what` failed before it.
pub async fn set_up(connection: &mut Connection, what: &str) -> Result<()> {
    connection.batch(&format!("{ROW_SESSION}; {LONGER}"), what).await
}

/// How a value is read and what it is when it has been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// A number, as digits.
    Number,
    /// A DOUBLE, which is read as it is.
    Double,
    /// A FLOAT, or a DOUBLE that is printed with so many decimals or zeros before it: the server prints FLOAT with six digits,
    /// so it is read as the DOUBLE that it is.
    Float,
    /// An ENUM or SET, as its number: an ENUM's empty error value and a member `''` print the same.
    Choice,
    /// Date, time, uuid, address: plain characters.
    Plain,
    /// Text, in its column's character set.
    Text,
    /// JSON of MySQL, in utf8mb4.
    Json,
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
    read(table.columns.iter().filter(|column| column.generated.is_none()))
}

/// The stored generated columns, in order. No archive carries them, since no server takes a value for one: it computes them
/// anew, and from other things than the row too. `DATE(at)` of a TIMESTAMP goes by the time zone of the session that wrote
/// it, on MariaDB and on MySQL, and `DATE_FORMAT` on MySQL by its language.
pub fn generated(table: &Table) -> Vec<RowColumn> {
    read(table.columns.iter().filter(|column| column.generated == Some(Generated::Stored)))
}

fn read<'c>(columns: impl Iterator<Item = &'c Column>) -> Vec<RowColumn> {
    columns
        .map(|column| {
            let (kind, charset) =
                column.data_type.split_once(" CHARACTER SET ").unwrap_or((column.data_type.as_str(), ""));
            let word = kind.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
            let read = match word.to_ascii_lowercase().as_str() {
                "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "year" => Read::Number,
                "double" if matches!(kind, "double" | "double unsigned") => Read::Double,
                "float" | "double" | "real" => Read::Float,
                "enum" | "set" => Read::Choice,
                "date" | "time" | "datetime" | "timestamp" | "uuid" | "inet4" | "inet6" => Read::Plain,
                "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => Read::Text,
                "json" => Read::Json,
                _ => Read::Bytes,
            };
            let charset = match read {
                Read::Text => charset,
                // It has no character set of its own.
                Read::Json => "utf8mb4",
                _ => "",
            };
            RowColumn { name: column.name.clone(), read, charset: charset.to_owned() }
        })
        .collect()
}

/// The query that reads a table's rows, with their stored generated columns last; `rest` follows it (`WHERE …`), or is empty.
pub fn select(id: &ObjectId, table: &Table, rest: &str) -> String {
    debug_assert_eq!(id.kind, Kind::Table);
    let mut expressions: Vec<String> = columns(table).iter().map(RowColumn::expression).collect();
    if expressions.is_empty() {
        // A table of nothing but generated columns still has a number of rows.
        expressions.push("NULL".to_owned());
    }
    expressions.extend(generated(table).iter().map(RowColumn::expression));
    let expressions = expressions.join(", ");
    let name = quote::identifier(Engine::Mysql, &id.name);
    let filter = table.filter.as_deref().unwrap_or_default();
    format!("SELECT {expressions} FROM {name} {filter} {rest}").trim_end().to_owned()
}

/// Takes a row into what is known of its table: each value with its length before it, so that no two rows have one text;
/// `v`, the length in eight bytes, the least first, and the value, or `n` for NULL. The last `generated` of its values are of
/// stored generated columns.
pub fn take(row: &Values<'_>, generated: usize, read: &mut RowsRead) {
    row.digest(row.len().saturating_sub(generated), &mut read.carried);
    if generated > 0 {
        row.digest(row.len(), &mut read.whole);
    }
}

#[cfg(test)]
mod tests {
    use super::super::values::Room;
    use super::*;
    use crate::TableDigest;

    #[test]
    fn generated_columns_end_a_row_and_are_not_carried() {
        let row = [Some(&b"a"[..]), None, Some(b"made")];
        let of = |row: &[Option<&[u8]>], generated| {
            let mut read = RowsRead::default();
            take(&Room::default().texts(row.iter().copied()), generated, &mut read);
            read
        };
        let (plain, with) = (of(&row[..2], 0), of(&row, 1));
        assert_eq!((with.carried, plain.whole), (plain.carried, TableDigest::default()));
        assert_eq!(with.whole, of(&row, 0).carried);
        assert_ne!(with.whole, of(&[Some(b"a"), None, Some(b"other")], 1).whole);
    }

    #[test]
    fn a_row_has_the_digest_of_its_values_each_behind_its_length() {
        let mut room = Room::default();
        for length in [0, 9, 65_517, 65_518, 65_536, 200_000] {
            let value = vec![b'x'; length];
            let rows: [&[Option<&[u8]>]; 4] = [
                &[Some(&value), None, Some(b"y"), Some(&value), None],
                &[None, Some(&value)],
                &[Some(b"y"), Some(&value), Some(&value), Some(b"z")],
                &[],
            ];
            for row in rows {
                let mut bytes = Vec::new();
                let mut ends = vec![0];
                for value in row {
                    match value {
                        None => bytes.push(b'n'),
                        Some(value) => {
                            bytes.push(b'v');
                            bytes.extend((value.len() as u64).to_le_bytes());
                            bytes.extend_from_slice(value);
                        }
                    }
                    ends.push(bytes.len());
                }
                let values = room.texts(row.iter().copied());
                assert!(values.iter().eq(row.iter().copied()), "{length}");
                assert_eq!(values.bytes(), bytes.len());
                for generated in 0..=row.len() {
                    let (mut ours, mut expected) = (RowsRead::default(), RowsRead::default());
                    take(&values, generated, &mut ours);
                    expected.carried.add_row(&bytes[..ends[row.len() - generated]]);
                    if generated > 0 {
                        expected.whole.add_row(&bytes);
                    }
                    assert_eq!(ours, expected, "{length} {generated}");
                }
            }
        }
    }

    #[test]
    fn only_what_is_no_plain_double_is_read_as_one() {
        let expression = |data_type: &str| {
            let column = Column {
                name: "c".to_owned(),
                data_type: data_type.to_owned(),
                not_null: false,
                default: None,
                generated: None,
            };
            columns(&Table { columns: vec![column], ..Table::default() })[0].expression()
        };
        assert_eq!((expression("double"), expression("double unsigned")), ("`c`".into(), "`c`".into()));
        for other in ["float", "float unsigned", "double(20,3)", "double unsigned zerofill", "float(10,4)"] {
            assert_eq!(expression(other), "CAST(`c` AS DOUBLE)", "{other}");
        }
    }
}
