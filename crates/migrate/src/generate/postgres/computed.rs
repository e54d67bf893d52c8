//! Columns that are computed of others: PostgreSQL changes neither how nor of what
//! (<https://www.postgresql.org/docs/current/ddl-generated-columns.html>).

use database::{Engine, Generated, script};

use super::table::{Clause, Side};

/// The columns that are dropped and added: what is computed otherwise, or of a column that gets another type.
pub(super) fn made_again(before: &Side<'_>, after: &Side<'_>) -> Vec<String> {
    let names = after.columns.iter().map(|column| &column.name);
    let both: Vec<_> =
        names.filter_map(|name| Some((name, before.column(name)?, after.column(name)?))).collect();
    let is_computed = |clause: &Clause<'_>| clause.column.generated.is_some();
    let is_changed = |was: &Clause<'_>, is: &Clause<'_>| {
        was.column.data_type != is.column.data_type || was.kind != is.kind
    };
    let retyped: Vec<&String> = both
        .iter()
        .filter(|(_, was, is)| !is_computed(was) && is_changed(was, is))
        .map(|(name, ..)| *name)
        .collect();
    let again = both.iter().filter(|(_, was, is)| {
        let of_retyped = || self::names(was.kind).iter().any(|name| retyped.contains(&name));
        match (is_computed(was), is_computed(is)) {
            (true, true) => is_changed(was, is) || of_retyped(),
            (true, false) => !is_freed(was, is),
            (was, is) => was != is,
        }
    });
    again.map(|(name, ..)| (*name).clone()).collect()
}

/// Whether its values stay, and are its own from now on.
pub(super) fn is_freed(was: &Clause<'_>, is: &Clause<'_>) -> bool {
    was.column.generated == Some(Generated::Stored) && is.column.generated.is_none()
}

/// The names in a text: of columns, and of whatever else it names.
pub(super) fn names(text: &str) -> Vec<String> {
    let lexemes = script::lexemes(Engine::Postgres, text).unwrap_or_default();
    lexemes.iter().filter_map(script::Lexeme::identifier).collect()
}
