//! How an heir gets its columns: from its parents where `INHERITS` gives them in the order that they have, and
//! otherwise from a table that stands in for the parents as they were when the heir was made.
//!
//! A column that a parent is given later is the heir's last one, and not its own: dropped with the parent's. No statement
//! takes a column of one's own for inherited, so the stand-in has it first, then the parents, and goes.

use std::collections::BTreeSet;

use helpers::naming;

use super::columns::{ColumnRow, Columns};
use super::reader::Entry;
use super::sql::{ident, qual};

/// In bytes: <https://www.postgresql.org/docs/current/limits.html>
const LONGEST_NAME: usize = 63;

/// Whether `INHERITS` gives an heir its columns in the order that they have, without a conflict.
pub(super) fn merges(columns: &Columns, heir: u32, parents: &[u32]) -> bool {
    let mut order: Vec<&str> = Vec::new();
    let own = columns.rows(heir);
    for column in
        parents.iter().flat_map(|parent| columns.rows(*parent)).chain(own.iter().filter(|own| own.local))
    {
        if !order.contains(&column.name.as_str()) {
            order.push(&column.name);
        }
    }
    let conflict = own.iter().filter(|column| !column.local).any(|column| {
        let inherited = of_parents(columns, parents, &column.name);
        let different: BTreeSet<_> = inherited
            .iter()
            .filter(|parent| parent.expression.is_some())
            .map(|parent| (&parent.expression, &parent.generated))
            .collect();
        different.len() > 1
    });
    !conflict && order.iter().copied().eq(own.iter().map(|column| column.name.as_str()))
}

/// The columns of that name that the parents have.
pub(super) fn of_parents<'m>(columns: &'m Columns, parents: &[u32], name: &str) -> Vec<&'m ColumnRow> {
    parents.iter().flat_map(|parent| columns.rows(*parent)).filter(|column| column.name == name).collect()
}

/// The table that lends an heir its columns.
pub(super) struct StandIn {
    /// Its qualified name.
    pub(super) name: String,
    /// What makes it, with the columns that the heir is born with.
    pub(super) head: String,
    /// The numbers of the columns that the heir has from it.
    lent: BTreeSet<i32>,
    /// The numbers of those that come one after the other when both are there.
    late: BTreeSet<i32>,
}

impl StandIn {
    /// `None` where all columns are the heir's own, or one is computed from others that may come later: then the heir
    /// is made alone.
    pub(super) fn of(
        columns: &Columns,
        heir: u32,
        parents: &[u32],
        (namespace, name): (&str, &str),
    ) -> Option<Self> {
        let own = columns.rows(heir);
        let inherits = |column: &ColumnRow| !of_parents(columns, parents, &column.name).is_empty();
        let first = own.iter().take_while(|column| inherits(column)).count();
        let born = first + own.iter().skip(first).take_while(|column| !inherits(column)).count();
        let odd = |column: &ColumnRow| {
            let refusal = column.refusal.as_ref().is_some_and(|one| !one.local && !one.valid);
            !column.local && (column.generated.is_some() || refusal || !inherits(column))
        };
        let late_odd = own.iter().skip(born).any(|column| column.generated.is_some());
        if own.iter().all(|column| column.local) || own.iter().any(odd) || late_odd {
            return None;
        }
        let stand_in = qual(namespace, &naming::cut_name(name, "_dbm_parents", LONGEST_NAME));
        let list: Vec<String> = own[..first].iter().map(lent).collect();
        Some(Self {
            head: format!("CREATE TABLE {stand_in} ({});\n", list.join(", ")),
            name: stand_in,
            lent: own.iter().filter(|column| inherits(column)).map(|column| column.number).collect(),
            late: own[born..].iter().map(|column| column.number).collect(),
        })
    }

    /// Whether the column is there only after both tables are.
    pub(super) fn is_late(&self, column: &ColumnRow) -> bool {
        self.late.contains(&column.number)
    }

    /// What gives the heir a late column.
    pub(super) fn step(&self, heir: &str, column: &ColumnRow) -> String {
        let mut text = String::new();
        if column.local {
            let (name, data_type, collate) = (ident(&column.name), &column.data_type, column.collate());
            text.push_str(&format!("ALTER TABLE ONLY {heir} ADD COLUMN {name} {data_type}{collate};\n"));
        }
        if self.lent.contains(&column.number) {
            text.push_str(&format!("ALTER TABLE {} ADD COLUMN {};\n", self.name, lent(column)));
        }
        text
    }

    /// A check that the heir has from its parents, or its own after all columns are there.
    pub(super) fn check(&self, heir: &str, local: bool, entry: Entry) -> Entry {
        let on = if local { heir } else { &self.name };
        let statement = |text: &str| format!("ALTER TABLE {on} ADD {text};\n");
        Entry { part: entry.part.map(|(place, text)| (place, statement(&text))), ..Entry::default() }
    }

    /// What hands the heir over to its parents.
    pub(super) fn end(&self, heir: &str) -> String {
        format!("ALTER TABLE ONLY {heir} NO INHERIT {0};\nDROP TABLE {0};\n", self.name)
    }
}

/// A column as the stand-in has it.
fn lent(column: &ColumnRow) -> String {
    let refusal = column.refusal.as_ref().filter(|one| !one.local).map_or_else(String::new, |one| one.text());
    format!("{} {}{}{refusal}", ident(&column.name), column.data_type, column.collate())
}
