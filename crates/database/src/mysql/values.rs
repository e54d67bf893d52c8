//! The values of rows, each as the text that the server prints it as.
//!
//! Where it makes no difference, rows come as the server keeps them (the protocol of prepared statements) and are printed
//! here: MariaDB spends half of what a row costs it on printing one DOUBLE, and the rest of it mostly on numbers and times.

use std::ops::Range;

use mysql_async::consts::{ColumnFlags, ColumnType};
use mysql_async::prelude::Queryable as _;
use mysql_async::{BinaryProtocol, Column, QueryResult, Row, TextProtocol, Value};

use super::Connection;
use super::pulse::Pulse;
use crate::TableDigest;

/// What a DOUBLE says of its decimals that has no fixed number of them.
const ANY_DECIMALS: u8 = 31;

/// Of a DOUBLE, the digits before the point up to which it is printed without an exponent, and a few zeros less behind it
/// (`MAX_DECPT_FOR_F_FORMAT` of both servers' `strings/dtoa.c`).
const PLAIN: i64 = 15;

/// The rows of a query as they come.
#[derive(Debug)]
pub struct Rows<'c> {
    pub(super) form: Form<'c>,
    pulse: &'c Pulse,
}

/// How they come.
#[derive(Debug)]
pub(super) enum Form<'c> {
    /// As the server keeps them.
    Kept(QueryResult<'c, 'static, BinaryProtocol>),
    /// As the server prints them.
    Printed(QueryResult<'c, 'static, TextProtocol>),
}

impl<'c> Rows<'c> {
    /// Runs a query.
    ///
    /// # Errors
    /// What the server says.
    pub async fn of(connection: &'c mut Connection, sql: &str) -> mysql_async::Result<Self> {
        let (conn, pulse) = connection.driver();
        let rows = |form| Self { form, pulse };
        // The driver takes `:name` for a parameter, and the server `?`, wherever it stands for them.
        if !sql.contains([':', '?']) {
            match pulse.attend(conn.prep(sql)).await {
                Ok(statement) if statement.columns().iter().all(is_printed_here) => {
                    return pulse.attend(conn.exec_iter(statement, ())).await.map(Form::Kept).map(rows);
                }
                // Some servers allow no statements of this kind, some have no more of them, some proxies know none. What is
                // wrong with the query itself is said of its text too.
                Ok(_) | Err(mysql_async::Error::Server(_)) => {}
                Err(error) => return Err(error),
            }
        }
        pulse.attend(conn.query_iter(sql.to_owned())).await.map(Form::Printed).map(rows)
    }

    /// The next row.
    ///
    /// # Errors
    /// What the server says.
    pub async fn next(&mut self) -> mysql_async::Result<Option<Row>> {
        match &mut self.form {
            Form::Kept(result) => self.pulse.attend(result.next()).await,
            Form::Printed(result) => self.pulse.attend(result.next()).await,
        }
    }

    /// Reads to the end of them.
    ///
    /// # Errors
    /// What the server says.
    pub async fn end(self) -> mysql_async::Result<()> {
        match self.form {
            Form::Kept(result) => self.pulse.attend(result.drop_result()).await,
            Form::Printed(result) => self.pulse.attend(result.drop_result()).await,
        }
    }
}

/// Whether a column's values come as text anyhow, or are printed here as the server would.
fn is_printed_here(column: &Column) -> bool {
    use ColumnType as Type;
    if column.flags().contains(ColumnFlags::ZEROFILL_FLAG) {
        return false;
    }
    match column.column_type() {
        Type::MYSQL_TYPE_DOUBLE => column.decimals() == ANY_DECIMALS,
        Type::MYSQL_TYPE_TIME | Type::MYSQL_TYPE_DATETIME | Type::MYSQL_TYPE_TIMESTAMP => {
            column.decimals() <= 6
        }
        Type::MYSQL_TYPE_TINY
        | Type::MYSQL_TYPE_SHORT
        | Type::MYSQL_TYPE_INT24
        | Type::MYSQL_TYPE_LONG
        | Type::MYSQL_TYPE_LONGLONG
        | Type::MYSQL_TYPE_DATE
        | Type::MYSQL_TYPE_NEWDECIMAL
        | Type::MYSQL_TYPE_VARCHAR
        | Type::MYSQL_TYPE_VAR_STRING
        | Type::MYSQL_TYPE_STRING
        | Type::MYSQL_TYPE_BIT
        | Type::MYSQL_TYPE_JSON
        | Type::MYSQL_TYPE_GEOMETRY
        | Type::MYSQL_TYPE_VECTOR
        | Type::MYSQL_TYPE_TINY_BLOB
        | Type::MYSQL_TYPE_BLOB
        | Type::MYSQL_TYPE_MEDIUM_BLOB
        | Type::MYSQL_TYPE_LONG_BLOB => true,
        _ => false,
    }
}

