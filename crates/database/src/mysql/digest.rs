//! The digest of a table's rows, read back from the server.

use std::collections::BTreeMap;

use super::values::{Room, Rows};
use super::{Connection, Server, catalog, error, rows};
use crate::{ObjectId, Result, RowsRead, Table, TableDigest};

/// Reads a table once and adds up its rows' hashes, in the session's own snapshot.
///
/// The session must be set up: [`rows::set_up`].
///
/// # Errors
/// What the server refuses.
pub async fn table(connection: &mut Connection, id: &ObjectId, table: &Table) -> Result<RowsRead> {
    of(connection, id, table, "").await
}

/// The same of some rows: `which` is `WHERE …`, or empty.
///
/// # Errors
/// What the server refuses.
pub async fn of(connection: &mut Connection, id: &ObjectId, table: &Table, which: &str) -> Result<RowsRead> {
    let wrong = |cause| error(cause, format!("cannot read the rows of {id}"));
    let mut result = Rows::of(connection, &rows::select(id, table, which)).await.map_err(wrong)?;
    let mut read = RowsRead::default();
    let generated = rows::generated(table).len();
    let mut room = Room::default();
    while let Some(row) = result.next().await.map_err(wrong)? {
        rows::take(&room.values(&row), generated, &mut read);
    }
    result.end().await.map_err(wrong)?;
    Ok(read)
}

impl Server {
    /// The digests of all its tables, as they are at one moment.
    ///
    /// # Errors
    /// What connecting or reading gave.
    pub async fn digests(&self) -> Result<BTreeMap<ObjectId, TableDigest>> {
        let mut connection = self.connect(None).await?;
        let digests = self.digests_through(&mut connection).await;
        connection.close().await;
        digests
    }

    async fn digests_through(&self, connection: &mut Connection) -> Result<BTreeMap<ObjectId, TableDigest>> {
        let schema = catalog::read(connection, self.database()).await?;
        let what = "cannot take a snapshot to read from";
        connection.batch("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", what).await?;
        connection.batch("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", what).await?;
        rows::set_up(connection, what).await?;
        let mut digests = BTreeMap::new();
        for (id, columns) in schema.tables_with_rows() {
            digests.insert(id.clone(), table(connection, id, columns).await?.carried);
        }
        connection.batch("ROLLBACK", what).await?;
        Ok(digests)
    }
}
