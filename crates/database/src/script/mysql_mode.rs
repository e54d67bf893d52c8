//! What a script makes of `sql_mode`, as far as it is to be seen from its text.

use std::collections::HashMap;

use super::mysql::{Lexer, Quoting};
use super::token::{Kind, Lexeme};

/// The bit of `ANSI_QUOTES`, and that of `NO_BACKSLASH_ESCAPES`, where a mode is given as a number.
const BITS: [u64; 2] = [1 << 2, 1 << 20];

/// How strings and names are read at a place of a script.
#[derive(Clone, Debug, Default)]
pub(super) struct Modes {
    pub(super) now: Quoting,
    /// What the script has kept in variables, such as `@old`.
    pub(super) kept: HashMap<String, Quoting>,
}

impl Modes {
    /// Follows a statement; false where what it makes of `sql_mode` is not to be seen.
    pub(super) fn follow(&mut self, statement: &str) -> bool {
        let Ok(lexemes) = Lexer::lexemes(statement, self.now) else { return true };
        // `SET STATEMENT … FOR …` is for that statement alone, which is read before.
        if !lexemes.first().is_some_and(|first| first.is("SET"))
            || lexemes.get(1).is_some_and(|second| second.is("STATEMENT"))
        {
            return true;
        }
        let before = self.clone();
        let mut seen = true;
        for assignment in assignments(&lexemes[1..]) {
            let Some(at) = assignment.iter().position(|lexeme| lexeme.is_sign(b'=')) else { continue };
            let colon = usize::from(at > 0 && assignment[at - 1].is_sign(b':'));
            let value = Value { lexemes: &assignment[at + 1..], at: 0, modes: &before }.whole();
            match (target(&assignment[..at - colon]), value) {
                (Target::Mode, Some(quoting)) => self.now = quoting,
                (Target::Mode, None) => seen = false,
                (Target::Kept(name), Some(quoting)) => drop(self.kept.insert(name, quoting)),
                (Target::Kept(name), None) => drop(self.kept.remove(&name)),
                (Target::Other, _) => {}
            }
        }
        seen
    }
}

