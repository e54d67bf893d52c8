//! A part's rows by `LOAD DATA LOCAL`, where the server allows it: it takes them in two thirds of the time that the same
//! `INSERT`s need.
//!
//! With `LOCAL` the server makes warnings of what it would refuse of an `INSERT`. Whatever is not plain, or is answered with a
//! warning or another number of rows, therefore goes in as the `INSERT`s that it is.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use database::mysql::Connection;
use database::{Engine, quote};
use futures_util::StreamExt as _;
use futures_util::stream;

use crate::Result;
use crate::archive::PART_BYTES;

/// Longer parts have long rows, whose text is not to be in memory twice.
const LONGEST: usize = PART_BYTES + PART_BYTES / 2;

/// How many bytes go in one packet.
const PACKET: usize = 256 << 10;

/// The types whose literals mean the same as text: an ENUM is written by its number, and bytes are in hex.
const PLAIN: &str = "'tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'decimal', 'float', 'double', 'char', 'varchar', \
                     'tinytext', 'text', 'mediumtext', 'longtext', 'date', 'time', 'datetime', 'timestamp'";

/// Which tables' rows go in so.
pub(super) struct Local {
    /// Whether the server allows it.
    allowed: bool,
    /// The tables whose rows do not.
    not: Mutex<HashSet<String>>,
}

impl Local {
    /// Asks the server, of the connection's database.
    pub(super) async fn of(connection: &mut Connection, alone: &[String]) -> Result<Self> {
        let what = "cannot ask how rows may be loaded";
        let allowed = connection.value("SELECT @@global.local_infile", what).await?.as_deref() == Some("1");
        let sql = format!(
            "SELECT DISTINCT table_name FROM information_schema.columns
              WHERE table_schema = DATABASE() AND data_type NOT IN ({PLAIN})
             UNION SELECT table_name FROM information_schema.tables
              WHERE table_schema = DATABASE() AND table_type = 'SYSTEM VERSIONED'"
        );
        let odd = if allowed { connection.query(&sql, what).await? } else { Vec::new() };
        let not = odd.into_iter().flatten().flatten().chain(alone.iter().cloned()).collect();
        Ok(Self { allowed, not: Mutex::new(not) })
    }

    fn takes(&self, table: &str) -> bool {
        self.allowed && !self.not.lock().unwrap_or_else(PoisonError::into_inner).contains(table)
    }

    /// Loads the rows of a part into a table, in the transaction that is open. `false` if they are to go in as `INSERT`s
    /// instead, in another one.
    pub(super) async fn load(
        &self,
        connection: &mut Connection,
        table: &str,
        (inserts, rows): (&[&str], u64),
    ) -> Result<bool> {
        if !self.takes(table) || inserts.iter().map(|insert| insert.len()).sum::<usize>() > LONGEST {
            return Ok(false);
        }
        let Some((columns, text)) = text(inserts) else { return Ok(false) };
        let sql = format!(
            "LOAD DATA LOCAL INFILE 'dbm' INTO TABLE {} CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\\t' ENCLOSED BY '' \
             ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' ({columns})",
            quote::identifier(Engine::Mysql, table)
        );
        let text = Bytes::from(text);
        connection.set_infile_handler(async move {
            let packets = (0..text.len()).step_by(PACKET);
            let packets = packets.map(move |at| Ok(text.slice(at..(at + PACKET).min(text.len()))));
            Ok(stream::iter(packets).boxed())
        });
        connection.batch(&sql, &format!("cannot load rows into `{table}`")).await?;
        if connection.affected_rows() == rows && connection.get_warnings() == 0 {
            return Ok(true);
        }
        let warnings = connection.get_warnings();
        tracing::info!(table, warnings, "rows go in as INSERTs: by LOAD DATA they came with warnings");
        self.not.lock().unwrap_or_else(PoisonError::into_inner).insert(table.to_owned());
        Ok(false)
    }
}

