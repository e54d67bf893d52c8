//! The keys of large tables, in two steps: the index, which lets the table's other indexes be built at the same time,
//! and then the key that takes it over. `ADD CONSTRAINT` alone would lock the table against all of them.

use std::collections::HashMap;

use database::postgres::Connection;
use database::{Engine, Kind, Object, ObjectId, Schema, quote, script};

use crate::Result;
use crate::postgres::failed;
use crate::postgres::index_sizes::large_tables;

/// Keys of plain tables and partitions by a btree; one of a partitioned table has no rows of its own, and one over
/// ranges is made as a constraint only. Where the index lies elsewhere, `pg_get_indexdef` does not say so.
const KEYS: &str = "\
SELECT n.nspname::text, c.relname::text, k.conname::text, pg_catalog.pg_get_indexdef(i.oid),
       CASE k.contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, i.relname::text,
       CASE WHEN k.condeferrable THEN ' DEFERRABLE' ELSE '' END || CASE WHEN k.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_class i ON i.oid = k.conindid
  JOIN pg_catalog.pg_am a ON a.oid = i.relam
WHERE k.contype IN ('p', 'u') AND c.relkind = 'r' AND a.amname = 'btree' AND i.reltablespace = 0
  AND k.conrelid::pg_catalog.int8 = ANY ($1)";

/// A key as two steps, each a whole statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Key {
    /// Builds the index.
    pub(super) index: String,
    /// Makes the key of it.
    pub(super) key: String,
}

/// The keys of all tables of at least so many bytes.
pub(super) async fn of_large(
    client: &Connection,
    schema: &Schema,
    bytes: u64,
) -> Result<HashMap<ObjectId, Key>> {
    let large = large_tables(schema, bytes);
    if large.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = client.query(KEYS, &[&large]).await;
    let rows = rows.map_err(|error| failed(error, "cannot read the keys of large tables"))?;
    let keys = rows.iter().map(|row| {
        let text = |column: usize| row.get::<_, String>(column);
        let id = ObjectId { kind: Kind::Constraint, namespace: text(0), of: text(1), name: text(2) };
        let table = quote::qualified(Engine::Postgres, &[&id.namespace, &id.of]);
        let [name, index] = [&id.name, &text(5)].map(|name| quote::identifier(Engine::Postgres, name));
        let key = format!(
            "ALTER TABLE ONLY {table}\n    ADD CONSTRAINT {name} {} USING INDEX {index}{};\n",
            text(4),
            text(6)
        );
        let index = format!("{};\n", text(3));
        (id, Key { index, key })
    });
    Ok(keys.collect())
}

impl Key {
    /// The object's definition with the second step in the place of its first statement.
    pub(super) fn definition(&self, object: &Object) -> Result<String> {
        let statements = script::split(Engine::Postgres, &object.definition)?;
        let rest = statements.get(1).map_or("", |second| &object.definition[second.offset..]);
        Ok(format!("{}{rest}", self.key))
    }
}
