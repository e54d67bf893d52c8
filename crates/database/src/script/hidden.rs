//! Statements that others hide: in a block, in a string that they run, behind a clause, or in a routine that the script makes
//! and calls.
//!
//! What is put together from variables and rows, and what routines do that were there before, is not to be seen in a text.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use super::token::{Kind, Lexeme, begins, clauses, closing, holds};
use super::{Statement, lexemes};
use crate::Engine;

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

/// What a language's blocks look like.
struct Words {
    /// What a statement may begin with.
    verbs: &'static [&'static str],
    /// After what one begins in a block, besides `;`.
    openers: &'static [&'static str],
}

/// <https://dev.mysql.com/doc/refman/9.5/en/sql-compound-statements.html>, <https://mariadb.com/kb/en/programmatic-compound-statements/>.
const MYSQL: Words = Words {
    verbs: &[
        "ALTER",
        "ANALYZE",
        "BACKUP",
        "CALL",
        "CHANGE",
        "COMMIT",
        "CREATE",
        "DELETE",
        "DROP",
        "EXECUTE",
        "EXPLAIN",
        "FLUSH",
        "GRANT",
        "IMPORT",
        "INSERT",
        "INSTALL",
        "KILL",
        "LOAD",
        "LOCK",
        "OPTIMIZE",
        "PREPARE",
        "PURGE",
        "RENAME",
        "REPLACE",
        "RESET",
        "REVOKE",
        "ROLLBACK",
        "SELECT",
        "SET",
        "SHUTDOWN",
        "START",
        "STOP",
        "TRUNCATE",
        "UNINSTALL",
        "UPDATE",
        "WITH",
    ],
    openers: &[
        "ATOMIC",
        "BEGIN",
        "DO",
        "ELSE",
        "FOUND",
        "LOOP",
        "REPEAT",
        "SQLEXCEPTION",
        "SQLWARNING",
        "THEN",
    ],
};

/// <https://www.postgresql.org/docs/current/plpgsql-statements.html>.
const POSTGRES: Words = Words {
    verbs: &[
        "ALTER", "CALL", "CLUSTER", "COMMENT", "COMMIT", "COPY", "CREATE", "DELETE", "DO", "DROP", "EXECUTE",
        "EXPLAIN", "GRANT", "IMPORT", "INSERT", "LOCK", "MERGE", "PERFORM", "REASSIGN", "REFRESH", "REINDEX",
        "REVOKE", "ROLLBACK", "SECURITY", "SELECT", "SET", "TRUNCATE", "UPDATE", "WITH",
    ],
    openers: &["ATOMIC", "BEGIN", "ELSE", "LOOP", "QUERY", "THEN"],
};

/// Strings in strings deeper than this nobody writes.
const DEEPEST: usize = 8;

