//! The names of archives, `{database}_{YYYYMMDD}T{HHMMSS}Z[_{label}].sql.zst`, and names cut to an engine's limit.

mod template;

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, SubsecRound as _, Utc};

pub use template::{NameTemplate, NotATemplate};

const TIME: &str = "%Y%m%dT%H%M%SZ";

/// The longest name of an archive, in bytes. File systems take 255 (`NAME_MAX`); what lies beside one is `.NAME.json.part` for
/// as long as it is written.
const LONGEST: usize = 255 - ".".len() - ".json.part".len();

/// What the database's name is cut to where the archive's would be longer than that, so that a label has room.
const CUT: usize = 96;

/// What an archive decompresses to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ArchiveKind {
    /// A script for the engine's own client: `.sql.zst`.
    Script,
    /// A SQLite database file: `.sqlite.zst`.
    SqliteFile,
}

/// The name of an archive. Sorting by its text is sorting by time within one database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackupName {
    /// The database's name, or what a [`NameTemplate`] has in its place.
    pub database: String,
    /// When the backup began, to the second.
    pub time: DateTime<Utc>,
    /// A word of the user's or of dbm's.
    pub label: Option<String>,
    /// What it decompresses to.
    pub kind: ArchiveKind,
    /// Whether it is encrypted (`.age` at the end).
    pub encrypted: bool,
}

impl BackupName {
    /// The name of a backup that begins at that time.
    pub fn new(database: &str, time: DateTime<Utc>, label: Option<&str>, kind: ArchiveKind) -> Self {
        let (database, label) = (database.to_owned(), label.map(str::to_owned));
        Self { database, time: time.trunc_subsecs(0), label, kind, encrypted: false }
    }

    /// The same, with the database's name cut where a file of this name could not be.
    ///
    /// After the cut stand 8 hex digits of the full name's hash, so that two long names that begin alike stay two.
    #[must_use]
    pub fn fitted(mut self) -> Self {
        if self.to_string().len() > LONGEST {
            let hash = blake3::hash(self.database.as_bytes()).to_hex();
            let tail = format!("-{}", &hash.as_str()[..8]);
            // A byte that is encoded takes three.
            let end = (0..).zip(self.database.bytes()).scan(tail.len(), |length, (place, byte)| {
                *length += if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') { 1 } else { 3 };
                (*length <= CUT).then_some(place + 1)
            });
            let end = end.last().unwrap_or_default();
            self.database = up_to(&self.database, end).to_owned() + &tail;
        }
        self
    }

    /// What the names of all archives of this database's name and second begin with, whatever comes after.
    pub fn second(&self) -> String {
        Second(self).to_string()
    }

    /// Whether a file is an archive (or lies beside one) of the same database's name and second.
    pub fn shares_second(&self, file: &str) -> bool {
        file.strip_prefix(&self.second()).is_some_and(|rest| rest.starts_with(['.', '_']))
    }
}

/// Writes a word with every byte outside `[A-Za-z0-9.-]` percent-encoded, so that `_` ends it.
///
/// A leading dot or dash is encoded too: it would hide the file, or make it an option of a command.
fn write_word(f: &mut fmt::Formatter<'_>, word: &str, leads: bool) -> fmt::Result {
    for (place, byte) in word.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || (matches!(byte, b'.' | b'-') && !(leads && place == 0));
        if plain { write!(f, "{}", char::from(byte))? } else { write!(f, "%{byte:02X}")? }
    }
    Ok(())
}

fn read_word(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                if digits.iter().any(|digit| !matches!(digit, b'0'..=b'9' | b'A'..=b'F')) {
                    return None;
                }
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            b'.' | b'-' => bytes.push(byte),
            _ if byte.is_ascii_alphanumeric() => bytes.push(byte),
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok().filter(|word| !word.is_empty())
}

/// The beginning of a name, up to its time.
struct Second<'a>(&'a BackupName);

impl fmt::Display for Second<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_word(f, &self.0.database, true)?;
        write!(f, "_{}", self.0.time.format(TIME))
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Second(self).fmt(f)?;
        if let Some(label) = &self.label {
            f.write_str("_")?;
            write_word(f, label, false)?;
        }
        f.write_str(match self.kind {
            ArchiveKind::Script => ".sql.zst",
            ArchiveKind::SqliteFile => ".sqlite.zst",
        })?;
        if self.encrypted { f.write_str(".age") } else { Ok(()) }
    }
}

/// A text is not the name of an archive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of an archive, as shop_20261121T013400Z.sql.zst is")]
pub struct NotABackupName(String);

impl FromStr for BackupName {
    type Err = NotABackupName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (stem, encrypted) = match text.strip_suffix(".age") {
                Some(stem) => (stem, true),
                None => (text, false),
            };
            let (stem, kind) = match stem.strip_suffix(".sql.zst") {
                Some(stem) => (stem, ArchiveKind::Script),
                None => (stem.strip_suffix(".sqlite.zst")?, ArchiveKind::SqliteFile),
            };
            let (database, rest) = stem.split_once('_')?;
            let (time, label) = match rest.split_once('_') {
                Some((time, label)) => (time, Some(read_word(label)?)),
                None => (rest, None),
            };
            let time = NaiveDateTime::parse_from_str(time, TIME).ok()?.and_utc();
            let name = Self { database: read_word(database)?, time, label, kind, encrypted };
            // One name has one spelling.
            (name.to_string() == text).then_some(name)
        };
        parse().ok_or_else(|| NotABackupName(text.to_owned()))
    }
}

