//! Loading an archive's parts into a database, by several workers from one file.

use crate::postgres::failed;
use crate::{Error, ErrorKind, Result};
use database::postgres::{Connection, Server, digest};
use database::{Engine, ObjectId, quote};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio_postgres::error::SqlState;

use super::order::{Graph, Order, Unit};
use super::run::{self, Freeze, Transaction};
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

/// One more such connection; `None` where the server, the database or the role has none left.
pub(crate) async fn another_worker(server: &Server, database: &str) -> Result<Option<Connection>> {
    match worker(server, database).await {
        Err(error) if error.sqlstate() == Some(TOO_MANY_CONNECTIONS) => Ok(None),
        worker => worker.map(Some),
    }
}

const TOO_MANY_CONNECTIONS: &str = "53300";

impl Load<'_> {
    /// Loads everything, with as many connections as there are `workers`.
    pub(crate) async fn all(&self, workers: &[Connection], order: Order) -> Result<()> {
        self.load(&workers.iter().collect::<Vec<_>>(), order, Transaction::Own).await
    }

    /// Loads everything on one connection, in its open transaction.
    pub(crate) async fn serially(&self, client: &Connection, order: Order) -> Result<()> {
        self.load(&[client], order, Transaction::Within).await
    }

    async fn load(&self, workers: &[&Connection], order: Order, transaction: Transaction) -> Result<()> {
        let Some(&first) = workers.first() else {
            return Err(Error::new(ErrorKind::Internal, "a restore without a connection"));
        };
        self.check(&order.unused).await?;
        self.progress.phase("definitions", None);
        for &number in &order.before {
            self.part(first, number, transaction).await?;
        }
        self.progress.phase("rows", Some(self.bytes(&order.data)));
        self.graph(workers, order.data, transaction).await?;
        self.progress.phase("indexes and constraints", None);
        self.graph(workers, order.after, transaction).await?;
        for &number in &order.last {
            self.part(first, number, transaction).await?;
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
    ///
    /// Rows that a check of their own table refuses are tried again once others are in: it may look at them, of which
    /// no catalog tells.
    async fn graph(&self, workers: &[&Connection], mut graph: Graph, transaction: Transaction) -> Result<()> {
        let mut idle = workers.to_vec();
        let mut running = FuturesUnordered::new();
        let (mut refused, mut went_in): (Vec<(Unit, Error)>, bool) = (Vec::new(), false);
        loop {
            while !idle.is_empty()
                && let Some(unit) = graph.take()
            {
                if let Some(worker) = idle.pop() {
                    running.push(self.on(worker, unit, transaction));
                }
            }
            if let Some((worker, unit, result)) = running.next().await {
                match result {
                    Ok(()) => {
                        graph.done(&unit);
                        went_in = true;
                    }
                    Err(error) if self.is_rows(&unit) && run::may_look_elsewhere(&error) => {
                        refused.push((unit, error));
                    }
                    Err(error) => return Err(error),
                }
                idle.push(worker);
            } else if std::mem::take(&mut went_in) {
                refused.drain(..).for_each(|(unit, _)| graph.put_back(unit));
            } else {
                break;
            }
        }
        match refused.into_iter().next() {
            Some((_, error)) => Err(error),
            None => ended(&graph),
        }
    }

    async fn on<'w>(
        &self,
        worker: &'w Connection,
        unit: Unit,
        transaction: Transaction,
    ) -> (&'w Connection, Unit, Result<()>) {
        let result = self.unit(worker, &unit, transaction).await;
        (worker, unit, result)
    }

    fn is_rows(&self, unit: &Unit) -> bool {
        let aspect = |&number| self.archive.entry(number).map(|part| part.aspect);
        unit.parts.iter().all(|number| matches!(aspect(number), Ok(Aspect::Rows)))
    }

    async fn unit(&self, client: &Connection, unit: &Unit, transaction: Transaction) -> Result<()> {
        if !self.is_rows(unit) {
            for &number in &unit.parts {
                self.part(client, number, transaction).await?;
            }
            return Ok(());
        }
        let path = super::search_path(self.archive);
        let mut tries = run::Tries::new(client, &path);
        while !tries.are_over(self.whole(client, unit, transaction).await).await? {}
        Ok(())
    }

    /// Loads the rows of a unit, all of them or none.
    async fn whole(&self, client: &Connection, unit: &Unit, transaction: Transaction) -> Result<()> {
        transaction.begin(client).await?;
        let done = async {
            let freeze = match &unit.alone {
                Some(table) if transaction == Transaction::Own => self.emptied(client, table).await?,
                _ => Freeze::No,
            };
            for &number in &unit.parts {
                self.rows(client, number, freeze, unit.refused).await?;
            }
            Ok(())
        };
        let done = done.await;
        transaction.end(client, done).await
    }

    /// Empties a table in the transaction that loads it, which lets the server write the rows as it would have
    /// them after a `VACUUM FREEZE`: no reader after us, and no autovacuum, has to write their pages again.
    ///
    /// Returns whether it may: the account may be allowed to insert rows and not to empty the table.
    async fn emptied(&self, client: &Connection, table: &ObjectId) -> Result<Freeze> {
        let name = quote::qualified(Engine::Postgres, &[&table.namespace, &table.name]);
        let Err(error) = client.batch_execute(&format!("TRUNCATE ONLY {name}")).await else {
            return Ok(Freeze::Yes);
        };
        if error.code() != Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
            return Err(failed(error, format!("cannot empty {table}, which is new")));
        }
        let again = client.batch_execute("ROLLBACK; BEGIN").await;
        again.map(|()| Freeze::No).map_err(|error| failed(error, "cannot go on after a refusal"))
    }

    /// Reads one part of rows, which checks its hash, and copies them in.
    async fn rows(
        &self,
        client: &Connection,
        number: PartNumber,
        freeze: Freeze,
        refused: bool,
    ) -> Result<()> {
        let entry = self.archive.entry(number)?;
        let part = self.archive.part(number).await?;
        let copied = match refused {
            true => run::rows_in_any_order(client, part).await?,
            false => run::rows(client, part, freeze).await?,
        };
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
    async fn part(&self, client: &Connection, number: PartNumber, transaction: Transaction) -> Result<()> {
        let entry = self.archive.entry(number)?;
        let bytes = self.archive.part(number).await?;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if entry.aspect != Aspect::Guard {
            let text = String::from_utf8(bytes).map_err(|error| {
                Error::new(ErrorKind::Refused, "a part of definitions is not UTF-8").with_source(error)
            })?;
            run::statements(client, &text, transaction, &super::search_path(self.archive)).await?;
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
