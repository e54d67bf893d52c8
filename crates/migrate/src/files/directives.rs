use std::fmt;
use std::path::Path;
use std::time::Duration;

use backup::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// What the `-- dbm:` comments at the head of a file ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directives {
    /// Runs outside a transaction.
    pub no_transaction: bool,
    /// The module that it belongs to.
    pub module: Option<String>,
    /// The migrations that must be applied before it.
    pub requires: Vec<u64>,
    /// It stands for all migrations from this number up to its own, in databases that begin with it.
    pub squashes: Option<u64>,
    /// Why no rollback exists.
    pub irreversible: Option<String>,
    /// How long each wait for a lock may last.
    pub lock_timeout: Option<Duration>,
    /// If all of them are there, the file is skipped and recorded as satisfied.
    pub unless: Vec<Unless>,
    /// What `check` is not to find.
    pub allows: Vec<Allow>,
    /// The line of `-- dbm: verify`, from 1: what follows are checks.
    pub verify_line: Option<usize>,
}

/// One rule that `check` is to pass over, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allow {
    /// The rule's name.
    pub rule: String,
    /// Why.
    pub reason: String,
    /// Its line, from 1: it holds for the statement that begins next.
    pub line: usize,
    /// It stands at the head of the file, and holds for all of it.
    pub whole_file: bool,
}

/// A name of one or more parts as it is written: `orders`, `hr.orders`, `"Orders"."a.b"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name {
    /// Each part with whether it was quoted; the quotes are taken off.
    pub parts: Vec<(String, bool)>,
}

impl Name {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        loop {
            let quote = rest.chars().next().filter(|first| matches!(first, '"' | '`'));
            if let Some(quote) = quote {
                let mut name = String::new();
                let mut after = &rest[1..];
                loop {
                    let end = after.find(quote)?;
                    name.push_str(&after[..end]);
                    after = &after[end + 1..];
                    match after.strip_prefix(quote) {
                        Some(doubled) => {
                            name.push(quote);
                            after = doubled;
                        }
                        None => break,
                    }
                }
                parts.push((name, true));
                rest = after;
            } else {
                let end = rest.find('.').unwrap_or(rest.len());
                parts.push((rest[..end].to_owned(), false));
                rest = &rest[end..];
            }
            if parts.last().is_none_or(|(name, _)| {
                name.is_empty() || name.contains(char::is_whitespace) && !parts[parts.len() - 1].1
            }) {
                return None;
            }
            match rest.strip_prefix('.') {
                Some(more) => rest = more,
                None if rest.is_empty() => return Some(Self { parts }),
                None => return None,
            }
        }
    }

    /// The name without its last part, and the last part.
    pub fn split_last(&self) -> Option<(Self, (String, bool))> {
        let (last, before) = self.parts.split_last()?;
        (!before.is_empty()).then(|| (Self { parts: before.to_vec() }, last.clone()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (part, quoted)) in self.parts.iter().enumerate() {
            if place > 0 {
                f.write_str(".")?;
            }
            if *quoted {
                write!(f, "\"{}\"", part.replace('"', "\"\""))?;
            } else {
                f.write_str(part)?;
            }
        }
        Ok(())
    }
}

/// What may be there already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unless {
    /// A table.
    Table(Name),
    /// A column of a table: `table.column`.
    Column(Name),
    /// An index.
    Index(Name),
    /// A constraint of a table: `table.constraint`.
    Constraint(Name),
}

impl fmt::Display for Unless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(name) => write!(f, "table {name}"),
            Self::Column(name) => write!(f, "column {name}"),
            Self::Index(name) => write!(f, "index {name}"),
            Self::Constraint(name) => write!(f, "constraint {name}"),
        }
    }
}

const KNOWN: &str = "the directives are: no-transaction, module NAME, requires NUMBER…, irreversible REASON, \
                     lock-timeout 5s, unless table|column|index|constraint NAME, squashes NUMBER, allow RULE REASON, \
                     verify";

