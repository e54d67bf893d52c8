use backup::archive::Archive;
use backup::restore::{self, RestoreOptions};
use backup::store::Store;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use database::{Database, DatabaseUrl, SourceId};
use helpers::naming::BackupName;
use migrate::Restoring;
use serde_json::json;

use super::named;
use super::run_flags::{self, RunFlags};
use crate::audit::Audit;
use crate::context::Context;
use crate::error::Result;
use crate::progress::Shown;
use crate::{ask, report};

/// `dbm restore`
#[derive(Debug, Args)]
#[command(
    after_help = "The archive is restored into a new database beside the target and proven; only then does it take the
target's place. What was there is kept, and `dbm replaced` lists it.

Examples:
  dbm restore latest                          the newest good archive of this very database
  dbm restore latest --disconnect --yes       end the sessions of others, ask nothing
  dbm restore shop_20261121T013400Z.sql.zst --into shop_copy
  dbm restore latest --table orders           its columns and rows in orders_restored_…, to take rows from"
)]
pub(crate) struct Restore {
    /// The archive: its name, a beginning that only it has, or latest
    #[arg(value_name = "NAME")]
    name: String,
    /// Restore into a new database (or file) of this name, and touch nothing else
    #[arg(long, value_name = "DATABASE", conflicts_with = "table", value_parser = NonEmptyStringValueParser::new())]
    into: Option<String>,
    /// Restore only this table's columns and rows, into a new table beside it: no keys, indexes, defaults or triggers
    #[arg(long, value_name = "TABLE", value_parser = NonEmptyStringValueParser::new())]
    table: Option<String>,
    /// End the sessions of others on the target
    #[arg(long)]
    disconnect: bool,
    /// Take another database's archive over this one: its source id, as `dbm show` tells it
    #[arg(long, value_name = "ID")]
    from_source: Option<String>,
    /// Leave replication slots, subscriptions and prepared transactions with the replaced database
    #[arg(long)]
    detach_replication: bool,
    /// Leave out who owns what
    #[arg(long)]
    no_owner: bool,
    /// Leave out grants
    #[arg(long)]
    no_privileges: bool,
}

impl Restore {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let url = context.url()?;
        let store = context.store()?;
        let name = named::find(context, &*store, &self.name).await?.name()?;
        if self.into.is_some() || self.table.is_some() {
            return self.aside(context, url, &*store, &name).await;
        }
        let question = format!("Put {name} in the place of {url}? What is there now is kept.");
        if !context.yes && ask::confirm(&context.output.scrub(&question)) == Some(false) {
            return Err(crate::error::CommandError::failed("nothing was restored: the answer was no"));
        }
        context.make_folder_of(&url)?;
        let audit = context.audit(&url)?;
        audit.start();
        let done = async {
            let restoring = Restoring {
                no_owner: self.no_owner,
                no_privileges: self.no_privileges,
                disconnect: self.disconnect,
                detach_replication: self.detach_replication,
                from_source: self.from_source.clone().map(SourceId),
            };
            let runner = run_flags::runner(context, &RunFlags::default(), Database::new(url)?, Some(&audit))?;
            let done = runner.restore(&name, &restoring).await;
            run_flags::judged(&runner, done).await
        };
        let done: Result<migrate::Report> = done.await;
        audit.finish_run(&done);
        report::show(&done?, context.command, &context.output)
    }

    /// Into a new database or a new table: nothing that is there is touched.
    async fn aside(
        &self,
        context: &Context,
        url: DatabaseUrl,
        store: &dyn Store,
        name: &BackupName,
    ) -> Result<()> {
        let audit = context.audit(&url)?;
        audit.start();
        let done = self.write_aside(context, &Database::new(url)?, store, name, &audit).await;
        let fields =
            done.as_ref().map_or(json!({}), |made| json!({ "archive": name.to_string(), "made": made }));
        audit.finish(&done, fields);
        let made = done?;
        let what = if self.table.is_some() { "table" } else { "database" };
        let document =
            json!({ "command": "restore", "archive": name.to_string(), what: made, "outcome": "done" });
        let text = match &self.table {
            None => format!(
                "restored {name} into the new {what} {made}: counts and digests equal the archive's\n"
            ),
            Some(table) => format!(
                "restored {table} of {name} into the new table {made}: count and digest equal the archive's\n  \
                 it has the columns and rows; keys, indexes, defaults and triggers are not part of it\n  \
                 take what you need from it (INSERT INTO … SELECT … FROM …), then drop it\n"
            ),
        };
        context.output.report(&document, &text);
        Ok(())
    }

    async fn write_aside(
        &self,
        context: &Context,
        database: &Database,
        store: &dyn Store,
        name: &BackupName,
        audit: &Audit,
    ) -> Result<String> {
        let archive = Archive::open(store.source(name).await?).await?;
        let options = RestoreOptions {
            jobs: context.jobs()?,
            no_owner: self.no_owner,
            no_privileges: self.no_privileges,
            cancel: context.cancel.clone(),
            ..RestoreOptions::default()
        };
        let progress = Shown::new(&context.output);
        audit.step(
            "restore",
            "before",
            json!({ "archive": name.to_string(), "identity": archive.identity() }),
        );
        let made = match (&self.table, &self.into) {
            (Some(table), _) => restore::table(&archive, database, table, &options, &*progress).await?,
            (None, Some(into)) => {
                restore::into(&archive, database, into, &options, &*progress).await?;
                into.clone()
            }
            (None, None) => String::new(),
        };
        audit.step("restore", "after", json!({ "archive": name.to_string(), "made": made }));
        Ok(made)
    }
}
