//! Where a table is cut by a key of text.

/// The characters of hexadecimal keys, and those of most others, in the order of every collation.
const HEX: &[u8] = b"0123456789abcdef";
const PLAIN: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// How many characters after what all keys begin with tell one border from the next.
const DIGITS: usize = 4;

/// At most `number - 1` values between the least and the most, about equally far from each other. They need not be
/// keys: any value cuts a table in two, and only how equal the pieces are depends on it.
pub(super) fn between(least: &[u8], most: &[u8], number: usize) -> Vec<String> {
    if !least.is_ascii() || !most.is_ascii() {
        return Vec::new();
    }
    let common = least.iter().zip(most).take_while(|(one, other)| one == other).count();
    let (from, to) = (&least[common..], &most[common..]);
    let hex = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b'-';
    let alphabet = if from.iter().chain(to).all(hex) { HEX } else { PLAIN };
    let (low, high) = (value(from, alphabet), value(to, alphabet));
    let number = u64::try_from(number).unwrap_or(1);
    let prefix = String::from_utf8_lossy(&least[..common]).into_owned();
    let mut borders: Vec<String> = (1..number)
        .map(|place| low + high.saturating_sub(low) * place / number)
        .filter(|&value| value > low && value < high)
        .map(|value| format!("{prefix}{}", text(value, alphabet)))
        .collect();
    borders.dedup();
    borders
}

/// The first characters as a number whose digits they are.
fn value(text: &[u8], alphabet: &[u8]) -> u64 {
    let digit = |place: usize| {
        let byte = text.get(place).copied().unwrap_or(alphabet[0]).to_ascii_lowercase();
        let found = alphabet.iter().position(|&one| one >= byte).unwrap_or(alphabet.len() - 1);
        u64::try_from(found).unwrap_or_default()
    };
    (0..DIGITS).fold(0, |value, place| value * alphabet.len() as u64 + digit(place))
}

fn text(mut value: u64, alphabet: &[u8]) -> String {
    let mut text = vec![alphabet[0]; DIGITS];
    for place in text.iter_mut().rev() {
        let digit = usize::try_from(value % alphabet.len() as u64).unwrap_or_default();
        *place = alphabet[digit];
        value /= alphabet.len() as u64;
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_lie_between() {
        assert_eq!(between(b"00000000-x", b"ffff", 1), [""; 0]);
        assert_eq!(between(b"0000", b"ffff", 4), ["3fff", "7fff", "bfff"]);
        assert_eq!(between(b"user_a", b"user_z", 2), ["user_mi00"]);
        assert_eq!(between(b"same", b"same", 8), [""; 0]);
        assert_eq!(between("ä".as_bytes(), b"z", 8), [""; 0]);
        assert_eq!(between(b"", b"", 8), [""; 0]);
    }
}
