//! What loses rows on every engine, and is not in squawk's rules.

use database::script::{Lexeme, begins};

use super::{File, Hit, always, look};
use crate::clauses;

pub(super) const NAMES: &[&str] = &["delete-without-where", "truncate-table", "update-without-where"];

pub(super) fn judge(file: &File<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    let written = file
        .all()
        .flat_map(|looked| parts(&looked.lexemes).into_iter().map(move |lexemes| (looked, lexemes)));
    for (looked, lexemes) in written {
        let mut hit =
            |rule, what: String, safer: &str| hits.push(Hit::new(rule, &looked.statement, what, safer));
        let without_where = takes_every_row(lexemes);
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
pub(super) fn parts<'l, 'a>(lexemes: &'l [Lexeme<'a>]) -> Vec<&'l [Lexeme<'a>]> {
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
        } else if ["DELETE", "UPDATE", "INSERT", "MERGE", "REPLACE", "SELECT"]
            .iter()
            .any(|verb| lexeme.is(verb))
        {
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

/// Whether nothing in a statement says which rows, or what says so is true of each.
fn takes_every_row(lexemes: &[Lexeme<'_>]) -> bool {
    if look::says(lexemes, &["LIMIT"]) {
        return false;
    }
    let Some(place) = look::place_of(lexemes, "WHERE") else { return true };
    let condition = &lexemes[place + 1..];
    let end = ["RETURNING", "ORDER"].iter().filter_map(|word| look::place_of(condition, word)).min();
    always::is_true(&condition[..end.unwrap_or(condition.len())])
}

fn deleted_from(lexemes: &[Lexeme<'_>]) -> Option<String> {
    if !begins(lexemes, &["DELETE"]) {
        return None;
    }
    let from = past(lexemes, 1, &["LOW_PRIORITY", "QUICK", "IGNORE"]);
    if begins(lexemes.get(from..)?, &["FROM"]) {
        return look::name_at(lexemes, past(lexemes, from + 1, &["ONLY"])).map(|(table, _)| table);
    }
    // MariaDB's earlier versions of rows, and no table.
    if begins(lexemes.get(from..)?, &["HISTORY", "FROM"]) {
        return None;
    }
    // `DELETE a FROM item AS a` of MySQL; with another table it is the join that says which.
    let (_, next) = look::name_at(lexemes, from).filter(|_| look::says(lexemes, &["FROM"]))?;
    let rest = lexemes.get(next + 1..).filter(|_| lexemes[next].is("FROM"))?;
    let tables = &rest[..look::place_of(rest, "WHERE").unwrap_or(rest.len())];
    look::name_at(tables, 0).filter(|_| !joins(tables)).map(|(table, _)| table)
}

/// Whether there is more than one table, so that it is the join that says which rows.
fn joins(tables: &[Lexeme<'_>]) -> bool {
    let words = ["JOIN", "STRAIGHT_JOIN"];
    clauses::split(tables).len() > 1 || words.iter().any(|word| look::says(tables, &[word]))
}

/// The table in which a row that is in the way of a new one is removed for it: `REPLACE INTO`, `INSERT OR REPLACE`,
/// `UPDATE OR REPLACE`, `LOAD DATA … REPLACE INTO TABLE`.
pub(super) fn replaced(lexemes: &[Lexeme<'_>]) -> Option<String> {
    let verb = |word: &str| begins(lexemes, &[word]);
    let or_replace = lexemes.get(1..).is_some_and(|rest| begins(rest, &["OR", "REPLACE"]));
    let place = if verb("REPLACE") {
        past(lexemes, 1, &["LOW_PRIORITY", "DELAYED", "INTO"])
    } else if (verb("INSERT") || verb("UPDATE")) && or_replace {
        past(lexemes, 3, &["INTO"])
    } else if verb("LOAD") {
        let words = ["REPLACE", "INTO", "TABLE"];
        lexemes.windows(words.len()).position(|window| begins(window, &words))? + words.len()
    } else {
        return None;
    };
    look::name_at(lexemes, place).map(|(table, _)| table)
}

/// What is dangerous about that, and the safer form.
pub(super) fn judge_replaced<'f>(file: &'f File<'_>, safer: &'static str) -> impl Iterator<Item = Hit> + 'f {
    let replacing = file.all().flat_map(|looked| {
        parts(&looked.lexemes).into_iter().filter_map(move |lexemes| Some((looked, replaced(lexemes)?)))
    });
    replacing.filter(|(looked, table)| !file.is_new(table, looked)).map(move |(looked, table)| {
        let what = format!(
            "a row of {table} that is in the way is deleted first: its values in columns that are not named, and what ON DELETE \
             CASCADE takes along, are lost"
        );
        Hit::new("replace-into", &looked.statement, what, safer)
    })
}

/// The table, and the place after its name; none where it is joined to others.
fn updated(lexemes: &[Lexeme<'_>]) -> Option<(String, usize)> {
    if !begins(lexemes, &["UPDATE"]) {
        return None;
    }
    let place = match begins(lexemes.get(1..)?, &["OR"]) {
        true => 3,
        false => past(lexemes, 1, &["LOW_PRIORITY", "IGNORE", "ONLY"]),
    };
    let tables = lexemes.get(place..look::place_of(lexemes, "SET")?)?;
    look::name_at(lexemes, place).filter(|_| !joins(tables))
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
    let alters = file.all().filter_map(|looked| look::alter(&looked.lexemes));
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