/// The columns of `INSERT`s, and their rows as `LOAD DATA` reads them; none where anything is not plain.
fn text(inserts: &[&str]) -> Option<(String, Vec<u8>)> {
    let (first, _) = inserts.first()?.split_once(" VALUES\n")?;
    let columns = first.get(first.find("` (")? + 3..)?.strip_suffix(')')?;
    // A line of nothing would be a doubt.
    columns.contains(',').then_some(())?;
    let mut out = Vec::with_capacity(inserts.iter().map(|insert| insert.len()).sum());
    for insert in inserts {
        let rows = insert.strip_prefix(first)?.strip_prefix(" VALUES\n")?.as_bytes();
        let mut at = 0;
        loop {
            at = row(rows, at, &mut out)?;
            match rows.get(at..)? {
                [] => break,
                [b',', b'\n', ..] => at += 2,
                _ => return None,
            }
        }
    }
    Some((columns.to_owned(), out))
}

/// Writes the row that begins at a place as a line; returns where it ends.
fn row(rows: &[u8], at: usize, out: &mut Vec<u8>) -> Option<usize> {
    let mut at = (rows.get(at)? == &b'(').then_some(at + 1)?;
    loop {
        at = match rows.get(at)? {
            b'\'' => string(rows, at + 1, out)?,
            b'N' => {
                out.extend_from_slice(b"\\N");
                rows[at..].starts_with(b"NULL").then_some(at + 4)?
            }
            _ => {
                let number =
                    |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
                let length = rows[at..].iter().take_while(|byte| number(byte)).count();
                out.extend_from_slice(&rows[at..at + length]);
                (length > 0).then_some(at + length)?
            }
        };
        match rows.get(at)? {
            b',' => out.push(b'\t'),
            b')' => {
                out.push(b'\n');
                return Some(at + 1);
            }
            _ => return None,
        }
        at += 1;
    }
}

/// Writes the string whose text begins at a place as a field; returns where it ends, its quote included.
fn string(rows: &[u8], mut at: usize, out: &mut Vec<u8>) -> Option<usize> {
    loop {
        let plain = memchr::memchr3(b'\'', b'\\', b'\t', &rows[at..])?;
        let (before, rest) = rows[at..].split_at(plain);
        // A dump writes them by their names.
        if memchr::memchr(b'\n', before).is_some() {
            return None;
        }
        out.extend_from_slice(before);
        at += plain;
        match rest {
            [b'\'', b'\'', ..] => out.push(b'\''),
            [b'\'', ..] => return Some(at + 1),
            // These mean the same in both.
            [b'\\', name @ (b'\\' | b'0' | b'n' | b'r' | b'Z'), ..] => out.extend_from_slice(&[b'\\', *name]),
            [b'\t', ..] => {
                out.extend_from_slice(b"\\t");
                at += 1;
                continue;
            }
            _ => return None,
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_lines() {
        let inserts = [
            "INSERT INTO `t``` (`a`, `b`) VALUES\n(1,'it''s \\\\N\\n\t\\0ä'),\n(-1.5e0,NULL)",
            "INSERT INTO `t``` (`a`, `b`) VALUES\n(NULL,'')",
        ];
        let (columns, lines) = text(&inserts).unwrap();
        assert_eq!(columns, "`a`, `b`");
        assert_eq!(String::from_utf8(lines).unwrap(), "1\tit's \\\\N\\n\\t\\0ä\n-1.5e0\t\\N\n\\N\t\n");
    }

    #[test]
    fn what_is_not_plain_stays() {
        for insert in [
            "INSERT INTO `t` (`a`, `b`) VALUES\n(1,0xFF)",
            "INSERT INTO `t` (`a`, `b`) VALUES\n(1,_latin1 0xFF)",
            "INSERT INTO `t` (`a`, `b`) VALUES\n(1,'\\%')",
            "INSERT INTO `t` (`a`, `b`) VALUES\n(1,'\n')",
            "INSERT INTO `t` (`a`, `b`) VALUES\n(1,2),",
            "INSERT INTO `t` (`a`, `b`) VALUES\n(1,'a",
            "INSERT INTO `t` (`a`) VALUES\n('')",
            "INSERT INTO `t` () VALUES\n()",
            "SET sql_mode = ''",
        ] {
            assert_eq!(text(&[insert]), None, "{insert}");
        }
        let others = ["INSERT INTO `t` (`a`, `b`) VALUES\n(1,2)", "INSERT INTO `u` (`a`, `b`) VALUES\n(1,2)"];
        assert_eq!(text(&others), None);
    }
}
