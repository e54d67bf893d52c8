use sha2::{Digest as _, Sha256};

/// How [`checksum`] is made. It stands beside each checksum in the history, so that another way may come later.
pub const ALGORITHM: &str = "sha256-normalised-1";

/// The text without what editors and checkouts change: no byte-order mark, `\n` line ends, no blanks
/// at line ends, no empty lines at the end, one newline last.
pub fn normalise(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut normal = String::with_capacity(text.len() + 1);
    for line in text.replace("\r\n", "\n").split(['\n', '\r']) {
        normal.push_str(line.trim_end_matches([' ', '\t', '\u{b}', '\u{c}']));
        normal.push('\n');
    }
    normal.truncate(normal.trim_end_matches('\n').len());
    normal.push('\n');
    normal
}

/// The SHA-256 of the normalised text, in hexadecimal.
pub fn checksum(text: &str) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or_default();
    let hash = Sha256::digest(normalise(text).as_bytes());
    hash.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_checkout_changes_does_not_count() {
        let text = "CREATE TABLE a (\n  b int\n);\n";
        for other in [
            "\u{feff}CREATE TABLE a (\n  b int\n);\n",
            "CREATE TABLE a (\r\n  b int\r\n);\r\n",
            "CREATE TABLE a (  \n  b int\t\n);   \n\n\n",
            "CREATE TABLE a (\n  b int\n);",
        ] {
            assert_eq!(checksum(text), checksum(other), "{other:?}");
        }
        assert_ne!(checksum(text), checksum("CREATE TABLE a (\n b int\n);\n"));
    }

    #[test]
    fn the_hash_is_plain_sha256() {
        // printf 'a\n' | sha256sum
        assert_eq!(checksum("a"), "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7");
    }

    proptest! {
        #[test]
        fn normalising_twice_is_normalising_once(text in "[ab\r\n\t ']{0,40}") {
            let once = normalise(&text);
            prop_assert_eq!(normalise(&once), once);
        }
    }
}
