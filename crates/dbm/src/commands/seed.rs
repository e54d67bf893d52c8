use clap::Args;
use database::Database;
use migrate::files::{self, Repeat};
use serde_json::json;

use super::run_flags::{self, RunFlags};
use crate::context::Context;
use crate::error::Result;
use crate::{report, screen};

/// `dbm seed`
#[derive(Debug, Args)]
#[command(
    after_help = "Seeds are rows that a database begins with: one file each in migrations/seeds/, run in the order of their
names, with placeholders and ${password:argon2id:ADMIN_PASSWORD} as in migrations. Each is recorded in the history, and
runs again when its text changes, so write it so that it may: INSERT … ON CONFLICT DO NOTHING, or DO UPDATE.

Examples:
  dbm seed --dry-run
  dbm migrate --safe && dbm seed
  dbm seed --again               all of them, changed or not"
)]
pub(crate) struct Seed {
    /// Also those whose text is the one that was last run
    #[arg(long)]
    again: bool,
    #[command(flatten)]
    pub(crate) run: RunFlags,
}

impl Seed {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let url = context.url()?;
        if self.run.dry_run {
            let runner = run_flags::runner(context, &self.run, Database::new(url)?, None)?;
            let seeds = files::read_repeated(&context.folder(), Repeat::Seed)?;
            let plan = runner.plan_seed(&seeds, self.again).await?;
            let text = screen::plan_lines(&plan).join("\n") + "\n";
            context.output.answer(&json!({ "command": context.command, "plan": plan }), &text);
            return Ok(());
        }
        let audit = context.audit(&url)?;
        audit.start();
        let done = async {
            let runner = run_flags::runner(context, &self.run, Database::new(url)?, Some(&audit))?;
            let seeds = files::read_repeated(&context.folder(), Repeat::Seed)?;
            let done = runner.seed(&seeds, self.again).await;
            run_flags::judged(&runner, done).await
        };
        let done: Result<migrate::Report> = done.await;
        audit.finish_run(&done);
        report::show(&done?, context.command, &context.output)
    }
}
