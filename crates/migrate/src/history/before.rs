//! The schema before a run, in its history: what a rollback of the run has to bring back.

use std::collections::{BTreeMap, BTreeSet};

use backup::Result;
use database::{Engine, Kind, Schema, Session, quote};
use serde::{Deserialize, Serialize};

use super::Applied;
use super::table::is_there;
use crate::compare::{What, canonical};
use crate::files::checksum;

/// The word in the place of a state.
const WORD: &str = "schema";

/// Of so many runs the schema before them is kept.
const RUNS: usize = 20;

/// Beyond so many objects none is kept: it would be as large as a table of its own.
const OBJECTS: usize = 5000;

/// What a schema was, as far as it takes to tell whether another one is the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Before {
    /// Each object with a hash of what makes it.
    objects: BTreeMap<String, String>,
    /// The same of views, functions and triggers, which files without a number may make again.
    code: BTreeMap<String, String>,
}

impl Before {
    pub(crate) fn of(engine: Engine, schema: &Schema) -> Self {
        let mut before = Self::default();
        for (object, text) in canonical(engine, schema, What::Definitions) {
            let hash = checksum(&text)[..16].to_owned();
            let to = if is_code(object.kind) { &mut before.code } else { &mut before.objects };
            to.insert(object.to_string(), hash);
        }
        before
    }

    /// How another schema differs from it, in lines for people; `code` says whether views and functions count.
    pub(crate) fn differences(&self, now: &Self, code: bool) -> Vec<String> {
        let mut lines = differing(&self.objects, &now.objects);
        if code {
            lines.extend(differing(&self.code, &now.code));
        }
        lines
    }
}

fn differing(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<String> {
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let line = |name: &String| match (before.get(name), now.get(name)) {
        (None, Some(_)) => Some(format!("{name} is there, and was not")),
        (Some(_), None) => Some(format!("{name} is missing")),
        (one, other) if one != other => Some(format!("{name} is another one")),
        _ => None,
    };
    names.into_iter().filter_map(line).collect()
}

fn is_code(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::View
            | Kind::ViewBody
            | Kind::MaterializedView
            | Kind::Refresh
            | Kind::Function
            | Kind::Procedure
            | Kind::Aggregate
            | Kind::Rule
            | Kind::Trigger
            | Kind::EventTrigger
            | Kind::Event
            | Kind::EventState
            | Kind::Package
            | Kind::PackageBody
    )
}

/// Keeps the schema before a run, and of those before it that of the last runs which the history has.
pub(crate) async fn put_before(
    session: &mut dyn Session,
    run: &str,
    before: &Before,
    history: &[Applied],
) -> Result<()> {
    if before.objects.len() + before.code.len() > OBJECTS {
        return Ok(());
    }
    forget_before(session, history).await?;
    let (engine, table) = (session.engine(), session.history_table().to_owned());
    let text = |value: &str| quote::literal(engine, value);
    let json = serde_json::to_string(before).unwrap_or_default();
    let sql = format!(
        "INSERT INTO {table} (number, position, name, checksum, algorithm, rollback, state, applied_at, applied_by, \
         duration_ms, run, dbm) SELECT CASE WHEN min(number) < 0 THEN min(number) - 1 ELSE -1 END, 0, {0}, {1}, {1}, {2}, \
         {1}, {1}, {1}, 0, {0}, {1} FROM {table}",
        text(run),
        text(WORD),
        text(&json),
    );
    session.own(&sql).await?;
    Ok(())
}

/// Keeps of the schemas those before the last runs which the history has, and no others.
pub(crate) async fn forget_before(session: &mut dyn Session, history: &[Applied]) -> Result<()> {
    let (engine, table) = (session.engine(), session.history_table().to_owned());
    let mut runs: Vec<&str> = Vec::new();
    for row in history.iter().rev() {
        if !runs.contains(&row.run.as_str()) && runs.len() < RUNS {
            runs.push(&row.run);
        }
    }
    let runs: Vec<String> = runs.iter().map(|run| quote::literal(engine, run)).collect();
    let others =
        if runs.is_empty() { String::new() } else { format!(" AND name NOT IN ({})", runs.join(", ")) };
    let word = quote::literal(engine, WORD);
    session.own(&format!("DELETE FROM {table} WHERE number < 0 AND state = {word}{others}")).await?;
    Ok(())
}

/// The schema before the earliest of the runs that a rollback takes back whole, with all that came after it; none where
/// that is not known: something of that run stays, or it was no run of this dbm.
pub(crate) async fn before_of(
    session: &mut dyn Session,
    history: &[Applied],
    going: &[u64],
) -> Result<Option<Before>> {
    let is_going = |row: &&Applied| going.contains(&row.number);
    let Some(first) = history.iter().filter(is_going).min_by_key(|row| row.position) else { return Ok(None) };
    let start = history.iter().filter(|row| row.run == first.run).map(|row| row.position).min();
    let stays = |row: &Applied| Some(row.position) >= start && !going.contains(&row.number);
    if history.iter().any(stays) || !is_there(session).await? {
        return Ok(None);
    }
    let engine = session.engine();
    let sql = format!(
        "SELECT rollback FROM {} WHERE number < 0 AND state = {} AND name = {}",
        session.history_table(),
        quote::literal(engine, WORD),
        quote::literal(engine, &first.run)
    );
    let kept = session.own(&sql).await?.into_iter().flatten().flatten().next();
    Ok(kept.and_then(|json| serde_json::from_str(&json).ok()))
}
