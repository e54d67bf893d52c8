use std::collections::BTreeMap;

use super::text::without_database;
use crate::mysql::Connection;
use crate::{Column, Engine, Generated, Result, quote};

/// The columns of all tables and views of a database, by the name of the table.
pub(super) async fn read(
    connection: &mut Connection,
    database: &str,
) -> Result<BTreeMap<String, Vec<Column>>> {
    let sql = format!(
        "SELECT table_name, column_name, column_type, is_nullable, column_default, extra, generation_expression,
                COALESCE(character_set_name, '')
           FROM information_schema.columns WHERE table_schema = {} ORDER BY table_name, ordinal_position",
        quote::literal(Engine::Mysql, database)
    );
    let mut tables: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    for row in connection.query(&sql, "cannot read the columns").await? {
        let Ok([table, name, kind, nullable, default, extra, generation, charset]) =
            <[Option<String>; 8]>::try_from(row)
        else {
            continue;
        };
        let extra = extra.unwrap_or_default().to_ascii_uppercase();
        // The period of a table that keeps its history is no expression, and goes with the rows.
        let period = matches!(generation.as_deref(), Some("ROW START" | "ROW END"));
        let generated = if extra.contains("VIRTUAL GENERATED") {
            Some(Generated::Virtual)
        } else if extra.contains("STORED GENERATED") || extra.contains("PERSISTENT") {
            Some(Generated::Stored)
        } else {
            None
        };
        let mut data_type = kind.unwrap_or_default();
        let charset = charset.unwrap_or_default();
        if !charset.is_empty() {
            data_type = format!("{data_type} CHARACTER SET {charset}");
        }
        tables.entry(table.unwrap_or_default()).or_default().push(Column {
            name: name.unwrap_or_default(),
            data_type,
            not_null: nullable.as_deref() == Some("NO"),
            default: default
                .map(|default| without_database(&default, database, "", default.len()).unwrap_or(default)),
            generated: generated.filter(|_| !period),
        });
    }
    Ok(tables)
}
