//! Statements that others hide: in a block, in a string that they run, behind a clause, or in a routine that the script makes
//! and calls.
//!
//! What is put together from variables and rows, and what routines do that were there before, is not to be seen in a text.

mod block;
mod strings;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use self::block::{MYSQL, POSTGRES, Words, body, cut};
use self::strings::Piece;
use super::token::{Kind, Lexeme, begins, closing, holds};
use super::{Statement, lexemes};
use crate::Engine;

pub use self::block::is_block;

/// A statement that another one hides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden<'a> {
    /// Its text, with `p_` for what is not to be seen of it.
    pub text: Cow<'a, str>,
    /// The place of the statement that runs it, in the list of the script's.
    pub within: usize,
    /// Where it begins in the script, in bytes; of one in a string with escapes, where the string does.
    pub offset: usize,
}

/// Strings in strings deeper than this nobody writes.
const DEEPEST: usize = 8;

/// The statements that those of a script hide, without those themselves.
pub fn hidden<'a>(engine: Engine, statements: &[Statement<'a>]) -> Vec<Hidden<'a>> {
    let words = match engine {
        Engine::Mysql => &MYSQL,
        Engine::Postgres => &POSTGRES,
        Engine::Sqlite => return Vec::new(),
    };
    let mut reader = Reader {
        engine,
        words,
        within: 0,
        found: Vec::new(),
        called: Vec::new(),
        variables: Variables::default(),
    };
    let mut routines: BTreeMap<Callee, Vec<(usize, usize)>> = BTreeMap::new();
    // Each with the first statement that calls it.
    let mut called = BTreeMap::new();
    for (place, statement) in statements.iter().enumerate() {
        // One after the other: a script may be of many rows.
        let Ok(lexemes) = lexemes(engine, statement.text) else { continue };
        reader.within = place;
        reader.look_into(&Piece::of(statement), &lexemes, 0);
        if let Some((name, end)) = routine(&lexemes) {
            routines.entry(name).or_default().push((place, end));
        }
        for name in calls(&lexemes) {
            called.entry(name).or_insert(place);
        }
    }
    let mut read = 0;
    loop {
        for (name, caller) in std::mem::take(&mut called) {
            for (place, end) in routines.remove(&name).unwrap_or_default() {
                reader.within = caller;
                reader.look_into_routine(&Piece::of(&statements[place]), end);
            }
        }
        reader.look_into_kept();
        // What is hidden calls others.
        for hidden in &reader.found[read..] {
            let lexemes = lexemes(engine, &hidden.text).unwrap_or_default();
            for name in calls(&lexemes) {
                called.entry(name).or_insert(hidden.within);
            }
        }
        for (name, caller) in reader.called.drain(..) {
            called.entry(name).or_insert(caller);
        }
        read = reader.found.len();
        if called.is_empty() {
            return reader.found;
        }
    }
}

/// What is called: a procedure by `CALL` alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Callee {
    Procedure(String),
    Function(String),
}

