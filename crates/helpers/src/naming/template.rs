use std::str::FromStr;

use chrono::{DateTime, Utc};

use super::{ArchiveKind, BackupName};

/// How archives are named: `{database}_{time}_{label}` is the default.
///
/// Names must sort by time and be read again, so a template has one form: what stands before `_{time}` is of
/// `{database}`, `{host}` and words of the user's, and is the same for every backup of a database; after it there is
/// nothing, `_{label}`, or `_` and a word that is the label where none is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTemplate {
    front: Vec<Piece>,
    label: Label,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Word(String),
    Database,
    Host,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Label {
    Refused,
    Given,
    Fixed(String),
}

/// Why a text is no template for the names of archives.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{template}` cannot be used as a name: {why}")]
pub struct NotATemplate {
    template: String,
    why: &'static str,
}

impl Default for NameTemplate {
    fn default() -> Self {
        Self { front: vec![Piece::Database], label: Label::Given }
    }
}

impl FromStr for NameTemplate {
    type Err = NotATemplate;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |why| NotATemplate { template: text.to_owned(), why };
        let (front, rest) =
            text.split_once("_{time}").ok_or_else(|| wrong("it has no `_{time}`, by which names sort"))?;
        let mut pieces = Vec::new();
        let mut left = front;
        while let Some(first) = left.chars().next() {
            let (piece, after) = match first {
                '{' => {
                    let end = left.find('}').ok_or_else(|| wrong("a `{` is not closed"))?;
                    let piece = match &left[..=end] {
                        "{database}" => Piece::Database,
                        "{host}" => Piece::Host,
                        "{label}" => {
                            return Err(wrong("the label stands after the time, or names would not sort"));
                        }
                        _ => return Err(wrong("only {database}, {host}, {time} and {label} are known")),
                    };
                    (piece, &left[end + 1..])
                }
                _ => {
                    let end = left.find('{').unwrap_or(left.len());
                    (Piece::Word(left[..end].to_owned()), &left[end..])
                }
            };
            if matches!(&piece, Piece::Word(word) if !is_plain(word)) {
                return Err(wrong("words before the time are of letters, digits, `.` and `-`"));
            }
            pieces.push(piece);
            left = after;
        }
        if pieces.is_empty() {
            return Err(wrong("nothing stands before `_{time}`"));
        }
        let label = match rest {
            "" => Label::Refused,
            "_{label}" => Label::Given,
            word => match word.strip_prefix('_').filter(|word| !word.is_empty() && is_plain(word)) {
                Some(word) => Label::Fixed(word.to_owned()),
                None => {
                    return Err(wrong("after the time there is nothing, `_{label}`, or `_` and one word"));
                }
            },
        };
        Ok(Self { front: pieces, label })
    }
}

fn is_plain(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

impl NameTemplate {
    /// Whether a label of the user's has a place in it.
    pub fn takes_label(&self) -> bool {
        self.label != Label::Refused
    }

    /// The name of a backup that begins at that time. A label is always written, be there a place for it or not.
    pub fn name(
        &self,
        database: &str,
        host: &str,
        time: DateTime<Utc>,
        label: Option<&str>,
        kind: ArchiveKind,
    ) -> BackupName {
        let front: String = self
            .front
            .iter()
            .map(|piece| match piece {
                Piece::Word(word) => word.as_str(),
                Piece::Database => database,
                Piece::Host => host,
            })
            .collect();
        let fixed = match &self.label {
            Label::Fixed(word) => Some(word.as_str()),
            _ => None,
        };
        BackupName::new(&front, time, label.or(fixed), kind)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use proptest::prelude::*;

    use super::*;

    fn named(template: &str, label: Option<&str>) -> String {
        let time = Utc.with_ymd_and_hms(2026, 11, 21, 1, 34, 0).unwrap();
        let template: NameTemplate = template.parse().unwrap();
        template.name("sh_op", "web1.example", time, label, ArchiveKind::Script).to_string()
    }

    #[test]
    fn names_of_templates() {
        for (template, label, name) in [
            ("{database}_{time}_{label}", None, "sh%5Fop_20261121T013400Z.sql.zst"),
            ("{database}_{time}_{label}", Some("a"), "sh%5Fop_20261121T013400Z_a.sql.zst"),
            ("{host}.{database}_{time}", None, "web1.example.sh%5Fop_20261121T013400Z.sql.zst"),
            ("prod-{database}-{host}_{time}", None, "prod-sh%5Fop-web1.example_20261121T013400Z.sql.zst"),
            ("{database}_{time}_nightly", None, "sh%5Fop_20261121T013400Z_nightly.sql.zst"),
            ("{database}_{time}_nightly", Some("unfinished"), "sh%5Fop_20261121T013400Z_unfinished.sql.zst"),
        ] {
            assert_eq!(named(template, label), name, "{template}");
        }
        assert_eq!("{database}_{time}_{label}".parse(), Ok(NameTemplate::default()));
    }

    #[test]
    fn what_would_not_sort_or_be_read_is_refused() {
        for (template, why) in [
            ("", "no `_{time}`"),
            ("{database}", "no `_{time}`"),
            ("{database}{time}", "no `_{time}`"),
            ("_{time}", "nothing stands before"),
            ("{label}_{time}", "names would not sort"),
            ("{database}_{host}_{time}", "letters, digits"),
            ("{database}/{host}_{time}", "letters, digits"),
            ("{user}_{time}", "are known"),
            ("{database_{time}", "not closed"),
            ("{database}_{time}_{label}_x", "after the time"),
            ("{database}_{time}-{label}", "after the time"),
            ("{database}_{time}_{host}", "after the time"),
            ("{database}_{time}_", "after the time"),
        ] {
            let error = template.parse::<NameTemplate>().unwrap_err().to_string();
            assert!(error.contains(why), "{template}: {error}");
        }
    }

    proptest! {
        #[test]
        fn every_name_is_read_again_and_sorts_by_time(
            database in "[^\0]{1,20}",
            host in "[a-z0-9.-]{1,20}",
            label in proptest::option::of("[^\0]{1,8}"),
            one in 0_i64..250_000_000_000,
            other in 0_i64..250_000_000_000,
        ) {
            for template in ["{host}-{database}_{time}_{label}", "x.{database}_{time}_y", "{database}_{time}"] {
                let template: NameTemplate = template.parse().unwrap();
                let name = |seconds| {
                    let time = DateTime::from_timestamp(seconds, 0).unwrap();
                    template.name(&database, &host, time, label.as_deref(), ArchiveKind::Script)
                };
                prop_assert_eq!(name(one).to_string().parse(), Ok(name(one)));
                prop_assert!(one == other || (one < other) == (name(one).to_string() < name(other).to_string()));
            }
        }
    }
}
