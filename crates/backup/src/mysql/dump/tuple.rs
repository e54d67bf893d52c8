//! A row as `VALUES` has it, in words that stock clients read.

use database::mysql::rows::{Read, RowColumn};
use database::mysql::values::Values;

use super::json;

/// Whether ASCII is itself in a character set. It is in all but these: the server gives another character for a backslash of
/// sjis, and for some brackets and letters of swe7.
fn keeps_ascii(charset: &str) -> bool {
    !["ucs2", "utf16", "utf32", "sjis", "swe7"].iter().any(|name| charset.starts_with(name))
}

/// A row as `VALUES` has it.
pub(super) fn tuple(columns: &[RowColumn], values: &Values<'_>, out: &mut Vec<u8>) {
    out.push(b'(');
    for (place, (column, value)) in columns.iter().zip(values.iter()).enumerate() {
        if place > 0 {
            out.push(b',');
        }
        match value {
            None => out.extend_from_slice(b"NULL"),
            Some(value) => literal(column, value, out),
        }
    }
    out.push(b')');
}

/// At least as many bytes a row takes there; what must be escaped takes more.
pub(super) fn least(columns: &[RowColumn], values: &Values<'_>) -> usize {
    let length = |(column, value): (&RowColumn, Option<&[u8]>)| {
        let length = value.map_or(0, <[u8]>::len);
        match column.read {
            Read::Number | Read::Double | Read::Float | Read::Choice => length + 1,
            Read::Plain | Read::Text | Read::Json => length + 3,
            Read::Bytes => 2 * length + 3,
        }
    };
    columns.iter().zip(values.iter()).map(length).sum()
}

/// How many bytes [`tuple()`] writes, without the room for them.
pub(super) fn length(columns: &[RowColumn], values: &Values<'_>) -> usize {
    let lengths = columns.iter().zip(values.iter()).map(|(column, value)| match (column.read, value) {
        (_, None) => "NULL".len(),
        (Read::Text, Some(value)) if as_it_is(column, value) => {
            2 + value.len() + value.iter().filter(|&&byte| is_escaped(byte)).count()
        }
        (Read::Text, Some(value)) => "_ 0x".len() + column.charset.len() + 2 * value.len(),
        (Read::Bytes, Some(value)) => 2 + 2 * value.len(),
        (_, Some(value)) => {
            let mut out = Vec::new();
            literal(column, value, &mut out);
            out.len()
        }
    });
    // A comma between two, a bracket on either side.
    lengths.sum::<usize>() + columns.len().min(values.len()).saturating_sub(1) + 2
}

/// Whether a text is written as it is, and not as bytes.
fn as_it_is(column: &RowColumn, value: &[u8]) -> bool {
    value.is_empty()
        || match column.charset.starts_with("utf8") {
            true => std::str::from_utf8(value).is_ok(),
            false => value.is_ascii() && keeps_ascii(&column.charset),
        }
}

fn literal(column: &RowColumn, value: &[u8], out: &mut Vec<u8>) {
    match column.read {
        Read::Number | Read::Choice => out.extend_from_slice(value),
        Read::Double | Read::Float => {
            out.extend_from_slice(value);
            // Without it `-0` were an integer.
            if !value.iter().any(|byte| matches!(byte, b'e' | b'E')) {
                out.extend_from_slice(b"e0");
            }
        }
        Read::Plain => quoted(value, out),
        // Nearly all text is; one look at it finds that it is ASCII and that nothing in it is escaped.
        Read::Text if is_plain(value) && keeps_ascii(&column.charset) => verbatim(value, out),
        Read::Text => {
            if as_it_is(column, value) {
                quoted(value, out);
            } else {
                out.extend_from_slice(format!("_{} ", column.charset).as_bytes());
                hex(value, out);
            }
        }
        Read::Json => document(value, out),
        Read::Bytes if value.is_empty() => out.extend_from_slice(b"''"),
        Read::Bytes => hex(value, out),
    }
}

/// JSON as its text, with the decimals put in as such that the text alone would not bring back.
fn document(value: &[u8], out: &mut Vec<u8>) {
    let decimals = std::str::from_utf8(value).map(json::decimals).unwrap_or_default();
    if decimals.is_empty() {
        return quoted(value, out);
    }
    out.extend_from_slice(b"JSON_SET(");
    quoted(value, out);
    for (path, number) in decimals {
        out.push(b',');
        quoted(path.as_bytes(), out);
        out.push(b',');
        out.extend_from_slice(number.as_bytes());
    }
    out.push(b')');
}

