//! What of a run differs by engine: the one place here that asks which it is.

mod mysql;
mod postgres;
mod sqlite;

use backup::archive::Archive;
use backup::progress::Progress;
use backup::restore::RestoreOptions;
use backup::{Error, Result};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use database::{Database, Engine, Kind, Schema, Session};

pub(crate) use mysql::without_starts;

use crate::files::Unless;
use crate::generate;
use crate::lint::{self, Linter};
use crate::scratch::{self, Made};

/// SQL that returns a row if the history's table exists.
pub(crate) fn history_exists(engine: Engine, table: &str) -> String {
    match engine {
        Engine::Mysql => mysql::history_exists(table),
        Engine::Sqlite => sqlite::history_exists(table),
        _ => postgres::history_exists(table),
    }
}

/// The kinds of the history's columns, and what follows the table's definition.
pub(crate) struct HistoryTable {
    /// What holds text of any length.
    pub(crate) text: &'static str,
    /// The table's own options.
    pub(crate) options: &'static str,
}

/// How the history's table is made.
pub(crate) fn history_table(engine: Engine) -> HistoryTable {
    match engine {
        Engine::Mysql => mysql::HISTORY_TABLE,
        _ => HistoryTable { text: "text", options: "" },
    }
}

/// What lets the database's owner go on where an administrator made the history.
pub(crate) fn history_for_owner(engine: Engine) -> Option<&'static str> {
    (engine == Engine::Postgres).then_some(postgres::HISTORY_FOR_OWNER)
}

/// Why no file of this engine shares a transaction, or is one.
pub(crate) fn no_transactions(engine: Engine) -> Option<&'static str> {
    (engine == Engine::Mysql).then_some("the server commits at every DDL statement")
}

/// Whether a statement only says how its own session goes on.
pub(crate) fn is_of_session_only(engine: Engine, statement: &str) -> bool {
    engine == Engine::Mysql && mysql::is_of_session_only(statement)
}

/// Whether a statement outside a transaction that failed so has surely changed nothing.
pub(crate) fn changed_nothing(engine: Engine, statement: &str, error: &Error) -> bool {
    engine == Engine::Mysql && mysql::changed_nothing(statement, error)
}

/// Whether a statement failed because what it makes is there: SQLSTATEs of
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>, numbers of
/// <https://dev.mysql.com/doc/mysql-errors/9.5/en/server-error-reference.html>; SQLite has but words.
pub(crate) fn is_there_already(engine: Engine, error: &Error) -> bool {
    let message = error.to_string();
    match engine {
        Engine::Postgres => {
            matches!(error.sqlstate(), Some("42P06" | "42P07" | "42701" | "42710" | "42723"))
        }
        // A table or view, a column, an index, a routine, a trigger, an event, a foreign key.
        Engine::Mysql => [1050, 1060, 1061, 1304, 1359, 1537, 1826]
            .iter()
            .any(|number| message.ends_with(&format!("(error {number})"))),
        _ => message.contains("already exists") || message.contains("duplicate column name"),
    }
}

/// Whether a statement failed for want of a right that an account of one database cannot have.
pub(crate) fn takes_server_right(engine: Engine, message: &str) -> bool {
    engine == Engine::Mysql && mysql::takes_server_right(message)
}

/// What of a database reaches beyond it without being named in a statement.
pub(crate) async fn reaching(session: &mut dyn Session) -> Result<Vec<String>> {
    let sql = match session.engine() {
        Engine::Mysql => mysql::REACHING,
        Engine::Sqlite => return Ok(Vec::new()),
        _ => postgres::REACHING,
    };
    Ok(session.own(sql).await?.into_iter().flatten().flatten().collect())
}

/// A word in a file's text, bodies of functions among it, by which it could reach beyond the database that it runs in without
/// naming another one. Where it is only talked of, it is found too.
pub(crate) fn reaching_word(engine: Engine, text: &str) -> Option<&'static str> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase();
    let words = match engine {
        Engine::Mysql => mysql::REACHING_WORDS,
        Engine::Sqlite => return None,
        _ => postgres::REACHING_WORDS,
    };
    words.iter().copied().find(|word| text.contains(word))
}

/// Whether what `unless` names is there.
pub(crate) async fn is_there(session: &mut dyn Session, unless: &Unless) -> Result<bool> {
    match session.engine() {
        Engine::Mysql => mysql::is_there(session, unless).await,
        Engine::Sqlite => sqlite::is_there(session, unless).await,
        _ => postgres::is_there(session, unless).await,
    }
}

