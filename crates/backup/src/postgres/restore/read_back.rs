//! The part of the proof that takes time: every row is read back, in ranges, by as many workers as there are.
//!
//! It comes after everything that could change a row, so that it is a proof of what the users get.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use database::postgres::copy::CopiedTable;
use database::postgres::digest::{self, Rows};
use database::postgres::{Connection, Server, analyze};
use database::{Engine, Kind, ObjectId, RowsRead, Schema, Table, TableDigest, quote};
use futures_util::future::try_join_all;
use tokio::task::JoinSet;

use super::load::worker;
use super::prove;
use crate::archive::Archive;
use crate::derived::Derived;
use crate::postgres::dump::plan::{self, Piece};
use crate::postgres::dump::{ranges_since, views};
use crate::postgres::failed;
use crate::restore::Remade;
use crate::{Error, ErrorKind, Result};

/// What is read back, and what the archive's index says of it.
struct Reading<'s> {
    /// The tables with rows, then the materialized views.
    objects: Vec<(&'s ObjectId, &'s Table)>,
    /// What each of the tables is to hold.
    expected: Vec<TableDigest>,
    derived: Vec<Derived>,
}

impl<'s> Reading<'s> {
    fn of(schema: &'s Schema, archive: &Archive) -> Result<Self> {
        let expected = prove::expected(schema, archive.index())?;
        let mut objects: Vec<_> = expected.iter().map(|&(id, table, _)| (id, table)).collect();
        let derived = super::derived(archive)?;
        objects.extend(views::filled(schema).filter(|(id, _)| derived.iter().any(|one| one.id == **id)));
        Ok(Self { objects, expected: expected.into_iter().map(|(_, _, digest)| digest).collect(), derived })
    }

    fn tasks(&self, jobs: usize, ranges: bool) -> Vec<Vec<Piece>> {
        let tables = self.expected.len();
        let mut tasks = plan::tasks(&self.objects[..tables], jobs, ranges);
        let views = tables..self.objects.len();
        tasks.extend(views.map(|table| vec![Piece { table, pages: None, bytes: 0 }]));
        tasks
    }

    fn targets(&self, encoding: &str) -> Vec<(ObjectId, CopiedTable)> {
        let objects = self.objects.iter();
        objects.map(|&(id, table)| (id.clone(), CopiedTable::new(id, table, encoding))).collect()
    }

    /// Compares what was read with what is expected; returns what was made anew and is not what it was.
    fn judge(&self, found: &[RowsRead]) -> Result<Vec<Remade>> {
        for (((id, _), expected), found) in self.objects.iter().zip(&self.expected).zip(found) {
            prove::compare(id, expected, &found.carried)?;
        }
        let remade = self.objects.iter().zip(found).filter_map(|((id, _), found)| {
            self.derived.iter().find(|derived| derived.id == **id)?.judge(found)
        });
        Ok(remade.collect())
    }
}

/// Reads every table's rows back over all of the connections, and compares number and digest; returns the connections,
/// and what was made anew and is not what it was.
pub(crate) async fn all(
    workers: Vec<Connection>,
    schema: &Schema,
    archive: &Archive,
) -> Result<(Vec<Connection>, Vec<Remade>)> {
    let Some(first) = workers.first() else {
        return Err(Error::new(ErrorKind::Internal, "a proof without a connection"));
    };
    let reading = Reading::of(schema, archive)?;
    let tasks = reading.tasks(workers.len(), ranges_since(first.major_version()));
    let targets = reading.targets(&digest::encoding(first).await?);
    let work = Arc::new(Work { targets, queue: Mutex::new(tasks.into()) });
    let mut running = JoinSet::new();
    for worker in workers {
        running.spawn(Arc::clone(&work).run(worker));
    }
    let mut workers = Vec::new();
    let mut found = vec![RowsRead::default(); reading.objects.len()];
    while let Some(ended) = running.join_next().await {
        let (worker, digests) = ended.map_err(|error| {
            Error::new(ErrorKind::Internal, "a worker of the proof broke").with_source(error)
        })??;
        workers.push(worker);
        digests.into_iter().for_each(|(table, read)| found[table].merge(read));
    }
    Ok((workers, reading.judge(&found)?))
}

/// Has the server collect statistics of all tables, over all of the connections.
pub(crate) async fn statistics(workers: &[Connection], path: &str) -> Result<()> {
    let Some(first) = workers.first() else { return Ok(()) };
    // Before the path is the database's: no word of ours is for its owner to define.
    let statements = Mutex::new(VecDeque::from(analyze::statements(first).await?));
    for worker in workers {
        let set = worker.batch_execute(&format!("SET search_path = {path}")).await;
        set.map_err(|error| failed(error, "cannot set the search path"))?;
    }
    let next = || statements.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    try_join_all(workers.iter().map(async |worker| {
        while let Some(statement) = next() {
            let done = worker.batch_execute(&statement).await;
            done.map_err(|error| failed(error, "cannot collect statistics"))?;
        }
        Ok::<(), Error>(())
    }))
    .await?;
    Ok(())
}

/// Has the server collect statistics of some tables.
pub(crate) async fn statistics_of(server: &Server, ids: impl Iterator<Item = &ObjectId>) -> Result<()> {
    let tables: Vec<String> = ids
        .filter(|id| matches!(id.kind, Kind::Table | Kind::MaterializedView))
        .map(|id| quote::qualified(Engine::Postgres, &[&id.namespace, &id.name]))
        .collect();
    if tables.is_empty() {
        return Ok(());
    }
    let client = worker(server, server.database()).await?;
    let done = client.batch_execute(&format!("ANALYZE {}", tables.join(", "))).await;
    done.map_err(|error| failed(error, "cannot collect statistics"))
}

/// Reads every row back on one connection, inside its open transaction; returns what was made anew and is not what it was.
pub(crate) async fn serially(client: &Connection, schema: &Schema, archive: &Archive) -> Result<Vec<Remade>> {
    let reading = Reading::of(schema, archive)?;
    let targets = reading.targets(&digest::encoding(client).await?);
    let list: Vec<_> = targets.iter().map(|(id, copied)| Rows { id, copied, pages: None }).collect();
    reading.judge(&digest::tables(client, &list).await?)
}

struct Work {
    targets: Vec<(ObjectId, CopiedTable)>,
    queue: Mutex<VecDeque<Vec<Piece>>>,
}

impl Work {
    fn take(&self) -> Option<Vec<Piece>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Works until the queue is empty; returns what was read, by the tables' places.
    async fn run(self: Arc<Self>, client: Connection) -> Result<(Connection, Vec<(usize, RowsRead)>)> {
        let mut found = Vec::new();
        while let Some(pieces) = self.take() {
            let rows = |piece: &Piece| {
                let (id, copied) = &self.targets[piece.table];
                Rows { id, copied, pages: piece.pages }
            };
            let list: Vec<_> = pieces.iter().map(rows).collect();
            let digests = digest::tables(&client, &list).await?;
            found.extend(pieces.iter().map(|piece| piece.table).zip(digests));
        }
        Ok((client, found))
    }
}
