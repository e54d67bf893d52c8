use std::collections::BTreeMap;
use std::sync::Arc;

use backup::archive::Archive;
use backup::catalogue::{self, Backup};
use backup::restore::{self, Among, RestoreOptions};
use backup::store::Store;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use database::sqlite::Mode;
use database::{Database, DatabaseUrl, ObjectId, SourceId};
use helpers::naming::BackupName;
use migrate::Restoring;
use serde_json::json;

use super::named::{self, Named};
use super::run_flags::{self, RunFlags};
use super::selection_flags::SelectionFlags;
use crate::audit::Audit;
use crate::context::Context;
use crate::error::Result;
use crate::progress::Shown;
use crate::{ask, output, report};

/// `dbm restore`
#[derive(Debug, Args)]
#[command(
    after_help = "The archive is restored into a new database beside the target and proven; only then does it take the
target's place. What was there is kept, and `dbm replaced` lists it.

A part (--table, --schema, …) never takes the place of what is there. With --into it goes into a new database. Without,
it goes beside what is there, in one transaction, proven before its end: what is missing is made, with the types,
functions and namespaces that it needs; the rows of a table that is there come into a new table beside it; anything else
that is there is an error by name. Only the parts of the archive that are needed are read.

Examples:
  dbm restore latest                          the newest good archive of this very database
  dbm restore latest --disconnect --yes       end the sessions of others, ask nothing
  dbm restore shop_20261121T013400Z.sql.zst --into shop_copy
  dbm restore latest --table orders           orders is there: its rows into a new table beside it; else all of it
  dbm restore latest --table orders --into orders_copy
  dbm restore latest --schema 'audit' --exclude-table-data '*.log_*' --into audit_copy
  dbm restore latest --data-only --table orders      fills the table orders, which is there and empty
  dbm restore latest --globals --into shop     on a server of its own: the roles that it lacks are made first
  dbm restore latest --owner map=prod:staging        what belonged to prod belongs to staging"
)]
pub(crate) struct Restore {
    /// The archive: its name, a beginning that only it has, latest, latest~1, before:2026-11-01
    #[arg(value_name = "NAME")]
    name: String,
    /// Restore into a new database (or file) of this name, and touch nothing else
    #[arg(long, value_name = "DATABASE", value_parser = NonEmptyStringValueParser::new())]
    into: Option<String>,
    #[command(flatten)]
    part: SelectionFlags,
    /// End the sessions of others on the target
    #[arg(long)]
    disconnect: bool,
    /// Take another database's archive over this one: its source id, as `dbm show` tells it
    #[arg(long, value_name = "ID")]
    from_source: Option<String>,
    /// Leave replication slots and subscriptions with the replaced database, the latter disabled
    #[arg(long)]
    detach_replication: bool,
    /// Leave out who owns what: as --owner current
    #[arg(long, short = 'O')]
    no_owner: bool,
    /// Leave out grants and default privileges
    #[arg(long, short = 'x')]
    no_privileges: bool,
    /// Who owns what, and in whose name MySQL's views and routines act: keep (as in the archive), current (this
    /// account; also strip), or map=OLD:NEW,… (roles, or accounts as user or user@host, by other names)
    #[arg(long, visible_alias = "definer", value_name = "WHO", conflicts_with = "no_owner", value_parser = owner)]
    owner: Option<Owner>,
    /// Make the roles, memberships, settings of roles and privileges on parameters, or the accounts, that the server
    /// lacks
    #[arg(long)]
    globals: bool,
    /// Leave the planner without statistics (ANALYZE) of what was restored
    #[arg(long)]
    no_analyze: bool,
    /// Act as this role, of which the account is a member
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
}

/// Who owns what after a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owner {
    Keep,
    Current,
    Map(BTreeMap<String, String>),
}

fn owner(text: &str) -> Result<Owner, String> {
    let Some(pairs) = text.strip_prefix("map=") else {
        return match text {
            "keep" => Ok(Owner::Keep),
            "current" | "strip" => Ok(Owner::Current),
            _ => Err("it is keep, current or map=OLD:NEW,OLD:NEW".to_owned()),
        };
    };
    let pair = |pair: &str| match pair.split_once(':') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => Ok((old.to_owned(), new.to_owned())),
        _ => Err(format!("`{pair}` is not OLD:NEW")),
    };
    pairs.split(',').map(pair).collect::<Result<_, _>>().map(Owner::Map)
}

