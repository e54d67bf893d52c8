use std::collections::BTreeMap;

use super::{Connection, Server, catalog, digest};
use crate::{ObjectId, Result, Schema, TableDigest};

impl Server {
    /// All objects of the URL's database, as they are at one moment.
    ///
    /// # Errors
    /// As [`connect`](super::connect), and what reading the catalogs gave.
    pub async fn schema(&self) -> Result<Schema> {
        let connection = self.snapshot().await?;
        let schema = Box::pin(catalog::read(&connection)).await?;
        connection.close().await;
        Ok(schema)
    }

    /// The digests of all its tables, as they are at one moment.
    ///
    /// # Errors
    /// As [`Server::schema`], and what reading the rows gave.
    pub async fn digests(&self) -> Result<BTreeMap<ObjectId, TableDigest>> {
        let connection = self.snapshot().await?;
        let schema = Box::pin(catalog::read(&connection)).await?;
        let mut digests = BTreeMap::new();
        for (id, table) in schema.tables_with_rows() {
            digests.insert(id.clone(), Box::pin(digest::table(&connection, id, table)).await?);
        }
        connection.close().await;
        Ok(digests)
    }

    /// A connection that sees the database as it is now until it is closed, and that changes nothing.
    async fn snapshot(&self) -> Result<Connection> {
        let connection = self.connect(None).await?;
        // Two messages: in one, the settings would already be a transaction.
        for sql in [digest::ROW_SETTINGS, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"] {
            let sent = connection.batch_execute(sql).await;
            sent.map_err(|cause| connection.error(cause, "cannot begin to read the database"))?;
        }
        Ok(connection)
    }
}
