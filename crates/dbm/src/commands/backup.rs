use backup::archive::Grade;
use backup::catalogue;
use backup::dump::{self, BackupOptions};
use backup::restore::RestoreOptions;
use backup::retention::Policy;
use backup::store::{Store, UploadPlan};
use backup::verify;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use database::{Database, DatabaseUrl};
use helpers::naming::{NameTemplate, NotATemplate};
use migrate::journal;
use serde_json::{Value, json};

use super::named;
use super::prune::{self, AllPruned, Rules};
use super::selection_flags::SelectionFlags;
use crate::alone::Alone;
use crate::audit::{Audit, host};
use crate::configuration::{Configuration, Flags};
use crate::context::Context;
use crate::error::{CommandError, Meaning, Result};
use crate::notify::{Notifier, Told};
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
  dbm backup --name '{database}-{host}_{time}_{label}'
  dbm backup --exclude-table-data 'audit.*'      partial: never `latest`, never what a run goes back to
  dbm backup --quiet --store /var/backups/shop     for cron: silent unless something is wrong
  dbm backup --verify --prune                      read back and checked, then the rules of dbm.toml"
)]
pub(crate) struct Backup {
    /// How it is named: {database}, {host} and words, then _{time}, then _{label} or one word
    #[arg(long, value_name = "TEMPLATE")]
    name: Option<String>,
    /// A word for the archive's name
    #[arg(long, value_name = "WORD", value_parser = NonEmptyStringValueParser::new())]
    label: Option<String>,
    /// zstd's level
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=19))]
    level: Option<u8>,
    /// Archive passwords that are part of the database (user mappings, subscriptions)
    #[arg(long)]
    secrets: bool,
    /// Archive what belongs to the server, too: roles, memberships, settings of roles, privileges on parameters;
    /// of MySQL and MariaDB accounts, roles and what they may do
    #[arg(long)]
    globals: bool,
    /// With --globals: archive the hashes of the roles' passwords (superusers only), and those of accounts
    #[arg(long, requires = "globals")]
    role_passwords: bool,
    /// Archive the planner's statistics, so that a restore need not ANALYZE (PostgreSQL 18 and newer)
    #[arg(long)]
    statistics: bool,
    #[command(flatten)]
    part: SelectionFlags,
    /// Leave out who owns what
    #[arg(long, short = 'O', help_heading = "Which part")]
    no_owner: bool,
    /// Leave out grants and default privileges
    #[arg(long, short = 'x', help_heading = "Which part")]
    no_privileges: bool,
    /// Leave out the history that MariaDB keeps of tables WITH SYSTEM VERSIONING
    #[arg(long, help_heading = "Which part")]
    no_history: bool,
    /// Act as this role, of which the account is a member
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Read it back from the store and check every byte
    #[arg(long)]
    verify: bool,
    /// Afterwards remove the archives of this database that no rule keeps
    #[arg(long)]
    prune: bool,
    /// Show how the stores would take it, in parts of what size and where these wait, and make nothing
    #[arg(long)]
    dry_run: bool,
    /// Write Prometheus metrics into this text file
    #[arg(long, value_name = "FILE")]
    metrics: Option<String>,
    #[command(flatten)]
    rules: Rules,
}

