//! What the statements of PostgreSQL do that a run has to know.

use super::postgres::Lexer;
use super::token::{Kind, Lexeme, begins, holds};
use super::{EnumValue, Nature, Statement, TransactionControl};
use crate::Result;

/// Statements that a transaction refuses, by their first words.
/// Those that have `PreventInTransactionBlock` in <https://www.postgresql.org/docs/current/sql-commands.html>.
const REFUSES: &[&[&str]] = &[
    &["VACUUM"],
    &["CREATE", "DATABASE"],
    &["DROP", "DATABASE"],
    &["CREATE", "TABLESPACE"],
    &["DROP", "TABLESPACE"],
    &["ALTER", "SYSTEM"],
    &["CREATE", "SUBSCRIPTION"],
    &["DROP", "SUBSCRIPTION"],
    &["REINDEX", "DATABASE"],
    &["REINDEX", "SYSTEM"],
    &["REINDEX", "SCHEMA"],
    &["DISCARD", "ALL"],
    &["COMMIT", "PREPARED"],
    &["ROLLBACK", "PREPARED"],
];

/// Words that reach beyond the database wherever they stand in a statement that can make them: also in `DO` blocks.
const BEYOND: &[&[&str]] = &[
    &["CREATE", "ROLE"],
    &["ALTER", "ROLE"],
    &["DROP", "ROLE"],
    &["CREATE", "GROUP"],
    &["ALTER", "GROUP"],
    &["DROP", "GROUP"],
    &["CREATE", "USER"],
    &["ALTER", "USER"],
    &["DROP", "USER"],
    &["CREATE", "DATABASE"],
    &["ALTER", "DATABASE"],
    &["DROP", "DATABASE"],
    &["CREATE", "TABLESPACE"],
    &["ALTER", "TABLESPACE"],
    &["DROP", "TABLESPACE"],
    &["ALTER", "SYSTEM"],
    &["CREATE", "SUBSCRIPTION"],
    &["ALTER", "SUBSCRIPTION"],
    &["DROP", "SUBSCRIPTION"],
    &["DROP", "OWNED"],
    &["REASSIGN", "OWNED"],
    &["ON", "DATABASE"],
    &["ON", "TABLESPACE"],
    &["ON", "ROLE"],
    &["ON", "PARAMETER"],
];

/// Functions whose work a rollback does not undo and no archive of the database holds, by how their names begin: they go
/// through a connection or a file of their own, or change what belongs to the whole server
/// (<https://www.postgresql.org/docs/current/functions-admin.html>). Names and statistics of replication, the log and the
/// configuration outlive the transaction.
const OUTSIDE: &[&str] = &[
    "dblink",
    "lo_export",
    "pg_file_",
    "pg_create_physical_replication_slot",
    "pg_create_logical_replication_slot",
    "pg_copy_physical_replication_slot",
    "pg_copy_logical_replication_slot",
    "pg_drop_replication_slot",
    "pg_replication_slot_advance",
    "pg_logical_slot_get_",
    "pg_replication_origin_create",
    "pg_replication_origin_drop",
    "pg_replication_origin_advance",
    "pg_sync_replication_slots",
    "pg_reload_conf",
    "pg_rotate_logfile",
    "pg_promote",
    "pg_switch_wal",
    "pg_create_restore_point",
    "pg_wal_replay_",
    "pg_stat_reset",
];

pub(super) fn classify(statement: &Statement<'_>) -> Result<Nature> {
    let unfinished = |unfinished: super::token::Unfinished| unfinished.in_script(statement.text);
    let lexemes = Lexer::lexemes(statement.text).map_err(unfinished)?;
    let mut inner = Vec::new();
    if lexemes.first().is_some_and(|first| first.is("DO")) {
        for lexeme in lexemes.iter().filter(|lexeme| lexeme.kind == Kind::Text) {
            words_inside(lexeme.text, 3, &mut inner);
        }
    }
    let is_do = !inner.is_empty();
    let inner: Vec<Lexeme<'_>> =
        inner.iter().map(|(kind, text)| Lexeme { kind: *kind, text: text.as_str() }).collect();
    Ok(Nature {
        transaction: transaction(&lexemes),
        refuses_transaction: refuses(&lexemes).or_else(|| is_do.then(|| ends_transactions(&inner)).flatten()),
        adds_enum_value: adds_enum_value(&lexemes),
        pragma: None,
        beyond_database: beyond(&lexemes)
            .or_else(|| (!only_defines(&lexemes)).then(|| calls_outside(&lexemes)).flatten())
            .or_else(|| BEYOND.iter().find(|words| holds_beyond(&inner, words)).map(|words| words.join(" ")))
            .or_else(|| copies_outside(&inner))
            .or_else(|| calls_outside(&inner)),
        touches_dbm: touches_dbm(&lexemes).or_else(|| touches_dbm(&inner)),
    })
}

