//! One table's rows from an archive, into a new table beside it.

use chrono::Utc;
use database::postgres::{self, Connection, Server};
use database::{Column, Engine, Kind, ObjectId, Table, quote};

use super::load::worker;
use super::run::{Transaction, Tries};
use super::{rows, run};
use crate::archive::{Archive, Aspect, TableEntry};
use crate::postgres::failed;
use crate::progress::Progress;
use crate::restore::RestoreOptions;
use crate::restore::names::{self, Made};
use crate::{Error, ErrorKind, Result};

/// Restores the rows of the table named `name` or `namespace.name`; returns the new table's name, qualified as SQL.
pub(crate) async fn table(
    archive: &Archive,
    server: &Server,
    name: &str,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<String> {
    let entry = find(archive, name)?;
    let client = worker(server, server.database()).await?;
    execute(&client, "BEGIN").await?;
    let new = tokio::select! {
        result = fill(archive, &client, entry, progress) => result?,
        () = options.cancel.cancelled() => {
            return Err(Error::new(ErrorKind::Cancelled, "the restore of the table was stopped on request; nothing of it is left"));
        }
    };
    execute(&client, "SET LOCAL synchronous_commit = on; COMMIT").await?;
    progress.done();
    Ok(quote::qualified(Engine::Postgres, &[&entry.id.namespace, &new]))
}

/// The one table of the archive with that name.
fn find<'a>(archive: &'a Archive, name: &str) -> Result<&'a TableEntry> {
    let matches = |id: &ObjectId| id.name == name || format!("{}.{}", id.namespace, id.name) == name;
    let found: Vec<&TableEntry> = archive.index().tables.iter().filter(|entry| matches(&entry.id)).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(Error::new(ErrorKind::NotFound, format!("the archive holds no rows of a table `{name}`"))
            .with_hint("`dbm show NAME` lists the tables of an archive")),
        several => {
            let names: Vec<String> =
                several.iter().map(|entry| format!("{}.{}", entry.id.namespace, entry.id.name)).collect();
            Err(Error::new(ErrorKind::Usage, format!("the archive holds several tables `{name}`"))
                .with_hint(format!("name one of {}", names.join(", "))))
        }
    }
}

/// Makes the new table, loads it, proves it; all in the open transaction.
pub(super) async fn fill(
    archive: &Archive,
    client: &Connection,
    entry: &TableEntry,
    progress: &dyn Progress,
) -> Result<String> {
    let id = &entry.id;
    let new = free_name(client, id).await?;
    let quoted = quote::qualified(Engine::Postgres, &[&id.namespace, &new]);
    let columns: Vec<String> =
        entry.columns.iter().map(|name| quote::identifier(Engine::Postgres, name)).collect();
    let columns = columns.join(", ");
    let old = quote::qualified(Engine::Postgres, &[&id.namespace, &id.name]);
    // Its columns with their types and nothing else: no default, constraint or parent of the old one gets in the way.
    client.batch_execute(&format!("CREATE TABLE {quoted} AS SELECT {columns} FROM {old} WITH NO DATA")).await.map_err(|error| {
        failed(error, format!("cannot make a table like {id}"))
            .with_hint("a table that is gone or has other columns now comes back with the whole archive: `dbm restore NAME --into NEW`")
    })?;
    let parts: Vec<_> = (0..)
        .zip(&archive.index().parts)
        .filter(|(_, part)| part.aspect == Aspect::Rows && part.objects.contains(id))
        .collect();
    let path = super::search_path(archive);
    progress.phase("rows", Some(parts.iter().map(|(_, part)| u64::from(part.bytes)).sum()));
    for (number, part) in parts {
        let bytes = bytes::Bytes::from(archive.part(number).await?);
        for block in rows::blocks(&bytes)? {
            if block.head.table != [id.namespace.as_str(), id.name.as_str()] {
                continue;
            }
            let list: Vec<String> =
                block.head.columns.iter().map(|name| quote::identifier(Engine::Postgres, name)).collect();
            let list = if list.is_empty() { String::new() } else { format!(" ({})", list.join(", ")) };
            let statement = format!("COPY {quoted}{list} FROM stdin {}", block.head.options);
            let mut tries = Tries::new(client, &path);
            while !tries.are_over(copy(client, &statement, bytes.slice(block.rows.clone())).await).await? {}
        }
        progress.advance(u64::from(part.bytes), part.rows);
    }
    prove(client, entry, &new).await?;
    Ok(new)
}

/// The columns may be of a domain, and its check may call a function.
async fn copy(client: &Connection, statement: &str, rows: bytes::Bytes) -> Result<()> {
    Transaction::Within.begin(client).await?;
    let done = run::copy(client, statement, rows).await.map(drop);
    Transaction::Within.end(client, done).await
}

/// Compares number and digest of what went in.
async fn prove(client: &Connection, entry: &TableEntry, new: &str) -> Result<()> {
    let id = ObjectId { kind: Kind::Table, name: new.to_owned(), ..entry.id.clone() };
    let column = |name: &str| Column {
        name: name.to_owned(),
        data_type: String::new(),
        not_null: false,
        default: None,
        generated: None,
    };
    let table =
        Table { columns: entry.columns.iter().map(column).collect(), holds_rows: true, ..Table::default() };
    let found = postgres::digest::table(client, &id, &table).await?.carried;
    if found == entry.digest {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unproven,
        format!(
            "{} rows of {} went in, and they are not the {} of the archive; nothing was kept",
            found.rows, entry.id, entry.digest.rows
        ),
    ))
}

async fn free_name(client: &Connection, id: &ObjectId) -> Result<String> {
    let now = Utc::now();
    for attempt in 0..100 {
        let name = names::made(&id.name, Made::Table, now, attempt, names::NAME_BYTES);
        let quoted = quote::qualified(Engine::Postgres, &[&id.namespace, &name]);
        let free = client
            .query_one("SELECT pg_catalog.to_regclass($1) IS NULL", &[&quoted])
            .await
            .map_err(|error| failed(error, "cannot look a table up"))?;
        if free.get(0) {
            return Ok(name);
        }
    }
    Err(Error::new(ErrorKind::Refused, format!("every name for the rows of {id} is taken")))
}

async fn execute(client: &Connection, sql: &str) -> Result<()> {
    client.batch_execute(sql).await.map_err(|error| failed(error, format!("cannot run `{sql}`")))
}
