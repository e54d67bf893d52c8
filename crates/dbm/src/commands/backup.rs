use backup::catalogue;
use backup::dump::{self, BackupOptions};
use backup::restore::RestoreOptions;
use backup::retention::{self, Policy, Pruned};
use backup::verify;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use database::{Database, DatabaseUrl};
use migrate::journal::Told;
use serde_json::json;

use super::prune::{self, Rules};
use super::selection_flags::SelectionFlags;
use crate::alone::Alone;
use crate::audit::Audit;
use crate::configuration::Flags;
use crate::context::Context;
use crate::error::Result;
use crate::output;
use crate::progress::Shown;
use crate::report::short;

/// `dbm backup`
#[derive(Debug, Args)]
#[command(
    after_help = "One file, written under a temporary name and published last. Whoever has no dbm restores it with
zstd -dc ARCHIVE | psql -X -v ON_ERROR_STOP=1 NEW_DATABASE, or zstd -dc ARCHIVE > file.sqlite.

Examples:
  dbm backup
  dbm backup --label before-upgrade
  dbm backup --exclude-table-data 'audit.*'      partial: never `latest`, never what a run goes back to
  dbm backup --quiet --store /var/backups/shop     for cron: silent unless something is wrong
  dbm backup --verify --prune                      read back and checked, then the rules of dbm.toml"
)]
pub(crate) struct Backup {
    /// A word for the archive's name
    #[arg(long, value_name = "WORD", value_parser = NonEmptyStringValueParser::new())]
    label: Option<String>,
    /// zstd's level
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=19))]
    level: Option<u8>,
    /// Archive passwords that are part of the database (user mappings, subscriptions)
    #[arg(long)]
    secrets: bool,
    #[command(flatten)]
    part: SelectionFlags,
    /// Leave out who owns what
    #[arg(long, short = 'O', help_heading = "Which part")]
    no_owner: bool,
    /// Leave out grants and default privileges
    #[arg(long, short = 'x', help_heading = "Which part")]
    no_privileges: bool,
    /// Act as this role, of which the account is a member
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Read it back from the store and check every byte
    #[arg(long)]
    verify: bool,
    /// Afterwards remove the archives of this database that no rule keeps
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    rules: Rules,
}

