//! Schemas in the history: before a run, which a rollback of it has to bring back, and after the last one, from which
//! whatever differs was changed by hand.

use backup::Result;
use database::{Engine, Session, quote};

use super::table::is_there;
use super::{Applied, Fingerprint, Records};
use crate::files::checksum;

/// The word in the place of a state.
const WORD: &str = "schema";

/// The name of the schema after the last run, in the place of a run's.
const LAST: &str = "last";

/// How schemas are kept; to be raised with each change of what a [`Fingerprint`] has of an object, since one that was kept
/// another way differs from all.
const FORMAT: &str = "4";

/// Of so many runs the schema before them is kept.
const RUNS: usize = 20;

/// Beyond so many objects none is kept before a run: it would be as large as a table of its own.
const OBJECTS: usize = 5000;

/// The same after the last run, of which there is one.
const OBJECTS_OF_LAST: usize = 20_000;

/// Keeps the schema before a run, and of those before it that of the last runs which the history has.
pub(crate) async fn put_before(
    session: &mut dyn Session,
    run: &str,
    before: &Fingerprint,
    history: &[Applied],
) -> Result<()> {
    if before.len() > OBJECTS {
        return Ok(());
    }
    forget_before(session, history).await?;
    let home = home(session).await?;
    insert(session, run, before, ["", &home, FORMAT]).await
}

/// Keeps of the schemas those before the last runs which the history has, and no others.
pub(crate) async fn forget_before(session: &mut dyn Session, history: &[Applied]) -> Result<()> {
    let mut names: Vec<&str> = vec![LAST];
    for row in history.iter().rev() {
        if !names.contains(&row.run.as_str()) && names.len() <= RUNS {
            names.push(&row.run);
        }
    }
    let engine = session.engine();
    let names: Vec<String> = names.iter().map(|name| quote::literal(engine, name)).collect();
    let rows = rows(session);
    session.own(&format!("DELETE FROM {rows} AND name NOT IN ({})", names.join(", "))).await?;
    Ok(())
}

/// What is known of the schema before what a rollback takes back.
pub(crate) enum Before {
    /// What it was.
    Kept(Fingerprint),
    /// Something that was applied in the same run, or after it, stays: what was there in between nobody has seen. What was
    /// there before that run, if it was kept.
    WithinRun(Option<Fingerprint>),
    /// It was no run of this dbm, or its schema was too large or too long ago.
    NotKept,
}

/// The schema before the earliest of the runs that a rollback takes something back of.
pub(crate) async fn before_of(
    session: &mut dyn Session,
    history: &[Applied],
    going: &[u64],
) -> Result<Before> {
    let is_going = |row: &&Applied| going.contains(&row.number);
    let Some(first) = history.iter().filter(is_going).min_by_key(|row| row.position) else {
        return Ok(Before::NotKept);
    };
    let start = history.iter().filter(|row| row.run == first.run).map(|row| row.position).min();
    let stays = |row: &Applied| Some(row.position) >= start && !going.contains(&row.number);
    let kept = kept_before(session, &first.run).await?;
    Ok(match kept {
        kept if history.iter().any(stays) => Before::WithinRun(kept),
        Some(kept) => Before::Kept(kept),
        None => Before::NotKept,
    })
}

async fn kept_before(session: &mut dyn Session, run: &str) -> Result<Option<Fingerprint>> {
    if !is_there(session).await? {
        return Ok(None);
    }
    let home = home(session).await?;
    let [name, home] = [run, home.as_str()].map(|text| quote::literal(session.engine(), text));
    let sql = format!(
        "SELECT rollback FROM {} AND name = {name} AND algorithm = {home} AND dbm = '{FORMAT}'",
        rows(session)
    );
    let kept = session.own(&sql).await?.into_iter().flatten().flatten().next();
    Ok(kept.and_then(|json| serde_json::from_str(&json).ok()))
}

/// For whom a schema is kept: another server, another dbm or another history may have it in other words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'r> {
    pub(crate) server: &'r str,
    pub(crate) dbm: &'r str,
}

