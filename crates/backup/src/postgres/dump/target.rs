//! A table to be read, with the names that the index keeps of it.

use database::postgres::copy::CopiedTable;
use database::{ObjectId, Table, TableDigest};

use crate::archive::TableEntry;

/// A table to be read.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) id: ObjectId,
    /// The statements that read its rows.
    pub(super) copied: CopiedTable,
    columns: Vec<String>,
}

impl Target {
    pub(super) fn new(id: &ObjectId, table: &Table, encoding: &str) -> Self {
        let columns = table.columns.iter().filter(|column| column.generated.is_none());
        Self {
            id: id.clone(),
            copied: CopiedTable::new(id, table, encoding),
            columns: columns.map(|column| column.name.clone()).collect(),
        }
    }

    /// What the index says of it, once its rows are read.
    pub(super) fn entry(&self, digest: TableDigest) -> TableEntry {
        TableEntry { id: self.id.clone(), digest, columns: self.columns.clone() }
    }
}
