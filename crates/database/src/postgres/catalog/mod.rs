//! Reading all objects of a database from its catalogs.
//!
//! One file for each kind of object, with its query beside it; each kind takes one query, however many
//! objects there are. What no file knows, `unknown` finds and names.

mod access_methods;
mod aggregates;
mod base_types;
mod casts;
mod changed;
mod collations;
mod columns;
mod comments;
mod constraints;
mod conversions;
mod depends;
mod domains;
mod event_triggers;
mod extensions;
mod foreign;
mod functions;
mod heirs;
mod indexes;
mod labels;
mod languages;
mod large_objects;
mod namespaces;
mod operator_classes;
mod operators;
mod order;
mod policies;
mod privileges;
mod publications;
mod reader;
mod repair;
mod rules;
mod sequences;
mod sizes;
mod sql;
mod statistics;
mod subscriptions;
mod tables;
mod text_search;
mod triggers;
mod types;
mod unknown;
mod views;

#[cfg(test)]
mod tests;

use tokio_postgres::Client;

use self::reader::Reader;
use crate::{Result, Schema};

/// The newest major version whose catalogs dbm was written for. Of a newer server's, what it does not know is refused.
pub const NEWEST: u32 = 18;

/// Reads all objects of the database that the client is on, in the caller's transaction if there is one.
///
/// Schema `dbm` is left out: it is the run's own. What cannot be carried is in [`Schema::refused`].
///
/// # Errors
/// What the server says; [`crate::ErrorKind::Internal`] where the catalogs are not what their documentation says.
pub async fn read(client: &Client) -> Result<Schema> {
    read_with(client, false, None).await
}

/// What is there, without how it was made: as [`read`] with no text in any object, nor what it depends on, nor the types
/// and defaults of columns. Of very many tables that takes half the memory.
///
/// # Errors
/// As [`read`].
pub async fn read_contents(client: &Client, beside: Option<&Client>) -> Result<Schema> {
    read_as(client, Detail::Contents, beside).await
}

/// As [`read`]; with `secrets` the passwords that are part of the database (of user mappings and subscriptions) are in the
/// definitions, without them they are named in [`Schema::left_out`].
///
/// `beside` is another session in the same database, which need not see the same moment: it is asked meanwhile for what
/// takes the server longest. It must not wait for locks for long, and where it fails the first is asked.
///
/// # Errors
/// As [`read`].
pub async fn read_with(client: &Client, secrets: bool, beside: Option<&Client>) -> Result<Schema> {
    read_as(client, if secrets { Detail::Secrets } else { Detail::Definitions }, beside).await
}

/// How much of each object is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    /// No text.
    Contents,
    /// All but passwords.
    Definitions,
    /// All.
    Secrets,
}

async fn read_as(client: &Client, detail: Detail, beside: Option<&Client>) -> Result<Schema> {
    let before = sql::settle(client).await?;
    let sizes = async {
        match beside {
            Some(beside) => sizes::read(beside).await.map(Some),
            None => Ok(None),
        }
    };
    let (schema, sizes) = futures_util::join!(read_settled(client, detail), sizes);
    let schema = match (schema, sizes) {
        (Ok(schema), Ok(Some(sizes))) => Ok((schema, sizes)),
        (Ok(schema), other) => {
            if let Err(cause) = other {
                tracing::debug!(%cause, "the session beside could not read the sizes of the tables");
            }
            sizes::read(client).await.map(|sizes| (schema, sizes))
        }
        (Err(error), _) => Err(error),
    };
    let after = sql::unsettle(client, &before).await;
    let (mut schema, sizes) = schema?;
    after?;
    sizes.note(&mut schema);
    Ok(schema)
}

async fn read_settled(client: &Client, detail: Detail) -> Result<Schema> {
    let mut reader = Reader::new(client, detail).await?;
    namespaces::read(&mut reader).await?;
    extensions::read(&mut reader).await?;
    languages::read(&mut reader).await?;
    collations::read(&mut reader).await?;
    types::read(&mut reader).await?;
    base_types::read(&mut reader).await?;
    let mut columns = columns::read(&reader).await?;
    let sequences = sequences::rows(&reader).await?;
    types::read_composite(&mut reader, &columns).await?;
    domains::read(&mut reader).await?;
    functions::read(&mut reader).await?;
    aggregates::read(&mut reader).await?;
    casts::read(&mut reader).await?;
    languages::read_transforms(&mut reader).await?;
    access_methods::read(&mut reader).await?;
    operators::read(&mut reader).await?;
    operator_classes::read(&mut reader).await?;
    conversions::read(&mut reader).await?;
    text_search::read(&mut reader).await?;
    foreign::read(&mut reader).await?;
    let checks = constraints::checks(&reader).await?;
    tables::read(&mut reader, &mut columns, &sequences, checks).await?;
    sequences::add(&mut reader, &columns, sequences);
    views::read(&mut reader, &columns).await?;
    extensions::read_tables(&mut reader, &columns).await?;
    drop(columns);
    constraints::read(&mut reader).await?;
    indexes::read(&mut reader).await?;
    triggers::read(&mut reader).await?;
    rules::read(&mut reader).await?;
    policies::read(&mut reader).await?;
    statistics::read(&mut reader).await?;
    large_objects::read(&mut reader).await?;
    publications::read(&mut reader).await?;
    subscriptions::read(&mut reader).await?;
    event_triggers::read(&mut reader).await?;
    depends::read(&mut reader).await?;
    depends::read_extensions(&mut reader).await?;
    comments::read(&mut reader).await?;
    changed::read(&mut reader).await?;
    privileges::read(&mut reader).await?;
    labels::read(&mut reader).await?;
    unknown::read(&mut reader).await?;
    Ok(order::finish(reader))
}
