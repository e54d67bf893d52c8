use clap::{Args, ValueEnum};
use database::{Database, Engine};
use migrate::files::{self, Folder, Migration};
use migrate::scratch::{self, Scratch, Tried};
use migrate::status::Judged;
use serde_json::json;

use super::run_flags::{self, RunFlags};
use super::scratch_flags::ScratchFlags;
use crate::context::Context;
use crate::error::{CommandError, Meaning, Result};
use crate::findings;

/// `dbm check`
#[derive(Debug, Args)]
#[command(
    after_help = "Numbers in sequence, every migration with its rollback, one head; with a database, texts unchanged since they
were applied, and applied ones still in the folder. What is pending is judged statement by statement: what loses data,
keeps others waiting or breaks what runs, each by the name of a rule, with the safer form. A comment waives a rule for
the statement below it, or at the head of a file for all of it:

  -- dbm: allow ban-drop-column nobody has read it since the release of May

Ends with 5 if something was found.

Examples:
  dbm check
  dbm check --files                      the folder alone, without a database
  dbm check --files --engine postgres --from 120 --format github      in a build, for what is new
  dbm check --format sarif > check.sarif
  dbm check --rollbacks                  each rollback is tried: up, down, up again, in a database of its own"
)]
pub(crate) struct Check {
    /// Only the files; no database is asked
    #[arg(long)]
    files: bool,
    /// By whose rules statements are judged where no database is asked; otherwise the URL says it
    #[arg(long, value_name = "ENGINE", value_parser = ["postgres", "mysql", "sqlite"])]
    engine: Option<String>,
    /// Judge the statements of files from this number on only
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    from: u64,
    /// Apply every migration in a scratch database, take it back and apply it again, and compare the schemas
    #[arg(long, conflicts_with = "files")]
    rollbacks: bool,
    #[command(flatten)]
    scratch: ScratchFlags,
    /// How findings are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How findings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines for people
    Text,
    /// The document of --json
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Annotations of GitHub's actions
    Github,
}

impl Check {
    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        if context.output.json && matches!(self.format, Format::Sarif | Format::Github) {
            return Err(CommandError::usage("`--json` and `--format` ask for two forms of one answer")
                .hint("say one of them; `--json` is `--format json`"));
        }
        let folder = context.folder();
        let mut open_run = None;
        let mut judged = Judged { engine: self.engine(context), version: None, from: self.from };
        let (migrations, mut findings) = if self.files {
            migrate::status::check(&folder, None, &judged).await?
        } else {
            let database = Database::new(context.url()?)?;
            let mut session = database.session().await?;
            let open = context.open_run(&mut *session).await?;
            context.warn_of(open.as_ref());
            open_run = open.map(|told| told.run);
            judged.engine = Some(database.engine());
            judged.version = Some(database.about().await?.server_version);
            migrate::status::check(&folder, Some(&mut *session), &judged).await?
        };
        let tried = match self.rollbacks {
            true => Some(self.try_rollbacks(context, &folder).await?),
            false => None,
        };
        findings.extend(tried.iter().flat_map(|tried| scratch::findings(&migrations, tried)));
        if judged.engine.is_none() {
            context.output.say("no statement was judged: say --engine postgres, mysql or sqlite");
        }
        let document = json!({
            "command": "check",
            "migrations": migrations.len(),
            "findings": findings,
            "open_run": open_run,
            "database_asked": !self.files,
            "engine": judged.engine,
            "rollbacks": tried,
        });
        let text = match self.format {
            Format::Text => findings::text(&findings, migrations.len()),
            Format::Json => format!("{document:#}\n"),
            Format::Sarif => format!("{:#}\n", findings::sarif(&findings, &context.configuration.root)),
            Format::Github => findings::github(&findings, &context.configuration.root),
        };
        context.output.answer(&document, &text);
        if findings.is_empty() {
            return Ok(());
        }
        Err(CommandError::reported(Meaning::Found, "mistakes were found"))
    }

    async fn try_rollbacks(&self, context: &Context, folder: &Folder) -> Result<Vec<Tried>> {
        let migrations = files::read(folder)?;
        let settings = run_flags::settings(context, &RunFlags::default())?;
        let variables = run_flags::variables(context);
        let scratch = Scratch::new(&Database::new(self.scratch.url(context)?)?).await?;
        let said = |file: &Migration| context.output.say(&format!("trying {}", file.label()));
        let proving = scratch::prove_rollbacks(&scratch, &migrations, &settings, &variables, &said);
        let tried = tokio::select! {
            tried = Box::pin(proving) => tried.map_err(CommandError::from),
            () = context.cancel.cancelled() => Err(CommandError::failed("stopped on request; the target was not touched")),
        };
        scratch.discard().await?;
        tried
    }

    /// The engine of the flag, else of the URL, if there is one.
    fn engine(&self, context: &Context) -> Option<Engine> {
        match self.engine.as_deref() {
            Some("mysql") => Some(Engine::Mysql),
            Some("sqlite") => Some(Engine::Sqlite),
            Some(_) => Some(Engine::Postgres),
            None => context.url_to_make().ok().map(|url| url.engine()),
        }
    }
}
