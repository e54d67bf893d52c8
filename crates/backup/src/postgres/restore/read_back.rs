//! The part of the proof that takes time: every row is read back, in ranges, by as many workers as there are.
//!
//! It comes after everything that could change a row, so that it is a proof of what the users get.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use database::postgres::copy::CopiedTable;
use database::postgres::digest::{self, Rows};
use database::postgres::{Connection, Server, analyze};
use database::{Engine, Kind, ObjectId, Schema, TableDigest, quote};
use futures_util::future::try_join_all;
use tokio::task::JoinSet;

use super::load::worker;
use super::prove;
use crate::archive::Index;
use crate::postgres::dump::plan::{self, Piece};
use crate::postgres::dump::ranges_since;
use crate::postgres::failed;
use crate::{Error, ErrorKind, Result};

/// Reads every table's rows back over all of the connections, and compares number and digest; returns the connections.
pub(crate) async fn all(workers: Vec<Connection>, schema: &Schema, index: &Index) -> Result<Vec<Connection>> {
    let Some(first) = workers.first() else {
        return Err(Error::new(ErrorKind::Internal, "a proof without a connection"));
    };
    let expected = prove::expected(schema, index)?;
    let tables: Vec<_> = expected.iter().map(|&(id, table, _)| (id, table)).collect();
    let tasks = plan::tasks(&tables, workers.len(), ranges_since(first.major_version()));
    let encoding = digest::encoding(first).await?;
    let targets =
        tables.iter().map(|&(id, table)| (id.clone(), CopiedTable::new(id, table, &encoding))).collect();
    let work = Arc::new(Work { targets, queue: Mutex::new(tasks.into()) });
    let mut running = JoinSet::new();
    for worker in workers {
        running.spawn(Arc::clone(&work).run(worker));
    }
    let mut workers = Vec::new();
    let mut found = vec![TableDigest::default(); expected.len()];
    while let Some(ended) = running.join_next().await {
        let (worker, digests) = ended.map_err(|error| {
            Error::new(ErrorKind::Internal, "a worker of the proof broke").with_source(error)
        })??;
        workers.push(worker);
        digests.into_iter().for_each(|(table, digest)| found[table].merge(digest));
    }
    for ((id, _, expected), found) in expected.iter().zip(&found) {
        prove::compare(id, expected, found)?;
    }
    Ok(workers)
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

/// Reads every row back on one connection, inside its open transaction.
pub(crate) async fn serially(client: &Connection, schema: &Schema, index: &Index) -> Result<()> {
    let encoding = digest::encoding(client).await?;
    let expected = prove::expected(schema, index)?;
    let copied: Vec<_> =
        expected.iter().map(|(id, table, _)| CopiedTable::new(id, table, &encoding)).collect();
    let list: Vec<_> =
        expected.iter().zip(&copied).map(|((id, ..), copied)| Rows { id, copied, pages: None }).collect();
    for ((id, _, expected), found) in expected.iter().zip(digest::tables(client, &list).await?) {
        prove::compare(id, expected, &found)?;
    }
    Ok(())
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
    async fn run(self: Arc<Self>, client: Connection) -> Result<(Connection, Vec<(usize, TableDigest)>)> {
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