/// The words of a body in a string, and of the strings in it, as far as they can be read.
fn words_inside(text: &str, depth: u32, into: &mut Vec<(Kind, String)>) {
    let body = if let Some(rest) = text.strip_prefix('$') {
        let tag = rest.find('$').map_or(1, |found| found + 2);
        text.get(tag..text.len().saturating_sub(tag)).unwrap_or_default().to_owned()
    } else {
        let start = text.find('\'').map_or(0, |found| found + 1);
        text.get(start..text.len().saturating_sub(1)).unwrap_or_default().replace("''", "'")
    };
    let mut lexer = Lexer::new(&body);
    while let Ok(Some(token)) = lexer.token() {
        let text = &body[token.start..token.end];
        if token.kind == Kind::Text && depth > 0 {
            words_inside(text, depth - 1, into);
        } else {
            into.push((token.kind, text.to_owned()));
        }
    }
}

fn transaction(lexemes: &[Lexeme<'_>]) -> Option<TransactionControl> {
    let starts = |words: &[&str]| begins(lexemes, words);
    if starts(&["COMMIT", "PREPARED"])
        || starts(&["ROLLBACK", "PREPARED"])
        || starts(&["PREPARE", "TRANSACTION"])
        || starts(&["SET", "TRANSACTION"])
        || starts(&["SET", "SESSION", "CHARACTERISTICS"])
    {
        return Some(TransactionControl::Other);
    }
    if starts(&["ROLLBACK"]) && lexemes.iter().take(3).any(|lexeme| lexeme.is("TO")) {
        return Some(TransactionControl::Savepoint);
    }
    if starts(&["BEGIN"]) || starts(&["START", "TRANSACTION"]) {
        Some(TransactionControl::Begin)
    } else if starts(&["COMMIT"]) || starts(&["END"]) {
        Some(TransactionControl::Commit)
    } else if starts(&["ROLLBACK"]) || starts(&["ABORT"]) {
        Some(TransactionControl::Rollback)
    } else if starts(&["SAVEPOINT"]) || starts(&["RELEASE"]) {
        Some(TransactionControl::Savepoint)
    } else {
        None
    }
}

fn refuses(lexemes: &[Lexeme<'_>]) -> Option<String> {
    if let Some(words) = REFUSES.iter().find(|words| begins(lexemes, words)) {
        return Some(words.join(" "));
    }
    let starts = |words: &[&str]| begins(lexemes, words);
    // The word may also be a name, further on: only where the grammar has it.
    let concurrently = |from: usize, to: usize| {
        lexemes
            .get(from..)
            .is_some_and(|rest| rest.iter().take(to - from).any(|lexeme| lexeme.is("CONCURRENTLY")))
    };
    let index = (starts(&["CREATE", "INDEX"]) || starts(&["DROP", "INDEX"])) && concurrently(2, 3);
    let found = if index || (starts(&["CREATE", "UNIQUE", "INDEX"]) && concurrently(3, 4)) {
        "INDEX CONCURRENTLY"
    } else if starts(&["REINDEX"]) && holds(lexemes, &["CONCURRENTLY"]) {
        "REINDEX CONCURRENTLY"
    } else if starts(&["REINDEX"])
        && ["DATABASE", "SYSTEM", "SCHEMA"].iter().any(|word| lexemes.iter().take(8).any(|l| l.is(word)))
    {
        "REINDEX of more than one table"
    } else if starts(&["ALTER", "TABLE"])
        && holds(lexemes, &["DETACH", "PARTITION"])
        && holds(lexemes, &["CONCURRENTLY"])
    {
        "DETACH PARTITION CONCURRENTLY"
    } else if starts(&["ALTER", "DATABASE"]) && holds(lexemes, &["SET", "TABLESPACE"]) {
        "ALTER DATABASE SET TABLESPACE"
    } else if starts(&["ALTER", "SUBSCRIPTION"])
        && (holds(lexemes, &["PUBLICATION"]) || holds(lexemes, &["REFRESH"]))
    {
        "ALTER SUBSCRIPTION with a refresh"
    } else if starts(&["CLUSTER"]) && (lexemes.len() == 1 || (lexemes.len() == 2 && lexemes[1].is("VERBOSE")))
    {
        "CLUSTER of all tables"
    } else {
        return None;
    };
    Some(found.to_owned())
}

/// A `DO` block that commits cannot stand in a transaction.
fn ends_transactions(inner: &[Lexeme<'_>]) -> Option<String> {
    let ends = inner.windows(2).any(|pair| {
        (pair[0].is("COMMIT") || pair[0].is("ROLLBACK")) && (pair[1].is_sign(b';') || pair[1].is("AND"))
    });
    ends.then(|| "DO with a COMMIT or ROLLBACK in it".to_owned())
}

fn adds_enum_value(lexemes: &[Lexeme<'_>]) -> Option<EnumValue> {
    if !begins(lexemes, &["ALTER", "TYPE"]) {
        return None;
    }
    let add = lexemes.windows(2).position(|pair| begins(pair, &["ADD", "VALUE"]))?;
    let type_name = lexemes.get(add.checked_sub(1)?)?.identifier()?;
    let value = lexemes[add..].iter().find(|lexeme| lexeme.kind == Kind::Text)?.text;
    let start = value.find('\'').map_or(0, |found| found + 1);
    let value = value.get(start..value.len() - 1)?.replace("''", "'");
    Some(EnumValue { type_name, value })
}

fn beyond(lexemes: &[Lexeme<'_>]) -> Option<String> {
    let first = lexemes.first()?;
    if first.is("COPY") {
        return copies_outside(lexemes);
    }
    if (first.is("GRANT") || first.is("REVOKE")) && !lexemes.iter().any(|lexeme| lexeme.is("ON")) {
        return Some(format!("{} of a role", first.text.to_ascii_uppercase()));
    }
    let heads = ["CREATE", "ALTER", "DROP", "REASSIGN"];
    if heads.iter().any(|head| first.is(head)) {
        let found = BEYOND
            .iter()
            .find(|words| words.len() == 2 && begins(lexemes, words) && holds_beyond(lexemes, words));
        return found.map(|words| words.join(" "));
    }
    let on = ["GRANT", "REVOKE", "COMMENT", "SECURITY"].iter().any(|head| first.is(head));
    let found = BEYOND.iter().find(|words| on && words[0] == "ON" && holds(lexemes, words));
    found.map(|words| format!("{} {}", first.text.to_ascii_uppercase(), words.join(" ")))
}

/// A `COPY` that runs a program of the server's, or writes a file there.
fn copies_outside(lexemes: &[Lexeme<'_>]) -> Option<String> {
    let copy = lexemes.iter().position(|lexeme| lexeme.is("COPY"))?;
    let copy = lexemes[copy..].split(|lexeme| lexeme.is_sign(b';')).next()?;
    let goes = |to: &[&str], pair: &[Lexeme<'_>]| to.iter().any(|word| pair[0].is(word));
    if copy.windows(2).any(|pair| goes(&["TO", "FROM"], pair) && pair[1].is("PROGRAM")) {
        return Some("COPY … PROGRAM".to_owned());
    }
    let file = copy.windows(2).any(|pair| goes(&["TO"], pair) && pair[1].kind == Kind::Text);
    file.then(|| "COPY … TO a file of the server".to_owned())
}

/// Whether a statement writes down what is run later and by others.
fn only_defines(lexemes: &[Lexeme<'_>]) -> bool {
    let defines = ["FUNCTION", "PROCEDURE", "VIEW", "RULE"];
    let head = lexemes.iter().take(5);
    lexemes.first().is_some_and(|first| first.is("CREATE"))
        && !head.clone().any(|lexeme| lexeme.is("MATERIALIZED"))
        && head.clone().any(|lexeme| defines.iter().any(|word| lexeme.is(word)))
}

fn calls_outside(lexemes: &[Lexeme<'_>]) -> Option<String> {
    let call = |pair: &[Lexeme<'_>]| {
        let name = pair[0].identifier().filter(|_| pair[1].is_sign(b'('))?;
        OUTSIDE.iter().any(|outside| name.starts_with(outside)).then_some(name)
    };
    lexemes.windows(2).find_map(call)
}

/// `CREATE USER MAPPING` stays in the database.
fn holds_beyond(lexemes: &[Lexeme<'_>], words: &[&str]) -> bool {
    lexemes.windows(words.len() + 1).any(|window| begins(window, words) && !window[words.len()].is("MAPPING"))
}

fn touches_dbm(lexemes: &[Lexeme<'_>]) -> Option<String> {
    for (place, lexeme) in lexemes.iter().enumerate() {
        let Some(name) = lexeme.identifier() else {
            continue;
        };
        if name == "dbm_history" {
            return Some(name);
        }
        if name != "dbm" {
            continue;
        }
        let before = place.checked_sub(1).map(|before| &lexemes[before]);
        let follows_schema = before.is_some_and(|before| before.is("SCHEMA") || before.is("EXISTS"))
            && lexemes.iter().any(|lexeme| lexeme.is("SCHEMA"));
        let qualifies = lexemes.get(place + 1).is_some_and(|next| next.is_sign(b'.'))
            && !before.is_some_and(|before| before.is_sign(b'.'));
        let in_path = begins(lexemes, &["SET"]) && lexemes.iter().any(|lexeme| lexeme.is("SEARCH_PATH"));
        if follows_schema || qualifies || in_path {
            return Some("schema dbm".to_owned());
        }
    }
    None
}
