//! Tables without the history that MariaDB keeps of their rows (`WITH SYSTEM VERSIONING`).

use database::mysql::catalog::text::Create;
use database::{Engine, NotCarried, Schema, Table, quote};

use crate::Result;

/// Takes the history out of what a schema says of the rows of its tables: those that are there now, without the columns
/// that say since when.
pub(crate) fn leave_out(schema: &mut Schema) -> Result<()> {
    for object in &mut schema.objects {
        let Some(table) = object.table.as_mut().filter(|table| table.filter.is_some()) else { continue };
        table.filter = None;
        let clauses = Create::read(&object.definition)?.clauses;
        match clauses.iter().find(|clause| clause.starts_with("PERIOD FOR SYSTEM_TIME")) {
            Some(clause) => without(table, |name| clause.contains(&quote::identifier(Engine::Mysql, name))),
            None => without(table, |name| ["row_start", "row_end"].contains(&name)),
        }
    }
    Ok(())
}

fn without(table: &mut Table, period: impl Fn(&str) -> bool) {
    table.columns.retain(|column| !period(&column.name));
}

/// What an archive without history says that it lacks.
pub(crate) fn left_out(schema: &Schema) -> Vec<NotCarried> {
    let kept = schema
        .objects
        .iter()
        .filter(|object| object.table.as_ref().is_some_and(|table| table.filter.is_some()));
    let told = |id: &database::ObjectId| NotCarried::new(format!("the history of {id}"), "--no-history");
    kept.map(|object| told(&object.id)).collect()
}