impl Backup {
    /// What of it belongs to the configuration.
    pub(crate) fn add_flags(&self, flags: &mut Flags) {
        self.rules.add_flags(flags);
        if let Some(template) = &self.name {
            flags.insert("name", template.clone());
        }
        if let Some(file) = &self.metrics {
            flags.insert("metrics", file.clone());
        }
        if let Some(level) = self.level {
            flags.insert("level", level.to_string());
        }
    }

    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let url = context.url_as(self.role.as_deref());
        if self.dry_run {
            return self.plan(context, url?).await;
        }
        let database = url.as_ref().ok().map(DatabaseUrl::database_name);
        let notifier = Notifier::of_backup(context, database)?;
        let told = match url {
            Ok(url) => Box::pin(self.make(context, url, &notifier)).await,
            Err(error) => Err(error),
        };
        notifier.end(told.as_ref()).await;
        told.map(drop)
    }

    async fn make(&self, context: &Context, url: DatabaseUrl, notifier: &Notifier<'_>) -> Result<Told> {
        // A policy that cannot be used is said before the work.
        let policy = if self.prune { Some(prune::policy(&context.configuration)?) } else { None };
        let audit = context.audit(&url)?;
        let _alone = Alone::take(&context.configuration.path("log_dir"), &url)?;
        audit.start();
        notifier.begin().await;
        let store = context.store()?;
        let done = async {
            let written = self.write(context, &*store, url, &audit).await?;
            let having = having(context, &written).await?;
            let pruned = self.after(context, &written, &having, policy, &audit).await?;
            Ok(Made { written, having: describe(&having), pruned, read_back: self.verify })
        };
        let done: Result<Made> = done.await;
        audit.finish(&done, done.as_ref().map_or_else(|_| json!({}), Made::audited));
        let made = done?;
        context.warn_of_troubles(&store.troubles());
        let all = context.stores()?.iter().map(|store| store.describe()).collect::<Vec<_>>();
        let missing: Vec<_> = all.into_iter().filter(|store| !made.having.contains(store)).collect();
        if !missing.is_empty() {
            context.output.warn(&format!("this backup is not in {}", missing.join(", ")));
        }
        if made.written.name.encrypted {
            self.warn_untested(context, &made.written).await?;
        }
        if made.written.rows == 0 && !made.written.partial {
            self.warn_emptied(context, &made.written).await?;
        }
        for warning in made.warnings() {
            context.output.warn(&warning);
        }
        let document = made.document(&missing);
        context.output.report(&document, &made.text());
        made.pruned.as_ref().map_or(Ok(()), AllPruned::failed)?;
        Ok(Told { unwell: made.written.unfinished.then_some(UNFINISHED), ..Told::new(document) })
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

    /// A backup without rows after one with rows is more often a mishap than a wish. A store that cannot be listed has the
    /// backup all the same.
    async fn warn_emptied(&self, context: &Context, written: &dump::Written) -> Result<()> {
        let all = catalogue::list(&*context.store()?).await.unwrap_or_default();
        if let Some(before) = catalogue::newest_with_rows(&all, &written.source, written.name.time) {
            context.output.warn(&format!(
                "the database has no rows any more, and had some in {}, which stays",
                before.file
            ));
        }
        Ok(())
    }

    /// Reads the backup back and prunes, each where it is wanted. A backup that failed its check prunes nothing.
    async fn after(
        &self,
        context: &Context,
        written: &dump::Written,
        having: &[Box<dyn Store>],
        policy: Option<Policy>,
        audit: &Audit,
    ) -> Result<Option<AllPruned>> {
        if self.verify {
            audit.step("verify", "before", json!({}));
            for store in having {
                self.read_back(context, written, &**store).await?;
            }
            audit.step("verify", "after", json!({ "identity": written.identity }));
        }
        let Some(policy) = policy else { return Ok(None) };
        if written.unfinished || written.partial {
            context.output.warn("nothing was pruned: this backup does not count as a good one");
            return Ok(None);
        }
        audit.step("prune", "before", json!({}));
        // Only where this backup is: elsewhere it failed.
        let pruned =
            prune::all(context, having, &policy, Some(std::slice::from_ref(&written.source))).await?;
        audit.step("prune", "after", json!({ "removed": pruned.removed() }));
        Ok(Some(pruned))
    }

    /// Every byte of one store's copy, as far as that goes here.
    async fn read_back(&self, context: &Context, written: &dump::Written, store: &dyn Store) -> Result<()> {
        if written.name.encrypted && !context.keys()?.opens() {
            verify::stored(store, &written.name, &context.cancel).await?;
            context.output.warn(
                "it was read back as it is stored: that it can be opened is proven only where the identity is",
            );
            return Ok(());
        }
        let options = RestoreOptions { cancel: context.cancel.clone(), ..RestoreOptions::default() };
        let progress = Shown::new(&context.output);
        let verified = verify::verify(store, &written.name, None, &options, &*progress).await?;
        if let Some(error) = verified.not_noted {
            context.output.warn(&format!("that it was checked could not be noted beside it: {error}"));
        }
        Ok(())
    }

    async fn write(
        &self,
        context: &Context,
        store: &dyn Store,
        url: DatabaseUrl,
        audit: &Audit,
    ) -> Result<dump::Written> {
        let database = Database::new(url)?;
        match context.open_run(&mut *database.session().await?).await {
            Ok(open) => context.warn_of(open.as_ref()),
            // What cannot be read may be a run, so the backup is no good one; but it is one.
            Err(error) => context.output.warn(&error.chain().join(": ")),
        }
        let options = self.options(context)?;
        let progress = Shown::new(&context.output);
        audit.step("back-up", "before", json!({}));
        let written = dump::create(&database, store, &options, &*progress).await?;
        audit.step(
            "back-up",
            "after",
            json!({ "archive": written.name.to_string(), "identity": written.identity }),
        );
        Ok(written)
    }

    /// What it would begin with.
    async fn plan(&self, context: &Context, url: DatabaseUrl) -> Result<()> {
        let store = context.store()?;
        let planned = dump::plan(&Database::new(url)?, &*store, &self.options(context)?).await?;
        context.warn_of_troubles(&store.troubles());
        let document = json!({
            "command": "backup",
            "dry_run": true,
            "database": planned.database,
            "bytes": planned.bytes,
            "uploads": planned.uploads,
        });
        let mut text = format!(
            "would back up {}, about {} before compression\n",
            planned.database,
            output::bytes(planned.bytes)
        );
        for upload in &planned.uploads {
            text.push_str(&taken(upload));
        }
        context.output.report(&document, &text);
        Ok(())
    }

    fn options(&self, context: &Context) -> Result<BackupOptions> {
        Ok(BackupOptions {
            name: name(&context.configuration)?,
            host: host(),
            label: self.label.clone(),
            level: context.level()?,
            jobs: context.jobs()?,
            is_open: Some(journal::Told::is_open),
            secrets: self.secrets,
            globals: self.globals,
            role_passwords: self.role_passwords,
            statistics: self.statistics,
            selection: self.part.of_backup(context)?,
            no_owner: self.no_owner,
            no_privileges: self.no_privileges,
            no_history: self.no_history,
            cancel: context.cancel.clone(),
            ..BackupOptions::default()
        })
    }
}

