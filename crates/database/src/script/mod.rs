//! Cutting a script into statements, as the engine's native client would, and saying what kind each is.
//!
//! One file per dialect: its lexer, and the rule by which its client finds the end of a statement.

mod hidden;
pub(crate) mod mysql;
mod mysql_mode;
mod mysql_nature;
mod nature;
mod postgres;
mod postgres_nature;
mod sqlite;
mod sqlite_nature;
#[cfg(test)]
mod tests;
pub(crate) mod token;

use crate::{Engine, Result};

pub use hidden::{Hidden, hidden, is_block, without_settings};
pub use nature::{EnumValue, Nature, Pragma, TransactionControl};
pub use token::{Kind as LexemeKind, Lexeme, begins, clauses, closing, holds};

/// One statement of a script, as it is sent to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// Its text without the terminator and without leading blanks and comments.
    pub text: &'a str,
    /// The line of the script on which it starts, from 1.
    pub line: usize,
    /// Where it starts in the script, in bytes.
    pub offset: usize,
    /// The rows that follow a `COPY … FROM stdin`, without the closing `\.`.
    pub copy_rows: Option<&'a str>,
}

/// Cuts a script into its statements, as `psql`, `mariadb` or `sqlite3` would. Empty statements are left out.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::ErrorKind::Usage), naming the line, where the script cannot be cut: a string, a comment or the rows of
/// a `COPY` that do not end, or a command of the client.
pub fn split(engine: Engine, script: &str) -> Result<Vec<Statement<'_>>> {
    match engine {
        Engine::Postgres => postgres::split(script),
        Engine::Sqlite => sqlite::split(script),
        Engine::Mysql => mysql::split(script),
    }
}

/// Says what has to be known of a statement before it is run.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a text that [`split`] would not have given.
pub fn classify(engine: Engine, statement: &Statement<'_>) -> Result<Nature> {
    match engine {
        Engine::Postgres => postgres_nature::classify(statement),
        Engine::Sqlite => sqlite_nature::classify(statement),
        Engine::Mysql => mysql_nature::classify(statement),
    }
}

/// The tokens of one statement, for those who look at what it says. Blanks and comments are left out.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a text that [`split`] would not have given.
pub fn lexemes(engine: Engine, statement: &str) -> Result<Vec<Lexeme<'_>>> {
    let lexemes = match engine {
        Engine::Postgres => postgres::Lexer::lexemes(statement),
        Engine::Sqlite => sqlite::Lexer::lexemes(statement),
        Engine::Mysql => mysql_nature::lexemes(statement),
    };
    lexemes.map_err(|unfinished| unfinished.in_script(statement))
}

/// Whether a statement of Postgres sends its rows to the client: `COPY … TO stdout`.
pub(crate) fn copies_to_client(text: &str) -> bool {
    postgres::copies(text, "TO")
}

/// The line of a place in a script, from 1.
fn line_of(script: &str, offset: usize) -> usize {
    script.as_bytes()[..offset].iter().filter(|&&byte| byte == b'\n').count() + 1
}

/// Collects statements, with the line of each, counting lines once.
struct Pieces<'a> {
    script: &'a str,
    statements: Vec<Statement<'a>>,
    counted: usize,
    line: usize,
}

impl<'a> Pieces<'a> {
    fn new(script: &'a str) -> Self {
        Self { script, statements: Vec::new(), counted: 0, line: 1 }
    }

    fn push(&mut self, start: usize, end: usize, copy_rows: Option<&'a str>) {
        let passed = &self.script.as_bytes()[self.counted..start];
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count();
        self.counted = start;
        let text = &self.script[start..end];
        self.statements.push(Statement { text, line: self.line, offset: start, copy_rows });
    }
}