/// Whether a statement only names the routines in it: what they do, others do later.
fn defines(lexemes: &[Lexeme<'_>]) -> bool {
    let first = |words: &[&str]| lexemes.first().is_some_and(|first| words.iter().any(|word| first.is(word)));
    let fills =
        holds(lexemes, &["SELECT"]) && (holds(lexemes, &["TABLE"]) || holds(lexemes, &["MATERIALIZED"]));
    let kinds = ["FUNCTION", "PROCEDURE", "TRIGGER", "EVENT", "PACKAGE", "RULE"];
    let makes = lexemes.iter().take(8).any(|word| kinds.iter().any(|kind| word.is(kind)));
    first(&["CREATE"]) && (makes || !fills)
        || first(&["ALTER", "COMMENT", "DROP", "GRANT", "REVOKE", "SECURITY"])
}

/// What a statement calls, by folded names.
fn calls<'l>(lexemes: &'l [Lexeme<'_>]) -> impl Iterator<Item = Callee> + 'l {
    let names = if defines(lexemes) { &[] } else { lexemes };
    names.iter().enumerate().filter_map(move |(place, lexeme)| {
        let follows = |sign| lexemes.get(place + 1).is_some_and(|next| next.is_sign(sign));
        // What stands before the name and what qualifies it.
        let first =
            place - 2 * lexemes[..place].rchunks_exact(2).take_while(|pair| pair[1].is_sign(b'.')).count();
        let before = |words: &[&str]| first > 0 && words.iter().any(|word| lexemes[first - 1].is(word));
        let name = || lexeme.identifier().map(|name| name.to_lowercase());
        if before(&["CALL"]) && !follows(b'.') {
            return name().map(Callee::Procedure);
        }
        // A table with its columns.
        let is_table = before(&["INTO", "TABLE", "REFERENCES"]);
        if follows(b'(') && !is_table { name().map(Callee::Function) } else { None }
    })
}

/// The routine that a statement makes, and the place after its parameters.
fn routine(lexemes: &[Lexeme<'_>]) -> Option<(Callee, usize)> {
    if !begins(lexemes, &["CREATE"]) {
        return None;
    }
    // OR REPLACE, a DEFINER of several words, AGGREGATE.
    let kind = lexemes.iter().take(12).position(|word| word.is("FUNCTION") || word.is("PROCEDURE"))?;
    let open = kind + lexemes[kind..].iter().position(|lexeme| lexeme.is_sign(b'('))?;
    let name = lexemes[open - 1].identifier()?.to_lowercase();
    let callee = if lexemes[kind].is("PROCEDURE") { Callee::Procedure(name) } else { Callee::Function(name) };
    Some((callee, closing(lexemes, open) + 1))
}

struct Reader<'w, 'a> {
    engine: Engine,
    words: &'w Words,
    within: usize,
    found: Vec<Hidden<'a>>,
    /// What blocks call, with the place of the statement that they are in.
    called: Vec<(Callee, usize)>,
    variables: Variables<'a>,
}

/// What is known of variables; their names are folded.
#[derive(Default)]
struct Variables<'a> {
    /// What gives one its value, with the place of the statement that it is in; nothing where that was looked into.
    kept: Vec<Option<(Piece<'a>, usize)>>,
    /// The places among those, by the names in them.
    by_name: BTreeMap<String, Vec<usize>>,
    /// Those whose text is run.
    run: BTreeSet<String>,
    /// The places of what gives these their text, to be looked into.
    waiting: BTreeSet<usize>,
}

impl<'a> Variables<'a> {
    fn keep(&mut self, piece: Piece<'a>, within: usize, lexemes: &[Lexeme<'_>]) {
        let place = self.kept.len();
        self.kept.push(Some((piece, within)));
        for name in names(lexemes) {
            if self.run.contains(&name) {
                self.waiting.insert(place);
            } else {
                self.by_name.entry(name).or_default().push(place);
            }
        }
    }

    fn run(&mut self, lexemes: &[Lexeme<'_>]) {
        for name in names(lexemes) {
            self.waiting.extend(self.by_name.remove(&name).unwrap_or_default());
            self.run.insert(name);
        }
    }
}

impl<'a> Reader<'_, 'a> {
    fn look_into(&mut self, piece: &Piece<'a>, lexemes: &[Lexeme<'_>], depth: usize) {
        let inner = match self.engine {
            _ if depth > DEEPEST => return,
            Engine::Postgres => self.inner_of_postgres(piece, lexemes, depth),
            _ if keeps_text(lexemes) => {
                if let Some(piece) = piece.from(lexemes) {
                    self.variables.keep(piece, self.within, lexemes);
                }
                return;
            }
            _ => {
                if begins(lexemes, &["PREPARE"]) || begins(lexemes, &["EXECUTE", "IMMEDIATE"]) {
                    self.variables.run(lexemes);
                }
                self.inner_of_mysql(piece, lexemes)
            }
        };
        self.keep(inner, depth);
    }

    /// The texts of variables that are run, and of those that these are made of.
    fn look_into_kept(&mut self) {
        while let Some(place) = self.variables.waiting.pop_first() {
            let Some((piece, within)) = self.variables.kept[place].take() else { continue };
            let Ok(lexemes) = lexemes(self.engine, &piece.text) else { continue };
            self.within = within;
            self.variables.run(&lexemes);
            let inner = self.statements_in_strings(&piece, &lexemes);
            self.keep(inner, 0);
        }
    }

    fn keep(&mut self, pieces: Vec<Piece<'a>>, depth: usize) {
        for piece in pieces {
            self.found.push(Hidden { text: piece.text.clone(), within: self.within, offset: piece.offset });
            let Ok(lexemes) = lexemes(self.engine, &piece.text) else { continue };
            self.look_into(&piece, &lexemes, depth + 1);
        }
    }

    fn look_into_routine(&mut self, piece: &Piece<'a>, end: usize) {
        let Ok(lexemes) = lexemes(self.engine, &piece.text) else { return };
        let rest = lexemes.get(end..).unwrap_or_default();
        let mut inner = Vec::new();
        if self.engine == Engine::Postgres {
            inner.extend(self.bodies(piece, rest));
        }
        // Where the body is a string, this is what stands beside it, such as SET.
        if self.engine != Engine::Postgres || holds(rest, &["BEGIN", "ATOMIC"]) {
            inner.extend(self.cut(piece, rest, body(self.words, rest)));
        }
        self.keep(inner, 0);
    }

    fn inner_of_mysql(&mut self, piece: &Piece<'a>, lexemes: &[Lexeme<'_>]) -> Vec<Piece<'a>> {
        let starts = |words: &[&str]| begins(lexemes, words);
        let plain = without_settings(lexemes);
        if plain.len() < lexemes.len() {
            return piece.from(plain).into_iter().collect();
        }
        let explains = ["EXPLAIN", "DESCRIBE", "DESC"].iter().any(|word| starts(&[word, "ANALYZE"]));
        if starts(&["ANALYZE"]) || explains {
            // ANALYZE TABLE hides nothing.
            let verbs = ["DELETE", "INSERT", "REPLACE", "SELECT", "UPDATE", "WITH"];
            let inner = lexemes.iter().take(6).position(|word| verbs.iter().any(|verb| word.is(verb)));
            return inner.and_then(|inner| piece.from(&lexemes[inner..])).into_iter().collect();
        }
        if is_block(lexemes) {
            return self.cut(piece, lexemes, 0);
        }
        if starts(&["PREPARE"]) || starts(&["EXECUTE", "IMMEDIATE"]) {
            return self.statements_in_strings(piece, lexemes);
        }
        Vec::new()
    }

    fn inner_of_postgres(
        &mut self,
        piece: &Piece<'a>,
        lexemes: &[Lexeme<'_>],
        depth: usize,
    ) -> Vec<Piece<'a>> {
        let starts = |words: &[&str]| begins(lexemes, words);
        let rest =
            |words: Option<&[Lexeme<'_>]>| words.and_then(|words| piece.from(words)).into_iter().collect();
        if starts(&["DO"]) {
            return self.bodies(piece, lexemes);
        }
        if starts(&["EXPLAIN"]) && lexemes.iter().take(12).any(|word| word.is("ANALYZE")) {
            let past = match lexemes.get(1) {
                Some(open) if open.is_sign(b'(') => closing(lexemes, 1) + 1,
                _ => {
                    1 + lexemes[1..]
                        .iter()
                        .take_while(|word| word.is("ANALYZE") || word.is("VERBOSE"))
                        .count()
                }
            };
            return rest(lexemes.get(past..));
        }
        if starts(&["PREPARE"]) {
            let after = lexemes.iter().position(|word| word.is("AS"));
            return rest(after.and_then(|after| lexemes.get(after + 1..)));
        }
        // Outside of a block it runs what was prepared, and its strings are values.
        if starts(&["EXECUTE"]) && depth > 0 {
            self.statements_in_strings(piece, lexemes)
        } else {
            Vec::new()
        }
    }

    /// The statements in the bodies that are strings.
    fn bodies(&mut self, piece: &Piece<'a>, words: &[Lexeme<'_>]) -> Vec<Piece<'a>> {
        let mut found = Vec::new();
        for lexeme in words.iter().filter(|lexeme| lexeme.kind == Kind::Text) {
            let body = piece.unquoted(self.engine, lexeme);
            let Ok(lexemes) = lexemes(self.engine, &body.text) else { continue };
            found.extend(self.cut(&body, &lexemes, 0));
            found.extend(self.assigned(&body, &lexemes));
        }
        found
    }

    /// The statements in strings that a body of PL/pgSQL gives to variables which it runs: `q := '…'; EXECUTE q;`.
    fn assigned(&self, body: &Piece<'a>, lexemes: &[Lexeme<'_>]) -> Vec<Piece<'a>> {
        let parts: Vec<_> = lexemes.split(|lexeme| lexeme.is_sign(b';')).collect();
        let runs = |part: &&[Lexeme<'_>]| part.iter().position(|word| word.is("EXECUTE"));
        let run = parts.iter().filter_map(|part| Some(&part[runs(part)? + 1..]));
        let run: BTreeSet<String> = run.flatten().filter_map(Lexeme::identifier).collect();
        let gives = |part: &&[Lexeme<'_>]| {
            let is_given = |word: &Lexeme<'_>| word.is_sign(b'=') || word.is("DEFAULT") || word.is("INTO");
            runs(part).is_none()
                && part.iter().any(is_given)
                && part.iter().filter_map(Lexeme::identifier).any(|name| run.contains(&name))
        };
        let given = parts.into_iter().filter(gives);
        given.flat_map(|part| self.statements_in_strings(body, part)).collect()
    }

    /// The statements of a block. What steers it calls routines, too, and its variables have texts to begin with.
    fn cut(&mut self, piece: &Piece<'a>, lexemes: &[Lexeme<'_>], from: usize) -> Vec<Piece<'a>> {
        let lexemes = &lexemes[from..];
        self.called.extend(calls(lexemes).map(|name| (name, self.within)));
        if self.engine == Engine::Mysql {
            for part in lexemes.split(|lexeme| lexeme.is_sign(b';')) {
                let declares = part.iter().position(|word| word.is("DECLARE")).map(|at| &part[at..]);
                let declares = declares.filter(|part| holds(part, &["DEFAULT"]));
                if let Some((piece, part)) = declares.and_then(|part| Some((piece.from(part)?, part))) {
                    self.variables.keep(piece, self.within, part);
                }
            }
        }
        cut(self.words, lexemes).into_iter().filter_map(|range| piece.from(&lexemes[range])).collect()
    }

    /// The strings that begin like statements.
    fn statements_in_strings(&self, piece: &Piece<'a>, lexemes: &[Lexeme<'_>]) -> Vec<Piece<'a>> {
        let strings = piece.strings(self.engine, lexemes);
        strings.into_iter().filter(|string| self.is_statement(&string.text)).collect()
    }

    fn is_statement(&self, text: &str) -> bool {
        let lexemes = lexemes(self.engine, text).unwrap_or_default();
        lexemes.len() > 1
            && (self.words.verbs.iter().any(|verb| lexemes[0].is(verb))
                || self.engine == Engine::Mysql && is_block(&lexemes))
    }
}