/// How one store would take the archive.
fn taken(upload: &UploadPlan) -> String {
    let Some(cut) = &upload.parts else { return format!("  {}: one file\n", upload.store) };
    let mut text = format!(
        "  {}: in parts of {}, at most {} in all\n",
        upload.store,
        output::bytes(cut.part_bytes),
        output::bytes(cut.capacity)
    );
    if let Some(spool) = &cut.spool {
        let (folder, bytes) = (spool.folder.display(), output::bytes(spool.bytes));
        text.push_str(&format!(
            "    the parts wait in {folder} until they are sent: {bytes} of it, which it has\n"
        ));
    }
    text
}

/// What is said of a backup that is none to rely on.
const UNFINISHED: &str = "a run was open at the moment of this backup: it is labelled `unfinished`, is never `latest` and \
     never counts as good; make another when the run has ended";

/// A backup that was made, and what was done with it.
struct Made {
    written: dump::Written,
    /// The stores that have it.
    having: Vec<String>,
    pruned: Option<AllPruned>,
    read_back: bool,
}

impl Made {
    /// What the audit log says of it.
    fn audited(&self) -> Value {
        json!({
            "archive": self.written.name.to_string(),
            "identity": self.written.identity,
            "bytes": self.written.bytes,
            "stores": self.having,
        })
    }

    fn document(&self, missing: &[String]) -> Value {
        let written = &self.written;
        let mut document = json!({
            "command": "backup",
            "archive": written.name.to_string(),
            "store": self.having.join(", "),
            "stores": self.having,
            "missing_in": missing,
            "identity": written.identity,
            "bytes": written.bytes,
            "tables": written.tables,
            "rows": written.rows,
            "grade": written.grade,
            "unfinished": written.unfinished,
            "left_out": written.left_out,
            "partial": written.partial,
            "source": written.source,
            "verified": self.read_back,
            "duration_ms": u64::try_from(written.duration.as_millis()).unwrap_or(u64::MAX),
        });
        if let Some(pruned) = &self.pruned {
            document["pruned"] = match pruned.documents().as_slice() {
                [one] => one.clone(),
                several => json!(several),
            };
        }
        document
    }

    fn text(&self) -> String {
        let written = &self.written;
        let places: Vec<_> = self.having.iter().map(|store| format!("{store}/{}", written.name)).collect();
        let mut text = format!(
            "backed up into {}\n  {}, {}, {} in {}, identity {}\n",
            places.join(", "),
            output::bytes(written.bytes),
            output::plural(written.tables, "table"),
            output::plural(written.rows, "row"),
            output::duration(written.duration),
            short(&written.identity.to_string()),
        );
        if let Grade::Weakened(reasons) = &written.grade {
            text.push_str(&format!("  not all of one moment: {}\n", reasons.join("; ")));
        }
        if written.partial {
            text.push_str(
                "  partial: never `latest`, never what a run goes back to; restore it with --into NEW_DATABASE\n",
            );
        }
        if self.read_back {
            text.push_str("  read back: every byte is as it was written\n");
        }
        if let Some(pruned) = &self.pruned {
            text.push_str(&pruned.text());
        }
        text
    }

    fn warnings(&self) -> Vec<String> {
        let unfinished = self.written.unfinished.then(|| UNFINISHED.to_owned());
        let left_out = self.written.left_out.iter().map(|what| format!("no part of the backup: {what}"));
        unfinished.into_iter().chain(left_out).collect()
    }
}

/// The stores that have the backup, asked one by one.
async fn having(context: &Context, written: &dump::Written) -> Result<Vec<Box<dyn Store>>> {
    let mut having = context.stores()?;
    if having.len() > 1 {
        for store in std::mem::take(&mut having) {
            if named::has(context, &*store, &written.name).await {
                having.push(store);
            }
        }
    }
    Ok(having)
}

fn describe(stores: &[Box<dyn Store>]) -> Vec<String> {
    stores.iter().map(|store| store.describe()).collect()
}

/// How archives are named.
fn name(configuration: &Configuration) -> Result<NameTemplate> {
    let Some(given) = configuration.given("name") else { return Ok(NameTemplate::default()) };
    given.value.parse().map_err(|error: NotATemplate| {
        CommandError::new(Meaning::Usage, error)
            .hint("write --name '{database}-{host}_{time}_{label}', for example")
    })
}
