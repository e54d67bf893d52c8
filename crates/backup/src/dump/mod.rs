//! Making a backup.
//!
//! This is the one place of this crate's dumps that chooses the engine.

mod definitions;
mod options;
#[cfg(test)]
pub(crate) mod tests;

use std::time::Instant;

use chrono::{TimeDelta, Utc};
use database::{About, Database, Engine};
use helpers::naming::{ArchiveKind, BackupName};

use crate::archive::{ArchiveWriter, FORMAT, Finished, Head, Tail};
use crate::catalogue::UNFINISHED;
use crate::progress::Progress;
use crate::store::{Sidecar, Store, Upload};
use crate::{Error, ErrorKind, Result, mysql, postgres, sqlite};

pub use definitions::definitions;
pub use options::{BackupOptions, Planned, Written};

/// How many seconds others may be ahead of us in the queue for a name.
const TURNS: u32 = 120;

/// Backs a database up into a store. It is listed when it is complete and durable, and not before.
///
/// # Errors
/// What stands in the way, or what failed; then nothing of it is left.
pub async fn create(
    database: &Database,
    store: &dyn Store,
    options: &BackupOptions,
    progress: &dyn Progress,
) -> Result<Written> {
    let written = write(database, store, options, progress).await;
    if written.is_err() {
        // What was begun in the store is gone when the failure is told.
        store.settle().await;
    }
    written
}

/// What [`create`] would begin with. Nothing is read but what the database is, and nothing is written.
///
/// # Errors
/// What the server says, and what [`Store::plans`] gives.
pub async fn plan(database: &Database, store: &dyn Store, options: &BackupOptions) -> Result<Planned> {
    label(options)?;
    options.selection.check()?;
    check_partial(database.engine(), options)?;
    let about = database.about().await?;
    Ok(Planned { database: about.database, bytes: about.bytes, uploads: store.plans(about.bytes)? })
}

async fn write(
    database: &Database,
    store: &dyn Store,
    options: &BackupOptions,
    progress: &dyn Progress,
) -> Result<Written> {
    let started = Instant::now();
    let label = label(options)?;
    options.selection.check()?;
    check_partial(database.engine(), options)?;
    if database.engine() == Engine::Sqlite && options.globals {
        let what = format!("--globals: {} has no roles that an archive of it could hold", database.engine());
        return Err(Error::new(ErrorKind::Usage, what).with_hint("back up without --globals"));
    }
    if database.engine() != Engine::Postgres && options.statistics {
        let what = format!("--statistics: those of {} cannot be archived", database.engine());
        return Err(Error::new(ErrorKind::Usage, what).with_hint("back up without --statistics"));
    }
    let swept = store.sweep().await?;
    if !swept.is_empty() {
        tracing::info!(?swept, store = store.describe(), "removed what killed backups had left");
    }
    let mut about = database.about().await?;
    about.source = database.known_as(&about).await;
    let mut unfinished = options.unfinished;
    let (name, finished, tail) = match database {
        Database::Sqlite(file) => {
            let (name, upload) = reserve(store, &about, label, ArchiveKind::SqliteFile, options).await?;
            let prepared = sqlite::dump::prepare(file, &about, options, progress).await?;
            unfinished |= prepared.open;
            let kind = ArchiveKind::SqliteFile;
            let (name, upload) = relabel(store, &about, (name, upload), unfinished, kind, options).await?;
            let mut writer = begin(upload, &about, &name).await?;
            let tail = prepared.write(&mut writer, &about, options, progress).await?;
            (name, finish(writer, tail.clone(), options).await?, tail)
        }
        Database::Mysql(server) => {
            let (name, upload) = reserve(store, &about, label, ArchiveKind::Script, options).await?;
            let prepared = mysql::dump::prepare(server, options).await?;
            if let Some(is_open) = options.is_open {
                unfinished |= is_open(prepared.journal());
            }
            let kind = ArchiveKind::Script;
            let (name, upload) = relabel(store, &about, (name, upload), unfinished, kind, options).await?;
            let mut writer = begin(upload, &about, &name).await?;
            let tail = prepared.write(&mut writer, about.source.clone(), options, progress).await?;
            (name, finish(writer, tail.clone(), options).await?, tail)
        }
        Database::Postgres(server) => {
            let (name, upload) = reserve(store, &about, label, ArchiveKind::Script, options).await?;
            let prepared = postgres::dump::prepare(server, options).await?;
            if let Some(note) = prepared.note() {
                progress.note(&note);
            }
            if let Some(is_open) = options.is_open {
                unfinished |= is_open(&prepared.journal().await?);
            }
            let kind = ArchiveKind::Script;
            let (name, upload) = relabel(store, &about, (name, upload), unfinished, kind, options).await?;
            let mut writer = begin(upload, &about, &name).await?;
            let tail = prepared.write(&mut writer, about.source.clone(), options, progress).await?;
            (name, finish(writer, tail.clone(), options).await?, tail)
        }
    };
    let rows = tail.tables.iter().map(|table| table.digest.rows).sum();
    let sidecar = Sidecar {
        format: FORMAT,
        engine: about.engine,
        server_version: about.server_version,
        database: about.database,
        source: tail.source.clone(),
        time: name.time,
        dbm_version: env!("CARGO_PKG_VERSION").to_owned(),
        bytes: finished.stored.bytes,
        sha256: Some(finished.stored.sha256),
        identity: finished.identity,
        grade: tail.grade.clone(),
        rows,
        tables: tail.tables.len() as u64,
        last_proven: None,
        last_verified: None,
        damaged: None,
        mac: None,
        pin: options.pin.clone(),
        partial: options.is_partial(),
    };
    if let Err(error) = store.write_sidecar(&name, &sidecar).await {
        // Without what lies beside it, it would be listed although this command failed.
        if let Err(cause) = store.remove(&name).await {
            tracing::warn!(%cause, %name, "cannot remove the archive of a failed backup");
        }
        return Err(error);
    }
    progress.done();
    Ok(Written {
        name,
        identity: finished.identity,
        bytes: finished.stored.bytes,
        tables: sidecar.tables,
        rows,
        grade: tail.grade,
        unfinished,
        left_out: tail.left_out,
        partial: options.is_partial(),
        source: tail.source,
        duration: started.elapsed(),
    })
}

