//! The proof: what was restored is read back and compared with what the archive's index says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use database::postgres::{self, Connection, Server};
use database::{Column, ObjectId, Table, TableDigest};
use tokio::task::JoinSet;

use super::load::worker;
use crate::archive::Index;
use crate::{Error, ErrorKind, Result};

/// Reads every table's rows back, by several workers, and compares number and digest.
pub(crate) async fn rows(server: &Server, database: &str, index: &Index, jobs: usize) -> Result<()> {
    let queue = Arc::new(Mutex::new(queue(index)));
    let mut workers = JoinSet::<Result<()>>::new();
    for _ in 0..jobs.max(1) {
        let (queue, server, database) = (Arc::clone(&queue), server.clone(), database.to_owned());
        workers.spawn(async move {
            let client = worker(&server, &database).await?;
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some(expected) = next else { return Ok(()) };
                expected.compare(&client).await?;
            }
        });
    }
    while let Some(result) = workers.join_next().await {
        result.map_err(|error| {
            Error::new(ErrorKind::Internal, "a worker of the proof broke").with_source(error)
        })??;
    }
    Ok(())
}

/// The same on one connection, inside its open transaction.
pub(crate) async fn rows_serially(client: &Connection, index: &Index) -> Result<()> {
    for expected in queue(index) {
        expected.compare(client).await?;
    }
    Ok(())
}

/// One table and what the index says of its rows.
struct Expected {
    id: ObjectId,
    table: Table,
    digest: TableDigest,
}

impl Expected {
    async fn compare(&self, client: &Connection) -> Result<()> {
        let found = postgres::digest::table(client, &self.id, &self.table).await?;
        if found.rows != self.digest.rows {
            return Err(unproven(format!(
                "{} has {} rows instead of {}",
                self.id, found.rows, self.digest.rows
            )));
        }
        if found.digest != self.digest.digest {
            return Err(unproven(format!(
                "the {} rows of {} are not those of the archive",
                found.rows, self.id
            )));
        }
        Ok(())
    }
}

/// Every table of the archive, the largest first.
fn queue(index: &Index) -> VecDeque<Expected> {
    let column = |name: &String| Column {
        name: name.clone(),
        data_type: String::new(),
        not_null: false,
        default: None,
        generated: None,
    };
    let mut tables: Vec<Expected> = index
        .tables
        .iter()
        .map(|entry| Expected {
            id: entry.id.clone(),
            table: Table { columns: entry.columns.iter().map(column).collect(), ..Table::default() },
            digest: entry.digest,
        })
        .collect();
    tables.sort_by_key(|expected| std::cmp::Reverse(expected.digest.rows));
    tables.into()
}

fn unproven(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Unproven, format!("what was restored is not what the archive's index says: {what}"))
        .with_hint(
            "the target is as it was; verify the archive (`dbm verify NAME --deep`) and restore another one",
        )
}
