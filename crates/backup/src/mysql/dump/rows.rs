//! Rows as `INSERT` statements that stock clients read, and their digest.

use database::mysql::catalog::{ROWS_MODE, SCRIPT_MODE};
use database::mysql::rows::{self, Read, RowColumn};
use database::mysql::values::Values;
use database::{Engine, ObjectId, Result, RowsRead, Table, quote};

use super::{json, long};
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
}

impl Target {
    pub(crate) fn new(id: &ObjectId, table: &Table) -> Self {
        let columns = rows::columns(table);
        let names: Vec<String> =
            columns.iter().map(|column| quote::identifier(Engine::Mysql, &column.name)).collect();
        let name = quote::identifier(Engine::Mysql, &id.name);
        let head = format!("INSERT INTO {name} ({}) VALUES\n", names.join(", ")).into_bytes();
        let generated = rows::generated(table).into_iter().map(|column| column.name).collect();
        Self { id: id.clone(), table: table.clone(), columns, generated, head }
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
        self.check(self.row.len() + self.target.head.len() + 2)?;
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
        self.check(least + head + 2)?;
        self.begin(least + least / 64);
        let start = self.block.bytes.len();
        self.statement = Some(start);
        self.block.bytes.extend_from_slice(&self.target.head);
        tuple(&self.target.columns, values, &mut self.block.bytes);
        self.block.rows = 1;
        self.check(self.block.bytes.len() - start + 2)
    }

