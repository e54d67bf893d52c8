//! Loading an archive's parts into a database, by several workers from one file.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use database::mysql::catalog::{ROWS_MODE, SCRIPT_MODE, SCRIPT_SESSION};
use database::mysql::{Connection, Server};
use futures_util::future::try_join_all;

use super::definers::Definers;
use super::keys::Keys;
use super::lenient;
use super::local::Local;
use super::order::Order;
use super::run::{self, Commit};
use crate::archive::{Archive, PartNumber};
use crate::mysql::dump::HISTORY;
use crate::progress::Progress;
use crate::{Error, ErrorKind, Result};

/// Where an archive is loaded from.
pub(super) struct Load<'a> {
    pub(super) archive: &'a Archive,
    pub(super) progress: &'a dyn Progress,
    /// What becomes of definers; none where nothing is run that has one.
    pub(super) definers: Option<Definers<'a>>,
}

/// Two workers may want one table; and a table in memory is as large as its rows, whatever the server's usual limit.
const SESSION: &str = "SET SESSION innodb_lock_wait_timeout = 3600, max_heap_table_size = 4294966272";

/// Opens a connection to a database with the settings of a restore.
pub(super) async fn worker(server: &Server, database: &str, history: bool) -> Result<Connection> {
    let mut connection = server.connect(Some(database)).await?;
    let what = "cannot set a session up";
    connection.batch(SCRIPT_SESSION, what).await?;
    connection.batch(SESSION, what).await?;
    lenient::load(&mut connection).await?;
    if history {
        connection.batch(HISTORY, what).await?;
    }
    Ok(connection)
}

/// What a session reads definitions or rows by.
pub(super) async fn set_mode(connection: &mut Connection, mode: &str) -> Result<()> {
    Ok(connection.batch(&format!("SET sql_mode = '{mode}'"), "cannot set a session up").await?)
}

impl Load<'_> {
    /// Loads everything but what wakes the database up.
    pub(super) async fn all(&self, workers: &mut [Connection], order: &Order) -> Result<()> {
        for &number in order.unused.iter().chain(&order.last) {
            self.archive.part(number).await?;
        }
        self.progress.phase("definitions", None);
        let mut keys = Keys::of(self.archive.index());
        self.serially(workers, &order.before, &mut keys).await?;
        self.progress.phase("rows", Some(self.bytes(&order.rows)));
        self.rows(workers, &order.rows).await?;
        for worker in workers.iter_mut() {
            set_mode(worker, SCRIPT_MODE).await?;
        }
        self.progress.phase("indexes and constraints", None);
        keys.make(workers).await?;
        self.serially(workers, &order.after, &mut Keys::default()).await
    }

    /// The text of parts of definitions.
    pub(super) async fn text(&self, numbers: &[PartNumber]) -> Result<String> {
        let mut text = String::new();
        for &number in numbers {
            let bytes = self.archive.part(number).await?;
            let part = String::from_utf8(bytes).map_err(|cause| {
                Error::new(ErrorKind::Refused, "a part of definitions is not UTF-8").with_source(cause)
            })?;
            text.push_str(&part);
        }
        Ok(text)
    }

    fn bytes(&self, numbers: &[PartNumber]) -> u64 {
        numbers.iter().filter_map(|&number| Some(u64::from(self.archive.entry(number).ok()?.bytes))).sum()
    }

    async fn serially(
        &self,
        workers: &mut [Connection],
        numbers: &[PartNumber],
        keys: &mut Keys,
    ) -> Result<()> {
        let Some(first) = workers.first_mut() else {
            return Err(Error::new(ErrorKind::Internal, "a restore without a connection"));
        };
        for number in numbers {
            let text = self.text(&[*number]).await?;
            run::statements(first, &text, self.definers, keys).await?;
            self.progress.advance(text.len() as u64, 0);
        }
        Ok(())
    }

    /// All parts of rows, each by the next worker that is free.
    pub(super) async fn rows(&self, workers: &mut [Connection], numbers: &[PartNumber]) -> Result<()> {
        let Some(first) = workers.first_mut() else {
            return Err(Error::new(ErrorKind::Internal, "a restore without a connection"));
        };
        let alone = run::without_transactions(first).await?;
        let local = Local::of(first, &alone).await?;
        let queue = Mutex::new(numbers.iter().copied().collect::<VecDeque<_>>());
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let work = async |worker: &mut Connection| {
            set_mode(worker, ROWS_MODE).await?;
            while let Some(number) = next() {
                let entry = self.archive.entry(number)?;
                let table = entry.objects.first().map_or("", |id| id.name.as_str());
                let way = if alone.iter().any(|one| one == table) {
                    Commit::Each
                } else {
                    Commit::Loaded(&local, table, entry.rows)
                };
                run::rows(worker, &self.archive.part(number).await?, None, way).await?;
                self.progress.advance(u64::from(entry.bytes), entry.rows);
            }
            Ok::<(), Error>(())
        };
        try_join_all(workers.iter_mut().map(work)).await?;
        Ok(())
    }
}
