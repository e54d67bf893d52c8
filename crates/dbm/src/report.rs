//! What a run came to, on one screen.

use std::time::Duration;

use migrate::journal::RunKind;
use migrate::{ArchiveReport, Became, Compared, Failure, Outcome, Report};
use serde_json::Value;

use crate::error::{CommandError, Meaning, Result};
use crate::output::{self, Output};
use crate::rehearsal;

/// Beyond so many migrations the list is cut in the middle.
const SHOWN: usize = 14;

/// Prints the report of a run and turns its outcome into the command's.
pub(crate) fn show(report: &Report, command: &str, output: &Output) -> Result<()> {
    let mut document = serde_json::to_value(report)
        .map_err(|error| CommandError::failed(format!("the report cannot be written as JSON: {error}")))?;
    if let Value::Object(fields) = &mut document {
        fields.insert("command".to_owned(), command.into());
        fields.insert("exit_code".to_owned(), report.outcome.exit_code().into());
    }
    let lines = lines(report, command);
    let meaning = match report.outcome {
        Outcome::Done => {
            output.report(&document, &(lines.join("\n") + "\n"));
            return Ok(());
        }
        Outcome::NothingChanged => Meaning::Failed,
        Outcome::PutBack => Meaning::PutBack,
        Outcome::NeedsPerson => Meaning::NeedsPerson,
    };
    // A failure is told on stderr, with --quiet too.
    for line in &lines {
        output.error(line);
    }
    if output.json {
        output.document(&output.scrub_values(&document));
    }
    Err(CommandError::reported(meaning, report.state.clone()))
}

/// The report for people.
pub(crate) fn lines(report: &Report, command: &str) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(recovered) = &report.recovered {
        lines.extend(
            self::lines(recovered, recovered.kind.word()).into_iter().map(|line| format!("before: {line}")),
        );
    }
    if let Some(failure) = &report.failure {
        lines.extend(failure_lines(failure));
    }
    let word = match report.outcome {
        Outcome::Done => "done",
        Outcome::NothingChanged => "failed, nothing changed",
        Outcome::PutBack => "failed, and put back",
        Outcome::NeedsPerson => "needs a person",
    };
    let took = output::duration(Duration::from_millis(report.duration_ms));
    lines.push(format!("{command} of {}: {word} in {took}", report.database));
    let mut row = |name: &str, text: String| lines.push(format!("  {name:<11} {text}"));
    if let Some(backup) = &report.backup {
        row("backup", archive(backup));
        row("", format!("in {}, identity {}", backup.store, short(&backup.identity)));
    }
    if let Some(rehearsal) = &report.rehearsal {
        let took = output::duration(Duration::from_millis(rehearsal.duration_ms));
        row("rehearsed", format!("on {}, in {took}", rehearsal::copy(rehearsal)));
        rehearsal::lines(rehearsal).into_iter().for_each(|line| row("", line));
    }
    if !report.migrations.is_empty() {
        row("migrations", counted(report));
        let all = &report.migrations;
        for (place, migration) in all.iter().enumerate() {
            if all.len() > SHOWN && place >= SHOWN / 2 && place < all.len() - SHOWN / 2 {
                if place == SHOWN / 2 {
                    row("", format!("… {} more, see `dbm history` …", all.len() - SHOWN));
                }
                continue;
            }
            let label = migration.label();
            let took = output::duration(Duration::from_millis(migration.duration_ms));
            let note = match migration.became {
                Became::Applied | Became::RolledBack => String::new(),
                Became::Satisfied => "  was there already".to_owned(),
                Became::Forgotten => "  only its row in the history was removed".to_owned(),
            };
            row("", format!("{label:<44} {took:>9}{note}"));
        }
    }
    if report.checks > 0 {
        row("verified", format!("{} passed", output::plural(report.checks as u64, "check")));
    }
    if let Some(compared) = report.compared.filter(|_| report.not_undone.is_empty()) {
        row("compared", compared_with(compared).to_owned());
    }
    if let (Some(why), Some(compared)) = (&report.uncompared, report.compared) {
        row(
            "",
            match compared {
                Compared::ReplayedInPart => format!("but not of all: {why}"),
                _ => format!(
                    "nor could it be compared with what the migrations that stay make in a scratch database: {why}"
                ),
            },
        );
        row("", "`dbm drift` compares all of it, with --scratch-url also on another server".to_owned());
    }
    for (place, line) in report.not_undone.iter().take(5).enumerate() {
        row(if place == 0 { "not undone" } else { "" }, line.clone());
    }
    if let Some(more) = report.not_undone.len().checked_sub(5).filter(|more| *more > 0) {
        row("", format!("and {more} more"));
    }
    if !report.not_undone.is_empty() {
        row(
            "",
            match report.compared {
                Some(Compared::Replayed | Compared::ReplayedWithoutCode | Compared::ReplayedInPart) => {
                    "compared with what the migrations that stay make in a scratch database".to_owned()
                }
                _ => "compared with the schema before that run: by its rollback, or by hand since".to_owned(),
            },
        );
    }
    if let Some(restored) = &report.restored {
        row("restored", archive(&restored.archive));
        // A run that was put back says so in its state.
        for what in restored.archive.left_out.iter().filter(|_| report.kind == RunKind::Restore) {
            row("without", format!("{what}, which is no part of the archive"));
        }
        if let Some(replaced) = &restored.replaced {
            row("replaced", format!("kept as {}", replaced.name));
            row("", format!("let it go with: dbm replaced --let-go {}", for_shell(&replaced.name)));
        }
        for table in restored.unarchived.iter().take(5) {
            row(
                "differs",
                format!(
                    "{}: {} in the archive, {} in what was replaced{}",
                    table.table,
                    output::plural(table.archived, "row"),
                    output::count(table.replaced),
                    if table.archived == table.replaced { ", not the same ones" } else { "" }
                ),
            );
        }
        for remade in &restored.remade {
            row("remade", remade.to_string());
        }
        for grant in &restored.not_granted {
            row("not granted", grant.clone());
        }
        if let Some(why) = &restored.unguarded {
            row(
                "unguarded",
                format!("others may have written while triggers and events were made again: {why}"),
            );
        }
        if restored.unarchived.len() > 5 {
            row("", format!("and {} more tables", restored.unarchived.len() - 5));
        }
    }
    row("state", report.state.clone());
    if let Some(run) = &report.run {
        row("run", run.clone());
    }
    if let Some(hint) = &report.hint {
        lines.push(format!("hint: {hint}"));
    }
    lines
}