    /// Refuses a statement that is longer than the server takes.
    fn check(&mut self, length: usize) -> Result<()> {
        self.largest = self.largest.max(length);
        if length <= self.longest {
            return Ok(());
        }
        Err(long::refused(&format!("a row of {}", self.target.id), length as u64, self.longest as u64))
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

/// Whether ASCII is itself in a character set. It is in all but these: the server gives another character for a backslash of
/// sjis, and for some brackets and letters of swe7.
fn keeps_ascii(charset: &str) -> bool {
    !["ucs2", "utf16", "utf32", "sjis", "swe7"].iter().any(|name| charset.starts_with(name))
}

/// A row as `VALUES` has it.
fn tuple(columns: &[RowColumn], values: &Values<'_>, out: &mut Vec<u8>) {
    out.push(b'(');
    for (place, (column, value)) in columns.iter().zip(values.iter()).enumerate() {
        if place > 0 {
            out.push(b',');
        }
        match value {
            None => out.extend_from_slice(b"NULL"),
            Some(value) => literal(column, value, out),
        }
    }
    out.push(b')');
}

/// At least as many bytes a row takes there; what must be escaped takes more.
fn least(columns: &[RowColumn], values: &Values<'_>) -> usize {
    let length = |(column, value): (&RowColumn, Option<&[u8]>)| {
        let length = value.map_or(0, <[u8]>::len);
        match column.read {
            Read::Number | Read::Double | Read::Float | Read::Choice => length + 1,
            Read::Plain | Read::Text | Read::Json => length + 3,
            Read::Bytes => 2 * length + 3,
        }
    };
    columns.iter().zip(values.iter()).map(length).sum()
}

/// How many bytes [`tuple()`] writes, without the room for them.
pub(super) fn length(columns: &[RowColumn], values: &Values<'_>) -> usize {
    let lengths = columns.iter().zip(values.iter()).map(|(column, value)| match (column.read, value) {
        (_, None) => "NULL".len(),
        (Read::Text, Some(value)) if as_it_is(column, value) => {
            2 + value.len() + value.iter().filter(|&&byte| is_escaped(byte)).count()
        }
        (Read::Text, Some(value)) => "_ 0x".len() + column.charset.len() + 2 * value.len(),
        (Read::Bytes, Some(value)) => 2 + 2 * value.len(),
        (_, Some(value)) => {
            let mut out = Vec::new();
            literal(column, value, &mut out);
            out.len()
        }
    });
    // A comma between two, a bracket on either side.
    lengths.sum::<usize>() + columns.len().min(values.len()).saturating_sub(1) + 2
}

/// Whether a text is written as it is, and not as bytes.
fn as_it_is(column: &RowColumn, value: &[u8]) -> bool {
    value.is_empty()
        || match column.charset.starts_with("utf8") {
            true => std::str::from_utf8(value).is_ok(),
            false => value.is_ascii() && keeps_ascii(&column.charset),
        }
}

fn literal(column: &RowColumn, value: &[u8], out: &mut Vec<u8>) {
    match column.read {
        Read::Number | Read::Choice => out.extend_from_slice(value),
        Read::Double | Read::Float => {
            out.extend_from_slice(value);
            // Without it `-0` were an integer.
            if !value.iter().any(|byte| matches!(byte, b'e' | b'E')) {
                out.extend_from_slice(b"e0");
            }
        }
        Read::Plain => quoted(value, out),
        // Nearly all text is; one look at it finds that it is ASCII and that nothing in it is escaped.
        Read::Text if is_plain(value) && keeps_ascii(&column.charset) => verbatim(value, out),
        Read::Text => {
            if as_it_is(column, value) {
                quoted(value, out);
            } else {
                out.extend_from_slice(format!("_{} ", column.charset).as_bytes());
                hex(value, out);
            }
        }
        Read::Json => document(value, out),
        Read::Bytes if value.is_empty() => out.extend_from_slice(b"''"),
        Read::Bytes => hex(value, out),
    }
}

/// JSON as its text, with the decimals put in as such that the text alone would not bring back.
fn document(value: &[u8], out: &mut Vec<u8>) {
    let decimals = std::str::from_utf8(value).map(json::decimals).unwrap_or_default();
    if decimals.is_empty() {
        return quoted(value, out);
    }
    out.extend_from_slice(b"JSON_SET(");
    quoted(value, out);
    for (path, number) in decimals {
        out.push(b',');
        quoted(path.as_bytes(), out);
        out.push(b',');
        out.extend_from_slice(number.as_bytes());
    }
    out.push(b')');
}

fn hex(value: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend_from_slice(b"0x");
    for byte in value {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// How many bytes are looked at at once, for what must be escaped.
const RUN: usize = 16;

/// As the clients read strings in a session without NO_BACKSLASH_ESCAPES; they take no NUL.
fn quoted(value: &[u8], out: &mut Vec<u8>) {
    if is_all(value, is_escaped_nowhere, |byte| !is_escaped(byte)) {
        return verbatim(value, out);
    }
    out.push(b'\'');
    let (runs, rest) = value.as_chunks::<RUN>();
    for run in runs {
        if is_escaped_nowhere(run) { out.extend_from_slice(run) } else { escape(run, out) }
    }
    escape(rest, out);
    out.push(b'\'');
}

fn verbatim(value: &[u8], out: &mut Vec<u8>) {
    out.push(b'\'');
    out.extend_from_slice(value);
    out.push(b'\'');
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        match escaped(byte) {
            Some(written) => out.extend_from_slice(written),
            None => out.push(byte),
        }
    }
}

/// Whether it is ASCII of which nothing is escaped.
fn is_plain(value: &[u8]) -> bool {
    let is_plain = |run: &[u8; RUN]| found(run, |byte| byte >= 0x80) == 0 && is_escaped_nowhere(run);
    is_all(value, is_plain, |byte| byte.is_ascii() && !is_escaped(byte))
}

/// Whether all of it is such. It looks at some bytes twice where there are more than fit into the runs.
fn is_all(value: &[u8], is_run: impl Fn(&[u8; RUN]) -> bool, is_byte: impl Fn(u8) -> bool) -> bool {
    match value.last_chunk() {
        Some(last) => value.as_chunks().0.iter().all(&is_run) && is_run(last),
        None => value.iter().all(|&byte| is_byte(byte)),
    }
}

/// Whether nothing in it is escaped; control characters that need no escape are rare enough to be taken for those that do.
fn is_escaped_nowhere(run: &[u8; RUN]) -> bool {
    found(run, |byte| byte < b' ' || byte == b'\'' || byte == b'\\') == 0
}

/// Not zero if one of the bytes is such. It has no branch for a byte, so that the compiler looks at all of them at once.
fn found(run: &[u8; RUN], is_such: impl Fn(u8) -> bool) -> u8 {
    run.iter().fold(0, |found, &byte| found | u8::from(is_such(byte)))
}

fn is_escaped(byte: u8) -> bool {
    matches!(byte, 0 | b'\n' | b'\r' | 0x1a | b'\'' | b'\\')
}

/// The two bytes that a byte is written as within a string, where it is not written as itself.
fn escaped(byte: u8) -> Option<&'static [u8; 2]> {
    Some(match byte {
        b'\'' => b"''",
        b'\\' => b"\\\\",
        0 => b"\\0",
        b'\n' => b"\\n",
        b'\r' => b"\\r",
        0x1a => b"\\Z",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use database::mysql::values::Room;
    use database::{Column, Kind};

    fn target(types: &[&str]) -> Target {
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

    fn one(data_type: &str, value: &[u8]) -> String {
        let target = target(&[data_type]);
        let mut blocks = Blocks::new(&target, 1 << 24);
        add(&mut blocks, &[Some(value)]).unwrap();
        let text = String::from_utf8(blocks.finish().0.unwrap().bytes).unwrap();
        let (_, literal) = text.split_once("VALUES\n(").unwrap();
        literal.split_once(");\n").unwrap().0.to_owned()
    }

    #[test]
    fn literals() {
        assert_eq!(
            one("varchar(9) CHARACTER SET utf8mb4", "a'\\\0\n\r\u{1a}ä".as_bytes()),
            "'a''\\\\\\0\\n\\r\\Zä'"
        );
        assert_eq!(one("varchar(9) CHARACTER SET latin1", b"a\xe4"), "_latin1 0x61E4");
        assert_eq!(one("varchar(9) CHARACTER SET latin1", b"plain"), "'plain'");
        assert_eq!(one("text CHARACTER SET ucs2", b"\0a"), "_ucs2 0x0061");
        assert_eq!(one("text CHARACTER SET utf8mb4", b"\xff"), "_utf8mb4 0xFF");
        assert_eq!(one("double", b"-0"), "-0e0");
        assert_eq!(one("float", b"1e20"), "1e20");
        assert_eq!((one("blob", b""), one("bit(3)", b"\x05")), ("''".into(), "0x05".into()));
        assert_eq!(one("enum('a')", b"1"), "1");
    }

    #[test]
    fn each_byte_that_is_written_otherwise_is_found() {
        for byte in 0..=u8::MAX {
            assert_eq!(is_escaped(byte), escaped(byte).is_some(), "{byte}");
            for place in [0, RUN - 1, RUN, 3 * RUN] {
                let mut value = vec![b'x'; 3 * RUN + 1];
                value[place] = byte;
                let mut written = Vec::new();
                quoted(&value, &mut written);
                let mut expected = vec![b'x'; value.len()];
                expected.splice(place..=place, escaped(byte).map_or(vec![byte], |two| two.to_vec()));
                assert_eq!(written, [b"'", &expected[..], b"'"].concat(), "{byte} at {place}");
            }
        }
    }

    #[test]
    fn the_length_of_a_row_is_known_before_it_is_written() {
        let types =
            ["text CHARACTER SET utf8mb4", "text CHARACTER SET ucs2", "varchar(9) CHARACTER SET latin1"];
        let mut target = target(&[&types[..], &["blob", "double", "int", "date", "text"]].concat());
        for value in [&b""[..], b"1", b"a'\\\0\n\r\x1a", b"\xff\xfe", "ä😀".as_bytes()] {
            for values in [[Some(value); 8], [None; 8]] {
                let (mut room, mut out) = (Room::default(), Vec::new());
                let values = room.texts(values);
                tuple(&target.columns, &values, &mut out);
                assert_eq!(length(&target.columns, &values), out.len(), "{value:?}");
                assert!(least(&target.columns, &values) <= out.len());
            }
        }
        target.columns.clear();
        assert_eq!(length(&target.columns, &Room::default().texts([None])), 2);
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
