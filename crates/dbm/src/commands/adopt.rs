use std::path::{Path, PathBuf};

use clap::Args;
use database::Database;
use migrate::adopt::{self, Adoption, Tool};
use migrate::files::{self, Repeat};
use serde_json::json;

use super::marking::{self, MarkFlags};
use super::run_flags::{self, RunFlags};
use crate::context::Context;
use crate::error::{CommandError, Result, io};
use crate::output;

/// `dbm adopt TOOL FOLDER`
#[derive(Debug, Args)]
#[command(
    after_help = "Reads the files of another tool and its table in the database, writes each migration and its rollback as files
of dbm's, numbered in the tool's order, and records what the tool has applied. Nothing of the tool's is changed; rolling
back what it has applied removes a row of the history and runs nothing. Run it first where everything is applied; on each
other database again, with the files that are there by then: it only records. A database that is not empty and does not
have the tool's table is refused: what is there already would be run again.

The tools: alembic, atlas, dbmate, diesel, flyway, golang-migrate, goose, liquibase (formatted SQL), prisma, refinery, sqlx,
yoyo. Alembic's migrations are Python, and its SQL is what it writes of them:
  alembic upgrade base:head --sql > sql/up.sql && alembic downgrade head:base --sql > sql/down.sql

Examples:
  dbm adopt dbmate db/migrations --dry-run
  dbm adopt dbmate db/migrations && dbm status
  dbm adopt alembic sql
  dbm adopt goose migrations --table public.goose --migrations db/migrations --rollback-folder db/rollback"
)]
pub(crate) struct Adopt {
    /// The tool
    #[arg(value_parser = tool)]
    tool: Tool,
    /// The folder of its migrations
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Its table, where it is not the usual one
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// The tool has applied nothing here: its table need not be there
    #[arg(long, conflicts_with = "table")]
    nothing_applied: bool,
    #[command(flatten)]
    flags: MarkFlags,
}

fn tool(word: &str) -> std::result::Result<Tool, String> {
    let found = Tool::ALL.into_iter().find(|tool| tool.word() == word);
    found.ok_or_else(|| format!("the tools are: {}", Tool::ALL.map(Tool::word).join(", ")))
}

impl Adopt {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let to = context.folder();
        for (own, flag) in [(&to.migrations, "--migrations"), (&to.rollback, "--rollback-folder")] {
            let what = match place(&self.folder, own, self.tool.reads_below()) {
                Place::Apart => continue,
                Place::Same => format!("{} is dbm's own folder", self.folder.display()),
                Place::Within => {
                    format!("{} is in {}, all of which the tool reads", own.display(), self.folder.display())
                }
            };
            return Err(CommandError::usage(what)
                .hint(format!("name another for what is written: {flag} FOLDER, or in dbm.toml")));
        }
        let database = Database::new(context.url()?)?;
        let mut session = database.session().await?;
        let adoption = adopt::plan(
            self.tool,
            &self.folder,
            self.table.as_deref(),
            self.nothing_applied,
            &to,
            &mut *session,
        )
        .await?;
        drop(session);
        for note in &adoption.notes {
            context.output.warn(note);
        }
        if self.flags.dry_run {
            let document = json!({ "command": "adopt", "dry_run": true, "adoption": adoption });
            context.output.answer(&document, &lines(&adoption));
            return Ok(());
        }
        // Before the first file: what the history has, whether a run is open, and whether it can be written.
        let runner = run_flags::runner(context, &RunFlags::default(), Database::new(context.url()?)?, None)?;
        runner.may_mark(|records| adopt::fits(&adoption, records)).await?;
        adopt::write(&adoption)?;
        context.output.say(lines(&adoption).trim_end());
        if !to.rollback.exists() {
            std::fs::create_dir_all(&to.rollback).map_err(io("make the folder", &to.rollback))?;
        }
        let migrations = files::read(&to)?;
        let repeatables = files::read_repeated(&to, Repeat::Repeatable)?;
        marking::go(context, &self.flags, |records| {
            adopt::changes(&adoption, &migrations, &repeatables, records)
        })
        .await
    }
}

/// Where one of dbm's folders is, seen from the tool's.
enum Place {
    Apart,
    Same,
    Within,
}

fn place(theirs: &Path, own: &Path, below: bool) -> Place {
    // It need not be there yet; then the folder that is says where it will be.
    let there = own.ancestors().find_map(|folder| folder.canonicalize().ok());
    let Ok(theirs) = theirs.canonicalize() else { return Place::Apart };
    match there {
        Some(there) if there == theirs && own.exists() => Place::Same,
        Some(there) if below && there.starts_with(&theirs) => Place::Within,
        _ => Place::Apart,
    }
}

fn lines(adoption: &Adoption) -> String {
    let mut rows = Vec::new();
    for file in adoption.files.iter().filter(|file| file.from.is_some()) {
        let from = file.from.clone().unwrap_or_default();
        let name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let state = if file.applied { "applied" } else { "pending" };
        rows.push(vec![from, name, state.to_owned()]);
    }
    let applied = adoption.files.iter().filter(|file| file.applied).count();
    format!(
        "{}{} of {}, {applied} of them applied\n",
        output::columns(&rows),
        output::plural(rows.len() as u64, "migration"),
        adoption.tool.word()
    )
}
