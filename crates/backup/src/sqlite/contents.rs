//! What a database file holds that nobody else can change, read by several connections at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use database::sqlite::{self, catalog, digest};
use database::{Kind, ObjectId, Table, TableDigest};
use futures_util::{StreamExt as _, TryStreamExt as _};
use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::check::{self, Checked};
use crate::archive::{Index, TableEntry};
use crate::{Error, ErrorKind, Result};

/// SQLite asks so often whether to go on, in steps of its virtual machine.
const STEPS: i32 = 100_000;
/// A table is read in at most this many pieces, so that one that is large keeps every worker busy.
const PIECES: u32 = 16;

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) tables: Vec<TableEntry>,
    pub(crate) kinds: BTreeMap<Kind, u64>,
    pub(crate) properties: serde_json::Value,
    /// Why its being whole could not be checked: an application's own collation, say.
    pub(crate) unchecked: Option<String>,
}

/// Work for whichever thread is free.
type Job = Box<dyn FnOnce() + Send>;

/// Connections to a file that is closed and stays as it is. As many work at once as there are jobs.
///
/// The threads are its own: those that tokio lends are more than are busy at once, and each of them would keep the room
/// that a row of 4 MiB took.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    cancel: CancellationToken,
    to: mpsc::Sender<Job>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Readers of that file, so many at once.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] where the system gives no threads.
    pub(crate) fn new(path: &Path, jobs: usize, cancel: CancellationToken) -> Result<Arc<Self>> {
        let (to, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..jobs.max(1) {
            let queue = queue.clone();
            let next = move || queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let work = move || {
                while let Ok(job) = next() {
                    job();
                }
            };
            let started = std::thread::Builder::new().name("dbm-read".to_owned()).spawn(work);
            started
                .map_err(|cause| Error::io(ErrorKind::Internal, "cannot start a thread that reads", cause))?;
        }
        Ok(Arc::new(Self { path: path.to_owned(), cancel, to, idle: Mutex::default() }))
    }

    /// Does work when its turn has come, on a thread where it may block.
    pub(crate) async fn turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let cancel = self.cancel.clone();
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move || {
            let done = match cancel.is_cancelled() {
                true => Err(cancelled()),
                false => work().map_err(|error| if cancel.is_cancelled() { cancelled() } else { error }),
            };
            // Nobody waits for it where other work has failed meanwhile.
            drop(answer.send(done));
        });
        // If all threads are gone, so is the other end of the answer.
        drop(self.to.send(job));
        answered.await.unwrap_or_else(|cause| {
            Err(Error::new(ErrorKind::Internal, "a thread that read a file broke off").with_source(cause))
        })
    }

    async fn with<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let readers = self.clone();
        self.turn(move || {
            let idle = readers.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = match idle {
                Some(connection) => connection,
                None => open(&readers.path, &readers.cancel)?,
            };
            digest::in_any_order(&connection)?;
            let done = work(&connection);
            readers.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            done
        })
        .await
    }
}

/// Reads all of the file.
pub(crate) async fn read(readers: &Arc<Readers>) -> Result<Contents> {
    let (kinds, properties, mut tables, pieces) = readers.with(plan).await?;
    let (path, cancel) = (readers.path.clone(), readers.cancel.clone());
    // On a connection of its own: whether rows are in order is part of it.
    let check = readers.turn(move || check::whole(&open(&path, &cancel)?));
    let digests = async {
        let pieces = futures_util::stream::iter(pieces).map(|(number, of, slice)| async move {
            let digest =
                readers.with(move |connection| Ok(digest::slice(connection, &of.0, &of.1, &slice)?)).await?;
            Ok::<_, Error>((number, digest))
        });
        // More than there are workers, so that none is ever without work: these only wait for their turn.
        pieces.buffer_unordered(64).try_collect::<Vec<(usize, TableDigest)>>().await
    };
    // Damage is better told by the check than by whoever stumbled over it.
    let (checked, read) = tokio::join!(stopping(check, &readers.cancel), stopping(digests, &readers.cancel));
    let (checked, read) = both(checked, read)?;
    for (number, digest) in read {
        tables[number].digest.merge(digest);
    }
    let unchecked = match checked {
        Checked::Whole => None,
        Checked::Unchecked(why) => Some(why),
    };
    Ok(Contents { tables, kinds, properties, unchecked })
}

