//! What came of a rehearsal, as a table of statements.

use std::time::Duration;

use migrate::Failure;
use migrate::rehearse::{Rehearsal, Rehearsed};
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::{CommandError, Meaning, Result};
use crate::{output, report};

/// Beyond so many statements only the longest are shown.
const SHOWN: usize = 24;

/// The table, and what the rollbacks came to.
pub(crate) fn lines(rehearsal: &Rehearsal) -> Vec<String> {
    let took = |ms| output::duration(Duration::from_millis(ms));
    let mut shown: Vec<&Rehearsed> = rehearsal.statements.iter().collect();
    let more = shown.len().saturating_sub(SHOWN);
    if more > 0 {
        let weight = |one: &Rehearsed| one.duration_ms.max(one.blocks().map_or(0, |lock| lock.held_ms));
        let mut weights: Vec<u64> = shown.iter().map(|one| weight(one)).collect();
        weights.sort_unstable_by(|one, other| other.cmp(one));
        shown.retain(|one| weight(one) >= weights[SHOWN - 1]);
        shown.truncate(SHOWN);
    }
    let mut head = vec!["statement", "took", "rows", "keeps others waiting"];
    if rehearsal.rewrites_seen {
        head.push("written anew");
    }
    let mut rows: Vec<Vec<String>> = vec![head.into_iter().map(str::to_owned).collect()];
    for one in shown {
        let waits = one.blocks().map_or("nobody".to_owned(), |lock| match lock.named {
            true => format!("{} ({} on {})", took(lock.held_ms), lock.mode, lock.on),
            false => format!("at most {}", took(lock.held_ms)),
        });
        let mut row = vec![
            format!("{}:{}", one.migration, one.line),
            took(one.duration_ms),
            one.rows.map_or(String::new(), output::count),
            waits,
        ];
        if rehearsal.rewrites_seen {
            row.push(one.rewritten.join(", "));
        }
        rows.push(row);
    }
    if rows.len() == 1 {
        rows.clear();
    }
    let mut lines: Vec<String> =
        output::columns(&rows).lines().map(|line| format!("  {}", line.trim_end())).collect();
    if more > 0 {
        lines.push(format!("  … {more} shorter ones, see --json …"));
    }
    if let Some(hint) = &rehearsal.locks_hint {
        lines.push(format!("  the server shows no locks, so that a whole statement counts as one; {hint}"));
    }
    if rehearsal.checks > 0 {
        lines.push(format!("  {} passed", output::plural(rehearsal.checks as u64, "check")));
    }
    lines.push(if rehearsal.rolled_back && rehearsal.differences.is_empty() {
        "  rolled back, the schema is what it was, and applied again".to_owned()
    } else if rehearsal.rolled_back {
        "  rolled back, and the schema is not what it was".to_owned()
    } else {
        "  not rolled back".to_owned()
    });
    lines
}

/// What it was tried on.
pub(crate) fn copy(rehearsal: &Rehearsal) -> String {
    rehearsal.archive.as_ref().map_or_else(|| "a copy".to_owned(), |name| format!("a copy of {name}"))
}

/// The answer of a rehearsal alone.
pub(crate) fn show(
    context: &Context,
    mut document: Value,
    mut text: String,
    rehearsal: &Rehearsal,
    refused: Option<&Failure>,
) -> Result<()> {
    document["rehearsal"] = json!(rehearsal);
    document["refused"] = json!(refused);
    text.push_str(&format!(
        "rehearsed on {} in {}; the database was not touched:\n",
        copy(rehearsal),
        output::duration(Duration::from_millis(rehearsal.duration_ms))
    ));
    text.push_str(&(lines(rehearsal).join("\n") + "\n"));
    context.output.answer(&document, &text);
    let Some(failure) = refused else { return Ok(()) };
    for line in report::failure_lines(failure) {
        context.output.error(&line);
    }
    Err(CommandError::reported(Meaning::Failed, "the rehearsal failed"))
}
