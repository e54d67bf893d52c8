use backup::{ErrorKind, Result};
use database::{Session, quote};

use super::{Applied, Recorded, State};
use crate::engine::{self, HistoryTable};
use crate::files::ALGORITHM;

const COLUMNS: &str = "number, position, name, module, checksum, algorithm, rollback, state, applied_at, applied_by, \
                       duration_ms, run, dbm";

/// Reads the history, in the order of application; empty where there is no table. Creates nothing.
///
/// # Errors
/// The connection broke, or the table is not one of dbm's making.
pub async fn read(session: &mut dyn Session) -> Result<Vec<Applied>> {
    if is_there(session).await? { rows(session).await } else { Ok(Vec::new()) }
}

/// The same of a table that is there.
pub(super) async fn rows(session: &mut dyn Session) -> Result<Vec<Applied>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM {} WHERE number >= 0 ORDER BY position, number",
        session.history_table()
    );
    session.own(&sql).await?.into_iter().map(row).collect()
}

/// Whether the table is there.
pub(crate) async fn is_there(session: &mut dyn Session) -> Result<bool> {
    let exists = engine::history_exists(session.engine(), session.history_table());
    Ok(!session.own(&exists).await?.is_empty())
}

/// Removes the table, which the caller has just made.
pub(crate) async fn remove(session: &mut dyn Session) -> Result<()> {
    let sql = format!("DROP TABLE {}", session.history_table());
    Ok(session.execute(&sql).await?)
}

fn row(row: Vec<Option<String>>) -> Result<Applied> {
    let mut values = row.into_iter();
    let mut next = || values.next().flatten();
    let number = |text: Option<String>| text.and_then(|text| text.parse().ok());
    let read = || {
        Some(Applied {
            number: number(next())?,
            position: number(next())?,
            name: next()?,
            module: next(),
            checksum: next()?,
            algorithm: next()?,
            rollback: next(),
            state: match next()?.as_str() {
                "applied" => State::Applied,
                "satisfied" => State::Satisfied,
                _ => return None,
            },
            applied_at: next()?,
            applied_by: next()?,
            duration_ms: number(next())?,
            run: next()?,
            dbm: next()?,
        })
    };
    let mut read = read;
    read().ok_or_else(foreign)
}

/// For a row that says what dbm does not write.
pub(super) fn foreign() -> backup::Error {
    backup::Error::new(ErrorKind::Refused, "the table dbm_history has a row that dbm did not write")
        .with_hint("look at it; it is the record of what is applied, so mend the row rather than remove it")
}

/// Makes the table where it is missing; inside the transaction of the first group that writes into it.
///
/// # Errors
/// The account may not create tables there.
pub async fn create(session: &mut dyn Session) -> Result<()> {
    let table = session.history_table();
    let HistoryTable { text, options } = engine::history_table(session.engine());
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS {table} (\n  number bigint NOT NULL PRIMARY KEY,\n  position bigint NOT NULL,\n  \
         name {text} NOT NULL,\n  module {text},\n  checksum {text} NOT NULL,\n  algorithm {text} NOT NULL,\n  \
         rollback {text},\n  state {text} NOT NULL,\n  applied_at {text} NOT NULL,\n  applied_by {text} NOT NULL,\n  \
         duration_ms bigint NOT NULL,\n  run {text} NOT NULL,\n  dbm {text} NOT NULL\n){options}"
    );
    let exists = engine::history_exists(session.engine(), table);
    if session.own(&exists).await?.is_empty() {
        session.execute(&sql).await?;
        if let Some(sql) = engine::history_for_owner(session.engine()) {
            session.own(sql).await?;
        }
    }
    // In the transaction that made it or found it: nobody can have changed it since.
    Ok(session.check_own_tables().await?)
}

/// Writes rows of a run that holds the lock. Their positions are the next ones.
///
/// # Errors
/// A number is there already, or the connection broke.
pub async fn insert(session: &mut dyn Session, rows: &[Applied]) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let engine = session.engine();
    let table = session.history_table().to_owned();
    let last = session.own(&format!("SELECT coalesce(max(position), 0) FROM {table}")).await?;
    let last: u64 =
        last.into_iter().flatten().flatten().next().and_then(|last| last.parse().ok()).unwrap_or(0);
    let text = |value: &str| quote::literal(engine, value);
    let optional = |value: &Option<String>| value.as_deref().map_or_else(|| "NULL".to_owned(), text);
    let rows: Vec<String> = rows
        .iter()
        .zip(last + 1..)
        .map(|(row, position)| {
            let Applied { number, duration_ms, .. } = row;
            let [name, checksum, algorithm] = [&row.name, &row.checksum, &row.algorithm].map(|value| text(value));
            let [at, by, run, dbm] = [&row.applied_at, &row.applied_by, &row.run, &row.dbm].map(|value| text(value));
            let [module, rollback] = [&row.module, &row.rollback].map(optional);
            let state = text(row.state.word());
            format!(
                "({number}, {position}, {name}, {module}, {checksum}, {algorithm}, {rollback}, {state}, {at}, {by}, \
                 {duration_ms}, {run}, {dbm})"
            )
        })
        .collect();
    session.own(&format!("INSERT INTO {table} ({COLUMNS}) VALUES {}", rows.join(", "))).await?;
    Ok(())
}

/// Removes the rows of these numbers.
///
/// # Errors
/// The connection broke.
pub async fn delete(session: &mut dyn Session, numbers: &[u64]) -> Result<()> {
    if numbers.is_empty() {
        return Ok(());
    }
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    let sql = format!("DELETE FROM {} WHERE number IN ({})", session.history_table(), numbers.join(", "));
    session.own(&sql).await?;
    Ok(())
}

/// Gives a row number, name, module, checksum and rollback of a file.
///
/// # Errors
/// The new number is there already, or the connection broke.
pub(crate) async fn accept(session: &mut dyn Session, from: u64, file: &Recorded) -> Result<()> {
    let engine = session.engine();
    let text = |value: &str| quote::literal(engine, value);
    let optional = |value: &Option<String>| value.as_deref().map_or_else(|| "NULL".to_owned(), text);
    let sql = format!(
        "UPDATE {} SET number = {}, name = {}, module = {}, checksum = {}, algorithm = {}, rollback = {} WHERE number = {from}",
        session.history_table(),
        file.number,
        text(&file.name),
        optional(&file.module),
        text(&file.checksum),
        text(ALGORITHM),
        optional(&file.rollback),
    );
    session.own(&sql).await?;
    Ok(())
}
