//! All objects of a database as read from its catalogs: one model for dump, drift and generate.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Result};

/// Where in a script an object's definition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// Before the rows: what the rows need.
    PreData,
    /// The rows, sequence values, large objects.
    Data,
    /// After the rows: indexes, constraints, triggers, rules, policies.
    PostData,
    /// Last, in the order of the list: privileges, then event triggers, then materialized views' rows.
    Final,
}

/// What kind of object it is. The word is the engine's own, as in `DROP <word>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the engine's own word for it")]
pub enum Kind {
    Namespace,
    Extension,
    Language,
    Collation,
    /// A type's name alone, for the functions that its definition names.
    ShellType,
    Enum,
    Domain,
    CompositeType,
    RangeType,
    BaseType,
    // Before functions and views, since nothing records that one of them needs a cast.
    Cast,
    Function,
    Procedure,
    Aggregate,
    Transform,
    AccessMethod,
    Operator,
    OperatorFamily,
    OperatorClass,
    /// What was added to an operator family and belongs to no class.
    FamilyMembers,
    Conversion,
    TextSearchParser,
    TextSearchTemplate,
    TextSearchDictionary,
    TextSearchConfiguration,
    ForeignDataWrapper,
    Server,
    UserMapping,
    Sequence,
    Table,
    ForeignTable,
    View,
    MaterializedView,
    VirtualTable,
    /// A partition's or heir's place under its parent, where it is a statement of its own.
    Attach,
    /// A column's default, where it is a statement of its own.
    Default,
    /// A sequence's tie to the column that it serves.
    OwnedBy,
    /// The true body of a view that had to be there, with its columns only, before what it is made of.
    ViewBody,
    Constraint,
    Index,
    ForeignKey,
    Rule,
    Trigger,
    /// Row-level security of a table, switched on and forced.
    RowSecurity,
    Policy,
    Statistics,
    LargeObject,
    /// Filling a materialized view.
    Refresh,
    /// `ALTER DEFAULT PRIVILEGES`.
    DefaultPrivileges,
    Event,
    Package,
    PackageBody,
    /// Switching an event on, which is made switched off.
    EventState,
    SecurityLabel,
    Publication,
    /// A table's place in a publication.
    PublicationTable,
    /// All tables of a namespace in a publication.
    PublicationNamespace,
    Subscription,
    // Last, since it fires at statements that make the others.
    EventTrigger,
}

/// Which object it is. Sorting by it is the natural order that makes dumps of equal databases equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectId {
    /// Its kind.
    pub kind: Kind,
    /// The namespace that it is in; empty where the engine or the kind has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The table (or domain, view) that it belongs to, for constraints, indexes, triggers and the like.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// Its name; for routines with the argument types, `f(integer, text)`.
    pub name: String,
}

impl fmt::Display for ObjectId {
    /// For people: `table public.user`, `trigger public.orders.stamp`. Not SQL: nothing is quoted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = serde_json::to_value(self.kind).map_err(|_| fmt::Error)?;
        write!(f, "{} ", kind.as_str().unwrap_or_default().replace('-', " "))?;
        for outer in [&self.namespace, &self.of] {
            if !outer.is_empty() {
                write!(f, "{outer}.")?;
            }
        }
        f.write_str(&self.name)
    }
}

/// Anything with a name in a database.
///
/// Each statement is complete, canonical, qualified and ends in `;` and a newline, so that the
/// texts of two equal databases are equal byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Which one.
    pub id: ObjectId,
    /// Where its definition stands.
    pub section: Section,
    /// The statements that create it; empty if something else makes it (the sequence of an identity
    /// column, a table of an extension, what every database has) and it is here for its owner, comments,
    /// privileges, values or rows.
    pub definition: String,
    /// The statement that gives it to its owner (`ALTER … OWNER TO …`).
    pub owner: Option<String>,
    /// Comments on it and on its columns.
    pub comments: Vec<String>,
    /// Grants and revokes that lead from the engine's default privileges to what it has.
    pub privileges: Vec<String>,
    /// The objects that must be there before it. All of them are in the same [`Schema`].
    pub depends_on: Vec<ObjectId>,
    /// Its columns and size, if it is a table or like one.
    pub table: Option<Box<Table>>,
}