/// The statements that those of a script hide, without those themselves.
pub fn hidden<'a>(engine: Engine, statements: &[Statement<'a>]) -> Vec<Hidden<'a>> {
    let words = match engine {
        Engine::Mysql => &MYSQL,
        Engine::Postgres => &POSTGRES,
        Engine::Sqlite => return Vec::new(),
    };
    let mut reader =
        Reader { engine, words, within: 0, found: Vec::new(), kept: Vec::new(), prepares: false };
    let mut routines: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
    // Each with the first statement that calls it.
    let mut called = BTreeMap::new();
    for (place, statement) in statements.iter().enumerate() {
        // One after the other: a script may be of many rows.
        let Ok(lexemes) = lexemes(engine, statement.text) else { continue };
        reader.within = place;
        reader.look_into(&Piece::of(statement), &lexemes, 0);
        reader.prepares |= holds(&lexemes, &["PREPARE"]) || holds(&lexemes, &["EXECUTE", "IMMEDIATE"]);
        if let Some((name, body)) = routine(&lexemes) {
            routines.entry(name).or_default().push((place, body));
        }
        for name in calls(&lexemes) {
            called.entry(name).or_insert(place);
        }
    }
    let mut read = 0;
    loop {
        for (name, caller) in std::mem::take(&mut called) {
            for (place, body) in routines.remove(&name).unwrap_or_default() {
                reader.within = caller;
                reader.look_into_routine(&Piece::of(&statements[place]), body);
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
        read = reader.found.len();
        if called.is_empty() && reader.kept.is_empty() {
            return reader.found;
        }
    }
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

/// The names of what a statement calls, folded.
fn calls<'l>(lexemes: &'l [Lexeme<'_>]) -> impl Iterator<Item = String> + 'l {
    let is_call = begins(lexemes, &["CALL"]);
    let names = if defines(lexemes) { &[] } else { lexemes };
    names.iter().enumerate().filter_map(move |(place, lexeme)| {
        let opens = lexemes.get(place + 1).is_some_and(|next| next.is_sign(b'('));
        lexeme.identifier().filter(|_| opens || is_call).map(|name| name.to_lowercase())
    })
}

/// The name of the routine that a statement makes, and the place after its parameters.
fn routine(lexemes: &[Lexeme<'_>]) -> Option<(String, usize)> {
    if !begins(lexemes, &["CREATE"]) {
        return None;
    }
    // OR REPLACE, a DEFINER of several words, AGGREGATE.
    let kind = lexemes.iter().take(12).position(|word| word.is("FUNCTION") || word.is("PROCEDURE"))?;
    let open = kind + lexemes[kind..].iter().position(|lexeme| lexeme.is_sign(b'('))?;
    Some((lexemes[open - 1].identifier()?.to_lowercase(), closing(lexemes, open) + 1))
}

/// A text in a script.
struct Piece<'a> {
    text: Cow<'a, str>,
    offset: usize,
    /// Whether each of its bytes is one of the script's.
    is_verbatim: bool,
}

impl<'a> Piece<'a> {
    fn of(statement: &Statement<'a>) -> Self {
        Self { text: Cow::Borrowed(statement.text), offset: statement.offset, is_verbatim: true }
    }

    fn part(&self, range: Range<usize>) -> Self {
        let offset = self.offset + if self.is_verbatim { range.start } else { 0 };
        let text = match &self.text {
            Cow::Borrowed(text) => Cow::Borrowed(&text[range]),
            Cow::Owned(text) => Cow::Owned(text[range].to_owned()),
        };
        Self { text, offset, is_verbatim: self.is_verbatim }
    }

    /// Where a token of it begins and ends.
    fn place(&self, lexeme: &Lexeme<'_>) -> Range<usize> {
        let start = lexeme.text.as_ptr() as usize - self.text.as_ptr() as usize;
        start..start + lexeme.text.len()
    }

    fn from(&self, lexemes: &[Lexeme<'_>]) -> Option<Self> {
        let (first, last) = (lexemes.first()?, lexemes.last()?);
        Some(self.part(self.place(first).start..self.place(last).end))
    }
}

struct Reader<'w, 'a> {
    engine: Engine,
    words: &'w Words,
    within: usize,
    found: Vec<Hidden<'a>>,
    /// What keeps a string in a variable, with the place of the statement that it is in.
    kept: Vec<(Piece<'a>, usize)>,
    /// Whether such a string may be run.
    prepares: bool,
}

impl<'a> Reader<'_, 'a> {
    fn look_into(&mut self, piece: &Piece<'a>, lexemes: &[Lexeme<'_>], depth: usize) {
        let inner = match self.engine {
            _ if depth > DEEPEST => return,
            Engine::Postgres => self.inner_of_postgres(piece, lexemes, depth),
            _ if keeps_string(lexemes) => {
                self.kept.extend(piece.from(lexemes).map(|piece| (piece, self.within)));
                return;
            }
            _ => self.inner_of_mysql(piece, lexemes),
        };
        self.keep(inner, depth);
    }

    /// Where a string may be run that was kept in a variable, it is read.
    fn look_into_kept(&mut self) {
        let kept = std::mem::take(&mut self.kept);
        for (piece, within) in kept.into_iter().filter(|_| self.prepares).collect::<Vec<_>>() {
            self.within = within;
            let strings = lexemes(self.engine, &piece.text).map(|lexemes| self.strings(&piece, &lexemes));
            self.keep(strings.unwrap_or_default(), 0);
        }
    }

    fn keep(&mut self, pieces: Vec<Piece<'a>>, depth: usize) {
        for piece in pieces {
            self.found.push(Hidden { text: piece.text.clone(), within: self.within, offset: piece.offset });
            let Ok(lexemes) = lexemes(self.engine, &piece.text) else { continue };
            self.look_into(&piece, &lexemes, depth + 1);
        }
    }

    fn look_into_routine(&mut self, piece: &Piece<'a>, body: usize) {
        let Ok(lexemes) = lexemes(self.engine, &piece.text) else { return };
        let body = lexemes.get(body..).unwrap_or_default();
        let mut inner = self.cut(piece, body);
        if self.engine == Engine::Postgres {
            inner.extend(self.bodies(piece, body));
        }
        self.keep(inner, 0);
    }

    fn inner_of_mysql(&self, piece: &Piece<'a>, lexemes: &[Lexeme<'_>]) -> Vec<Piece<'a>> {
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
            return self.cut(piece, lexemes);
        }
        if starts(&["PREPARE"]) || starts(&["EXECUTE", "IMMEDIATE"]) {
            return self.strings(piece, lexemes);
        }
        Vec::new()
    }

    fn inner_of_postgres(&self, piece: &Piece<'a>, lexemes: &[Lexeme<'_>], depth: usize) -> Vec<Piece<'a>> {
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
        if starts(&["EXECUTE"]) && depth > 0 { self.strings(piece, lexemes) } else { Vec::new() }
    }

    /// The statements in the bodies that are strings.
    fn bodies(&self, piece: &Piece<'a>, words: &[Lexeme<'_>]) -> Vec<Piece<'a>> {
        let mut found = Vec::new();
        for lexeme in words.iter().filter(|lexeme| lexeme.kind == Kind::Text) {
            let body = self.unquoted(piece, lexeme);
            let cut = lexemes(self.engine, &body.text).map(|words| self.cut(&body, &words));
            found.extend(cut.unwrap_or_default());
        }
        found
    }

    /// The statements of a block. What only steers it is left out.
    fn cut(&self, piece: &Piece<'a>, lexemes: &[Lexeme<'_>]) -> Vec<Piece<'a>> {
        let mut found = Vec::new();
        let (mut depth, mut open) = (0_usize, None);
        let is_one_of = |lexeme: &Lexeme<'_>, words: &[&str]| words.iter().any(|word| lexeme.is(word));
        for (place, lexeme) in lexemes.iter().enumerate() {
            match lexeme.kind {
                Kind::Sign(b'(') => depth += 1,
                Kind::Sign(b')') => depth = depth.saturating_sub(1),
                Kind::Sign(b';') => {
                    depth = 0;
                    found.extend(open.take().and_then(|open: usize| piece.from(&lexemes[open..place])));
                }
                _ => {}
            }
            let begins_one = match place.checked_sub(1).map(|before| &lexemes[before]) {
                None => true,
                // After a label.
                Some(before) if [b';', b':', b'>'].iter().any(|sign| before.is_sign(*sign)) => true,
                Some(before) => is_one_of(before, self.words.openers),
            };
            // Functions have such names, too.
            let is_call =
                lexemes.get(place + 1).is_some_and(|next| next.is_sign(b'(')) && !lexeme.is("SELECT");
            if depth == 0 && begins_one && !is_call && is_one_of(lexeme, self.words.verbs) {
                found.extend(open.replace(place).and_then(|open| piece.from(&lexemes[open..place])));
            }
        }
        found.extend(open.and_then(|open| piece.from(&lexemes[open..])));
        found
    }

    /// The strings that begin like statements, each put together with what it is joined with.
    fn strings(&self, piece: &Piece<'a>, lexemes: &[Lexeme<'_>]) -> Vec<Piece<'a>> {
        let mut found = Vec::new();
        let mut place = 0;
        while let Some(lexeme) = lexemes.get(place) {
            let opens = lexemes.get(place + 1).is_some_and(|next| next.is_sign(b'('));
            let (string, next) = if opens && (lexeme.is("CONCAT") || lexeme.is("FORMAT")) {
                let end = closing(lexemes, place + 1);
                let arguments = clauses(&lexemes[(place + 2).min(end)..end]);
                (self.joined(piece, &arguments, lexeme.is("FORMAT")), end + 1)
            } else if lexeme.kind == Kind::Text {
                let end = place + end_of_operands(&lexemes[place..]);
                let operands: Vec<_> = lexemes[place..end].split(|word| word.is_sign(b'|')).collect();
                (self.joined(piece, &operands, false), end)
            } else {
                (None, place + 1)
            };
            found.extend(string.filter(|string| self.is_statement(&string.text)));
            place = next;
        }
        found
    }

    fn is_statement(&self, text: &str) -> bool {
        let lexemes = lexemes(self.engine, text).unwrap_or_default();
        lexemes.len() > 1
            && (self.words.verbs.iter().any(|verb| lexemes[0].is(verb))
                || self.engine == Engine::Mysql && is_block(&lexemes))
    }

    /// One string out of several; of `format` the first alone, with its marks filled in.
    fn joined(&self, piece: &Piece<'a>, operands: &[&[Lexeme<'_>]], formats: bool) -> Option<Piece<'a>> {
        let operands: Vec<_> = operands.iter().filter(|operand| !operand.is_empty()).collect();
        let string = |operand: &[Lexeme<'_>]| match operand {
            [only] if only.kind == Kind::Text => Some(self.unquoted(piece, only)),
            _ => None,
        };
        let first = string(operands.first()?);
        if operands.len() == 1 && !formats {
            return first;
        }
        let offset = first.as_ref().map_or(piece.offset, |first| first.offset);
        let text = match formats {
            true => filled(&first?.text),
            false => operands
                .iter()
                .map(|operand| string(operand).map_or(Cow::Borrowed(UNSEEN), |string| string.text))
                .collect(),
        };
        Some(Piece { text: Cow::Owned(text), offset, is_verbatim: false })
    }

    /// What a string holds.
    fn unquoted(&self, piece: &Piece<'a>, lexeme: &Lexeme<'_>) -> Piece<'a> {
        let place = piece.place(lexeme);
        let text = lexeme.text;
        let quote = text.find(['\'', '"', '$']).unwrap_or(0);
        let mark = match text[quote..].starts_with('$') {
            true => text[quote + 1..].find('$').map_or(1, |tag| tag + 2),
            false => 1,
        };
        let end = place.end.saturating_sub(mark).max(place.start + quote + mark).min(place.end);
        let inner = piece.part((place.start + quote + mark).min(end)..end);
        let sign = &text[quote..(quote + 1).min(text.len())];
        let escapes = sign != "$" && (self.engine == Engine::Mysql || quote > 0);
        let doubled = sign.repeat(2);
        let has_escapes = escapes && inner.text.contains('\\');
        if sign == "$" || !has_escapes && !inner.text.contains(&doubled) {
            return inner;
        }
        let mut plain = inner.text.replace(&doubled, sign);
        if has_escapes {
            plain = unescaped(&plain);
        }
        Piece { text: Cow::Owned(plain), offset: inner.offset, is_verbatim: false }
    }
}