const WORDS: &[&str] = &[
    "no-transaction",
    "module",
    "requires",
    "irreversible",
    "lock-timeout",
    "unless",
    "squashes",
    "allow",
    "verify",
];

/// Whether a line was meant to be a directive: `-- DBM: verify`, `-- dbm verify`, `SELECT 1; -- dbm: verify`.
fn looks_like_one(line: &str) -> bool {
    let comment = match line.strip_prefix("--").or_else(|| line.strip_prefix("/*")) {
        Some(comment) => comment,
        // Within a statement it may be a part of a value.
        None => {
            match line.split_once(';').map(|(_, rest)| rest.trim_start()).and_then(|it| it.strip_prefix("--"))
            {
                Some(comment) => comment,
                None => return false,
            }
        }
    };
    let comment = comment.trim_start();
    let rest = match comment.split_at_checked(3) {
        Some((name, rest)) if name.eq_ignore_ascii_case("dbm") => rest,
        _ => return false,
    };
    let word = rest.trim_start_matches([' ', '\t', ':']);
    let word = word.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-')).next();
    let parted = rest.starts_with([' ', '\t', ':']);
    let known = word.is_some_and(|word| WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)));
    parted && (known || rest.trim_start().starts_with(':'))
}

impl Directives {
    /// Reads the directives of a file's text; `path` is for messages.
    ///
    /// # Errors
    /// An unknown, malformed, doubled or misplaced directive, with its line.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let mut found = Self::default();
        let mut head = true;
        let mut in_comment = false;
        for (line, content) in text.lines().enumerate().map(|(place, content)| (place + 1, content.trim())) {
            let problem = |message: String| {
                Error::new(ErrorKind::Refused, format!("{}, line {line}: {message}", path.display()))
                    .with_hint(KNOWN.to_owned())
            };
            if in_comment {
                in_comment = !content.contains("*/");
                continue;
            }
            let directive =
                content.strip_prefix("--").map(str::trim_start).and_then(|text| text.strip_prefix("dbm:"));
            let Some(directive) = directive else {
                if looks_like_one(content) {
                    return Err(problem(
                        "a directive has a line of its own and begins with `-- dbm:`; this one would be a comment".to_owned(),
                    ));
                }
                if head && content.starts_with("/*") && !content.starts_with("/*!") {
                    in_comment = !content.contains("*/");
                } else if !content.is_empty() && !content.starts_with("--") {
                    head = false;
                }
                continue;
            };
            let directive = directive.trim();
            let (word, rest) = directive.split_once(char::is_whitespace).unwrap_or((directive, ""));
            let rest = rest.trim();
            if found.verify_line.is_some() {
                return Err(problem(format!(
                    "`-- dbm: {word}` stands after `-- dbm: verify`, which reaches to the end"
                )));
            }
            if word == "allow" {
                found.allows.push(allow(rest, line, head).map_err(problem)?);
                continue;
            }
            if word != "verify" && !head {
                return Err(problem(format!(
                    "`-- dbm: {word}` stands after the first statement; directives belong at the head of the file"
                )));
            }
            found.take(word, rest, line).map_err(problem)?;
        }
        Ok(found)
    }

    fn take(&mut self, word: &str, rest: &str, line: usize) -> Result<(), String> {
        let nothing_after = |word: &str| match rest {
            "" => Ok(()),
            _ => Err(format!("`{word}` takes nothing after it, and here is `{rest}`")),
        };
        match word {
            "no-transaction" => {
                nothing_after(word)?;
                self.no_transaction = true;
            }
            "verify" => {
                nothing_after(word)?;
                self.verify_line = Some(line);
            }
            "module" => {
                let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
                if rest.is_empty() || !rest.chars().all(fits) {
                    return Err(format!(
                        "`module` wants one name of letters, digits, `_`, `-` and `.`, not `{rest}`"
                    ));
                }
                if self.module.replace(rest.to_owned()).is_some() {
                    return Err("a second `module`; a file belongs to one".to_owned());
                }
            }
            "requires" => {
                let numbers = rest.split([' ', '\t', ',']).filter(|number| !number.is_empty());
                for number in numbers {
                    let number = number.parse().map_err(|_| {
                        format!("`requires` wants the numbers of migrations, and `{number}` is none")
                    })?;
                    self.requires.push(number);
                }
                if self.requires.is_empty() {
                    return Err("`requires` wants the number of a migration".to_owned());
                }
            }
            "irreversible" => {
                if rest.is_empty() {
                    return Err("`irreversible` wants the reason why no rollback exists".to_owned());
                }
                self.irreversible = Some(rest.to_owned());
            }
            "lock-timeout" => {
                let timeout = duration(rest).ok_or_else(|| {
                    format!("`lock-timeout` wants a time such as 500ms, 5s or 1min, not `{rest}`")
                })?;
                self.lock_timeout = Some(timeout);
            }
            "unless" => self.unless.push(unless(rest)?),
            "squashes" => {
                let number = rest.parse().map_err(|_| {
                    format!("`squashes` wants the number of the first migration that the file stands for, not `{rest}`")
                })?;
                self.squashes = Some(number);
            }
            _ => return Err(format!("there is no directive `{word}`")),
        }
        Ok(())
    }
}

