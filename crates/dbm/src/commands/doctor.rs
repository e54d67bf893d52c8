use std::path::Path;

use backup::restore::{self, Way};
use backup::store::Store;
use clap::Args;
use database::Database;
use migrate::files;
use serde_json::json;

use crate::audit;
use crate::context::Context;
use crate::error::{CommandError, Meaning, Result};
use crate::output;
use crate::report::for_shell;

/// `dbm doctor`
#[derive(Debug, Args)]
#[command(after_help = "Ends with 1 if something would stop a run.

Example:
  dbm doctor --json")]
pub(crate) struct Doctor {}

/// How one question was answered.
#[derive(Clone, Copy, PartialEq)]
enum Health {
    Well,
    Mind,
    Ill,
}

struct Findings(Vec<(Health, &'static str, String)>);

impl Findings {
    fn add(&mut self, health: Health, about: &'static str, text: impl Into<String>) {
        self.0.push((health, about, text.into()));
    }

    fn failed(&mut self, about: &'static str, error: &CommandError) {
        let hints: String = error.hints.iter().map(|hint| format!(" ({hint})")).collect();
        self.add(Health::Ill, about, error.chain().join(": ") + &hints);
    }
}

impl Doctor {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let mut findings = Findings(Vec::new());
        match &context.configuration.file {
            Some(file) => findings.add(Health::Well, "configuration", file.display().to_string()),
            None => findings.add(Health::Mind, "configuration", "no dbm.toml here or above; defaults"),
        }
        let bytes = match database(context, &mut findings).await {
            Ok(bytes) => bytes,
            Err(error) => {
                findings.failed("database", &error);
                0
            }
        };
        stores(context, &mut findings, bytes).await;
        let log = context.configuration.path("log_dir");
        let existing = nearest_existing(&log.join(audit::NAME));
        match writable(&existing) {
            true => findings.add(Health::Well, "log", log.join(audit::NAME).display().to_string()),
            false => findings.add(Health::Ill, "log", format!("{} cannot be written", existing.display())),
        }
        match files::survey(&context.folder()) {
            Ok((all, wrong)) if wrong.is_empty() => {
                findings.add(Health::Well, "migrations", output::plural(all.len() as u64, "file"));
            }
            Ok((_, wrong)) => {
                let count = output::plural(wrong.len() as u64, "mistake");
                findings.add(Health::Ill, "migrations", format!("{count}; `dbm check` lists them"));
            }
            Err(error) => findings.failed("migrations", &error.into()),
        }
        let ill = findings.0.iter().any(|(health, ..)| *health == Health::Ill);
        let word = |health| match health {
            Health::Well => "ok",
            Health::Mind => "mind",
            Health::Ill => "FAILS",
        };
        let documents: Vec<_> = findings
            .0
            .iter()
            .map(|(health, about, text)| {
                json!({ "about": about, "state": word(*health).to_lowercase(), "text": context.output.scrub(text) })
            })
            .collect();
        let rows: Vec<Vec<String>> = findings
            .0
            .iter()
            .map(|(health, about, text)| {
                vec![word(*health).to_owned(), (*about).to_owned(), context.output.scrub(text)]
            })
            .collect();
        let document = json!({ "command": "doctor", "ok": !ill, "findings": documents });
        context.output.answer(&document, &output::columns(&rows));
        if ill {
            return Err(CommandError::reported(Meaning::Failed, "something would stop a run"));
        }
        Ok(())
    }
}

/// What there is to say about the database; its size.
async fn database(context: &Context, findings: &mut Findings) -> Result<u64> {
    let url = context.url()?;
    let database = Database::new(url.clone())?;
    let about = database.about().await?;
    findings.add(
        Health::Well,
        "database",
        format!("{url} answers: {} {}", about.engine, about.server_version),
    );
    let account = if about.account.is_empty() { "this account".to_owned() } else { about.account.clone() };
    match about.may_write {
        true if about.may_run && !about.may_keep_history => findings.add(
            Health::Ill,
            "writing",
            format!(
                "{account} may not keep the history of migrations: GRANT USAGE, CREATE ON SCHEMA public to it (make the \
                 schema first where it is missing; where a table `dbm_history` is there: ALL on it)"
            ),
        ),
        true if about.may_run => findings.add(Health::Well, "writing", format!("{account} may write")),
        true => findings.add(
            Health::Ill,
            "writing",
            format!(
                "{account} may not keep dbm's journal: let the database's owner run dbm, or \
                 GRANT CREATE ON DATABASE to it (where a schema `dbm` is there: ALL on it and its tables)"
            ),
        ),
        false => findings.add(
            Health::Ill,
            "writing",
            format!("{account} may only read; backups work, runs do not"),
        ),
    }
    match restore::way(&database).await? {
        Way::Beside if about.may_create_databases => {
            findings.add(Health::Well, "restoring", "beside the database, then exchanged");
        }
        Way::Beside => findings.add(
            Health::Ill,
            "restoring",
            format!("{account} may not make what is restored beside the database: backups work, restores and runs do not"),
        ),
        Way::InPlace => findings.add(
            Health::Mind,
            "restoring",
            format!(
                "in place, after a verified backup: {account} may not create databases, does not own this one, or may \
                 not end a session that is in it (GRANT pg_signal_backend)"
            ),
        ),
    }
    if !about.publishes_all.is_empty() {
        findings.add(Health::Mind, "replication", about.publishes_all_note());
    }
    let mut session = database.session().await?;
    match context.open_run(&mut *session).await? {
        Some(told) => findings.add(
            Health::Ill,
            "open run",
            format!("{} of {} is open: `dbm recover`", told.run, told.begun.by),
        ),
        None => findings.add(Health::Well, "open run", "none"),
    }
    drop(session);
    match database.schema().await.and_then(|schema| schema.check_carried().map(|()| schema.objects.len())) {
        Ok(count) => findings.add(
            Health::Well,
            "objects",
            format!("{}, all of them carried", output::plural(count as u64, "object")),
        ),
        Err(error) => findings.failed("objects", &error.into()),
    }
    let replaced = restore::replaced(&database).await?;
    if !replaced.is_empty() {
        let bytes: u64 = replaced.iter().filter_map(|replaced| replaced.bytes).sum();
        let size = if bytes > 0 { format!(", {}", output::bytes(bytes)) } else { String::new() };
        findings.add(
            Health::Well,
            "replaced",
            format!(
                "{}{size} kept by restores: `dbm replaced`",
                output::plural(replaced.len() as u64, "one")
            ),
        );
    }
    let leftovers = restore::leftovers(&database).await?;
    if !leftovers.is_empty() {
        findings.add(
            Health::Mind,
            "leftovers",
            format!(
                "{}: left by a command that was killed, unless one is at work: dbm replaced --let-go {}",
                leftovers.join(", "),
                for_shell(&leftovers[0])
            ),
        );
    }
    let others = database.others().await?;
    if !others.is_empty() {
        let count = output::plural(others.len() as u64, "session");
        findings.add(Health::Mind, "others", format!("{count} of others; a restore needs --disconnect"));
    }
    Ok(about.bytes)
}

/// Whether archives can be written, and whether there is room for one.
async fn stores(context: &Context, findings: &mut Findings, bytes: u64) {
    match context.stores() {
        Ok(stores) => {
            for (opened, name) in stores.iter().zip(context.configuration.store_names()) {
                store(&**opened, &name, findings, bytes).await;
            }
        }
        Err(error) => findings.failed("store", &error),
    }
}

async fn store(opened: &dyn Store, store: &str, findings: &mut Findings, bytes: u64) {
    match opened.leftovers().await {
        Ok(left) if left.is_empty() => {}
        Ok(left) => findings.add(
            Health::Mind,
            "store",
            format!(
                "{} of killed backups: the next backup removes it",
                output::plural(left.len() as u64, "leftover")
            ),
        ),
        Err(error) => findings.failed("store", &error.into()),
    }
    if store.contains("://") {
        match opened.list().await {
            Ok(files) => findings.add(
                Health::Well,
                "store",
                format!(
                    "{} answers, and has {}",
                    opened.describe(),
                    output::plural(files.len() as u64, "file")
                ),
            ),
            Err(error) => findings.failed("store", &error.into()),
        }
        return;
    }
    let folder = nearest_existing(Path::new(store));
    if !folder.is_dir() {
        findings.add(Health::Ill, "store", format!("{} is no folder", folder.display()));
    } else if !writable(&folder) {
        findings.add(Health::Ill, "store", format!("{} cannot be written", folder.display()));
    } else {
        findings.add(Health::Well, "store", store.to_owned());
    }
    if let Ok(disk) = rustix::fs::statvfs(&folder) {
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let text = format!("{} free, the database takes {}", output::bytes(free), output::bytes(bytes));
        findings.add(if free > bytes { Health::Well } else { Health::Mind }, "space", text);
    }
}

fn nearest_existing(path: &Path) -> std::path::PathBuf {
    path.ancestors().find(|path| path.exists()).unwrap_or(Path::new(".")).to_owned()
}

fn writable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}
