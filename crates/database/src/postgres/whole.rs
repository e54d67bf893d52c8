use std::collections::BTreeMap;

use super::copy::CopiedTable;
use super::{Connection, Server, catalog, digest};
use crate::{ObjectId, Result, Schema, TableDigest};

impl Server {
    /// All objects of the URL's database, as they are at one moment.
    ///
    /// # Errors
    /// As [`connect`](super::connect), and what reading the catalogs gave; that a table is locked by somebody for longer
    /// than ten seconds.
    pub async fn schema(&self) -> Result<Schema> {
        let connection = self.snapshot().await?;
        // The server shows a definition only once it has the table's lock.
        let sent = connection.batch_execute("SET LOCAL lock_timeout = '10s'").await;
        sent.map_err(|cause| connection.error(cause, "cannot begin to read the database"))?;
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
        let encoding = digest::encoding(&connection).await?;
        let tables: Vec<_> = schema
            .tables_with_rows()
            .map(|(id, table)| (id, CopiedTable::new(id, table, &encoding)))
            .collect();
        let list: Vec<_> =
            tables.iter().map(|(id, copied)| digest::Rows { id, copied, pages: None }).collect();
        let digests = Box::pin(digest::tables(&connection, &list)).await?;
        connection.close().await;
        let digests = digests.into_iter().map(|read| read.carried);
        Ok(tables.iter().map(|(id, _)| (*id).clone()).zip(digests).collect())
    }

    /// A connection that sees the database as it is now until it is closed, and that changes nothing.
    async fn snapshot(&self) -> Result<Connection> {
        let connection = self.quiet(None).await?;
        // Two messages: in one, the settings would already be a transaction.
        for sql in [digest::ROW_SETTINGS, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"] {
            let sent = connection.batch_execute(sql).await;
            sent.map_err(|cause| connection.error(cause, "cannot begin to read the database"))?;
        }
        Ok(connection)
    }
}
