//! How large the indexes of large tables are: what a restore builds first, so that no worker is left with the largest.

use database::Schema;
use database::postgres::Connection;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::postgres::failed;

/// By the names of the table's namespace and of the index, in bytes of the server's blocks (8 KiB unless it was built otherwise;
/// only which is larger matters).
const SIZES: &str = "\
SELECT n.nspname::text, c.relname::text, c.relpages::pg_catalog.int8 * 8192
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE i.indrelid::pg_catalog.int8 = ANY ($1) ORDER BY 1, 2";

/// How large an index was when it was dumped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IndexSize {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// As the server last counted them.
    pub(crate) bytes: u64,
}

/// The server's numbers of all tables of at least so many bytes.
pub(crate) fn large_tables(schema: &Schema, bytes: u64) -> Vec<i64> {
    schema
        .tables_with_rows()
        .filter(|(_, table)| table.bytes >= bytes)
        .filter_map(|(_, table)| i64::try_from(table.handle).ok())
        .collect()
}

/// The sizes of the indexes of all tables of at least so many bytes.
pub(crate) async fn of_large(client: &Connection, schema: &Schema, bytes: u64) -> Result<Vec<IndexSize>> {
    let large = large_tables(schema, bytes);
    if large.is_empty() {
        return Ok(Vec::new());
    }
    let rows = client.query(SIZES, &[&large]).await;
    let rows = rows.map_err(|error| failed(error, "cannot read the sizes of the indexes of large tables"))?;
    let size = |row: &tokio_postgres::Row| IndexSize {
        namespace: row.get(0),
        name: row.get(1),
        bytes: u64::try_from(row.get::<_, i64>(2)).unwrap_or_default(),
    };
    Ok(rows.iter().map(size).collect())
}