fn allow(rest: &str, line: usize, whole_file: bool) -> Result<Allow, String> {
    let (rule, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if rule.is_empty() || reason.trim().is_empty() {
        return Err("`allow` wants the name of a rule and the reason why it does not count here".to_owned());
    }
    Ok(Allow { rule: rule.to_owned(), reason: reason.trim().to_owned(), line, whole_file })
}

fn unless(rest: &str) -> Result<Unless, String> {
    let (kind, name) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let parsed =
        Name::parse(name.trim()).ok_or_else(|| format!("`unless {kind}` wants a name, not `{name}`"))?;
    let of_table = |parsed: &Name| match parsed.parts.len() {
        0 | 1 => Err(format!("`unless {kind}` wants TABLE.NAME, not `{name}`")),
        _ => Ok(()),
    };
    Ok(match kind {
        "table" => Unless::Table(parsed),
        "index" => Unless::Index(parsed),
        "column" => {
            of_table(&parsed)?;
            Unless::Column(parsed)
        }
        "constraint" => {
            of_table(&parsed)?;
            Unless::Constraint(parsed)
        }
        _ => return Err(format!("`unless` knows table, column, index and constraint, not `{kind}`")),
    })
}

/// A time as directives and settings write it: `500ms`, `5s`, `2min`, `1h`; a number alone is seconds.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    match text[digits..].trim() {
        "ms" => Some(Duration::from_millis(number)),
        "s" | "" => Some(Duration::from_secs(number)),
        "min" | "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Directives> {
        Directives::parse(text, Path::new("migrations/004_orders.sql"))
    }

    #[test]
    fn all_directives() {
        let text = "-- A note.\n\n-- dbm: no-transaction\n--dbm: module hr\n/* more\n-- dbm: nonsense in a comment */\n\
                    -- dbm: requires 004 005\n-- dbm: irreversible the rows are gone\n-- dbm: lock-timeout 500ms\n\
                    -- dbm: unless column dispatch_request.priority\n-- dbm: unless table \"A \"\"b\".c\n\
                    CREATE TABLE a (b int);\n-- dbm: verify\nSELECT true;\n";
        let found = parse(text).unwrap();
        assert!(found.no_transaction);
        assert_eq!(found.module.as_deref(), Some("hr"));
        assert_eq!(found.requires, [4, 5]);
        assert_eq!(found.irreversible.as_deref(), Some("the rows are gone"));
        assert_eq!(found.lock_timeout, Some(Duration::from_millis(500)));
        let shown: Vec<String> = found.unless.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["column dispatch_request.priority", "table \"A \"\"b\".c"]);
        assert_eq!(found.verify_line, Some(13));
    }

    #[test]
    fn what_would_be_a_comment_is_no_directive_in_silence() {
        for line in [
            "-- DBM: verify",
            "-- dbm verify",
            "--dbm : verify",
            "-- Dbm:no-transaction",
            "SELECT 1; -- dbm: verify",
            "/* dbm: no-transaction */",
            "-- DBM: something",
        ] {
            let error = parse(&format!("CREATE TABLE a (b int);\n{line}\nSELECT false;")).unwrap_err();
            assert!(
                error.to_string().contains("line 2: a directive has a line of its own"),
                "{line}: {error}"
            );
            assert!(parse(line).is_err(), "{line}");
        }
        for line in
            ["-- dbm runs this", "-- dbmverify", "SELECT '-- DBM: verify'", "-- verify", "-- ", "-- dé: x"]
        {
            parse(line).unwrap();
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, message) in [
            ("-- dbm: transaction no", "line 1: there is no directive `transaction`"),
            ("\n-- dbm: no-transaction please", "line 2: `no-transaction` takes nothing"),
            ("-- dbm: requires next", "`next` is none"),
            ("-- dbm: requires", "wants the number"),
            ("-- dbm: irreversible", "wants the reason"),
            ("-- dbm: lock-timeout soon", "such as 500ms"),
            ("-- dbm: unless column priority", "TABLE.NAME"),
            ("-- dbm: unless view a", "not `view`"),
            ("-- dbm: unless table", "wants a name"),
            ("-- dbm: unless table a.", "wants a name"),
            ("-- dbm: module a b", "one name"),
            ("-- dbm: module a\n-- dbm: module b", "line 2: a second"),
            ("SELECT 1;\n-- dbm: module a", "line 2: `-- dbm: module` stands after the first statement"),
            ("-- dbm: verify\nSELECT true;\n-- dbm: verify", "line 3"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
            assert!(error.to_string().starts_with("migrations/004_orders.sql, line "), "{error}");
            assert!(error.hint().is_some());
        }
    }

    #[test]
    fn other_comments_are_left_alone() {
        assert_eq!(parse("-- dbms: yes\n-- about dbm: no\nSELECT 1;").unwrap(), Directives::default());
    }

    /// What a file may be made of, in any order.
    const PIECES: &[&str] = &[
        "-- dbm: no-transaction",
        "--dbm:verify",
        "-- dbm: module hr",
        "-- dbm: module",
        "-- dbm: requires 1 2",
        "-- dbm: requires x",
        "-- dbm: irreversible why",
        "-- dbm: lock-timeout 5s",
        "-- dbm: lock-timeout 99999999999999999999h",
        "-- dbm: unless table a.\"b",
        "-- dbm: unless column é.ü",
        "-- dbm: allow x",
        "-- DBM: verify",
        "/* dbm: x",
        "*/",
        "/*!",
        "SELECT 1;",
        "SELECT ';-- dbm: verify",
        "-- dbm:",
        "--",
        "é",
        "\u{feff}",
        "\0",
        " ",
        "\t;--",
    ];

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            cases: 500,
            failure_persistence: None,
            rng_seed: proptest::test_runner::RngSeed::Fixed(20_261_121),
            ..Default::default()
        })]

        #[test]
        fn any_text_is_read_or_refused_with_its_line(
            pieces in proptest::collection::vec((proptest::sample::select(PIECES), proptest::prelude::any::<bool>()), 0..12),
        ) {
            let text: String = pieces.iter().map(|(piece, ends)| format!("{piece}{}", if *ends { "\n" } else { " " })).collect();
            match parse(&text) {
                Ok(found) => {
                    // A line that looks like a directive is one, or stands in a comment.
                    let verify = found.verify_line.map(|line| text.lines().nth(line - 1).unwrap().trim());
                    proptest::prop_assert!(verify.is_none_or(|line| line.starts_with("--")), "{text:?}");
                }
                Err(error) => {
                    let named = error.to_string();
                    proptest::prop_assert!(named.starts_with("migrations/004_orders.sql, line "), "{named}");
                    proptest::prop_assert!(error.hint().is_some(), "{named}");
                }
            }
        }
    }
}
