//! What loses rows on every engine, and is not in squawk's rules.

use database::script::{Lexeme, begins};

use super::{File, Hit, look};
use crate::clauses;

pub(super) const NAMES: &[&str] = &["delete-without-where", "truncate-table", "update-without-where"];

pub(super) fn judge(file: &File<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    let written = file
        .statements
        .iter()
        .flat_map(|looked| parts(&looked.lexemes).into_iter().map(move |lexemes| (looked, lexemes)));
    for (looked, lexemes) in written {
        let mut hit =
            |rule, what: String, safer: &str| hits.push(Hit::new(rule, &looked.statement, what, safer));
        let without_where = !look::says(lexemes, &["WHERE"]) && !look::says(lexemes, &["LIMIT"]);
        if let Some(table) =
            deleted_from(lexemes).filter(|table| without_where && !file.is_new(table, looked))
        {
            hit(
                "delete-without-where",
                format!("every row of {table} is deleted"),
                "say which rows with WHERE",
            );
        }
        if let Some((table, next)) =
            updated(lexemes).filter(|(table, _)| without_where && !file.is_new(table, looked))
            && !fills_new_columns(file, &table, &lexemes[next..])
        {
            hit(
                "update-without-where",
                format!("every row of {table} is overwritten, and what was there is nowhere"),
                "say which rows with WHERE, or write into a new column",
            );
        }
        for table in truncated(lexemes).iter().filter(|table| !file.is_new(table, looked)) {
            hit(
                "truncate-table",
                format!("every row of {table} is removed, and nobody else may use it meanwhile"),
                "delete the rows that are to go, in pieces",
            );
        }
    }
    hits
}

/// A statement from its verb on, and before it those that its WITH holds: they write, too, where they are no SELECT.
fn parts<'l, 'a>(lexemes: &'l [Lexeme<'a>]) -> Vec<&'l [Lexeme<'a>]> {
    if !begins(lexemes, &["WITH"]) {
        return vec![lexemes];
    }
    let mut found = Vec::new();
    let mut place = 1;
    while let Some(lexeme) = lexemes.get(place) {
        if lexeme.is_sign(b'(') {
            let closing = clauses::closing(lexemes, place);
            let is_body = lexemes[place - 1].is("AS") || lexemes[place - 1].is("MATERIALIZED");
            if is_body {
                found.extend(parts(&lexemes[place + 1..closing]));
            }
            place = closing;
        } else if ["DELETE", "UPDATE", "INSERT", "SELECT"].iter().any(|verb| lexeme.is(verb)) {
            found.push(&lexemes[place..]);
            break;
        }
        place += 1;
    }
    found
}

/// The place after the words that may stand there.
fn past(lexemes: &[Lexeme<'_>], mut place: usize, words: &[&str]) -> usize {
    while lexemes.get(place).is_some_and(|lexeme| words.iter().any(|word| lexeme.is(word))) {
        place += 1;
    }
    place
}

fn deleted_from(lexemes: &[Lexeme<'_>]) -> Option<String> {
    let from = past(lexemes, 1, &["LOW_PRIORITY", "QUICK", "IGNORE"]);
    if !(begins(lexemes, &["DELETE"]) && begins(lexemes.get(from..)?, &["FROM"])) {
        return None;
    }
    look::name_at(lexemes, past(lexemes, from + 1, &["ONLY"])).map(|(table, _)| table)
}

/// The table, and the place after its name.
fn updated(lexemes: &[Lexeme<'_>]) -> Option<(String, usize)> {
    if !begins(lexemes, &["UPDATE"]) {
        return None;
    }
    let place = match begins(lexemes.get(1..)?, &["OR"]) {
        true => 3,
        false => past(lexemes, 1, &["LOW_PRIORITY", "IGNORE", "ONLY"]),
    };
    look::name_at(lexemes, place)
}

fn truncated(lexemes: &[Lexeme<'_>]) -> Vec<String> {
    if !begins(lexemes, &["TRUNCATE"]) {
        return Vec::new();
    }
    let list = clauses::split(&lexemes[past(lexemes, 1, &["TABLE"])..]);
    list.iter()
        .filter_map(|table| look::name_at(table, past(table, 0, &["ONLY"])))
        .map(|(table, _)| table)
        .collect()
}

/// Filling columns that the same file adds overwrites nothing.
fn fills_new_columns(file: &File<'_>, table: &str, rest: &[Lexeme<'_>]) -> bool {
    let alters = file.statements.iter().filter_map(|looked| look::alter(&looked.lexemes));
    let added: Vec<String> = alters
        .filter(|alter| alter.table == table)
        .flat_map(|alter| alter.actions)
        .flat_map(look::added_columns)
        .map(|(column, _)| column)
        .collect();
    let Some(set) = rest.iter().position(|lexeme| lexeme.is("SET")) else { return false };
    let mut written = Vec::new();
    for clause in clauses::split(&rest[set + 1..]) {
        // (a, b) = (…), or a = …
        let list = match clause[0].is_sign(b'(') {
            true => clauses::split(&clause[1..clauses::closing(clause, 0)]),
            false => vec![clause],
        };
        written.extend(list.iter().map(|column| look::name_at(column, 0).map(|(name, _)| name)));
        // What follows the last one may hold commas of its own.
        if reads_from(clause) {
            break;
        }
    }
    !written.is_empty()
        && written.iter().all(|name| name.as_ref().is_some_and(|name| added.iter().any(|own| own == name)))
}

/// Whether a clause outside of its brackets goes on with FROM, which `IS DISTINCT FROM` does not.
fn reads_from(clause: &[Lexeme<'_>]) -> bool {
    let mut depth = 0_usize;
    for (place, lexeme) in clause.iter().enumerate() {
        if lexeme.is_sign(b'(') {
            depth += 1;
        } else if lexeme.is_sign(b')') {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && lexeme.is("FROM") && !(place > 0 && clause[place - 1].is("DISTINCT")) {
            return true;
        }
    }
    false
}
