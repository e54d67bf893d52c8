//! A table to be read, with the names that the index keeps of it.

use database::postgres::copy::CopiedTable;
use database::{Generated, ObjectId, RowsRead, Table, TableDigest};

use crate::archive::{Names, TableEntry};
use crate::derived::Derived;

/// A table to be read.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) id: ObjectId,
    /// The server's number for it.
    pub(super) handle: u32,
    /// The statements that read its rows.
    pub(super) copied: CopiedTable,
    columns: Names,
    generated: Vec<String>,
}

impl Target {
    pub(super) fn new(id: &ObjectId, table: &Table, encoding: &str) -> Self {
        let columns = |generated: Option<Generated>| {
            let columns = table.columns.iter().filter(move |column| column.generated == generated);
            columns.map(|column| &column.name)
        };
        Self {
            id: id.clone(),
            handle: u32::try_from(table.handle).unwrap_or_default(),
            copied: CopiedTable::new(id, table, encoding),
            columns: columns(None).collect(),
            generated: columns(Some(Generated::Stored)).cloned().collect(),
        }
    }

    /// What the index says of it, once its rows are read.
    pub(super) fn entry(&self, read: &RowsRead) -> TableEntry {
        TableEntry { id: self.id.clone(), digest: read.carried, columns: self.columns.clone() }
    }

    /// What the index says of its stored generated columns, if it has any.
    pub(super) fn computed(&self, read: &RowsRead) -> Option<Derived> {
        let columns = self.generated.clone();
        (!columns.is_empty()).then(|| Derived { id: self.id.clone(), columns, digest: Some(read.whole) })
    }

    /// What the index says of it if it is a materialized view.
    pub(super) fn refreshed(&self, digest: Option<TableDigest>) -> Derived {
        Derived { id: self.id.clone(), columns: Vec::new(), digest }
    }
}
