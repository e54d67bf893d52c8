//! What loses rows on every engine, and is not in squawk's rules.

use database::script::begins;

use super::{File, Hit, look};

pub(super) const NAMES: &[&str] = &["delete-without-where", "truncate-table", "update-without-where"];

pub(super) fn judge(file: &File<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for looked in &file.statements {
        let lexemes = &looked.lexemes;
        let without_where = !look::says(lexemes, &["WHERE"]) && !look::says(lexemes, &["LIMIT"]);
        if begins(lexemes, &["DELETE", "FROM"]) && without_where {
            let Some((table, _)) = look::name_at(lexemes, 2).filter(|(table, _)| !file.is_new(table, looked))
            else {
                continue;
            };
            hits.push(Hit::new(
                "delete-without-where",
                &looked.statement,
                format!("every row of {table} is deleted"),
                "say which rows with WHERE",
            ));
        }
        if begins(lexemes, &["UPDATE"]) && without_where {
            let Some((table, _)) = look::name_at(lexemes, 1).filter(|(table, _)| !file.is_new(table, looked))
            else {
                continue;
            };
            if fills_new_column(file, &table) {
                continue;
            }
            hits.push(Hit::new(
                "update-without-where",
                &looked.statement,
                format!("every row of {table} is overwritten, and what was there is nowhere"),
                "say which rows with WHERE, or write into a new column",
            ));
        }
        if begins(lexemes, &["TRUNCATE"]) {
            let place = if lexemes.get(1).is_some_and(|lexeme| lexeme.is("TABLE")) { 2 } else { 1 };
            let Some((table, _)) =
                look::name_at(lexemes, place).filter(|(table, _)| !file.is_new(table, looked))
            else {
                continue;
            };
            hits.push(Hit::new(
                "truncate-table",
                &looked.statement,
                format!("every row of {table} is removed, and nobody else may use it meanwhile"),
                "delete the rows that are to go, in pieces",
            ));
        }
    }
    hits
}

/// Filling a column that the same file adds overwrites nothing.
fn fills_new_column(file: &File<'_>, table: &str) -> bool {
    file.statements.iter().filter_map(|looked| look::alter(&looked.lexemes)).any(|alter| {
        alter.table == table && alter.actions.iter().any(|action| look::added_column(action).is_some())
    })
}
