use clap::Args;
use database::Database;

use super::run_flags::{self, RunFlags};
use crate::context::Context;
use crate::error::Result;
use crate::report;

/// `dbm recover`
#[derive(Debug, Args)]
#[command(
    after_help = "It reads the journal that the run left with the database: what was committed stays, what was left
half done is put back from the run's own backup and proven. `migrate` and `rollback` do it first by themselves.

Example:
  dbm recover --yes      also where the database may have been written to since"
)]
pub(crate) struct Recover {}

impl Recover {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let url = context.url()?;
        let audit = context.audit(&url)?;
        audit.start();
        let done = async {
            let runner = run_flags::runner(context, &RunFlags::default(), Database::new(url)?, Some(&audit))?;
            let done = runner.recover().await;
            run_flags::judged(&runner, done).await
        };
        let done: Result<migrate::Report> = done.await;
        audit.finish_run(&done);
        report::show(&done?, context.command, &context.output)
    }
}
