use std::collections::BTreeMap;
use std::sync::Arc;

use database::mysql::catalog::{ROWS_MODE, SCRIPT_MODE, counter_sql};
use database::{Object, RowsRead, Section, SourceId};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::prepare::Prepared;
use super::rows::mode;
use super::script;
use super::work::{Done, Queue, Work};
use crate::archive::{ArchiveWriter, Aspect, Grade, PART_BYTES, PartNumber, RawPart, Tail, compress};
use crate::dump::BackupOptions;
use crate::progress::Progress;
use crate::{Error, ErrorKind, Result};

/// A part of small things ends after so many, so that there is something for each worker of a restore.
const OBJECTS_PER_PART: usize = 100;

impl Prepared {
    /// Writes all parts. The snapshot and its locks have ended when this returns, however it does.
    ///
    /// # Errors
    /// What the server or the store says, and [`ErrorKind::Refused`] for a row that no statement carries.
    pub(crate) async fn write(
        self,
        writer: &mut ArchiveWriter,
        source: SourceId,
        options: &BackupOptions,
        progress: &dyn Progress,
    ) -> Result<Tail> {
        let Self {
            snapshot,
            schema,
            targets,
            pieces,
            counts,
            held,
            properties,
            mut extras,
            flavour,
            longest,
            ..
        } = self;
        if options.is_partial() {
            writer.mark_partial();
        }
        let mut script = Script { writer, level: options.level };
        script.guard(Section::PreData, script::opening(flavour, extras.history)).await?;
        let of = |section| schema.objects.iter().filter(move |object: &&Object| object.section == section);
        script
            .definitions(Section::PreData, of(Section::PreData), |object| object.definition.clone())
            .await?;

        script.guard(Section::Data, mode(ROWS_MODE).into_bytes()).await?;
        let total: u64 = targets.iter().map(|target| target.table.bytes).sum();
        progress.phase("rows", Some(total));
        let (held, free): (Vec<_>, Vec<_>) = pieces.into_iter().partition(|piece| held[piece.table]);
        let work = Arc::new(Work { targets, level: options.level, longest });
        let (to, from) = mpsc::channel(1);
        let mut workers = JoinSet::new();
        let queue = Queue::new(free);
        // The first keeps others from altering the tables until all rows are read, so it ends when the others have.
        let mut sessions = snapshot.workers.into_iter();
        let keeper = sessions.next();
        if let Some(holder) = snapshot.holder {
            workers.spawn(Arc::clone(&work).run(holder, Queue::new(held), to.clone()));
        }
        for session in sessions {
            workers.spawn(Arc::clone(&work).run(session, queue.clone(), to.clone()));
        }
        let (ended, wait) = tokio::sync::oneshot::channel::<()>();
        if let Some(keeper) = keeper {
            let (work, to, queue) = (Arc::clone(&work), to.clone(), queue.clone());
            workers.spawn(work.keep(keeper, queue, to, wait));
        }
        drop(to);
        let read = script.rows(&work, from, progress, &options.cancel, ended).await;
        // What still runs is dropped with its connection.
        if read.is_err() {
            workers.abort_all();
        }
        while workers.join_next().await.is_some() {}
        let (read, largest) = read?;
        for (table, count) in counts {
            let found = read[table].carried.rows;
            if found != count {
                let message = format!(
                    "the server finds {found} of the {count} rows of {} by ranges of its key",
                    work.targets[table].id
                );
                return Err(Error::new(ErrorKind::Refused, message).with_hint(
                    "`dbm backup --jobs 1` reads it in one piece; please report the table's collation",
                ));
            }
        }
        extras.longest = largest.map(|(bytes, table)| (work.targets[table].id.name.clone(), bytes as u64));

        extras.derived =
            work.targets.iter().zip(&read).filter_map(|(target, read)| target.computed(read)).collect();

        progress.phase("definitions", None);
        script.guard(Section::PostData, mode(SCRIPT_MODE).into_bytes()).await?;
        let counters = schema.objects.iter().filter(|object| counter_sql(object).is_some());
        script.values(counters).await?;
        script
            .definitions(Section::PostData, of(Section::PostData), |object| object.definition.clone())
            .await?;
        script.definitions(Section::Final, of(Section::Final), |object| object.definition.clone()).await?;
        if let Some(globals) = &extras.globals {
            // After all else: whoever may not make accounts has everything but them when the client stops here.
            script.alone(Section::Final, Aspect::Globals, globals.script().into_bytes()).await?;
        }
        script.guard(Section::Final, script::END.as_bytes().to_vec()).await?;

        let mut kinds = BTreeMap::new();
        for object in &schema.objects {
            *kinds.entry(object.id.kind).or_default() += 1;
        }
        let weakened = snapshot.weakened;
        Ok(Tail {
            source,
            snapshot: snapshot.position,
            grade: if weakened.is_empty() { Grade::Exact } else { Grade::Weakened(weakened) },
            kinds,
            left_out: schema.left_out.iter().map(ToString::to_string).collect(),
            properties: match &options.properties_override {
                Some(properties) => properties.clone(),
                None => to_json(&properties)?,
            },
            tables: work.targets.iter().zip(&read).map(|(target, read)| target.entry(read)).collect(),
            extras: to_json(&extras)?,
        })
    }
}

