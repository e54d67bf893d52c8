//! What the texts of a run touch of what was changed by hand.

use std::collections::{BTreeMap, BTreeSet};

use database::script::{self, Lexeme, LexemeKind};
use database::{Engine, Kind, ObjectId};

use crate::compare::{Difference, Differs};
use crate::history::{Fingerprint, Refers, is_code};

/// The words of a statement whose strings may be run: bodies of routines, and SQL that is put together.
const RUNS_TEXT: &[&str] = &["DO", "FUNCTION", "PROCEDURE", "EXECUTE", "PREPARE"];

/// What stands before the name of a table, a view, an index or the like: without one of them, a word is a column, a type or
/// an option of that name.
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
    "IGNORE",
    "LIKE",
    "OF",
    "USING",
    "INHERIT",
    "PARTITION",
    "CONCURRENTLY",
    "SEQUENCE",
    "PUBLICATION",
];

/// Behind these, names stand in a list with commas.
const BEFORE_LISTS: &[&str] = &["FROM", "UPDATE", "USING"];

/// Here such a list ends.
const AFTER_LISTS: &[&str] =
    &["WHERE", "SET", "GROUP", "ORDER", "HAVING", "SELECT", "VALUES", "LIMIT", "RETURNING"];

/// The schemas in which it is looked for: as it was left, and as it is.
pub(super) struct Where<'f> {
    engine: Engine,
    left: BTreeMap<&'f ObjectId, Refers<'f>>,
    now: BTreeMap<&'f ObjectId, Refers<'f>>,
    /// Where a name without a namespace is looked for first.
    home: Option<String>,
    namespaces: BTreeSet<String>,
    /// The names of what is at home.
    at_home: BTreeSet<String>,
    /// What is there and is a part of nothing.
    whole: BTreeSet<(&'f str, &'f str)>,
}

/// What the texts name.
#[derive(Default)]
struct Names {
    /// Without a namespace, wherever it stands.
    said: BTreeSet<String>,
    /// Those of them that stand where a table does.
    meant: BTreeSet<String>,
    /// With a namespace.
    qualified: BTreeSet<(String, String)>,
    /// In texts that may be run and are put together of such pieces.
    anywhere: BTreeSet<String>,
    /// In statements that take rows, columns or the whole away.
    taken: BTreeSet<String>,
    /// Namespaces of which all is touched.
    namespaces: BTreeSet<String>,
    cascades: Cascade,
    /// Where names are looked for is changed.
    moves: bool,
}

/// How much is dropped that is not named.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Cascade {
    #[default]
    Nothing,
    /// What hangs on a table: views, routines, foreign keys.
    Hanging,
    /// Columns and tables too.
    All,
}

