//! Where the statements of a block begin and end.

use std::ops::Range;

use super::super::token::{Kind, Lexeme, begins};

/// What a language's blocks look like.
pub(super) struct Words {
    /// What a statement may begin with.
    pub(super) verbs: &'static [&'static str],
    /// After what one begins in a block, besides `;`.
    openers: &'static [&'static str],
    /// Those of the verbs that may be followed by a bracket. Functions have names like the others.
    bracketed: &'static [&'static str],
}

/// <https://dev.mysql.com/doc/refman/9.5/en/sql-compound-statements.html>, <https://mariadb.com/kb/en/programmatic-compound-statements/>.
pub(super) const MYSQL: Words = Words {
    verbs: &[
        "ALTER",
        "ANALYZE",
        "BACKUP",
        "CALL",
        "CHANGE",
        "COMMIT",
        "CREATE",
        "DELETE",
        "DROP",
        "EXECUTE",
        "EXPLAIN",
        "FLUSH",
        "GRANT",
        "IMPORT",
        "INSERT",
        "INSTALL",
        "KILL",
        "LOAD",
        "LOCK",
        "OPTIMIZE",
        "PREPARE",
        "PURGE",
        "RENAME",
        "REPLACE",
        "RESET",
        "REVOKE",
        "ROLLBACK",
        "SELECT",
        "SET",
        "SHUTDOWN",
        "START",
        "STOP",
        "TRUNCATE",
        "UNINSTALL",
        "UPDATE",
        "WITH",
    ],
    openers: &["ATOMIC", "BEGIN", "DO", "ELSE", "LOOP", "REPEAT", "THEN"],
    bracketed: &["SELECT"],
};

/// <https://www.postgresql.org/docs/current/plpgsql-statements.html>.
pub(super) const POSTGRES: Words = Words {
    verbs: &[
        "ALTER", "CALL", "CLUSTER", "COMMENT", "COMMIT", "COPY", "CREATE", "DELETE", "DO", "DROP", "EXECUTE",
        "EXPLAIN", "GRANT", "IMPORT", "INSERT", "LOCK", "MERGE", "PERFORM", "REASSIGN", "REFRESH", "REINDEX",
        "REVOKE", "ROLLBACK", "SECURITY", "SELECT", "SET", "TRUNCATE", "UPDATE", "WITH",
    ],
    openers: &["ATOMIC", "BEGIN", "ELSE", "IN", "LOOP", "QUERY", "THEN"],
    bracketed: &["CLUSTER", "COPY", "EXECUTE", "EXPLAIN", "REINDEX", "SELECT"],
};

/// The statements of a block, by the places of their tokens. What only steers it is left out.
pub(super) fn cut(words: &Words, lexemes: &[Lexeme<'_>]) -> Vec<Range<usize>> {
    let is_one_of = |lexeme: &Lexeme<'_>, words: &[&str]| words.iter().any(|word| lexeme.is(word));
    let mut found = Vec::new();
    let mut open: Option<usize> = None;
    // The brackets and the CASE expressions that a place is in.
    let (mut depth, mut cases, mut in_handler) = (0_usize, 0_usize, false);
    for (place, lexeme) in lexemes.iter().enumerate() {
        match lexeme.kind {
            Kind::Sign(b'(') => depth += 1,
            Kind::Sign(b')') => depth = depth.saturating_sub(1),
            Kind::Sign(b';') => {
                (depth, cases, in_handler) = (0, 0, false);
                found.extend(open.take().map(|open| open..place));
            }
            _ => {}
        }
        let begins_one = cases == 0
            && match place.checked_sub(1).map(|before| &lexemes[before]) {
                None => true,
                // After a label.
                Some(before) if [b';', b':', b'>'].iter().any(|sign| before.is_sign(*sign)) => true,
                // The branches of a MERGE are its own.
                Some(before) if before.is("THEN") && open.is_some_and(|open| lexemes[open].is("MERGE")) => {
                    false
                }
                // Of a cursor; rows are locked FOR UPDATE.
                Some(before) if before.is("FOR") => lexeme.is("EXECUTE"),
                Some(before) => is_one_of(before, words.openers),
            };
        if lexeme.is("CASE") && !begins_one {
            cases += 1;
        } else if lexeme.is("END") {
            cases = cases.saturating_sub(1);
        }
        in_handler |= lexeme.is("HANDLER") && open.is_none();
        let opens = lexemes.get(place + 1).is_some_and(|next| next.is_sign(b'('));
        let is_call = opens && !is_one_of(lexeme, words.bracketed);
        let begins_one = begins_one || in_handler && open.is_none();
        if depth == 0 && begins_one && !is_call && is_one_of(lexeme, words.verbs) {
            found.extend(open.replace(place).map(|open| open..place));
        }
    }
    found.extend(open.map(|open| open..lexemes.len()));
    found
}

/// Where the body of a routine begins, of what follows its parameters.
pub(super) fn body(words: &Words, lexemes: &[Lexeme<'_>]) -> usize {
    let mut depth = 0_usize;
    let begin = lexemes.iter().enumerate().position(|(place, lexeme)| {
        match lexeme.kind {
            Kind::Sign(b'(') => depth += 1,
            Kind::Sign(b')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        // A type may be a SET.
        let opens = lexemes.get(place + 1).is_some_and(|next| next.is_sign(b'('));
        let steers = ["BEGIN", "CASE", "IF", "LOOP", "REPEAT", "RETURN", "WHILE"];
        depth == 0 && !opens && words.verbs.iter().chain(&steers).any(|word| lexeme.is(word))
    });
    begin.unwrap_or(lexemes.len())
}

/// Whether MariaDB runs it as a block, outside of routines: <https://mariadb.com/kb/en/using-compound-statements-outside-of-stored-programs/>.
pub fn is_block(lexemes: &[Lexeme<'_>]) -> bool {
    let starts = |word: &&str| begins(lexemes, &[word]);
    let labelled = lexemes.first().is_some_and(|first| first.kind == Kind::Word)
        && lexemes.get(1).is_some_and(|colon| colon.is_sign(b':'));
    // `BEGIN` and `BEGIN WORK` begin a transaction.
    let begins_transaction = lexemes.get(1).is_none_or(|next| next.is("WORK") || next.is_sign(b';'));
    labelled
        || starts(&"BEGIN") && !begins_transaction
        || ["CASE", "DECLARE", "FOR", "IF", "LOOP", "REPEAT", "WHILE"].iter().any(starts)
}
