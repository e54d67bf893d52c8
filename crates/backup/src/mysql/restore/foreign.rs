//! What a server writes into a `CREATE TABLE` for its own kind alone, in comments that the other kind, and older servers,
//! pass over: <https://dev.mysql.com/doc/refman/9.5/en/comments.html>, <https://mariadb.com/kb/en/comment-syntax/>.

use std::borrow::Cow;

use database::mysql::Flavour;

use crate::{Error, ErrorKind, Result};

/// What MySQL writes so, and how MariaDB says it.
const SAID_OTHERWISE: [(&str, &str); 2] =
    [("/*!80023 INVISIBLE */", "INVISIBLE"), ("/*!80000 INVISIBLE */", "IGNORED")];

/// A statement as a server of this kind and version takes all of it.
///
/// # Errors
/// [`ErrorKind::Refused`] where it would leave something out in silence.
pub(super) fn table(sql: Cow<'_, str>, flavour: Flavour, version: [u32; 3]) -> Result<Cow<'_, str>> {
    if !sql.starts_with("CREATE TABLE ") {
        return Ok(sql);
    }
    let (mut out, mut rest) = (String::with_capacity(sql.len()), &*sql);
    while let Some(first) = rest.bytes().next() {
        let plain = |rest: &str| rest.find(['\'', '"', '`', '/']).unwrap_or(rest.len());
        let (said, end): (Cow<'_, str>, usize) = match first {
            b'\'' | b'"' | b'`' => {
                let end = quoted(rest, first);
                (rest[..end].into(), end)
            }
            b'/' => match passed_over(rest, flavour, version) {
                Some(end) => (otherwise(&rest[..end], flavour, &sql)?.into(), end),
                None => ("/".into(), 1),
            },
            _ => {
                let end = plain(rest);
                match flavour {
                    // The same type by MySQL's name.
                    Flavour::MariaDb => {
                        (rest[..end].replace(" geomcollection", " geometrycollection").into(), end)
                    }
                    Flavour::MySql => (rest[..end].into(), end),
                }
            }
        };
        out.push_str(&said);
        rest = &rest[end..];
    }
    Ok(if out == *sql { sql } else { out.into() })
}

/// Where a string or a name ends; two quotes are two of them for this.
fn quoted(text: &str, quote: u8) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' && quote != b'`' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

/// The length of the comment that a text begins with, where it holds what this server does not read.
fn passed_over(text: &str, flavour: Flavour, version: [u32; 3]) -> Option<usize> {
    let of_mariadb = text.strip_prefix("/*M!");
    let inner = of_mariadb.or_else(|| text.strip_prefix("/*!"))?;
    let digits = inner.bytes().take(6).take_while(u8::is_ascii_digit).count();
    let from: u32 = inner[..digits].parse().unwrap_or(0);
    let [first, second, third] = version;
    let read = from <= first * 10_000 + second * 100 + third;
    let read = match flavour {
        // What MySQL has had since it went its own way.
        Flavour::MariaDb => read && !(50_700..100_000).contains(&from),
        Flavour::MySql => read && of_mariadb.is_none(),
    };
    (!read).then(|| text.find("*/").map_or(text.len(), |end| end + 2))
}

fn otherwise(comment: &str, flavour: Flavour, sql: &str) -> Result<&'static str> {
    let known = SAID_OTHERWISE.iter().find(|(mysql, _)| flavour == Flavour::MariaDb && *mysql == comment);
    if let Some((_, mariadb)) = known {
        return Ok(mariadb);
    }
    let said = comment.trim_start_matches(|c: char| "/*M!".contains(c) || c.is_ascii_digit());
    let said = said.trim_end_matches("*/").trim();
    let table = sql.lines().next().unwrap_or_default().trim_end_matches([' ', '(']);
    Err(Error::new(ErrorKind::Refused, format!("the server does not know `{said}`, which is in `{table}`"))
        .with_hint("restore on a server of the archive's kind and age, or change that table first"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_passed_over_in_silence() {
        let of = |text: &str, flavour, version| {
            table(format!("CREATE TABLE `t` (\n  {text}\n)").into(), flavour, version)
                .map(|sql| sql["CREATE TABLE `t` (\n  ".len()..sql.len() - 2].to_owned())
                .map_err(|error| error.to_string())
        };
        let mariadb = |text| of(text, Flavour::MariaDb, [10, 11, 6]);
        let mysql = |text| of(text, Flavour::MySql, [9, 7, 0]);
        let own = "`a` int COMMENT '/*!80003 x */ geomcollection''\\'/*!80003 y */', `/*!80003 z */` point /*!50100 b */ / 2";
        assert_eq!(mariadb(own).as_deref(), Ok(own));
        assert_eq!(mysql(own).as_deref(), Ok(own));
        let columns =
            "`a` int /*!80023 INVISIBLE */, `b` geomcollection, KEY `a` (`a`) /*!80000 INVISIBLE */";
        assert_eq!(mysql(columns).as_deref(), Ok(columns));
        let expected = "`a` int INVISIBLE, `b` geometrycollection, KEY `a` (`a`) IGNORED";
        assert_eq!(mariadb(columns).as_deref(), Ok(expected));
        for (text, name) in [
            ("`a` point /*!80003 SRID 4326 */", "SRID 4326"),
            ("CHECK (`a` > 0) /*!80016 NOT ENFORCED */", "NOT ENFORCED"),
        ] {
            assert_eq!(mysql(text).as_deref(), Ok(text));
            for older in [[5, 7, 44], [8, 0, 2]] {
                assert!(of(text, Flavour::MySql, older).unwrap_err().contains(name));
            }
            assert_eq!(of(text, Flavour::MySql, [8, 0, 16]).as_deref(), Ok(text));
            let error = mariadb(text).unwrap_err();
            assert!(error.contains(&format!("`{name}`")) && error.contains("`CREATE TABLE `t``"), "{error}");
        }
        for text in ["`a` int /*!100301 COMPRESSED*/", "`a` int /*M!100301 COMPRESSED*/"] {
            assert_eq!(mariadb(text).as_deref(), Ok(text));
            assert!(mysql(text).unwrap_err().contains("`COMPRESSED`"));
        }
        let other = "CREATE PROCEDURE p() SELECT 1 /*!80016 NOT ENFORCED */";
        assert_eq!(table(other.into(), Flavour::MariaDb, [10, 11, 6]).unwrap(), other);
    }
}
