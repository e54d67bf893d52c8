//! Each module in a run of its own; in several where it crosses with others.

use std::collections::{BTreeSet, VecDeque};

use database::{Database, DatabaseUrl};
use migrate::plan::{self, MigrateOptions, Part};
use migrate::rehearse::Rehearse;
use migrate::{Report, files, history};
use serde_json::{Value, json};

use super::run_flags::{self, RunFlags};
use crate::audit::Audit;
use crate::context::Context;
use crate::error::{CommandError, Meaning, Result};
use crate::{output, report};

/// Runs each module with something pending by itself: one that fails is put back and told, and stops no other.
pub(super) async fn go(
    context: &Context,
    flags: &RunFlags,
    rehearse: Option<Rehearse>,
    options: &MigrateOptions,
    url: DatabaseUrl,
) -> Result<()> {
    let audit = context.audit(&url)?;
    audit.start();
    let done = runs(context, flags, rehearse, options, url, &audit).await;
    let fields = done.as_ref().map_or_else(|_| json!({}), |done| json!({ "modules": done.told }));
    let ended = done.and_then(|done| match done.worst {
        None => Ok(done),
        Some(meaning) => {
            // Neither that nothing was changed nor that all was put back.
            let meaning = match meaning {
                Meaning::NeedsPerson => meaning,
                _ if !done.changed.is_empty() => Meaning::Partly,
                _ => meaning,
            };
            if context.output.json {
                context.output.document(&context.output.scrub_values(&done.document()));
            }
            context.output.error(&format!("migrate: {}", done.summary()));
            Err(CommandError::reported(meaning, done.summary()))
        }
    });
    audit.finish(&ended, fields);
    let done = ended?;
    context.output.report(&done.document(), &format!("{}\n", done.summary()));
    Ok(())
}

/// What came of the modules.
#[derive(Default)]
struct Done {
    told: Vec<Value>,
    /// Those that were begun, once each.
    begun: BTreeSet<String>,
    failed: Vec<String>,
    /// Those that have changed the database, also where a later part of them failed: that stays.
    changed: BTreeSet<String>,
    worst: Option<Meaning>,
}

impl Done {
    fn document(&self) -> Value {
        json!({ "command": "migrate", "modules": self.told })
    }

    fn summary(&self) -> String {
        match self.failed.as_slice() {
            [] => format!("{}: all done", output::plural(self.begun.len() as u64, "module")),
            failed => format!(
                "{} of {} failed: {}; {}",
                failed.len(),
                output::plural(self.begun.len() as u64, "module"),
                failed.join(", "),
                self.stays()
            ),
        }
    }

    fn stays(&self) -> String {
        let (partly, others): (Vec<&String>, Vec<&String>) =
            self.changed.iter().partition(|module| self.failed.contains(*module));
        let others = if others.is_empty() { "the others did nothing" } else { "what the others did stays" };
        match partly.as_slice() {
            [] => others.to_owned(),
            partly => {
                let names = partly.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
                format!("{others}; of {names}, the migrations before the failed run stay")
            }
        }
    }

    fn fail(&mut self, module: &str, meaning: Meaning) {
        self.failed.push(module.to_owned());
        // What needs a person is worse than what was put back, and that than what changed nothing.
        let worst = self.worst.take();
        self.worst = Some(match (worst, meaning) {
            (Some(Meaning::NeedsPerson), _) | (_, Meaning::NeedsPerson) => Meaning::NeedsPerson,
            (Some(Meaning::PutBack), _) | (_, Meaning::PutBack) => Meaning::PutBack,
            (_, meaning) => meaning,
        });
    }
}

async fn runs(
    context: &Context,
    flags: &RunFlags,
    rehearse: Option<Rehearse>,
    options: &MigrateOptions,
    url: DatabaseUrl,
    audit: &Audit,
) -> Result<Done> {
    let database = Database::new(url)?;
    let mut runner = run_flags::runner(context, flags, database.clone(), Some(audit))?;
    if let Some(how) = rehearse {
        runner = runner.with_rehearsal(how);
    }
    let migrations = files::read(&context.folder())?;
    let applied = history::read(&mut *database.session().await?).await?;
    let is_applied = |number: u64| applied.iter().any(|row| row.number == number);
    let mut parts: VecDeque<Part<'_>> = plan::parts(&migrations, &is_applied).into();
    let mut done = Done::default();
    // Last, what runs again after all of them.
    loop {
        let part = parts.pop_front();
        let module = part.as_ref().map(|part| part.module);
        if module.is_none() && !done.failed.is_empty() {
            break;
        }
        let name = match module {
            Some("") => "(no module)",
            Some(name) => name,
            None => "(repeatable)",
        };
        // What comes later of a module may need what has failed, whether it says so or not.
        if done.failed.iter().any(|failed| failed == name) {
            continue;
        }
        context.output.say(&format!("module {name}"));
        let mut options = MigrateOptions { module: module.map(str::to_owned), ..options.clone() };
        // What runs again after a module's migrations may need the last of them.
        if parts.iter().any(|later| Some(later.module) == module) {
            options.repeatables.clear();
        }
        options.only = part.map(|part| part.numbers);
        let ran = runner.migrate(&migrations, &options).await;
        let ran: Result<Report> = run_flags::judged(&runner, ran).await;
        let (told, failed) = match ran {
            Ok(report) => {
                let failed = shown(context, name, &report);
                if failed.is_none() && !report.migrations.is_empty() {
                    done.changed.insert(name.to_owned());
                }
                (json!(report), failed)
            }
            Err(error) => {
                context.output.error(&format!("module {name}: {}", error.chain().join(": ")));
                (json!({ "error": error.chain().join(": ") }), Some(error.meaning))
            }
        };
        if module.is_some() || failed.is_some() {
            done.begun.insert(name.to_owned());
            done.told.push(json!({ "module": name, "report": told }));
        }
        if let Some(meaning) = failed {
            let stuck = matches!(meaning, Meaning::NeedsPerson);
            done.fail(name, meaning);
            // Until the open run is ended, no other can begin.
            if stuck || context.cancel.is_cancelled() {
                break;
            }
        }
        if module.is_none() {
            break;
        }
    }
    Ok(done)
}

/// Tells what a run came to; what its failure means for the command.
fn shown(context: &Context, module: &str, report: &Report) -> Option<Meaning> {
    let failed = match report.outcome {
        migrate::Outcome::Done => None,
        migrate::Outcome::NothingChanged => Some(Meaning::Failed),
        migrate::Outcome::PutBack => Some(Meaning::PutBack),
        migrate::Outcome::NeedsPerson => Some(Meaning::NeedsPerson),
    };
    for line in report::lines(report, &format!("migrate {module}")) {
        match &failed {
            Some(_) => context.output.error(&line),
            None if report.migrations.is_empty() => {}
            None => context.output.say(&line),
        }
    }
    failed
}
