//! Rows as `INSERT` statements that stock clients read, and their digest.

use database::mysql::catalog::{ROWS_MODE, SCRIPT_MODE};
use database::mysql::rows::{self, Read, RowColumn};
use database::mysql::values::Values;
use database::{Engine, ObjectId, Result, RowsRead, Table, quote};

use super::long;
use super::tuple::{least, tuple};
use crate::archive::{Names, PART_BYTES, PART_LIMIT, TableEntry};
use crate::derived::Derived;

/// A statement ends at the first row past this: every server takes one of that length, and a client that reads it
/// keeps no more.
const STATEMENT: usize = 512 << 10;

/// A row of more bytes than this is written somewhere else first: the block may have no room for it.
const USUAL: usize = 16 << 10;

/// Some rows of one table as complete `INSERT` statements.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    pub(super) rows: u64,
}

/// A table to read, and how.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) id: ObjectId,
    pub(crate) table: Table,
    pub(super) columns: Vec<RowColumn>,
    /// The names of its stored generated columns, whose values end each row that is read.
    generated: Vec<String>,
    pub(super) head: Vec<u8>,
    /// The names of the primary key's columns, where a row may have to be named by them.
    pub(super) key: Vec<String>,
}

impl Target {
    pub(crate) fn new(id: &ObjectId, table: &Table) -> Self {
        let columns = rows::columns(table);
        let names: Vec<String> =
            columns.iter().map(|column| quote::identifier(Engine::Mysql, &column.name)).collect();
        let name = quote::identifier(Engine::Mysql, &id.name);
        let head = format!("INSERT INTO {name} ({}) VALUES\n", names.join(", ")).into_bytes();
        let generated = rows::generated(table).into_iter().map(|column| column.name).collect();
        Self { id: id.clone(), table: table.clone(), columns, generated, head, key: Vec::new() }
    }

    /// What the index says of it, once its rows are read.
    pub(super) fn entry(&self, read: &RowsRead) -> TableEntry {
        let columns: Names = self.columns.iter().map(|column| &column.name).collect();
        TableEntry { id: self.id.clone(), digest: read.carried, columns }
    }

    /// What the index says of its stored generated columns, if it has any.
    pub(super) fn computed(&self, read: &RowsRead) -> Option<Derived> {
        let columns = self.generated.clone();
        (!columns.is_empty()).then(|| Derived { id: self.id.clone(), columns, digest: Some(read.whole) })
    }
}

/// Collects rows into blocks. Call [`Blocks::add`] and [`Blocks::full`] for each row, in this order.
pub(super) struct Blocks<'t> {
    target: &'t Target,
    /// The longest statement that the server takes.
    longest: usize,
    block: Block,
    /// Where the open statement begins; `None` when none is open.
    statement: Option<usize>,
    /// The open block holds a value that a strict session refuses.
    loose: bool,
    row: Vec<u8>,
    /// Whether a column has such values.
    has_choices: bool,
    /// Room for the next block.
    spare: Vec<u8>,
    read: RowsRead,
    /// The bytes of the longest statement that one row needs.
    largest: usize,
}

impl<'t> Blocks<'t> {
    pub(super) fn new(target: &'t Target, longest: usize) -> Self {
        let block = Block { bytes: Vec::new(), rows: 0 };
        let (row, spare) = (Vec::new(), Vec::new());
        let has_choices = target.columns.iter().any(|column| column.read == Read::Choice);
        Self {
            target,
            longest,
            block,
            statement: None,
            loose: false,
            row,
            has_choices,
            spare,
            read: RowsRead::default(),
            largest: 0,
        }
    }

    /// Gives it the room of a block that is done with, for the next one.
    pub(super) fn reuse(&mut self, mut room: Vec<u8>) {
        // What one enormous row took is given back.
        if room.capacity() <= PART_LIMIT {
            room.clear();
            self.spare = room;
        }
    }

    /// Takes one row in; returns the block that had to end before it.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`](database::ErrorKind::Refused) for a row that no statement can carry.
    pub(super) fn add(&mut self, values: &Values<'_>) -> Result<Option<Block>> {
        rows::take(values, self.target.generated.len(), &mut self.read);
        let columns = &self.target.columns;
        let is_loose =
            |(column, value): (&RowColumn, _)| column.read == Read::Choice && value == Some(&b"0"[..]);
        let loose = self.has_choices && columns.iter().zip(values.iter()).any(is_loose);
        if loose == self.loose && values.bytes() <= USUAL && self.add_here(values) {
            return Ok(None);
        }
        let least = least(columns, values);
        if least >= PART_BYTES {
            let before = self.end();
            self.loose = loose;
            self.add_large(values, least)?;
            return Ok(before);
        }
        self.row.clear();
        tuple(columns, values, &mut self.row);
        self.check(values, self.row.len() + self.target.head.len() + 2)?;
        // A row as large as a part is one: each worker holds a part several times over, and rows of 4 MiB would double it.
        let too_large = self.row.len() >= PART_BYTES || self.block.bytes.len() + self.row.len() > PART_LIMIT;
        let before =
            if self.block.rows > 0 && (too_large || loose != self.loose) { self.end() } else { None };
        self.loose = loose;
        if self.statement.is_some_and(|start| self.is_long(start, self.block.bytes.len(), self.row.len())) {
            self.close();
        }
        if self.block.bytes.is_empty() {
            self.begin(self.row.len());
        }
        if self.statement.is_some() {
            self.block.bytes.extend_from_slice(b",\n");
        } else {
            self.statement = Some(self.block.bytes.len());
            self.block.bytes.extend_from_slice(&self.target.head);
        }
        self.block.bytes.extend_from_slice(&self.row);
        self.block.rows += 1;
        if self.row.len() >= PART_BYTES {
            // It was copied, and the next one need not be as large.
            self.row = Vec::new();
        }
        Ok(before)
    }

