//! The digest of a table's rows, read back from the server.

use std::pin::pin;

use futures_util::TryStreamExt as _;
use tokio_postgres::Client;

use super::copy::{self, CopiedTable, Pages};
use super::error;
use crate::{Error, ErrorKind, ObjectId, Result, RowsRead, Table};

/// What makes a value's text the same in every session: each wants its own fixed value.
///
/// From the settings that PostgreSQL's documentation names for the output of types, and those that pg_dump fixes.
pub const ROW_SETTINGS: &str = "SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET extra_float_digits = 3; \
     SET bytea_output = 'hex'; SET lc_monetary = 'C'; SET timezone = 'UTC'; SET xmloption = content; \
     SELECT pg_catalog.set_config('search_path', '', false); SET row_security = off; SET synchronize_seqscans = off;";

impl RowsRead {
    /// Takes one more row in, without its line end, of which the last columns are `generated`; returns what of it an
    /// archive carries.
    pub fn add<'r>(&mut self, row: &'r [u8], generated: usize) -> &'r [u8] {
        if generated == 0 {
            self.carried.add_row(row);
            return row;
        }
        // A tab within a value is written `\t`. A row of nothing but generated columns has one tab less.
        let carried = row.rsplitn(generated + 1, |&byte| byte == b'\t').nth(generated).unwrap_or_default();
        self.carried.add_row(carried);
        self.whole.add_row(row);
        carried
    }
}

/// Which rows of a table to read back.
#[derive(Debug)]
pub struct Rows<'a> {
    /// The table, for messages.
    pub id: &'a ObjectId,
    /// How it is read.
    pub copied: &'a CopiedTable,
    /// Its pages; `None` for all of them.
    pub pages: Option<Pages>,
}

/// The encoding of the session's database, for [`CopiedTable::new`].
///
/// # Errors
/// What the server says.
pub async fn encoding(client: &Client) -> Result<String> {
    let row = client.query_one("SHOW server_encoding", &[]).await;
    Ok(row.map_err(|cause| error(cause, "cannot ask the server for the encoding"))?.get(0))
}

/// Reads a table once and adds up its rows' hashes, in the session's own snapshot.
///
/// The session must have [`ROW_SETTINGS`].
///
/// # Errors
/// What the server refuses.
pub async fn table(client: &Client, id: &ObjectId, table: &Table) -> Result<RowsRead> {
    let copied = CopiedTable::new(id, table, &encoding(client).await?);
    let read = tables(client, &[Rows { id, copied: &copied, pages: None }]).await?;
    Ok(read.into_iter().next().unwrap_or_default())
}

/// The same for several tables, or ranges of them, in that order; the server is asked ahead for the next ones.
///
/// # Errors
/// What the server refuses.
pub async fn tables(client: &Client, list: &[Rows<'_>]) -> Result<Vec<RowsRead>> {
    let statements = list.iter().map(|rows| rows.copied.out(rows.pages)).collect();
    let mut streams = pin!(copy::out_in_turn(client, statements));
    let mut digests = Vec::with_capacity(list.len());
    for Rows { id, copied, .. } in list {
        let what = || format!("cannot read the rows of {id}");
        let Some(stream) = streams.try_next().await.map_err(|cause| error(cause, what()))? else {
            return Err(Error::new(ErrorKind::Internal, format!("{}: nobody asked for them", what())));
        };
        let mut stream = pin!(stream);
        let mut read = RowsRead::default();
        while let Some(row) = stream.try_next().await.map_err(|cause| error(cause, what()))? {
            let Some(row) = row.strip_suffix(b"\n") else {
                return Err(Error::new(
                    ErrorKind::Internal,
                    format!("{}: the server sent a piece of a row", what()),
                ));
            };
            read.add(row, copied.generated());
        }
        digests.push(read);
    }
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TableDigest;

    #[test]
    fn generated_columns_end_a_row_and_are_not_carried() {
        for (row, generated, carried) in [
            (&b"a\tb"[..], 0, &b"a\tb"[..]),
            (b"a\tb", 1, b"a"),
            (b"a\tb\t\\N", 2, b"a"),
            (b"a\tb\tc", 1, b"a\tb"),
            (b"\tb", 1, b""),
            (b"b", 1, b""),
            (b"b\tc", 2, b""),
        ] {
            let (mut read, mut expected) = (RowsRead::default(), TableDigest::default());
            assert_eq!(read.add(row, generated), carried, "{row:?}");
            expected.add_row(carried);
            assert_eq!(read.carried, expected);
            assert_eq!(read.whole.rows, u64::from(generated > 0));
        }
    }
}
