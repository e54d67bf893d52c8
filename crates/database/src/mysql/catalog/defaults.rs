//! The defaults of columns of bytes: MariaDB shows them as they are between quotes, and they need not be text.

use std::fmt::Write as _;

/// A text of `SHOW CREATE TABLE` with the defaults that are no UTF-8 as hexadecimal; none where something else is not.
pub(super) fn readable(bytes: Vec<u8>) -> Option<String> {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => return Some(text),
        Err(error) => error.into_bytes(),
    };
    let mut out = String::with_capacity(bytes.len() + 64);
    let mut rest = &bytes[..];
    while let Some(start) = rest.iter().position(|byte| matches!(byte, b'`' | b'\'')) {
        let (before, quoted) = rest.split_at(start);
        out.push_str(std::str::from_utf8(before).ok()?);
        let end = end(quoted)?;
        let (literal, after) = quoted.split_at(end);
        match std::str::from_utf8(literal) {
            Ok(text) => out.push_str(text),
            Err(_) if literal[0] == b'\'' && out.ends_with(" DEFAULT ") => {
                out.push_str("0x");
                for byte in value(&literal[1..end - 1]) {
                    let _ = write!(out, "{byte:02X}");
                }
            }
            Err(_) => return None,
        }
        rest = after;
    }
    out.push_str(std::str::from_utf8(rest).ok()?);
    Some(out)
}

/// Where a quoted name or a string ends that begins the text. A quote that is doubled begins another one at once, which
/// is taken as part of it.
fn end(text: &[u8]) -> Option<usize> {
    let quote = *text.first()?;
    let mut place = 1;
    loop {
        match *text.get(place)? {
            b'\\' if quote == b'\'' => place += 2,
            byte if byte == quote && text.get(place + 1) == Some(&quote) => place += 2,
            byte if byte == quote => return Some(place + 1),
            _ => place += 1,
        }
    }
}

/// What a string is without its escapes: those of `append_unescaped` in MariaDB's `sql/unireg.cc` and no others.
fn value(inner: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'0') => 0,
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(other) => other,
                None => b'\\',
            },
            b'\'' => bytes.next().unwrap_or(b'\''),
            byte => byte,
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn only_what_is_no_text_is_written_otherwise() {
        let of = |bytes: &[u8]| readable(bytes.to_vec());
        assert_eq!(of("`ä` char DEFAULT 'ö'".as_bytes()).as_deref(), Some("`ä` char DEFAULT 'ö'"));
        let odd =
            b"`a``'` binary(9) DEFAULT '\\0\xff''\\\\\\n\\r\x1a',\n `b` int DEFAULT '1' COMMENT 'it''s'";
        let expected = "`a``'` binary(9) DEFAULT 0x00FF275C0A0D1A,\n `b` int DEFAULT '1' COMMENT 'it''s'";
        assert_eq!(of(odd).as_deref(), Some(expected));
        for broken in [&b"`\xff` int"[..], b"`a` int COMMENT '\xff'", b"`a` int DEFAULT '\xff", b"\xff"] {
            assert_eq!(of(broken), None);
        }
    }
}