impl Reader<'_> {
    /// Which dbm it was kept by, and how.
    fn format(&self) -> String {
        format!("{} {FORMAT}", self.dbm)
    }
}

/// Keeps the schema after the last run of a history in the place of the one that was kept.
pub(crate) async fn put_last(
    session: &mut dyn Session,
    records: &Records,
    reader: Reader<'_>,
    now: &Fingerprint,
) -> Result<()> {
    let sql = format!("DELETE FROM {} AND name = {}", rows(session), quote::literal(session.engine(), LAST));
    session.own(&sql).await?;
    if now.len() > OBJECTS_OF_LAST {
        return Ok(());
    }
    let server = format!("{}{}", reader.server, home(session).await?);
    insert(session, LAST, now, [&of_history(records), &server, &reader.format()]).await
}

/// The schema after the last run of a history, and whether it is in the words that this reader's server has now; none where
/// it was not kept, or by another dbm.
pub(crate) async fn last(
    session: &mut dyn Session,
    records: &Records,
    reader: Reader<'_>,
) -> Result<Option<(Fingerprint, bool)>> {
    let engine = session.engine();
    let server = format!("{}{}", reader.server, home(session).await?);
    let text = |value: &str| quote::literal(engine, value);
    let sql = format!(
        "SELECT rollback, algorithm FROM {} AND name = {} AND checksum = {} AND dbm = {}",
        rows(session),
        text(LAST),
        text(&of_history(records)),
        text(&reader.format())
    );
    let Some(row) = session.own(&sql).await?.into_iter().next() else { return Ok(None) };
    let mut values = row.into_iter().flatten();
    let (json, then) = (values.next().unwrap_or_default(), values.next());
    Ok(serde_json::from_str(&json).ok().map(|kept| (kept, then.as_deref() == Some(&server))))
}

/// In which database a schema was kept, where that makes a difference.
///
/// PostgreSQL shows what came out of a dump in other words than what was made first (`IN (…)` becomes an array with casts), so
/// a schema from before a restore says nothing of the one after it. A restore makes the table of the history anew.
async fn home(session: &mut dyn Session) -> Result<String> {
    if session.engine() != Engine::Postgres {
        return Ok(String::new());
    }
    let table = quote::literal(session.engine(), session.history_table());
    let sql = format!("SELECT ' in ' || pg_catalog.to_regclass({table})::pg_catalog.oid::text");
    Ok(session.own(&sql).await?.into_iter().flatten().flatten().next().unwrap_or_default())
}

/// What tells a history from what it was before, or will be after, another run.
fn of_history(records: &Records) -> String {
    let mut text = String::new();
    for row in &records.applied {
        text += &format!("{} {} {} {}\n", row.number, row.checksum, row.state.word(), row.run);
    }
    for row in &records.repeated {
        text += &format!("{} {} {} {}\n", row.kind.word(), row.checksum, row.run, row.name);
    }
    checksum(&text)
}

/// What is selected from or deleted: the table, and which of its rows these are.
fn rows(session: &dyn Session) -> String {
    let word = quote::literal(session.engine(), WORD);
    format!("{} WHERE number < 0 AND state = {word}", session.history_table())
}

async fn insert(
    session: &mut dyn Session,
    name: &str,
    schema: &Fingerprint,
    [checksum, algorithm, dbm]: [&str; 3],
) -> Result<()> {
    let (engine, table) = (session.engine(), session.history_table().to_owned());
    let text = |value: &str| quote::literal(engine, value);
    let json = serde_json::to_string(schema).unwrap_or_default();
    let sql = format!(
        "INSERT INTO {table} (number, position, name, checksum, algorithm, rollback, state, applied_at, applied_by, \
         duration_ms, run, dbm) SELECT CASE WHEN min(number) < 0 THEN min(number) - 1 ELSE -1 END, 0, {0}, {1}, {2}, {3}, \
         {4}, '', '', 0, {0}, {5} FROM {table}",
        text(name),
        text(checksum),
        text(algorithm),
        text(&json),
        text(WORD),
        text(dbm),
    );
    session.own(&sql).await?;
    Ok(())
}
