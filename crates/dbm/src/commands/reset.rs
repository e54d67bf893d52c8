use clap::Args;
use database::Database;
use migrate::files::{self, Repeat};
use migrate::{Anew, Report};

use super::run_flags::{self, RunFlags};
use super::scratch_flags::ScratchFlags;
use crate::connection;
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::{ask, report};

/// `dbm reset`
#[derive(Debug, Args)]
#[command(
    after_help = "For a database to develop with: what is there is backed up and read back, another one is made beside it by
migrations and seeds, and takes its place. If anything fails, or dbm is killed, the database is the old one or the
new one. What was there is in the backup: `dbm restore NAME` brings it back.

It is refused unless `development = true` stands where the database is named: in the same dbm.toml, the same .env, or
both in the environment. What --url names is never a development database.

Examples:
  dbm reset
  dbm reset --yes        in a script"
)]
pub(crate) struct Reset {
    /// Run statements of migrations that reach beyond the database: roles, tablespaces
    #[arg(long)]
    allow_server_wide: bool,
    #[command(flatten)]
    scratch: ScratchFlags,
}

impl Reset {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let url = context.url()?;
        is_for_development(context)?;
        let question = format!("Replace all of {url} with what migrations and seeds make?");
        if !context.yes {
            match ask::confirm(&context.output.scrub(&question), &context.cancel) {
                Some(true) => {}
                Some(false) => return Err(CommandError::failed("nothing was changed: the answer was no")),
                None => {
                    return Err(CommandError::usage("a reset replaces the whole database").hint("say --yes"));
                }
            }
        }
        let beside = match self.scratch.is_given() {
            true => Some(Database::new(self.scratch.url(context)?)?),
            false => None,
        };
        let audit = context.audit(&url)?;
        audit.start();
        let done = async {
            let mut settings = run_flags::settings(context, &RunFlags::default())?;
            settings.label = Some("reset".to_owned());
            settings.allowed.server_wide = self.allow_server_wide;
            let runner = run_flags::runner(context, &RunFlags::default(), Database::new(url)?, Some(&audit))?
                .with_settings(settings);
            let folder = context.folder();
            let anew = Anew {
                migrations: &files::read(&folder)?,
                repeatables: &files::read_repeated(&folder, Repeat::Repeatable)?,
                seeds: &files::read_repeated(&folder, Repeat::Seed)?,
                beside: beside.as_ref(),
            };
            let done = Box::pin(runner.reset(anew)).await;
            run_flags::judged(&runner, done).await
        };
        let done: Result<Report> = done.await;
        audit.finish_run(&done);
        report::show(&done?, context.command, &context.output)
    }
}

/// Refuses where nothing says that it is one, or where that is said of another database: a checkout's `dbm.toml` says
/// nothing of what a flag, the environment or `.env` names.
fn is_for_development(context: &Context) -> Result<()> {
    let configuration = &context.configuration;
    let target = connection::find(configuration)?;
    let hint = format!(
        "if it is one: `development = true` where it is named, or DBM_DEVELOPMENT beside DATABASE_URL; it is named in {}",
        target.origin
    );
    let url = context.output.scrub(&target.url.to_string());
    if !configuration.truth("development")? {
        return Err(
            CommandError::failed(format!("nothing says that {url} is a database for development")).hint(hint)
        );
    }
    let said = configuration.given("development").map(|given| &given.origin);
    if let Some(said) = said.filter(|said| **said != target.origin) {
        let what = format!("{said} says that its database is for development, and says nothing of {url}");
        return Err(CommandError::failed(what).hint(hint));
    }
    if target.said_elsewhere {
        let what = format!("a part of which database {url} is comes from elsewhere than {}", target.origin);
        return Err(CommandError::failed(what).hint(
            "write host, port and name into the URL: PGHOST and the like, and ~/.my.cnf, do not count here",
        ));
    }
    Ok(())
}
