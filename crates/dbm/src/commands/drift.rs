use clap::Args;
use database::Database;
use migrate::compare::Difference;
use migrate::files;
use migrate::generate::{GenerateOptions, Rename, There, Wanted};
use migrate::scratch::{self, Scratch};
use migrate::{history, plan};
use serde_json::json;

use super::generate;
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

With --fix what was changed by hand becomes the next migration, with its rollback, tried out in scratch databases as by
`dbm generate`; here it is recorded as satisfied and never run, elsewhere it is run like any other. What may have got another name by
hand, and what loses data where it is still to be run, has to be said: --rename, --drop, --allow-data-loss.

Examples:
  dbm drift
  dbm drift --sql                 with the statements that make each object as it is, and as it was to be
  dbm drift --fix \"index of colours\"     write it as a migration
  dbm drift --scratch-url postgres://me@localhost/postgres"
)]
pub(crate) struct Drift {
    /// With the statements of both sides
    #[arg(long)]
    sql: bool,
    /// Write what was changed as the next migration, which is recorded as satisfied here
    #[arg(long, value_name = "MESSAGE", conflicts_with = "sql")]
    fix: Option<String>,
    /// What got another name by hand: item=product, or item.title=name for a column
    #[arg(long, value_name = "OLD=NEW", requires = "fix")]
    rename: Vec<Rename>,
    /// What was dropped by hand, though something like it is new: item, or item.title for a column
    #[arg(long, value_name = "NAME", requires = "fix")]
    drop: Vec<String>,
    /// Write statements that lose data where they are still to be run
    #[arg(long, requires = "fix")]
    allow_data_loss: bool,
    #[command(flatten)]
    scratch: ScratchFlags,
}

impl Drift {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let target = Database::new(context.url()?)?;
        let open = context.open_run(&mut *target.session().await?).await?;
        context.warn_of(open.as_ref());
        if let Some(message) = &self.fix {
            return Box::pin(self.fixed(context, &target, message)).await;
        }
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

    /// Writes the migration, and records it as satisfied.
    async fn fixed(&self, context: &Context, target: &Database, message: &str) -> Result<()> {
        files::file_name(message)?;
        let migrations = files::read(&context.folder())?;
        let history = history::read(&mut *target.session().await?).await?;
        if let Some(pending) = generate::pending(&migrations, &history) {
            return Err(pending.hint("apply what is pending, or put its files aside until then"));
        }
        if let Some(finding) = plan::drifted(&migrations, &history).into_iter().next() {
            return Err(CommandError::from(backup::Error::from(finding)));
        }
        let there = There::Migrations(migrations, scratch::repeatables_as_run(target).await?);
        let options = GenerateOptions {
            renames: self.rename.clone(),
            dropped: self.drop.clone(),
            data_loss: self.allow_data_loss,
            one_file: true,
            privileges: false,
        };
        let wanted = Wanted::Like(Database::new(context.url()?)?);
        let generated = generate::between(context, &self.scratch, &wanted, &there, &options).await?;
        let mut text = generate::lines(&generated.differences);
        let mut written = None;
        if let Some(draft) = generated.drafts.first() {
            let made = files::write_migration(&context.folder(), message, &draft.up, &draft.down)?;
            text.push_str(&format!("{}\n{}\n", made.migration.display(), made.rollback.display()));
            written = Some(made);
            let migrations = files::read(&context.folder())?;
            let runner = run_flags::runner(context, &RunFlags::default(), target.clone(), None)?;
            let head = |records: &history::Records| {
                history::stamp(&migrations, &records.applied, history::Mark::Head)
            };
            runner.mark(head).await.map_err(|error| {
                CommandError::from(error)
                    .hint("the files are written; record them as satisfied here: dbm stamp head")
            })?;
        }
        if !generated.losses.is_empty() {
            let losses = generated.losses.join("; ");
            context
                .output
                .warn(&format!("where it is still to be run, what was written loses data: {losses}"));
        }
        text.push_str(&match &written {
            None => format!("{}: as its migrations make it\n", target.name()),
            Some(_) => {
                format!("{}: recorded as satisfied here; read it before it is run elsewhere\n", target.name())
            }
        });
        let document = json!({
            "command": "drift", "database": target.name(), "differences": generated.differences,
            "losses": generated.losses, "file": written,
        });
        context.output.answer(&document, &text);
        Ok(())
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
