//! Scripts for PostgreSQL. The judge is psql, whose lexer is
//! <https://github.com/postgres/postgres/blob/master/src/fe_utils/psqlscan.l>.

use super::token::{Kind, Lexeme, Token, Unfinished};
use super::{Pieces, Statement, line_of};
use crate::{Error, ErrorKind, Result};

/// Cuts a text into tokens. Blanks and comments are between them.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Whether a backslash in a plain string is just a backslash (`standard_conforming_strings`).
    standard_strings: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, standard_strings: true }
    }

    fn byte(&self, at: usize) -> u8 {
        // A zero byte ends nothing and begins nothing, so it can stand for the end.
        self.text.as_bytes().get(at).copied().unwrap_or(0)
    }

    /// The next token, or none at the end.
    pub(super) fn token(&mut self) -> Result<Option<Token>, Unfinished> {
        self.skip_blanks()?;
        let start = self.at;
        if start >= self.text.len() {
            return Ok(None);
        }
        let (kind, end) = match self.byte(start) {
            b'\'' => (Kind::Text, self.string(start, start, !self.standard_strings)?),
            b'"' => (Kind::Name, self.quoted_name(start, start)?),
            b'$' => match self.dollar_quoted(start)? {
                Some(end) => (Kind::Text, end),
                None => (Kind::Number, self.while_in(start + 1, is_word)),
            },
            b'0'..=b'9' => (Kind::Number, self.while_in(start, is_word)),
            byte if begins_word(byte) => self.word(start)?,
            byte => (Kind::Sign(byte), start + 1),
        };
        self.at = end;
        Ok(Some(Token { kind, start, end }))
    }

    /// All tokens of a text with their words, dollar-quoted bodies unopened.
    ///
    /// A statement does not say how its strings are to be read; the other way is tried where the usual one fails.
    pub(super) fn lexemes(text: &'a str) -> Result<Vec<Lexeme<'a>>, Unfinished> {
        let escapes = Self { standard_strings: false, ..Self::new(text) };
        Self::new(text).rest().or_else(|unfinished| escapes.rest().map_err(|_| unfinished))
    }

    fn rest(mut self) -> Result<Vec<Lexeme<'a>>, Unfinished> {
        let mut all = Vec::new();
        while let Some(token) = self.token()? {
            all.push(Lexeme { kind: token.kind, text: &self.text[token.start..token.end] });
        }
        Ok(all)
    }

    fn while_in(&self, start: usize, is: fn(u8) -> bool) -> usize {
        let rest = &self.text.as_bytes()[start..];
        start + rest.iter().position(|&byte| !is(byte)).unwrap_or(rest.len())
    }

    /// A word, or the string or name that its letter makes of the quote after it.
    fn word(&self, start: usize) -> Result<(Kind, usize), Unfinished> {
        let end = self.while_in(start, is_word);
        let next = self.byte(end);
        if end - start == 1 {
            match self.byte(start).to_ascii_lowercase() {
                b'e' if next == b'\'' => return Ok((Kind::Text, self.string(start, end, true)?)),
                b'b' | b'x' if next == b'\'' => return Ok((Kind::Text, self.string(start, end, false)?)),
                b'n' if next == b'\'' => {
                    return Ok((Kind::Text, self.string(start, end, !self.standard_strings)?));
                }
                b'u' if next == b'&' && self.byte(end + 1) == b'\'' => {
                    return Ok((Kind::Text, self.string(start, end + 1, false)?));
                }
                b'u' if next == b'&' && self.byte(end + 1) == b'"' => {
                    return Ok((Kind::Name, self.quoted_name(start, end + 1)?));
                }
                _ => {}
            }
        }
        Ok((Kind::Word, end))
    }

    /// Where the string that opens at `quote` ends.
    fn string(&self, start: usize, quote: usize, escapes: bool) -> Result<usize, Unfinished> {
        let mut at = quote + 1;
        while at < self.text.len() {
            match self.byte(at) {
                b'\\' if escapes => at += 2,
                b'\'' if self.byte(at + 1) == b'\'' => at += 2,
                // A string goes on after a line end, and keeps its kind: that matters where it has escapes.
                // psql, which scans by lines, gets this wrong; the server, which has the last word, does not.
                b'\'' => match self.continuation(at + 1) {
                    Some(next) if escapes => at = next,
                    _ => return Ok(at + 1),
                },
                _ => at += 1,
            }
        }
        Err(Unfinished { what: "a string", start })
    }

    /// After which quote the string goes on that ended before `at`.
    fn continuation(&self, mut at: usize) -> Option<usize> {
        let mut new_line = false;
        loop {
            match self.byte(at) {
                b'\n' | b'\r' => new_line = true,
                byte if is_blank(byte) => {}
                b'-' if self.byte(at + 1) == b'-' => at = self.while_in(at, |byte| !is_line_end(byte)) - 1,
                b'\'' if new_line => return Some(at + 1),
                _ => return None,
            }
            at += 1;
        }
    }

    fn quoted_name(&self, start: usize, quote: usize) -> Result<usize, Unfinished> {
        let mut at = quote + 1;
        while at < self.text.len() {
            match self.byte(at) {
                b'"' if self.byte(at + 1) == b'"' => at += 2,
                b'"' => return Ok(at + 1),
                _ => at += 1,
            }
        }
        Err(Unfinished { what: "a quoted name", start })
    }

    /// Where the dollar-quoted string ends, if one begins here.
    fn dollar_quoted(&self, start: usize) -> Result<Option<usize>, Unfinished> {
        let first = self.byte(start + 1);
        let tag = if begins_word(first) {
            self.while_in(start + 1, |b| is_word(b) && b != b'$')
        } else {
            start + 1
        };
        if self.byte(tag) != b'$' {
            return Ok(None);
        }
        let quote = &self.text[start..=tag];
        match self.text[tag + 1..].find(quote) {
            Some(found) => Ok(Some(tag + 1 + found + quote.len())),
            None => Err(Unfinished { what: "a dollar-quoted string", start }),
        }
    }

    fn skip_blanks(&mut self) -> Result<(), Unfinished> {
        loop {
            match (self.byte(self.at), self.byte(self.at + 1)) {
                (byte, _) if is_blank(byte) => self.at += 1,
                (b'-', b'-') => self.at = self.while_in(self.at, |byte| !is_line_end(byte)),
                (b'/', b'*') => self.at = self.comment(self.at)?,
                _ => return Ok(()),
            }
        }
    }

    /// Where the comment ends; comments nest.
    fn comment(&self, start: usize) -> Result<usize, Unfinished> {
        let (mut at, mut depth) = (start, 0);
        while at < self.text.len() {
            match (self.byte(at), self.byte(at + 1)) {
                (b'/', b'*') => (depth, at) = (depth + 1, at + 2),
                (b'*', b'/') => {
                    (depth, at) = (depth - 1, at + 2);
                    if depth == 0 {
                        return Ok(at);
                    }
                }
                _ => at += 1,
            }
        }
        Err(Unfinished { what: "a comment", start })
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word(byte: u8) -> bool {
    begins_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// What psql keeps of a statement to find its end.
#[derive(Default)]
struct Progress {
    start: Option<usize>,
    end: usize,
    parentheses: u32,
    /// Open `BEGIN … END` and `CASE … END` of a routine's body.
    blocks: u32,
    words: usize,
    /// The first letters of the first words, of those that begin a routine's definition.
    first: [u8; 4],
}

impl Progress {
    /// psql looks only at the first words of a statement: `CREATE [OR REPLACE] {FUNCTION|PROCEDURE}`.
    fn word(&mut self, word: &str) {
        let is = |other: &str| word.eq_ignore_ascii_case(other);
        if let Some(place) = self.first.get_mut(self.words)
            && ["create", "or", "replace", "function", "procedure"].into_iter().any(is)
        {
            *place = word.as_bytes()[0].to_ascii_lowercase();
        }
        self.words += 1;
        let routine = matches!(self.first, [b'c', b'f' | b'p', ..] | [b'c', b'o', b'r', b'f' | b'p']);
        if !routine || self.parentheses > 0 {
            return;
        }
        if is("begin") || (is("case") && self.blocks > 0) {
            self.blocks += 1;
        } else if is("end") {
            self.blocks = self.blocks.saturating_sub(1);
        }
    }
}

pub(super) fn split(script: &str) -> Result<Vec<Statement<'_>>> {
    let mut pieces = Pieces::new(script);
    let mut lexer = Lexer::new(script);
    if script.starts_with('\u{feff}') {
        lexer.at = '\u{feff}'.len_utf8();
    }
    let mut now = Progress::default();
    loop {
        let token = lexer.token().map_err(|unfinished| {
            let error = unfinished.in_script(script);
            // psql asks the server, and no server is here: one of the old ways reads a backslash otherwise.
            match script.contains("\\'") {
                true => error.with_hint(
                    "close it; or begin the file with `SET standard_conforming_strings = off`, where a backslash \
                     before a quote is to stand for the quote",
                ),
                false => error,
            }
        })?;
        let Some(token) = token else {
            if let Some(start) = now.start {
                pieces.push(start, now.end, None);
                if copies_from_client(&script[start..now.end]) {
                    return Err(rows_do_not_end(script, start));
                }
            }
            return Ok(pieces.statements);
        };
        match token.kind {
            Kind::Sign(b';') if now.parentheses == 0 && now.blocks == 0 => {
                let now = std::mem::take(&mut now);
                let Some(start) = now.start else { continue };
                let text = &script[start..now.end];
                let rows = if copies_from_client(text) {
                    let (rows, after) = copy_rows(script, start, token.end)?;
                    lexer.at = after;
                    Some(rows)
                } else {
                    None
                };
                if let Some(standard) = sets_standard_strings(text) {
                    lexer.standard_strings = standard;
                }
                pieces.push(start, now.end, rows);
                continue;
            }
            Kind::Sign(b'\\') => {
                lexer.at = client_command(script, token.start, now.start.is_some())?;
                continue;
            }
            Kind::Sign(b'(') => now.parentheses += 1,
            Kind::Sign(b')') => now.parentheses = now.parentheses.saturating_sub(1),
            Kind::Word => now.word(&script[token.start..token.end]),
            _ => {}
        }
        now.start.get_or_insert(token.start);
        now.end = token.end;
    }
}

fn line_end(script: &str, at: usize) -> usize {
    script[at..].find('\n').map_or(script.len(), |found| at + found)
}

/// Where to go on after a command of psql that means nothing to us; any other is refused.
fn client_command(script: &str, start: usize, inside: bool) -> Result<usize> {
    let end = line_end(script, start);
    let line = script[start..end].trim_end();
    let command = line.split_whitespace().next().unwrap_or(line);
    if !inside && matches!(command, r"\restrict" | r"\unrestrict") {
        return Ok(end);
    }
    Err(Error::new(
        ErrorKind::Usage,
        format!("line {}: `{command}` is a command of psql, not a statement", line_of(script, start)),
    )
    .with_hint("take it out: dbm sends statements to the server and runs no commands of a client"))
}

/// Whether its rows come from the client: `COPY … FROM stdin`.
fn copies_from_client(text: &str) -> bool {
    copies(text, "FROM")
}

/// Whether it is a `COPY` with the client, in that direction.
pub(super) fn copies(text: &str, direction: &str) -> bool {
    if !text.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("copy")) {
        return false;
    }
    let lexemes = Lexer::lexemes(text).unwrap_or_default();
    let mut depth = 0_i32;
    lexemes.first().is_some_and(|first| first.is("COPY"))
        && lexemes.windows(2).any(|pair| {
            depth += match pair[0].kind {
                Kind::Sign(b'(') => 1,
                Kind::Sign(b')') => -1,
                _ => 0,
            };
            depth == 0 && pair[0].is(direction) && (pair[1].is("STDIN") || pair[1].is("STDOUT"))
        })
}

