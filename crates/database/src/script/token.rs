use super::line_of;
use crate::{Error, ErrorKind};

/// What a token is, as far as cutting and classifying need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A key word or a plain identifier.
    Word,
    /// A quoted identifier.
    Name,
    /// A string, with its quotes.
    Text,
    /// A number, a parameter, or what looks like one.
    Number,
    /// One character of anything else.
    Sign(u8),
}

/// A token and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Something that is opened and never closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unfinished {
    pub(crate) what: &'static str,
    pub(crate) start: usize,
}

impl Unfinished {
    pub(crate) fn in_script(self, script: &str) -> Error {
        let line = line_of(script, self.start);
        Error::new(ErrorKind::Usage, format!("line {line}: {} that begins here does not end", self.what))
            .with_hint("close it, or see whether the file was cut off")
    }
}

/// A token with its text, for those who look at what a statement says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lexeme<'a> {
    /// What it is.
    pub kind: Kind,
    /// As it is written.
    pub text: &'a str,
}

impl Lexeme<'_> {
    /// Whether it is that key word, which is given in capitals.
    pub fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Whether it is that character.
    pub fn is_sign(&self, sign: u8) -> bool {
        self.kind == Kind::Sign(sign)
    }

    /// The identifier that it is, folded and without quotes.
    pub fn identifier(&self) -> Option<String> {
        match self.kind {
            Kind::Word => Some(self.text.to_ascii_lowercase()),
            Kind::Name => {
                let inner = self.text.get(1..self.text.len().checked_sub(1)?)?;
                Some(match self.text.as_bytes()[0] {
                    b'"' => inner.replace("\"\"", "\""),
                    b'`' => inner.replace("``", "`"),
                    _ => inner.to_owned(),
                })
            }
            _ => None,
        }
    }
}

/// Whether the lexemes begin with these key words.
pub fn begins(lexemes: &[Lexeme<'_>], words: &[&str]) -> bool {
    lexemes.len() >= words.len() && lexemes.iter().zip(words).all(|(lexeme, word)| lexeme.is(word))
}

/// Whether the lexemes hold these key words, one after the other, anywhere.
pub fn holds(lexemes: &[Lexeme<'_>], words: &[&str]) -> bool {
    lexemes.windows(words.len()).any(|window| begins(window, words))
}

/// The place of the bracket that closes the one at a place, or the end.
pub fn closing(lexemes: &[Lexeme<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (place, lexeme) in lexemes.iter().enumerate().skip(open) {
        if lexeme.is_sign(b'(') {
            depth += 1;
        } else if lexeme.is_sign(b')') {
            depth -= 1;
            if depth == 0 {
                return place;
            }
        }
    }
    lexemes.len()
}

/// The clauses of a list, at the commas outside of its own brackets.
pub fn clauses<'l, 'a>(lexemes: &'l [Lexeme<'a>]) -> Vec<&'l [Lexeme<'a>]> {
    let (mut depth, mut from, mut clauses) = (0_usize, 0, Vec::new());
    for (place, lexeme) in lexemes.iter().enumerate() {
        if lexeme.is_sign(b'(') {
            depth += 1;
        } else if lexeme.is_sign(b')') {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && lexeme.is_sign(b',') {
            clauses.push(&lexemes[from..place]);
            from = place + 1;
        }
    }
    clauses.push(&lexemes[from..]);
    clauses.retain(|clause| !clause.is_empty());
    clauses
}
