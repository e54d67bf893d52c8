//! Cutting tables into pieces of work, as a value: no server is asked.

use database::postgres::copy::Pages;
use database::{ObjectId, Table};

/// Below this a table is one piece, whatever the number of workers.
const SMALLEST_PIECE: u64 = 16 << 20;
/// A larger piece would leave the other workers idle at the end.
const LARGEST_PIECE: u64 = 256 << 20;
/// How many pieces each worker should find, so that all of them end at about the same time.
const PIECES_PER_WORKER: u64 = 12;
/// Smaller tables share round trips to the server and parts.
const SMALL_TABLE: u64 = 512 << 10;
/// Tables that are read together take no more than this on the server's disk,
const TOGETHER: u64 = 4 << 20;
/// and are no more than these: each waits for its lock with all others.
const TABLES_TOGETHER: usize = 64;

/// Some or all rows of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The table's place in the list that was planned for.
    pub(crate) table: usize,
    /// Which rows; `None` for all of them.
    pub(crate) pages: Option<Pages>,
    /// About how many bytes they take on the server's disk.
    pub(crate) bytes: u64,
}

/// The pieces of all tables: those of the largest table first, and in order of their pages.
pub(crate) fn pieces(tables: &[(&ObjectId, &Table)], jobs: usize, ranges: bool) -> Vec<Piece> {
    let total = tables.iter().map(|(_, table)| table.bytes).fold(0, u64::saturating_add);
    let workers = u64::try_from(jobs.max(1)).unwrap_or(u64::MAX);
    let wanted = (total / workers.saturating_mul(PIECES_PER_WORKER)).clamp(SMALLEST_PIECE, LARGEST_PIECE);
    let mut order: Vec<usize> = (0..tables.len()).collect();
    order.sort_by_key(|&place| (std::cmp::Reverse(tables[place].1.bytes), place));
    let mut pieces = Vec::with_capacity(tables.len());
    for place in order {
        let table = tables[place].1;
        let whole = jobs < 2 || !ranges || table.filter.is_some();
        let count = if !whole { (table.bytes / wanted).min(table.pages) } else { 1 };
        if count < 2 {
            pieces.push(Piece { table: place, pages: None, bytes: table.bytes });
            continue;
        }
        // In 128 bits, since pages times pieces may not fit into 64.
        let cut = |piece: u64| {
            let page = u128::from(table.pages) * u128::from(piece) / u128::from(count);
            u64::try_from(page).unwrap_or(table.pages)
        };
        pieces.extend((0..count).map(|piece| Piece {
            table: place,
            pages: Some(Pages { from: cut(piece), to: (piece + 1 < count).then(|| cut(piece + 1)) }),
            bytes: table.bytes / count,
        }));
    }
    pieces
}

/// The pieces as tasks for the workers: small tables go together, all else alone, in the same order.
pub(crate) fn tasks(tables: &[(&ObjectId, &Table)], jobs: usize, ranges: bool) -> Vec<Vec<Piece>> {
    let mut tasks: Vec<Vec<Piece>> = Vec::new();
    let mut bytes = 0;
    for piece in pieces(tables, jobs, ranges) {
        let small = |piece: &Piece| piece.pages.is_none() && piece.bytes < SMALL_TABLE;
        match tasks.last_mut() {
            Some(last)
                if small(&piece)
                    && last.len() < TABLES_TOGETHER
                    && last.iter().all(small)
                    && bytes + piece.bytes <= TOGETHER =>
            {
                bytes += piece.bytes;
                last.push(piece);
            }
            _ => {
                bytes = piece.bytes;
                tasks.push(vec![piece]);
            }
        }
    }
    tasks
}

#[cfg(test)]
mod tests {
    use super::*;
    use database::Kind;
    use proptest::prelude::*;

    fn id(name: &str) -> ObjectId {
        ObjectId { kind: Kind::Table, namespace: "public".into(), of: String::new(), name: name.into() }
    }

    fn table(bytes: u64, pages: u64) -> Table {
        Table { holds_rows: true, bytes, pages, ..Table::default() }
    }

    #[test]
    fn small_tables_stay_whole_and_the_largest_comes_first() {
        let (a, b, c) = (id("a"), id("b"), id("c"));
        let tables = [table(10, 1), table(3 << 20, 300), table(0, 0)];
        let list = [(&a, &tables[0]), (&b, &tables[1]), (&c, &tables[2])];
        let order: Vec<_> = pieces(&list, 4, true).iter().map(|piece| (piece.table, piece.pages)).collect();
        assert_eq!(order, [(1, None), (0, None), (2, None)]);
    }

    #[test]
    fn small_tables_go_together() {
        let ids: Vec<ObjectId> = (0..200).map(|n| id(&n.to_string())).collect();
        let tables: Vec<Table> = (0..200).map(|n| table(if n == 7 { 3 << 20 } else { 8 << 10 }, 1)).collect();
        let list: Vec<_> = ids.iter().zip(&tables).collect();
        let tasks = tasks(&list, 2, true);
        assert_eq!(tasks.iter().map(Vec::len).collect::<Vec<_>>(), [1, 64, 64, 64, 7]);
        let medium = [table(500 << 10, 60), table(500 << 10, 60)];
        let list: Vec<_> = ids.iter().zip(&medium).collect();
        assert_eq!(super::tasks(&list, 2, true).len(), 1);
    }

    #[test]
    fn one_worker_or_an_old_server_cuts_nothing() {
        let a = id("a");
        let big = table(1 << 40, 1 << 27);
        assert_eq!(pieces(&[(&a, &big)], 1, true).len(), 1);
        assert_eq!(pieces(&[(&a, &big)], 8, false).len(), 1);
        assert!(pieces(&[(&a, &big)], 8, true).len() > 100);
    }

    proptest! {
        #[test]
        fn the_pieces_of_a_table_cover_it_once(bytes in 0_u64..1 << 44, pages in 0_u64..1 << 32, jobs in 1_usize..64) {
            let a = id("a");
            let table = table(bytes, pages);
            let pieces = pieces(&[(&a, &table)], jobs, true);
            if pieces.len() == 1 {
                prop_assert_eq!(pieces[0].pages, None);
            } else {
                let mut next = Some(0);
                for piece in &pieces {
                    let pages = piece.pages.unwrap();
                    prop_assert_eq!(Some(pages.from), next);
                    prop_assert!(pages.to.is_none_or(|to| to > pages.from));
                    next = pages.to;
                }
                prop_assert_eq!(next, None, "the last one is open");
            }
        }
    }
}
