use backup::Result;
use database::{Engine, Session, quote};

use crate::files::{Name, Unless};

fn literal(text: &str) -> String {
    quote::literal(Engine::Postgres, text)
}

pub(super) fn history_exists(table: &str) -> String {
    format!("SELECT 1 WHERE pg_catalog.to_regclass({}) IS NOT NULL", literal(table))
}

/// The server itself resolves what is written, as it would in the file's own statements.
pub(super) async fn is_there(session: &mut dyn Session, unless: &Unless) -> Result<bool> {
    let sql = match unless {
        Unless::Table(name) => format!(
            "SELECT 1 FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass({}) AND relkind IN ('r', 'p', 'f')",
            literal(&name.to_string())
        ),
        Unless::Index(name) => format!(
            "SELECT 1 FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass({}) AND relkind IN ('i', 'I')",
            literal(&name.to_string())
        ),
        Unless::Column(name) => {
            let Some((table, column)) = table_and(name) else { return Ok(false) };
            format!(
                "SELECT 1 FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass({table}) AND attname = {column} \
                 AND attnum > 0 AND NOT attisdropped"
            )
        }
        Unless::Constraint(name) => {
            let Some((table, constraint)) = table_and(name) else { return Ok(false) };
            format!(
                "SELECT 1 FROM pg_catalog.pg_constraint WHERE conrelid = pg_catalog.to_regclass({table}) AND conname = {constraint}"
            )
        }
    };
    Ok(!session.query(&sql).await?.is_empty())
}

/// The literals of a table's name and of the name of a thing of it; unquoted names are folded as the server does.
fn table_and(name: &Name) -> Option<(String, String)> {
    let (table, (part, quoted)) = name.split_last()?;
    let part = if quoted { part } else { part.to_lowercase() };
    Some((literal(&table.to_string()), literal(&part)))
}
