//! Loading an archive's parts into a database, by several workers from one file.

use std::time::Duration;

use crate::postgres::failed;
use crate::{Error, ErrorKind, Result};
use database::postgres::{Connection, Server, digest};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::order::{Graph, Order};
use super::run;
use crate::archive::{Archive, Aspect, PartNumber};
use crate::progress::Progress;

/// How often a part that lost a deadlock is tried again.
const ATTEMPTS: u32 = 20;

/// The server ended this one of two sessions that waited for each other.
const DEADLOCK: &str = "40P01";

/// Where an archive is loaded into, and by how many.
pub(crate) struct Load<'a> {
    pub(crate) archive: &'a Archive,
    pub(crate) progress: &'a dyn Progress,
}

/// Opens a connection to a database with the settings of a restore.
pub(crate) async fn worker(server: &Server, database: &str) -> Result<Connection> {
    let client = server.connect(Some(database)).await?;
    for settings in [run::SETTINGS, digest::ROW_SETTINGS] {
        client.batch_execute(settings).await.map_err(|error| failed(error, "cannot set a session up"))?;
    }
    Ok(client)
}

impl Load<'_> {
    /// Loads everything, with as many connections as there are `workers`.
    pub(crate) async fn all(&self, workers: &[Connection], order: Order) -> Result<()> {
        let Some(first) = workers.first() else {
            return Err(Error::new(ErrorKind::Internal, "a restore without a connection"));
        };
        self.check(&order.unused).await?;
        self.progress.phase("definitions", None);
        for &number in &order.before {
            self.part(first, number).await?;
        }
        self.progress.phase("rows", Some(self.bytes(&order.data)));
        self.graph(workers, order.data).await?;
        self.progress.phase("indexes and constraints", None);
        self.graph(workers, order.after).await?;
        for &number in &order.last {
            self.part(first, number).await?;
        }
        Ok(())
    }

    /// Loads everything on one connection, in its open transaction.
    pub(crate) async fn serially(&self, client: &Connection, order: Order) -> Result<()> {
        self.check(&order.unused).await?;
        self.progress.phase("definitions", None);
        for &number in &order.before {
            self.part(client, number).await?;
        }
        for (name, bytes, mut graph) in [
            ("rows", Some(self.bytes(&order.data)), order.data),
            ("indexes and constraints", None, order.after),
        ] {
            self.progress.phase(name, bytes);
            while let Some(number) = graph.take() {
                self.part(client, number).await?;
                graph.done(number);
            }
            ended(&graph)?;
        }
        for &number in &order.last {
            self.part(client, number).await?;
        }
        Ok(())
    }

    /// Checks the bytes of parts that are not run.
    async fn check(&self, parts: &[PartNumber]) -> Result<()> {
        for &number in parts {
            self.archive.part(number).await?;
        }
        Ok(())
    }

    /// The bytes of parts before compression.
    fn bytes(&self, graph: &Graph) -> u64 {
        graph.numbers().filter_map(|number| Some(u64::from(self.archive.entry(number).ok()?.bytes))).sum()
    }

    /// Gives each idle worker a part that may run, until there is none.
    async fn graph(&self, workers: &[Connection], mut graph: Graph) -> Result<()> {
        let mut idle: Vec<&Connection> = workers.iter().collect();
        let mut running = FuturesUnordered::new();
        loop {
            while !idle.is_empty()
                && let Some(number) = graph.take()
            {
                if let Some(worker) = idle.pop() {
                    running.push(self.on(worker, number));
                }
            }
            let Some((worker, number, result)) = running.next().await else { break };
            result?;
            graph.done(number);
            idle.push(worker);
        }
        ended(&graph)
    }

    async fn on<'w>(
        &self,
        worker: &'w Connection,
        number: PartNumber,
    ) -> (&'w Connection, PartNumber, Result<()>) {
        (worker, number, self.part_with_retries(worker, number).await)
    }

    /// Foreign keys lock two tables, so that two of them can wait for each other: one is tried again.
    async fn part_with_retries(&self, client: &Connection, number: PartNumber) -> Result<()> {
        for attempt in 1..ATTEMPTS {
            match self.part(client, number).await {
                Err(error) if error.sqlstate() == Some(DEADLOCK) => {
                    tokio::time::sleep(Duration::from_millis(
                        u64::from(attempt * 20) + u64::from(number % 17),
                    ))
                    .await;
                }
                result => return result,
            }
        }
        self.part(client, number).await
    }

    /// Reads one part, which checks its hash, and runs it.
    async fn part(&self, client: &Connection, number: PartNumber) -> Result<()> {
        let entry = self.archive.entry(number)?;
        let bytes = self.archive.part(number).await?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        match entry.aspect {
            Aspect::Guard => {}
            Aspect::Rows => {
                let copied = run::rows(client, bytes).await?;
                if copied != entry.rows {
                    let named = entry.objects.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                    return Err(Error::new(
                        ErrorKind::Refused,
                        format!(
                            "{copied} rows of {named} went in, and the archive's index says {}",
                            entry.rows
                        ),
                    ));
                }
            }
            _ => {
                let text = String::from_utf8(bytes).map_err(|error| {
                    Error::new(ErrorKind::Refused, "a part of definitions is not UTF-8").with_source(error)
                })?;
                run::statements(client, &text).await?;
            }
        }
        self.progress.advance(length, entry.rows);
        Ok(())
    }
}

fn ended(graph: &Graph) -> Result<()> {
    if graph.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Refused, "the archive's parts wait for each other in a circle"))
}