fn hex(value: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend_from_slice(b"0x");
    for byte in value {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// How many bytes are looked at at once, for what must be escaped.
const RUN: usize = 16;

/// As the clients read strings in a session without NO_BACKSLASH_ESCAPES; they take no NUL.
fn quoted(value: &[u8], out: &mut Vec<u8>) {
    if is_all(value, is_escaped_nowhere, |byte| !is_escaped(byte)) {
        return verbatim(value, out);
    }
    out.push(b'\'');
    let (runs, rest) = value.as_chunks::<RUN>();
    for run in runs {
        if is_escaped_nowhere(run) { out.extend_from_slice(run) } else { escape(run, out) }
    }
    escape(rest, out);
    out.push(b'\'');
}

fn verbatim(value: &[u8], out: &mut Vec<u8>) {
    out.push(b'\'');
    out.extend_from_slice(value);
    out.push(b'\'');
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        match escaped(byte) {
            Some(written) => out.extend_from_slice(written),
            None => out.push(byte),
        }
    }
}

/// Whether it is ASCII of which nothing is escaped.
fn is_plain(value: &[u8]) -> bool {
    let is_plain = |run: &[u8; RUN]| found(run, |byte| byte >= 0x80) == 0 && is_escaped_nowhere(run);
    is_all(value, is_plain, |byte| byte.is_ascii() && !is_escaped(byte))
}

/// Whether all of it is such. It looks at some bytes twice where there are more than fit into the runs.
fn is_all(value: &[u8], is_run: impl Fn(&[u8; RUN]) -> bool, is_byte: impl Fn(u8) -> bool) -> bool {
    match value.last_chunk() {
        Some(last) => value.as_chunks().0.iter().all(&is_run) && is_run(last),
        None => value.iter().all(|&byte| is_byte(byte)),
    }
}

/// Whether nothing in it is escaped; control characters that need no escape are rare enough to be taken for those that do.
fn is_escaped_nowhere(run: &[u8; RUN]) -> bool {
    found(run, |byte| byte < b' ' || byte == b'\'' || byte == b'\\') == 0
}

/// Not zero if one of the bytes is such. It has no branch for a byte, so that the compiler looks at all of them at once.
fn found(run: &[u8; RUN], is_such: impl Fn(u8) -> bool) -> u8 {
    run.iter().fold(0, |found, &byte| found | u8::from(is_such(byte)))
}

fn is_escaped(byte: u8) -> bool {
    matches!(byte, 0 | b'\n' | b'\r' | 0x1a | b'\'' | b'\\')
}

/// The two bytes that a byte is written as within a string, where it is not written as itself.
fn escaped(byte: u8) -> Option<&'static [u8; 2]> {
    Some(match byte {
        b'\'' => b"''",
        b'\\' => b"\\\\",
        0 => b"\\0",
        b'\n' => b"\\n",
        b'\r' => b"\\r",
        0x1a => b"\\Z",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use database::mysql::values::Room;

    use super::super::rows::tests::target;
    use super::*;

    fn one(data_type: &str, value: &[u8]) -> String {
        let (mut room, mut out) = (Room::default(), Vec::new());
        tuple(&target(&[data_type]).columns, &room.texts([Some(value)]), &mut out);
        String::from_utf8(out).unwrap().strip_prefix('(').unwrap().strip_suffix(')').unwrap().to_owned()
    }

    #[test]
    fn literals() {
        assert_eq!(
            one("varchar(9) CHARACTER SET utf8mb4", "a'\\\0\n\r\u{1a}ä".as_bytes()),
            "'a''\\\\\\0\\n\\r\\Zä'"
        );
        assert_eq!(one("varchar(9) CHARACTER SET latin1", b"a\xe4"), "_latin1 0x61E4");
        assert_eq!(one("varchar(9) CHARACTER SET latin1", b"plain"), "'plain'");
        assert_eq!(one("text CHARACTER SET ucs2", b"\0a"), "_ucs2 0x0061");
        assert_eq!(one("varchar(9) CHARACTER SET sjis", b"C:\\d"), "_sjis 0x433A5C64");
        assert_eq!(one("varchar(9) CHARACTER SET swe7", b"["), "_swe7 0x5B");
        assert_eq!(one("text CHARACTER SET utf8mb4", b"\xff"), "_utf8mb4 0xFF");
        assert_eq!(one("double", b"-0"), "-0e0");
        assert_eq!(one("float", b"1e20"), "1e20");
        assert_eq!((one("blob", b""), one("bit(3)", b"\x05")), ("''".into(), "0x05".into()));
        assert_eq!(one("enum('a')", b"1"), "1");
    }

    #[test]
    fn each_byte_that_is_written_otherwise_is_found() {
        for byte in 0..=u8::MAX {
            assert_eq!(is_escaped(byte), escaped(byte).is_some(), "{byte}");
            for place in [0, RUN - 1, RUN, 3 * RUN] {
                let mut value = vec![b'x'; 3 * RUN + 1];
                value[place] = byte;
                let mut written = Vec::new();
                quoted(&value, &mut written);
                let mut expected = vec![b'x'; value.len()];
                expected.splice(place..=place, escaped(byte).map_or(vec![byte], |two| two.to_vec()));
                assert_eq!(written, [b"'", &expected[..], b"'"].concat(), "{byte} at {place}");
            }
        }
    }

    #[test]
    fn the_length_of_a_row_is_known_before_it_is_written() {
        let types =
            ["text CHARACTER SET utf8mb4", "text CHARACTER SET ucs2", "varchar(9) CHARACTER SET latin1"];
        let mut columns = target(&[&types[..], &["blob", "double", "int", "date", "text"]].concat()).columns;
        for value in [&b""[..], b"1", b"a'\\\0\n\r\x1a", b"\xff\xfe", "ä😀".as_bytes()] {
            for values in [[Some(value); 8], [None; 8]] {
                let (mut room, mut out) = (Room::default(), Vec::new());
                let values = room.texts(values);
                tuple(&columns, &values, &mut out);
                assert_eq!(length(&columns, &values), out.len(), "{value:?}");
                assert!(least(&columns, &values) <= out.len());
            }
        }
        columns.clear();
        assert_eq!(length(&columns, &Room::default().texts([None])), 2);
    }
}
