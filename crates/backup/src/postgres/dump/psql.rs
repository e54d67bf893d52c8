//! What psql would make of a definition that a server returned.
//!
//! psql acts on a backslash and replaces `:name` wherever it does not see itself inside quotes. A
//! hostile owner can put either into a database, and gets commands run on the host of whoever
//! restores the script (CVE-2025-8714). So both are dealt with when the script is written.
//! <https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-META-COMMANDS>

use std::borrow::Cow;

use database::{Error, ErrorKind, Result};

/// The same SQL as psql's own lexer has to see it: a colon that it would take for one of its variables gets a blank.
///
/// # Errors
/// [`ErrorKind::Refused`] for a backslash outside quotes, an open quote or a NUL byte. The caller adds which object.
pub(super) fn for_psql(sql: &str) -> Result<Cow<'_, str>> {
    let bytes = sql.as_bytes();
    let mut blanks = Vec::new();
    let mut at = 0;
    if bytes.contains(&0) {
        return Err(refused("a NUL byte"));
    }
    while let Some(&byte) = bytes.get(at) {
        at = match byte {
            b'\\' => return Err(refused("a backslash outside quotes, which psql would take for a command")),
            b'\'' | b'"' => quoted(bytes, at, false)?,
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                memchr::memchr2(b'\n', b'\r', &bytes[at..]).map_or(bytes.len(), |end| at + end)
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => comment(bytes, at)?,
            b'$' => dollar_quoted(bytes, at)?,
            b'0'..=b'9' => number(bytes, at)?,
            byte if starts_word(byte) => {
                let end = word(bytes, at);
                let escapes = matches!(&bytes[at..end], b"e" | b"E") && bytes.get(end) == Some(&b'\'');
                if escapes { not_continued(bytes, quoted(bytes, end, true)?)? } else { end }
            }
            b':' if matches!(bytes.get(at + 1), Some(b':' | b'=')) => at + 2,
            b':' => {
                let variable = bytes.get(at + 1).is_some_and(|next| {
                    next.is_ascii_alphanumeric() || matches!(next, b'_' | b'\'' | b'"' | b'{' | 0x80..)
                });
                if variable {
                    blanks.push(at + 1);
                }
                at + 1
            }
            _ => at + 1,
        };
    }
    if blanks.is_empty() {
        return Ok(Cow::Borrowed(sql));
    }
    let mut text = String::with_capacity(sql.len() + blanks.len());
    let mut from = 0;
    for blank in blanks {
        text.push_str(&sql[from..blank]);
        text.push(' ');
        from = blank;
    }
    text.push_str(&sql[from..]);
    Ok(Cow::Owned(text))
}

fn starts_word(byte: u8) -> bool {
    matches!(byte, b'_' | b'a'..=b'z' | b'A'..=b'Z' | 0x80..)
}

/// Where the word at `at` ends.
fn word(bytes: &[u8], at: usize) -> usize {
    let goes_on = |&byte: &u8| starts_word(byte) || byte.is_ascii_digit() || byte == b'$';
    bytes[at..].iter().position(|byte| !goes_on(byte)).map_or(bytes.len(), |length| at + length)
}

/// Where the number at `at` ends. Releases differ in how they read one that runs into a word: that is refused.
fn number(bytes: &[u8], at: usize) -> Result<usize> {
    let digits = |from: usize| from + bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = digits(at);
    // Not the two dots of a slice's or a loop's range.
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1) != Some(&b'.') {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        end = if exponent > end + 1 + sign { exponent } else { end };
    }
    if bytes.get(end).is_some_and(|&byte| starts_word(byte) || byte == b'$') {
        return Err(refused("a number that runs into a word"));
    }
    Ok(end)
}

/// An `E'…'` string that is continued on another line stays one with escapes; no server writes such a thing.
fn not_continued(bytes: &[u8], at: usize) -> Result<usize> {
    let mut next = at;
    loop {
        next += bytes[next..]
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c))
            .count();
        if !bytes[next..].starts_with(b"--") {
            break;
        }
        next += memchr::memchr2(b'\n', b'\r', &bytes[next..]).unwrap_or(bytes.len() - next);
    }
    if bytes.get(next) == Some(&b'\'') {
        return Err(refused("a string that is continued after its end"));
    }
    Ok(at)
}