/// Passes if the engine can leave out what is not wanted.
fn check_partial(engine: Engine, options: &BackupOptions) -> Result<()> {
    match engine {
        Engine::Postgres if options.no_history => {
            let what = "--no-history: no table of postgres keeps its history";
            Err(Error::new(ErrorKind::Usage, what).with_hint("back up without --no-history"))
        }
        Engine::Postgres => Ok(()),
        Engine::Mysql => {
            let rest = BackupOptions { no_history: false, ..options.clone() };
            if rest.is_partial() { Err(whole_only(engine, &rest)) } else { Ok(()) }
        }
        _ if options.is_partial() => Err(whole_only(engine, options)),
        _ => Ok(()),
    }
}

/// Nothing can be left out of a database file.
fn whole_only(engine: Engine, options: &BackupOptions) -> Error {
    let flags: Vec<&str> = options.left_out().into_iter().map(|(_, flag)| flag).collect();
    let what = format!("a backup of {engine} is always whole: {} cannot be had", flags.join(", "));
    Error::new(ErrorKind::Usage, what)
        .with_hint("back up all of it; `dbm restore NAME --table TABLE` takes one table out of it")
}

fn label(options: &BackupOptions) -> Result<Option<&str>> {
    match options.label.as_deref() {
        _ if options.unfinished => Ok(Some(UNFINISHED)),
        Some(UNFINISHED) => Err(Error::new(
            ErrorKind::Usage,
            format!("the label `{UNFINISHED}` is for backups that dbm makes while a run is open"),
        )
        .with_hint("use another label")),
        Some(label) if !options.name.takes_label() => Err(Error::new(
            ErrorKind::Usage,
            format!("the template of names has no place for the label `{label}`"),
        )
        .with_hint("end the template with `_{label}`, or leave the label out")),
        Some("") => Err(Error::new(ErrorKind::Usage, "a label has at least one letter")),
        label => Ok(label),
    }
}

/// Begins the archive that bears the name.
async fn begin(mut upload: Box<dyn Upload>, about: &About, name: &BackupName) -> Result<ArchiveWriter> {
    upload.expect(about.bytes)?;
    let head = Head {
        engine: about.engine,
        server_version: about.server_version.clone(),
        database: about.database.clone(),
        time: name.time,
        dbm_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    ArchiveWriter::begin(upload, &head).await
}

/// Takes the name of this second, before the snapshot; where another backup has it, of the first later one that nobody
/// takes before us.
///
/// It waits rather than take a second that has not come: by a name in the future a backup would seem newer than it is.
async fn reserve(
    store: &dyn Store,
    about: &About,
    label: Option<&str>,
    kind: ArchiveKind,
    options: &BackupOptions,
) -> Result<(BackupName, Box<dyn Upload>)> {
    for _ in 0..TURNS {
        let now = Utc::now();
        let mut name = options.name.name(&about.database, &options.host, now, label, kind);
        name.encrypted = store.encrypts();
        let name = name.fitted();
        match store.create(&name).await {
            Ok(upload) => return Ok((name, upload)),
            Err(error) if error.kind() == ErrorKind::Exists => {}
            Err(error) => return Err(error),
        }
        let rest = (name.time + TimeDelta::seconds(1) - now).to_std().unwrap_or_default();
        tokio::select! {
            () = options.cancel.cancelled() => {
                return Err(Error::new(ErrorKind::Cancelled, "the backup was cancelled"));
            }
            () = tokio::time::sleep(rest) => {}
        }
    }
    let what = format!("others have taken every second's name in {} for {TURNS} seconds", store.describe());
    Err(Error::new(ErrorKind::Exists, what).with_hint("try again, or back up into a store of its own"))
}

/// Takes another name where the snapshot shows that a run is open.
async fn relabel(
    store: &dyn Store,
    about: &About,
    (name, upload): (BackupName, Box<dyn Upload>),
    unfinished: bool,
    kind: ArchiveKind,
    options: &BackupOptions,
) -> Result<(BackupName, Box<dyn Upload>)> {
    if !unfinished || name.label.as_deref() == Some(UNFINISHED) {
        return Ok((name, upload));
    }
    // Its second is free again.
    drop(upload);
    reserve(store, about, Some(UNFINISHED), kind, options).await
}

/// The last look at the cancellation: from here on the archive is there.
async fn finish(writer: ArchiveWriter, tail: Tail, options: &BackupOptions) -> Result<Finished> {
    if options.cancel.is_cancelled() {
        return Err(Error::new(ErrorKind::Cancelled, "the backup was cancelled"));
    }
    writer.finish(tail).await
}
