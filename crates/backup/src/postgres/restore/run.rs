//! Running one part of an archive on a connection: over the protocol only, and nothing but what a dump writes.

use std::pin::pin;
use std::time::Duration;

use crate::postgres::failed;
use crate::{Error, ErrorKind, Result};
use bytes::Bytes;
use database::Engine;
use database::postgres::Connection;
use database::script::{self, Statement};
use futures_util::{SinkExt, StreamExt, TryStreamExt, stream};
use tokio_postgres::ToStatement;
use tokio_postgres::error::SqlState;

use super::rows::{self, Block};

/// How many statements go to the server as one message, and so in one transaction: each holds locks until its end.
const STATEMENTS: usize = 100;

/// How many bytes of rows go into one message.
const CHUNK: usize = 1 << 18;

/// How many statements are prepared before their turn.
const AHEAD: usize = 16;

/// What every connection of a restore sets, so that text means what it meant to the dump, and
/// nothing of the database's own settings gets in the way.
pub(crate) const SETTINGS: &str = "\
SET standard_conforming_strings = on; SET check_function_bodies = off; SET xmloption = content; \
SET client_min_messages = warning; SET row_security = off; SET default_tablespace = ''; \
SET default_table_access_method = heap; SET default_transaction_read_only = off; \
SET default_transaction_isolation = 'read committed'; SET default_transaction_deferrable = off; \
SET search_path = ''; SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC'; \
SET lc_monetary = 'C'; SET extra_float_digits = 3; SET bytea_output = 'hex'; SET synchronous_commit = off; \
SET array_nulls = on; SET transform_null_equals = off; SET escape_string_warning = off; SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
SELECT pg_catalog.set_config('maintenance_work_mem', '262144', false) FROM pg_catalog.pg_settings \
WHERE name = 'maintenance_work_mem' AND setting::bigint < 262144";

/// How often statements that lost a deadlock are run.
const ATTEMPTS: u32 = 20;

/// What becomes of work that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transaction {
    /// It is a transaction of its own, and is run again where it lost a deadlock: foreign keys lock two tables.
    Own,
    /// It is within a transaction, which goes on with what was there before it.
    Within,
}

impl Transaction {
    /// Begins work of which the server keeps all or nothing.
    pub(crate) async fn begin(self, client: &Connection) -> Result<()> {
        let sql = match self {
            Self::Own => "BEGIN",
            Self::Within => "SAVEPOINT dbm_work",
        };
        client.batch_execute(sql).await.map_err(|error| failed(error, "cannot begin a transaction"))
    }

    /// Keeps the work if it was done, or else takes it back.
    pub(crate) async fn end(self, client: &Connection, done: Result<()>) -> Result<()> {
        let sql = match (self, &done) {
            (Self::Own, Ok(())) => "COMMIT",
            (Self::Own, Err(_)) => "ROLLBACK",
            (Self::Within, Ok(())) => "RELEASE SAVEPOINT dbm_work",
            (Self::Within, Err(_)) => "ROLLBACK TO SAVEPOINT dbm_work; RELEASE SAVEPOINT dbm_work",
        };
        let ended = client.batch_execute(sql).await;
        // What failed first says why.
        done.and(ended.map_err(|error| failed(error, "cannot commit what was restored")))
    }
}

/// The tries of work of which the server keeps all or nothing: where it does not find what a function of the database's
/// owner names without its namespace, there is a second one, with the database's own search path.
pub(crate) struct Tries<'a> {
    client: &'a Connection,
    path: &'a str,
    /// Why the first one failed.
    first: Option<Error>,
}

impl<'a> Tries<'a> {
    pub(crate) fn new(client: &'a Connection, path: &'a str) -> Self {
        Self { client, path, first: None }
    }

    /// Whether the work is done; if not, it is to be tried again.
    ///
    /// # Errors
    /// Why the work failed; the first time where neither path has the name.
    pub(crate) async fn are_over(&mut self, done: Result<()>) -> Result<bool> {
        match (self.first.take(), done) {
            (None, Err(error)) if is_not_found(&error) => {
                self.set(self.path).await?;
                self.first = Some(error);
                Ok(false)
            }
            (None, done) => done.map(|()| true),
            (Some(first), done) => {
                self.set("''").await?;
                done.map(|()| true).map_err(|second| if is_not_found(&second) { first } else { second })
            }
        }
    }

