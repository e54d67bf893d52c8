//! What the texts of a run touch of what was changed by hand.

use std::collections::BTreeSet;

use database::Engine;
use database::script::{self, Lexeme, LexemeKind};

use crate::compare::{Difference, Differs};
use crate::history::Fingerprint;

/// The words of a statement whose strings may be run: bodies of routines, and SQL that is put together.
const RUNS_TEXT: &[&str] = &["DO", "FUNCTION", "PROCEDURE", "EXECUTE", "PREPARE"];

/// What stands before the name of an object of its own.
const BEFORE_NAMES: &[&str] = &[
    "TABLE",
    "INTO",
    "FROM",
    "UPDATE",
    "JOIN",
    "ON",
    "ONLY",
    "REFERENCES",
    "EXISTS",
    "VIEW",
    "INDEX",
    "TRIGGER",
    "TO",
    "RENAME",
    "TRUNCATE",
    "LOCK",
    "COPY",
    "VACUUM",
    "ANALYZE",
    "CLUSTER",
    "REPLACE",
    "INSERT",
    "LIKE",
    "OF",
    "USING",
    "INHERIT",
    "PARTITION",
    "CALL",
    "FUNCTION",
    "PROCEDURE",
    "SEQUENCE",
    "DOMAIN",
];

/// Words that stand for a type, a column or an option more often than for a table of that name.
const COMMON: &[&str] = &[
    "date",
    "time",
    "timestamp",
    "datetime",
    "interval",
    "text",
    "name",
    "uuid",
    "json",
    "jsonb",
    "xml",
    "point",
    "box",
    "circle",
    "path",
    "money",
    "year",
    "bit",
    "enum",
    "type",
    "value",
    "key",
    "comment",
    "data",
    "status",
    "position",
    "language",
    "role",
    "action",
    "level",
];

/// The schemas in which it is looked for: as it was left, and as it is.
pub(super) struct Where<'f> {
    engine: Engine,
    left: &'f Fingerprint,
    now: &'f Fingerprint,
    /// Where a name without a namespace is looked for first.
    home: Option<String>,
    namespaces: BTreeSet<String>,
    /// The names of what is at home.
    at_home: BTreeSet<String>,
}

/// What the texts name.
#[derive(Default)]
struct Names {
    /// Without a namespace.
    plain: BTreeSet<String>,
    /// With one.
    qualified: BTreeSet<(String, String)>,
    /// In texts that may be run, wherever it is.
    anywhere: BTreeSet<String>,
    /// Namespaces of which all is touched.
    namespaces: BTreeSet<String>,
    /// What hangs on what is dropped is not named.
    cascades: bool,
    /// Where names are looked for is changed.
    moves: bool,
}

impl<'f> Where<'f> {
    pub(super) fn new(
        engine: Engine,
        left: &'f Fingerprint,
        now: &'f Fingerprint,
        home: Option<String>,
    ) -> Self {
        let ids = || left.ids().chain(now.ids());
        let home = home.map(|home| home.to_lowercase());
        let is_home = |namespace: &str| Some(namespace.to_lowercase()) == home;
        Self {
            engine,
            left,
            now,
            namespaces: ids().map(|id| id.namespace.to_lowercase()).filter(|name| !name.is_empty()).collect(),
            at_home: ids().filter(|id| is_home(&id.namespace)).map(|id| bare(&id.name)).collect(),
            home,
        }
    }

    /// Those of the differences whose objects, or the tables that these are of, are named in a text. What is gone with all
    /// that belongs to it is touched by nothing: a statement makes it anew, or fails for want of it.
    pub(super) fn touched(&self, differences: Vec<Difference>, texts: &[&str]) -> Vec<Difference> {
        let mut names = Names::default();
        texts.iter().for_each(|text| self.read(text, &mut names));
        differences.into_iter().filter(|one| self.touches(one, &names)).collect()
    }

    fn touches(&self, one: &Difference, names: &Names) -> bool {
        let id = &one.object;
        if one.differs == Differs::Removed && id.of.is_empty() {
            return false;
        }
        let namespace = id.namespace.to_lowercase();
        let is_named = |name: &str| {
            let name = bare(name);
            let elsewhere = !names.moves
                && self.home.as_ref().is_some_and(|home| *home != namespace)
                && self.at_home.contains(&name);
            !name.is_empty()
                && (names.anywhere.contains(&name)
                    || names.qualified.contains(&(namespace.clone(), name.clone()))
                    || names.plain.contains(&name) && !elsewhere)
        };
        // A foreign key reaches both of its tables.
        let mut refers =
            self.left.refers_beyond(self.now, id).into_iter().chain(self.now.refers_beyond(self.left, id));
        let any = |name: &str| {
            names.plain.contains(name)
                || names.anywhere.contains(name)
                || names.qualified.iter().any(|(_, named)| named == name)
        };
        names.cascades
            || is_named(&id.name)
            || is_named(&id.of)
            || names.namespaces.contains(&namespace)
            || refers.any(any)
    }

    fn read(&self, text: &str, names: &mut Names) {
        // One that cannot be cut is told when it is to be run.
        let statements = script::split(self.engine, text).unwrap_or_default();
        let cut = |text| script::lexemes(self.engine, text).unwrap_or_default();
        let prepares = |lexemes: &[Lexeme<'_>]| {
            lexemes.iter().any(|lexeme| lexeme.is("PREPARE") || lexeme.is("EXECUTE"))
        };
        // There what is prepared is put together in variables, by other statements.
        let all_strings =
            self.engine == Engine::Mysql && statements.iter().any(|statement| prepares(&cut(statement.text)));
        for statement in statements {
            self.statement(&cut(statement.text), all_strings, names);
        }
    }