/// The rows on the lines after a `COPY`, and where the script goes on after them.
fn copy_rows(script: &str, start: usize, after: usize) -> Result<(&str, usize)> {
    let end = line_end(script, after);
    if !matches!(Lexer::new(&script[after..end]).token(), Ok(None)) {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("line {}: more follows on the line of a `COPY … FROM stdin`", line_of(script, after)),
        )
        .with_hint("begin its rows on the next line, and put what follows after the line `\\.`"));
    }
    let first = (end + 1).min(script.len());
    let mut at = first;
    while at < script.len() {
        let end = line_end(script, at);
        let line = &script[at..end];
        if line.strip_suffix('\r').unwrap_or(line) == r"\." {
            return Ok((&script[first..at], end));
        }
        at = end + 1;
    }
    Err(rows_do_not_end(script, start))
}

fn rows_do_not_end(script: &str, start: usize) -> Error {
    let line = line_of(script, start);
    Error::new(ErrorKind::Usage, format!("line {line}: the rows of this `COPY … FROM stdin` do not end"))
        .with_hint("end them with a line `\\.`, or see whether the file was cut off")
}

/// What the statement makes of `standard_conforming_strings`, which decides how all later ones are read.
fn sets_standard_strings(text: &str) -> Option<bool> {
    if !text.get(..3).is_some_and(|word| word.eq_ignore_ascii_case("set")) {
        return None;
    }
    let lexemes = Lexer::lexemes(text).ok()?;
    let at = lexemes.iter().position(|lexeme| lexeme.is("STANDARD_CONFORMING_STRINGS"))?;
    let value = lexemes.get(at + 2)?.text.trim_matches('\'').to_ascii_lowercase();
    Some(!matches!(value.as_str(), "off" | "false" | "no" | "0"))
}
