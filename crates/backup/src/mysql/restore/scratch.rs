//! A new database beside the target: made, filled, proven; or gone again.

use chrono::Utc;
use database::mysql::{Connection, Server, catalog};
use database::{Engine, quote};

use super::definers::Definers;
use super::load::{Load, worker};
use super::{order, pieces, prove, read_back};
use crate::archive::Archive;
use crate::mysql::dump::Properties;
use crate::mysql::history;
use crate::progress::Progress;
use crate::restore::names::{self, Made};
use crate::restore::{Remade, RestoreOptions};
use crate::{Error, ErrorKind, Result};

/// How many bytes a name may have; it is characters that the server counts.
pub(super) const NAME_BYTES: usize = 64;

/// Makes a database of that name, loads the archive, proves it; it is to be `named` in the end. Returns what was made anew
/// and is not what it was. On any error, and on cancel, it is gone again.
///
/// # Errors
/// What failed; it names the database if even removing it failed.
pub(super) async fn build(
    archive: &Archive,
    server: &Server,
    name: &str,
    named: &str,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Vec<Remade>> {
    let mut keeper = server.connect_nowhere().await?;
    if exists(&mut keeper, name).await? {
        return Err(taken(name));
    }
    let result = tokio::select! {
        result = fill(archive, server, &mut keeper, name, named, options, progress) => result,
        () = options.cancel.cancelled() => Err(Error::new(ErrorKind::Cancelled, "the restore was stopped on request")),
    };
    let error = match result {
        Ok(remade) => {
            keeper.close().await;
            return Ok(remade);
        }
        Err(error) => error,
    };
    match drop_database(server, name).await {
        Ok(()) => Err(error),
        Err(second) => Err(Error::new(
            error.kind(),
            format!("{error}; and the unfinished database `{name}` could not be removed: {second}"),
        )
        .with_hint(format!("remove it by hand: DROP DATABASE {}", quote::identifier(Engine::Mysql, name)))
        .with_source(error)),
    }
}

async fn fill(
    archive: &Archive,
    server: &Server,
    keeper: &mut Connection,
    name: &str,
    named: &str,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Vec<Remade>> {
    let (index, extras) = (archive.index(), super::extras(archive)?);
    let properties = super::properties(archive)?;
    let create = create_sql(name, &properties, keeper);
    keeper.batch(&create, &format!("cannot make the database `{name}`")).await?;
    let mut workers = Vec::new();
    for _ in 0..options.jobs.max(1) {
        workers.push(worker(server, name, extras.history).await?);
    }
    let definers = Definers::of(options);
    let load = Load { archive, progress, definers: Some(definers) };
    let order = order::order(&index.parts);
    Box::pin(load.all(&mut workers, &order)).await?;
    progress.phase("proof", None);
    let mut reader = server.connect(Some(name)).await?;
    let mut schema = catalog::read(&mut reader, name).await?;
    if extras.no_history {
        history::leave_out(&mut schema)?;
    }
    let same_server = super::same_version(archive, &reader);
    let lower_case = reader.lower_case();
    reader.close().await;
    prove::objects(&schema, index)?;
    let old = &archive.head().database;
    if let Some(id) =
        pieces::naming(&pieces::of(&schema), old, lower_case).filter(|_| !same_name(old, named, lower_case))
    {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("the text of {id} names the database `{old}`, so in `{named}` it would act on that one"),
        )
        .with_hint("restore under the same name, or write that object without the name"));
    }
    if same_server && !index.partial && definers.keeps() {
        prove::definitions(&schema, &load, &order).await?;
    }
    let remade = Box::pin(read_back::all(&mut workers, &schema, archive)).await?;
    if options.analyze {
        progress.phase("statistics", None);
        let names: Vec<String> =
            schema.tables_with_rows().map(|(id, _)| quote::identifier(Engine::Mysql, &id.name)).collect();
        if let (Some(first), false) = (workers.first_mut(), names.is_empty()) {
            let sql = format!("ANALYZE NO_WRITE_TO_BINLOG TABLE {}", names.join(", "));
            first.batch(&sql, "cannot collect statistics").await?;
        }
    }
    for worker in workers {
        worker.close().await;
    }
    progress.done();
    Ok(remade)
}

