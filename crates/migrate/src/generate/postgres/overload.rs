//! A routine that is there with other arguments: what calls it by its name alone is to call the new one.
//!
//! Where both are there, a call goes to the one whose arguments fit as they are. So the old one goes first, and before it what
//! hangs on it, whose text is the same before and after.

use database::script::{self, Lexeme};
use database::{Engine, Kind, Object, ObjectId};

use super::super::parts::{Parts, columns};
use super::super::step::{Between, Statement};
use super::{ident, not_valid, qualified};

/// Whether a routine goes and one of its name comes.
pub(super) fn is_replaced(routine: &ObjectId, between: Between<'_>) -> bool {
    let is_routine = matches!(routine.kind, Kind::Function | Kind::Procedure);
    let same_name = |other: &Object| {
        matches!(other.id.kind, Kind::Function | Kind::Procedure)
            && other.id.namespace == routine.namespace
            && bare(&other.id) == bare(routine)
            && between.old.get(&other.id).is_none()
    };
    is_routine && between.new.get(routine).is_none() && between.new.objects.iter().any(same_name)
}

/// Its name without its arguments.
pub(super) fn bare(routine: &ObjectId) -> &str {
    routine.name.split('(').next().unwrap_or_default()
}

/// Takes from the tables that stay what calls a routine that is replaced.
pub(super) fn let_go(routine: &ObjectId, between: Between<'_>) -> Vec<Statement> {
    if !is_replaced(routine, between) {
        return Vec::new();
    }
    let mut statements = Vec::new();
    for (table, parts) in tables(&between.old.objects, |table| {
        table.depends_on.contains(routine) && between.new.get(&table.id).is_some()
    }) {
        let alter = |how: String| Statement::new(format!("ALTER TABLE {} {how};\n", qualified(&table.id)));
        for (name, _) in parts.others.iter().filter(|(_, clause)| calls(clause, bare(routine))) {
            statements.push(alter(format!("DROP CONSTRAINT {}", ident(name))));
        }
        for column in with_default(table, bare(routine)) {
            statements.push(alter(format!("ALTER COLUMN {} DROP DEFAULT", ident(column))));
        }
    }
    statements
}

/// Gives it back, so that it calls the new one. What differs by itself comes with its table's own changes.
pub(super) fn take_on(routine: &ObjectId, between: Between<'_>) -> Vec<Statement> {
    let old = between.old.objects.iter().find(|old| {
        (&old.id.namespace, bare(&old.id)) == (&routine.namespace, bare(routine))
            && is_replaced(&old.id, between)
    });
    let Some(old) = old else { return Vec::new() };
    let mut statements = Vec::new();
    for (table, parts) in tables(&between.old.objects, |table| table.depends_on.contains(&old.id)) {
        let Some(after) = between.new.get(&table.id).filter(|after| after.depends_on.contains(routine))
        else {
            continue;
        };
        let wanted = Parts::of(Engine::Postgres, &after.definition).unwrap_or_default();
        let on = qualified(&table.id);
        for (name, clause) in parts.others.iter().filter(|(_, clause)| calls(clause, bare(routine))) {
            if wanted.other(name) == Some(clause) {
                let whole = format!("ALTER TABLE {on}\n    ADD {clause};\n");
                let careful = between.style.apart.then(|| not_valid(&whole, &on, name)).flatten();
                statements.extend(careful.unwrap_or_else(|| vec![Statement::new(whole)]));
            }
        }
        for name in with_default(table, bare(routine)) {
            let same = |default: &&String| {
                columns(table).iter().any(|own| own.name == name && own.default.as_ref() == Some(default))
            };
            let default =
                columns(after).iter().find(|own| own.name == name).and_then(|own| own.default.as_ref());
            if let Some(default) = default.filter(same) {
                let how = format!("ALTER COLUMN {} SET DEFAULT {default}", ident(name));
                statements.push(Statement::new(format!("ALTER TABLE {on} {how};\n")));
            }
        }
    }
    statements
}

/// The checks of a table that call a routine that is replaced: they go with that.
pub(super) fn checks(table: &Object, between: Between<'_>) -> Vec<(String, String)> {
    let replaced: Vec<&ObjectId> =
        table.depends_on.iter().filter(|need| is_replaced(need, between)).collect();
    let Some(parts) = Parts::of(Engine::Postgres, &table.definition) else { return Vec::new() };
    let in_the_way = |clause: &str| replaced.iter().any(|routine| calls(clause, bare(routine)));
    parts.others.into_iter().filter(|(_, clause)| in_the_way(clause)).collect()
}

fn tables(objects: &[Object], which: impl Fn(&Object) -> bool) -> Vec<(&Object, Parts)> {
    let tables = objects.iter().filter(|object| object.id.kind == Kind::Table && which(object));
    tables.filter_map(|table| Some((table, Parts::of(Engine::Postgres, &table.definition)?))).collect()
}

fn with_default<'o>(table: &'o Object, routine: &str) -> Vec<&'o str> {
    let has = |default: &String| calls(default, routine);
    let own = columns(table).iter().filter(|column| column.generated.is_none());
    own.filter(|column| column.default.as_ref().is_some_and(has)).map(|column| column.name.as_str()).collect()
}

fn calls(text: &str, routine: &str) -> bool {
    let lexemes = script::lexemes(Engine::Postgres, text).unwrap_or_default();
    lexemes.iter().filter_map(Lexeme::identifier).any(|name| name == routine)
}