    async fn set(&self, path: &str) -> Result<()> {
        let set = self.client.batch_execute(&format!("SET search_path = {path}")).await;
        set.map_err(|error| failed(error, "cannot set the search path"))
    }
}

fn is_not_found(error: &Error) -> bool {
    error.sqlstate().is_some_and(|code| NOT_FOUND.contains(&code))
}

/// What the server says of a name that is nowhere on the search path: undefined_table, undefined_function,
/// undefined_object, invalid_schema_name (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
const NOT_FOUND: [&str; 4] = ["42P01", "42883", "42704", "3F000"];

/// Runs the statements of a part, in order, each message of them with [`Tries`].
///
/// # Errors
/// [`ErrorKind::Refused`] before anything of the part has run where it holds what no definition
/// is: `COPY`, a client's command, transaction control.
pub(crate) async fn statements(
    client: &Connection,
    text: &str,
    transaction: Transaction,
    path: &str,
) -> Result<()> {
    let statements = script::split(Engine::Postgres, text)?;
    statements.iter().try_for_each(check)?;
    for some in statements.chunks(STATEMENTS) {
        let mut tries = Tries::new(client, path);
        while !tries.are_over(message(client, some, transaction).await).await? {}
    }
    Ok(())
}

/// Runs statements as one message.
async fn message(client: &Connection, some: &[Statement<'_>], transaction: Transaction) -> Result<()> {
    if transaction == Transaction::Own {
        // The server makes one transaction of a message by itself.
        return send(client, some, ATTEMPTS).await;
    }
    transaction.begin(client).await?;
    let done = send(client, some, 1).await;
    transaction.end(client, done).await
}

/// What becomes of rows that their own foreign key refuses.
const ORPHANS: &str = "the archive's rows break that foreign key: they were written while it was switched off. Mend them at \
    the source and back up again; to get at the rows, restore the table without the one that it refers to: \
    --table TABLE --into NAME";

/// Runs statements as one message, again where it lost a deadlock: the server has rolled it back whole.
async fn send(client: &Connection, some: &[Statement<'_>], attempts: u32) -> Result<()> {
    let mut batch = String::new();
    let mut ends = Vec::with_capacity(some.len());
    for statement in some {
        batch.push_str(statement.text);
        ends.push(batch.chars().count());
        batch.push_str(";\n");
    }
    let mut attempt = 1;
    let error = loop {
        let Err(error) = client.batch_execute(&batch).await else { return Ok(()) };
        if error.code() != Some(&SqlState::T_R_DEADLOCK_DETECTED) || attempt == attempts {
            break error;
        }
        // Two that lost to each other do not come back at the same moment.
        let length = u64::try_from(batch.len() % 17).unwrap_or_default();
        tokio::time::sleep(Duration::from_millis(u64::from(attempt * 20) + length)).await;
        attempt += 1;
    };
    let orphans = error.code() == Some(&SqlState::FOREIGN_KEY_VIOLATION);
    let at = error.as_db_error().and_then(|error| match error.position() {
        Some(tokio_postgres::error::ErrorPosition::Original(position)) => usize::try_from(*position).ok(),
        _ => None,
    });
    let what = match at.and_then(|at| ends.iter().position(|&end| at <= end)) {
        Some(place) => format!("cannot run `{}`", beginning(some[place].text)),
        None if some.len() == 1 => format!("cannot run `{}`", beginning(some[0].text)),
        None => {
            format!("cannot run one of {} statements from `{}` on", some.len(), beginning(some[0].text))
        }
    };
    let error = failed(error, what);
    Err(if orphans { error.with_hint(ORPHANS) } else { error })
}

/// Refuses what is not a definition.
fn check(statement: &Statement<'_>) -> Result<()> {
    let text = statement.text.trim_start();
    let length = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let word = text[..length].to_ascii_uppercase();
    let refused = match word.as_str() {
        "COPY" => true,
        "BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT" | "SAVEPOINT" | "RELEASE" | "PREPARE" => {
            true
        }
        _ => text.starts_with('\\') || statement.copy_rows.is_some(),
    };
    if !refused {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Refused,
        format!("a part of definitions holds `{}`, which no definition is", beginning(text)),
    )
    .with_hint(
        "the archive was not written by dbm, or was changed and its hashes made anew; do not restore it",
    ))
}

/// The beginning of a statement, for a message.
fn beginning(text: &str) -> String {
    let text = without_options(text.trim_start());
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(160).collect();
    if text.chars().count() > 160 { format!("{line}…") } else { line }
}

/// What a statement of our own names, without its values: they may be a password, or a whole journal.
pub(super) fn without_values(statement: &str) -> String {
    let names = statement.trim_start().split('\'').next().unwrap_or_default();
    beginning(names.trim_end())
}

/// What names the object alone, of a statement whose options or connection may hold a password.
fn without_options(text: &str) -> &str {
    let words: Vec<String> = text.split_ascii_whitespace().take(3).map(str::to_ascii_uppercase).collect();
    let secret = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["CREATE" | "ALTER", second, third] => {
            matches!(second, "SUBSCRIPTION" | "SERVER")
                || matches!((second, third), ("USER", "MAPPING") | ("FOREIGN", _))
        }
        _ => false,
    };
    if !secret {
        return text;
    }
    // The name may be quoted, but no word of ours comes before its end that could be cut at too late.
    let upper = text.to_ascii_uppercase();
    let end = ["CONNECTION", "OPTIONS", "(", "'"].iter().filter_map(|word| upper.find(word)).min();
    text[..end.unwrap_or(text.len())].trim_end()
}