    /// Takes in a row where it stays, in the open statement; not if that has no room for it.
    fn add_here(&mut self, values: &Values<'_>) -> bool {
        let Some(start) = self.statement else { return false };
        let end = self.block.bytes.len();
        self.block.bytes.extend_from_slice(b",\n");
        tuple(&self.target.columns, values, &mut self.block.bytes);
        let row = self.block.bytes.len() - end - 2;
        let length = row + self.target.head.len() + 2;
        if length > self.longest || end + row > PART_LIMIT || self.is_long(start, end, row) {
            self.block.bytes.truncate(end);
            return false;
        }
        self.largest = self.largest.max(length);
        self.block.rows += 1;
        true
    }

    /// Whether the statement that goes from `start` to `end` should end before a row of so many bytes.
    fn is_long(&self, start: usize, end: usize, row: usize) -> bool {
        let length = end - start;
        length > STATEMENT || length + row + 4 > self.longest
    }

    /// Takes in a row that is a block alone: it is written where it stays, since a copy of it would be one more of 8 MiB.
    fn add_large(&mut self, values: &Values<'_>, least: usize) -> Result<()> {
        let head = self.target.head.len();
        // No server takes it, and no memory is spent on finding that out.
        self.check(values, least + head + 2)?;
        self.begin(least + least / 64);
        let start = self.block.bytes.len();
        self.statement = Some(start);
        self.block.bytes.extend_from_slice(&self.target.head);
        tuple(&self.target.columns, values, &mut self.block.bytes);
        self.block.rows = 1;
        self.check(values, self.block.bytes.len() - start + 2)
    }

    /// Refuses a statement that is longer than the server takes.
    fn check(&mut self, values: &Values<'_>, length: usize) -> Result<()> {
        self.largest = self.largest.max(length);
        if length <= self.longest {
            return Ok(());
        }
        Err(long::met(self.target, values, length as u64, self.longest as u64))
    }

    /// Begins a block, with room for all of it: growing it step by step would copy it and leave holes in the heap.
    fn begin(&mut self, row: usize) {
        let mut bytes = std::mem::take(&mut self.spare);
        let modes = if self.loose { 2 * mode(SCRIPT_MODE).len().max(mode(ROWS_MODE).len()) } else { 0 };
        let room = (PART_BYTES + PART_BYTES / 8).max(row + self.target.head.len() + modes + 16);
        if bytes.capacity() < room {
            // Not grown, so that the two are not there at once.
            bytes = Vec::new();
            bytes.reserve_exact(room);
        }
        if self.loose {
            bytes.extend_from_slice(mode(SCRIPT_MODE).as_bytes());
        }
        self.block.bytes = bytes;
    }

    /// The block, if it is large enough by now.
    pub(super) fn full(&mut self) -> Option<Block> {
        if self.block.bytes.len() < PART_BYTES { None } else { self.end() }
    }

    /// The last block, if there is one, what all rows together are, and the bytes of the longest statement that one needs.
    pub(super) fn finish(mut self) -> (Option<Block>, RowsRead, usize) {
        (self.end(), self.read, self.largest)
    }

    fn close(&mut self) {
        if self.statement.take().is_some() {
            self.block.bytes.extend_from_slice(b";\n");
        }
    }

    fn end(&mut self) -> Option<Block> {
        if self.block.rows == 0 {
            return None;
        }
        self.close();
        if self.loose {
            self.block.bytes.extend_from_slice(mode(ROWS_MODE).as_bytes());
        }
        Some(std::mem::replace(&mut self.block, Block { bytes: Vec::new(), rows: 0 }))
    }
}

/// The statement that sets a mode. The empty value that an ENUM has for what it could not take is refused by a strict
/// session.
pub(super) fn mode(mode: &str) -> String {
    format!("SET sql_mode = '{mode}';\n")
}

#[cfg(test)]
pub(super) mod tests {
    use database::mysql::values::Room;
    use database::{Column, Kind};

    use super::super::tuple::length;
    use super::*;

