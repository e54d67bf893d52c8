//! What the statements of MySQL and MariaDB do that a run has to know.

use super::hidden::{is_block, without_settings};
use super::mysql::{Lexer, Quoting};
use super::token::{Kind, Lexeme, Unfinished, begins};
use super::{Nature, Statement, TransactionControl};
use crate::Result;
use crate::mysql::{HISTORY_TABLE, HOME, OWN_TABLES};

/// First words of statements that commit before and after themselves:
/// <https://dev.mysql.com/doc/refman/8.4/en/implicit-commit.html>, <https://mariadb.com/kb/en/sql-statements-that-cause-an-implicit-commit/>.
const COMMITS: &[&str] = &[
    "ALTER",
    "ANALYZE",
    "BACKUP",
    "CACHE",
    "CHANGE",
    "CHECK",
    "CREATE",
    "DROP",
    "FLUSH",
    "GRANT",
    "INSTALL",
    "LOAD",
    "LOCK",
    "OPTIMIZE",
    "RENAME",
    "REPAIR",
    "RESET",
    "REVOKE",
    "START",
    "STOP",
    "TRUNCATE",
    "UNINSTALL",
    "UNLOCK",
];

/// Statements that reach beyond the database, whatever follows.
const BEYOND: &[&[&str]] = &[
    &["USE"],
    &["GRANT"],
    &["REVOKE"],
    &["INSTALL"],
    &["UNINSTALL"],
    &["FLUSH"],
    &["RESET"],
    &["KILL"],
    &["SHUTDOWN"],
    &["RESTART"],
    &["PURGE"],
    &["CHANGE"],
    &["BACKUP"],
    &["CLONE"],
    &["IMPORT"],
    &["START", "SLAVE"],
    &["START", "REPLICA"],
    &["START", "ALL"],
    &["STOP"],
    &["SET", "GLOBAL"],
    &["SET", "PERSIST"],
    &["SET", "PERSIST_ONLY"],
    &["SET", "PASSWORD"],
    &["SET", "DEFAULT"],
    &["RENAME", "USER"],
];

/// What of these is the server's and not the database's.
const SERVER_KINDS: &[&str] = &[
    "DATABASE",
    "INSTANCE",
    "LOGFILE",
    "RESOURCE",
    "ROLE",
    "SCHEMA",
    "SERVER",
    "SPATIAL",
    "TABLESPACE",
    "UNDO",
    "USER",
];

pub(super) fn classify(statement: &Statement<'_>) -> Result<Nature> {
    let lexemes = lexemes(statement.text).map_err(|unfinished| unfinished.in_script(statement.text))?;
    let lexemes = without_settings(&lexemes);
    let starts = |words: &[&str]| begins(lexemes, words);
    let transaction = if starts(&["BEGIN"]) && !is_block(lexemes) || starts(&["START", "TRANSACTION"]) {
        Some(TransactionControl::Begin)
    } else if starts(&["COMMIT"]) {
        Some(TransactionControl::Commit)
    } else if starts(&["ROLLBACK"]) && lexemes.iter().take(3).any(|lexeme| lexeme.is("TO")) {
        Some(TransactionControl::Savepoint)
    } else if starts(&["ROLLBACK"]) {
        Some(TransactionControl::Rollback)
    } else if starts(&["SAVEPOINT"]) || starts(&["RELEASE", "SAVEPOINT"]) {
        Some(TransactionControl::Savepoint)
    } else if starts(&["XA"]) || starts(&["SET", "TRANSACTION"]) || sets(lexemes, "autocommit") {
        Some(TransactionControl::Other)
    } else {
        None
    };
    let commits = transaction.is_none()
        && lexemes.first().is_some_and(|first| COMMITS.iter().any(|word| first.is(word)));
    let temporary = starts(&["CREATE", "TEMPORARY"]) || starts(&["DROP", "TEMPORARY"]);
    Ok(Nature {
        transaction,
        refuses_transaction: (commits && !temporary).then(|| words(lexemes)),
        adds_enum_value: None,
        pragma: None,
        beyond_database: beyond(lexemes),
        touches_dbm: touches(lexemes),
    })
}

/// The tokens of a statement; which mode it was cut under it does not say, so the first that reads it whole will do.
pub(super) fn lexemes(text: &str) -> Result<Vec<Lexeme<'_>>, Unfinished> {
    let usual = Lexer::lexemes(text, Quoting::default());
    let others = [(true, false), (false, true), (true, true)];
    let mut others = others.into_iter().map(|(no_escapes, ansi)| Quoting { no_escapes, ansi });
    usual
        .or_else(|unfinished| others.find_map(|quoting| Lexer::lexemes(text, quoting).ok()).ok_or(unfinished))
}

