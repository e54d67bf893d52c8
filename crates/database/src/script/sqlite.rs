//! Scripts for SQLite. The judge is its shell, which asks `sqlite3_complete`:
//! <https://www.sqlite.org/c3ref/complete.html>.

use super::token::{Kind, Lexeme, Token, Unfinished};
use super::{Pieces, Statement, line_of};
use crate::{Error, ErrorKind, Result};

/// Cuts a text into tokens. Blanks and comments are between them.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn byte(&self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or(0)
    }

    /// The next token, or none at the end.
    pub(super) fn token(&mut self) -> Result<Option<Token>, Unfinished> {
        self.skip_blanks();
        let start = self.at;
        if start >= self.text.len() {
            return Ok(None);
        }
        let (kind, end) = match self.byte(start) {
            b'\'' => (Kind::Text, self.quoted(start, b'\'', "a string")?),
            b'"' => (Kind::Name, self.quoted(start, b'"', "a quoted name")?),
            b'`' => (Kind::Name, self.quoted(start, b'`', "a quoted name")?),
            b'[' => match self.text[start..].find(']') {
                Some(found) => (Kind::Name, start + found + 1),
                None => return Err(Unfinished { what: "a quoted name", start }),
            },
            b'0'..=b'9' => (Kind::Number, self.word(start)),
            byte if is_word(byte) => (Kind::Word, self.word(start)),
            byte => (Kind::Sign(byte), start + 1),
        };
        self.at = end;
        Ok(Some(Token { kind, start, end }))
    }

    pub(super) fn lexemes(text: &'a str) -> Result<Vec<Lexeme<'a>>, Unfinished> {
        let mut lexer = Self::new(text);
        let mut all = Vec::new();
        while let Some(token) = lexer.token()? {
            all.push(Lexeme { kind: token.kind, text: &text[token.start..token.end] });
        }
        Ok(all)
    }

    fn word(&self, start: usize) -> usize {
        let rest = &self.text.as_bytes()[start..];
        start + rest.iter().position(|&byte| !is_word(byte)).unwrap_or(rest.len())
    }

    fn quoted(&self, start: usize, quote: u8, what: &'static str) -> Result<usize, Unfinished> {
        let mut at = start + 1;
        while at < self.text.len() {
            if self.byte(at) != quote {
                at += 1;
            } else if self.byte(at + 1) == quote {
                at += 2;
            } else {
                return Ok(at + 1);
            }
        }
        Err(Unfinished { what, start })
    }

    /// A comment that does not end goes to the end of the script, without an error, as SQLite has it.
    fn skip_blanks(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            match (self.byte(self.at), self.byte(self.at + 1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0c, _) => self.at += 1,
                (b'-', b'-') => self.at += rest.find('\n').unwrap_or(rest.len()),
                (b'/', b'*') => {
                    self.at +=
                        rest.get(2..).and_then(|rest| rest.find("*/")).map_or(rest.len(), |end| end + 4);
                }
                _ if rest.starts_with('\u{feff}') => self.at += '\u{feff}'.len_utf8(),
                _ => return,
            }
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// How far a statement is, as `sqlite3_complete` counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// No token yet, or the end.
    #[default]
    Start,
    /// A statement that the next semicolon ends.
    Normal,
    /// After `EXPLAIN`.
    Explain,
    /// After `CREATE`, perhaps with `TEMP`.
    Create,
    /// Inside `CREATE TRIGGER`.
    Trigger,
    /// After a semicolon inside of it.
    Semicolon,
    /// After `END` after a semicolon inside of it.
    End,
}

impl Phase {
    fn then(self, kind: Kind, text: &str) -> Self {
        let is = |word: &str| kind == Kind::Word && text.eq_ignore_ascii_case(word);
        let semicolon = kind == Kind::Sign(b';');
        match self {
            Self::Start if semicolon => Self::Start,
            Self::Start if is("explain") => Self::Explain,
            Self::Start | Self::Explain if is("create") => Self::Create,
            Self::Normal | Self::Explain | Self::Create | Self::End if semicolon => Self::Start,
            Self::Explain => Self::Explain,
            Self::Create if is("temp") || is("temporary") => Self::Create,
            Self::Create if is("trigger") => Self::Trigger,
            Self::Start | Self::Normal | Self::Create => Self::Normal,
            Self::Trigger | Self::Semicolon if semicolon => Self::Semicolon,
            Self::Semicolon if is("end") => Self::End,
            Self::Trigger | Self::Semicolon | Self::End => Self::Trigger,
        }
    }
}

pub(super) fn split(script: &str) -> Result<Vec<Statement<'_>>> {
    let mut pieces = Pieces::new(script);
    let mut lexer = Lexer::new(script);
    let mut phase = Phase::Start;
    let mut start: Option<usize> = None;
    // SQLite keeps a comment before the semicolon in a view's text, so it belongs to the statement.
    let before = |start: usize, terminator: usize| start + script[start..terminator].trim_end().len();
    loop {
        let token = lexer.token().map_err(|unfinished| unfinished.in_script(script))?;
        let Some(token) = token else {
            if let Some(start) = start {
                pieces.push(start, before(start, script.len()), None);
            }
            return Ok(pieces.statements);
        };
        let text = &script[token.start..token.end];
        if start.is_none() && at_line_start(script, token.start) {
            match token.kind {
                Kind::Sign(b'#') => {
                    lexer.at = line_end(script, token.start);
                    continue;
                }
                Kind::Sign(b'.') => return Err(client_command(script, token.start)),
                _ => {}
            }
        }
        let terminator =
            ends_like_semicolon(script, token) && phase.then(Kind::Sign(b';'), ";") == Phase::Start;
        phase = if terminator { Phase::Start } else { phase.then(token.kind, text) };
        if phase == Phase::Start {
            if let Some(start) = start.take() {
                pieces.push(start, before(start, token.start), None);
            }
            continue;
        }
        start.get_or_insert(token.start);
    }
}

fn at_line_start(script: &str, at: usize) -> bool {
    at == 0 || matches!(script.as_bytes()[at - 1], b'\n')
}

fn line_end(script: &str, at: usize) -> usize {
    script[at..].find('\n').map_or(script.len(), |found| at + found)
}

/// A line of nothing but `/` or `go` is a semicolon to the shell.
fn ends_like_semicolon(script: &str, token: Token) -> bool {
    let text = &script[token.start..token.end];
    if text != "/" && !text.eq_ignore_ascii_case("go") {
        return false;
    }
    let line_start = script[..token.start].rfind('\n').map_or(0, |found| found + 1);
    script[line_start..line_end(script, token.end)].trim() == text
}

fn client_command(script: &str, start: usize) -> Error {
    let line = script[start..line_end(script, start)].trim_end();
    let command = line.split_whitespace().next().unwrap_or(line);
    Error::new(
        ErrorKind::Usage,
        format!(
            "line {}: `{command}` is a command of the sqlite3 shell, not a statement",
            line_of(script, start)
        ),
    )
    .with_hint("take it out: dbm runs statements and no commands of a client")
}
