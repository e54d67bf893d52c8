use clap::Args;
use database::Database;
use migrate::files::{self, Repeat};
use migrate::{MigrateOptions, Outcome, Reset as Done};
use serde_json::json;

use super::run_flags::{self, RunFlags};
use crate::context::Context;
use crate::error::{CommandError, Meaning, Result};
use crate::{ask, report};

/// `dbm reset`
#[derive(Debug, Args)]
#[command(
    after_help = "For a database to develop with: what is there is backed up and read back, an empty one takes its place, migrations
and seeds are run. If one of them fails, the backup is put back. It is refused unless dbm.toml (or DBM_DEVELOPMENT) says
`development = true`, which belongs into no configuration of a database that anybody needs.

Examples:
  dbm reset
  dbm reset --yes        in a script"
)]
pub(crate) struct Reset {}

impl Reset {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let url = context.url()?;
        if !context.configuration.truth("development")? {
            let what = format!("nothing says that {url} is a database for development");
            return Err(CommandError::failed(context.output.scrub(&what))
                .hint("if it is one: development = true in its dbm.toml, or DBM_DEVELOPMENT=true"));
        }
        let question = format!("Replace all of {url} with what migrations and seeds make?");
        if !context.yes {
            match ask::confirm(&context.output.scrub(&question)) {
                Some(true) => {}
                Some(false) => return Err(CommandError::failed("nothing was changed: the answer was no")),
                None => {
                    return Err(CommandError::usage("a reset replaces the whole database").hint("say --yes"));
                }
            }
        }
        let audit = context.audit(&url)?;
        audit.start();
        let done = async {
            let runner = run_flags::runner(context, &RunFlags::default(), Database::new(url)?, Some(&audit))?;
            let folder = context.folder();
            let repeatables = files::read_repeated(&folder, Repeat::Repeatable)?;
            let options = MigrateOptions { repeatables, ..MigrateOptions::default() };
            let seeds = files::read_repeated(&folder, Repeat::Seed)?;
            let done = runner.reset(&files::read(&folder)?, &options, &seeds).await;
            run_flags::judged(&runner, done).await
        };
        let done: Result<Done> = Box::pin(done).await;
        let fields = done.as_ref().map_or_else(
            |_| json!({}),
            |done| json!({ "backup": done.backup, "outcome": done.outcome, "state": done.state }),
        );
        audit.finish(&done, fields);
        show(context, &done?)
    }
}

fn show(context: &Context, done: &Done) -> Result<()> {
    let document = json!({
        "command": "reset", "backup": done.backup, "outcome": done.outcome, "state": done.state, "runs": done.runs,
    });
    let words = ["emptied", "migrate", "seed", "put back"];
    let mut lines = Vec::new();
    for (run, word) in done.runs.iter().zip(words) {
        let back = run.kind == migrate::journal::RunKind::Restore && word != "emptied";
        let failed = run.outcome != Outcome::Done;
        if failed || !back && word != "emptied" {
            lines.extend(report::lines(run, if back { "put back" } else { word }));
        }
    }
    lines.push(format!("reset: {}", done.state));
    let meaning = match done.outcome {
        Outcome::Done => {
            context.output.report(&document, &(lines.join("\n") + "\n"));
            return Ok(());
        }
        Outcome::NothingChanged => Meaning::Failed,
        Outcome::PutBack => Meaning::PutBack,
        Outcome::NeedsPerson => Meaning::NeedsPerson,
    };
    for line in &lines {
        context.output.error(line);
    }
    if context.output.json {
        context.output.document(&context.output.scrub_values(&document));
    }
    Err(CommandError::reported(meaning, done.state.clone()))
}
