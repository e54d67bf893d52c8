//! Part of an archive into a database that is in use: beside what is there, in one transaction, proven before its end.

use std::collections::{BTreeSet, HashMap, HashSet};

use database::postgres::{self, Connection, Server};
use database::{About, Engine, Kind, ObjectId, Schema, TableDigest, quote};

use super::load::{Load, worker};
use super::part_of::{PartOf, part_of};
use super::renamed::renamed;
use super::{order, prove, rows_only, run, table};
use crate::archive::{Archive, Aspect};
use crate::postgres::failed;
use crate::progress::Progress;
use crate::restore::{Among, Remade, RestoreOptions};
use crate::selection::{Content, Pattern, Selection};
use crate::{Error, ErrorKind, Result};

/// How many names a message lists.
const SHOWN: usize = 10;

/// Restores what the options select into the database itself. What is not there is made; of a table that is there,
/// the rows come into a new table beside it; rows alone fill tables that are there and empty.
///
/// # Errors
/// What collides or is missing, by name, and what failed; the database is then as it was.
pub(super) async fn among(
    archive: &Archive,
    server: &Server,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Among> {
    let about = server.about().await?;
    let client = worker(server, server.database()).await?;
    execute(&client, "BEGIN; SET LOCAL lock_timeout = '30s'; SET LOCAL synchronous_commit = on").await?;
    let done = tokio::select! {
        done = fill(archive, (server, &about), &client, options, progress) => done,
        () = options.cancel.cancelled() => {
            Err(Error::new(ErrorKind::Cancelled, "the restore was stopped on request; nothing of it is left"))
        }
    };
    match done {
        Ok(among) => {
            client.batch_execute("COMMIT").await.map_err(|error| {
                let unknown = error.code().is_none();
                let error = failed(error, "cannot commit what was restored");
                if unknown {
                    error.with_hint("look whether it is there; if not, restore again")
                } else {
                    error
                }
            })?;
            Ok(among)
        }
        Err(error) => {
            // A broken connection has rolled back by itself.
            if let Err(cause) = client.batch_execute("ROLLBACK").await {
                tracing::debug!(%cause, "the connection of a failed restore is gone");
            }
            client.close().await;
            Err(error)
        }
    }
}

async fn fill(
    archive: &Archive,
    (server, about): (&Server, &About),
    client: &Connection,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Among> {
    let selection = &options.selection;
    let before = prove::schema(client, None).await?;
    let there: HashSet<&ObjectId> = before.objects.iter().map(|object| &object.id).collect();
    if selection.content == Content::DataOnly {
        let rows = part_of(archive, selection, &|id| there.contains(id)).await?.archive;
        check(&rows, server, about, options).await?;
        let (rows, tables) = rows_only::after_referenced(&rows, archive);
        return rows_only::fill((&rows, &tables), client, &there, options, progress).await;
    }
    let is_there = |id: &ObjectId| there.contains(id);
    let first = part_of(archive, selection, &is_there).await?;
    // Whose rows come beside it.
    let (twins, rest): (Vec<&ObjectId>, Vec<&ObjectId>) =
        first.asked.iter().filter(|id| is_there(id) && is_whole(id.kind)).partition(|id| {
            id.kind == Kind::Table
                && !selection.tables.is_empty()
                && selection.content == Content::All
                && first.archive.index().table(id).is_some()
        });
    // A table's sequence is there with it.
    let own = |id: &ObjectId| id.kind == Kind::Sequence && !asked_by_name(selection, id);
    let taken: Vec<&ObjectId> = rest.into_iter().filter(|id| !own(id)).collect();
    if !taken.is_empty() {
        return Err(collision(&taken));
    }
    let mut among = Among::default();
    for twin in &twins {
        let entry = first.archive.index().table(twin).ok_or_else(|| missing(&[twin]))?;
        let new = table::fill(&first.archive, client, entry, progress).await?;
        among.beside.push(((*twin).clone(), quote::qualified(Engine::Postgres, &[&twin.namespace, &new])));
    }
    let mut selection = selection.clone();
    selection.exclude_tables.extend(twins.iter().map(|twin| Pattern::exactly(&twin.namespace, &twin.name)));
    let PartOf { archive, cut, .. } = part_of(archive, &selection, &is_there).await?;
    collides(&archive, &there)?;
    among.cut = cut;
    let archive = renamed(&archive, &options.roles);
    check(&archive, server, about, options).await?;
    let unmade: Vec<&ObjectId> = match super::makes_its_tables(&archive) {
        Ok(()) => Vec::new(),
        Err(_) => archive.index().tables.iter().map(|entry| &entry.id).collect(),
    };
    if !unmade.is_empty() {
        return Err(missing(&unmade));
    }
    let order = order::order(&archive.index().parts, options);
    Load { archive: &archive, progress }.serially(client, order).await?;
    execute(client, "SET CONSTRAINTS ALL IMMEDIATE").await?;
    progress.phase("proof", None);
    let after = prove::schema(client, None).await?;
    (among.made, among.remade) = proven(client, &archive, &after, options).await?;
    Ok(among)
}

/// What is made by a statement of its own and stands for itself, so that it can collide.
fn is_whole(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::Namespace
            | Kind::Attach
            | Kind::OwnedBy
            | Kind::ViewBody
            | Kind::RowSecurity
            | Kind::Refresh
            | Kind::Default
            | Kind::Constraint
            | Kind::Index
            | Kind::ForeignKey
            | Kind::Rule
            | Kind::Trigger
            | Kind::Policy
            | Kind::Statistics
            | Kind::DefaultPrivileges
    )
}

fn asked_by_name(selection: &Selection, id: &ObjectId) -> bool {
    selection.tables.iter().any(|pattern| pattern.matches(&id.namespace, &id.name))
}

/// Passes if nothing that would be made is there.
fn collides(archive: &Archive, there: &HashSet<&ObjectId>) -> Result<()> {
    let named: Vec<&ObjectId> = archive
        .index()
        .parts
        .iter()
        .flat_map(|part| part.objects.iter())
        .filter(|id| there.contains(id))
        .collect();
    if named.is_empty() { Ok(()) } else { Err(collision(&named)) }
}

/// What of the server stands in the way.
async fn check(archive: &Archive, server: &Server, about: &About, options: &RestoreOptions) -> Result<()> {
    super::preflight(archive, server, about, super::Goes::Among, options).await?.check()
}

/// Reads back what was made and compares it with the index; returns it, and what of it is not what it was.
async fn proven(
    client: &Connection,
    archive: &Archive,
    schema: &Schema,
    options: &RestoreOptions,
) -> Result<(Vec<ObjectId>, Vec<Remade>)> {
    let index = archive.index();
    let there: HashMap<&ObjectId, &database::Object> =
        schema.objects.iter().map(|object| (&object.id, object)).collect();
    let mut made = BTreeSet::new();
    for part in index.parts.iter().filter(|part| part.aspect == Aspect::Definition) {
        for id in part.objects.iter() {
            let left_out = options.no_privileges && id.kind == Kind::DefaultPrivileges;
            if !there.contains_key(id) && id.kind != Kind::Refresh && !left_out {
                return Err(unproven(format!("{id} is missing")));
            }
            if is_whole(id.kind) {
                made.insert(id.clone());
            }
        }
    }
    let (derived, mut remade) = (super::derived(archive)?, Vec::new());
    for id in made.iter().filter(|id| id.kind == Kind::Table) {
        let Some(table) = there.get(id).and_then(|object| object.table.as_ref()) else { continue };
        if !table.holds_rows {
            continue;
        }
        let expected = index.table(id).map_or_else(TableDigest::default, |entry| entry.digest);
        let found = postgres::digest::table(client, id, table).await?;
        remade.extend(derived.iter().find(|one| one.id == *id).and_then(|one| one.judge(&found)));
        let found = found.carried;
        if found != expected {
            return Err(unproven(format!(
                "the {} rows of {id} are not the {} of the archive",
                found.rows, expected.rows
            )));
        }
    }
    prove::values(client, archive).await?;
    Ok((made.into_iter().collect(), remade))
}

pub(super) fn list(ids: &[&ObjectId]) -> String {
    let shown: Vec<String> = ids.iter().take(SHOWN).map(ToString::to_string).collect();
    match ids.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn collision(ids: &[&ObjectId]) -> Error {
    Error::new(ErrorKind::Refused, format!("the database has {} already, and nothing is restored over it", list(ids)))
        .with_hint("restore into a new database with --into NAME; or name single tables with --table, whose rows then come into new tables beside them")
}

pub(super) fn missing(ids: &[&ObjectId]) -> Error {
    Error::new(ErrorKind::NotFound, format!("the database has no {}", list(ids))).with_hint(
        "without --data-only the tables are made; with --table only those that are there are filled",
    )
}

pub(super) fn unproven(what: String) -> Error {
    Error::new(ErrorKind::Unproven, format!("what was restored is not what the archive's index says: {what}"))
        .with_hint("nothing of it was kept; restore into a new database with --into NAME")
}

pub(super) async fn execute(client: &Connection, sql: &str) -> Result<()> {
    client
        .batch_execute(sql)
        .await
        .map_err(|error| failed(error, format!("cannot run `{}`", run::without_values(sql))))
}