    fn statement(&self, lexemes: &[Lexeme<'_>], all_strings: bool, names: &mut Names) {
        let runs = |lexeme: &Lexeme<'_>| RUNS_TEXT.iter().any(|word| lexeme.is(word));
        let all = all_strings || lexemes.iter().any(runs);
        let bodies = lexemes
            .iter()
            .filter(|lexeme| lexeme.kind == LexemeKind::Text && (all || lexeme.text.starts_with('$')));
        let mut own: BTreeSet<String> = BTreeSet::new();
        for body in bodies {
            let words = body.text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
            own.extend(words.map(str::to_lowercase));
        }
        names.anywhere.extend(own.iter().cloned());
        let mut place = 0;
        while let Some(lexeme) = lexemes.get(place) {
            let Some(name) = self.name(lexemes, place) else {
                place += 1;
                continue;
            };
            own.insert(name.clone());
            own.extend(lexeme.identifier().map(|name| name.to_lowercase()));
            let next = lexemes.get(place + 1).filter(|next| next.is_sign(b'.'));
            let of = next.and_then(|_| self.name(lexemes, place + 2));
            match of.filter(|_| self.namespaces.contains(&name)) {
                Some(of) => {
                    own.insert(of.clone());
                    names.qualified.insert((name, of));
                    place += 3;
                }
                None => {
                    if is_meant(lexemes, place) {
                        names.plain.insert(name);
                    }
                    place += 1;
                }
            }
        }
        let has = |word: &str| own.contains(word);
        // What drops a schema, or renames it, reaches all that is in it without naming it.
        if has("schema") && (has("drop") || has("alter")) {
            names.namespaces.extend(own.iter().cloned());
        }
        names.cascades |= has("cascade") && (has("drop") || has("truncate"));
        names.moves |= has("search_path");
    }

    /// The name at a place, in lower case.
    fn name(&self, lexemes: &[Lexeme<'_>], place: usize) -> Option<String> {
        let lexeme = lexemes.get(place)?;
        let before = |back: usize| place.checked_sub(back).and_then(|place| lexemes.get(place));
        if self.engine == Engine::Sqlite && lexeme.kind == LexemeKind::Text {
            // It takes a string for a name where only a name can be.
            let named = before(1).is_some_and(|word| word.is_sign(b'.') || stands_before_names(word));
            let inner = lexeme.text.strip_prefix('\'')?.strip_suffix('\'')?;
            return named.then(|| inner.replace("''", "'").to_lowercase());
        }
        let coded = lexeme.text.strip_prefix("U&\"").or_else(|| lexeme.text.strip_prefix("u&\""));
        let Some(coded) = coded.filter(|_| lexeme.kind == LexemeKind::Name) else {
            return lexeme.identifier().map(|name| name.to_lowercase());
        };
        let name = coded.strip_suffix('"').unwrap_or(coded).replace("\"\"", "\"");
        let after = lexemes.get(place + 1).filter(|word| word.is("UESCAPE"));
        let escape = after.and_then(|_| lexemes.get(place + 2)?.text.chars().nth(1));
        Some(decoded(&name, escape.unwrap_or('\\')).to_lowercase())
    }
}

/// Of a routine, its arguments are no part of the name.
fn bare(name: &str) -> String {
    name.split('(').next().unwrap_or(name).to_lowercase()
}

fn stands_before_names(lexeme: &Lexeme<'_>) -> bool {
    BEFORE_NAMES.iter().any(|word| lexeme.is(word))
}

/// Whether a word is a name where it stands, and no type or column of that name.
fn is_meant(lexemes: &[Lexeme<'_>], place: usize) -> bool {
    let lexeme = &lexemes[place];
    if lexeme.kind != LexemeKind::Word || !COMMON.contains(&lexeme.text.to_ascii_lowercase().as_str()) {
        return true;
    }
    let lists = lexemes
        .first()
        .is_some_and(|first| ["DROP", "TRUNCATE", "LOCK", "RENAME"].iter().any(|word| first.is(word)));
    let before = place.checked_sub(1).and_then(|place| lexemes.get(place));
    lexemes.get(place + 1).is_some_and(|next| next.is_sign(b'.'))
        || before.is_some_and(|before| {
            stands_before_names(before)
                || before.is_sign(b'.')
                || before.is_sign(b',') && lists
                || before.is("TYPE") && place == 2
        })
}

/// What a name says that is written with the numbers of its letters: `d\0061t`, `d\+000061t`.
fn decoded(name: &str, escape: char) -> String {
    let mut text = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once(escape) {
        text.push_str(before);
        let (digits, length) =
            if after.starts_with('+') { (after.get(1..7), 7) } else { (after.get(..4), 4) };
        let letter = digits.and_then(|digits| char::from_u32(u32::from_str_radix(digits, 16).ok()?));
        match letter {
            Some(letter) => {
                text.push(letter);
                rest = &after[length..];
            }
            None => {
                text.push(escape);
                rest = after.strip_prefix(escape).unwrap_or(after);
            }
        }
    }
    text + rest
}

#[cfg(test)]
#[path = "touched_tests.rs"]
mod tests;
