//! The digest of a table's rows, read back from the server.

use std::pin::pin;

use futures_util::TryStreamExt as _;
use tokio_postgres::Client;

use super::copy::CopiedTable;
use super::error;
use crate::{Error, ErrorKind, ObjectId, Result, Table, TableDigest};

/// What makes a value's text the same in every session: each wants its own fixed value.
///
/// From the settings that PostgreSQL's documentation names for the output of types, and those that pg_dump fixes.
pub const ROW_SETTINGS: &str = "SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET extra_float_digits = 3; \
     SET bytea_output = 'hex'; SET lc_monetary = 'C'; SET timezone = 'UTC'; SET xmloption = content; \
     SELECT pg_catalog.set_config('search_path', '', false); SET row_security = off; SET synchronize_seqscans = off;";

/// Reads a table once and adds up its rows' hashes, in the session's own snapshot.
///
/// The session must have [`ROW_SETTINGS`].
///
/// # Errors
/// What the server refuses.
pub async fn table(client: &Client, id: &ObjectId, table: &Table) -> Result<TableDigest> {
    let what = || format!("cannot read the rows of {id}");
    let encoding =
        client.query_one("SHOW server_encoding", &[]).await.map_err(|cause| error(cause, what()))?;
    let copied = CopiedTable::new(id, table, encoding.get(0));
    let stream = client.copy_out(copied.out(None).as_str()).await.map_err(|cause| error(cause, what()))?;
    let mut stream = pin!(stream);
    let mut digest = TableDigest::default();
    while let Some(row) = stream.try_next().await.map_err(|cause| error(cause, what()))? {
        let Some(row) = row.strip_suffix(b"\n") else {
            return Err(Error::new(
                ErrorKind::Internal,
                format!("{}: the server sent a piece of a row", what()),
            ));
        };
        digest.add_row(row);
    }
    Ok(digest)
}
