//! Scripts for MySQL and MariaDB. The judge is the `mariadb` client, which cuts at its delimiter:
//! <https://mariadb.com/kb/en/delimiters/>, <https://dev.mysql.com/doc/refman/8.4/en/mysql-commands.html>.
//!
//! Comments are sent with the statement that they are in, as the clients do with `--comments`: a routine keeps its own.

use super::mysql_mode::Modes;
use super::token::{Kind, Lexeme, Token, Unfinished};
use super::{Pieces, Statement, line_of};
use crate::{Error, ErrorKind, Result};

/// What of `sql_mode` changes where a string or a name ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quoting {
    /// A backslash is a character like any other.
    pub(crate) no_escapes: bool,
    /// `"` is around names.
    pub(crate) ansi: bool,
}

impl Quoting {
    /// That of a `sql_mode`.
    pub(crate) fn of(mode: &str) -> Self {
        let mode = mode.to_ascii_uppercase();
        let has = |word: &str| mode.contains(word);
        Self {
            no_escapes: has("NO_BACKSLASH_ESCAPES"),
            ansi: ["ANSI", "ORACLE", "MSSQL", "POSTGRESQL", "DB2", "MAXDB"].iter().any(|word| has(word)),
        }
    }

    pub(super) fn with(self, other: Self) -> Self {
        Self { no_escapes: self.no_escapes || other.no_escapes, ansi: self.ansi || other.ansi }
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self { no_escapes: self.no_escapes && !other.no_escapes, ansi: self.ansi && !other.ansi }
    }
}

/// Cuts a text into tokens. Blanks and comments are between them; what is in `/*! … */` is code.
#[derive(Clone, Debug)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    quoting: Quoting,
    /// Inside `/*! … */`, whose end is no token.
    conditional: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str, quoting: Quoting) -> Self {
        Self { text, at: 0, quoting, conditional: false }
    }

    pub(crate) fn lexemes(text: &'a str, quoting: Quoting) -> Result<Vec<Lexeme<'a>>, Unfinished> {
        Ok(Self::tokens(text, quoting)?
            .into_iter()
            .map(|token| Lexeme { kind: token.kind, text: &text[token.start..token.end] })
            .collect())
    }

    pub(crate) fn tokens(text: &'a str, quoting: Quoting) -> Result<Vec<Token>, Unfinished> {
        let mut lexer = Self::new(text, quoting);
        let mut all = Vec::new();
        while let Some(token) = lexer.token()? {
            all.push(token);
        }
        Ok(all)
    }

    fn byte(&self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or(0)
    }

    /// The next token, or none at the end.
    pub(crate) fn token(&mut self) -> Result<Option<Token>, Unfinished> {
        self.skip_blanks()?;
        let start = self.at;
        if start >= self.text.len() {
            return Ok(None);
        }
        let (kind, end) = match self.byte(start) {
            b'\'' => (Kind::Text, self.quoted(start, b'\'', "a string")?),
            b'"' if self.quoting.ansi => (Kind::Name, self.quoted(start, b'"', "a quoted name")?),
            b'"' => (Kind::Text, self.quoted(start, b'"', "a string")?),
            b'`' => (Kind::Name, self.quoted(start, b'`', "a quoted name")?),
            b'0'..=b'9' => (Kind::Number, self.word(start)),
            byte if is_word(byte) => (Kind::Word, self.word(start)),
            byte => (Kind::Sign(byte), start + 1),
        };
        self.at = end;
        Ok(Some(Token { kind, start, end }))
    }

    fn word(&self, start: usize) -> usize {
        let rest = &self.text.as_bytes()[start..];
        start + rest.iter().position(|&byte| !is_word(byte)).unwrap_or(rest.len())
    }

    fn quoted(&self, start: usize, quote: u8, what: &'static str) -> Result<usize, Unfinished> {
        let escapes = quote != b'`' && !self.quoting.no_escapes && !(quote == b'"' && self.quoting.ansi);
        let mut at = start + 1;
        while at < self.text.len() {
            match self.byte(at) {
                b'\\' if escapes => at += 2,
                byte if byte != quote => at += 1,
                _ if self.byte(at + 1) == quote => at += 2,
                _ => return Ok(at + 1),
            }
        }
        Err(Unfinished { what, start })
    }

    fn skip_blanks(&mut self) -> Result<(), Unfinished> {
        loop {
            let rest = &self.text[self.at..];
            let line = || rest.find('\n').unwrap_or(rest.len());
            match (self.byte(self.at), self.byte(self.at + 1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => self.at += 1,
                (b'#', _) => self.at += line(),
                (b'-', b'-') if rest.len() == 2 || self.byte(self.at + 2) <= b' ' => self.at += line(),
                (b'*', b'/') if self.conditional => {
                    self.conditional = false;
                    self.at += 2;
                }
                (b'/', b'*') => match conditional(rest) {
                    Some(length) => {
                        self.conditional = true;
                        self.at += length;
                    }
                    None => match rest[2..].find("*/") {
                        Some(end) => self.at += end + 4,
                        None => return Err(Unfinished { what: "a comment", start: self.at }),
                    },
                },
                _ if rest.starts_with('\u{feff}') => self.at += '\u{feff}'.len_utf8(),
                _ => return Ok(()),
            }
        }
    }
}

/// The length of what opens `/*! … */`, `/*M! … */` or `/*!50003 … */`; not the sandbox line, which is for the client.
fn conditional(rest: &str) -> Option<usize> {
    if rest.starts_with(SANDBOX) {
        return None;
    }
    let mark = if rest.starts_with("/*!") {
        3
    } else if rest.starts_with("/*M!") {
        4
    } else {
        return None;
    };
    let digits = rest[mark..].bytes().take(6).take_while(u8::is_ascii_digit).count();
    Some(mark + digits)
}

/// How dumps of MariaDB tell their client to run no command of its own: <https://mariadb.com/kb/en/mariadb-dump/>.
const SANDBOX: &str = r"/*M!999999\-";

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte == b'@' || byte >= 0x80
}

