use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, ErrorKind};

/// An order-independent fingerprint of rows: the sum, modulo 2^256, of the BLAKE3 hash of each row's text.
///
/// Adding is commutative, so that any number of workers may take their share of a table in any
/// order. Unlike an exclusive or, a sum does not lose rows that occur twice.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Digest([u64; 4]);

impl Digest {
    /// Takes one more row in, as the engine's own text (or encoding) of it, without a line end.
    pub fn add_row(&mut self, row: &[u8]) {
        self.add_hash(blake3::hash(row));
    }

    fn add_hash(&mut self, hash: blake3::Hash) {
        let mut words = [0_u64; 4];
        for (word, bytes) in words.iter_mut().zip(hash.as_bytes().chunks_exact(8)) {
            *word = u64::from_le_bytes(bytes.try_into().expect("chunks of eight bytes"));
        }
        self.merge(Self(words));
    }

    /// Takes in what another worker has of the same table.
    pub fn merge(&mut self, other: Self) {
        let mut carry = false;
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            let (sum, first) = mine.overflowing_add(theirs);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            *mine = sum;
            carry = first || second;
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().rev().try_for_each(|word| write!(f, "{word:016x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::new(ErrorKind::Usage, format!("`{text}` is not a digest of 64 hex digits"));
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut words = [0_u64; 4];
        for (place, word) in words.iter_mut().rev().enumerate() {
            *word = u64::from_str_radix(&text[place * 16..place * 16 + 16], 16).map_err(|_| wrong())?;
        }
        Ok(Self(words))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// How many rows a table has and what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDigest {
    /// The number of rows.
    pub rows: u64,
    /// Their fingerprint.
    pub digest: Digest,
}

impl TableDigest {
    /// Takes one more row in.
    pub fn add_row(&mut self, row: &[u8]) {
        self.rows += 1;
        self.digest.add_row(row);
    }

    /// The same of a row in pieces, which `feed` hands on in their order: a large one is then nowhere in one piece.
    pub fn add_row_in_pieces(&mut self, feed: impl FnOnce(&mut dyn FnMut(&[u8]))) {
        let mut hasher = blake3::Hasher::new();
        feed(&mut |piece| {
            hasher.update(piece);
        });
        self.rows += 1;
        self.digest.add_hash(hasher.finalize());
    }

    /// Takes in what another worker has of the same table.
    pub fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.digest.merge(other.digest);
    }
}

/// What the rows are that were read of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowsRead {
    /// As an archive carries them.
    pub carried: TableDigest,
    /// With their stored generated columns; none for a table that has no such column.
    pub whole: TableDigest,
}

impl RowsRead {
    /// Takes in what another worker has of the same table.
    pub fn merge(&mut self, other: Self) {
        self.carried.merge(other.carried);
        self.whole.merge(other.whole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_division_do_not_matter() {
        let rows: [&[u8]; 4] = [b"1\ta", b"2\tb", b"2\tb", b"3\t\\N"];
        let mut forwards = TableDigest::default();
        rows.iter().for_each(|row| forwards.add_row(row));
        let (mut left, mut right) = (TableDigest::default(), TableDigest::default());
        [3, 1].iter().for_each(|&row| left.add_row(rows[row]));
        [0, 2].iter().for_each(|&row| right.add_row(rows[row]));
        right.merge(left);
        assert_eq!(forwards, right);
    }

    #[test]
    fn a_row_that_occurs_twice_counts_twice() {
        let (mut once, mut thrice) = (Digest::default(), Digest::default());
        once.add_row(b"x");
        (0..3).for_each(|_| thrice.add_row(b"x"));
        assert_ne!(once, thrice);
    }

    #[test]
    fn text_and_back() {
        let mut digest = Digest::default();
        digest.add_row(b"x");
        assert_eq!(digest, digest.to_string().parse().unwrap());
        assert_eq!(format!("{}", Digest::default()), "0".repeat(64));
        assert!("zz".parse::<Digest>().is_err());
    }
}
