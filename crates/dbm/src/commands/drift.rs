use clap::Args;
use database::Database;
use migrate::compare::Difference;
use migrate::files;
use migrate::scratch::{self, Scratch};
use serde_json::json;

use super::run_flags::{self, RunFlags};
use super::scratch_flags::ScratchFlags;
use crate::context::Context;
use crate::error::{CommandError, Meaning, Result};
use crate::output;

/// `dbm drift`
#[derive(Debug, Args)]
#[command(
    after_help = "What is applied is run once more in an empty scratch database, and the two schemas are compared, object by
object: what differs was changed by hand. Owners and privileges are not compared. The database itself is only read.
Ends with 5 if something differs.

Examples:
  dbm drift
  dbm drift --sql                 with the statements that make each object as it is, and as it was to be
  dbm drift --scratch-url postgres://me@localhost/postgres"
)]
pub(crate) struct Drift {
    /// With the statements of both sides
    #[arg(long)]
    sql: bool,
    #[command(flatten)]
    scratch: ScratchFlags,
}

impl Drift {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let target = Database::new(context.url()?)?;
        let open = context.open_run(&mut *target.session().await?).await?;
        context.warn_of(open.as_ref());
        let migrations = files::read_for_rollback(&context.folder())?;
        let settings = run_flags::settings(context, &RunFlags::default())?;
        let variables = run_flags::variables(context);
        let scratch = Scratch::new(&Database::new(self.scratch.url(context)?)?).await?;
        let finding = scratch::drift(&target, &scratch, &migrations, &settings, &variables);
        let found = tokio::select! {
            found = Box::pin(finding) => found.map_err(CommandError::from),
            () = context.cancel.cancelled() => Err(CommandError::failed("stopped on request; nothing was changed")),
        };
        scratch.discard().await?;
        let found = found?;
        let document = json!({ "command": "drift", "database": target.name(), "differences": found });
        context.output.answer(&document, &self.text(&found, &target.name()));
        match found.is_empty() {
            true => Ok(()),
            false => {
                Err(CommandError::reported(Meaning::Found, "the database is not what its migrations make"))
            }
        }
    }

    fn text(&self, found: &[Difference], database: &str) -> String {
        if found.is_empty() {
            return format!("{database}: as its migrations make it\n");
        }
        let mut text = String::new();
        for difference in found {
            text.push_str(&format!("{}\n", difference.line()));
            if self.sql {
                for (word, sql) in [("to be", &difference.before), ("is", &difference.after)] {
                    let lines = sql.iter().flat_map(|sql| sql.lines());
                    lines.for_each(|line| text.push_str(&format!("  {word:<5} | {line}\n")));
                }
            }
        }
        text.push_str(&format!(
            "{database}: {} not as the migrations make them\n",
            output::plural(found.len() as u64, "object")
        ));
        text
    }
}