pub(super) fn split(script: &str) -> Result<Vec<Statement<'_>>> {
    let mut cutter = Cutter {
        pieces: Pieces::new(script),
        lexer: Lexer::new(script, Quoting::default()),
        delimiter: ";".to_owned(),
        modes: Modes::default(),
    };
    while cutter.step()? {}
    Ok(cutter.pieces.statements)
}

/// A place in a script, and all that its past says of how it goes on.
struct Cutter<'a> {
    pieces: Pieces<'a>,
    lexer: Lexer<'a>,
    delimiter: String,
    modes: Modes,
}

impl<'a> Cutter<'a> {
    /// Ends a statement. Where nobody sees what it makes of `sql_mode`, what follows must be the same whatever that is.
    fn push(&mut self, (start, end): (usize, usize), after: usize) -> Result<()> {
        let script = self.pieces.script;
        let text = script[start..end].trim_end();
        let known = self.modes.known;
        self.modes.follow(text);
        self.lexer.quoting = self.modes.now;
        self.lexer.conditional = false;
        self.lexer.at = after;
        self.pieces.push(start, start + text.len(), None);
        // Where it was not known before, what follows was looked at already.
        if self.modes.known || !known || self.is_cut_alike() {
            return Ok(());
        }
        let line = line_of(script, start);
        Err(Error::new(
            ErrorKind::Usage,
            format!("line {line}: the text does not say what sql_mode becomes, and where the statements after it end depends on that"),
        )
        .with_hint("name its words: SET sql_mode = 'ANSI_QUOTES'; or put back what the script itself has kept: SET @old = @@sql_mode"))
    }

    /// Whether what follows is cut alike whatever `sql_mode` is, up to where the script says what it becomes.
    fn is_cut_alike(&self) -> bool {
        let mut ways =
            [(false, false), (false, true), (true, false), (true, true)].map(|(no_escapes, ansi)| {
                let modes = Modes { now: Quoting { no_escapes, ansi }, ..self.modes.clone() };
                Self {
                    pieces: Pieces { statements: Vec::new(), ..self.pieces },
                    lexer: Lexer { quoting: modes.now, ..self.lexer.clone() },
                    delimiter: self.delimiter.clone(),
                    modes,
                }
            });
        loop {
            let mut steps = ways.each_mut().map(|way| {
                way.pieces.statements.clear();
                let more = way.step().ok()?;
                Some((more, way.pieces.statements.pop(), way.lexer.at))
            });
            let Some(first) = steps[0].take() else { return false };
            if steps[1..].iter().any(|step| step.as_ref() != Some(&first)) {
                return false;
            }
            if !first.0 || ways[0].modes.known {
                return true;
            }
        }
    }

