use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::error::{CommandError, Result};

/// `dbm new NAME`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  dbm new \"add orders\"            migrations/004_add_orders.sql and rollback/004_rollback.sql
  dbm revision -m \"add orders\"    the same")]
pub(crate) struct New {
    /// What it does, in a few words
    #[arg(required_unless_present = "message")]
    name: Option<String>,
    /// The same, as Alembic's users write it
    #[arg(long, short, value_name = "NAME", conflicts_with = "name")]
    message: Option<String>,
}

impl New {
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        let name = self.name.as_ref().or(self.message.as_ref());
        let name = name.ok_or_else(|| CommandError::usage("the migration has no name"))?;
        let made = migrate::files::new_migration(&context.folder(), name)?;
        let text = format!("{}\n{}\n", made.migration.display(), made.rollback.display());
        let document = json!({ "command": "new", "migration": made.migration, "rollback": made.rollback });
        context.output.answer(&document, &text);
        context.output.say("write the statements of both, then: dbm migrate --dry-run");
        Ok(())
    }
}