/// The parts between commas that are in no parentheses.
fn assignments<'a, 'l>(lexemes: &'a [Lexeme<'l>]) -> Vec<&'a [Lexeme<'l>]> {
    let mut depth = 0_usize;
    let parts = lexemes.split(|lexeme| {
        match lexeme.kind {
            Kind::Sign(b'(') => depth += 1,
            Kind::Sign(b')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && lexeme.is_sign(b',')
    });
    parts.collect()
}

enum Target {
    Mode,
    Kept(String),
    Other,
}

/// What stands before `=`.
fn target(lexemes: &[Lexeme<'_>]) -> Target {
    let Some((name, scope)) = lexemes.split_last() else { return Target::Other };
    let others = ["GLOBAL", "PERSIST", "PERSIST_ONLY", "@@GLOBAL", "@@PERSIST", "@@PERSIST_ONLY"];
    if scope.iter().any(|lexeme| others.iter().any(|other| lexeme.is(other))) {
        return Target::Other;
    }
    let plain = name.text.strip_prefix("@@").unwrap_or(name.text).trim_matches('`');
    if name.kind != Kind::Text && plain.eq_ignore_ascii_case("sql_mode") {
        return Target::Mode;
    }
    match kept(name) {
        Some(name) if scope.is_empty() => Target::Kept(name),
        _ => Target::Other,
    }
}

/// The name of a user's variable, whose case does not matter.
fn kept(lexeme: &Lexeme<'_>) -> Option<String> {
    let is = lexeme.kind == Kind::Word && lexeme.text.starts_with('@') && !lexeme.text.starts_with("@@");
    (is && lexeme.text.len() > 1).then(|| lexeme.text.to_lowercase())
}

/// An expression whose value is a mode.
struct Value<'a, 'l> {
    lexemes: &'a [Lexeme<'l>],
    at: usize,
    modes: &'a Modes,
}

impl<'a, 'l> Value<'a, 'l> {
    fn whole(mut self) -> Option<Quoting> {
        // A mode's name needs no quotes.
        if let [only] = self.lexemes
            && only.kind == Kind::Word
            && !only.text.starts_with('@')
        {
            return Some(Quoting::of(only.text));
        }
        let value = self.one()?;
        (self.at == self.lexemes.len()).then_some(value)
    }

    fn next(&mut self) -> Option<&'a Lexeme<'l>> {
        let lexeme = self.lexemes.get(self.at)?;
        self.at += 1;
        Some(lexeme)
    }

    fn sign(&mut self, sign: u8) -> Option<()> {
        self.next().filter(|lexeme| lexeme.is_sign(sign)).map(|_| ())
    }

    fn follows(&mut self, sign: u8) -> bool {
        let follows = self.lexemes.get(self.at).is_some_and(|lexeme| lexeme.is_sign(sign));
        self.at += usize::from(follows);
        follows
    }

    fn one(&mut self) -> Option<Quoting> {
        let lexeme = self.next()?;
        match lexeme.kind {
            Kind::Text | Kind::Name => Some(Quoting::of(lexeme.text)),
            Kind::Number => {
                let bits: u64 = lexeme.text.parse().ok()?;
                let [ansi, no_escapes] = BITS.map(|bit| bits & bit != 0);
                Some(Quoting { no_escapes, ansi })
            }
            Kind::Sign(b'(') => {
                // `(SELECT …)` of no table.
                self.at += usize::from(self.lexemes.get(self.at).is_some_and(|lexeme| lexeme.is("SELECT")));
                let value = self.one()?;
                self.sign(b')').map(|()| value)
            }
            Kind::Word if lexeme.text.eq_ignore_ascii_case("@@sql_mode") => Some(self.modes.now),
            Kind::Word if lexeme.text.starts_with("@@") => {
                self.sign(b'.')?;
                let name = self.next()?.text.trim_matches('`').to_ascii_lowercase();
                match (lexeme.text.to_ascii_lowercase().as_str(), name.as_str()) {
                    ("@@session" | "@@local", "sql_mode") => Some(self.modes.now),
                    // Taken for the usual one, as at the start.
                    ("@@global", "sql_mode") => Some(Quoting::default()),
                    _ => None,
                }
            }
            Kind::Word if lexeme.is("CONCAT") => {
                self.sign(b'(')?;
                let mut joined = self.one()?;
                while self.follows(b',') {
                    joined = joined.with(self.one()?);
                }
                self.sign(b')').map(|()| joined)
            }
            Kind::Word if lexeme.is("REPLACE") => {
                self.sign(b'(')?;
                let from = self.one()?;
                self.sign(b',')?;
                let out = self.one()?;
                self.sign(b',')?;
                let with = self.one()?;
                self.sign(b')').map(|()| from.without(out).with(with))
            }
            // How a string is encoded.
            Kind::Word if lexeme.text.starts_with('_') => {
                self.next().filter(|text| text.kind == Kind::Text).map(|text| Quoting::of(text.text))
            }
            Kind::Word => self.modes.kept.get(&kept(lexeme)?).copied(),
            Kind::Sign(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_of_a_mode() {
        let (plain, ansi) = (Quoting::default(), Quoting { ansi: true, no_escapes: false });
        let (raw, both) =
            (Quoting { ansi: false, no_escapes: true }, Quoting { ansi: true, no_escapes: true });
        let after = |statements: &[&str]| -> Option<Quoting> {
            let mut modes = Modes::default();
            statements.iter().all(|statement| modes.follow(statement)).then_some(modes.now)
        };
        for (value, expected) in [
            ("''", Some(plain)),
            ("ANSI", Some(ansi)),
            ("'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES'", Some(raw)),
            ("DEFAULT", Some(plain)),
            ("1048580", Some(both)),
            ("CONCAT(REPLACE(@@sql_mode, 'X', ''), ',ANSI_QUOTES')", Some(ansi)),
            (
                "REPLACE(CONCAT(@@sql_mode, ',ANSI_QUOTES,', _utf8mb4'NO_BACKSLASH_ESCAPES'), 'ANSI_QUOTES', '')",
                Some(raw),
            ),
            ("(SELECT CONCAT('ANSI_QUOTES,', @@session.sql_mode))", Some(ansi)),
            ("@@global.sql_mode", Some(plain)),
            ("@other", None),
            ("(SELECT m FROM t)", None),
            ("CONCAT(@@sql_mode, @other)", None),
            ("IF(1, 'ANSI', '')", None),
        ] {
            assert_eq!(
                after(&[&format!("SET SESSION sql_mode := {value}, @x = 'ANSI'")]),
                expected,
                "{value}"
            );
        }
        let kept = ["SET @Old = @@sql_mode, sql_mode = 'ANSI'", "SET @new = @@sql_mode"];
        assert_eq!(after(&[&kept[..], &["SET sql_mode = @old"]].concat()), Some(plain));
        assert_eq!(after(&[&kept[..], &["SET sql_mode = ''", "SET @@sql_mode = @NEW"]].concat()), Some(ansi));
        assert_eq!(after(&["SET @old = @@sql_mode", "SET @old = f()", "SET sql_mode = @old"]), None);
        for other in [
            "SET GLOBAL sql_mode = 'ANSI'",
            "SET @@global.sql_mode = f()",
            "SET @sql_mode = 'ANSI'",
            "SET STATEMENT sql_mode = 'ANSI' FOR SELECT 1",
            "SELECT 1",
        ] {
            assert_eq!(after(&[other]), Some(plain), "{other}");
        }
    }
}
