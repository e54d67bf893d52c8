//! What `baseline`, `stamp` and `repair` have in common: they change the history, and run nothing.

use clap::Args;
use database::Database;
use migrate::Marked;
use migrate::history::{Change, Mark, Records, State};
use serde_json::json;

use super::run_flags::{self, RunFlags};
use crate::ask;
use crate::context::Context;
use crate::error::{CommandError, Result};

/// Flags of what changes the history alone.
#[derive(Debug, Default, Args)]
pub(super) struct MarkFlags {
    /// Show what would change, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// A revision in Alembic's words: base, head, or a number.
pub(super) fn mark(revision: &str) -> Result<Mark> {
    match revision {
        "base" => Ok(Mark::Base),
        "head" | "heads" => Ok(Mark::Head),
        number => number.parse().map(Mark::To).map_err(|_| {
            CommandError::usage(format!("`{revision}` is no revision"))
                .hint("write head, base, or a number such as 12")
        }),
    }
}

/// Shows or makes the changes that `decide` finds for the history as it is under the lock.
pub(super) async fn go(
    context: &Context,
    flags: &MarkFlags,
    decide: impl Fn(&Records) -> backup::Result<Vec<Change>>,
) -> Result<()> {
    let url = context.url()?;
    let runner = run_flags::runner(context, &RunFlags::default(), Database::new(url.clone())?, None)?;
    let planned = runner.plan_mark(&decide).await?;
    if flags.dry_run {
        let document = json!({ "command": context.command, "dry_run": true, "changes": planned });
        context.output.answer(&document, &lines(&planned));
        return Ok(());
    }
    confirm(context, &planned)?;
    let audit = context.audit(&url)?;
    audit.start();
    let runner = run_flags::runner(context, &RunFlags::default(), Database::new(url)?, Some(&audit))?;
    // What was asked about is what is done: others may have changed the history meanwhile.
    let marked = runner
        .mark(|history| {
            let changes = decide(history)?;
            match changes == planned {
                true => Ok(changes),
                false => {
                    Err(backup::Error::new(backup::ErrorKind::Busy, "the history has changed meanwhile")
                        .with_hint("look again: `dbm status`"))
                }
            }
        })
        .await;
    let done: Result<Marked> = run_flags::judged(&runner, marked).await;
    let fields = done
        .as_ref()
        .map_or_else(|_| json!({}), |marked| json!({ "run": marked.run, "changes": marked.changes }));
    audit.finish(&done, fields);
    let marked = done?;
    let document = json!({ "command": context.command, "run": marked.run, "changes": marked.changes });
    context.output.report(&document, &lines(&marked.changes));
    Ok(())
}

fn lines(changes: &[Change]) -> String {
    match changes {
        [] => "the history is so already; nothing is changed\n".to_owned(),
        changes => changes.iter().map(|change| change.line() + "\n").collect(),
    }
}

/// Rows of what dbm has made take their rollbacks with them.
fn confirm(context: &Context, changes: &[Change]) -> Result<()> {
    let made = |change: &&Change| {
        matches!(change, Change::Forget { state: State::Applied, .. } | Change::ForgetRepeated { .. })
    };
    let without_number = changes.iter().any(|change| matches!(change, Change::ForgetRepeated { .. }));
    let count = changes.iter().filter(made).count();
    if count == 0 || context.yes {
        return Ok(());
    }
    let what = format!(
        "{} that dbm has applied would leave the history",
        crate::output::plural(count as u64, if without_number { "file" } else { "migration" })
    );
    match ask::confirm(&format!("{what}. Go on?"), &context.cancel) {
        Some(true) => Ok(()),
        Some(false) => Err(CommandError::failed("nothing was changed: the answer was no")),
        None => {
            let mut hint = "what they made stays in the database; say --yes if it is to be so".to_owned();
            if !without_number {
                hint.push_str(", or take them back with `dbm rollback`");
            }
            Err(CommandError::usage(what).hint(hint))
        }
    }
}
