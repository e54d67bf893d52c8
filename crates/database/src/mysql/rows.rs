//! How rows are read: each value as the exact bytes of it, the same for digests, dumps and proofs.
//!
//! The session must have [`ROW_SESSION`], by which the server sends texts in their own character sets, unchanged.

use crate::{Column, Engine, Generated, Kind, ObjectId, RowsRead, Table, TableDigest, quote};

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

/// Takes a row into what is known of its table; the last `generated` of its values are of stored generated columns.
pub fn take<'a>(
    row: impl ExactSizeIterator<Item = Option<&'a [u8]>> + Clone,
    generated: usize,
    room: &mut Vec<u8>,
    read: &mut RowsRead,
) {
    if generated == 0 {
        return digest(row, room, &mut read.carried);
    }
    let carried = row.len().saturating_sub(generated);
    digest(row.clone().take(carried), room, &mut read.carried);
    digest(row, room, &mut read.whole);
}

/// A row whose values are longer than this is hashed as it lies: a copy of it would be worth more than one call.
const LARGE: usize = 64 << 10;

/// Takes a row into a digest: each value with its length before it, so that no two rows have one text. `room` is used again
/// for each row.
fn digest<'a>(
    row: impl Iterator<Item = Option<&'a [u8]>> + Clone,
    room: &mut Vec<u8>,
    digest: &mut TableDigest,
) {
    if row.clone().flatten().map(<[u8]>::len).sum::<usize>() > LARGE {
        digest.add_row_in_pieces(|to| pieces(row, to));
    } else {
        room.clear();
        pieces(row, &mut |piece| room.extend_from_slice(piece));
        digest.add_row(room);
    }
}

fn pieces<'a>(row: impl Iterator<Item = Option<&'a [u8]>>, to: &mut (impl FnMut(&[u8]) + ?Sized)) {
    for value in row {
        match value {
            None => to(b"n"),
            Some(value) => {
                let mut head = [b'v'; 9];
                head[1..].copy_from_slice(&(value.len() as u64).to_le_bytes());
                to(&head);
                to(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_columns_end_a_row_and_are_not_carried() {
        let row = [Some(&b"a"[..]), None, Some(b"made")];
        let of = |row: &[Option<&[u8]>], generated| {
            let mut read = RowsRead::default();
            take(row.iter().copied(), generated, &mut Vec::new(), &mut read);
            read
        };
        let (plain, with) = (of(&row[..2], 0), of(&row, 1));
        assert_eq!((with.carried, plain.whole), (plain.carried, TableDigest::default()));
        assert_eq!(with.whole, of(&row, 0).carried);
        assert_ne!(with.whole, of(&[Some(b"a"), None, Some(b"other")], 1).whole);
    }

    #[test]
    fn a_large_row_has_the_digest_that_its_bytes_have() {
        for length in [0, 9, LARGE, LARGE + 1, 3 * LARGE] {
            let value = vec![b'x'; length];
            let row = [Some(value.as_slice()), None, Some(b"y")];
            let (mut room, mut ours, mut plain) =
                (Vec::new(), TableDigest::default(), TableDigest::default());
            digest(row.into_iter(), &mut room, &mut ours);
            let mut bytes = Vec::new();
            pieces(row.into_iter(), &mut |piece| bytes.extend_from_slice(piece));
            plain.add_row(&bytes);
            assert_eq!(ours, plain, "{length}");
        }
    }
}
