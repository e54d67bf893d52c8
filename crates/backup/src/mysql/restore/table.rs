//! One table of an archive, into a new table beside it.

use chrono::Utc;
use database::mysql::catalog::ROWS_MODE;
use database::mysql::catalog::text::Create;
use database::mysql::{Connection, Server, catalog, digest, rows};
use database::{Engine, Kind, ObjectId, quote, script};

use super::load::{self, Load};
use super::run::{self, Commit};
use super::{order, prove, scratch};
use crate::archive::{Archive, Aspect, PartNumber, TableEntry};
use crate::mysql::history;
use crate::progress::Progress;
use crate::restore::names::{self, Made};
use crate::restore::{Among, Remade, RestoreOptions};
use crate::selection::Selection;
use crate::{Error, ErrorKind, Result};

/// Restores the one table that is selected: where it is not there, under its own name, and beside it if it is.
///
/// # Errors
/// [`ErrorKind::Usage`] for another selection; what failed otherwise, and then nothing of it is left.
pub(crate) async fn among(
    archive: &Archive,
    server: &Server,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Among> {
    let selection = &options.selection;
    let alone = Selection { tables: selection.tables.clone(), ..Selection::default() };
    let entry = match selection.tables.as_slice() {
        [pattern] if *selection == alone && pattern.is_plain() => {
            let found = archive.index().tables.iter().find(|entry| pattern.matches("", &entry.id.name));
            found.ok_or_else(|| missing(&pattern.to_string()))?
        }
        _ => return Err(one_or_all()),
    };
    let mut connection = server.connect(None).await?;
    let there = exists(&mut connection, server.database(), &entry.id.name).await?;
    connection.close().await;
    if there {
        let (made, remade) = restore(archive, server, entry, None, options, progress).await?;
        let remade = remade.into_iter().collect();
        return Ok(Among { beside: vec![(entry.id.clone(), made)], remade, ..Among::default() });
    }
    let own = entry.id.name.as_str();
    let (_, remade) = restore(archive, server, entry, Some(own), options, progress).await?;
    let belongs = |id: &&ObjectId| id.of == own && matches!(id.kind, Kind::ForeignKey | Kind::Trigger);
    let cut = archive.index().parts.iter().flat_map(|part| part.objects.iter()).filter(belongs);
    Ok(Among {
        made: vec![entry.id.clone()],
        cut: cut.map(ToString::to_string).collect(),
        remade: remade.into_iter().collect(),
        ..Among::default()
    })
}

/// That only one table or all of an archive can be had.
pub(crate) fn one_or_all() -> Error {
    Error::new(
        ErrorKind::Usage,
        "of an archive of MySQL or MariaDB one table can be restored alone, or all of it",
    )
    .with_hint("dbm restore NAME --table TABLE, or dbm restore NAME --into DATABASE")
}

/// Restores one table's rows into a new table beside it; returns the new table's name, as SQL.
pub(crate) async fn table(
    archive: &Archive,
    server: &Server,
    name: &str,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<String> {
    Ok(restore(archive, server, find(archive, name)?, None, options, progress).await?.0)
}

fn find<'a>(archive: &'a Archive, name: &str) -> Result<&'a TableEntry> {
    archive.index().tables.iter().find(|entry| entry.id.name == name).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("the archive holds no rows of a table `{name}`"))
        .with_hint("`dbm show NAME` lists the tables of an archive")
}

