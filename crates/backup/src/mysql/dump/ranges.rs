//! A large table's key as ranges of about as many rows each.
//!
//! The server estimates how many rows a range has, and the heaviest range is halved until all are light. A range is held by
//! real keys at its ends, so that a gap between keys is passed over at once, and one whose rows have the same value in a
//! column is halved in the next one.

#[cfg(test)]
mod tests;

use database::mysql::{Connection, Flavour};
use database::{ErrorKind, Result};

use super::key::KeyColumn;

/// How many questions each piece is worth, and how many any table is: each is a round trip and looks at two keys.
const QUESTIONS_PER_PIECE: usize = 8;
const QUESTIONS: usize = 64;

/// Some rows of a table, next to each other in its primary key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// The condition that they alone meet; empty for all rows.
    pub(super) condition: String,
    /// How many they are beside the other shares.
    pub(super) weight: u64,
}

/// A range of the key, from its border up to the next range's.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Range {
    /// Literals of the key's first columns; none for the first range, which has no lower border.
    border: Vec<String>,
    /// What all of its rows have in the first columns, as literals.
    fixed: Vec<String>,
    /// The first and last value in the column behind those.
    least: Vec<u8>,
    most: Vec<u8>,
    weight: u64,
    /// How often the whole was halved to come to it.
    depth: u32,
    /// Whether nothing was found to halve it by.
    whole: bool,
}

/// Cuts a table into about `number` shares of the same weight: one that cannot be halved is heavier.
///
/// # Errors
/// What the server says.
pub(super) async fn shares(
    connection: &mut Connection,
    table: &str,
    key: &[KeyColumn],
    number: usize,
) -> Result<Vec<Share>> {
    let mut planner = Planner { connection, table, key, questions: QUESTIONS + QUESTIONS_PER_PIECE * number };
    let ranges = match planner.ranges(number as u64).await {
        // Somebody flushes the table. Whoever reads it waits; here it is one piece.
        Err(error) if error.kind() == ErrorKind::LockTimeout => Vec::new(),
        ranges => ranges?,
    };
    Ok(joined(key, &ranges, number as u64))
}

/// Asks the server about the keys of one table.
struct Planner<'p> {
    connection: &'p mut Connection,
    /// Its name, quoted.
    table: &'p str,
    key: &'p [KeyColumn],
    /// How many questions may still be asked.
    questions: usize,
}

/// What two searches for a key came to.
struct Found {
    keys: [Vec<u8>; 2],
    /// About how many rows each has searched among, if the server knows that.
    weights: Option<[u64; 2]>,
}

impl Planner<'_> {
    /// Ranges of no more than half a share each, as far as they can be had.
    async fn ranges(&mut self, number: u64) -> Result<Vec<Range>> {
        let Some((least, most)) = self.ends(&[], &[]).await? else { return Ok(Vec::new()) };
        let (border, fixed) = (Vec::new(), Vec::new());
        let mut ranges = vec![Range { border, fixed, least, most, weight: u64::MAX, depth: 0, whole: false }];
        while self.questions > 0 {
            let light = total(&ranges) / (2 * number);
            let heavy = (0..).zip(&ranges).filter(|(_, range)| !range.whole && range.weight > light);
            // Where the server estimates all the same, those that were halved less are the heavier ones.
            let heaviest = heavy.max_by_key(|(_, range)| (range.weight, std::cmp::Reverse(range.depth)));
            let Some((place, _)) = heaviest else { break };
            let parts = self.halved(ranges[place].clone()).await?;
            ranges.splice(place..=place, parts);
        }
        Ok(ranges)
    }

    /// The two halves of a range, or the range as one that has none.
    async fn halved(&mut self, mut range: Range) -> Result<Vec<Range>> {
        loop {
            let column = &self.key[range.fixed.len()];
            for middle in column.between(&range.least, &range.most) {
                if let Some(halves) = self.halved_at(&range, middle).await? {
                    return Ok(halves.into());
                }
            }
            if !self.go_deeper(&mut range).await? {
                return Ok(vec![Range { whole: true, ..range }]);
            }
        }
    }

    /// The rows of a range below a value and those from it on; `None` if one of the two has no row.
    async fn halved_at(&mut self, range: &Range, middle: String) -> Result<Option<[Range; 2]>> {
        let column = &self.key[range.fixed.len()];
        let name = &column.name;
        let Some((least, most)) = column.literal(&range.least).zip(column.literal(&range.most)) else {
            return Ok(None);
        };
        let below =
            self.search(&range.fixed, &[format!("{name} >= {least}"), format!("{name} < {middle}")], "DESC");
        let above =
            self.search(&range.fixed, &[format!("{name} >= {middle}"), format!("{name} <= {most}")], "ASC");
        let Some(Found { keys: [below, above], weights }) = self.found(&below, &above).await? else {
            return Ok(None);
        };
        let weights = weights.unwrap_or([range.weight / 2; 2]);
        let depth = range.depth + 1;
        let border = range.fixed.iter().cloned().chain([middle]).collect();
        Ok(Some([
            Range { most: below, weight: weights[0], depth, ..range.clone() },
            Range { border, least: above, weight: weights[1], depth, ..range.clone() },
        ]))
    }

    /// Goes on to the next column in a range whose rows have all the same in this one; whether they do, and there is one.
    async fn go_deeper(&mut self, range: &mut Range) -> Result<bool> {
        let place = range.fixed.len();
        let column = &self.key[place];
        let literals = column.literal(&range.least).zip(column.literal(&range.most));
        let Some((least, most)) = literals.filter(|_| place + 1 < self.key.len()) else { return Ok(false) };
        // Two texts may be the same without having the same bytes. Of two that are not, no row is found.
        let same = format!("{} = {most}", column.name);
        let fixed: Vec<String> = range.fixed.iter().cloned().chain([least]).collect();
        let Some((least, most)) = self.ends(&fixed, &[same]).await? else { return Ok(false) };
        (range.fixed, range.least, range.most) = (fixed, least, most);
        Ok(true)
    }

    /// The first and last value in the column behind the fixed ones; `None` without a row, or where they are not to be
    /// found by the key.
    async fn ends(&mut self, fixed: &[String], also: &[String]) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        let (first, last) = (self.search(fixed, also, "ASC"), self.search(fixed, also, "DESC"));
        let Some(Found { keys: [least, most], .. }) = self.found(&first, &last).await? else {
            return Ok(None);
        };
        Ok(Some((least, most)))
    }

    /// The query for the first key that meets the conditions in an order: the server looks at one row.
    fn search(&self, fixed: &[String], also: &[String], order: &str) -> String {
        let fixed_ones =
            self.key.iter().zip(fixed).map(|(column, literal)| format!("{} = {literal}", column.name));
        let conditions: Vec<String> = fixed_ones.chain(also.iter().cloned()).collect();
        let which =
            if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
        let (table, name) = (self.table, &self.key[fixed.len()].name);
        format!("(SELECT {name} FROM {table} FORCE INDEX (PRIMARY) {which} ORDER BY {name} {order} LIMIT 1)")
    }

    /// Runs two searches, and asks how many rows the server believes each to be among; `None` if one finds nothing, or
    /// does not go by the key.
    async fn found(&mut self, first: &str, second: &str) -> Result<Option<Found>> {
        self.questions = self.questions.saturating_sub(1);
        // Of a plain query with FORCE INDEX, MySQL estimates nothing, and its newer optimizer explains none in this form.
        let newer = self.connection.flavour() == Flavour::MySql && self.connection.release() >= (9, 0);
        let hint = if newer { "/*+ SET_VAR(optimizer_switch='hypergraph_optimizer=off') */ " } else { "" };
        let sql =
            format!("SELECT {first}, {second}; EXPLAIN FORMAT=TRADITIONAL SELECT {hint}{first}, {second}");
        let mut rows = self.connection.rows(&sql, "cannot look at a table's keys").await?.into_iter();
        let keys = rows.next().and_then(|row| {
            let [first, second] = <[Option<Vec<u8>>; 2]>::try_from(row).ok()?;
            Some([first?, second?])
        });
        let explained: Vec<Explained> = rows.filter_map(|row| Explained::read(&row)).collect();
        // The queries in brackets are the second and the third.
        let of = |number: u64| explained.iter().find(|found| found.number == number);
        let (of_first, of_second) = (of(2), of(3));
        let goes_by_key = [of_first, of_second].iter().flatten().all(|found| found.by_key);
        let weight = |found: Option<&Explained>| found.and_then(|found| found.rows);
        let weights = weight(of_first).zip(weight(of_second)).map(|(first, second)| [first, second]);
        Ok(keys.filter(|_| goes_by_key).map(|keys| Found { keys, weights }))
    }
}