/// The keyword that leaves out the rows of inheriting tables.
pub(crate) fn only(engine: Engine, kind: Kind) -> &'static str {
    if engine == Engine::Postgres && kind == Kind::Table { "ONLY " } else { "" }
}

/// Whether a fence stays up when the process that raised it dies.
pub(crate) fn fence_outlives_process(engine: Engine) -> bool {
    engine != Engine::Sqlite
}

/// Whether a restored database takes its place and publishes the journal in one step, or in steps that are finished
/// before the journal is read, so that an open journal says that there was no exchange.
pub(crate) fn swap_is_one_step(engine: Engine) -> bool {
    engine != Engine::Sqlite
}

/// Whether a fence stands on after the exchange, and is lifted only then. Elsewhere it goes with the database that is
/// replaced, or with the process.
pub(crate) fn fence_outlives_exchange(engine: Engine) -> bool {
    engine == Engine::Mysql
}

/// Whether a database that is replaced takes its journal along, so that it is there again under the old name.
pub(crate) fn replaced_keeps_journal(engine: Engine) -> bool {
    engine == Engine::Postgres
}

/// Whether a database is a file of its own, and not one of several of a server.
pub(crate) fn is_file(engine: Engine) -> bool {
    engine == Engine::Sqlite
}

/// Whether the exchange ends the sessions of the database that was there.
pub(crate) fn swap_ends_sessions(engine: Engine) -> bool {
    engine == Engine::Postgres
}

/// The rules by which `check` finds dangerous statements.
pub(crate) fn linter(engine: Engine) -> Linter {
    match engine {
        Engine::Mysql => Linter { names: lint::mysql::NAMES.to_vec(), judge: lint::mysql::judge },
        Engine::Sqlite => Linter { names: lint::sqlite::NAMES.to_vec(), judge: lint::sqlite::judge },
        _ => Linter { names: lint::postgres::names(), judge: lint::postgres::judge },
    }
}

/// How its objects are changed.
pub(crate) fn dialect(engine: Engine) -> &'static dyn generate::Dialect {
    match engine {
        Engine::Mysql => &generate::Mysql,
        Engine::Sqlite => &generate::Sqlite,
        _ => &generate::Postgres,
    }
}

/// A definition in the form in which two are compared.
pub(crate) fn canonical(engine: Engine, definition: &str) -> String {
    match engine {
        Engine::Mysql => mysql::canonical(definition),
        Engine::Sqlite => sqlite::canonical(definition),
        _ => definition.to_owned(),
    }
}

/// Whether two definitions differ only in the quotes around names and texts, which the engine changes by itself.
pub(crate) fn is_same_in_other_quotes(engine: Engine, one: &str, other: &str) -> bool {
    engine == Engine::Sqlite && sqlite::is_same_in_other_quotes(one, other)
}

/// Takes out of definitions what only says when a statement ran, where the server writes that into them.
pub(crate) async fn forget_moments(database: &Database, schema: &mut Schema) -> Result<()> {
    match database {
        Database::Mysql(_) => mysql::forget_moments(database, schema).await,
        _ => Ok(()),
    }
}

/// The schema of a database, without what only says when a statement ran.
pub(crate) async fn schema(database: &Database) -> Result<Schema> {
    let mut schema = database.schema().await?;
    forget_moments(database, &mut schema).await?;
    Ok(schema)
}

/// Whether a definition that was made from what the server shows is shown by it in other words.
pub(crate) fn rewords(engine: Engine) -> bool {
    engine == Engine::Postgres
}

/// Whether two definitions differ only in words that such a server chooses.
pub(crate) fn is_same_reworded(engine: Engine, one: &str, other: &str) -> bool {
    rewords(engine) && postgres::without_casts(one) == postgres::without_casts(other)
}

/// A statement without whose it is, as people read it.
pub(crate) fn without_definer(engine: Engine, statement: &str) -> Cow<'_, str> {
    match engine {
        Engine::Mysql => database::mysql::catalog::without_definer(statement),
        _ => statement.into(),
    }
}

/// Makes an empty database beside another one, or in a folder.
pub(crate) async fn make_scratch(on: &Database, name: String, folder: &Path) -> Result<(Database, Made)> {
    match on {
        Database::Postgres(server) => scratch::postgres::make(server, on, name).await,
        Database::Mysql(server) => scratch::mysql::make(server, on, name).await,
        Database::Sqlite(file) => scratch::sqlite::make(file, folder),
    }
}

