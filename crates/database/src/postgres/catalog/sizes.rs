//! How much room tables take, by which a dump cuts them. The server looks at several files for each of them, and at a
//! lock, so that this takes as long as all else together where there are very many.

use std::collections::HashMap;

use tokio_postgres::Client;

use super::reader::each;
use super::sql::get;
use crate::{Result, Schema};

/// Rows and what is stored out of line; pages only where a range of them can be read. A table that is gone has none.
const QUERY: &str = "
    SELECT s.oid, coalesce(s.main + s.toast, 0) AS bytes,
        CASE WHEN s.heap THEN coalesce(s.main, 0) / current_setting('block_size')::int8 ELSE 0 END AS pages
    FROM (SELECT c.oid, am.amname = 'heap' AS heap, pg_relation_size(c.oid) AS main,
            CASE WHEN c.reltoastrelid <> 0 THEN pg_relation_size(c.reltoastrelid) ELSE 0 END AS toast
        FROM pg_class c LEFT JOIN pg_am am ON am.oid = c.relam
        WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND c.oid >= 16384 OFFSET 0) s";

/// Bytes and pages by the table's number.
pub(super) struct Sizes(HashMap<u64, (u64, u64)>);

pub(super) async fn read(client: &Client) -> Result<Sizes> {
    let mut sizes = HashMap::new();
    each(client, "sizes of tables", QUERY, |row| {
        let number = |column| Ok(u64::try_from(get::<i64>(row, column)?).unwrap_or_default());
        sizes.insert(u64::from(get::<u32>(row, "oid")?), (number("bytes")?, number("pages")?));
        Ok(())
    })
    .await?;
    Ok(Sizes(sizes))
}

impl Sizes {
    /// Says it in the schema's tables.
    pub(super) fn note(&self, schema: &mut Schema) {
        for table in schema.objects.iter_mut().filter_map(|object| object.table.as_mut()) {
            if let Some(&(bytes, pages)) = self.0.get(&table.handle) {
                (table.bytes, table.pages) = (bytes, if table.filter.is_some() { 0 } else { pages });
            }
        }
    }
}