/// What a row of EXPLAIN says of a query.
struct Explained {
    number: u64,
    /// Whether it goes by the primary key.
    by_key: bool,
    rows: Option<u64>,
}

impl Explained {
    fn read(row: &[Option<Vec<u8>>]) -> Option<Self> {
        // MySQL has two columns more: the partitions, before the kind of access, and what is filtered out.
        let [key, rows] = if row.len() > 10 { [6, 9] } else { [5, 8] };
        let text =
            |place: usize| row.get(place)?.as_deref().and_then(|value| std::str::from_utf8(value).ok());
        let number = |place| text(place).and_then(|text| text.parse().ok());
        Some(Self { number: number(0)?, by_key: text(key) == Some("PRIMARY"), rows: number(rows) })
    }
}

fn total(ranges: &[Range]) -> u64 {
    ranges.iter().fold(0, |total, range| total.saturating_add(range.weight))
}

/// Neighbouring ranges joined to shares.
fn joined(key: &[KeyColumn], ranges: &[Range], number: u64) -> Vec<Share> {
    let wanted = (total(ranges) / number.max(1)).saturating_mul(2);
    let mut starts: Vec<(&[String], u64)> = Vec::new();
    for range in ranges {
        match starts.last_mut() {
            // What is more than half beyond begins the next one; all is doubled here, so that nothing is rounded.
            Some((_, weight)) if weight.saturating_mul(2).saturating_add(range.weight) <= wanted => {
                *weight = weight.saturating_add(range.weight);
            }
            _ => starts.push((&range.border, range.weight)),
        }
    }
    let end = |place: usize| starts.get(place).map(|(border, _)| *border).unwrap_or_default();
    let share = |(place, (border, weight)): (usize, &(&[String], u64))| {
        let from = beyond(key, border, [">", ">="]);
        let to = beyond(key, end(place + 1), ["<", "<"]);
        let conditions: Vec<String> = from.into_iter().chain(to).collect();
        Share { condition: conditions.join(" AND "), weight: *weight }
    };
    starts.iter().enumerate().map(share).collect()
}

/// The condition for keys on one side of a border: `a > 1 OR a = 1 AND b >= 2`. No server reads a range of the key for
/// `(a, b) >= (1, 2)`.
fn beyond(key: &[KeyColumn], border: &[String], [outer, last]: [&str; 2]) -> Option<String> {
    let (column, key) = key.split_first()?;
    let (literal, border) = border.split_first()?;
    let name = &column.name;
    Some(match beyond(key, border, [outer, last]) {
        Some(inner) => format!("({name} {outer} {literal} OR {name} = {literal} AND {inner})"),
        None => format!("{name} {last} {literal}"),
    })
}
