//! The part of the proof that takes time: every row is read back, in ranges, by as many workers as there are.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use database::mysql::{Connection, digest, rows};
use database::{RowsRead, Schema};
use futures_util::future::try_join_all;

use super::prove;
use crate::archive::Archive;
use crate::mysql::dump::{Target, pieces};
use crate::restore::Remade;
use crate::{Error, ErrorKind, Result};

/// Reads every table's rows back over all of the connections, and compares number and digest; returns what was made anew
/// and is not what it was.
pub(super) async fn all(
    workers: &mut [Connection],
    schema: &Schema,
    archive: &Archive,
) -> Result<Vec<Remade>> {
    let index = archive.index();
    for worker in workers.iter_mut() {
        rows::set_up(worker, "cannot set a session up").await?;
    }
    let jobs = workers.len();
    let Some(first) = workers.first_mut() else {
        return Err(Error::new(ErrorKind::Internal, "a proof without a connection"));
    };
    let mut targets = Vec::new();
    let mut expected = Vec::new();
    for (id, table) in schema.tables_with_rows() {
        // What the server says of a table's size right after it was filled is old.
        let parts = index.parts.iter().filter(|part| part.objects.first() == Some(id));
        let bytes = parts.map(|part| u64::from(part.bytes)).sum();
        targets.push(Target::new(id, &database::Table { bytes, ..table.clone() }));
        expected.push(prove::expected(index, id)?);
    }
    let queue = Mutex::new(VecDeque::from(pieces(first, schema, &targets, jobs, &|_| false).await?));
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let work = async |worker: &mut Connection| {
        let mut found = Vec::new();
        while let Some(piece) = next() {
            let target = &targets[piece.table];
            let read = digest::of(worker, &target.id, &target.table, &piece.rest(None)).await?;
            found.push((piece.table, read));
        }
        Ok::<_, Error>(found)
    };
    let found = try_join_all(workers.iter_mut().map(work)).await?;
    let mut tables = vec![RowsRead::default(); targets.len()];
    found.into_iter().flatten().for_each(|(table, read)| tables[table].merge(read));
    let derived = super::extras(archive)?.derived;
    let mut remade = Vec::new();
    for ((target, expected), found) in targets.iter().zip(&expected).zip(&mut tables) {
        if let (Err(error), Some(first)) =
            (prove::compare_rows(&target.id, expected, &found.carried), workers.first_mut())
        {
            // Once more in one piece, so that no order of texts is to blame.
            tracing::info!(%error, "the table is read once more");
            *found = digest::of(first, &target.id, &target.table, "").await?;
        }
        prove::compare_rows(&target.id, expected, &found.carried)?;
        remade.extend(derived.iter().find(|one| one.id == target.id).and_then(|one| one.judge(found)));
    }
    Ok(remade)
}