/// Whether rows are written as no transaction ever has to look at them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freeze {
    /// Into a table that this transaction has made or emptied.
    Yes,
    No,
}

/// Copies the rows of a part in; returns how many there were. Several blocks go in one transaction.
///
/// # Errors
/// [`ErrorKind::Refused`] for anything but whole blocks of rows; the server's own otherwise.
pub(crate) async fn rows(client: &Connection, part: Vec<u8>, freeze: Freeze) -> Result<u64> {
    let mut blocks = rows::blocks(&part)?;
    if freeze == Freeze::Yes {
        blocks.iter_mut().for_each(|block| block.statement = frozen(block));
    }
    let part = Bytes::from(part);
    if let [block] = blocks.as_slice() {
        return copy(client, &block.statement, part.slice(block.rows.clone())).await;
    }
    let mut copied = 0;
    // The next statements are prepared while the rows of one are on their way.
    let ask = async |block: &Block| {
        let asked = client.prepare(&block.statement).await;
        asked.map_err(|error| failed(error, format!("cannot prepare `{}`", beginning(&block.statement))))
    };
    let mut statements = pin!(stream::iter(&blocks).map(ask).buffered(AHEAD));
    for block in &blocks {
        let Some(statement) = statements.try_next().await? else {
            return Err(Error::new(ErrorKind::Internal, "a block of rows without its statement"));
        };
        copied += copy_with(client, &statement, &block.statement, part.slice(block.rows.clone())).await?;
    }
    Ok(copied)
}