/// Whether a statement of MySQL or MariaDB may give a variable its value.
fn keeps_text(lexemes: &[Lexeme<'_>]) -> bool {
    let is_variable = |lexeme: &Lexeme<'_>| lexeme.is("INTO") || lexeme.text.starts_with('@');
    begins(lexemes, &["SET"]) && !begins(lexemes, &["SET", "STATEMENT"])
        || begins(lexemes, &["SELECT"]) && lexemes.iter().any(is_variable)
}

/// The names in a statement that may be of variables, folded.
fn names<'l>(lexemes: &'l [Lexeme<'_>]) -> impl Iterator<Item = String> + 'l {
    const WORDS: &[&str] = &[
        "CHAR",
        "CONCAT",
        "DECLARE",
        "DEFAULT",
        "EXECUTE",
        "FROM",
        "IF",
        "IMMEDIATE",
        "INTO",
        "LONGTEXT",
        "PREPARE",
        "SELECT",
        "SET",
        "TEXT",
        "USING",
        "VARCHAR",
    ];
    let words = lexemes.iter().enumerate().filter(|(_, lexeme)| !WORDS.iter().any(|word| lexeme.is(word)));
    let names = words.filter_map(|(place, lexeme)| match lexeme.kind {
        // `@'q'` is `@q`.
        Kind::Text if place > 0 && lexemes[place - 1].text == "@" => {
            Some(lexeme.text.trim_matches(['\'', '"']).to_owned())
        }
        _ => lexeme.identifier(),
    });
    names.map(|name| name.trim_start_matches('@').to_lowercase()).filter(|name| !name.is_empty())
}

/// A statement of MySQL or MariaDB without `SET STATEMENT … FOR`, which is for that statement alone.
pub fn without_settings<'l, 'a>(lexemes: &'l [Lexeme<'a>]) -> &'l [Lexeme<'a>] {
    if !begins(lexemes, &["SET", "STATEMENT"]) {
        return lexemes;
    }
    let end = lexemes.iter().position(|word| word.is("FOR")).unwrap_or(1);
    without_settings(&lexemes[end + 1..])
}