/// `base` and `suffix` as one name of at most `limit` bytes.
///
/// Where it would be longer, the base is cut and 8 hex digits of the full name's hash stand between,
/// so that two long names that begin alike stay two. The suffix is kept whole unless it fills the limit alone.
pub fn cut_name(base: &str, suffix: &str, limit: usize) -> String {
    let full = format!("{base}{suffix}");
    if full.len() <= limit {
        return full;
    }
    let hash = blake3::hash(full.as_bytes()).to_hex();
    let tail = format!("_{}{suffix}", &hash.as_str()[..8]);
    let cut = format!("{}{tail}", up_to(base, limit.saturating_sub(tail.len())));
    up_to(&cut, limit).to_owned()
}

fn up_to(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_back() {
        let time = Utc.with_ymd_and_hms(2026, 11, 21, 1, 34, 0).unwrap();
        let mut name = BackupName::new("shop", time, None, ArchiveKind::Script);
        assert_eq!(name.to_string(), "shop_20261121T013400Z.sql.zst");
        name.label = Some("before_007 ä".into());
        name.encrypted = true;
        assert_eq!(name.to_string(), "shop_20261121T013400Z_before%5F007%20%C3%A4.sql.zst.age");
        assert_eq!(name.to_string().parse(), Ok(name));
        for database in ["a_b", ".hidden", "-x", "ä/\\%\"'\n", "x_20261121T013400Z", "a.sql.zst"] {
            for kind in [ArchiveKind::Script, ArchiveKind::SqliteFile] {
                let name = BackupName::new(database, time, Some("a.sql.zst"), kind);
                let text = name.to_string();
                assert!(!text.starts_with(['.', '-']) && !text.contains(['/', '\n']), "{text}");
                assert_eq!(text.parse(), Ok(name));
            }
        }
    }

    #[test]
    fn a_database_of_any_name_has_files_that_can_be() {
        let time = Utc.with_ymd_and_hms(2026, 11, 21, 1, 34, 0).unwrap();
        let named = |database: &str, label: Option<&str>| {
            BackupName { encrypted: true, ..BackupName::new(database, time, label, ArchiveKind::SqliteFile) }
                .fitted()
        };
        // As long as an engine takes: 64 characters of MySQL's, of up to three bytes.
        for database in ["é".repeat(64), "名".repeat(64), "_".repeat(64), "a".repeat(244)] {
            let name = named(&database, Some("a word of the user's")).to_string();
            assert!(name.len() <= LONGEST, "{name}");
            assert_eq!(name.parse::<BackupName>().unwrap().to_string(), name);
            let (mut other, long) = (database.clone(), named(&database, None));
            other.pop();
            assert_ne!(named(&(other + "x"), None).database, long.database);
        }
        let name = named(&"é".repeat(61), None).to_string();
        assert!(name.starts_with(&"%C3%A9".repeat(14)), "{name}");
        // What fits stays as it is.
        for database in ["shop".to_owned(), "é".repeat(35), "a".repeat(212)] {
            assert_eq!(named(&database, None).database, database);
        }
        assert_ne!(named(&"a".repeat(213), None).database, "a".repeat(213));
    }

    #[test]
    fn names_of_one_second_share_their_beginning() {
        let time = Utc.with_ymd_and_hms(2026, 11, 21, 1, 34, 0).unwrap();
        let name = BackupName::new("a_b", time, None, ArchiveKind::Script);
        assert_eq!(name.second(), "a%5Fb_20261121T013400Z");
        for file in ["a%5Fb_20261121T013400Z.sql.zst", "a%5Fb_20261121T013400Z_label.sqlite.zst.age"] {
            assert!(name.shares_second(file), "{file}");
        }
        for file in
            ["a_20261121T013400Z.sql.zst", "a%5Fb_20261121T013401Z.sql.zst", "a%5Fb_20261121T013400Zx"]
        {
            assert!(!name.shares_second(file), "{file}");
        }
    }

    #[test]
    fn other_files_are_no_archives() {
        for text in [
            "",
            "shop.sql.zst",
            "_20261121T013400Z.sql.zst",
            "shop_20261121T013400Z.sql",
            "shop_20261321T013400Z.sql.zst",
            "shop_20261121T013400Z_.sql.zst",
            "sh%6fp_20261121T013400Z.sql.zst",
            "a b_20261121T013400Z.sql.zst",
        ] {
            assert!(text.parse::<BackupName>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_name_comes_back(
            database in "[^\0]{1,30}",
            label in proptest::option::of("[^\0]{1,8}"),
            seconds in 0_i64..250_000_000_000,
            sqlite: bool,
            encrypted: bool,
        ) {
            let kind = if sqlite { ArchiveKind::SqliteFile } else { ArchiveKind::Script };
            let time = DateTime::from_timestamp(seconds, 0).unwrap();
            let name = BackupName { encrypted, ..BackupName::new(&database, time, label.as_deref(), kind) };
            let text = name.to_string();
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-%".contains(&byte)), "{}", text);
            prop_assert_eq!(text.parse(), Ok(name));
        }

        #[test]
        fn names_sort_by_time(first in 0_i64..250_000_000_000, second in 0_i64..250_000_000_000) {
            let name = |seconds| {
                let time = DateTime::from_timestamp(seconds, 0).unwrap();
                BackupName::new("shop", time, None, ArchiveKind::Script).to_string()
            };
            prop_assert_eq!(first.cmp(&second), name(first).cmp(&name(second)));
        }

        #[test]
        fn cut_names_fit_and_differ(base in "\\PC{0,100}", other in "\\PC{0,100}", suffix in "[a-z_0-9]{0,30}") {
            let cut = cut_name(&base, &suffix, 63);
            prop_assert!(cut.len() <= 63);
            prop_assert!(cut.ends_with(&suffix));
            prop_assert_eq!(base == other, cut == cut_name(&other, &suffix, 63));
            if base.len() + suffix.len() <= 63 {
                prop_assert_eq!(cut, base + &suffix);
            }
        }
    }
}
