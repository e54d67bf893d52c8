//! The texts that strings hold, alone or put together.

use std::borrow::Cow;
use std::ops::Range;

use super::super::Statement;
use super::super::token::{Kind, Lexeme, clauses, closing};
use crate::Engine;

/// A text in a script.
pub(super) struct Piece<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) offset: usize,
    /// Whether each of its bytes is one of the script's.
    is_verbatim: bool,
}

impl<'a> Piece<'a> {
    pub(super) fn of(statement: &Statement<'a>) -> Self {
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

    pub(super) fn from(&self, lexemes: &[Lexeme<'_>]) -> Option<Self> {
        let (first, last) = (lexemes.first()?, lexemes.last()?);
        Some(self.part(self.place(first).start..self.place(last).end))
    }

    /// Its strings among these tokens, each put together with what it is joined with.
    pub(super) fn strings(&self, engine: Engine, lexemes: &[Lexeme<'_>]) -> Vec<Self> {
        let mut found = Vec::new();
        let mut place = 0;
        while let Some(lexeme) = lexemes.get(place) {
            let opens = lexemes.get(place + 1).is_some_and(|next| next.is_sign(b'('));
            let is_function = |name: &str| opens && lexeme.is(name);
            let (string, next) = if ["CONCAT", "CONCAT_WS", "FORMAT"].iter().any(|name| is_function(name)) {
                let end = closing(lexemes, place + 1);
                let arguments = clauses(&lexemes[(place + 2).min(end)..end]);
                let string = if is_function("FORMAT") {
                    arguments.first().and_then(|first| self.string(engine, first)).map(Self::filled)
                } else if is_function("CONCAT_WS") {
                    let between = arguments.first().and_then(|first| self.string(engine, first));
                    let between = between.map_or(Cow::Borrowed(UNSEEN), |between| between.text);
                    self.joined(engine, arguments.get(1..).unwrap_or_default(), &between)
                } else {
                    self.joined(engine, &arguments, "")
                };
                (string, end + 1)
            } else if lexeme.kind == Kind::Text {
                let end = place + end_of_operands(&lexemes[place..]);
                let operands = lexemes[place..end].split(|word| word.is_sign(b'|'));
                let operands: Vec<_> = operands.filter(|operand| !operand.is_empty()).collect();
                (self.joined(engine, &operands, ""), end)
            } else {
                (None, place + 1)
            };
            found.extend(string);
            place = next;
        }
        found
    }

    fn string(&self, engine: Engine, operand: &[Lexeme<'_>]) -> Option<Self> {
        match operand {
            [only] if only.kind == Kind::Text => Some(self.unquoted(engine, only)),
            [first, rest @ ..] if operand.iter().all(|word| word.kind == Kind::Text) => {
                let first = self.unquoted(engine, first);
                let text = rest
                    .iter()
                    .fold(first.text.into_owned(), |text, next| text + &self.unquoted(engine, next).text);
                Some(Self { text: Cow::Owned(text), offset: first.offset, is_verbatim: false })
            }
            _ => None,
        }
    }

    /// One string out of several.
    fn joined(&self, engine: Engine, operands: &[&[Lexeme<'_>]], between: &str) -> Option<Self> {
        let first = self.string(engine, operands.first()?);
        if operands.len() == 1 {
            return first;
        }
        let offset = first.map_or(self.offset, |first| first.offset);
        let texts = operands
            .iter()
            .map(|operand| self.string(engine, operand).map_or(Cow::Borrowed(UNSEEN), |string| string.text));
        let text = texts.collect::<Vec<_>>().join(between);
        Some(Self { text: Cow::Owned(text), offset, is_verbatim: false })
    }

    /// The text of `format`, whose marks are names (`%I`), literals (`%L`) or anything (`%s`).
    fn filled(self) -> Self {
        Self { text: Cow::Owned(filled(&self.text)), offset: self.offset, is_verbatim: false }
    }

    /// What a string of it holds.
    pub(super) fn unquoted(&self, engine: Engine, lexeme: &Lexeme<'_>) -> Self {
        let place = self.place(lexeme);
        let text = lexeme.text;
        let quote = text.find(['\'', '"', '$']).unwrap_or(0);
        let mark = match text[quote..].starts_with('$') {
            true => text[quote + 1..].find('$').map_or(1, |tag| tag + 2),
            false => 1,
        };
        let end = place.end.saturating_sub(mark).max(place.start + quote + mark).min(place.end);
        let inner = self.part((place.start + quote + mark).min(end)..end);
        let sign = &text[quote..(quote + 1).min(text.len())];
        let escapes = sign != "$" && (engine == Engine::Mysql || quote > 0);
        let doubled = sign.repeat(2);
        let has_escapes = escapes && inner.text.contains('\\');
        if sign == "$" || !has_escapes && !inner.text.contains(&doubled) {
            return inner;
        }
        let mut plain = inner.text.replace(&doubled, sign);
        if has_escapes {
            plain = unescaped(&plain);
        }
        Self { text: Cow::Owned(plain), offset: inner.offset, is_verbatim: false }
    }
}

/// What stands for a part of a statement that is not to be seen.
const UNSEEN: &str = "p_";

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

/// How many tokens `'…' '…' || a || '…'` has.
fn end_of_operands(lexemes: &[Lexeme<'_>]) -> usize {
    let is_bar = |place: usize| lexemes.get(place).is_some_and(|lexeme| lexeme.is_sign(b'|'));
    let mut end = lexemes.iter().take_while(|lexeme| lexeme.kind == Kind::Text).count();
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