/// What is known of a rollback's work where nothing was found.
fn compared_with(compared: Compared) -> &'static str {
    match compared {
        Compared::Done => "the schema is what it was before that run",
        Compared::WithoutCode => {
            "the schema is what it was before that run, but for views, functions or triggers, which the next `dbm migrate` makes \
             again where `repeatable/` has them (`dbm drift` names the others)"
        }
        Compared::Replayed => {
            "nothing of what was taken back is left in the schema, which was compared with what the migrations that stay make in a \
             scratch database (rows are not compared)"
        }
        Compared::ReplayedWithoutCode => {
            "nothing of what was taken back is left in the schema, but for views, functions or triggers, which the next `dbm migrate` \
             makes again where `repeatable/` has them (`dbm drift` names the others): it was compared with what the migrations that \
             stay make in a scratch database (rows are not compared)"
        }
        Compared::ReplayedInPart => {
            "in part: the schema was compared with what the migrations that stay make in a scratch database"
        }
        Compared::WithinRun => {
            "no: what was applied in the same run, or since, stays, and nobody has seen the schema in between"
        }
        Compared::NotKept => "no: the schema before that run was not kept",
    }
}

fn counted(report: &Report) -> String {
    let count = |became| report.migrations.iter().filter(|migration| migration.became == became).count();
    let words = [
        (Became::Applied, "applied"),
        (Became::Satisfied, "satisfied already"),
        (Became::RolledBack, "rolled back"),
        (Became::Forgotten, "forgotten"),
    ];
    let mut parts: Vec<String> = words
        .into_iter()
        .map(|(became, word)| (count(became), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if matches!(report.outcome, Outcome::NothingChanged | Outcome::PutBack) {
        parts.push("all of it undone".to_owned());
    }
    parts.join(", ")
}

fn archive(archive: &ArchiveReport) -> String {
    let bytes = archive.bytes.map_or(String::new(), |bytes| format!(", {}", output::bytes(bytes)));
    let took = match archive.duration_ms {
        0 => String::new(),
        ms => format!(", {}", output::duration(Duration::from_millis(ms))),
    };
    let tables = output::plural(archive.tables, "table");
    format!("{}{bytes}, {tables}, {}{took}", archive.name, output::plural(archive.rows, "row"))
}

/// Enough of an identity to tell it from others; `dbm show` has all of it.
pub(crate) fn short(identity: &str) -> &str {
    identity.get(..16).unwrap_or(identity)
}

/// What went wrong, where, and what to type next.
pub(crate) fn failure_lines(failure: &Failure) -> Vec<String> {
    let what = if failure.check { "check" } else { "statement" };
    let place = match (&failure.migration, failure.statement, failure.statements) {
        (Some(migration), Some(number), Some(of)) => format!("{migration}, {what} {number} of {of}: "),
        (Some(migration), Some(number), None) => format!("{migration}, {what} {number}: "),
        (Some(migration), ..) => format!("{migration}: "),
        _ => String::new(),
    };
    let code = failure.code.as_deref().map_or(String::new(), |code| format!(" ({code})"));
    let mut lines = vec![format!("error: {place}{}{code}", failure.message)];
    let causes = failure.causes.iter().filter(|cause| !failure.message.contains(cause.as_str()));
    lines.extend(causes.map(|cause| format!("  because: {cause}")));
    if let Some(file) = &failure.file {
        let line = failure.line.map_or(String::new(), |line| format!(":{line}"));
        lines.push(format!("  at {}{line}", file.display()));
    }
    if let Some(text) = &failure.text {
        lines.push(format!("     | {}", text.trim_end()));
    }
    lines.extend(failure.hint.iter().map(|hint| format!("hint: {hint}")));
    lines
}

/// A name as a shell takes it for one word.
pub(crate) fn for_shell(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    if !name.is_empty() && name.chars().all(plain) {
        name.to_owned()
    } else {
        format!("'{}'", name.replace('\'', "'\\''"))
    }
}
