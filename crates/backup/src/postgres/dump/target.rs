//! The statements that read a table's rows, and the one that begins a block of them.

use database::{Engine, ObjectId, Table, quote};

use super::plan::Pages;

/// A table to be read.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) id: ObjectId,
    /// Its name as SQL.
    pub(super) name: String,
    /// The names of the columns that carry values of their own, in order.
    pub(super) columns: Vec<String>,
    /// The database's encoding, where it is not the one that the script is written in: the rows go through as they are.
    encoding: Option<String>,
    /// `WHERE …`, where not all rows are to be carried; such a table is never read by ranges.
    filter: Option<String>,
}

impl Target {
    pub(super) fn new(id: &ObjectId, table: &Table, encoding: &str) -> Self {
        let columns = table.columns.iter().filter(|column| column.generated.is_none());
        Self {
            id: id.clone(),
            name: quote::qualified(Engine::Postgres, &[&id.namespace, &id.name]),
            columns: columns.map(|column| column.name.clone()).collect(),
            encoding: (encoding != "UTF8").then(|| encoding.to_owned()),
            filter: table.filter.clone(),
        }
    }

    /// The statement that begins each block of its rows.
    pub(super) fn header(&self) -> Vec<u8> {
        format!("COPY {} FROM stdin{};\n", self.with_columns(), self.options()).into_bytes()
    }

    /// The statement that has the server send all rows, or those of some pages.
    pub(super) fn out(&self, pages: Option<Pages>) -> String {
        let options = self.options();
        let (columns, name) = (self.list(), &self.name);
        let Some(Pages { from, to }) = pages else {
            return match &self.filter {
                None => format!("COPY {} TO STDOUT{options}", self.with_columns()),
                Some(filter) => {
                    format!("COPY (SELECT {columns} FROM ONLY {name} {filter}) TO STDOUT{options}")
                }
            };
        };
        let end = to.map_or_else(String::new, |to| format!(" AND ctid < '({to},0)'::pg_catalog.tid"));
        format!(
            "COPY (SELECT {columns} FROM ONLY {name} WHERE ctid >= '({from},0)'::pg_catalog.tid{end}) TO STDOUT{options}"
        )
    }

    fn list(&self) -> String {
        let quoted: Vec<String> =
            self.columns.iter().map(|name| quote::identifier(Engine::Postgres, name)).collect();
        quoted.join(", ")
    }

    /// A table may have no column of its own: its rows are empty, and an empty list is no SQL.
    fn with_columns(&self) -> String {
        if self.columns.is_empty() { self.name.clone() } else { format!("{} ({})", self.name, self.list()) }
    }

    fn options(&self) -> String {
        self.encoding.as_ref().map_or_else(String::new, |encoding| {
            format!(" WITH (ENCODING {})", quote::literal(Engine::Postgres, encoding))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use database::{Column, Generated, Kind};

    fn target(columns: &[(&str, Option<Generated>)], encoding: &str) -> Target {
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
        Target::new(&id, &table, encoding)
    }

    #[test]
    fn statements() {
        let target = target(&[("a", None), ("b", Some(Generated::Stored)), ("select", None)], "UTF8");
        let name = "\"a b\".\"t\"\"x\"";
        assert_eq!(target.header(), format!("COPY {name} (\"a\", \"select\") FROM stdin;\n").into_bytes());
        assert_eq!(target.out(None), format!("COPY {name} (\"a\", \"select\") TO STDOUT"));
        assert_eq!(
            target.out(Some(Pages { from: 3, to: Some(7) })),
            format!(
                "COPY (SELECT \"a\", \"select\" FROM ONLY {name} WHERE ctid >= '(3,0)'::pg_catalog.tid \
                 AND ctid < '(7,0)'::pg_catalog.tid) TO STDOUT"
            )
        );
    }

    #[test]
    fn no_columns_and_another_encoding() {
        let target = target(&[("b", Some(Generated::Stored))], "LATIN1");
        let name = "\"a b\".\"t\"\"x\"";
        let with = " WITH (ENCODING 'LATIN1')";
        assert_eq!(target.header(), format!("COPY {name} FROM stdin{with};\n").into_bytes());
        assert_eq!(
            target.out(Some(Pages { from: 7, to: None })),
            format!("COPY (SELECT  FROM ONLY {name} WHERE ctid >= '(7,0)'::pg_catalog.tid) TO STDOUT{with}")
        );
    }
}