/// Where a value lies.
#[derive(Debug)]
enum Place {
    /// Nowhere; and where its mark in the text ends.
    Null(usize),
    /// In the text.
    Here(Range<usize>),
    /// In the row itself: which one of those, and where it would stand in the text.
    Large(usize, usize),
}

/// Room to print rows in, used again for each.
#[derive(Debug, Default)]
pub struct Room {
    text: Vec<u8>,
    places: Vec<Place>,
}

/// The values of one row as text.
#[derive(Debug)]
pub struct Values<'r> {
    /// All of them but the large ones, as a digest takes them: what `rows::take` says.
    text: &'r [u8],
    places: &'r [Place],
    /// Those that are not in the text, and where they would stand in it.
    large: Vec<(usize, &'r [u8])>,
}

/// A value that makes the text of a row longer than this stays where it is: a copy of it would be worth more than one call.
const LARGE: usize = 64 << 10;

/// What stands before a value in the text: a letter and room for its length.
const HEAD: [u8; 9] = *b"v\0\0\0\0\0\0\0\0";

impl Room {
    /// The values of a row.
    pub fn values<'r>(&'r mut self, row: &'r Row) -> Values<'r> {
        let mut large = Vec::new();
        self.clear();
        for (place, column) in row.columns_ref().iter().enumerate() {
            match row.as_ref(place) {
                None | Some(Value::NULL) => self.add(None, &mut large),
                Some(Value::Bytes(value)) => self.add(Some(value), &mut large),
                Some(value) => self.add_printed(|out| print(value, column, out)),
            }
        }
        Values { text: &self.text, places: &self.places, large }
    }

    /// The same of values that are text already.
    pub fn texts<'r>(&'r mut self, values: impl IntoIterator<Item = Option<&'r [u8]>>) -> Values<'r> {
        let mut large = Vec::new();
        self.clear();
        values.into_iter().for_each(|value| self.add(value, &mut large));
        Values { text: &self.text, places: &self.places, large }
    }

    fn clear(&mut self) {
        self.text.clear();
        self.places.clear();
    }

    fn add<'r>(&mut self, value: Option<&'r [u8]>, large: &mut Vec<(usize, &'r [u8])>) {
        let Some(value) = value else {
            self.text.push(b'n');
            return self.places.push(Place::Null(self.text.len()));
        };
        let mut head = HEAD;
        head[1..].copy_from_slice(&(value.len() as u64).to_le_bytes());
        self.text.extend_from_slice(&head);
        let start = self.text.len();
        if start + value.len() > LARGE {
            self.places.push(Place::Large(large.len(), start));
            return large.push((start, value));
        }
        self.text.extend_from_slice(value);
        self.places.push(Place::Here(start..self.text.len()));
    }

    fn add_printed(&mut self, print: impl FnOnce(&mut Vec<u8>)) {
        self.text.extend_from_slice(&HEAD);
        let start = self.text.len();
        print(&mut self.text);
        let length = (self.text.len() - start) as u64;
        self.text[start - 8..start].copy_from_slice(&length.to_le_bytes());
        self.places.push(Place::Here(start..self.text.len()));
    }
}

impl Values<'_> {
    /// How many they are.
    #[expect(clippy::len_without_is_empty, reason = "no row is without values")]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// How many bytes they have together, and some more.
    pub fn bytes(&self) -> usize {
        self.text.len() + self.large.iter().map(|(_, value)| value.len()).sum::<usize>()
    }

    /// One after the other; none for NULL.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&[u8]>> + Clone {
        self.places.iter().map(|place| match place {
            Place::Null(_) => None,
            Place::Here(range) => Some(&self.text[range.clone()]),
            Place::Large(number, _) => Some(self.large[*number].1),
        })
    }

    /// Takes the first of them into a digest, as one row.
    pub(super) fn digest(&self, number: usize, digest: &mut TableDigest) {
        let end = match number.checked_sub(1).and_then(|last| self.places.get(last)) {
            None => 0,
            Some(Place::Null(end) | Place::Here(Range { end, .. }) | Place::Large(_, end)) => *end,
        };
        let large = self.large.iter().take_while(|(place, _)| *place <= end);
        if large.clone().next().is_none() {
            return digest.add_row(&self.text[..end]);
        }
        digest.add_row_in_pieces(|to| {
            let mut start = 0;
            for (place, value) in large {
                to(&self.text[start..*place]);
                to(value);
                start = *place;
            }
            to(&self.text[start..end]);
        });
    }
}