impl Work {
    /// Works like the others, and then keeps its transaction until all of them have ended.
    async fn keep(
        self: Arc<Self>,
        connection: database::mysql::Connection,
        queue: Queue,
        to: mpsc::Sender<Result<Done>>,
        wait: tokio::sync::oneshot::Receiver<()>,
    ) {
        let connection = self.run_on(connection, queue, to).await;
        let _ = wait.await;
        if let Some(connection) = connection {
            connection.close().await;
        }
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
        let part = tokio::task::spawn_blocking(move || compress(part, level)).await.map_err(|cause| {
            Error::new(ErrorKind::Internal, "compressing a part broke").with_source(cause)
        })??;
        self.writer.append(part).await
    }

    async fn guard(&mut self, section: Section, bytes: Vec<u8>) -> Result<()> {
        self.alone(section, Aspect::Guard, bytes).await
    }

    /// A part that is of no object.
    async fn alone(&mut self, section: Section, aspect: Aspect, bytes: Vec<u8>) -> Result<()> {
        let (objects, follows) = (Vec::new(), Vec::new());
        self.append(RawPart { section, aspect, objects, rows: 0, bytes, follows }).await?;
        Ok(())
    }

    /// The counters, after all rows.
    async fn values<'o>(&mut self, objects: impl Iterator<Item = &'o Object>) -> Result<()> {
        self.parts(Section::PostData, Aspect::Values, objects, |object| {
            counter_sql(object).unwrap_or_default()
        })
        .await
    }

    async fn definitions<'o>(
        &mut self,
        section: Section,
        objects: impl Iterator<Item = &'o Object>,
        text: impl Fn(&Object) -> String,
    ) -> Result<()> {
        self.parts(section, Aspect::Definition, objects, text).await
    }

    /// Statements in parts that follow one another.
    async fn parts<'o>(
        &mut self,
        section: Section,
        aspect: Aspect,
        objects: impl Iterator<Item = &'o Object>,
        text: impl Fn(&Object) -> String,
    ) -> Result<()> {
        let empty = || RawPart {
            section,
            aspect,
            objects: Vec::new(),
            rows: 0,
            bytes: Vec::new(),
            follows: Vec::new(),
        };
        let mut open = empty();
        let mut last = None;
        for object in objects {
            if open.bytes.len() >= PART_BYTES || open.objects.len() >= OBJECTS_PER_PART {
                open.follows = last.into_iter().collect();
                last = Some(self.append(std::mem::replace(&mut open, empty())).await?);
            }
            open.objects.push(object.id.clone());
            open.bytes.extend_from_slice(text(object).as_bytes());
        }
        if !open.objects.is_empty() {
            open.follows = last.into_iter().collect();
            self.append(open).await?;
        }
        Ok(())
    }

    /// Takes what the workers hand on; returns what each table holds, and the longest statement of one row with its table.
    /// `ended` is told when nothing more will come.
    async fn rows(
        &mut self,
        work: &Work,
        mut from: mpsc::Receiver<Result<Done>>,
        progress: &dyn Progress,
        cancel: &CancellationToken,
        ended: tokio::sync::oneshot::Sender<()>,
    ) -> Result<(Vec<RowsRead>, Option<(usize, usize)>)> {
        let mut tables = vec![RowsRead::default(); work.targets.len()];
        let mut longest = None;
        loop {
            let done = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(Error::new(ErrorKind::Cancelled, "the backup was cancelled")),
                done = from.recv() => done,
            };
            match done {
                None => break,
                Some(Err(error)) => return Err(error),
                Some(Ok(Done::Rows { table, read, largest })) => {
                    tables[table].merge(read);
                    longest = longest.max(Some((largest, table)));
                }
                Some(Ok(Done::Part(part))) => {
                    let (bytes, rows) = (part.bytes(), part.rows());
                    self.writer.append(part).await?;
                    progress.advance(bytes, rows);
                }
            }
        }
        drop(ended);
        Ok((tables, longest))
    }
}

fn to_json(value: &impl serde::Serialize) -> Result<serde_json::Value> {
    serde_json::to_value(value).map_err(|cause| {
        Error::new(ErrorKind::Internal, "what the index keeps has no JSON").with_source(cause)
    })
}