impl Backup {
    /// What of it belongs to the configuration.
    pub(crate) fn add_flags(&self, flags: &mut Flags) {
        self.rules.add_flags(flags);
        if let Some(level) = self.level {
            flags.insert("level", level.to_string());
        }
    }

    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let url = context.url_as(self.role.as_deref())?;
        // A policy that cannot be used is said before the work.
        let policy = if self.prune { Some(prune::policy(&context.configuration)?) } else { None };
        let audit = context.audit(&url)?;
        let _alone = Alone::take(&context.configuration.path("log_dir"), &url)?;
        audit.start();
        let done = async {
            let written = self.write(context, url, &audit).await?;
            let pruned = self.after(context, &written, policy, &audit).await?;
            Ok((written, pruned))
        };
        let done: Result<(dump::Written, Option<Pruned>)> = done.await;
        let fields = done.as_ref().map_or_else(
            |_| json!({}),
            |(written, _)| json!({ "archive": written.name.to_string(), "identity": written.identity, "bytes": written.bytes }),
        );
        audit.finish(&done, fields);
        let (written, pruned) = done?;
        let milliseconds = u64::try_from(written.duration.as_millis()).unwrap_or(u64::MAX);
        let mut document = json!({
            "command": "backup",
            "archive": written.name.to_string(),
            "store": context.store()?.describe(),
            "identity": written.identity,
            "bytes": written.bytes,
            "tables": written.tables,
            "rows": written.rows,
            "grade": written.grade,
            "unfinished": written.unfinished,
            "left_out": written.left_out,
            "partial": written.partial,
            "source": written.source,
            "verified": self.verify,
            "duration_ms": milliseconds,
        });
        let mut text = format!(
            "backed up into {}\n  {}, {}, {} in {}, identity {}\n",
            context.store()?.describe() + "/" + &written.name.to_string(),
            output::bytes(written.bytes),
            output::plural(written.tables, "table"),
            output::plural(written.rows, "row"),
            output::duration(written.duration),
            short(&written.identity.to_string()),
        );
        if written.name.encrypted {
            self.warn_untested(context, &written).await?;
        }
        if written.unfinished {
            context.output.warn(
                "a run was open at the moment of this backup: it is labelled `unfinished`, is never `latest` and \
                 never counts as good; make another when the run has ended",
            );
        }
        if let backup::archive::Grade::Weakened(reasons) = &written.grade {
            text.push_str(&format!("  not all of one moment: {}\n", reasons.join("; ")));
        }
        if written.partial {
            text.push_str(
                "  partial: never `latest`, never what a run goes back to; restore it with --into NEW_DATABASE\n",
            );
        }
        for left_out in &written.left_out {
            context.output.warn(&format!("no part of the backup: {left_out}"));
        }
        if self.verify {
            text.push_str("  read back: every byte is as it was written\n");
        }
        if let Some(pruned) = &pruned {
            document["pruned"] = prune::document(pruned);
            text.push_str(&prune::text(pruned, &*context.store()?));
        }
        context.output.report(&document, &text);
        pruned.as_ref().map_or(Ok(()), prune::failed)
    }

    /// Encrypted archives that nobody has ever opened may be for a key that nobody has.
    async fn warn_untested(&self, context: &Context, written: &dump::Written) -> Result<()> {
        let all = catalogue::list(&*context.store()?).await?;
        let opened = all.iter().filter(|backup| backup.file.ends_with(".age")).any(|backup| {
            backup.sidecar.as_ref().is_some_and(|sidecar| {
                sidecar.source == written.source && sidecar.last_verified.or(sidecar.last_proven).is_some()
            })
        });
        if !opened {
            context.output.warn(
                "no encrypted backup of this database was ever opened again: where the identity is, run \
                 `dbm verify latest --deep --identity-file FILE`",
            );
        }
        Ok(())
    }

    /// Reads the backup back and prunes, each where it is wanted. A backup that failed its check prunes nothing.
    async fn after(
        &self,
        context: &Context,
        written: &dump::Written,
        policy: Option<Policy>,
        audit: &Audit,
    ) -> Result<Option<Pruned>> {
        let store = context.store()?;
        if self.verify {
            let options = RestoreOptions { cancel: context.cancel.clone(), ..RestoreOptions::default() };
            audit.step("verify", "before", json!({}));
            let progress = Shown::new(&context.output);
            let verified = verify::verify(&*store, &written.name, None, &options, &*progress).await?;
            audit.step("verify", "after", json!({ "identity": verified.identity }));
            if let Some(error) = verified.not_noted {
                context.output.warn(&format!("that it was checked could not be noted beside it: {error}"));
            }
        }
        let Some(policy) = policy else { return Ok(None) };
        if written.unfinished || written.partial {
            context.output.warn("nothing was pruned: this backup does not count as a good one");
            return Ok(None);
        }
        let plan = prune::plan(&*store, &policy, Some(std::slice::from_ref(&written.source))).await?;
        audit.step(
            "prune",
            "before",
            json!({ "going": plan.going().map(|gone| &gone.file).collect::<Vec<_>>() }),
        );
        let pruned = retention::prune(&*store, &plan, &context.cancel).await?;
        audit.step("prune", "after", json!({ "removed": pruned.removed }));
        Ok(Some(pruned))
    }

    async fn write(&self, context: &Context, url: DatabaseUrl, audit: &Audit) -> Result<dump::Written> {
        let database = Database::new(url)?;
        let store = context.store()?;
        match context.open_run(&mut *database.session().await?).await {
            Ok(open) => context.warn_of(open.as_ref()),
            // What cannot be read may be a run, so the backup is no good one; but it is one.
            Err(error) => context.output.warn(&error.chain().join(": ")),
        }
        let options = BackupOptions {
            label: self.label.clone(),
            level: context.level()?,
            jobs: context.jobs()?,
            is_open: Some(Told::is_open),
            secrets: self.secrets,
            selection: self.part.of_backup(context)?,
            no_owner: self.no_owner,
            no_privileges: self.no_privileges,
            cancel: context.cancel.clone(),
            ..BackupOptions::default()
        };
        let progress = Shown::new(&context.output);
        audit.step("back-up", "before", json!({}));
        let written = dump::create(&database, &*store, &options, &*progress).await?;
        audit.step(
            "back-up",
            "after",
            json!({ "archive": written.name.to_string(), "identity": written.identity }),
        );
        Ok(written)
    }
}
