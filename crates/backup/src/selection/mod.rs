//! What of a database goes into a backup, or out of an archive, on request.

mod pattern;
mod pick;
#[cfg(test)]
mod tests;

pub use pattern::Pattern;
pub(crate) use pick::{Node, pick};

use database::{Kind, ObjectId};

use crate::{Error, ErrorKind, Result};

/// Which objects and rows are wanted; by default everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only these tables (views, sequences), with all that belongs to them and what they need to exist.
    pub tables: Vec<Pattern>,
    /// Not these tables (views, sequences), nor what belongs to them.
    pub exclude_tables: Vec<Pattern>,
    /// Of these tables not the rows.
    pub exclude_table_data: Vec<Pattern>,
    /// Only what is in these namespaces, and what it needs to exist.
    pub schemas: Vec<Pattern>,
    /// Not what is in these namespaces.
    pub exclude_schemas: Vec<Pattern>,
    /// Definitions, rows or both.
    pub content: Content,
}

/// Definitions, rows or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// Both.
    #[default]
    All,
    /// Definitions without rows.
    SchemaOnly,
    /// Rows without definitions.
    DataOnly,
}

impl Selection {
    /// Whether nothing is left out.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Passes if the wishes go together.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for tables and namespaces at once: pg_dump would pass over one of them in silence.
    pub fn check(&self) -> Result<()> {
        if self.tables.is_empty() || self.schemas.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Usage, "--table and --schema do not go together")
            .with_hint("name the namespace in the pattern: --table 'audit.*'"))
    }

    /// Whether only some named things are wanted, so that what has no namespace is left out.
    pub(crate) fn is_narrow(&self) -> bool {
        !self.tables.is_empty() || !self.schemas.is_empty()
    }

    /// Whether rows are wanted at all.
    pub(crate) fn has_rows(&self) -> bool {
        self.content != Content::SchemaOnly
    }

    /// Whether definitions are wanted at all.
    pub(crate) fn has_definitions(&self) -> bool {
        self.content != Content::DataOnly
    }

    /// Whether large objects are wanted: they belong to no table and no namespace.
    pub(crate) fn has_large_objects(&self) -> bool {
        !self.is_narrow() && self.has_rows()
    }

    /// Whether a table (view, sequence) is wanted by its names: its own first, then those of the tables whose
    /// partition it is.
    pub(crate) fn takes(&self, names: &[(&str, &str)]) -> bool {
        let Some(&(namespace, _)) = names.first() else { return false };
        let any = |patterns: &[Pattern]| {
            patterns
                .iter()
                .any(|pattern| names.iter().any(|(namespace, name)| pattern.matches(namespace, name)))
        };
        let within = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches("", namespace));
        let wanted = match (self.tables.as_slice(), self.schemas.as_slice()) {
            ([], []) => true,
            ([], schemas) => within(schemas),
            (tables, _) => any(tables),
        };
        wanted && !any(&self.exclude_tables) && !within(&self.exclude_schemas)
    }

    /// Whether the rows of a table that is wanted are.
    pub(crate) fn takes_rows(&self, names: &[(&str, &str)]) -> bool {
        let excluded =
            |pattern: &Pattern| names.iter().any(|(namespace, name)| pattern.matches(namespace, name));
        self.has_rows() && !self.exclude_table_data.iter().any(excluded)
    }

    /// Whether what is in that namespace and no table's is wanted for itself.
    pub(crate) fn takes_namespace(&self, namespace: &str) -> bool {
        let within = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches("", namespace));
        let wanted = match (self.tables.as_slice(), self.schemas.as_slice()) {
            ([], []) => true,
            ([], schemas) => within(schemas),
            _ => false,
        };
        wanted && !within(&self.exclude_schemas)
    }

    /// Whether an object that no catalog's reader knows may be wanted, or be needed by what is.
    pub(crate) fn may_take(&self, id: &ObjectId) -> bool {
        match id.kind {
            Kind::Table => self.takes(&[(&id.namespace, &id.name)]),
            Kind::Namespace => self.takes_namespace(&id.name),
            _ if id.namespace.is_empty() => !self.is_narrow(),
            _ => self.takes_namespace(&id.namespace),
        }
    }

    /// What is left out, and by which flag.
    pub(crate) fn in_words(&self) -> Vec<(String, &'static str)> {
        let mut words = Vec::new();
        for (flag, patterns, what) in [
            ("--table", &self.tables, "all but the tables"),
            ("--schema", &self.schemas, "all but the namespaces"),
            ("--exclude-table", &self.exclude_tables, "the tables"),
            ("--exclude-schema", &self.exclude_schemas, "the namespaces"),
            ("--exclude-table-data", &self.exclude_table_data, "the rows of the tables"),
        ] {
            if !patterns.is_empty() {
                let names: Vec<String> = patterns.iter().map(|pattern| format!("`{pattern}`")).collect();
                words.push((format!("{what} {}", names.join(", ")), flag));
            }
        }
        match self.content {
            Content::All => {}
            Content::SchemaOnly => words.push(("all rows".to_owned(), "--schema-only")),
            Content::DataOnly => words.push(("all definitions".to_owned(), "--data-only")),
        }
        words
    }
}
