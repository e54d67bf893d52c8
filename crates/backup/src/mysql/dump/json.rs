//! JSON of MySQL, whose numbers have types of their own: what was a DECIMAL prints `19.90` and comes back from that text as a
//! DOUBLE, which is `19.9`.

/// Where the decimals of a document are that its text alone would not bring back, as paths, with their digits.
pub(super) fn decimals(text: &str) -> Vec<(String, &str)> {
    let bytes = text.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    // For each bracket that is open: the last key of an object, or the place in an array.
    let mut open: Vec<Step<'_>> = Vec::new();
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'{' => open.push(Step::Key("")),
            b'[' => open.push(Step::Place(0)),
            b'}' | b']' => drop(open.pop()),
            b',' => {
                if let Some(Step::Place(place)) = open.last_mut() {
                    *place += 1;
                }
            }
            b'"' => {
                let end = string_end(bytes, at);
                if let (Some(Step::Key(key)), Some(b':')) = (open.last_mut(), bytes.get(end)) {
                    *key = &text[at..end];
                }
                at = end;
                continue;
            }
            b'-' | b'0'..=b'9' => {
                let length = bytes[at..].iter().take_while(|byte| is_of_number(**byte)).count();
                let number = &text[at..at + length];
                if is_decimal(number) {
                    found.push((path(&open), number));
                }
                at += length;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

enum Step<'t> {
    /// With its quotes, as it is written.
    Key(&'t str),
    Place(usize),
}

fn path(open: &[Step<'_>]) -> String {
    open.iter().fold("$".to_owned(), |path, step| match step {
        Step::Key(key) => format!("{path}.{key}"),
        Step::Place(place) => format!("{path}[{place}]"),
    })
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(found) = memchr::memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
        at += found;
        match bytes[at] {
            b'"' => return at + 1,
            _ => at += 2,
        }
    }
    bytes.len()
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
}

/// Whether a number as MySQL prints it is none that comes of reading its text: an integer, or a DOUBLE in its fewest digits.
fn is_decimal(number: &str) -> bool {
    if number.contains(['e', 'E']) {
        return false;
    }
    if !number.contains('.') {
        return number.parse::<i64>().is_err() && number.parse::<u64>().is_err();
    }
    let shortest = number.parse::<f64>().map(|double| match double.to_string() {
        text if text.contains('.') => text,
        text => text + ".0",
    });
    shortest.is_ok_and(|shortest| shortest != number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_found_where_they_are() {
        let text = r#"{"a": 19.90, "b\", \"c": [1, 2.5, [0.10, "3.10"], {"d": -7.000}], "e": {}, "f": [], "g": 12345678901234567890123}"#;
        let found = decimals(text);
        let found: Vec<(&str, &str)> = found.iter().map(|(path, number)| (path.as_str(), *number)).collect();
        assert_eq!(
            found,
            [
                ("$.\"a\"", "19.90"),
                ("$.\"b\\\", \\\"c\"[2][0]", "0.10"),
                ("$.\"b\\\", \\\"c\"[3].\"d\"", "-7.000"),
                ("$.\"g\"", "12345678901234567890123"),
            ]
        );
        assert_eq!(decimals("19.90"), [("$".to_owned(), "19.90")]);
        for plain in [
            "19.9",
            "1",
            "-0.0",
            "100.0",
            "1e20",
            "18446744073709551615",
            "\"1.10\"",
            "null",
            "[1.5e-7]",
            "0.1",
        ] {
            assert_eq!(decimals(plain), [], "{plain}");
        }
    }
}