/// Makes a copy of an archive's database beside another one, or in a folder.
pub(crate) async fn restore_scratch(
    on: &Database,
    name: String,
    archive: &Archive,
    folder: &Path,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<(Database, Made)> {
    match on {
        Database::Postgres(_) => scratch::postgres::restore(on, name, archive, options, progress).await,
        Database::Mysql(server) => {
            scratch::mysql::restore(server, on, name, archive, options, progress).await
        }
        Database::Sqlite(file) => scratch::sqlite::restore(file, folder, archive, options, progress).await,
    }
}

/// Removes the account that was made for a scratch database, where there are such.
pub(crate) async fn discard_scratch_account(on: &Database, name: &str) -> Result<()> {
    match on {
        Database::Mysql(server) => scratch::mysql::discard_account(server, name).await,
        _ => Ok(()),
    }
}

/// Whether a scratch database belongs to an account of its own, which goes with it.
pub(crate) fn scratch_has_account(engine: Engine) -> bool {
    engine == Engine::Mysql
}

/// Whether the database itself has properties besides what is in it, which statements in it do not make.
pub(crate) fn has_properties(engine: Engine) -> bool {
    engine != Engine::Sqlite
}

/// Whether what is made belongs to the account that makes it.
pub(crate) fn has_owners(engine: Engine) -> bool {
    engine == Engine::Postgres
}

/// Gives an empty database what of another one belongs to itself and to nothing in it, as far as no archive's properties do,
/// can only be given to an empty one, and is not asked for by the texts that are to be run in it.
pub(crate) async fn begin_like(other: &Database, new: &Database, texts: &[&str]) -> Result<()> {
    match other.engine() {
        Engine::Sqlite => {
            sqlite::begin_like(&mut *other.session().await?, &mut *new.session().await?, texts).await
        }
        _ => Ok(()),
    }
}

/// Gives it the rest of that, once the texts have been run.
pub(crate) async fn be_like(other: &Database, new: &Database, texts: &[&str]) -> Result<()> {
    match other.engine() {
        Engine::Sqlite => {
            sqlite::be_like(&mut *other.session().await?, &mut *new.session().await?, texts).await
        }
        _ => Ok(()),
    }
}

/// Whether nobody has any business in a database yet, so that a fence, which takes no right there, is in nobody's way.
pub(crate) async fn is_unused(session: &mut dyn Session) -> Result<bool> {
    match session.engine() {
        Engine::Sqlite => sqlite::is_unused(session).await,
        _ => Ok(false),
    }
}

/// What of a database is set by statements in it and is no object, as statements that set it.
pub(crate) async fn settings(session: &mut dyn Session) -> Result<Vec<String>> {
    match session.engine() {
        Engine::Sqlite => sqlite::settings(session).await,
        _ => Ok(Vec::new()),
    }
}

/// Where a name without a namespace is looked for first, where there are namespaces.
pub(crate) async fn home_namespace(session: &mut dyn Session) -> Result<Option<String>> {
    if session.engine() != Engine::Postgres {
        return Ok(None);
    }
    // As its users have it, and not as dbm reads.
    let rows = session.query("SELECT pg_catalog.current_schema()").await?;
    Ok(rows.into_iter().flatten().flatten().next())
}

/// Tables, each with the numbers of the places where its rows are stored.
pub(crate) type Storages = BTreeMap<String, BTreeSet<String>>;

/// Whether another session sees at once what a statement has done.
pub(crate) fn commits_every_statement(engine: Engine) -> bool {
    engine == Engine::Mysql
}

/// Where tables are stored; none where the server does not tell this account.
pub(crate) async fn storages(session: &mut dyn Session) -> Result<Option<Storages>> {
    match session.engine() {
        Engine::Mysql => mysql::storages(session).await,
        _ => Ok(None),
    }
}

/// How a server says which locks a session has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockList {
    /// Always, on tables and indexes.
    OfRelations,
    /// On tables, where that is switched on.
    OfMetadata,
    /// Not at all.
    None,
}

/// How the server says which locks a session has.
pub(crate) fn lists_locks(engine: Engine) -> LockList {
    match engine {
        Engine::Mysql => LockList::OfMetadata,
        Engine::Sqlite => LockList::None,
        _ => LockList::OfRelations,
    }
}