/// The first words of a statement, for people.
fn words(lexemes: &[Lexeme<'_>]) -> String {
    let words = lexemes.iter().take_while(|lexeme| lexeme.kind == Kind::Word).take(2);
    words.map(|word| word.text.to_ascii_uppercase()).collect::<Vec<_>>().join(" ")
}

fn sets(lexemes: &[Lexeme<'_>], variable: &str) -> bool {
    begins(lexemes, &["SET"])
        && lexemes.iter().any(|lexeme| {
            let name = lexeme.text.trim_start_matches("@@");
            matches!(lexeme.kind, Kind::Word) && name.eq_ignore_ascii_case(variable)
        })
}

fn beyond(lexemes: &[Lexeme<'_>]) -> Option<String> {
    if BEYOND.iter().any(|one| begins(lexemes, one)) {
        return Some(words(lexemes));
    }
    let first = lexemes.first()?;
    if ["CREATE", "ALTER", "DROP"].iter().any(|word| first.is(word)) {
        // Between the verb and the kind there may be OR REPLACE, AGGREGATE, a DEFINER.
        let head = || lexemes.iter().skip(1).take(3).filter(|lexeme| lexeme.kind == Kind::Word);
        let kind = head().find(|lexeme| !["OR", "REPLACE", "UNDO"].iter().any(|word| lexeme.is(word)));
        if let Some(kind) = kind.filter(|kind| SERVER_KINDS.iter().any(|word| kind.is(word))) {
            return Some(format!("{} {}", first.text, kind.text).to_ascii_uppercase());
        }
        if lexemes.iter().take(12).any(|lexeme| lexeme.is("SONAME")) {
            return Some("CREATE FUNCTION … SONAME".to_owned());
        }
    }
    if first.is("SET") {
        let global = lexemes.iter().find(|lexeme| {
            let text = lexeme.text.to_ascii_lowercase();
            lexeme.kind == Kind::Word
                && (text.starts_with("@@global") || text.starts_with("@@persist") || text == "global")
        });
        if global.is_some() {
            return Some("SET GLOBAL".to_owned());
        }
    }
    if lexemes.windows(2).any(|pair| pair[0].is("INTO") && (pair[1].is("OUTFILE") || pair[1].is("DUMPFILE")))
    {
        return Some("INTO OUTFILE".to_owned());
    }
    target(lexemes)
}

/// The qualified name of what a statement changes, if it is one: it need not be in this database.
fn target(lexemes: &[Lexeme<'_>]) -> Option<String> {
    let first = lexemes.first()?;
    let changes =
        ["ALTER", "CREATE", "DELETE", "DROP", "INSERT", "LOAD", "RENAME", "REPLACE", "TRUNCATE", "UPDATE"];
    if !changes.iter().any(|word| first.is(word)) {
        return None;
    }
    let before = [
        "TABLE",
        "INTO",
        "UPDATE",
        "TRIGGER",
        "VIEW",
        "PROCEDURE",
        "FUNCTION",
        "EVENT",
        "SEQUENCE",
        "PACKAGE",
        "EXISTS",
    ];
    let place = lexemes.iter().take(16).position(|lexeme| {
        before.iter().any(|word| lexeme.is(word)) || first.is("DELETE") && lexeme.is("FROM")
    })?;
    let mut rest = lexemes[place + 1..].iter().skip_while(|lexeme| {
        ["IF", "NOT", "EXISTS", "LOW_PRIORITY", "IGNORE", "DELAYED", "HIGH_PRIORITY"]
            .iter()
            .any(|word| lexeme.is(word))
    });
    let (name, dot, inner) = (rest.next()?, rest.next()?, rest.next()?);
    (name.identifier().is_some() && dot.is_sign(b'.') && inner.identifier().is_some())
        .then(|| format!("{}.{}, a name with its database", name.text, inner.text))
}

fn touches(lexemes: &[Lexeme<'_>]) -> Option<String> {
    let own = |name: &str| name == HISTORY_TABLE || OWN_TABLES.contains(&name);
    let qualified =
        lexemes.windows(2).filter(|pair| pair[1].is_sign(b'.')).filter_map(|pair| pair[0].identifier());
    let mut qualified = qualified.map(|name| name.to_ascii_lowercase());
    let mut names = lexemes.iter().filter_map(Lexeme::identifier).map(|name| name.to_ascii_lowercase());
    names.find(|name| own(name)).or_else(|| qualified.find(|name| name == HOME))
}