/// Where the quoted text at `at` ends.
fn quoted(bytes: &[u8], at: usize, escapes: bool) -> Result<usize> {
    let quote = bytes[at];
    let mut at = at + 1;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'\\' && escapes {
            at += 2;
        } else if byte != quote {
            at += 1;
        } else if bytes.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return Ok(at + 1);
        }
    }
    Err(refused("a quote that does not end"))
}

fn comment(bytes: &[u8], at: usize) -> Result<usize> {
    let (mut depth, mut at) = (0_usize, at);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return Ok(at);
                }
            }
            _ => at += 1,
        }
    }
    Err(refused("a comment that does not end"))
}

fn dollar_quoted(bytes: &[u8], at: usize) -> Result<usize> {
    if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) {
        return number(bytes, at + 1);
    }
    let mut end = at + 1;
    while bytes.get(end).is_some_and(|&byte| starts_word(byte) || byte.is_ascii_digit()) {
        end += 1;
    }
    if bytes.get(end) != Some(&b'$') {
        return Err(refused("a dollar sign that begins nothing"));
    }
    let tag = &bytes[at..=end];
    match memchr::memmem::find(&bytes[end + 1..], tag) {
        Some(close) => Ok(end + 1 + close + tag.len()),
        None => Err(refused("a dollar quote that does not end")),
    }
}

fn refused(what: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("the definition that the server returned holds {what}")).with_hint(
        "no PostgreSQL server writes such a definition by itself: look at the object before anything else",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_may_hold_anything() {
        for sql in [
            "",
            "SELECT 1;\n",
            r"SELECT '\! touch f', E'it\'s \\ :x', 'a''\!', :: integer;",
            r#"CREATE TABLE "a""\! x :y" (b text);"#,
            r"CREATE FUNCTION f() RETURNS text AS $f$ \! x $$ :y $g$ ' $f$ LANGUAGE sql;",
            "SELECT a$b, $1, x::text, f(a := 1, b => 2), '\n\\! touch f\n';",
            "-- \\! in a comment\nSELECT 1 /* \\! /* nested */ ' */;",
            r"SELECT U&'d\0061t', U&'\', U&'\\'",
            "SELECT a[1:2], 1.5e10 + 2E-3, .5, 1., $12, x1, 7::numeric",
        ] {
            let text = for_psql(sql).unwrap();
            assert_eq!(text, sql.replace("[1:2]", "[1: 2]"));
        }
    }

    #[test]
    fn commands_are_refused() {
        for sql in [
            r"\! touch f",
            "SELECT 1;\n\\! touch f",
            r"SELECT 'a\' \! touch f",
            r"SELECT x_e'a\' \! f",
            r"SELECT a$b$ \! c $b$",
            r"SELECT $1$ \! $1$",
            "SELECT /* */ */ \\x",
            "SELECT 'open",
            "SELECT \"open",
            "SELECT $a$ open $b$",
            "/* open /* */",
            "SELECT '\0'",
            "SELECT E'a'\n'b\\' ' \\! touch f '",
            "SELECT E'a' -- x\n 'b\\' ' \\! touch f '",
            r"SELECT 1e'a\' \! f",
            r"SELECT 1a, 2$$ \! $$",
            "SELECT $ 1",
        ] {
            assert_eq!(for_psql(sql).unwrap_err().kind(), ErrorKind::Refused, "{sql}");
        }
    }

    #[test]
    fn variables_of_psql_get_a_blank() {
        let text = for_psql(r#"SELECT a[1:"HOST"], b[:n], c[x:'y'], d::"HOST", e[:{?f}];"#).unwrap();
        assert_eq!(text, r#"SELECT a[1: "HOST"], b[: n], c[x: 'y'], d::"HOST", e[: {?f}];"#);
    }
}
