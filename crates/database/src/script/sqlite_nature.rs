//! What the statements of SQLite do that a run has to know.

use super::sqlite::Lexer;
use super::token::{Lexeme, begins};
use super::{Nature, Pragma, Statement, TransactionControl};
use crate::Result;
use crate::sqlite::{COMMITTED_TABLE, HISTORY_TABLE, SOURCE_TABLE};

/// Pragmas beside `foreign_keys` and `journal_mode` that fail or are ignored inside a transaction:
/// <https://www.sqlite.org/pragma.html>.
const OTHER_PRAGMAS: &[&str] = &[
    "synchronous",
    "locking_mode",
    "temp_store",
    "temp_store_directory",
    "page_size",
    "auto_vacuum",
    "encoding",
    "wal_checkpoint",
];

pub(super) fn classify(statement: &Statement<'_>) -> Result<Nature> {
    let lexemes =
        Lexer::lexemes(statement.text).map_err(|unfinished| unfinished.in_script(statement.text))?;
    let starts = |words: &[&str]| begins(&lexemes, words);
    let transaction = if starts(&["BEGIN"]) {
        Some(TransactionControl::Begin)
    } else if starts(&["COMMIT"]) || starts(&["END"]) {
        Some(TransactionControl::Commit)
    } else if starts(&["ROLLBACK"]) && lexemes.iter().take(3).any(|lexeme| lexeme.is("TO")) {
        Some(TransactionControl::Savepoint)
    } else if starts(&["ROLLBACK"]) {
        Some(TransactionControl::Rollback)
    } else if starts(&["SAVEPOINT"]) || starts(&["RELEASE"]) {
        Some(TransactionControl::Savepoint)
    } else {
        None
    };
    let pragma = sets_pragma(&lexemes);
    let refuses = ["VACUUM", "DETACH"].into_iter().find(|word| starts(&[word])).map(str::to_owned);
    let refuses = refuses.or_else(|| pragma.as_ref().map(|(_, name)| format!("PRAGMA {name}")));
    let beyond = if starts(&["ATTACH"]) || starts(&["DETACH"]) {
        Some(lexemes[0].text.to_ascii_uppercase())
    } else if starts(&["VACUUM"]) && lexemes.iter().any(|lexeme| lexeme.is("INTO")) {
        Some("VACUUM INTO".to_owned())
    } else {
        None
    };
    Ok(Nature {
        transaction,
        refuses_transaction: refuses,
        adds_enum_value: None,
        pragma: pragma.map(|(pragma, _)| pragma),
        beyond_database: beyond,
        touches_dbm: touches_dbm(&lexemes),
    })
}

/// Words after which a name comes.
const BEFORE_NAMES: &[&str] = &[
    "FROM",
    "INTO",
    "UPDATE",
    "TABLE",
    "JOIN",
    "EXISTS",
    "ON",
    "TO",
    "REFERENCES",
    "ROLLBACK",
    "ABORT",
    "REPLACE",
    "FAIL",
    "IGNORE",
];

fn touches_dbm(lexemes: &[Lexeme<'_>]) -> Option<String> {
    let ours = |name: &String| [HISTORY_TABLE, COMMITTED_TABLE, SOURCE_TABLE].contains(&name.as_str());
    let names = lexemes.iter().filter_map(Lexeme::identifier);
    // Where a name belongs, SQLite takes a string for one.
    let strings = lexemes.windows(2).filter_map(|pair| {
        let belongs = pair[0].is_sign(b'.') || BEFORE_NAMES.iter().any(|word| pair[0].is(word));
        let inner = pair[1].text.strip_prefix('\'').filter(|_| belongs)?.strip_suffix('\'')?;
        Some(inner.replace("''", "'"))
    });
    names.chain(strings).map(|name| name.to_ascii_lowercase()).find(ours)
}

/// The pragma that is set, not only read: `PRAGMA [schema.]name = value` or `(value)`.
fn sets_pragma(lexemes: &[Lexeme<'_>]) -> Option<(Pragma, String)> {
    if !begins(lexemes, &["PRAGMA"]) {
        return None;
    }
    let name_at = if lexemes.get(2)?.is_sign(b'.') { 3 } else { 1 };
    let name = lexemes.get(name_at)?.identifier()?.to_ascii_lowercase();
    let value = lexemes.get(name_at + 1)?;
    if !value.is_sign(b'=') && !value.is_sign(b'(') {
        return None;
    }
    let pragma = match name.as_str() {
        "foreign_keys" => Pragma::ForeignKeys,
        "journal_mode" => Pragma::JournalMode,
        other if OTHER_PRAGMAS.contains(&other) => Pragma::Other,
        _ => return None,
    };
    Some((pragma, name))
}
