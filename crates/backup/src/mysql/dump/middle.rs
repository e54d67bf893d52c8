//! Values between two keys. They need not be keys, and they are guesses: the server says whether one lies between them.

/// The characters of hexadecimal keys, and those of most others, in the order of nearly every collation.
const HEX: &[char] = &['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
const PLAIN: &str = "0123456789abcdefghijklmnopqrstuvwxyz";

/// How many characters after what both keys begin with are looked at.
const DIGITS: usize = 4;

/// How many bytes of binary keys are.
const BYTES: usize = 8;

/// The integer above the middle of two.
pub(super) fn of_integers(least: i128, most: i128) -> Option<i128> {
    (least < most).then(|| least + (most - least + 1) / 2)
}

/// Bytes in the middle of others.
pub(super) fn of_bytes(least: &[u8], most: &[u8]) -> Option<Vec<u8>> {
    let common = least.iter().zip(most).take_while(|(one, other)| one == other).count();
    let next = *most.get(common)?;
    let number = |bytes: &[u8]| {
        (0..BYTES).fold(0, |number, place| {
            number << 8 | i128::from(bytes.get(common + place).copied().unwrap_or_default())
        })
    };
    let mut middle = most[..common].to_vec();
    match of_integers(number(least), number(most)) {
        Some(number) => middle.extend_from_slice(&number.to_be_bytes()[16 - BYTES..]),
        None => middle.push(next),
    }
    while middle.len() > common + 1 && middle.last() == Some(&0) {
        middle.pop();
    }
    Some(middle)
}

/// Texts between others, the best guess first: which one is right depends on the collation.
pub(super) fn of_texts(least: &[char], most: &[char]) -> Vec<Vec<char>> {
    let mut guesses = Vec::new();
    guesses.extend(of_digits(least, most));
    let common = least.iter().zip(most).take_while(|(one, other)| one == other).count();
    if let Some(&next) = most.get(common) {
        let (from, to) = (least.get(common).copied().unwrap_or(' '), next);
        let middle = of_integers(i128::from(u32::from(from)), i128::from(u32::from(to)));
        let middle = middle.and_then(|middle| char::from_u32(u32::try_from(middle).ok()?));
        // The last one parts what begins with one character from what begins with others.
        for end in middle.into_iter().chain([next]) {
            guesses.push(most[..common].iter().copied().chain([end]).collect());
        }
    }
    guesses.dedup();
    guesses
}

/// The middle of texts whose characters are taken for digits.
fn of_digits(least: &[char], most: &[char]) -> Option<Vec<char>> {
    let common = least.iter().zip(most).take_while(|(one, other)| one.eq_ignore_ascii_case(other)).count();
    let (from, to) = (&least[common..], &most[common..]);
    let is_hex = |character: &char| character.is_ascii_hexdigit() || *character == '-';
    let plain: Vec<char> = PLAIN.chars().collect();
    let alphabet = if from.iter().chain(to).all(is_hex) { HEX } else { &plain };
    let base = alphabet.len() as i128;
    let digit = |character: char| {
        let found = alphabet.iter().position(|&one| one >= character.to_ascii_lowercase());
        found.unwrap_or(alphabet.len() - 1) as i128
    };
    let number = |text: &[char]| {
        let digits = (0..DIGITS).map(|place| text.get(place).map_or(0, |&character| digit(character)));
        digits.fold(0, |number, digit| number * base + digit)
    };
    let mut rest = of_integers(number(from), number(to))?;
    let mut digits = Vec::new();
    for _ in 0..DIGITS {
        digits.push(alphabet[usize::try_from(rest % base).unwrap_or_default()]);
        rest /= base;
    }
    let zeros = digits.iter().take_while(|&&digit| digit == alphabet[0]).count();
    Some(least[..common].iter().copied().chain(digits.into_iter().skip(zeros).rev()).collect())
}

/// Dates or times between others, which are written as the server does, the best guess first.
pub(super) fn of_times(least: &str, most: &str) -> Vec<String> {
    let mut guesses: Vec<String> = middle_of_times(least, most).into_iter().collect();
    // A day that the guess has been moved from is parted so from those before it, and so are parts of a second.
    guesses.push(most.to_owned());
    guesses.dedup();
    guesses
}

fn middle_of_times(least: &str, most: &str) -> Option<String> {
    let numbers = |text: &str| -> Option<Vec<i128>> {
        let seconds = text.split('.').next()?;
        seconds.split(['-', ' ', ':']).map(|number| number.parse().ok()).collect()
    };
    // How many there are of each but years.
    let bases = [1, 13, 32, 24, 60, 60];
    let number =
        |numbers: &[i128]| numbers.iter().zip(bases).fold(0, |number, (&one, base)| number * base + one);
    let (from, to) = (numbers(least)?, numbers(most)?);
    if from.len() != to.len() || !matches!(from.len(), 3 | 6) {
        return None;
    }
    let mut rest = of_integers(number(&from), number(&to))?;
    let mut parts = vec![0; from.len()];
    for (part, base) in parts.iter_mut().zip(bases).skip(1).rev() {
        *part = rest % base;
        rest /= base;
    }
    // Each month has these days.
    let date = format!("{rest:04}-{:02}-{:02}", parts[1].max(1), parts[2].clamp(1, 28));
    Some(match parts[3..] {
        [hours, minutes, seconds] => format!("{date} {hours:02}:{minutes:02}:{seconds:02}"),
        _ => date,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers() {
        assert_eq!(of_integers(1, 2), Some(2));
        assert_eq!(of_integers(-5, -4), Some(-4));
        assert_eq!(of_integers(7, 7), None);
        assert_eq!(of_integers(i64::MIN.into(), i64::MAX.into()), Some(0));
        assert_eq!(of_integers(0, u64::MAX.into()), Some(1 << 63));
    }

    #[test]
    fn bytes() {
        let of = |least: &[u8], most: &[u8]| of_bytes(least, most);
        assert_eq!(of(&[0; 16], &[0xFF; 16]), Some(vec![0x80]));
        assert_eq!(of(b"ab", b"ac"), Some(b"ab\x80".to_vec()));
        assert_eq!(of(b"ab", b"ab\0"), Some(b"ab\0".to_vec()));
        assert_eq!(of(b"same", b"same"), None);
        assert_eq!(of(b"", &[0, 0, 0, 0, 0, 0, 0, 0, 9]), Some(vec![0]));
    }

    #[test]
    fn texts() {
        let of = |least: &str, most: &str| -> Vec<String> {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            of_texts(&chars(least), &chars(most)).into_iter().map(|text| text.into_iter().collect()).collect()
        };
        assert_eq!(of("0000", "ffff")[0], "8");
        assert_eq!(of("user_a", "user_z"), ["user_mi", "user_n", "user_z"]);
        assert_eq!(of("USER_1", "user_9"), ["USER_5", "e", "u"]);
        assert_eq!(of("USER_9", "user_1"), ["e", "u"]);
        assert_eq!(of("Аня", "Яна"), ["Р", "Я"]);
        assert_eq!(of("a", "ab"), ["a58", "aA", "ab"]);
        assert_eq!(of("same", "same"), [""; 0]);
        assert_eq!(of("", ""), [""; 0]);
    }

    #[test]
    fn times() {
        assert_eq!(of_times("2020-01-01", "2022-01-01"), ["2021-01-01", "2022-01-01"]);
        assert_eq!(of_times("2020-01-01", "2020-01-02"), ["2020-01-02"]);
        assert_eq!(of_times("2020-01-29", "2020-01-31"), ["2020-01-28", "2020-01-31"]);
        assert_eq!(of_times("2020-01-31", "2020-02-01"), ["2020-02-01"]);
        assert_eq!(of_times("2020-01-01 00:00:00", "2020-01-01 12:30:59.5")[0], "2020-01-01 06:15:30");
        assert_eq!(of_times("2020-01-01 00:00:00.5", "2020-01-01 00:00:00.7"), ["2020-01-01 00:00:00.7"]);
    }
}
