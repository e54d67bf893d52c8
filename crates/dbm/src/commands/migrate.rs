use std::num::NonZeroUsize;

use backup::store::Store;
use clap::Args;
use database::sqlite::Mode;
use database::{Database, DatabaseUrl, Error, ErrorKind};
use migrate::files::{self, Repeat, RepeatedFile};
use migrate::plan::MigrateOptions;
use serde_json::json;

use super::rehearse_flags::RehearseFlags;
use super::run_flags::{self, RunFlags};
use super::{keep_going, named};
use crate::configuration::Flags;
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::{rehearsal, report, screen};

/// `dbm migrate`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  dbm migrate --safe --dry-run     what would run, in which groups, and what the way back is
  dbm migrate --safe
  dbm migrate --safe --fence       where the way back is a restore: keep writers out meanwhile
  dbm migrate --safe --rehearse --max-lock 2s      try it on a copy first, and begin only if nobody waits longer
  dbm migrate --rehearse --dry-run                 on the copy alone
  dbm migrate --rehearse=latest --dry-run          on a copy of the newest good backup
  dbm migrate --to 12
  dbm migrate --module hr
  dbm migrate --safe --keep-going                  each module by itself")]
pub(crate) struct Migrate {
    /// The last number to apply
    #[arg(long, value_name = "NUMBER")]
    to: Option<u64>,
    /// How many of the pending ones
    #[arg(long, value_name = "N", conflicts_with = "to")]
    count: Option<NonZeroUsize>,
    /// Only those of this module
    #[arg(long, value_name = "NAME")]
    module: Option<String>,
    /// Apply a number below one that is applied already
    #[arg(long)]
    out_of_order: bool,
    /// Run what touches objects that were changed by hand: see `dbm drift`
    #[arg(long)]
    allow_drift: bool,
    /// Each module in a run of its own, so that one's failure is put back and told, and neither stops nor undoes the others
    #[arg(long, conflicts_with_all = ["to", "count", "module", "dry_run"])]
    keep_going: bool,
    #[command(flatten)]
    pub(crate) rehearse: RehearseFlags,
    #[command(flatten)]
    pub(crate) run: RunFlags,
}

/// `dbm upgrade`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  dbm upgrade head
  dbm upgrade +1
  dbm upgrade 12")]
pub(crate) struct Upgrade {
    /// head, +N, or the last number to apply
    #[arg(value_name = "REVISION")]
    revision: String,
    /// Run what touches objects that were changed by hand: see `dbm drift`
    #[arg(long)]
    allow_drift: bool,
    #[command(flatten)]
    pub(crate) rehearse: RehearseFlags,
    #[command(flatten)]
    pub(crate) run: RunFlags,
}

impl Migrate {
    /// What of it belongs to the configuration.
    pub(crate) fn add_flags(&self, flags: &mut Flags) {
        self.run.add_flags(flags);
        if self.allow_drift {
            flags.insert("allow_drift", "true".to_owned());
        }
    }

    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let options = MigrateOptions {
            to: self.to,
            count: self.count.map(NonZeroUsize::get),
            module: self.module.clone(),
            out_of_order: self.out_of_order,
            repeatables: repeatables(context)?,
            ..MigrateOptions::default()
        };
        if self.keep_going {
            let rehearse = self.rehearse.read(context).await?;
            let url = context.url_to_make()?;
            not_lost(context, &url).await?;
            context.make_folder_of(&url)?;
            return Box::pin(keep_going::go(context, &self.run, rehearse, &options, url)).await;
        }
        go(context, &self.run, &self.rehearse, &options).await
    }
}

impl Upgrade {
    /// What of it belongs to the configuration.
    pub(crate) fn add_flags(&self, flags: &mut Flags) {
        self.run.add_flags(flags);
        if self.allow_drift {
            flags.insert("allow_drift", "true".to_owned());
        }
    }

    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let wrong = || {
            CommandError::usage(format!("`{}` is no revision", self.revision))
                .hint("write head, +1, or a number such as 12")
        };
        let mut options = MigrateOptions { repeatables: repeatables(context)?, ..MigrateOptions::default() };
        match self.revision.strip_prefix('+') {
            Some(count) => options.count = Some(count.parse::<NonZeroUsize>().map_err(|_| wrong())?.get()),
            None if self.revision == "head" || self.revision == "heads" => {}
            None => options.to = Some(self.revision.parse().map_err(|_| wrong())?),
        }
        go(context, &self.run, &self.rehearse, &options).await
    }
}

pub(super) fn repeatables(context: &Context) -> Result<Vec<RepeatedFile>> {
    Ok(files::read_repeated(&context.folder(), Repeat::Repeatable)?)
}

async fn go(
    context: &Context,
    flags: &RunFlags,
    rehearse: &RehearseFlags,
    options: &MigrateOptions,
) -> Result<()> {
    let rehearse = rehearse.read(context).await?;
    let url = if flags.dry_run { context.url()? } else { context.url_to_make()? };
    // A rehearsal tries for long, perhaps, and more than once, what is then run and recorded.
    let read = if rehearse.is_some() { files::read } else { files::read_to_migrate };
    if flags.dry_run {
        let runner = run_flags::runner(context, flags, Database::new(url)?, None)?;
        let migrations = read(&context.folder())?;
        let plan = runner.plan_migrate(&migrations, options).await?;
        let text = screen::plan_lines(&plan).join("\n") + "\n";
        let document = json!({ "command": context.command, "plan": plan });
        if let (Some(how), false) = (&rehearse, plan.is_empty()) {
            let done = Box::pin(runner.rehearse(how, &migrations, options)).await?;
            return rehearsal::show(context, document, text, &done, done.refused(how.max_lock).as_deref());
        }
        context.output.answer(&document, &text);
        return Ok(());
    }
    not_lost(context, &url).await?;
    context.make_folder_of(&url)?;
    let audit = context.audit(&url)?;
    audit.start();
    let done = async {
        let mut runner = run_flags::runner(context, flags, Database::new(url)?, Some(&audit))?;
        if let Some(how) = rehearse {
            runner = runner.with_rehearsal(how);
        }
        let folder = context.folder();
        let reading = tokio::task::spawn_blocking(move || read(&folder));
        let read =
            async { reading.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())) };
        let migrations = runner.locked_while(read).await?;
        let done = runner.migrate(&migrations, options).await;
        run_flags::judged(&runner, done).await
    };
    let done: Result<migrate::Report> = done.await;
    audit.finish_run(&done);
    report::show(&done?, context.command, &context.output)
}

/// Refuses to make a SQLite file anew of which there are backups, unless that is wanted.
async fn not_lost(context: &Context, url: &DatabaseUrl) -> Result<()> {
    let DatabaseUrl::Sqlite(file) = url else { return Ok(()) };
    if file.mode != Mode::Create || file.path.exists() || context.yes {
        return Ok(());
    }
    let stores = context.stores()?;
    let each: Vec<&dyn Store> = stores.iter().map(|store| &**store).collect();
    let Some(archive) = named::namesake(&each, &Database::new(url.clone())?).await else { return Ok(()) };
    let message =
        format!("the database file {} is not there, and there are backups of it", file.path.display());
    Err(CommandError::from(Error::new(ErrorKind::NoDatabase, message))
        .hint(format!("if it was lost: dbm restore {archive}"))
        .hint("to begin with an empty one: --yes"))
}
