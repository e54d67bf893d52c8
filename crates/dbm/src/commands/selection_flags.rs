use backup::selection::{Content, Pattern, Selection};
use clap::Args;

use crate::context::Context;
use crate::error::Result;

/// Which objects and rows, in pg_dump's words.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Which part")]
pub(crate) struct SelectionFlags {
    /// Only these tables (views, sequences) and what they need: orders, 'audit.*', 'a|b', '"Mixed Case"'
    #[arg(long, short = 't', value_name = "PATTERN")]
    pub(crate) table: Vec<String>,
    /// Not these tables, nor what belongs to them
    #[arg(long, short = 'T', value_name = "PATTERN")]
    pub(crate) exclude_table: Vec<String>,
    /// Of these tables the definition without the rows
    #[arg(long, value_name = "PATTERN")]
    pub(crate) exclude_table_data: Vec<String>,
    /// Only what is in these namespaces, and what it needs
    #[arg(long, short = 'n', value_name = "PATTERN", conflicts_with = "table")]
    pub(crate) schema: Vec<String>,
    /// Not what is in these namespaces
    #[arg(long, short = 'N', value_name = "PATTERN")]
    pub(crate) exclude_schema: Vec<String>,
    /// Definitions without rows
    #[arg(long, short = 's', conflicts_with = "data_only")]
    pub(crate) schema_only: bool,
    /// Rows without definitions
    #[arg(long, short = 'a')]
    pub(crate) data_only: bool,
}

impl SelectionFlags {
    /// The selection for a backup; what is not given as flags comes from `dbm.toml`.
    pub(crate) fn of_backup(&self, context: &Context) -> Result<Selection> {
        let configured = |flags: &[String], name: &str| match flags {
            [] => context.configuration.texts(name),
            flags => flags.to_vec(),
        };
        let all = Self {
            exclude_table: configured(&self.exclude_table, "exclude_table"),
            exclude_table_data: configured(&self.exclude_table_data, "exclude_table_data"),
            exclude_schema: configured(&self.exclude_schema, "exclude_schema"),
            ..self.clone()
        };
        all.selection()
    }

    /// What they select.
    pub(crate) fn selection(&self) -> Result<Selection> {
        let tables =
            |texts: &[String]| texts.iter().map(|text| Pattern::table(text)).collect::<backup::Result<_>>();
        let schemas =
            |texts: &[String]| texts.iter().map(|text| Pattern::schema(text)).collect::<backup::Result<_>>();
        Ok(Selection {
            tables: tables(&self.table)?,
            exclude_tables: tables(&self.exclude_table)?,
            exclude_table_data: tables(&self.exclude_table_data)?,
            schemas: schemas(&self.schema)?,
            exclude_schemas: schemas(&self.exclude_schema)?,
            content: match (self.schema_only, self.data_only) {
                (true, _) => Content::SchemaOnly,
                (_, true) => Content::DataOnly,
                _ => Content::All,
            },
        })
    }
}
