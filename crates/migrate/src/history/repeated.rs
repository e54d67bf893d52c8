//! The rows of files that run again when their text changes. Their numbers are below zero, and nobody's business.

use backup::Result;
use database::{Session, quote};
use serde::{Deserialize, Serialize};

use super::table::is_there;
use crate::files::{Repeat, RepeatedFile};

/// A file without a number, as it was last run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeated {
    /// Which kind.
    pub kind: Repeat,
    /// Its name.
    pub name: String,
    /// Its module.
    pub module: Option<String>,
    /// The checksum of its text on that day.
    pub checksum: String,
    /// How the checksum was made.
    pub algorithm: String,
    /// Its text on that day, before its placeholders.
    #[serde(skip)]
    pub text: String,
    /// When, in RFC 3339, UTC.
    pub applied_at: String,
    /// By whom, as the client's account and host.
    pub applied_by: String,
    /// How long its statements took, in milliseconds.
    pub duration_ms: u64,
    /// The run that ran it.
    pub run: String,
    /// The version of dbm.
    pub dbm: String,
}

impl Repeated {
    /// Whether nothing numbered has run since.
    pub(crate) fn is_current(&self) -> bool {
        self.algorithm != OUTDATED
    }
}

/// Reads them, in the order of kinds and names; none where there is no history.
///
/// # Errors
/// The connection broke, or the table is not one of dbm's making.
pub async fn read_repeated(session: &mut dyn Session) -> Result<Vec<Repeated>> {
    if is_there(session).await? { rows(session).await } else { Ok(Vec::new()) }
}

/// The same of a table that is there.
pub(super) async fn rows(session: &mut dyn Session) -> Result<Vec<Repeated>> {
    let sql = format!(
        "SELECT state, name, module, checksum, algorithm, rollback, applied_at, applied_by, duration_ms, run, dbm \
           FROM {} WHERE number < 0 AND algorithm <> {} AND state <> 'schema'",
        session.history_table(),
        quote::literal(session.engine(), SUPERSEDED)
    );
    let mut rows: Vec<Repeated> = session
        .own(&sql)
        .await?
        .into_iter()
        .map(|values| row(values).ok_or_else(super::table::foreign))
        .collect::<Result<_>>()?;
    rows.sort_by(|one, other| (one.kind, &one.name).cmp(&(other.kind, &other.name)));
    Ok(rows)
}

fn row(values: Vec<Option<String>>) -> Option<Repeated> {
    let mut values = values.into_iter();
    let mut next = || values.next().flatten();
    Some(Repeated {
        kind: Repeat::of_word(&next()?)?,
        name: next()?,
        module: next(),
        checksum: next()?,
        algorithm: next()?,
        text: next()?,
        applied_at: next()?,
        applied_by: next()?,
        duration_ms: next()?.parse().ok()?,
        run: next()?,
        dbm: next()?,
    })
}

/// A text of a file without a number that was run once, and in whose place another has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superseded {
    /// Which kind of file.
    pub kind: Repeat,
    /// Its name.
    pub name: String,
    /// The checksum of the text.
    pub checksum: String,
}

/// Reads them from a history that is there.
pub(super) async fn superseded(session: &mut dyn Session) -> Result<Vec<Superseded>> {
    let sql = format!(
        "SELECT state, name, checksum FROM {} WHERE number < 0 AND algorithm = {}",
        session.history_table(),
        quote::literal(session.engine(), SUPERSEDED)
    );
    let read = |values: Vec<Option<String>>| {
        let mut values = values.into_iter().flatten();
        let kind = values.next().and_then(|word| Repeat::of_word(&word));
        let row = kind.zip(values.next()).zip(values.next());
        row.map(|((kind, name), checksum)| Superseded { kind, name, checksum })
            .ok_or_else(super::table::foreign)
    };
    session.own(&sql).await?.into_iter().map(read).collect()
}

/// Writes one row in the place of the one that the file had, whose text is remembered as superseded.
pub(crate) async fn put_repeated(session: &mut dyn Session, row: &Repeated) -> Result<()> {
    let engine = session.engine();
    let table = session.history_table().to_owned();
    let text = |value: &str| quote::literal(engine, value);
    let (name, kind) = (text(&row.name), text(row.kind.word()));
    let file = format!("number < 0 AND state = {kind} AND name = {name}");
    session.own(&format!("DELETE FROM {table} WHERE {file} AND checksum = {}", text(&row.checksum))).await?;
    let superseded = text(SUPERSEDED);
    session
        .own(&format!("UPDATE {table} SET algorithm = {superseded}, rollback = NULL WHERE {file}"))
        .await?;
    let module = row.module.as_deref().map_or_else(|| "NULL".to_owned(), text);
    let sql = format!(
        "INSERT INTO {table} (number, position, name, module, checksum, algorithm, rollback, state, applied_at, applied_by, \
         duration_ms, run, dbm) SELECT CASE WHEN min(number) < 0 THEN min(number) - 1 ELSE -1 END, 0, {name}, {module}, {}, \
         {}, {}, {kind}, {}, {}, {}, {}, {} FROM {table}",
        text(&row.checksum),
        text(&row.algorithm),
        text(&row.text),
        text(&row.applied_at),
        text(&row.applied_by),
        row.duration_ms,
        text(&row.run),
        text(&row.dbm),
    );
    session.own(&sql).await?;
    Ok(())
}

/// The rows whose files are gone.
pub(crate) fn gone<'r>(files: &[RepeatedFile], rows: &'r [Repeated]) -> impl Iterator<Item = &'r Repeated> {
    rows.iter().filter(|row| !files.iter().any(|file| row.kind == file.kind && row.name == file.name))
}

/// Removes one row.
pub(crate) async fn forget_repeated(session: &mut dyn Session, kind: Repeat, name: &str) -> Result<()> {
    let engine = session.engine();
    let (kind, name) = (quote::literal(engine, kind.word()), quote::literal(engine, name));
    let table = session.history_table().to_owned();
    session
        .own(&format!("DELETE FROM {table} WHERE number < 0 AND state = {kind} AND name = {name}"))
        .await?;
    Ok(())
}

/// The algorithm of a row whose file runs again whatever its text: something numbered has run since, which may have
/// dropped what it made.
const OUTDATED: &str = "outdated";

/// The algorithm of a row that is only there so that an older release knows its own text for an older one.
const SUPERSEDED: &str = "superseded";

/// Makes all that is made again due.
pub(crate) async fn outdate_repeatables(session: &mut dyn Session) -> Result<()> {
    let engine = session.engine();
    let (word, outdated) = (Repeat::Repeatable.word(), quote::literal(engine, OUTDATED));
    let sql = format!(
        "UPDATE {} SET algorithm = {outdated} WHERE number < 0 AND state = {} AND algorithm <> {}",
        session.history_table(),
        quote::literal(engine, word),
        quote::literal(engine, SUPERSEDED)
    );
    session.own(&sql).await?;
    Ok(())
}