/// The objects by kind, the properties, the tables without their digests, and the pieces to read, each of the
/// table with that number.
type Plan = (
    BTreeMap<Kind, u64>,
    serde_json::Value,
    Vec<TableEntry>,
    Vec<(usize, Arc<(ObjectId, Table)>, digest::Slice)>,
);

fn plan(connection: &Connection) -> Result<Plan> {
    let mut kinds = BTreeMap::new();
    for object in &catalog::read(connection)?.objects {
        *kinds.entry(object.id.kind).or_insert(0) += 1;
    }
    let (mut tables, mut pieces) = (Vec::new(), Vec::new());
    for (number, (id, table)) in digest::tables(connection)?.into_iter().enumerate() {
        let columns = digest::columns(&table).collect();
        tables.push(TableEntry { id: id.clone(), digest: TableDigest::default(), columns });
        let slices = digest::slices(connection, &id, &table, PIECES)?;
        let of = Arc::new((id, table));
        pieces.extend(slices.into_iter().map(|slice| (number, Arc::clone(&of), slice)));
    }
    Ok((kinds, check::properties(connection)?, tables, pieces))
}

/// Stops everything else that looks at the token when it fails.
pub(crate) async fn stopping<T>(
    work: impl Future<Output = Result<T>>,
    stop: &CancellationToken,
) -> Result<T> {
    let done = work.await;
    if done.is_err() {
        stop.cancel();
    }
    done
}

/// Both, or the first failure that is not only the other one's echo.
pub(crate) fn both<A, B>(a: Result<A>, b: Result<B>) -> Result<(A, B)> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(first), Err(second)) if first.kind() == ErrorKind::Cancelled => Err(second),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// Compares what a file holds with what an index says of it.
pub(crate) async fn prove(path: &Path, index: &Index, jobs: usize, cancel: &CancellationToken) -> Result<()> {
    let contents = read(&Readers::new(path, jobs, cancel.child_token())?).await?;
    let unproven = |what: String| {
        Error::new(
            ErrorKind::Unproven,
            format!("what was restored is not what the archive's index says: {what}"),
        )
        .with_hint("the target is as it was; take another backup (`dbm backups` lists them)")
    };
    for expected in &index.tables {
        match contents.tables.iter().find(|table| table.id == expected.id) {
            None => return Err(unproven(format!("{} is missing", expected.id))),
            Some(found) if found.digest != expected.digest => {
                let (rows, want) = (found.digest.rows, expected.digest.rows);
                return Err(unproven(format!(
                    "{} has {rows} rows, expected {want}, or other rows",
                    expected.id
                )));
            }
            Some(_) => {}
        }
    }
    if let Some(more) = contents.tables.iter().find(|table| index.table(&table.id).is_none()) {
        return Err(unproven(format!("{} is not in the index", more.id)));
    }
    if contents.kinds != index.kinds {
        return Err(unproven(format!("it holds {:?} objects, expected {:?}", contents.kinds, index.kinds)));
    }
    Ok(())
}

/// Opens a file without a lock or a WAL: nothing beside it is read or made.
pub(super) fn open(path: &Path, cancel: &CancellationToken) -> Result<Connection> {
    let what = |cause| Error::from(sqlite::error(cause, "cannot open the copy"));
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str());
    let encoded = helpers::percent::encode_bytes(bytes, |byte| {
        byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte)
    });
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let mut connection =
        Connection::open_with_flags(format!("file:{encoded}?immutable=1"), flags).map_err(what)?;
    let cancel = cancel.clone();
    connection.progress_handler(STEPS, Some(move || cancel.is_cancelled())).map_err(what)?;
    Ok(connection)
}

fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the work on the database file was cancelled")
}
