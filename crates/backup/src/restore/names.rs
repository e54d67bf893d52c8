//! The names of what a restore makes beside its target.

use chrono::{DateTime, NaiveDateTime, Utc};
use helpers::naming::cut_name;

/// How many bytes a name of PostgreSQL may have: `NAMEDATALEN` - 1.
pub(crate) const NAME_BYTES: usize = 63;

const STAMP: &str = "%Y%m%dT%H%M%SZ";
const STAMP_LENGTH: usize = "20261121T013400Z".len();

/// What a made name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// What was replaced.
    Replaced,
    /// What is being restored into.
    Scratch,
    /// A table's rows beside the table.
    Table,
}

impl Made {
    fn word(self) -> &'static str {
        match self {
            Self::Replaced => "_replaced_",
            Self::Scratch => "_restoring_",
            Self::Table => "_restored_",
        }
    }
}

/// The name made of another one at a time, cut to `limit` bytes; the later `attempt`s are for when it is taken.
pub(crate) fn made(of: &str, what: Made, at: DateTime<Utc>, attempt: u32, limit: usize) -> String {
    let mut suffix = format!("{}{}", what.word(), at.format(STAMP));
    if attempt > 0 {
        suffix = format!("{suffix}_{}", attempt + 1);
    }
    cut_name(of, &suffix, limit)
}

/// The attempts at a name. Of what no lock keeps apart, two may be made within one second, before either is there: those
/// begin at a number of their own.
pub(crate) fn attempts(what: Made) -> std::ops::Range<u32> {
    let mut random = [0_u8; 4];
    if what == Made::Scratch {
        // Without random numbers all begin alike, and the second to come fails. Three bytes: of two, a build server that
        // makes hundreds of scratch databases a minute meets the same number every few dozen days.
        let _ = getrandom::fill(&mut random[1..]);
    }
    let first = u32::from_be_bytes(random);
    first..first + 100
}

/// When the name was made, if it is one made of `of`.
pub(crate) fn made_at(name: &str, of: &str, what: Made, limit: usize) -> Option<DateTime<Utc>> {
    let (at, attempt) = stamp(name, what)?;
    let made = made(of, what, at, attempt, limit);
    // Some servers write all names in lower case.
    (made == name || of == of.to_lowercase() && made.to_lowercase() == name).then_some(at)
}

/// The time and the attempt at the end of a made name, whatever it is made of.
pub(crate) fn stamp(name: &str, what: Made) -> Option<(DateTime<Utc>, u32)> {
    let (_, end) = name.rsplit_once(what.word())?;
    let (stamp, rest) = end.split_at_checked(STAMP_LENGTH)?;
    let at = NaiveDateTime::parse_from_str(&stamp.to_ascii_uppercase(), STAMP).ok()?.and_utc();
    let attempt = match rest.strip_prefix('_') {
        Some(number) => number.parse::<u32>().ok()?.checked_sub(1)?,
        None if rest.is_empty() => 0,
        None => return None,
    };
    Some((at, attempt))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scratch_names_of_one_second_differ() {
        // A number of two bytes is not enough: two tests met.
        let firsts: Vec<u32> = (0..100).map(|_| attempts(Made::Scratch).start).collect();
        assert!(firsts.iter().any(|first| *first > u32::from(u16::MAX)), "{firsts:?}");
        assert_eq!(attempts(Made::Replaced).start, 0);
    }

    #[test]
    fn made_and_known_again() {
        let at = "2026-11-21T01:34:00Z".parse().unwrap();
        for of in ["shop", "a_replaced_20250101T000000Z", &"x".repeat(63), &"é".repeat(31)] {
            for attempt in [0, 1, 8] {
                let name = made(of, Made::Replaced, at, attempt, 63);
                assert!(name.len() <= 63, "{name}");
                assert_eq!(made_at(&name, of, Made::Replaced, 63), Some(at), "{name}");
                assert_eq!(made_at(&name, "shop2", Made::Replaced, 63), None);
                assert_eq!(made_at(&name, of, Made::Scratch, 63), None);
            }
        }
        assert_eq!(made("shop", Made::Replaced, at, 0, 63), "shop_replaced_20261121T013400Z");
        assert_eq!(
            made_at("shop_replaced_20261121t013400z_2", "shop", Made::Replaced, 63),
            Some(at),
            "as a server writes it that knows lower case only"
        );
        assert_eq!(made_at("shop_replaced_20261121t013400z", "Shop", Made::Replaced, 63), None);
        assert_eq!(made("shop", Made::Scratch, at, 1, 63), "shop_restoring_20261121T013400Z_2");
    }

    #[test]
    fn other_names_are_not_ours() {
        for name in [
            "shop",
            "shop_replaced_",
            "shop_replaced_20261121T013400",
            "shop_replaced_20261121T013400Zx",
            "shop_replaced_20261321T013400Z",
        ] {
            assert_eq!(stamp(name, Made::Replaced), None, "{name}");
        }
    }
}