    pub(in crate::mysql::dump) fn target(types: &[&str]) -> Target {
        let column = |(number, data_type): (usize, &&str)| Column {
            name: format!("c`{number}"),
            data_type: (*data_type).to_owned(),
            not_null: false,
            default: None,
            generated: None,
        };
        let columns = types.iter().enumerate().map(column).collect();
        let id =
            ObjectId { kind: Kind::Table, namespace: String::new(), of: String::new(), name: "t".into() };
        Target::new(&id, &Table { columns, holds_rows: true, ..Table::default() })
    }

    /// Takes a row of these in.
    fn add(blocks: &mut Blocks<'_>, values: &[Option<&[u8]>]) -> Result<Option<Block>> {
        blocks.add(&Room::default().texts(values.iter().copied()))
    }

    #[test]
    fn a_row_that_is_written_where_it_stays_makes_the_same_statements() {
        // Short rows and some that are just too long for that, with a server that takes no more than a few of them at once.
        let target = target(&["int", "text CHARACTER SET utf8mb4", "enum('a')"]);
        let values: Vec<Vec<u8>> = (0..300_usize).map(|row| vec![b"x'"[row % 2]; row * 97 % 9000]).collect();
        for longest in [20_000, 60_000, 1 << 24] {
            let mut blocks = Blocks::new(&target, longest);
            let mut text = Vec::new();
            let mut largest = 0;
            for (row, value) in values.iter().enumerate() {
                let (number, choice) = (row.to_string(), if row % 50 == 49 { b"0" } else { b"1" });
                let row = [Some(number.as_bytes()), Some(&value[..]), Some(&choice[..])];
                let mut room = Room::default();
                largest = largest.max(length(&target.columns, &room.texts(row)) + target.head.len() + 2);
                text.extend(add(&mut blocks, &row).unwrap().map(|block| block.bytes).unwrap_or_default());
            }
            let (last, read, most) = blocks.finish();
            assert_eq!((read.carried.rows, most), (300, largest));
            text.extend(last.unwrap().bytes);
            let text = String::from_utf8(text).unwrap();
            let statements: Vec<&str> = text.split_inclusive(";\n").collect();
            assert!(statements.iter().all(|statement| statement.len() <= longest), "{longest}");
            let rows: Vec<&str> = statements
                .iter()
                .filter_map(|statement| statement.split_once("VALUES\n"))
                .flat_map(|(_, rows)| rows.strip_suffix(";\n").unwrap().split(",\n"))
                .collect();
            assert_eq!(rows.len(), 300);
            for (row, (written, value)) in rows.iter().zip(&values).enumerate() {
                let value = String::from_utf8_lossy(value).replace('\'', "''");
                assert_eq!(*written, format!("({row},'{value}',{})", u8::from(row % 50 != 49)));
            }
            // Each is as full as it may be: the next row would not have fitted.
            for two in statements.windows(2).filter(|two| two.iter().all(|one| one.starts_with("INSERT"))) {
                let next = two[1].split_once("VALUES\n").unwrap().1.split(['\n', ';']).next().unwrap();
                let length = two[0].len() - 2;
                assert!(length > STATEMENT || length + next.len() + 3 > longest, "{longest}");
            }
        }
    }

    #[test]
    fn statements_and_blocks_end_in_time() {
        let target = target(&["blob"]);
        let value = vec![7; 100_000];
        let mut blocks = Blocks::new(&target, 1 << 24);
        let mut done = Vec::new();
        for _ in 0..100 {
            done.extend(add(&mut blocks, &[Some(&value)]).unwrap());
            done.extend(blocks.full());
        }
        let (last, read, largest) = blocks.finish();
        assert!((200_000..200_100).contains(&largest));
        done.extend(last);
        assert_eq!(done.iter().map(|block| block.rows).sum::<u64>(), 100);
        assert_eq!(read.carried.rows, 100);
        for block in &done {
            assert!(block.bytes.len() < PART_BYTES + (1 << 20));
            let text = String::from_utf8(block.bytes.clone()).unwrap();
            assert!(text.starts_with("INSERT INTO `t` (`c``0`) VALUES\n(0x") && text.ends_with(");\n"));
            assert!(text.split(";\n").all(|statement| statement.len() < STATEMENT + 300_000));
        }
        let refused = add(&mut Blocks::new(&target, 150_000), &[Some(&value)]).unwrap_err();
        assert!(refused.to_string().contains("max_allowed_packet"), "{refused}");
    }

    #[test]
    fn the_empty_error_value_of_an_enum_is_let_in() {
        let target = target(&["enum('a')"]);
        let mut blocks = Blocks::new(&target, 1 << 24);
        assert_eq!(add(&mut blocks, &[Some(b"1")]).unwrap(), None);
        let strict = add(&mut blocks, &[Some(b"0")]).unwrap().unwrap();
        assert!(!String::from_utf8(strict.bytes).unwrap().contains("sql_mode"));
        let loose = String::from_utf8(blocks.finish().0.unwrap().bytes).unwrap();
        assert!(loose.starts_with(&mode(SCRIPT_MODE)) && loose.ends_with(&mode(ROWS_MODE)), "{loose}");
    }
}