/// Whether a statement of MySQL or MariaDB may keep a string in a variable, which can be run later.
fn keeps_string(lexemes: &[Lexeme<'_>]) -> bool {
    let is_variable = |lexeme: &Lexeme<'_>| lexeme.is("INTO") || lexeme.text.starts_with('@');
    begins(lexemes, &["SET"]) && !begins(lexemes, &["SET", "STATEMENT"])
        || begins(lexemes, &["SELECT"]) && lexemes.iter().any(is_variable)
}

/// What stands for a part of a statement that is not to be seen.
const UNSEEN: &str = "p_";

/// The text of `format`, whose marks are names (`%I`), literals (`%L`) or anything (`%s`).
fn filled(text: &str) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        filled.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let width =
            rest.find(|c: char| !c.is_ascii_digit() && !matches!(c, '$' | '-' | '*')).unwrap_or(rest.len());
        filled.push_str(match rest[width..].chars().next() {
            Some('L') => "'p_'",
            Some('%') => "%",
            _ => UNSEEN,
        });
        let mark = rest[width..].chars().next().map_or(0, char::len_utf8);
        rest = &rest[width + mark..];
    }
    filled + rest
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, character == '\\') {
            (_, true) => plain.extend(characters.next().map(|next| match next {
                'n' | 'r' | 't' | '0' | 'b' | 'Z' => ' ',
                other => other,
            })),
            (other, false) => plain.push(other),
        }
    }
    plain
}

