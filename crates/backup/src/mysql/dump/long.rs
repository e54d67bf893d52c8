//! Rows that are too long for any statement: in small tables found before an archive has its first byte, in large ones
//! while they are read, since looking through these first would read them twice.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use database::mysql::catalog::text::{Create, primary_key};
use database::mysql::rows::Read;
use database::mysql::values::{Room, Rows, Values};
use database::mysql::{Connection, error, rows};
use database::{Engine, Schema, quote};
use futures_util::future::try_join_all;

use super::plan::Piece;
use super::rows::Target;
use super::tuple::length;
use crate::{Error, Result};

/// What no server takes, whatever `max_allowed_packet` it is told:
/// <https://dev.mysql.com/doc/refman/8.4/en/packet-too-large.html>.
const PROTOCOL: u64 = 1 << 30;

/// What a value takes at most beside its bytes, and one of a short type with them: a DECIMAL, the character set's name.
const AROUND: u64 = 96;

/// Up to this size, as the server estimates it, a table is looked through before it is dumped: a fraction of a second. Of a
/// database of 1 GB in one table the look took a sixth of the backup's time, and a table that no memory holds is read twice.
const SMALL: u64 = 64 << 20;

/// Notes the keys of the tables whose columns could hold a row that is too long, to name it by.
pub(super) fn note_keys(schema: &Schema, targets: &mut [Target], longest: usize) {
    for target in targets.iter_mut().filter(|target| sum(target, longest as u64).is_some()) {
        let create = schema.get(&target.id).and_then(|object| Create::read(&object.definition).ok());
        target.key = create.map(|create| primary_key(&create.clauses)).unwrap_or_default();
    }
}

/// Passes if every row of the small tables fits into a statement of `longest` bytes. It asks for those alone that might not,
/// and looks only into tables whose columns could hold such a row.
///
/// # Errors
/// [`ErrorKind::Refused`](crate::ErrorKind::Refused) with the longest row, by its table and key; what the server refuses.
pub(super) async fn check(
    workers: &mut [Connection],
    (targets, pieces): (&[Target], impl Iterator<Item = &Piece>),
    longest: usize,
) -> Result<()> {
    let longest = longest as u64;
    let small = |target: &Target| target.table.bytes <= SMALL;
    let asked: Vec<Option<String>> =
        targets.iter().map(|target| question(target, longest).filter(|_| small(target))).collect();
    let queue = Mutex::new(in_turn(pieces.filter(|piece| asked[piece.table].is_some())));
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let work = async |worker: &mut Connection| {
        let mut found = Vec::new();
        while let Some(piece) = next() {
            let Some(question) = &asked[piece.table] else { continue };
            let rest = piece.rest(Some(question));
            found.extend(look(worker, &targets[piece.table], &rest, longest).await?);
        }
        Ok::<_, Error>(found)
    };
    let found: Vec<Long> = try_join_all(workers.iter_mut().map(work)).await?.into_iter().flatten().collect();
    let Some(worst) = found.iter().max_by_key(|long| long.length) else { return Ok(()) };
    let others = match found.iter().map(|long| long.rows).sum::<u64>() {
        0 | 1 => String::new(),
        rows => format!(", the longest of {rows} that are too long,"),
    };
    Err(refused(&format!("{}{others}", worst.row), worst.length, longest)
        .with_hint(remedy(worst.length))
        .into())
}

/// Tables that are no ranges come first, since nobody helps with them. What is read last, a server still has in memory, so
/// that the range which a dump begins with is the last here.
fn in_turn<'p>(pieces: impl Iterator<Item = &'p Piece>) -> VecDeque<&'p Piece> {
    let (whole, mut ranges): (Vec<_>, Vec<_>) = pieces.partition(|piece| piece.range.is_empty());
    ranges.reverse();
    whole.into_iter().chain(ranges).collect()
}

/// The longest of some rows that are too long.
struct Long {
    row: String,
    length: u64,
    rows: u64,
}

/// The condition that each row of a table meets that could be too long; `None` where the declared types allow none.
fn question(target: &Target, longest: u64) -> Option<String> {
    sum(target, longest).map(|(sum, enough)| format!("{sum} > {enough}"))
}