impl Restore {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let mut url = context.url_to_make_as(self.role.as_deref())?;
        if let DatabaseUrl::Sqlite(file) = &mut url {
            // It is made of the archive, or not at all.
            file.mode = Mode::ReadWrite;
        }
        let Named { backup, store, place } = named::find(context, &self.name).await?;
        let name = backup.name()?;
        if self.into.is_some() || !self.part.selection()?.is_everything() {
            return Box::pin(self.aside(context, url, &*store, &name)).await;
        }
        warn_of_empty(context, &backup, &*store).await?;
        let question = format!("Put {name} in the place of {url}? What is there now is kept.");
        if !context.yes && ask::confirm(&context.output.scrub(&question), &context.cancel) == Some(false) {
            return Err(crate::error::CommandError::failed("nothing was restored: the answer was no"));
        }
        context.make_folder_of(&url)?;
        let audit = context.audit(&url)?;
        audit.start();
        let done = async {
            let restoring = Restoring {
                no_owner: self.no_owner(),
                no_privileges: self.no_privileges,
                roles: self.roles(),
                globals: self.globals,
                no_analyze: self.no_analyze,
                disconnect: self.disconnect,
                detach_replication: self.detach_replication,
                from_source: self.from_source.clone().map(SourceId),
            };
            let database = Database::new(url)?;
            let store = Arc::from(context.store_reading(place)?);
            let runner = run_flags::runner_on(context, &RunFlags::default(), database, store, Some(&audit))?;
            let done = runner.restore(&name, &restoring).await;
            run_flags::judged(&runner, done).await
        };
        let done: Result<migrate::Report> = Box::pin(done).await;
        audit.finish_run(&done);
        report::show(&done?, context.command, &context.output)
    }

    fn no_owner(&self) -> bool {
        self.no_owner || self.owner == Some(Owner::Current)
    }

    fn roles(&self) -> BTreeMap<String, String> {
        match &self.owner {
            Some(Owner::Map(roles)) => roles.clone(),
            _ => BTreeMap::new(),
        }
    }

    /// Into a new database, or a part beside what is there: nothing that is there is touched.
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
            done.as_ref().map_or(json!({}), |(made, _)| json!({ "archive": name.to_string(), "made": made }));
        audit.finish(&done, fields);
        let (made, among) = done?;
        let mut document = json!({ "command": "restore", "archive": name.to_string(), "outcome": "done" });
        let mut text = String::new();
        match (&self.into, document.as_object_mut()) {
            (Some(_), Some(fields)) => {
                fields.insert("database".to_owned(), made.clone().into());
                text = format!(
                    "restored {name} into the new database {made}: counts and digests equal the archive's\n"
                );
            }
            (None, Some(fields)) => {
                let names = |ids: &[ObjectId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
                if let ([(_, table)], [], []) =
                    (among.beside.as_slice(), among.made.as_slice(), among.filled.as_slice())
                {
                    fields.insert("table".to_owned(), table.clone().into());
                }
                let beside = among
                    .beside
                    .iter()
                    .map(|(table, made)| json!({ "table": table.to_string(), "made": made }));
                fields.insert("beside".to_owned(), beside.collect());
                fields.insert("made".to_owned(), names(&among.made).into());
                fields.insert("filled".to_owned(), names(&among.filled).into());
                fields.insert("left_out".to_owned(), among.cut.clone().into());
                text.push_str(&format!("restored from {name}: counts and digests equal the archive's\n"));
                for (table, made) in &among.beside {
                    text.push_str(&format!("  {table} is there; its rows are in the new table {made}\n"));
                }
                if !among.beside.is_empty() {
                    text.push_str(
                        "  it has the columns and rows; keys, indexes, defaults and triggers are not part of it\n  \
                         take what you need from it (INSERT INTO … SELECT … FROM …), then drop it\n",
                    );
                }
                for (word, ids) in [("made", &among.made), ("filled", &among.filled)] {
                    ids.iter().for_each(|id| text.push_str(&format!("  {word} {id}\n")));
                }
            }
            (_, None) => {}
        }
        for remade in &among.remade {
            text.push_str(&format!("  but for {remade}\n"));
        }
        if let Some(fields) = document.as_object_mut() {
            fields.insert("remade".to_owned(), json!(among.remade));
        }
        for cut in &among.cut {
            context.output.warn(&format!("not restored: {cut}"));
        }
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
    ) -> Result<(String, Among)> {
        if self.into.is_none() {
            refuse_open_run(context, database).await?;
        }
        let archive = Archive::open(store.source(name).await?).await?;
        let options = RestoreOptions {
            jobs: context.jobs()?,
            no_owner: self.no_owner(),
            no_privileges: self.no_privileges,
            roles: self.roles(),
            globals: self.globals,
            analyze: !self.no_analyze,
            selection: self.part.selection()?,
            cancel: context.cancel.clone(),
            ..RestoreOptions::default()
        };
        let progress = Shown::new(&context.output);
        audit.step(
            "restore",
            "before",
            json!({ "archive": name.to_string(), "identity": archive.identity() }),
        );
        let (made, among) = match &self.into {
            Some(into) => {
                let remade = restore::into(&archive, database, into, &options, &*progress).await?;
                (into.clone(), Among { remade, ..Among::default() })
            }
            None => {
                let among = restore::among(&archive, database, &options, &*progress).await?;
                let made = among.beside.iter().map(|(_, made)| made.clone());
                let made = made.chain(among.made.iter().chain(&among.filled).map(ToString::to_string));
                (made.collect::<Vec<_>>().join(", "), among)
            }
        };
        audit.step("restore", "after", json!({ "archive": name.to_string(), "made": made }));
        Ok((made, among))
    }
}

/// An archive without rows may be of a database that was lost and made again.
async fn warn_of_empty(context: &Context, backup: &Backup, store: &dyn Store) -> Result<()> {
    let Some(sidecar) = backup.sidecar.as_ref().filter(|sidecar| sidecar.rows == 0) else { return Ok(()) };
    let all = catalogue::list(store).await.unwrap_or_default();
    if let Some(full) = catalogue::newest_with_rows(&all, &sidecar.source, sidecar.time) {
        let rows = full.sidecar.as_ref().map_or(0, |sidecar| sidecar.rows);
        context.output.warn(&format!(
            "{} holds no rows; {} before it holds {}",
            backup.file,
            full.file,
            output::plural(rows, "row")
        ));
    }
    Ok(())
}

/// Refuses to restore into a database with an open run, whose recovery could undo the restore.
async fn refuse_open_run(context: &Context, database: &Database) -> Result<()> {
    let open = context.open_run(&mut *database.session().await?).await?;
    let Some(told) = open else { return Ok(()) };
    let text = format!(
        "run {} ({}) is open in the database: what is restored into it now could be lost with it",
        told.run,
        told.begun.kind.word()
    );
    Err(crate::error::CommandError::failed(text).hint(
        "wait for it, or end it with `dbm recover`; --into NAME restores into a new database meanwhile",
    ))
}
