//! Putting the rows that the server sends into parts, and their digest.

use database::{Error, ErrorKind, Result, RowsRead};

/// A part ends at the first row boundary past this.
pub(super) const WANTED: usize = 4 << 20;
/// A part that is half full ends before a row that would make it larger than this: each worker holds several parts at
/// once, and rows of 4 MiB would double all of them.
const ROOMY: usize = WANTED + WANTED / 2;
/// No part is larger, unless one row alone is.
pub(super) const LARGEST: usize = 16 << 20;
/// What ends a block of rows.
const END: &[u8] = b"\\.\n";

/// Rows as a run of complete `COPY … FROM stdin;` … `\.` blocks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    pub(super) rows: u64,
    /// The tables, in order, by the number that [`Blocks::begin`] was told.
    pub(super) tables: Vec<usize>,
}

/// Collects rows of tables, one after the other, into blocks. Call [`Blocks::begin`] for each table, then
/// [`Blocks::before`], [`Blocks::add`] and [`Blocks::full`] for each row, in this order, then [`Blocks::end`].
pub(super) struct Blocks {
    expected: usize,
    open: Option<Block>,
    /// Room for the next one.
    spare: Vec<u8>,
    /// How many bytes of rows are in the open one.
    filled: usize,
    table: usize,
    header: Vec<u8>,
    /// Whether the open one ends within the table's rows.
    within: bool,
    /// How many generated columns end each row.
    generated: usize,
    read: RowsRead,
}

impl Blocks {
    /// `expected` is about how many bytes will come.
    pub(super) fn new(expected: u64) -> Self {
        let expected = usize::try_from(expected).unwrap_or(usize::MAX);
        let (header, read) = (Vec::new(), RowsRead::default());
        let (open, spare) = (None, Vec::new());
        Self { expected, open, spare, filled: 0, table: 0, header, within: false, generated: 0, read }
    }

    /// Gives it the room of a block that is done with, for the next one.
    pub(super) fn reuse(&mut self, mut room: Vec<u8>) {
        // What one enormous row took is given back.
        if room.capacity() <= LARGEST {
            room.clear();
            self.spare = room;
        }
    }

    /// The room that was not used.
    pub(super) fn into_spare(self) -> Vec<u8> {
        self.spare
    }

    /// The rows of that table come next; `header` is the COPY statement with its `;` and newline, and so many
    /// generated columns that it does not name end each row.
    pub(super) fn begin(&mut self, table: usize, header: Vec<u8>, generated: usize) {
        (self.table, self.header, self.generated) = (table, header, generated);
        self.read = RowsRead::default();
    }

    /// The block that has to end before a row of this length, because it would grow too large with it.
    pub(super) fn before(&mut self, row: usize) -> Option<Block> {
        let open = self.open.as_ref()?;
        let header = if self.within { 0 } else { self.header.len() };
        let with_it = open.bytes.len().saturating_add(header).saturating_add(row).saturating_add(END.len());
        let most = if self.filled >= WANTED / 2 { ROOMY } else { LARGEST };
        if with_it <= most { None } else { self.finish() }
    }

    /// Takes one row in, as the server sent it with its newline.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] for what an honest server never sends and a client might take for a command.
    pub(super) fn add(&mut self, row: &[u8]) -> Result<()> {
        let Some((b'\n', text)) = row.split_last() else {
            return Err(refused("it does not end with a newline"));
        };
        if text.starts_with(b"\\.") {
            return Err(refused("it starts with `\\.`, which would end the rows in a client's eyes"));
        }
        if memchr::memchr3(b'\n', b'\r', 0, text).is_some() {
            return Err(refused("it holds a line end or a NUL byte"));
        }
        let open = self.open.get_or_insert_with(|| {
            // A whole part at once: growing it step by step would copy it and leave holes in the heap.
            let rows = self.expected.min(WANTED + (WANTED >> 2)).max(row.len());
            let mut bytes = std::mem::take(&mut self.spare);
            bytes.reserve(self.header.len() + rows + END.len());
            Block { bytes, ..Block::default() }
        });
        if !self.within {
            open.bytes.extend_from_slice(&self.header);
            open.tables.push(self.table);
            self.within = true;
        }
        let carried = self.read.add(text, self.generated);
        open.bytes.extend_from_slice(carried);
        open.bytes.push(b'\n');
        open.rows += 1;
        self.filled += carried.len() + 1;
        Ok(())
    }

    /// The block, if it is large enough by now.
    pub(super) fn full(&mut self) -> Option<Block> {
        if self.filled < WANTED { None } else { self.finish() }
    }

    /// The table's rows are all in; returns what they are together.
    pub(super) fn end(&mut self) -> RowsRead {
        if let Some(open) = &mut self.open
            && self.within
        {
            open.bytes.extend_from_slice(END);
        }
        self.within = false;
        self.read
    }

    /// The last block, if there is one.
    pub(super) fn finish(&mut self) -> Option<Block> {
        let mut block = self.open.take()?;
        if self.within {
            block.bytes.extend_from_slice(END);
        }
        (self.within, self.filled) = (false, 0);
        Some(block)
    }
}

