//! Cutting the rows into pieces, so that one big table keeps every worker busy.

use database::mysql::Connection;
use database::mysql::catalog::text::{Create, primary_key};
use database::{Engine, Schema, quote};

use super::borders::between;
use super::rows::Target;
use crate::Result;

/// A table smaller than this is one piece.
const PIECE: u64 = 16 << 20;

/// Some or all rows of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Which table, by its place.
    pub(crate) table: usize,
    /// `WHERE …`, or nothing for all of it.
    pub(crate) which: String,
    /// About how many bytes.
    pub(crate) bytes: u64,
}

/// The pieces of all tables, the largest first; a table that one reader has to itself is one piece.
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
        let whole = Piece { table, which: String::new(), bytes };
        let number = usize::try_from(bytes / PIECE).unwrap_or(usize::MAX).min(jobs * 8);
        // A table's history has many rows of one key.
        let key = if number < 2 || jobs < 2 || is_whole(table) || target.table.filter.is_some() {
            None
        } else {
            first_key(schema, target)
        };
        let Some((key, kind)) = key else {
            pieces.push(whole);
            continue;
        };
        let name = quote::identifier(Engine::Mysql, &target.id.name);
        let sql = format!("SELECT MIN({key}), MAX({key}) FROM {name}");
        let rows = connection.rows(&sql, "cannot look at a table's keys").await?;
        let bounds = rows.into_iter().next().and_then(|row| {
            let [least, most] = <[Option<Vec<u8>>; 2]>::try_from(row).ok()?;
            Some((least?, most?))
        });
        pieces.extend(match (bounds, kind) {
            (None, _) => vec![whole],
            (Some((least, most)), KeyKind::Text) => {
                let literal = |border: String| quote::literal(Engine::Mysql, &border);
                cut_at(&whole, &key, between(&least, &most, number).into_iter().map(literal).collect())
            }
            (Some((least, most)), KeyKind::Integer) => {
                let integer = |text: Vec<u8>| String::from_utf8(text).ok()?.parse::<i128>().ok();
                match integer(least).zip(integer(most)) {
                    Some((least, most)) => cut(&whole, &key, least, most, number),
                    None => vec![whole],
                }
            }
        });
    }
    pieces.sort_by_key(|piece| std::cmp::Reverse(piece.bytes));
    Ok(pieces)
}

/// What a key is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyKind {
    Integer,
    Text,
}

/// The first column of the primary key, quoted, if a table can be cut by it.
fn first_key(schema: &Schema, target: &Target) -> Option<(String, KeyKind)> {
    let object = schema.get(&target.id)?;
    let create = Create::read(&object.definition).ok()?;
    let name = primary_key(&create.clauses).into_iter().next()?;
    let column = target.table.columns.iter().find(|column| column.name == name)?;
    let word = column.data_type.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let kind = match word {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => KeyKind::Integer,
        "char" | "varchar" => KeyKind::Text,
        _ => return None,
    };
    Some((quote::identifier(Engine::Mysql, &name), kind))
}

/// Equal ranges from the least to the most.
fn cut(whole: &Piece, key: &str, least: i128, most: i128, number: usize) -> Vec<Piece> {
    let number = i128::try_from(number).unwrap_or(1).min(most - least + 1).max(1);
    let border = |place: i128| least + (most - least + 1) * place / number;
    cut_at(whole, key, (1..number).map(|place| border(place).to_string()).collect())
}

/// The ranges between borders; the outer ones are open, so that no row is missed.
fn cut_at(whole: &Piece, key: &str, borders: Vec<String>) -> Vec<Piece> {
    let number = borders.len() + 1;
    let piece = |place: usize| {
        let from = place.checked_sub(1).map(|before| format!("{key} >= {}", borders[before]));
        let to = borders.get(place).map(|border| format!("{key} < {border}"));
        let conditions: Vec<String> = from.into_iter().chain(to).collect();
        let which =
            if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
        Piece { which, bytes: whole.bytes / u64::try_from(number).unwrap_or(1), ..whole.clone() }
    };
    (0..number).map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_leave_no_key_out() {
        let whole = Piece { table: 3, which: String::new(), bytes: 90 };
        let cut = |least, most, number| -> Vec<String> {
            cut(&whole, "k", least, most, number).into_iter().map(|piece| piece.which).collect()
        };
        assert_eq!(cut(1, 90, 3), ["WHERE k < 31", "WHERE k >= 31 AND k < 61", "WHERE k >= 61"]);
        assert_eq!(cut(-5, -4, 9), ["WHERE k < -4", "WHERE k >= -4"]);
        assert_eq!(cut(7, 7, 4), [""]);
        let all = cut(0, u64::MAX.into(), 2);
        assert_eq!(all, ["WHERE k < 9223372036854775808", "WHERE k >= 9223372036854775808"]);
    }
}