/// The same within a transaction, for blocks of which one may have to be in before a check of another's is passed.
pub(crate) async fn rows_in_any_order(client: &Connection, part: Vec<u8>) -> Result<u64> {
    let mut left = rows::blocks(&part)?;
    let part = Bytes::from(part);
    let mut copied = 0;
    loop {
        let (tried, mut refused, mut first) = (left.len(), Vec::new(), None);
        for block in left {
            Transaction::Within.begin(client).await?;
            let done = copy(client, &block.statement, part.slice(block.rows.clone())).await;
            copied += done.as_ref().ok().copied().unwrap_or_default();
            match Transaction::Within.end(client, done.map(drop)).await {
                Ok(()) => {}
                Err(error) if may_look_elsewhere(&error) => {
                    refused.push(block);
                    first.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        match first {
            None => return Ok(copied),
            Some(error) if refused.len() == tried => return Err(error),
            Some(_) => left = refused,
        }
    }
}

/// Whether a check may have failed because the rows that it looks at are not in yet: what a check is (or a function that
/// raises its own exception, or wants a row), and two of them that waited for each other's table.
pub(super) fn may_look_elsewhere(error: &Error) -> bool {
    matches!(error.sqlstate(), Some("23514" | "P0001" | "P0002" | "40P01"))
}

/// The statement of a block for rows that are to be frozen.
fn frozen(block: &Block) -> String {
    match block.statement.strip_suffix(')') {
        Some(rest) if !block.head.options.is_empty() => format!("{rest}, FREEZE)"),
        _ => format!("{} WITH (FREEZE)", block.statement),
    }
}

/// Sends rows to a `COPY … FROM stdin`.
pub(crate) async fn copy(client: &Connection, statement: &str, rows: Bytes) -> Result<u64> {
    copy_with(client, statement, statement, rows).await
}

async fn copy_with<T: ?Sized + ToStatement>(
    client: &Connection,
    prepared: &T,
    statement: &str,
    mut rows: Bytes,
) -> Result<u64> {
    let failed = |error| failed(error, format!("cannot copy rows with `{}`", beginning(statement)));
    let sink = client.copy_in(prepared).await.map_err(failed)?;
    let mut sink = pin!(sink);
    while !rows.is_empty() {
        let chunk = rows.split_to(rows.len().min(CHUNK));
        sink.feed(chunk).await.map_err(failed)?;
    }
    sink.finish().await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_definitions_are_run() {
        for text in [
            "COPY t FROM PROGRAM 'x'",
            "copy t from stdin",
            "\\! touch x",
            "COMMIT",
            "end",
            "Abort and chain",
        ] {
            let statement = Statement { text, line: 1, offset: 0, copy_rows: None };
            assert_eq!(check(&statement).unwrap_err().kind(), ErrorKind::Refused, "{text}");
        }
        for text in
            ["CREATE TABLE copy ()", "SELECT pg_catalog.setval('s', 1)", "COPYING", "GRANT ALL ON t TO copy"]
        {
            let statement = Statement { text, line: 1, offset: 0, copy_rows: None };
            check(&statement).unwrap();
        }
    }

    #[test]
    fn a_block_knows_its_statement_for_frozen_rows() {
        for (statement, expected) in [
            ("COPY t (a) FROM stdin", "COPY t (a) FROM stdin WITH (FREEZE)"),
            (
                "COPY \"a)\" FROM stdin WITH (ENCODING 'LATIN1')",
                "COPY \"a)\" FROM stdin WITH (ENCODING 'LATIN1', FREEZE)",
            ),
        ] {
            let part = format!("{statement};\n1\n\\.\n");
            let block = rows::blocks(part.as_bytes()).unwrap().remove(0);
            assert_eq!(frozen(&block), expected);
        }
    }

    #[test]
    fn a_message_quotes_no_line_end() {
        assert_eq!(beginning("a\nb"), "a b");
        assert_eq!(beginning(&"x".repeat(200)).chars().count(), 161);
    }

    #[test]
    fn a_message_quotes_no_value() {
        for (text, said) in [
            (
                "ALTER DATABASE \"d\" SET \"a\".\"key\" TO 'secret'",
                "ALTER DATABASE \"d\" SET \"a\".\"key\" TO",
            ),
            (" SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS ALL IMMEDIATE"),
        ] {
            assert_eq!(without_values(text), said);
        }
    }

    #[test]
    fn a_message_quotes_no_password() {
        for (text, said) in [
            (
                "CREATE SUBSCRIPTION s CONNECTION 'host=h password=secret' PUBLICATION p",
                "CREATE SUBSCRIPTION s",
            ),
            (
                "\nCREATE SERVER s FOREIGN DATA WRAPPER f OPTIONS (k 'secret')",
                "CREATE SERVER s FOREIGN DATA WRAPPER f",
            ),
            (
                "CREATE USER MAPPING FOR u SERVER s OPTIONS (password 'secret')",
                "CREATE USER MAPPING FOR u SERVER s",
            ),
            ("alter server s options (add k 'secret')", "alter server s"),
            ("CREATE FOREIGN TABLE t (a int OPTIONS (k 'secret')) SERVER s", "CREATE FOREIGN TABLE t"),
            ("CREATE FOREIGN DATA WRAPPER f OPTIONS (k 'secret')", "CREATE FOREIGN DATA WRAPPER f"),
            ("CREATE TABLE t (a int)", "CREATE TABLE t (a int)"),
        ] {
            assert_eq!(beginning(text), said);
        }
    }
}
