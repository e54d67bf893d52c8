//! Which of several patterns that fit a database's name a server goes by.

use std::cmp::Reverse;

/// How a server chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// MariaDB: the pattern that the fewest names fit.
    Fewest,
    /// MySQL: the one with the most before its first wildcard.
    Longest,
    /// MySQL while a role is active: the name itself, or else the first pattern in the order of their bytes.
    FirstByName,
    /// MySQL with `partial_revokes`: a pattern is a name like any other.
    Literal,
}

/// The greatest one decides.
pub(super) type Rank = (u64, Reverse<Vec<u8>>);

impl Rule {
    pub(super) fn fits(self, pattern: &str, name: &str) -> bool {
        match self {
            Self::Literal => pattern == name,
            _ => like(pattern.as_bytes(), name.as_bytes()),
        }
    }

    pub(super) fn rank(self, pattern: &str, name: &str) -> Rank {
        let number = match self {
            Self::Fewest => u64::MAX - names(pattern),
            Self::Longest => before_wildcard(pattern),
            Self::FirstByName => u64::from(pattern == name && !pattern.contains(['_', '%'])),
            Self::Literal => 0,
        };
        let order = if self == Self::FirstByName { pattern.as_bytes() } else { &[] };
        (number, Reverse(order.to_vec()))
    }
}

/// How many names fit, as MariaDB estimates it: `get_magic_sort` in
/// <https://github.com/MariaDB/server/blob/10.11/sql/sql_acl.cc>.
fn names(pattern: &str) -> u64 {
    const LONGEST: u64 = 64;
    let (mut fixed, mut one, mut many, mut before) = (0_u64, 0_u64, 0_u64, 0);
    let mut bytes = pattern.bytes().peekable();
    while let Some(byte) = bytes.next() {
        if (byte == b'%' || byte == b'_') && one + many == 0 {
            before = fixed;
        }
        match byte {
            b'%' => {
                many += 1;
                while bytes.next_if_eq(&b'%').is_some() {}
            }
            b'_' => one += 1,
            _ => {
                if byte == b'\\' {
                    bytes.next();
                }
                fixed += 1;
            }
        }
    }
    let (one, many) = (one.min(31), many.min(31));
    let free = if many == 0 { 0 } else { LONGEST.saturating_sub(fixed + one) };
    let joined = |places: [u64; 3]| {
        let [first, second, third] = places;
        ((first * (LONGEST + 1) + second) * 32 + third) * (LONGEST + 1) + before
    };
    // Of equals the one with less before its first wildcard: so it has always been.
    if free > one { joined([free * 2 + 1, many, one]) } else { joined([one * 2, free, many]) }
}

/// The place of the first wildcard, as MySQL counts it: `get_sort` in
/// <https://github.com/mysql/mysql-server/blob/trunk/sql/auth/sql_auth_cache.cc>.
fn before_wildcard(pattern: &str) -> u64 {
    let bytes = pattern.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if at + 1 < bytes.len() => at += 2,
            b'%' if bytes.len() == 1 => return 1,
            b'%' | b'_' => return (at as u64 + 2).min(127),
            _ => at += 1,
        }
    }
    128
}

/// `LIKE`, as names of databases in grants are matched.
pub(super) fn like(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'%', pattern @ ..], _) => (0..=name.len()).any(|skip| like(pattern, &name[skip..])),
        ([b'\\', escaped, pattern @ ..], [first, name @ ..]) => escaped == first && like(pattern, name),
        ([b'_', pattern @ ..], [_, name @ ..]) => like(pattern, name),
        ([own, pattern @ ..], [first, name @ ..]) => own == first && like(pattern, name),
        _ => false,
    }
}
