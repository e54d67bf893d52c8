//! Reports a run's steps: all of them to the audit log, those that people care for to the terminal.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use migrate::plan::{Action, Direction, Plan, WayBack};
use migrate::{Event, Moment, Question, Watch};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::ask;
use crate::audit::Audit;
use crate::context::Context;
use crate::output::{self, Output};
use crate::stop;

/// Beyond so many migrations a plan is cut in the middle: it has to fit a screen.
const SHOWN: usize = 12;

/// The screen and the log of one run.
pub(crate) struct Screen {
    output: Output,
    audit: Option<Audit>,
    yes: bool,
    cancel: CancellationToken,
    done: AtomicUsize,
}

impl Screen {
    pub(crate) fn new(context: &Context, audit: Option<&Audit>) -> Self {
        Self {
            output: context.output.clone(),
            audit: audit.cloned(),
            yes: context.yes,
            cancel: context.cancel.clone(),
            done: AtomicUsize::new(0),
        }
    }
}

impl Watch for Screen {
    fn step(&self, event: &Event) {
        if let Some(audit) = &self.audit
            && let Ok(fields) = serde_json::to_value(event)
        {
            audit.record(&fields);
        }
        if (event.step.as_str(), event.moment) == ("compare", Moment::Before) {
            let with = event.about.as_deref().unwrap_or_default();
            self.output.say(&format!("the rollback is done and kept; now the schema is compared {with}"));
        }
        if event.moment == Moment::After {
            let took = event
                .duration_ms
                .map_or(String::new(), |ms| format!(" ({})", output::duration(Duration::from_millis(ms))));
            let about = event.about.as_deref().map_or(String::new(), |about| format!(" {}", cut(about)));
            match (&event.error, event.step.as_str()) {
                (Some(error), step) => self.output.say(&format!("{step}{about}: failed{took}: {error}")),
                // The archive's own line, the plan and the report tell of these.
                (None, "begin" | "back-up" | "commit" | "end") => {}
                (None, step) => self.output.say(&format!("{step}{about}: done{took}")),
            }
        }
        stop::here(&event.step, event.moment.word());
    }

    fn plan(&self, plan: &Plan) {
        for line in plan_lines(plan) {
            self.output.say(&line);
        }
    }

    fn migration(&self, label: &str, took: Duration) {
        // Long lists are in the report and in the history; here the first few show that it goes on.
        if self.done.fetch_add(1, Ordering::Relaxed) < SHOWN || took > Duration::from_secs(1) {
            self.output.say(&format!("  {label} ({})", output::duration(took)));
        }
        if let Some(audit) = &self.audit {
            let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            audit.record(&json!({ "step": "migration", "about": label, "duration_ms": ms }));
        }
    }

    fn note(&self, message: &str) {
        self.output.warn(message);
        if let Some(audit) = &self.audit {
            audit.record(&json!({ "step": "note", "note": message }));
        }
    }

    fn password(&self, migration: &str, variable: &str, password: &str) {
        let line = format!(
            "a password was made up for {variable} ({migration}); it is shown only here and only now: {password}\n"
        );
        // Neither a redirected stderr nor anything else that may become a log.
        let shown = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/tty")
            .and_then(|mut terminal| terminal.write_all(line.as_bytes()));
        if shown.is_err() {
            self.output.warn(&format!(
                "a password was made up for {variable}, and there is no terminal to show it on, so that nobody knows it: \
                 roll {migration} back and apply it again with {variable} set, or set a new password in the application"
            ));
        }
    }

    fn confirm(&self, question: &Question) -> bool {
        if self.yes {
            return true;
        }
        match ask::confirm(&self.output.scrub(&question.text), &self.cancel) {
            Some(answer) => answer,
            None => {
                self.output.say(&format!("{} (answer it with {})", question.text, question.option));
                false
            }
        }
    }
}

/// The beginning of a list that would not fit a line.
fn cut(about: &str) -> String {
    match about.char_indices().nth(60) {
        Some((end, _)) => format!("{} …", about[..end].trim_end_matches([' ', ','])),
        None => about.to_owned(),
    }
}

/// The plan for people.
pub(crate) fn plan_lines(plan: &Plan) -> Vec<String> {
    if plan.is_empty() {
        return vec!["nothing is to be done".to_owned()];
    }
    let items = plan.items().count();
    let word = match plan.direction {
        Direction::Migrate => "to apply",
        Direction::Rollback => "to take back",
    };
    let groups = match plan.groups.len() {
        1 => String::new(),
        groups => format!(", in {groups} groups that are committed one after the other"),
    };
    let mut lines = vec![format!("{} {word}{groups}:", output::plural(items as u64, "migration"))];
    let mut at = 0;
    for group in &plan.groups {
        if plan.groups.len() > 1 || !group.transaction {
            let kind = if group.transaction { "one transaction" } else { "no transaction" };
            let because = group.because.as_deref().map_or(String::new(), |because| format!(" ({because})"));
            lines.push(format!("  group {}: {kind}{because}", group.number));
        }
        for item in &group.items {
            at += 1;
            if items > SHOWN && at > SHOWN / 2 && at <= items - SHOWN / 2 {
                if at == SHOWN / 2 + 1 {
                    lines.push(format!("  … {} more …", items - SHOWN));
                }
                continue;
            }
            let module = item.module.as_deref().map_or(String::new(), |module| format!(" [{module}]"));
            let action = match item.action {
                Action::Run => String::new(),
                Action::Forget => " (only its row in the history: dbm did not make it)".to_owned(),
            };
            lines.push(format!("  {}{module}{action}", item.label()));
        }
    }
    for wide in &plan.server_wide {
        lines.push(format!("  not covered by the backup: {}, line {}: {}", wide.file, wide.line, wide.what));
    }
    lines.extend(plan.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.push(match plan.way_back {
        WayBack::None => "way back: none is needed".to_owned(),
        WayBack::Rollback => "way back: the transaction is rolled back".to_owned(),
        WayBack::Restore => "way back: the backup is restored; that disconnects other sessions".to_owned(),
    });
    lines
}