fn same_name(one: &str, other: &str, lower_case: bool) -> bool {
    one == other || lower_case && one.to_lowercase() == other.to_lowercase()
}

/// The statement that makes a database with its own properties.
pub(super) fn create_sql(name: &str, properties: &Properties, connection: &Connection) -> String {
    let mut sql = format!("CREATE DATABASE {}", quote::identifier(Engine::Mysql, name));
    sql.push_str(&properties_sql(properties, connection.flavour()));
    sql
}

/// What follows `CREATE DATABASE …` or `ALTER DATABASE …`.
pub(super) fn properties_sql(properties: &Properties, flavour: database::mysql::Flavour) -> String {
    let literal = |text: &str| quote::literal(Engine::Mysql, text);
    let mut sql =
        format!(" CHARACTER SET {} COLLATE {}", literal(&properties.charset), literal(&properties.collation));
    if flavour == database::mysql::Flavour::MariaDb {
        sql.push_str(&format!(" COMMENT {}", literal(&properties.comment)));
    } else if let Some(encrypted) = properties.encrypted {
        // By it the server prints which tables are not as the others.
        sql.push_str(&format!(" /*!80016 ENCRYPTION {} */", literal(if encrypted { "Y" } else { "N" })));
    }
    sql
}

pub(super) fn taken(name: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("there is a database `{name}` already"))
        .with_hint("choose another name; dbm never restores over a database by that way")
}

/// Whether there is a database of that name.
pub(super) async fn exists(connection: &mut Connection, name: &str) -> Result<bool> {
    let sql = format!(
        "SELECT 1 FROM information_schema.schemata WHERE schema_name = {}",
        quote::literal(Engine::Mysql, name)
    );
    Ok(connection.value(&sql, "cannot look a database up").await?.is_some())
}

/// A name that is free now.
pub(super) async fn free_name(server: &Server, target: &str, what: Made) -> Result<String> {
    let mut connection = server.connect_nowhere().await?;
    let now = Utc::now();
    for attempt in names::attempts(what) {
        let name = names::made(target, what, now, attempt, NAME_BYTES);
        let name = if connection.lower_case() { name.to_lowercase() } else { name };
        if !exists(&mut connection, &name).await? {
            connection.close().await;
            return Ok(name);
        }
    }
    Err(Error::new(ErrorKind::Refused, format!("every name for a database beside `{target}` is taken")))
}

/// The databases that were made of `target`, with when.
pub(super) async fn made_of(
    server: &Server,
    target: &str,
    what: Made,
) -> Result<Vec<(String, chrono::DateTime<Utc>)>> {
    let mut connection = server.connect_nowhere().await?;
    let sql = "SELECT schema_name FROM information_schema.schemata ORDER BY schema_name";
    let rows = connection.query(sql, "cannot list the databases").await?;
    connection.close().await;
    let named = rows.into_iter().flatten().flatten();
    Ok(named
        .filter_map(|name| Some((names::made_at(&name, target, what, NAME_BYTES)?, name)))
        .map(|(when, name)| (name, when))
        .collect())
}

/// Removes a database; without one it does nothing.
pub(super) async fn drop_database(server: &Server, name: &str) -> Result<()> {
    let mut connection = server.connect_nowhere().await?;
    let sql = format!(
        "SET SESSION lock_wait_timeout = 60; DROP DATABASE IF EXISTS {}",
        quote::identifier(Engine::Mysql, name)
    );
    connection.batch(&sql, &format!("cannot remove the database `{name}`")).await?;
    connection.close().await;
    Ok(())
}