fn print(value: &Value, column: &Column, out: &mut Vec<u8>) {
    match *value {
        Value::Int(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        Value::UInt(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        Value::Float(number) => double(f64::from(number), out),
        Value::Double(number) => double(number, out),
        Value::Date(year, month, day, hour, minute, second, micros) => {
            padded(u32::from(year), 4, out);
            out.push(b'-');
            two(month, out);
            out.push(b'-');
            two(day, out);
            if column.column_type() != ColumnType::MYSQL_TYPE_DATE {
                out.push(b' ');
                two(hour, out);
                time([minute, second], micros, column.decimals(), out);
            }
        }
        Value::Time(negative, days, hours, minutes, seconds, micros) => {
            if negative {
                out.push(b'-');
            }
            let hours = days * 24 + u32::from(hours);
            padded(hours, 2, out);
            time([minutes, seconds], micros, column.decimals(), out);
        }
        Value::NULL | Value::Bytes(_) => {}
    }
}

/// `[minutes, seconds]` and as much of the microseconds as the column keeps.
fn time(parts: [u8; 2], micros: u32, decimals: u8, out: &mut Vec<u8>) {
    for part in parts {
        out.push(b':');
        two(part, out);
    }
    let decimals = u32::from(decimals.min(6));
    if decimals > 0 {
        out.push(b'.');
        padded(micros / 10_u32.pow(6 - decimals), decimals as usize, out);
    }
}

/// A number of two digits, which most parts of dates and times are.
fn two(number: u8, out: &mut Vec<u8>) {
    match number {
        0..100 => out.extend_from_slice(&[b'0' + number / 10, b'0' + number % 10]),
        _ => padded(number.into(), 2, out),
    }
}

/// A number with zeros before it where it has less digits than that.
fn padded(number: u32, least: usize, out: &mut Vec<u8>) {
    let mut room = itoa::Buffer::new();
    let text = room.format(number);
    out.extend(std::iter::repeat_n(b'0', least.saturating_sub(text.len())));
    out.extend_from_slice(text.as_bytes());
}

/// As few digits as tell it from all others, the way `my_gcvt` of both servers' `strings/dtoa.c` lays them out.
fn double(number: f64, out: &mut Vec<u8>) {
    let mut room = zmij::Buffer::new();
    // No column holds what is not finite.
    let text = room.format(number);
    if number == 0.0 || (1e-4..1e15).contains(&number.abs()) {
        // Both write it the same, but for the `.0` of a whole number.
        out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
        return;
    }
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |text| ("-", text));
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{part}");
    let leading = digits.len() - digits.trim_start_matches('0').len();
    // How many digits stand before the point; below one, how many zeros stand behind it.
    let before = exponent.parse::<i64>().unwrap_or_default() + whole.len() as i64 - leading as i64;
    let digits = digits.trim_matches('0');
    let (first, others) = digits.split_at(digits.len().min(1));
    let count = digits.len() as i64;
    let zeros = |many: i64| "0".repeat(usize::try_from(many).unwrap_or_default());
    let text = if before <= -PLAIN || (before > PLAIN && count <= before) {
        let point = if others.is_empty() { "" } else { "." };
        format!("{sign}{first}{point}{others}e{}", before - 1)
    } else if before <= 0 {
        format!("{sign}0.{}{digits}", zeros(-before))
    } else {
        match digits.split_at_checked(usize::try_from(before).unwrap_or_default()) {
            Some((whole, "")) => format!("{sign}{whole}"),
            Some((whole, part)) => format!("{sign}{whole}.{part}"),
            None => format!("{sign}{digits}{}", zeros(before - count)),
        }
    };
    out.extend_from_slice(text.as_bytes());
}
