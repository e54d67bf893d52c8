use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use database::postgres::{Connection, Server, globals};
use database::{ErrorKind as DatabaseErrorKind, RowsRead, Section, SourceId, TableDigest};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::definitions::Planned;
use super::prepare::{Extras, Prepared};
use super::psql::for_psql;
use super::work::{Done, Task, Work};
use super::{plan, snapshot, statistics};
use crate::archive::{ArchiveWriter, Aspect, Grade, PartNumber, RawPart, Tail, compress};
use crate::dump::BackupOptions;
use crate::progress::Progress;
use crate::{Error, ErrorKind, Result};

/// Whether a server of that major version reads only the pages of a range, and not the whole table, for one:
/// <https://www.postgresql.org/docs/release/14.0/>.
pub(crate) fn ranges_since(major: u32) -> bool {
    major >= 14
}

impl Prepared {
    /// Writes all parts. The snapshot and its locks have ended when this returns, however it does.
    ///
    /// # Errors
    /// What the server or the store says, and [`ErrorKind::Refused`] for what an honest server does not send.
    pub(crate) async fn write(
        self,
        writer: &mut ArchiveWriter,
        source: SourceId,
        options: &BackupOptions,
        progress: &dyn Progress,
    ) -> Result<Tail> {
        let (jobs, level) = (options.jobs.max(1), options.level);
        let Self {
            server,
            leader,
            schema,
            mut sections,
            targets,
            views,
            values,
            envelope,
            mut outline,
            properties,
            mut extras,
        } = self;
        let statistics = statistics::read(&leader.connection, &schema, options).await?;
        statistics.note(&mut outline);
        writer.outline(outline);
        if options.is_partial() {
            writer.mark_partial();
        }
        let mut script = Script { writer, level };
        script.guard(Section::PreData, envelope.opening()).await?;
        if let Some(globals) = &extras.globals {
            let text = globals::script(globals);
            script.whole(Aspect::Globals, Section::PreData, for_psql(&text)?.as_bytes().to_vec()).await?;
        }
        script.section(sections.remove(&Section::PreData)).await?;
        let made = script.section(sections.remove(&Section::Data)).await?;
        for part in values {
            script.append(part).await?;
        }

        let tables: Vec<_> = schema.tables_with_rows().collect();
        let pieces = plan::tasks(&tables, jobs, ranges_since(leader.connection.major_version()));
        let total: u64 = tables.iter().map(|(_, table)| table.bytes).sum();
        let mut tasks: VecDeque<Task> = pieces.into_iter().map(Task::Rows).collect();
        (0..views.len()).for_each(|place| tasks.push_front(Task::View(place)));
        if extras.large_objects > 0 {
            tasks.push_front(Task::LargeObjects(made));
        }
        progress.phase("rows", Some(total));
        let mut sessions = vec![leader.connection];
        if let Some(exported) = &leader.exported {
            sessions.extend(followers(&server, exported, jobs.saturating_sub(1).min(tasks.len())).await?);
        }
        let pids = pids(&sessions).await?;
        let work = Work::new(targets, views, tasks, sessions.len() - 1, level);
        let read = script.rows(&work, sessions, progress, &options.cancel).await;
        if read.is_err() {
            // A session whose client is gone reads on to the end of its table, and holds its locks until then.
            end_sessions(&server, &pids).await;
        }
        let read = read?;
        extras.large_objects_digest = read.large_objects;
        let computed =
            work.targets().iter().zip(&read.tables).filter_map(|(target, read)| target.computed(read));
        let refreshed = work.views().iter().zip(&read.views).map(|(view, digest)| view.refreshed(*digest));
        extras.derived = computed.chain(refreshed).collect();

        progress.phase("definitions", None);
        script.section(sections.remove(&Section::PostData)).await?;
        script.section(sections.remove(&Section::Final)).await?;
        for part in statistics.parts {
            script.writer.append(part).await?;
        }
        script.guard(Section::Final, envelope.closing()).await?;

        let mut kinds = BTreeMap::new();
        for object in &schema.objects {
            *kinds.entry(object.id.kind).or_default() += 1;
        }
        let mut left_out: Vec<String> = schema.left_out.iter().map(ToString::to_string).collect();
        if options.statistics {
            left_out.extend(statistics::left_out(&schema));
        }
        let entries = work.targets().iter().zip(&read.tables).map(|(target, read)| target.entry(read));
        Ok(Tail {
            source,
            snapshot: leader.moment,
            grade: Grade::Exact,
            kinds,
            left_out,
            properties: options.properties_override.clone().unwrap_or(properties),
            tables: entries.collect(),
            extras: to_json(&extras)?,
        })
    }
}

/// The archive as it grows.
struct Script<'w> {
    writer: &'w mut ArchiveWriter,
    level: i32,
}

