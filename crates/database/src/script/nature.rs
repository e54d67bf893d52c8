use super::Statement;
use super::postgres::Lexer;
use super::token::Kind;

/// What has to be known of a statement before it is run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nature {
    /// It begins or ends a transaction, or changes how one is.
    pub transaction: Option<TransactionControl>,
    /// What in it the server refuses or ignores inside a transaction: `VACUUM`, `CREATE INDEX CONCURRENTLY`.
    pub refuses_transaction: Option<String>,
    /// The value that it adds to an enum, which the same transaction cannot use yet.
    pub adds_enum_value: Option<EnumValue>,
    /// The pragma of SQLite's that it sets, of those that matter to a transaction.
    pub pragma: Option<Pragma>,
    /// What in it reaches beyond the database, so that the database's archive cannot put it back: `CREATE ROLE`.
    pub beyond_database: Option<String>,
    /// The name of dbm's own that it touches.
    pub touches_dbm: Option<String>,
}

/// What a statement does to a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionControl {
    /// `BEGIN`, `START TRANSACTION`.
    Begin,
    /// `COMMIT`, `END`.
    Commit,
    /// `ROLLBACK`, `ABORT`.
    Rollback,
    /// `SAVEPOINT`, `RELEASE`, `ROLLBACK TO`: harmless inside a transaction.
    Savepoint,
    /// `PREPARE TRANSACTION`, `COMMIT PREPARED`, `SET TRANSACTION` and the like.
    Other,
}

/// A pragma of SQLite's that does nothing, or something else, inside a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pragma {
    /// `PRAGMA foreign_keys = …`, which is ignored there.
    ForeignKeys,
    /// `PRAGMA journal_mode = …`, which fails there.
    JournalMode,
    /// Another one that fails or is ignored there.
    Other,
}

/// A value that `ALTER TYPE … ADD VALUE` adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnumValue {
    /// The type's name as written, unquoted, without its namespace.
    pub type_name: String,
    /// The value.
    pub value: String,
}

impl EnumValue {
    /// Whether a statement seems to use the value: as a string, within a string (the body of a `DO`), or in rows.
    pub fn is_used_by(&self, statement: &Statement<'_>) -> bool {
        let quoted = format!("'{}'", self.value.replace('\'', "''"));
        let within = quoted.replace('\'', "''");
        let in_rows = statement.copy_rows.is_some_and(|rows| {
            rows.lines().any(|row| {
                row.split(['\t', ',', ';', '|']).any(|field| field.trim_matches('"') == self.value)
            })
        });
        let lexemes = Lexer::lexemes(statement.text).unwrap_or_default();
        in_rows
            || lexemes.iter().filter(|lexeme| lexeme.kind == Kind::Text).any(|lexeme| {
                lexeme.text.contains(&quoted)
                    || lexeme.text.contains(&within)
                    || (lexeme.text.starts_with('$') && lexeme.text.trim_matches('$') == self.value)
            })
    }
}
