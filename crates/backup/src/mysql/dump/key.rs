//! The primary key that a table is cut by.

use chrono::{NaiveDate, NaiveDateTime};
use database::mysql::catalog::text::{Create, primary_key_start};
use database::{Engine, Schema, quote};

use super::middle;
use super::rows::Target;

/// A column of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyColumn {
    /// Its name, quoted.
    pub(super) name: String,
    pub(super) kind: KeyKind,
}

/// What a column's values are, as far as there is a middle of two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    Integer,
    /// With its character set, and how many characters it holds at most.
    Text(String, usize),
    Bytes,
    Date,
    DateTime,
}

/// The columns that a table's primary key begins with, up to one of a type that no table is cut by.
pub(super) fn columns(schema: &Schema, target: &Target) -> Vec<KeyColumn> {
    let definition = schema.get(&target.id).map_or("", |object| object.definition.as_str());
    let create = Create::read(definition).ok();
    let names = create.map(|create| primary_key_start(&create.clauses)).unwrap_or_default();
    let column = |name: String| {
        let column = target.table.columns.iter().find(|column| column.name == name)?;
        // MariaDB keeps the key of these in the order of texts that are filled up with spaces, and compares them without.
        if column.data_type.starts_with("char") && definition.contains("nopad") {
            return None;
        }
        let kind = KeyKind::of(&column.data_type)?;
        Some(KeyColumn { name: quote::identifier(Engine::Mysql, &name), kind })
    };
    names.into_iter().map_while(column).collect()
}

impl KeyColumn {
    /// A value as the server sent it, as a literal; `None` for one that it may not take back.
    pub(super) fn literal(&self, value: &[u8]) -> Option<String> {
        let text = || std::str::from_utf8(value).ok();
        match &self.kind {
            KeyKind::Integer => text()?.parse::<i128>().ok().map(|number| number.to_string()),
            KeyKind::Text(charset, _) => {
                Letters::of(charset).read(value)?;
                Some(format!("_{charset} {}", hex(value)))
            }
            KeyKind::Bytes => Some(hex(value)),
            KeyKind::Date => {
                NaiveDate::parse_from_str(text()?, "%Y-%m-%d").ok()?;
                Some(format!("'{}'", text()?))
            }
            KeyKind::DateTime => {
                NaiveDateTime::parse_from_str(text()?, "%Y-%m-%d %H:%M:%S%.f").ok()?;
                Some(format!("'{}'", text()?))
            }
        }
    }

    /// Literals that may lie above the least and not above the most, the best guess first.
    pub(super) fn between(&self, least: &[u8], most: &[u8]) -> Vec<String> {
        let text = |value| std::str::from_utf8(value).unwrap_or_default();
        let values: Vec<Vec<u8>> = match &self.kind {
            KeyKind::Integer => {
                let (least, most) = (text(least).parse().ok(), text(most).parse().ok());
                let middle = least.zip(most).and_then(|(least, most)| middle::of_integers(least, most));
                middle.map(|middle| middle.to_string().into_bytes()).into_iter().collect()
            }
            KeyKind::Text(charset, length) => {
                let letters = Letters::of(charset);
                let Some((least, most)) = letters.read(least).zip(letters.read(most)) else {
                    return Vec::new();
                };
                let mut texts = middle::of_texts(&least, &most);
                // What is longer than the column the server cuts for the key and not for the comparison: rows between the
                // two would be in neither half.
                texts.iter_mut().for_each(|text| text.truncate(*length));
                texts.dedup();
                texts.into_iter().filter_map(|text| letters.written(&text)).collect()
            }
            KeyKind::Bytes => middle::of_bytes(least, most).into_iter().collect(),
            KeyKind::Date | KeyKind::DateTime => {
                middle::of_times(text(least), text(most)).into_iter().map(String::into_bytes).collect()
            }
        };
        values.iter().filter_map(|value| self.literal(value)).collect()
    }
}

impl KeyKind {
    fn of(data_type: &str) -> Option<Self> {
        let (kind, charset) = data_type.split_once(" CHARACTER SET ").unwrap_or((data_type, ""));
        let word = kind.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        Some(match word {
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => Self::Integer,
            "char" | "varchar" => {
                let length = kind.split(['(', ')']).nth(1)?.parse().ok()?;
                Self::Text(charset.to_owned(), length)
            }
            "binary" | "varbinary" => Self::Bytes,
            "date" => Self::Date,
            "datetime" | "timestamp" => Self::DateTime,
            _ => return None,
        })
    }
}