/// How many tokens `'…' || a || '…'` has, or strings that only stand side by side.
fn end_of_operands(lexemes: &[Lexeme<'_>]) -> usize {
    let is_bar = |place: usize| lexemes.get(place).is_some_and(|lexeme| lexeme.is_sign(b'|'));
    let mut end = 1;
    while is_bar(end) && is_bar(end + 1) {
        end += 2;
        let mut before_is_name = false;
        while let Some(lexeme) = lexemes.get(end) {
            if lexeme.is_sign(b'(') {
                end = (closing(lexemes, end) + 1).min(lexemes.len());
            } else if matches!(lexeme.kind, Kind::Sign(b'.' | b':')) || !before_is_name {
                end += 1;
            } else {
                break;
            }
            before_is_name = !matches!(lexeme.kind, Kind::Sign(b'.' | b':'));
        }
    }
    end
}

/// A statement of MySQL or MariaDB without `SET STATEMENT … FOR`, which is for that statement alone.
pub fn without_settings<'l, 'a>(lexemes: &'l [Lexeme<'a>]) -> &'l [Lexeme<'a>] {
    if !begins(lexemes, &["SET", "STATEMENT"]) {
        return lexemes;
    }
    let end = lexemes.iter().position(|word| word.is("FOR")).unwrap_or(1);
    without_settings(&lexemes[end + 1..])
}

/// Whether MariaDB runs it as a block, outside of routines: <https://mariadb.com/kb/en/using-compound-statements-outside-of-stored-programs/>.
pub fn is_block(lexemes: &[Lexeme<'_>]) -> bool {
    let starts = |word: &&str| begins(lexemes, &[word]);
    let labelled = lexemes.first().is_some_and(|first| first.kind == Kind::Word)
        && lexemes.get(1).is_some_and(|colon| colon.is_sign(b':'));
    // `BEGIN` and `BEGIN WORK` begin a transaction.
    let begins_transaction = lexemes.get(1).is_none_or(|next| next.is("WORK") || next.is_sign(b';'));
    labelled
        || starts(&"BEGIN") && !begins_transaction
        || ["CASE", "DECLARE", "FOR", "IF", "LOOP", "REPEAT", "WHILE"].iter().any(starts)
}
