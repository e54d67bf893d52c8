//! What a script makes of `sql_mode`, as far as it is to be seen from its text.

use std::collections::HashMap;

use super::mysql::{Lexer, Quoting};
use super::token::{Kind, Lexeme};

/// The bit of `ANSI_QUOTES`, and that of `NO_BACKSLASH_ESCAPES`, where a mode is given as a number.
const BITS: [u64; 2] = [1 << 2, 1 << 20];

/// How strings and names are read at a place of a script.
#[derive(Clone, Debug)]
pub(super) struct Modes {
    pub(super) now: Quoting,
    /// Whether the text says that it is so.
    pub(super) known: bool,
    /// What the script has kept in variables, such as `@old`.
    pub(super) kept: HashMap<String, Quoting>,
}

impl Default for Modes {
    /// As it is at the start of a script.
    fn default() -> Self {
        Self { now: Quoting::default(), known: true, kept: HashMap::new() }
    }
}

impl Modes {
    /// Follows a statement. Where what it makes of `sql_mode` is not to be seen, that is not known any more.
    pub(super) fn follow(&mut self, statement: &str) {
        let Ok(lexemes) = Lexer::lexemes(statement, self.now) else { return };
        // `SET STATEMENT … FOR …` is for that statement alone, which is read before.
        if !lexemes.first().is_some_and(|first| first.is("SET"))
            || lexemes.get(1).is_some_and(|second| second.is("STATEMENT"))
        {
            return self.follow_other(&lexemes);
        }
        let assigned = assignments(&lexemes[1..]).into_iter().filter_map(|assignment| {
            let at = assignment.iter().position(|lexeme| lexeme.is_sign(b'='))?;
            let colon = usize::from(at > 0 && assignment[at - 1].is_sign(b':'));
            let value = Value { lexemes: &assignment[at + 1..], at: 0, modes: self }.whole();
            Some((target(&assignment[..at - colon]), value))
        });
        let assigned: Vec<_> = assigned.collect();
        // Within a value, or by a name that is quoted.
        for variable in variables(&lexemes).filter(|variable| variable.quoted || variable.written) {
            self.kept.remove(&variable.name);
        }
        for (target, value) in assigned {
            match (target, value) {
                (Target::Mode, value) => {
                    self.known = value.is_some();
                    self.now = value.unwrap_or(self.now);
                }
                (Target::Kept(name), Some(quoting)) => drop(self.kept.insert(name, quoting)),
                (Target::Kept(name), None) => drop(self.kept.remove(&name)),
                (Target::Other, _) => {}
            }
        }
    }

    /// What no `SET` says is not followed, but for `SELECT @@sql_mode INTO @old`: what a statement names may have been changed.
    fn follow_other(&mut self, lexemes: &[Lexeme<'_>]) {
        if self.kept.is_empty() && !lexemes.first().is_some_and(|first| first.is("SELECT")) {
            return;
        }
        let into = match lexemes {
            [select, value @ .., into, name] if select.is("SELECT") && into.is("INTO") => {
                let mut value = Value { lexemes: value, at: 0, modes: self };
                // What is quoted there is a column.
                let plain = value.lexemes.iter().all(|lexeme| lexeme.kind != Kind::Name);
                kept(name).zip(value.one().filter(|_| plain && value.at == value.lexemes.len()))
            }
            _ => None,
        };
        for variable in variables(lexemes) {
            self.kept.remove(&variable.name);
        }
        self.kept.extend(into);
    }

    fn current(&self) -> Option<Quoting> {
        self.known.then_some(self.now)
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

/// A user's variable where it stands in a statement.
struct Variable {
    name: String,
    /// As in @`name`.
    quoted: bool,
    /// `:=` follows.
    written: bool,
}

fn variables<'a>(lexemes: &'a [Lexeme<'_>]) -> impl Iterator<Item = Variable> + 'a {
    lexemes.iter().enumerate().filter_map(|(at, lexeme)| {
        let next = |places: usize| lexemes.get(at + places);
        if let Some(name) = kept(lexeme) {
            let written = next(1).is_some_and(|colon| colon.is_sign(b':'));
            return Some(Variable { name, quoted: false, written });
        }
        let name =
            next(1).filter(|name| lexeme.text == "@" && matches!(name.kind, Kind::Name | Kind::Text))?;
        let plain = name.text.trim_matches(['`', '\'', '"']).to_lowercase();
        Some(Variable { name: format!("@{plain}"), quoted: true, written: false })
    })
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
            Kind::Word if lexeme.text.eq_ignore_ascii_case("@@sql_mode") => self.modes.current(),
            Kind::Word if lexeme.text.starts_with("@@") => {
                self.sign(b'.')?;
                let name = self.next()?.text.trim_matches('`').to_ascii_lowercase();
                match (lexeme.text.to_ascii_lowercase().as_str(), name.as_str()) {
                    ("@@session" | "@@local", "sql_mode") => self.modes.current(),
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
            statements.iter().for_each(|statement| modes.follow(statement));
            modes.current()
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
        for (otherwise, expected) in [
            ("SELECT @old", None),
            ("SELECT 'NO_BACKSLASH_ESCAPES' INTO @OLD", Some(raw)),
            ("SELECT @@sql_mode INTO @old", Some(plain)),
            ("SELECT m INTO @old FROM t", None),
            ("SELECT m INTO @old", None),
            ("SELECT 1 INTO @other", Some(ansi)),
            ("SELECT @old := m FROM t", None),
            ("SET @x = (SELECT @old := m FROM t)", None),
            ("SET @x = @old", Some(ansi)),
            ("SET @`OLD` = 'x'", None),
            ("CALL p(@'old')", None),
            ("INSERT INTO t VALUES ('@old')", Some(ansi)),
        ] {
            let found = after(&["SET @old = 'ANSI', sql_mode = ''", otherwise, "SET sql_mode = @old"]);
            assert_eq!(found, expected, "{otherwise}");
        }
        let unknown = "SET sql_mode = f()";
        assert_eq!(after(&[unknown, "SET @old = @@sql_mode", "SET sql_mode = @old"]), None);
        assert_eq!(after(&[unknown, "SET sql_mode = CONCAT(@@sql_mode, ',ANSI')"]), None);
        assert_eq!(after(&[unknown, "SET sql_mode = 'ANSI'"]), Some(ansi));
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