/// How the characters of a character set are written, as far as needed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letters {
    Utf8,
    /// Each byte is one.
    Bytes,
    /// Others are not looked into.
    Ascii,
    None,
}

impl Letters {
    fn of(charset: &str) -> Self {
        match charset {
            "utf8" | "utf8mb3" | "utf8mb4" => Self::Utf8,
            // The last is in another order in the key than when it is compared.
            "ucs2" | "utf16" | "utf16le" | "utf32" | "tis620" => Self::None,
            "ascii" | "big5" | "cp932" | "eucjpms" | "euckr" | "gb18030" | "gb2312" | "gbk" | "sjis"
            | "ujis" => Self::Ascii,
            _ => Self::Bytes,
        }
    }

    fn read(self, value: &[u8]) -> Option<Vec<char>> {
        match self {
            Self::Utf8 => Some(std::str::from_utf8(value).ok()?.chars().collect()),
            Self::Ascii if !value.is_ascii() => None,
            Self::Bytes | Self::Ascii => Some(value.iter().copied().map(char::from).collect()),
            Self::None => None,
        }
    }

    fn written(self, text: &[char]) -> Option<Vec<u8>> {
        match self {
            Self::Utf8 => Some(text.iter().collect::<String>().into_bytes()),
            _ => text.iter().map(|&character| u8::try_from(u32::from(character)).ok()).collect(),
        }
    }
}

fn hex(value: &[u8]) -> String {
    let digits: String = value.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("x'{digits}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(data_type: &str) -> KeyColumn {
        KeyColumn { name: "k".to_owned(), kind: KeyKind::of(data_type).unwrap() }
    }

    #[test]
    fn values_come_back_as_they_were_sent() {
        for (data_type, value, literal) in [
            ("bigint unsigned", &b"18446744073709551615"[..], Some("18446744073709551615")),
            ("int(8) unsigned zerofill", b"00000007", Some("7")),
            ("varchar(5) CHARACTER SET latin1", b"\xE4'", Some("_latin1 x'E427'")),
            ("char(5) CHARACTER SET utf8mb4", b"\xE4", None),
            ("char(5) CHARACTER SET sjis", b"\x83\x5C", None),
            ("char(5) CHARACTER SET utf16", b"\0a", None),
            ("binary(2)", b"\0\xFF", Some("x'00FF'")),
            ("varbinary(2)", b"", Some("x''")),
            ("date", b"2020-02-29", Some("'2020-02-29'")),
            ("date", b"2020-02-31", None),
            ("datetime(6)", b"0000-00-00 00:00:00.000000", None),
            ("timestamp(3)", b"2020-02-29 01:02:03.456", Some("'2020-02-29 01:02:03.456'")),
        ] {
            assert_eq!(column(data_type).literal(value).as_deref(), literal, "{data_type}");
        }
        assert_eq!(KeyKind::of("decimal(9,2)"), None);
        assert_eq!(KeyKind::of("enum('int') CHARACTER SET latin1"), None);
    }

    #[test]
    fn literals_between_are_of_the_columns_type() {
        let between = |data_type, least: &[u8], most: &[u8]| column(data_type).between(least, most);
        assert_eq!(between("bigint", b"-9223372036854775808", b"9223372036854775807"), ["0"]);
        assert_eq!(between("bigint", b"7", b"7"), [""; 0]);
        assert_eq!(between("binary(2)", b"\0\0", b"\xFF\xFF"), ["x'7FFF80'"]);
        assert_eq!(
            between("varchar(9) CHARACTER SET latin1", b"\xE0", b"\xF0"),
            ["_latin1 x'E8'", "_latin1 x'F0'"]
        );
        assert_eq!(
            between("char(9) CHARACTER SET utf8mb3", "А".as_bytes(), "Я".as_bytes())[0],
            "_utf8mb3 x'D0A0'"
        );
        assert_eq!(between("date", b"2020-01-01", b"2020-01-03")[0], "'2020-01-02'");
        // None is longer than the column.
        assert_eq!(
            between("char(2) CHARACTER SET latin1", b"bz", b"c0"),
            ["_latin1 x'627A'", "_latin1 x'63'"]
        );
    }
}