/// What the values of a row come to that may be long, and which of these sums is harmless; `None` where the declared types
/// allow no row that is too long.
fn sum(target: &Target, longest: u64) -> Option<(String, i128)> {
    let mut fixed = target.head.len() as u64 + AROUND;
    let mut most = fixed;
    let mut asked = Vec::new();
    let carried = target.table.columns.iter().filter(|column| column.generated.is_none());
    for (column, declared) in target.columns.iter().zip(carried) {
        let bytes = 2 * bytes(column.read, &declared.data_type);
        most += bytes + AROUND;
        fixed += AROUND;
        // Of all that lies in the row itself there are 64 KiB at most.
        if bytes >= 2 * 0xFFFF {
            let name = quote::identifier(Engine::Mysql, &column.name);
            asked.push(format!("LENGTH({name})"));
        } else {
            fixed += bytes;
        }
    }
    // Each byte takes two at most.
    let enough = (i128::from(longest) - i128::from(fixed)).div_euclid(2);
    let sum = match asked.as_slice() {
        [] => "0".to_owned(),
        // What is NULL is not long, and this is asked of every row.
        [one] if enough >= 0 => one.clone(),
        all => all.iter().map(|one| format!("COALESCE({one}, 0)")).collect::<Vec<_>>().join(" + "),
    };
    (most > longest).then_some((sum, enough))
}

/// How many bytes a value may have that is as long as the server says; none for what is short by its kind.
fn bytes(read: Read, data_type: &str) -> u64 {
    if !matches!(read, Read::Text | Read::Json | Read::Bytes) {
        return 0;
    }
    let mut words = data_type.split(|c: char| !c.is_ascii_alphanumeric());
    let word = words.next().unwrap_or_default().to_ascii_lowercase();
    let number = words.next().and_then(|number| number.parse::<u64>().ok());
    match (word.as_str(), number) {
        ("char" | "varchar" | "vector", Some(number)) => 4 * number,
        ("binary" | "varbinary" | "bit", Some(number)) => number,
        ("tinytext" | "tinyblob", _) => 0xFF,
        ("text" | "blob", _) => 0xFFFF,
        ("mediumtext" | "mediumblob", _) => 0xFF_FFFF,
        _ => 0xFFFF_FFFF,
    }
}

/// The longest row of those that are too long, if there is one.
async fn look(worker: &mut Connection, target: &Target, rest: &str, longest: u64) -> Result<Option<Long>> {
    let what = format!("cannot look how long the rows of {} are", target.id);
    let failed = |cause| error(cause, what.as_str());
    // The server has more to do where it holds the other columns of each row at hand too.
    let name = quote::identifier(Engine::Mysql, &target.id.name);
    let filter = target.table.filter.as_deref().unwrap_or_default();
    let one = format!("SELECT 1 FROM {name} {filter} {rest} LIMIT 1");
    if worker.value(&one, &what).await?.is_none() {
        return Ok(None);
    }
    let sql = rows::select(&target.id, &target.table, rest);
    let mut result = Rows::of(worker, &sql).await.map_err(failed)?;
    let mut room = Room::default();
    let mut worst: Option<Long> = None;
    while let Some(row) = result.next().await.map_err(failed)? {
        let values = room.values(&row);
        let length = (target.head.len() + length(&target.columns, &values) + 2) as u64;
        if length <= longest {
            continue;
        }
        let rows = worst.as_ref().map_or(0, |long| long.rows) + 1;
        let row = match worst.take() {
            Some(long) if long.length >= length => Long { rows, ..long },
            _ => Long { row: named(target, &values), length, rows },
        };
        worst = Some(row);
    }
    result.end().await.map_err(failed)?;
    Ok(worst)
}

/// A row by its table and key.
fn named(target: &Target, values: &Values<'_>) -> String {
    let part = |name: &String| {
        let place = target.columns.iter().position(|column| column.name == *name)?;
        let value = values.iter().nth(place).flatten()?;
        let text = match target.columns[place].read {
            Read::Bytes => {
                format!("0x{}", value.iter().map(|byte| format!("{byte:02X}")).collect::<String>())
            }
            _ => String::from_utf8_lossy(value).into_owned(),
        };
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(64).collect();
        Some(format!("{name} = {text}"))
    };
    let parts: Option<Vec<String>> = target.key.iter().map(part).collect();
    match parts.filter(|parts| !parts.is_empty()) {
        Some(parts) => format!("the row of {} with {}", target.id, parts.join(" and ")),
        None => format!("a row of {}, which has no key to name it by,", target.id),
    }
}

