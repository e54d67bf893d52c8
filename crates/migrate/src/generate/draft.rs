use backup::{Error, ErrorKind, Result};
use database::Schema;
use serde::Serialize;

use super::bench::Bench;
use super::rename::Renamed;
use super::step::{Dialect, Statement, Step, Style};
use super::{differences, plan};
use crate::placeholders;

/// One migration and its rollback, as they are to be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Draft {
    /// The statements, without what the file is for.
    pub up: String,
    /// The statements that take them back.
    pub down: String,
    /// Whether it runs outside a transaction, so that other sessions wait less.
    pub apart: bool,
}

/// Writes the files and tries them out: what they make is what is wanted, and their rollbacks what was there.
pub(super) async fn prove(
    bench: &mut Bench<'_>,
    dialect: &dyn Dialect,
    before: &Schema,
    renamed: &Renamed,
    steps: &[Step],
    wanted: &Schema,
    privileges: bool,
) -> Result<Vec<Draft>> {
    const FAILS: &str = "what dbm wrote fails in a scratch database";
    const BACK: &str = "the rollback that dbm wrote fails in a scratch database";
    bench.take_back_renames(renamed).await?;
    let mut drafts = Vec::new();
    let mut states = Vec::new();
    for apart in [false, true] {
        let statements: Vec<&Statement> = steps
            .iter()
            .flat_map(|step| &step.statements)
            .filter(|statement| statement.apart == apart)
            .collect();
        let renames: &[String] = if apart { &[] } else { &renamed.up };
        if statements.is_empty() && renames.is_empty() {
            continue;
        }
        let up = text(dialect, steps, (renames, &[]), &statements, apart);
        Box::pin(bench.run(&up, FAILS)).await?;
        drafts.push(Draft { up, down: String::new(), apart });
        states.push(bench.schema().await?);
    }
    let last = states.last().unwrap_or(before);
    same((dialect, privileges), last, wanted, "does not give what is wanted")?;
    let style = Style { apart: false, privileges };
    for (place, draft) in drafts.iter_mut().enumerate() {
        let (from, to) = (&states[place], if place == 0 { &renamed.schema } else { &states[place - 1] });
        let back = plan::steps(dialect, (from, to), style, &bench.owners)?;
        let statements: Vec<&Statement> = back.iter().flat_map(|step| &step.statements).collect();
        let renames: &[String] = if place == 0 { &renamed.down } else { &[] };
        draft.down = text(dialect, &back, (&[], renames), &statements, false);
    }
    for (place, draft) in drafts.iter().enumerate() {
        bench.set_rollback(drafts.len() - 1 - place, &draft.down);
    }
    for place in (0..drafts.len()).rev() {
        Box::pin(bench.take_back(BACK)).await?;
        let was = if place == 0 { before } else { &states[place - 1] };
        same((dialect, privileges), &bench.schema().await?, was, "is not taken back by its rollback")?;
    }
    for draft in &mut drafts {
        draft.up = placeholders::escape(&draft.up);
        draft.down = placeholders::escape(&draft.down);
    }
    Ok(drafts)
}

/// The proof, without which nothing is written.
fn same((dialect, privileges): (&dyn Dialect, bool), is: &Schema, to_be: &Schema, what: &str) -> Result<()> {
    let left = differences(dialect, to_be, is, privileges);
    if left.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = left.iter().take(5).map(super::Difference::line).collect();
    Err(Error::new(ErrorKind::Refused, format!("what dbm wrote {what}: {}", names.join("; ")))
        .with_hint("nothing was written: write that step by hand, `dbm new NAME` makes the files"))
}

/// A file's text.
fn text(
    dialect: &dyn Dialect,
    steps: &[Step],
    (first, last): (&[String], &[String]),
    statements: &[&Statement],
    apart: bool,
) -> String {
    let mut text = String::new();
    if apart {
        text.push_str("-- dbm: no-transaction\n");
    }
    let of_file = |step: &&Step| step.statements.iter().any(|statement| statement.apart == apart);
    let steps: Vec<&Step> = steps.iter().filter(of_file).collect();
    text.push_str(&dialect.preamble(&steps, !apart));
    text.push_str(&first.concat());
    for statement in statements {
        for (mark, what) in [("LOSES DATA: ", &statement.loses), ("", &statement.note)] {
            let what = what.iter().map(|what| what.replace(['\n', '\r'], " "));
            what.for_each(|what| text.push_str(&format!("-- {mark}{what}\n")));
        }
        text.push_str(&statement.sql);
    }
    text.push_str(&last.concat());
    text.push_str(&dialect.ending(&steps));
    text
}