impl Script<'_> {
    async fn append(&mut self, part: RawPart) -> Result<PartNumber> {
        let level = self.level;
        let part = tokio::task::spawn_blocking(move || compress(part, level)).await.map_err(broke)??;
        self.writer.append(part).await
    }

    async fn guard(&mut self, section: Section, bytes: Vec<u8>) -> Result<()> {
        self.whole(Aspect::Guard, section, bytes).await
    }

    /// A part that is no object's.
    async fn whole(&mut self, aspect: Aspect, section: Section, bytes: Vec<u8>) -> Result<()> {
        let part = RawPart { section, aspect, objects: Vec::new(), rows: 0, bytes, follows: Vec::new() };
        self.append(part).await?;
        Ok(())
    }

    /// Appends a section's parts; returns the numbers of those that hold definitions.
    async fn section(&mut self, planned: Option<Vec<Planned>>) -> Result<Vec<PartNumber>> {
        let mut numbers = Vec::new();
        let mut definitions = Vec::new();
        for Planned { mut part, follows, .. } in planned.unwrap_or_default() {
            part.follows = follows.into_iter().map(|place| numbers[place]).collect();
            let aspect = part.aspect;
            let number = self.append(part).await?;
            numbers.push(number);
            if aspect == Aspect::Definition {
                definitions.push(number);
            }
        }
        Ok(definitions)
    }

    /// Has the sessions read all rows and large objects.
    async fn rows(
        &mut self,
        work: &Arc<Work>,
        sessions: Vec<Connection>,
        progress: &dyn Progress,
        cancel: &CancellationToken,
    ) -> Result<Read> {
        let mut read = Read {
            tables: vec![RowsRead::default(); work.targets().len()],
            views: vec![None; work.views().len()],
            large_objects: TableDigest::default(),
        };
        let (to, mut from) = mpsc::channel(1);
        let mut workers = JoinSet::new();
        for (place, session) in sessions.into_iter().enumerate() {
            let (work, to) = (Arc::clone(work), to.clone());
            if place == 0 {
                workers.spawn(work.lead(session, to));
            } else {
                workers.spawn(work.follow(session, to));
            }
        }
        drop(to);
        loop {
            let done = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(Error::new(ErrorKind::Cancelled, "the backup was cancelled")),
                done = from.recv() => done,
            };
            match done {
                None => break,
                Some(Err(error)) => return Err(error),
                Some(Ok(Done::Rows(some))) => {
                    some.into_iter().for_each(|(table, rows)| read.tables[table].merge(rows));
                }
                Some(Ok(Done::View(view, digest))) => read.views[view] = digest,
                Some(Ok(Done::LargeObjects(digest))) => read.large_objects.merge(digest),
                Some(Ok(Done::Part(part))) => {
                    let (bytes, rows) = (part.bytes(), part.rows());
                    self.writer.append(part).await?;
                    progress.advance(bytes, rows);
                }
            }
        }
        while let Some(ended) = workers.join_next().await {
            ended.map_err(broke)?;
        }
        Ok(read)
    }
}

/// What was read.
struct Read {
    /// The tables, in order.
    tables: Vec<RowsRead>,
    /// The materialized views, in order, as far as they could be read.
    views: Vec<Option<TableDigest>>,
    large_objects: TableDigest,
}

/// As many further sessions as the server lets in.
async fn followers(server: &Server, exported: &str, wanted: usize) -> Result<Vec<Connection>> {
    let mut sessions = Vec::new();
    for _ in 0..wanted {
        match snapshot::follow(server, exported).await {
            Ok(session) => sessions.push(session),
            // 53300: too many connections, of the server, the database or the role. A pooler with none left does not answer.
            Err(error)
                if error.sqlstate() == Some("53300")
                    || matches!(error.kind(), DatabaseErrorKind::Busy | DatabaseErrorKind::Connection) =>
            {
                tracing::warn!(%error, sessions = sessions.len() + 1, "the server lets no more sessions in");
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(sessions)
}

async fn pids(sessions: &[Connection]) -> Result<Vec<i32>> {
    let mut pids = Vec::with_capacity(sessions.len());
    for session in sessions {
        let row = session
            .query_one("SELECT pg_catalog.pg_backend_pid()", &[])
            .await
            .map_err(|error| session.error(error, "cannot ask the server for the session's number"))?;
        pids.push(row.get(0));
    }
    Ok(pids)
}

/// Ends sessions of our own, as well as it can be done after a failure.
async fn end_sessions(server: &Server, pids: &[i32]) {
    let end = async {
        let connection = server.quiet(None).await?;
        connection
            .execute(
                "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.unnest($1::integer[]) pid",
                &[&pids],
            )
            .await
            .map_err(|error| connection.error(error, "cannot end the sessions of the backup"))
    };
    match tokio::time::timeout(std::time::Duration::from_secs(5), end).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::debug!(%error, "sessions of the failed backup end by themselves"),
        Err(_) => {
            tracing::debug!("the server did not answer; sessions of the failed backup end by themselves")
        }
    }
}

fn to_json(extras: &Extras) -> Result<serde_json::Value> {
    serde_json::to_value(extras).map_err(|error| {
        Error::new(ErrorKind::Internal, "what the index keeps has no JSON").with_source(error)
    })
}

fn broke(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Internal, "a worker of the backup broke").with_source(error)
}