impl<'f> Where<'f> {
    pub(super) fn new(
        engine: Engine,
        left: &'f Fingerprint,
        now: &'f Fingerprint,
        home: Option<String>,
    ) -> Self {
        let (left, now) = (left.refers(), now.refers());
        let ids = || left.keys().chain(now.keys());
        let home = home.map(|home| home.to_lowercase());
        let is_home = |namespace: &str| Some(namespace.to_lowercase()) == home;
        Self {
            engine,
            namespaces: ids().map(|id| id.namespace.to_lowercase()).filter(|name| !name.is_empty()).collect(),
            at_home: ids().filter(|id| is_home(&id.namespace)).map(|id| bare(&id.name)).collect(),
            whole: now.keys().filter(|id| id.of.is_empty()).map(|id| (&*id.namespace, &*id.name)).collect(),
            home,
            left,
            now,
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
        let gone_whole = id.of.is_empty() || !self.whole.contains(&(&*id.namespace, &*id.of));
        if one.differs == Differs::Removed && gone_whole {
            return false;
        }
        let namespace = id.namespace.to_lowercase();
        let is_named = |name: &str, plain: &BTreeSet<String>| {
            let name = bare(name);
            let elsewhere = !names.moves
                && self.home.as_ref().is_some_and(|home| *home != namespace)
                && self.at_home.contains(&name);
            !name.is_empty()
                && (names.anywhere.contains(&name)
                    || names.qualified.contains(&(namespace.clone(), name.clone()))
                    || plain.contains(&name) && !elsewhere)
        };
        let own = if is_said_anywhere(id.kind) { &names.said } else { &names.meant };
        if is_named(&id.name, own) {
            return true;
        }
        if stands_beside(id.kind) {
            return false;
        }
        let is_hanging = is_code(id.kind) || matches!(id.kind, Kind::ForeignKey | Kind::Policy);
        names.cascades == Cascade::All
            || names.cascades == Cascade::Hanging && is_hanging
            || is_named(&id.of, &names.meant)
            || names.namespaces.contains(&namespace)
            || self.is_referred(id, &names.taken)
    }

    /// Whether rows of one of the tables are taken away that foreign keys of an object are of, as far as they were not or
    /// are not there.
    fn is_referred(&self, id: &ObjectId, taken: &BTreeSet<String>) -> bool {
        let of = |all: &BTreeMap<&ObjectId, Refers<'f>>| all.get(id).copied().unwrap_or_default();
        let (then, is) = (of(&self.left), of(&self.now));
        let beyond = |one: &&(String, String)| !then.contains(one) || !is.contains(one);
        then.iter().chain(is).filter(beyond).any(|(table, _)| taken.contains(table))
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
        for body in lexemes.iter().filter(|lexeme| lexeme.kind == LexemeKind::Text) {
            let inner = match body.text.strip_prefix('$').and_then(|rest| rest.split_once('$')) {
                Some((tag, rest)) => rest.strip_suffix(&format!("${tag}$")),
                None => all.then(|| body.text.trim_matches('\'')),
            };
            if let Some(inner) = inner {
                self.text(inner, names);
            }
        }
        let mut words = Vec::new();
        let is_first =
            |words: &[&str]| lexemes.first().is_some_and(|first| words.iter().any(|word| first.is(word)));
        let lists = is_first(&["DROP", "TRUNCATE", "LOCK", "RENAME"]);
        let (mut in_list, mut place) = (lists, 0);
        while let Some(lexeme) = lexemes.get(place) {
            if BEFORE_LISTS.iter().any(|word| lexeme.is(word)) {
                in_list = true;
            } else if AFTER_LISTS.iter().any(|word| lexeme.is(word)) {
                in_list = false;
            }
            let Some(name) = self.name(lexemes, place) else {
                place += 1;
                continue;
            };
            words.push(name.clone());
            let next = lexemes.get(place + 1).filter(|next| next.is_sign(b'.'));
            let of = next.and_then(|_| self.name(lexemes, place + 2));
            match of.filter(|_| self.namespaces.contains(&name)) {
                Some(of) => {
                    words.push(of.clone());
                    names.qualified.insert((name, of));
                    place += 3;
                }
                None => {
                    if is_meant(lexemes, place, in_list) {
                        names.meant.insert(name.clone());
                    }
                    names.said.insert(name);
                    place += 1;
                }
            }
        }
        reach(&words, names);
    }

    /// A text that may be run: statements, or a piece of which one is put together.
    fn text(&self, text: &str, names: &mut Names) {
        let words = text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
        let words: Vec<String> = words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
        match script::lexemes(self.engine, text) {
            // A name, with a namespace or without.
            Ok(lexemes) if lexemes.len() > 3 => self.statement(&lexemes, true, names),
            _ => {
                reach(&words, names);
                names.anywhere.extend(words);
            }
        }
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

/// What a statement of these words reaches besides what it names.
fn reach(words: &[String], names: &mut Names) {
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let has = |one: &str| words.iter().any(|word| word == one);
    let follows =
        |one: &str, other: &str| (1..words.len()).any(|at| word(at - 1) == one && word(at) == other);
    // `ON DELETE CASCADE` and its like are what a foreign key does, and nothing that happens now.
    let does = |one: &str| (0..words.len()).any(|at| word(at) == one && (at == 0 || word(at - 1) != "on"));
    let is_cascade = |at: usize| {
        word(at) == "cascade"
            && !(at > 1 && word(at - 2) == "on" && ["delete", "update"].contains(&word(at - 1)))
    };
    if (has("drop") || has("truncate")) && (0..words.len()).any(is_cascade) {
        let wide =
            ["type", "domain", "extension", "schema", "owned"].iter().any(|kind| follows("drop", kind));
        names.cascades = names.cascades.max(if wide { Cascade::All } else { Cascade::Hanging });
    }
    // It reaches all that is in it without naming it.
    if follows("drop", "schema") || follows("alter", "schema") && has("rename") {
        names.namespaces.extend(words.iter().cloned());
    }
    if ["drop", "truncate", "delete", "update", "type", "modify", "change", "rename"]
        .iter()
        .any(|word| does(word))
    {
        names.taken.extend(words.iter().cloned());
    }
    names.moves |= has("search_path");
}

/// Whether a name of such an object may stand anywhere: of a type, of what is called.
fn is_said_anywhere(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Enum
            | Kind::Domain
            | Kind::CompositeType
            | Kind::RangeType
            | Kind::BaseType
            | Kind::ShellType
            | Kind::Collation
            | Kind::Function
            | Kind::Procedure
            | Kind::Aggregate
            | Kind::Package
            | Kind::PackageBody
    )
}

/// Whether such an object is no part of the tables that it is about: who publishes them, and what only applications make.
fn stands_beside(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::LargeObject
            | Kind::Publication
            | Kind::PublicationTable
            | Kind::PublicationNamespace
            | Kind::Subscription
            | Kind::Attach
    )
}

/// Of a routine, its arguments are no part of the name.
fn bare(name: &str) -> String {
    name.split('(').next().unwrap_or(name).to_lowercase()
}

fn stands_before_names(lexeme: &Lexeme<'_>) -> bool {
    BEFORE_NAMES.iter().any(|word| lexeme.is(word))
}

/// Whether a name stands where that of a table does.
fn is_meant(lexemes: &[Lexeme<'_>], place: usize, in_list: bool) -> bool {
    let before = |back: usize| place.checked_sub(back).and_then(|place| lexemes.get(place));
    let Some(last) = before(1) else { return false };
    if last.is_sign(b'.') {
        // What stands before the dot is no namespace of this database's: another database, or a table.
        return place > 1 && is_meant(lexemes, place - 2, in_list);
    }
    lexemes.get(place + 1).is_some_and(|next| next.is_sign(b'.'))
        || stands_before_names(last)
        || last.is_sign(b',') && in_list
        || last.is_sign(b'(') && before(2).is_some_and(|word| word.is("FROM") || word.is("JOIN"))
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