/// That a row does not fit that was met while its table was read: others may be longer.
pub(super) fn met(target: &Target, values: &Values<'_>, length: u64, longest: u64) -> database::Error {
    let name = quote::identifier(Engine::Mysql, &target.id.name);
    let others = match sum(target, longest) {
        Some((sum, _)) => format!("; `SELECT MAX({sum}) FROM {name}` tells whether others are longer"),
        None => String::new(),
    };
    refused(&named(target, values), length, longest).with_hint(format!("{}{others}", remedy(length)))
}

fn refused(row: &str, length: u64, longest: u64) -> database::Error {
    let message = format!("{row} takes a statement of {length} bytes, and max_allowed_packet is {longest}");
    database::Error::new(database::ErrorKind::Refused, message)
}

/// What lets a server take a statement of that length.
pub(crate) fn remedy(length: u64) -> String {
    match (length + 1024).next_power_of_two() {
        enough @ ..=PROTOCOL => {
            format!("SET GLOBAL max_allowed_packet = {enough}, on the server that it is restored on too")
        }
        _ => "no server takes a statement of more than 1073741824 bytes: make that row shorter".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use database::{Column, Kind, ObjectId, Table};

    fn target(types: &[&str]) -> Target {
        let column = |data_type: &&str| Column {
            name: "c".to_owned(),
            data_type: (*data_type).to_owned(),
            not_null: false,
            default: None,
            generated: None,
        };
        let columns = types.iter().map(column).collect();
        let id =
            ObjectId { kind: Kind::Table, namespace: String::new(), of: String::new(), name: "t".into() };
        Target::new(&id, &Table { columns, holds_rows: true, ..Table::default() })
    }

    #[test]
    fn only_tables_that_could_hold_such_a_row_are_looked_into() {
        let asks = |types: &[&str]| question(&target(types), 16 << 20).is_some();
        for short in [
            &["int", "decimal(65,30)", "varchar(16383) CHARACTER SET utf8mb4", "enum('a')", "datetime(6)"][..],
            &["text CHARACTER SET utf8mb4", "blob", "bit(64)", "vector(16383)", "uuid"],
        ] {
            assert!(!asks(short), "{short:?}");
        }
        for long in ["mediumtext CHARACTER SET latin1", "longblob", "json", "geometry", "unheard_of"] {
            assert!(asks(&[long]), "{long}");
        }
        assert!(asks(&["text CHARACTER SET utf8mb4"; 130]));
        let asked = |types: &[&str], longest| question(&target(types), longest).unwrap();
        let question = asked(&["int", "longblob"], 1 << 30);
        assert!(question.starts_with("LENGTH(`c`) > 53687"), "{question}");
        let question = asked(&["longtext", "longblob"], 1 << 30);
        assert!(
            question.starts_with("COALESCE(LENGTH(`c`), 0) + COALESCE(LENGTH(`c`), 0) > 53687"),
            "{question}"
        );
        // Where what is short could be too long, all rows are looked at.
        assert_eq!(asked(&["longblob"], 100), "COALESCE(LENGTH(`c`), 0) > -61");
        assert!(asked(&["text"; 200], 16 << 20).contains(" > "));
    }

    #[test]
    fn what_a_dump_begins_with_is_looked_at_last() {
        let piece = |range: &str| Piece { table: 0, range: range.to_owned(), bytes: 1 };
        let pieces = ["first", "second", "", "third"].map(piece);
        let turns: Vec<&str> = in_turn(pieces.iter()).iter().map(|piece| piece.range.as_str()).collect();
        assert_eq!(turns, ["", "third", "second", "first"]);
    }

    #[test]
    fn a_row_that_is_met_is_named_with_what_finds_the_others() {
        let mut target = target(&["longblob"]);
        target.key = vec!["c".to_owned()];
        let mut room = Room::default();
        let error = met(&target, &room.texts([Some(&b"7"[..])]), 17 << 20, 16 << 20);
        assert!(error.to_string().contains("the row of table t with c = 0x37 takes"), "{error}");
        let hint = error.hint().unwrap_or_default();
        assert!(hint.contains("= 33554432") && hint.contains("SELECT MAX(LENGTH(`c`)) FROM `t`"), "{hint}");
    }

    #[test]
    fn what_helps() {
        assert!(remedy(17 << 20).contains("= 33554432"));
        assert!(remedy((1 << 30) - 1024).contains("= 1073741824"));
        assert!(remedy(1 << 30).contains("shorter"));
    }
}
