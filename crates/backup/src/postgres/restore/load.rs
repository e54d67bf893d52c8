//! Loading an archive's parts into a database, by several workers from one file.

use crate::postgres::failed;
use crate::{Error, ErrorKind, Result};
use database::postgres::{Connection, Server, digest};
use database::{Engine, ObjectId, quote};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio_postgres::error::SqlState;

use super::order::{Graph, Order, Unit};
use super::run::{self, Deadlock, Freeze};
use crate::archive::{Archive, Aspect, PartNumber};
use crate::progress::Progress;

/// Where an archive is loaded into, and by how many.
pub(crate) struct Load<'a> {
    pub(crate) archive: &'a Archive,
    pub(crate) progress: &'a dyn Progress,
}

/// Opens a connection to a database with the settings of a restore.
pub(crate) async fn worker(server: &Server, database: &str) -> Result<Connection> {
    let client = server.quiet(Some(database)).await?;
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
            self.part(first, number, Deadlock::Again).await?;
        }
        self.progress.phase("rows", Some(self.bytes(&order.data)));
        self.graph(workers, order.data).await?;
        self.progress.phase("indexes and constraints", None);
        self.graph(workers, order.after).await?;
        for &number in &order.last {
            self.part(first, number, Deadlock::Again).await?;
        }
        Ok(())
    }

    /// Loads everything on one connection, in its open transaction.
    pub(crate) async fn serially(&self, client: &Connection, order: Order) -> Result<()> {
        self.check(&order.unused).await?;
        self.progress.phase("definitions", None);
        for &number in &order.before {
            self.part(client, number, Deadlock::Fails).await?;
        }
        for (name, bytes, mut graph) in [
            ("rows", Some(self.bytes(&order.data)), order.data),
            ("indexes and constraints", None, order.after),
        ] {
            self.progress.phase(name, bytes);
            while let Some(unit) = graph.take() {
                for &number in &unit.parts {
                    self.part(client, number, Deadlock::Fails).await?;
                }
                graph.done(&unit);
            }
            ended(&graph)?;
        }
        for &number in &order.last {
            self.part(client, number, Deadlock::Fails).await?;
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

    /// Gives each idle worker a unit that may run, until there is none.
    async fn graph(&self, workers: &[Connection], mut graph: Graph) -> Result<()> {
        let mut idle: Vec<&Connection> = workers.iter().collect();
        let mut running = FuturesUnordered::new();
        loop {
            while !idle.is_empty()
                && let Some(unit) = graph.take()
            {
                if let Some(worker) = idle.pop() {
                    running.push(self.on(worker, unit));
                }
            }
            let Some((worker, unit, result)) = running.next().await else { break };
            result?;
            graph.done(&unit);
            idle.push(worker);
        }
        ended(&graph)
    }

    async fn on<'w>(&self, worker: &'w Connection, unit: Unit) -> (&'w Connection, Unit, Result<()>) {
        let result = self.unit(worker, &unit).await;
        (worker, unit, result)
    }

    async fn unit(&self, client: &Connection, unit: &Unit) -> Result<()> {
        if let Some(table) = &unit.alone
            && self.frozen(client, table, &unit.parts).await?
        {
            return Ok(());
        }
        for &number in &unit.parts {
            self.part(client, number, Deadlock::Again).await?;
        }
        Ok(())
    }

    /// Loads a table in one transaction that empties it first, which lets the server write the rows as it would have
    /// them after a `VACUUM FREEZE`: no reader after us, and no autovacuum, has to write their pages again.
    ///
    /// Returns whether it did: the account may be allowed to insert rows and not to empty the table.
    async fn frozen(&self, client: &Connection, table: &ObjectId, parts: &[PartNumber]) -> Result<bool> {
        let name = quote::qualified(Engine::Postgres, &[&table.namespace, &table.name]);
        if let Err(error) = client.batch_execute(&format!("BEGIN; TRUNCATE ONLY {name}")).await {
            let denied = error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE);
            if !denied {
                return Err(failed(error, format!("cannot empty {table}, which is new")));
            }
            let back = client.batch_execute("ROLLBACK").await;
            return back.map(|()| false).map_err(|error| failed(error, "cannot go on after a refusal"));
        }
        for &number in parts {
            self.rows(client, number, Freeze::Yes).await?;
        }
        let end = client.batch_execute("COMMIT").await;
        end.map(|()| true).map_err(|error| failed(error, format!("cannot commit the rows of {table}")))
    }

    /// Reads one part of rows, which checks its hash, and copies them in.
    async fn rows(&self, client: &Connection, number: PartNumber, freeze: Freeze) -> Result<()> {
        let entry = self.archive.entry(number)?;
        let copied = run::rows(client, self.archive.part(number).await?, freeze).await?;
        if copied != entry.rows {
            let mut named: Vec<_> = entry.objects.iter().take(5).map(ToString::to_string).collect();
            if let Some(more @ [_, ..]) = entry.objects.get(5..) {
                named.push(format!("{} more", more.len()));
            }
            let named = named.join(", ");
            return Err(Error::new(
                ErrorKind::Refused,
                format!("{copied} rows of {named} went in, and the archive's index says {}", entry.rows),
            ));
        }
        self.progress.advance(u64::from(entry.bytes), entry.rows);
        Ok(())
    }

    /// Reads one part, which checks its hash, and runs it.
    async fn part(&self, client: &Connection, number: PartNumber, deadlock: Deadlock) -> Result<()> {
        let entry = self.archive.entry(number)?;
        if entry.aspect == Aspect::Rows {
            return self.rows(client, number, Freeze::No).await;
        }
        let bytes = self.archive.part(number).await?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if entry.aspect != Aspect::Guard {
            let text = String::from_utf8(bytes).map_err(|error| {
                Error::new(ErrorKind::Refused, "a part of definitions is not UTF-8").with_source(error)
            })?;
            run::statements(client, &text, deadlock, &super::search_path(self.archive)).await?;
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
