//! The rows of a table as the server's own text: one way for the dump, the restore and the digest.

use std::task::Poll;

use futures_util::{FutureExt as _, Stream, StreamExt as _, future, poll, stream};
use tokio_postgres::{Client, CopyOutStream, Statement};

use crate::{Engine, Generated, Kind, ObjectId, Table, quote};

/// For how many statements the server is asked before their turn, so that it does not wait for us between small tables.
const AHEAD: usize = 16;

/// A run of a table's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pages {
    /// The first page.
    pub from: u64,
    /// The page after the last; `None` for all that there are, even if the table grows meanwhile.
    pub to: Option<u64>,
}

/// The statements that copy a table's rows out and in.
#[derive(Clone, Debug)]
pub struct CopiedTable {
    name: String,
    columns: Vec<String>,
    /// The stored generated columns, which are read after the others and carried by no archive.
    generated: Vec<String>,
    /// Whether only a query reads it: COPY itself has no generated columns, nor a materialized view's rows.
    by_query: bool,
    encoding: Option<String>,
    filter: Option<String>,
}

impl CopiedTable {
    /// For a table in a database of that encoding (`server_encoding`).
    ///
    /// Rows go in the database's own encoding, byte for byte; a statement says so where it is not UTF8, which our
    /// sessions speak. Generated columns are computed by whoever takes the rows in: those that are stored are read, so
    /// that a [digest](crate::RowsRead) tells whether they came out the same, and none is carried.
    pub fn new(id: &ObjectId, table: &Table, encoding: &str) -> Self {
        let columns = |generated: Option<Generated>| -> Vec<String> {
            let columns = table.columns.iter().filter(|column| column.generated == generated);
            columns.map(|column| quote::identifier(Engine::Postgres, &column.name)).collect()
        };
        let generated = columns(Some(Generated::Stored));
        Self {
            name: quote::qualified(Engine::Postgres, &[&id.namespace, &id.name]),
            columns: columns(None),
            by_query: !generated.is_empty() || table.filter.is_some() || id.kind == Kind::MaterializedView,
            generated,
            encoding: (encoding != "UTF8").then(|| encoding.to_owned()),
            filter: table.filter.clone(),
        }
    }

    /// Its name as SQL.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many stored generated columns end each row that is read.
    pub fn generated(&self) -> usize {
        self.generated.len()
    }

    /// The statement that begins a block of rows, with its `;` and newline.
    pub fn header(&self) -> String {
        format!("COPY {} FROM stdin{};\n", self.with_columns(), self.options())
    }

    /// The statement that has the server send all rows, or those of some pages (PostgreSQL 14 and later read only those).
    pub fn out(&self, pages: Option<Pages>) -> String {
        let (name, options) = (&self.name, self.options());
        let columns = [self.columns.as_slice(), &self.generated].concat().join(", ");
        match pages {
            None if !self.by_query => format!("COPY {} TO STDOUT{options}", self.with_columns()),
            None => {
                let filter = self.filter.as_ref().map_or_else(String::new, |filter| format!(" {filter}"));
                format!("COPY (SELECT {columns} FROM ONLY {name}{filter}) TO STDOUT{options}")
            }
            Some(Pages { from, to }) => {
                let end = to.map_or_else(String::new, |to| format!(" AND ctid < '({to},0)'::pg_catalog.tid"));
                format!(
                    "COPY (SELECT {columns} FROM ONLY {name} WHERE ctid >= '({from},0)'::pg_catalog.tid{end}) \
                     TO STDOUT{options}"
                )
            }
        }
    }

    /// A table may have no column of its own: its rows are empty, and an empty list is no SQL.
    fn with_columns(&self) -> String {
        if self.columns.is_empty() {
            self.name.clone()
        } else {
            format!("{} ({})", self.name, self.columns.join(", "))
        }
    }

    fn options(&self) -> String {
        self.encoding.as_ref().map_or_else(String::new, |encoding| {
            format!(" WITH (ENCODING {})", quote::literal(Engine::Postgres, encoding))
        })
    }
}