fn refused(why: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("the server sent a row that cannot be one: {why}")).with_hint(
        "no PostgreSQL server writes such a row: find out what stands between you and the database, or who changed it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use database::TableDigest;
    use proptest::prelude::*;

    const HEADER: &[u8] = b"COPY public.t (a) FROM stdin;\n";

    fn run<'a>(rows: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Block>, TableDigest) {
        let mut blocks = Blocks::new(1 << 30);
        blocks.begin(0, HEADER.to_vec(), 0);
        let mut done = Vec::new();
        for row in rows {
            done.extend(blocks.before(row.len()));
            blocks.add(row).unwrap();
            done.extend(blocks.full());
        }
        let digest = blocks.end().carried;
        done.extend(blocks.finish());
        (done, digest)
    }

    fn row(length: usize) -> Vec<u8> {
        let mut row = vec![b'x'; length - 1];
        row.push(b'\n');
        row
    }

    #[test]
    fn no_row_no_block() {
        assert_eq!(run([]), (Vec::new(), TableDigest::default()));
    }

    #[test]
    fn a_block_is_complete_and_the_digest_is_of_the_rows_without_newlines() {
        let (blocks, digest) = run([b"1\n".as_slice(), b"\\\\.\n", b"\n"]);
        assert_eq!(
            blocks,
            [Block { bytes: [HEADER, b"1\n\\\\.\n\n\\.\n"].concat(), rows: 3, tables: vec![0] }]
        );
        let mut expected = TableDigest::default();
        [b"1".as_slice(), b"\\\\.", b""].iter().for_each(|row| expected.add_row(row));
        assert_eq!(digest, expected);
    }

    #[test]
    fn several_tables_share_a_block_and_each_has_its_own_digest() {
        let mut blocks = Blocks::new(0);
        let mut digests = Vec::new();
        for (table, header, rows) in
            [(4, b"A\n", &[b"1\n", b"2\n"][..]), (5, b"B\n", &[]), (6, b"C\n", &[b"1\n"])]
        {
            blocks.begin(table, header.to_vec(), 0);
            for row in rows {
                assert_eq!(blocks.before(row.len()), None);
                blocks.add(*row).unwrap();
                assert_eq!(blocks.full(), None);
            }
            digests.push(blocks.end().carried);
        }
        let block = blocks.finish().unwrap();
        assert_eq!(
            block,
            Block { bytes: b"A\n1\n2\n\\.\nC\n1\n\\.\n".to_vec(), rows: 3, tables: vec![4, 6] }
        );
        assert_eq!(digests.iter().map(|digest| digest.rows).collect::<Vec<_>>(), [2, 0, 1]);
        assert_eq!(blocks.finish(), None);
    }

    #[test]
    fn generated_columns_are_in_a_digest_and_not_in_the_block() {
        let mut blocks = Blocks::new(0);
        blocks.begin(0, HEADER.to_vec(), 1);
        blocks.add(b"1\t2\n").unwrap();
        let read = blocks.end();
        assert_eq!(blocks.finish().unwrap().bytes, [HEADER, b"1\n\\.\n"].concat());
        let (mut carried, mut whole) = (TableDigest::default(), TableDigest::default());
        carried.add_row(b"1");
        whole.add_row(b"1\t2");
        assert_eq!(read, RowsRead { carried, whole });
    }

    #[test]
    fn a_table_whose_rows_end_with_a_part_is_not_begun_again() {
        let mut blocks = Blocks::new(0);
        blocks.begin(0, HEADER.to_vec(), 0);
        blocks.add(&row(WANTED)).unwrap();
        assert!(blocks.full().is_some());
        assert_eq!(blocks.end().carried.rows, 1);
        assert_eq!(blocks.finish(), None);
    }

    #[test]
    fn a_large_row_is_alone() {
        let (small, large) = (row(100), row(LARGEST + 1));
        let (blocks, _) = run([small.as_slice(), &large, &small, &small]);
        assert_eq!(blocks.iter().map(|block| block.rows).collect::<Vec<_>>(), [1, 1, 2]);
    }

    #[test]
    fn what_no_server_sends_is_refused() {
        for row in [&b"\\.\n"[..], b"\\.x\n", b"a\n\\.\n", b"a", b"", b"a\rb\n", b"a\0b\n"] {
            let mut blocks = Blocks::new(0);
            blocks.begin(0, HEADER.to_vec(), 0);
            assert_eq!(blocks.add(row).unwrap_err().kind(), ErrorKind::Refused, "{row:?}");
        }
    }

    #[test]
    fn room_is_used_again_but_not_that_of_an_enormous_row() {
        let mut blocks = Blocks::new(100);
        let room = Vec::with_capacity(1 << 20);
        let place = room.as_ptr();
        blocks.reuse(room);
        blocks.begin(0, HEADER.to_vec(), 0);
        blocks.add(b"1\n").unwrap();
        let block = blocks.finish().unwrap();
        assert_eq!((block.bytes.as_ptr(), block.rows), (place, 1));
        blocks.reuse(Vec::with_capacity(LARGEST + 1));
        assert_eq!(blocks.into_spare().capacity(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn sizes_and_order(lengths in prop::collection::vec(prop_oneof![1_usize..5_000, 100_000_usize..6_000_000], 0..40)) {
            let rows: Vec<_> = lengths.iter().map(|&length| row(length)).collect();
            let (blocks, digest) = run(rows.iter().map(Vec::as_slice));
            prop_assert_eq!(digest.rows, u64::try_from(rows.len()).unwrap());
            let (mut all, mut row) = (Vec::new(), 0);
            for (place, block) in blocks.iter().enumerate() {
                row += usize::try_from(block.rows).unwrap();
                prop_assert!(block.bytes.len() <= LARGEST);
                let inner = block.bytes.strip_prefix(HEADER).unwrap().strip_suffix(END).unwrap();
                let next = lengths.get(row).copied().unwrap_or_default();
                let ended_early = inner.len() >= WANTED / 2 && block.bytes.len() + next > ROOMY;
                prop_assert!(place + 1 == blocks.len() || inner.len() >= WANTED || ended_early);
                all.extend_from_slice(inner);
            }
            prop_assert!(all == rows.concat());
        }
    }
}
