use std::num::NonZeroUsize;

use clap::Args;
use database::Database;
use migrate::files;
use migrate::plan::{RollbackOptions, Until};
use serde_json::json;

use super::run_flags::{self, RunFlags};
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::{report, screen};

/// `dbm rollback`
#[derive(Debug, Args)]
#[command(
    after_help = "What dbm did not make it does not drop: of a migration that was there already, only the row in the
history is removed.

Afterwards the schema is compared with what it was before what was taken back. Where nobody has seen that (of a run of several
only a part is taken back, or its schema was not kept), the migrations that stay are run once more in a scratch database, and
what was taken back after them: what is left of it is told object by object, and what was changed by hand besides is not. By
then the rollback is done and kept, and the lock let go; Ctrl-C leaves out the rest. A rollback that is done and does not undo
ends with 0: the report says `not undone` (`not_undone` with --json). `dbm check --rollbacks` finds it before.

Examples:
  dbm rollback                the last one
  dbm rollback 3              the last three
  dbm rollback --to 12        everything after 012
  dbm rollback --run 20261121T013400Z-0a1b2c3d      what that run has applied
  dbm rollback --all"
)]
pub(crate) struct Rollback {
    /// How many
    #[arg(value_name = "N", conflicts_with_all = ["to", "all"])]
    count: Option<NonZeroUsize>,
    /// The number that stays; everything above it is taken back
    #[arg(long, value_name = "NUMBER", conflicts_with = "all")]
    to: Option<u64>,
    /// Everything
    #[arg(long)]
    all: bool,
    /// What this run has applied, as `dbm history` names it
    #[arg(long = "run", value_name = "RUN", conflicts_with_all = ["count", "to", "all"])]
    of_run: Option<String>,
    /// Only those of this module
    #[arg(long, value_name = "NAME")]
    module: Option<String>,
    #[command(flatten)]
    pub(crate) run: RunFlags,
}

/// `dbm downgrade`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  dbm downgrade -1
  dbm downgrade base
  dbm downgrade 12")]
pub(crate) struct Downgrade {
    /// -N, base, or the number that stays
    #[arg(value_name = "REVISION", allow_hyphen_values = true)]
    revision: String,
    #[command(flatten)]
    pub(crate) run: RunFlags,
}

impl Rollback {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let until = match (&self.of_run, self.all, self.to) {
            (Some(run), ..) => Until::Run(run.clone()),
            (None, true, _) => Until::All,
            (None, false, Some(number)) => Until::To(number),
            (None, false, None) => Until::Count(self.count.map_or(1, NonZeroUsize::get)),
        };
        go(context, &self.run, &RollbackOptions { until, module: self.module.clone() }).await
    }
}

impl Downgrade {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let wrong = || {
            CommandError::usage(format!("`{}` is no revision", self.revision))
                .hint("write -1, base, or a number such as 12")
        };
        let until = match self.revision.strip_prefix('-') {
            Some(count) => Until::Count(count.parse::<NonZeroUsize>().map_err(|_| wrong())?.get()),
            None if self.revision == "base" => Until::All,
            None => Until::To(self.revision.parse().map_err(|_| wrong())?),
        };
        go(context, &self.run, &RollbackOptions { until, module: None }).await
    }
}

async fn go(context: &Context, flags: &RunFlags, options: &RollbackOptions) -> Result<()> {
    let url = context.url()?;
    if flags.dry_run {
        let runner = run_flags::runner(context, flags, Database::new(url)?, None)?;
        let plan = runner.plan_rollback(&files::read_for_rollback(&context.folder())?, options).await?;
        let text = screen::plan_lines(&plan).join("\n") + "\n";
        context.output.answer(&json!({ "command": context.command, "plan": plan }), &text);
        return Ok(());
    }
    let audit = context.audit(&url)?;
    audit.start();
    let done = async {
        let runner = run_flags::runner(context, flags, Database::new(url)?, Some(&audit))?;
        let migrations = files::read_for_rollback(&context.folder())?;
        let done = runner.rollback(&migrations, options).await;
        run_flags::judged(&runner, done).await
    };
    let done: Result<migrate::Report> = done.await;
    audit.finish_run(&done);
    report::show(&done?, context.command, &context.output)
}
