//! Restoring an archive into MySQL or MariaDB.

mod beside;
mod definers;
mod encryption;
mod folders;
mod foreign;
mod globals;
mod keys;
mod lenient;
mod load;
mod local;
mod order;
mod pieces;
mod preflight;
mod prove;
mod read_back;
mod rights;
mod run;
mod scratch;
mod swap;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use database::mysql::{Connection, Server};
use database::{Engine, quote};
use serde::de::DeserializeOwned;

use super::dump::{Extras, Properties};
use super::privileges;
use crate::archive::Archive;
use crate::progress::Progress;
use crate::restore::names::{self, Made};
use crate::restore::{Remade, Replaced, RestoreOptions};
use crate::{Error, ErrorKind, Result};

pub(crate) use beside::{Beside, beside};
pub(crate) use preflight::{Goes, preflight};
pub(crate) use swap::settle;
pub(crate) use table::{among, one_or_all, table};

/// Restores into a new database, which has its name only once the restored rows are proven; returns what was made anew and is
/// not what it was.
pub(crate) async fn into(
    archive: &Archive,
    server: &Server,
    name: &str,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Vec<Remade>> {
    if name.is_empty() || name.chars().count() > scratch::NAME_BYTES {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("`{name}` is not a name for a database: it has to have 1 to 64 characters"),
        ));
    }
    let mut connection = server.connect_nowhere().await?;
    let name = &if connection.lower_case() { name.to_lowercase() } else { name.to_owned() };
    // A killed restore into that name is finished first.
    swap::settle(&swap::at(server, name)).await?;
    if scratch::exists(&mut connection, name).await? {
        return Err(scratch::taken(name));
    }
    connection.close().await;
    let made = scratch_name(server, name).await?;
    let work = into_free(archive, server, (&made, name), options, progress);
    let (remade, grants) = Box::pin(globals::around(archive, server, (options, progress), work)).await?;
    globals::give(server, &grants, progress).await?;
    Ok(remade)
}

async fn into_free(
    archive: &Archive,
    server: &Server,
    (made, name): (&str, &str),
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Vec<Remade>> {
    let remade = new(archive, server, Goes::IntoNew, (made, name), options, progress).await?;
    let (last, properties) = beside::ending(archive, options, progress).await?;
    let named = Box::pin(swap::take_name(server, made, name, last, properties)).await;
    if let Err(error) = &named
        && error.kind() != ErrorKind::Connection
    {
        scratch::drop_database(server, made).await?;
    }
    named.map(|()| remade)
}

/// Restores into a database of a name that nobody takes for a whole one.
pub(crate) async fn into_scratch(
    archive: &Archive,
    server: &Server,
    name: &str,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Vec<Remade>> {
    new(archive, server, Goes::Aside, (name, &archive.head().database), options, progress).await
}

async fn new(
    archive: &Archive,
    server: &Server,
    goes: Goes,
    (scratch, named): (&str, &str),
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Vec<Remade>> {
    made_here(scratch)?;
    preflight(archive, server, goes, options).await?.check()?;
    Box::pin(scratch::build(archive, server, scratch, named, options, progress)).await
}

/// Each account in whose name an object of the archive acts, with the one that is to take its place.
pub(crate) fn acts_as(archive: &Archive, account: &str) -> Result<BTreeMap<String, String>> {
    Ok(extras(archive)?.definers.into_iter().map(|definer| (definer, account.to_owned())).collect())
}

/// Who could run which routine when the archive was made, and cannot now.
pub(crate) async fn not_granted(archive: &Archive, server: &Server) -> Result<Vec<String>> {
    let then = extras(archive)?.on_routines;
    if then.is_empty() {
        return Ok(Vec::new());
    }
    let mut connection = server.connect_nowhere().await?;
    let now = privileges::of_routines(&mut connection, server.database()).await?;
    connection.close().await;
    Ok(privileges::missing(&then, &now))
}

/// A free name for a scratch database.
pub(crate) async fn scratch_name(server: &Server, target: &str) -> Result<String> {
    scratch::free_name(server, target, Made::Scratch).await
}

/// What was replaced of the server's database, oldest first.
pub(crate) async fn replaced(server: &Server) -> Result<Vec<Replaced>> {
    let made = scratch::made_of(server, server.database(), Made::Replaced).await?;
    let mut connection = server.connect_nowhere().await?;
    let mut replaced = Vec::new();
    for (name, when) in made {
        let sql = format!(
            "SELECT CAST(SUM(data_length + index_length) AS UNSIGNED) FROM information_schema.tables
              WHERE table_schema = {}",
            quote::literal(Engine::Mysql, &name)
        );
        let bytes = connection.value(&sql, "cannot ask for a database's size").await?;
        replaced.push(Replaced {
            name,
            when,
            bytes: bytes.and_then(|bytes| bytes.parse().ok()),
            not_granted: Vec::new(),
            unguarded: None,
        });
    }
    connection.close().await;
    // Where a name was cut, only the attempt at its end tells the order within a second.
    let attempt = |name: &str| names::stamp(name, Made::Replaced).map(|(_, attempt)| attempt);
    replaced.sort_by_key(|one| (one.when, attempt(&one.name)));
    Ok(replaced)
}

/// Drops a database that was replaced.
pub(crate) async fn let_go(server: &Server, name: &str) -> Result<()> {
    if !replaced(server).await?.iter().any(|replaced| replaced.name == name) {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("`{name}` is not one that a restore of `{}` replaced", server.database()),
        )
        .with_hint("`dbm replaced` lists them"));
    }
    let others = swap::at(server, name).others_staying().await?;
    if let Some(one) = others.first() {
        return Err(Error::new(
            ErrorKind::Busy,
            format!("`{name}` is in use by {} from {}", one.account, one.address),
        )
        .with_hint("end that session first: whoever reads it still wants it"));
    }
    scratch::drop_database(server, name).await
}

/// Scratch databases beside the server's database that nobody is in.
pub(crate) async fn leftovers(server: &Server) -> Result<Vec<String>> {
    let mut left = Vec::new();
    for (name, _) in scratch::made_of(server, server.database(), Made::Scratch).await? {
        if swap::at(server, &name).others().await?.is_empty() {
            left.push(name);
        }
    }
    Ok(left)
}

/// Drops a scratch database.
pub(crate) async fn discard_scratch(server: &Server, name: &str) -> Result<()> {
    made_here(name)?;
    // What a killed restore has left to the server would make it again, or fill it.
    swap::at(server, name).end_others().await?;
    scratch::drop_database(server, name).await
}

fn made_here(name: &str) -> Result<()> {
    if names::stamp(name, Made::Scratch).is_some() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Refused,
        format!("`{name}` is not the name of a database that a restore made to be thrown away"),
    ))
}

/// The engine's own page of the index.
fn extras(archive: &Archive) -> Result<Extras> {
    page(&archive.index().extras, "of the server")
}

/// What the archive says of the database itself.
fn properties(archive: &Archive) -> Result<Properties> {
    page(&archive.index().properties, "of the database's properties")
}

fn page<T: DeserializeOwned>(value: &serde_json::Value, what: &str) -> Result<T> {
    serde_json::from_value(value.clone()).map_err(|cause| {
        Error::new(
            ErrorKind::Refused,
            format!("the archive's index says what this dbm does not understand {what}"),
        )
        .with_source(cause)
    })
}

/// Whether the archive is of a server that prints definitions as this one does.
fn same_version(archive: &Archive, connection: &Connection) -> bool {
    let version = connection.server_version();
    version.strip_prefix("5.5.5-").unwrap_or(version).starts_with(&archive.head().server_version)
}