    /// Goes on to the end of the next statement; false if that is the script's.
    fn step(&mut self) -> Result<bool> {
        let script = self.pieces.script;
        let mut start: Option<usize> = None;
        // What it ends at keeps the comments before it, as the clients send them.
        loop {
            self.lexer.skip_blanks().map_err(|unfinished| unfinished.in_script(script))?;
            let at = self.lexer.at;
            if at >= script.len() {
                if let Some(start) = start {
                    self.push((start, script.len()), script.len())?;
                }
                return Ok(false);
            }
            let rest = &script[at..];
            if rest.starts_with(&self.delimiter) || rest.starts_with("\\g") || rest.starts_with("\\G") {
                let after = at + if rest.starts_with(&self.delimiter) { self.delimiter.len() } else { 2 };
                if let Some(start) = start {
                    self.push((start, at), after)?;
                    return Ok(true);
                }
                self.lexer.conditional = false;
                self.lexer.at = after;
                continue;
            }
            if start.is_none() {
                // A line that begins so is a comment for the clients, whatever follows.
                if rest.starts_with("--") && at_line_start(script, at) {
                    self.lexer.at = at + line_at(rest).len();
                    continue;
                }
                let line = if begins_command(rest) { line_at(rest) } else { "" };
                match command(line) {
                    Some(Command::Delimiter(new)) if !new.is_empty() && !new.contains('\\') => {
                        new.clone_into(&mut self.delimiter);
                        self.lexer.at = at + line.len();
                        continue;
                    }
                    Some(Command::Delimiter(_)) => return Err(bad_delimiter(script, at)),
                    Some(Command::Use) if !line.contains(&self.delimiter) && at_line_start(script, at) => {
                        self.pieces.push(at, at + line.trim_end().len(), None);
                        self.lexer.at = at + line.len();
                        return Ok(true);
                    }
                    Some(Command::Other(word))
                        if !line.contains(&self.delimiter) && at_line_start(script, at) =>
                    {
                        return Err(client_command(script, at, word));
                    }
                    _ => {}
                }
            }
            if rest.starts_with('\\') && !rest.starts_with("\\N") {
                let end = rest.chars().nth(1).map_or(1, |next| 1 + next.len_utf8());
                return Err(client_command(script, at, &rest[..end]));
            }
            let conditional = self.lexer.conditional;
            let token = self.lexer.token().map_err(|unfinished| unfinished.in_script(script))?;
            if let Some(token) = token {
                start.get_or_insert_with(|| {
                    // What opens a conditional comment belongs to the statement.
                    let opened = if conditional { script[..at].rfind("/*") } else { None };
                    opened.filter(|&opened| only_opens(&script[opened..at])).unwrap_or(token.start)
                });
                // A delimiter may stand right after a word: `END$$`.
                let text = &script[token.start..token.end];
                if matches!(token.kind, Kind::Word | Kind::Number)
                    && let Some(found) = text.find(&self.delimiter).filter(|&found| found > 0)
                {
                    self.lexer.at = token.start + found;
                }
            }
        }
    }
}

/// Whether a text is no more than the opening of a conditional comment and blanks.
fn only_opens(text: &str) -> bool {
    conditional(text).is_some_and(|length| text[length..].trim().is_empty())
}

enum Command<'a> {
    Delimiter(&'a str),
    Use,
    Other(&'a str),
}

/// Commands of the clients that stand on a line of their own. Those that are words of SQL too need to be all of it.
const ALONE: &[&str] = &[
    "?",
    "clear",
    "costs",
    "edit",
    "ego",
    "exit",
    "go",
    "help",
    "nopager",
    "notee",
    "nowarning",
    "print",
    "quit",
    "rehash",
    "sandbox",
    "status",
    "warnings",
];
const WITH_ARGUMENT: &[&str] = &["charset", "connect", "pager", "prompt", "source", "system", "tee"];

fn line_at(rest: &str) -> &str {
    &rest[..rest.find('\n').unwrap_or(rest.len())]
}

/// Whether the first word may be a command of the clients: where a script is one long line, nobody reads it to its end for
/// each statement.
fn begins_command(rest: &str) -> bool {
    let word = rest.split([' ', '\t', '\n']).next().unwrap_or_default().trim_end();
    let mut words = ALONE.iter().chain(WITH_ARGUMENT).chain(&["delimiter", "use"]);
    words.any(|one| word.eq_ignore_ascii_case(one))
}

fn command(line: &str) -> Option<Command<'_>> {
    let line = line.trim_end();
    let (word, argument) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let argument = argument.trim();
    if word.eq_ignore_ascii_case("delimiter") {
        let quote = argument.chars().next().filter(|first| "'\"`".contains(*first));
        return Some(Command::Delimiter(match quote {
            Some(quote) => argument[1..].split(quote).next().unwrap_or_default(),
            None => argument.split_whitespace().next().unwrap_or_default(),
        }));
    }
    let is = |one: &&str| word.eq_ignore_ascii_case(one);
    if word.eq_ignore_ascii_case("use") && !argument.is_empty() {
        return Some(Command::Use);
    }
    let alone = argument.is_empty() && ALONE.iter().any(is);
    (alone || WITH_ARGUMENT.iter().any(is)).then_some(Command::Other(word))
}

fn at_line_start(script: &str, at: usize) -> bool {
    let line = script[..at].rfind('\n').map_or(0, |found| found + 1);
    script[line..at].trim_start_matches('\u{feff}').trim().is_empty()
}

fn bad_delimiter(script: &str, start: usize) -> Error {
    let message = format!("line {}: DELIMITER is followed by none that can be used", line_of(script, start));
    Error::new(ErrorKind::Usage, message)
        .with_hint("write DELIMITER // or DELIMITER $$, and DELIMITER ; after it")
}

fn client_command(script: &str, start: usize, command: &str) -> Error {
    Error::new(
        ErrorKind::Usage,
        format!(
            "line {}: `{command}` is a command of the mariadb client, not a statement",
            line_of(script, start)
        ),
    )
    .with_hint("take it out: dbm runs statements, DELIMITER, and no other commands of a client")
}