/// What of a table is data for dump, drift and generate.
///
/// Two are equal if their columns and conditions are, whatever their sizes and handles.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Table {
    /// The engine's number for it (Postgres: oid); 0 where there is none. No part of equality of schemas.
    pub handle: u64,
    /// Its columns in order.
    pub columns: Vec<Column>,
    /// Whether it holds rows of its own that a dump carries: not a view, not a partitioned parent.
    pub holds_rows: bool,
    /// The bytes that its rows take on disk, with out-of-line storage, as the server estimates them.
    pub bytes: u64,
    /// The pages of its main storage, for cutting it into ranges; 0 where it cannot be cut.
    pub pages: u64,
    /// Which rows a dump carries where it is not all of them: `WHERE …`, as an extension asks for its table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// What its counter gives next, as the engine writes it, where that is no object of its own (MySQL: AUTO_INCREMENT,
    /// a sequence). No part of equality of schemas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.columns == other.columns && self.holds_rows == other.holds_rows && self.filter == other.filter
    }
}

impl Eq for Table {}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type as the engine writes it.
    pub data_type: String,
    /// Whether it refuses NULL.
    pub not_null: bool,
    /// Its default expression.
    pub default: Option<String>,
    /// Whether its value comes from an expression: then no dump carries it.
    pub generated: Option<Generated>,
}

/// How a generated column's value is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Generated {
    /// Written with the row.
    Stored,
    /// Computed when read.
    Virtual,
}

/// Something that a dump does not carry, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NotCarried {
    /// What it is, for people: `operator public.===(integer, integer)`.
    pub what: String,
    /// Why it is not carried, in half a sentence.
    pub why: String,
    /// The object that it is or belongs to, which need not be among the schema's: a dump without that one lacks
    /// nothing. `None` where anything may need it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<ObjectId>,
}

impl NotCarried {
    /// What anything may need.
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into(), of: None }
    }
}

impl fmt::Display for NotCarried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.why)
    }
}

/// All objects of a database, in an order in which they can be created.
///
/// Two are equal if their objects are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Schema {
    /// By section, then so that each stands after what it depends on, otherwise by [`ObjectId`].
    pub objects: Vec<Object>,
    /// What was found and cannot be carried: with any of these there is no dump.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<NotCarried>,
    /// What was found and is of no use to anybody as it is, so that no statement makes it again: a view of MySQL or MariaDB
    /// whose table is gone. Refused like the above, unless whoever asks goes [without it](Schema::leave_out_broken).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broken: Vec<NotCarried>,
    /// What was found and is not worth carrying, to be told: an index that is INVALID.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<NotCarried>,
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.objects == other.objects
    }
}

impl Eq for Schema {}

impl Schema {
    /// The object of that identity.
    pub fn get(&self, id: &ObjectId) -> Option<&Object> {
        self.objects.iter().find(|object| object.id == *id)
    }

    /// Refuses, by name, what cannot be carried: before the first byte of a dump.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] with the names, if there are any.
    pub fn check_carried(&self) -> Result<()> {
        let all = self.refused.len() + self.broken.len();
        if all == 0 {
            return Ok(());
        }
        let named = self.refused.iter().chain(&self.broken).take(20);
        let names: Vec<String> = named.map(ToString::to_string).collect();
        let more = all.saturating_sub(names.len());
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let what = format!("the database holds what dbm does not carry: {}{more}", names.join(", "));
        Err(Error::new(ErrorKind::Refused, what).with_hint(if self.refused.is_empty() {
            "mend or drop it (DROP VIEW …); `dbm backup` goes without and says so, but what has to bring everything back cannot"
        } else {
            "drop these, or back this database up with the engine's own tool until dbm carries them"
        }))
    }

    /// Goes without what is broken, and has that told.
    pub fn leave_out_broken(&mut self) {
        self.left_out.append(&mut self.broken);
    }

    /// The tables whose rows a dump carries.
    pub fn tables_with_rows(&self) -> impl Iterator<Item = (&ObjectId, &Table)> {
        self.objects.iter().filter_map(|object| {
            let table = object.table.as_deref().filter(|table| table.holds_rows)?;
            Some((&object.id, table))
        })
    }
}