/// Runs `COPY … TO STDOUT` statements one after the other. Each stream must be read to its end before the next is asked for.
pub fn out_in_turn(
    client: &Client,
    statements: Vec<String>,
) -> impl Stream<Item = Result<CopyOutStream, tokio_postgres::Error>> {
    let prepare = move |statement: String| async move { client.prepare(&statement).await };
    // The server answers in the order in which it is asked, and nobody takes the rows of a statement before its turn: one
    // that overtook another would wait for ever. So each is asked by a first poll here, and not when its answer is wanted.
    #[expect(clippy::async_yields_async, reason = "what is asked is waited for in its turn")]
    let ask = move |prepared: Result<Statement, _>| async move {
        let mut asked = async move { client.copy_out(&prepared?).await }.boxed();
        match poll!(&mut asked) {
            Poll::Ready(answer) => future::ready(answer).left_future(),
            Poll::Pending => asked.right_future(),
        }
    };
    stream::iter(statements).map(prepare).buffered(AHEAD).then(ask).buffered(AHEAD)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::postgres::testing;
    use crate::{Column, Generated, Kind};

    fn table(columns: &[(&str, Option<Generated>)], encoding: &str) -> CopiedTable {
        let id =
            ObjectId { kind: Kind::Table, namespace: "a b".into(), of: String::new(), name: "t\"x".into() };
        let column = |&(name, generated): &(&str, Option<Generated>)| Column {
            name: name.to_owned(),
            data_type: "integer".into(),
            not_null: false,
            default: None,
            generated,
        };
        let table = Table { columns: columns.iter().map(column).collect(), ..Table::default() };
        CopiedTable::new(&id, &table, encoding)
    }

    #[test]
    fn statements() {
        let plain = table(&[("a", None), ("b", Some(Generated::Virtual)), ("select", None)], "UTF8");
        assert_eq!(plain.out(None), "COPY \"a b\".\"t\"\"x\" (\"a\", \"select\") TO STDOUT");
        let table = table(&[("a", None), ("b", Some(Generated::Stored)), ("select", None)], "UTF8");
        let name = "\"a b\".\"t\"\"x\"";
        assert_eq!(table.header(), format!("COPY {name} (\"a\", \"select\") FROM stdin;\n"));
        assert_eq!(
            table.out(None),
            format!("COPY (SELECT \"a\", \"select\", \"b\" FROM ONLY {name}) TO STDOUT")
        );
        assert_eq!(
            table.out(Some(Pages { from: 3, to: Some(7) })),
            format!(
                "COPY (SELECT \"a\", \"select\", \"b\" FROM ONLY {name} WHERE ctid >= '(3,0)'::pg_catalog.tid \
                 AND ctid < '(7,0)'::pg_catalog.tid) TO STDOUT"
            )
        );
    }

    #[test]
    fn no_columns_and_another_encoding() {
        let table = table(&[("b", Some(Generated::Stored))], "LATIN1");
        assert_eq!(table.header(), "COPY \"a b\".\"t\"\"x\" FROM stdin WITH (ENCODING 'LATIN1');\n");
        assert!(
            table
                .out(Some(Pages { from: 7, to: None }))
                .ends_with("'(7,0)'::pg_catalog.tid) TO STDOUT WITH (ENCODING 'LATIN1')")
        );
    }

    /// Many at once, since which answer is seen first is a matter of chance.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_table_overtakes_another() {
        let server = testing::fresh().await;
        let client = server.connect(None).await.unwrap();
        let rows = [1, 20_000, 1, 400, 1];
        for (number, rows) in rows.iter().enumerate() {
            let sql =
                format!("CREATE TABLE t{number} AS SELECT repeat('x', 200) FROM generate_series(1, {rows})");
            client.batch_execute(&sql).await.unwrap();
        }
        let statements = || (0..rows.len()).map(|number| format!("COPY t{number} TO STDOUT")).collect();
        let read = async |client: &Client| {
            let mut streams = std::pin::pin!(out_in_turn(client, statements()));
            let mut lengths = Vec::new();
            while let Some(stream) = streams.next().await {
                lengths.push(
                    stream.unwrap().map(|row| row.unwrap().len()).fold(0, async |sum, row| sum + row).await,
                );
            }
            assert_eq!(lengths, rows.map(|rows| rows * 201));
        };
        let reader = async || {
            let client = server.connect(None).await.unwrap();
            for _ in 0..40 {
                tokio::time::timeout(Duration::from_secs(60), read(&client))
                    .await
                    .expect("nobody waits for ever");
            }
        };
        futures_util::future::join_all((0..12).map(|_| reader())).await;
    }
}
