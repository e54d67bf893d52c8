//! Cutting the rows into pieces, so that one big table keeps every worker busy.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use database::mysql::Connection;
use database::{Engine, Schema, quote};

use super::key::{self, KeyColumn, KeyKind};
use super::ranges;
use super::rows::Target;
use crate::Result;

/// A table smaller than two of these is one piece.
const PIECE: u64 = 16 << 20;

/// How many pieces of one table each worker should find, so that all of them end at about the same time.
const PIECES_PER_WORKER: usize = 8;

/// Some or all rows of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Which table, by its place.
    pub(crate) table: usize,
    /// The condition that its rows alone meet; empty for all of the table.
    pub(crate) range: String,
    /// About how many bytes.
    pub(crate) bytes: u64,
}

impl Piece {
    /// What stands behind the table's name in a query for its rows, or for those that meet a condition too.
    pub(crate) fn rest(&self, condition: Option<&str>) -> String {
        // First what few rows meet: the server asks nothing more of all others.
        let range = Some(self.range.as_str()).filter(|range| !range.is_empty());
        let conditions: Vec<&str> = condition.into_iter().chain(range).collect();
        // For much of a table, MariaDB 11 would read all of it instead.
        let index = if range.is_some() { "FORCE INDEX (PRIMARY) " } else { "" };
        if conditions.is_empty() {
            String::new()
        } else {
            format!("{index}WHERE {}", conditions.join(" AND "))
        }
    }
}

/// The pieces of all tables, the largest first; a table that one reader has to itself is one piece.
///
/// # Errors
/// What the server says when it is asked for keys.
pub(crate) async fn pieces(
    connection: &mut Connection,
    schema: &Schema,
    targets: &[Target],
    jobs: usize,
    is_whole: &(dyn Fn(usize) -> bool + Sync),
) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    for (table, target) in targets.iter().enumerate() {
        let bytes = target.table.bytes;
        let number = usize::try_from(bytes / PIECE).unwrap_or(usize::MAX).min(jobs * PIECES_PER_WORKER);
        // A table's history has many rows of one key.
        let is_one = number < 2 || jobs < 2 || is_whole(table) || target.table.filter.is_some();
        let key = if is_one { Vec::new() } else { key::columns(schema, target) };
        let mut shares = Vec::new();
        if !key.is_empty() {
            let name = quote::identifier(Engine::Mysql, &target.id.name);
            shares = ranges::shares(connection, &name, &key, number).await?;
            tracing::debug!(table = %target.id, pieces = shares.len(), "a large table was cut");
        }
        if shares.is_empty() {
            pieces.push(Piece { table, range: String::new(), bytes });
            continue;
        }
        let total: u128 = shares.iter().map(|share| u128::from(share.weight)).sum();
        pieces.extend(shares.into_iter().map(|share| {
            let bytes = u128::from(bytes) * u128::from(share.weight) / total.max(1);
            Piece { table, range: share.condition, bytes: u64::try_from(bytes).unwrap_or(u64::MAX) }
        }));
    }
    pieces.sort_by_key(|piece| Reverse(piece.bytes));
    Ok(pieces)
}

/// How many rows the tables have that are cut by texts, by their places. What lies between two texts is the collation's to
/// say, and where a server's key and its comparison say different things, pieces lack rows.
///
/// # Errors
/// What the server says.
pub(super) async fn counts(
    connection: &mut Connection,
    schema: &Schema,
    targets: &[Target],
    pieces: &[Piece],
) -> Result<BTreeMap<usize, u64>> {
    let cut: BTreeSet<usize> =
        pieces.iter().filter(|piece| !piece.range.is_empty()).map(|piece| piece.table).collect();
    let mut counts = BTreeMap::new();
    for table in cut {
        let target = &targets[table];
        let by_text = |column: &KeyColumn| matches!(column.kind, KeyKind::Text(..));
        if !key::columns(schema, target).iter().any(by_text) {
            continue;
        }
        let sql = format!("SELECT COUNT(*) FROM {}", quote::identifier(Engine::Mysql, &target.id.name));
        let count = connection.value(&sql, "cannot count a table's rows").await?;
        counts.extend(count.and_then(|count| count.parse().ok()).map(|count| (table, count)));
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_read_by_its_range_of_the_key() {
        let rest =
            |range: &str, condition| Piece { table: 0, range: range.to_owned(), bytes: 1 }.rest(condition);
        assert_eq!(rest("", None), "");
        assert_eq!(rest("", Some("a > 1")), "WHERE a > 1");
        assert_eq!(rest("k < 2", None), "FORCE INDEX (PRIMARY) WHERE k < 2");
        assert_eq!(rest("k < 2", Some("a > 1")), "FORCE INDEX (PRIMARY) WHERE a > 1 AND k < 2");
    }
}