async fn restore(
    archive: &Archive,
    server: &Server,
    entry: &TableEntry,
    named: Option<&str>,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<(String, Option<Remade>)> {
    let history = super::extras(archive)?.history;
    let mut worker = load::worker(server, server.database(), history).await?;
    let new = match named {
        Some(name) => name.to_owned(),
        None => free_name(&mut worker, server.database(), &entry.id.name).await?,
    };
    let quoted = quote::identifier(Engine::Mysql, &new);
    let filled = tokio::select! {
        result = fill(archive, &mut worker, server, entry, &new, progress) => result,
        () = options.cancel.cancelled() => {
            Err(Error::new(ErrorKind::Cancelled, "the restore of the table was stopped on request; nothing of it is left"))
        }
    };
    let remade = match filled {
        Ok(remade) => remade,
        Err(error) => {
            // The one that failed may still be busy, or broken.
            let mut connection = server.connect(None).await?;
            connection
                .batch(&format!("DROP TABLE IF EXISTS {quoted}"), &format!("cannot remove {quoted}"))
                .await?;
            return Err(error);
        }
    };
    worker.close().await;
    progress.done();
    Ok((quoted, remade))
}

async fn fill(
    archive: &Archive,
    worker: &mut Connection,
    server: &Server,
    entry: &TableEntry,
    new: &str,
    progress: &dyn Progress,
) -> Result<Option<Remade>> {
    let index = archive.index();
    let load = Load { archive, progress, definers: None };
    let sql = definition(&load, &entry.id, new).await?;
    worker.batch(&sql, &format!("cannot make a table like {}", entry.id)).await?;
    load::set_mode(worker, ROWS_MODE).await?;
    let of_it = |number: &PartNumber| {
        usize::try_from(*number)
            .ok()
            .and_then(|place| index.parts.get(place))
            .is_some_and(|part| part.aspect == Aspect::Rows && part.objects.contains(&entry.id))
    };
    let parts: Vec<PartNumber> = order::order(&index.parts).rows.into_iter().filter(of_it).collect();
    let alone = run::without_transactions(worker).await?;
    let commit = if alone.iter().any(|name| name == new) { Commit::Each } else { Commit::Part };
    progress.phase("rows", None);
    for number in parts {
        let part = archive.part(number).await?;
        run::rows(worker, &part, Some((&entry.id.name, new)), commit).await?;
        let about = archive.entry(number)?;
        progress.advance(u64::from(about.bytes), about.rows);
    }
    progress.phase("proof", None);
    let mut reader = server.connect(None).await?;
    let mut schema = catalog::read(&mut reader, server.database()).await?;
    if super::extras(archive)?.no_history {
        history::leave_out(&mut schema)?;
    }
    let made = schema.tables_with_rows().find(|(id, _)| id.name == new);
    let (id, table) = made.ok_or_else(|| prove::unproven(format!("`{new}` is not there")))?;
    rows::set_up(&mut reader, "cannot set a session up").await?;
    let found = digest::table(&mut reader, id, table).await?;
    reader.close().await;
    prove::compare_rows(id, &entry.digest, &found.carried)?;
    let derived = super::extras(archive)?.derived;
    Ok(derived.iter().find(|one| one.id == entry.id).and_then(|one| one.judge(&found)))
}

/// The statement that makes the archive's table under another name: without foreign keys, which stand elsewhere.
async fn definition(load: &Load<'_>, id: &ObjectId, new: &str) -> Result<String> {
    let parts = (0..).zip(&load.archive.index().parts);
    let number = parts
        .filter(|(_, part)| part.aspect == Aspect::Definition && part.objects.contains(id))
        .map(|(number, _)| number)
        .next();
    let text = load.text(number.as_slice()).await?;
    let head = format!("CREATE TABLE {} (", quote::identifier(Engine::Mysql, &id.name));
    let statements = script::split(Engine::Mysql, &text)?;
    let found = statements.iter().find(|statement| statement.text.starts_with(&head)).ok_or_else(|| {
        Error::new(ErrorKind::Refused, format!("the archive does not say how {id} is made"))
    })?;
    let mut create = Create::read(found.text)?;
    create.head = format!("CREATE TABLE {} (", quote::identifier(Engine::Mysql, new));
    if new != id.name {
        // On MySQL names of checks are the database's, and the old table has them.
        create.clauses.retain(|clause| !clause.starts_with("CONSTRAINT "));
    }
    Ok(create.text())
}

async fn exists(connection: &mut Connection, database: &str, name: &str) -> Result<bool> {
    let sql = format!(
        "SELECT 1 FROM information_schema.tables WHERE table_schema = {} AND table_name = {}",
        quote::literal(Engine::Mysql, database),
        quote::literal(Engine::Mysql, name)
    );
    Ok(connection.value(&sql, "cannot look a table up").await?.is_some())
}

async fn free_name(connection: &mut Connection, database: &str, table: &str) -> Result<String> {
    let now = Utc::now();
    for attempt in 0..100 {
        let name = names::made(table, Made::Table, now, attempt, scratch::NAME_BYTES);
        if !exists(connection, database, &name).await? {
            return Ok(name);
        }
    }
    Err(Error::new(ErrorKind::Refused, format!("every name for the rows of `{table}` is taken")))
}
