use clap::Args;
use database::Database;
use migrate::files;
use migrate::history;
use serde_json::json;

use crate::context::Context;
use crate::error::Result;

/// `dbm current`
#[derive(Debug, Args)]
#[command(after_help = "Example:
  dbm current")]
pub(crate) struct Current {}

impl Current {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let database = Database::new(context.url()?)?;
        let mut session = database.session().await?;
        let applied = history::read(&mut *session).await?;
        let open = context.open_run(&mut *session).await?;
        context.warn_of(open.as_ref());
        let newest = migrate::status::current(&applied);
        let document = json!({
            "command": "current",
            "database": database.name(),
            "number": newest.map(|row| row.number),
            "name": newest.map(|row| &row.name),
            "applied_at": newest.map(|row| &row.applied_at),
        });
        let text = match newest {
            Some(row) => files::label(row.number, &row.name) + "\n",
            None => "none\n".to_owned(),
        };
        context.output.answer(&document, &text);
        Ok(())
    }
}
