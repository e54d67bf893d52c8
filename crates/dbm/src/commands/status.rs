use std::collections::BTreeMap;

use clap::Args;
use database::Database;
use migrate::files::{self, Repeat};
use migrate::history::{Applied, State};
use migrate::status::RepeatedState;
use serde_json::json;

use super::watched::Watched;
use crate::configuration::Flags;
use crate::context::Context;
use crate::error::{CommandError, Meaning, Result};
use crate::output;

/// `dbm status`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  dbm status
  dbm status --tables            with the rows of every table, counted and not estimated
  dbm status --exit-code         5 if something is pending, changed or gone, for scripts
  dbm status --max-age 26h --max-unproven 8d --exit-code     and if backups are too old, for a monitor")]
pub(crate) struct Status {
    /// Count the rows of every table
    #[arg(long)]
    tables: bool,
    /// Sum up the backups of this database, with when they were last verified and proven
    #[arg(long)]
    backups: bool,
    /// Find it wrong if the newest good backup is older than this: 26h
    #[arg(long, value_name = "TIME")]
    max_age: Option<String>,
    /// Find it wrong if none was restored and compared (`dbm verify --deep`) for so long: 8d
    #[arg(long, value_name = "TIME")]
    max_unproven: Option<String>,
    /// End with 5 if anything is found wrong, or not everything is applied as it is in the folder
    #[arg(long)]
    exit_code: bool,
}

impl Status {
    /// What of it belongs to the configuration.
    pub(crate) fn add_flags(&self, flags: &mut Flags) {
        for (name, value) in [("max_age", &self.max_age), ("max_unproven", &self.max_unproven)] {
            if let Some(value) = value {
                flags.insert(name, value.clone());
            }
        }
    }

    pub(crate) async fn run(&self, context: &Context) -> Result<()> {
        let database = Database::new(context.url()?)?;
        let mut session = database.session().await?;
        let open = context.open_run(&mut *session).await?;
        let (migrations, mut findings) = files::survey(&context.folder())?;
        let mut repeated = Vec::new();
        for kind in [Repeat::Repeatable, Repeat::Seed] {
            let (files, wrong) = files::survey_repeated(&context.folder(), kind)?;
            repeated.extend(files);
            findings.extend(wrong);
        }
        let repeated = migrate::status::repeated(&mut *session, &repeated).await?;
        let status = migrate::status::status(&mut *session, &migrations).await?;
        findings.extend(repeated.iter().filter_map(|file| file.finding(&context.folder())));
        let applied = status.applied;
        findings.extend(status.findings);
        context.warn_of(open.as_ref());
        let mut lines: BTreeMap<(u64, &str), Line> = BTreeMap::new();
        let squashed = files::squashed(&migrations);
        for row in &applied {
            let file = files::is_folded(squashed, row);
            lines.insert(
                (row.number, &row.name),
                Line { module: row.module.as_deref(), applied: Some(row), file },
            );
        }
        for migration in &migrations {
            // A migration keeps its number; its name may be mended.
            let row = applied.iter().find(|row| row.number == migration.number);
            let key = row.map_or((migration.number, migration.name.as_str()), |row| (row.number, &row.name));
            let module = migration.directives.module.as_deref();
            lines.insert(key, Line { module, applied: row, file: true });
        }
        let pending = lines.values().filter(|line| line.applied.is_none()).count();
        let documents: Vec<_> = lines
            .iter()
            .map(|((number, name), line)| {
                json!({
                    "number": number,
                    "name": name,
                    "module": line.module,
                    "state": line.word(),
                    "applied_at": line.applied.map(|row| &row.applied_at),
                })
            })
            .collect();
        let tables = match self.tables {
            true => {
                let schema = database.schema().await?;
                let all: Vec<_> = schema.tables_with_rows().map(|(id, _)| id.clone()).collect();
                Some(migrate::status::tables(&mut *session, all).await?)
            }
            false => None,
        };
        let backups = Watched::look(context, &database, self.backups).await?;
        let mut document = json!({
            "command": "status",
            "database": database.name(),
            "applied": applied.len(),
            "pending": pending,
            "migrations": documents,
            "findings": findings,
            "open_run": open.as_ref().map(|told| &told.run),
            "modules": status.modules,
            "repeated": repeated,
            "tables": tables,
        });
        let mut text = format!("{}: {} applied, {pending} pending\n", database.name(), applied.len());
        let rows: Vec<Vec<String>> = lines
            .iter()
            .map(|((number, name), line)| {
                let when = line.applied.map_or("", |row| row.applied_at.as_str());
                let module = line.module.map_or(String::new(), |module| format!("[{module}]"));
                vec![files::label(*number, name), line.word().to_owned(), when.to_owned(), module]
            })
            .collect();
        text.push_str(&output::columns(&rows));
        let rows: Vec<Vec<String>> = repeated
            .iter()
            .map(|file| {
                let when = file.applied_at.clone().unwrap_or_default();
                let module = file.module.as_ref().map_or(String::new(), |module| format!("[{module}]"));
                vec![file.kind.label(&file.name), file.state.word().to_owned(), when, module]
            })
            .collect();
        text.push_str(&output::columns(&rows));
        for finding in &findings {
            text.push_str(&format!("{}\n  {}\n", finding.message, finding.hint));
        }
        if let Some(tables) = &tables {
            let rows: Vec<Vec<String>> = tables
                .iter()
                .map(|counted| vec![counted.table.to_string(), output::plural(counted.rows, "row")])
                .collect();
            text.push('\n');
            text.push_str(&output::columns(&rows));
        }
        if let Some(backups) = &backups {
            document["backups"] = backups.document();
            text.push_str(&backups.text());
        }
        context.output.answer(&document, &text);
        if self.exit_code && backups.as_ref().is_some_and(Watched::is_unwell) {
            return Err(CommandError::reported(Meaning::Found, "the backups are not as they are to be"));
        }
        // Seeds are run when somebody wants them.
        let waits = repeated.iter().any(|file| {
            file.kind == Repeat::Repeatable
                && matches!(file.state, RepeatedState::Pending | RepeatedState::Changed)
        });
        if self.exit_code && (pending > 0 || waits || !findings.is_empty() || open.is_some()) {
            return Err(CommandError::reported(
                Meaning::Found,
                "not everything is applied as it is in the folder",
            ));
        }
        Ok(())
    }
}

struct Line<'a> {
    module: Option<&'a str>,
    applied: Option<&'a Applied>,
    file: bool,
}

impl Line<'_> {
    fn word(&self) -> &'static str {
        match (self.applied.map(|row| row.state), self.file) {
            (None, _) => "pending",
            (Some(_), false) => "gone",
            (Some(State::Satisfied), true) => "satisfied",
            (Some(_), true) => "applied",
        }
    }
}
