//! Restoring an archive: looked at first, beside the target, proven, then in its place.
//!
//! This is the one place of this crate's restores that chooses the engine.

mod among;
mod beside;
pub(crate) mod names;
mod options;
mod preflight;
mod remade;
mod replaced;
mod safeguard;

use crate::{Error, ErrorKind, Result};
use database::{Database, Entry, Kind, ObjectId};

pub use among::Among;
pub use beside::Beside;
pub use options::RestoreOptions;
pub use preflight::{Finding, Preflight, TargetState, Way};
pub use remade::Remade;
pub use replaced::Replaced;
pub use safeguard::{Held, Safeguard};

use crate::archive::Archive;
use crate::mysql::not_yet;
use crate::mysql::restore as mysql;
use crate::postgres::restore as postgres;
use crate::progress::Progress;
use crate::selection::Selection;
use crate::sqlite::restore as sqlite;

/// Looks at archive, server and target before anything is touched, and changes nothing.
///
/// # Errors
/// What could not be looked at. What stands in the way of the restore is no error: see [`Preflight::check`].
pub async fn preflight(
    archive: &Archive,
    database: &Database,
    options: &RestoreOptions,
) -> Result<Preflight> {
    whole(options)?;
    let mut preflight = match database {
        Database::Postgres(server) => {
            postgres::preflight(
                &postgres::wanted(archive, options).await?,
                server,
                &database.about().await?,
                postgres::Goes::IntoTarget,
                options,
            )
            .await?
        }
        Database::Mysql(server) => {
            mysql::preflight(archive, server, mysql::Goes::IntoTarget, options).await?
        }
        Database::Sqlite(file) => sqlite::preflight(archive, file, options).await?,
    };
    if archive.index().partial {
        let error = partial(archive);
        let hint = error.hint().map(str::to_owned);
        preflight.problems.push(Finding { message: error.to_string(), hint });
    }
    Ok(preflight)
}

/// How a restore of the whole database would take its place now.
///
/// # Errors
/// What could not be looked at.
pub async fn way(database: &Database) -> Result<Way> {
    let about = database.about().await?;
    match database {
        Database::Postgres(server) => {
            let client = server.quiet(None).await?;
            let way = postgres::way(&client, server, &about).await?;
            client.close().await;
            Ok(way)
        }
        // Where nothing can be made beside it, the preflight says so: there is no other way.
        Database::Mysql(_) | Database::Sqlite(_) => Ok(Way::Beside),
    }
}

/// Why a partial archive is not put in a database's place.
fn partial(archive: &Archive) -> Error {
    let left_out = archive.index().left_out.join("; ");
    Error::new(
        ErrorKind::Refused,
        format!("the archive is partial, so it does not take the database's place; it is without {left_out}"),
    )
    .with_hint("restore it into a new database (--into NAME), or a full archive (`dbm backups`)")
}

/// What accounts could do with single objects when the archive was made and cannot do now, as the statements that would give
/// it: of archives that say so ([`BackupOptions::rights`](crate::dump::BackupOptions::rights)).
///
/// # Errors
/// What could not be looked at.
pub async fn not_granted(archive: &Archive, database: &Database) -> Result<Vec<String>> {
    match database {
        Database::Mysql(server) => mysql::not_granted(archive, server).await,
        // There it is part of the object.
        Database::Postgres(_) | Database::Sqlite(_) => Ok(Vec::new()),
    }
}

/// A name for a database to restore into that is free now, for [`RestoreOptions::scratch`].
pub async fn scratch_name(database: &Database) -> Result<String> {
    match database {
        Database::Postgres(server) => postgres::scratch_name(server, &database.name()).await,
        Database::Mysql(server) => mysql::scratch_name(server, server.database()).await,
        Database::Sqlite(file) => sqlite::scratch_name(file),
    }
}

/// Restores into a new database (or file) beside the target and proves it: counts and digests read
/// back equal the index, and the database's own properties are the archive's.
///
/// # Errors
/// What the preflight found or what failed; then nothing is left of it, and the target is untouched.
pub async fn beside(
    archive: &Archive,
    database: &Database,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Beside> {
    let found = preflight(archive, database, options).await?;
    found.check()?;
    if found.way == Way::InPlace {
        return Err(Error::new(
            ErrorKind::Permission,
            format!(
                "the account may not create databases, or not end the sessions of others, so nothing can take the \
                 place of `{}`",
                database.name()
            ),
        )
        .with_hint("restore in place, after a verified backup; or as the owner with CREATEDB and pg_signal_backend"));
    }
    match database {
        Database::Postgres(server) => {
            let archive = postgres::wanted(archive, options).await?;
            postgres::beside(&archive, server, &database.name(), options, progress)
                .await
                .map(Beside::postgres)
        }
        Database::Mysql(server) => {
            Box::pin(mysql::beside(archive, server, options, progress)).await.map(Beside::mysql)
        }
        Database::Sqlite(file) => sqlite::beside(archive, file, options, progress).await.map(Beside::sqlite),
    }
}

/// Keeps writers away from the database's tables, before the backup without which nothing is restored in place.
///
/// # Errors
/// [`ErrorKind::LockTimeout`] where somebody does not let go of a table, [`ErrorKind::Busy`] where others are connected who
/// are not to be disconnected.
pub async fn hold_writers(database: &Database, options: &RestoreOptions) -> Result<Held> {
    match database {
        Database::Postgres(server) => {
            postgres::hold_writers(server, options).await.map(|held| Held(Some(held)))
        }
        Database::Mysql(_) | Database::Sqlite(_) => Ok(Held(None)),
    }
}

/// Restores in the target itself, in one transaction, where the account may not create databases.
/// `publish` becomes its journal in the same transaction. Returns what was made anew and is not what it was.
///
/// # Errors
/// What the preflight found or what failed; then the target is as it was.
pub async fn in_place(
    archive: &Archive,
    database: &Database,
    safeguard: &Safeguard,
    publish: &[Entry],
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Vec<Remade>> {
    preflight(archive, database, options).await?.check()?;
    match database {
        Database::Postgres(server) => {
            let archive = postgres::wanted(archive, options).await?;
            let Held(held) = safeguard.take_held();
            postgres::in_place(&archive, server, (held, publish), options, progress).await
        }
        Database::Mysql(_) => Err(not_yet("a restore in place")),
        Database::Sqlite(_) => Err(Error::new(
            ErrorKind::Refused,
            "a SQLite file is not restored in place: a new file goes beside it first",
        )
        .with_hint("let the folder of the file be writable")),
    }
}

/// Restores into a new database (or file) of that name on the same server, proven like any other. The name is
/// there only once all of it is: a kill leaves a scratch database at most. Returns what was made anew and is not what it was.
///
/// # Errors
/// What failed; then nothing is left of it.
pub async fn into(
    archive: &Archive,
    database: &Database,
    name: &str,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Vec<Remade>> {
    match database {
        Database::Postgres(server) => {
            let archive = postgres::wanted(archive, options).await?;
            postgres::makes_its_tables(&archive)?;
            postgres::into(&archive, server, name, options, progress).await
        }
        Database::Mysql(_) if !options.selection.is_everything() => Err(mysql::one_or_all()),
        Database::Mysql(server) => Box::pin(mysql::into(archive, server, name, options, progress)).await,
        Database::Sqlite(_) if !options.selection.is_everything() => Err(sqlite_is_whole()),
        Database::Sqlite(file) => sqlite::into(archive, file, name, options, progress).await.map(nothing),
    }
}

/// Restores what the options select into the database itself, beside what is there: what is not there is made, the
/// rows of a table that is there come into a new table beside it, and rows alone fill empty tables. All of it or nothing.
///
/// # Errors
/// What collides or is missing, by name, or what failed; the database is as it was.
pub async fn among(
    archive: &Archive,
    database: &Database,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Among> {
    match database {
        Database::Postgres(server) => postgres::among(archive, server, options, progress).await,
        Database::Mysql(server) => Box::pin(mysql::among(archive, server, options, progress)).await,
        Database::Sqlite(file) => {
            let selection = &options.selection;
            let [pattern] = selection.tables.as_slice() else { return Err(sqlite_is_whole()) };
            let alone = Selection { tables: selection.tables.clone(), ..Selection::default() };
            if *selection != alone || !pattern.is_plain() {
                return Err(sqlite_is_whole());
            }
            let name = pattern.to_string();
            let made = sqlite::table(archive, file, &name, options, progress).await?;
            let id = ObjectId { kind: Kind::Table, namespace: String::new(), of: String::new(), name };
            Ok(Among { beside: vec![(id, made)], ..Among::default() })
        }
    }
}

/// What engines other than PostgreSQL make anew that could differ.
fn nothing((): ()) -> Vec<Remade> {
    Vec::new()
}

fn sqlite_is_whole() -> Error {
    Error::new(ErrorKind::Usage, "of an archive of SQLite one table can be restored alone, or all of it")
        .with_hint("dbm restore NAME --table TABLE, or dbm restore NAME --into FILE")
}

/// Passes if all of the archive is wanted: nothing less takes a database's place.
fn whole(options: &RestoreOptions) -> Result<()> {
    if options.selection.is_everything() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Usage, "a part of an archive does not take a database's place")
        .with_hint("restore it into a new database: --into NAME"))
}

/// Restores into the database (or file) of the URL, which is not there, as [`into`] does.
///
/// # Errors
/// What failed; then nothing is left of it.
pub async fn into_missing(
    archive: &Archive,
    database: &Database,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Vec<Remade>> {
    whole(options)?;
    if archive.index().partial {
        return Err(partial(archive));
    }
    match database {
        Database::Postgres(server) => {
            let archive = postgres::wanted(archive, options).await?;
            postgres::into(&archive, server, &database.name(), options, progress).await
        }
        Database::Mysql(server) => {
            Box::pin(mysql::into(archive, server, server.database(), options, progress)).await
        }
        // The database's name is that of the file without its ending.
        Database::Sqlite(file) => sqlite::into_missing(archive, file, options, progress).await.map(nothing),
    }
}

/// Restores into a scratch database (or file), proves it like any other, and removes it: the deep part of `verify`.
/// Returns what was made anew and is not what it was.
///
/// # Errors
/// [`crate::ErrorKind::Unproven`] where what came back is not what the index says, or what else failed.
pub async fn prove(
    archive: &Archive,
    database: &Database,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Vec<Remade>> {
    let scratch = match &options.scratch {
        Some(name) => name.clone(),
        None => scratch_name(database).await?,
    };
    match database {
        Database::Postgres(server) => {
            postgres::makes_its_tables(archive)?;
            let remade = postgres::into_scratch(archive, server, &scratch, options, progress).await?;
            postgres::discard_scratch(server, &scratch).await?;
            Ok(remade)
        }
        Database::Mysql(server) => {
            let remade = mysql::into_scratch(archive, server, &scratch, options, progress).await?;
            mysql::discard_scratch(server, &scratch).await?;
            Ok(remade)
        }
        Database::Sqlite(file) => {
            sqlite::prove(archive, file, &scratch, options, progress).await.map(nothing)
        }
    }
}

/// Restores into a scratch database of that name on the server (SQLite: into the file of the URL, which is not there), proven
/// like any other, and leaves it there: it is the caller's to use and to discard.
///
/// `acts_as`: on MySQL the account in whose name all views, routines, triggers and events of it act, `user@host`.
///
/// # Errors
/// What failed; then nothing is left of it.
pub async fn into_scratch(
    archive: &Archive,
    database: &Database,
    name: &str,
    acts_as: Option<&str>,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<()> {
    match database {
        Database::Postgres(server) => {
            postgres::makes_its_tables(archive)?;
            postgres::into_scratch(archive, server, name, options, progress).await.map(drop)
        }
        Database::Mysql(server) => {
            let mut options = options.clone();
            if let Some(account) = acts_as {
                options.roles.extend(mysql::acts_as(archive, account)?);
            }
            Box::pin(mysql::into_scratch(archive, server, name, &options, progress)).await.map(drop)
        }
        Database::Sqlite(file) => sqlite::into_missing(archive, file, options, progress).await,
    }
}

/// Restores one table's rows into a new table beside it, reading only the parts that it needs; returns the new table's name.
///
/// # Errors
/// What failed; then nothing is left of it.
pub async fn table(
    archive: &Archive,
    database: &Database,
    table: &str,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<String> {
    match database {
        Database::Postgres(server) => postgres::table(archive, server, table, options, progress).await,
        Database::Mysql(server) => mysql::table(archive, server, table, options, progress).await,
        Database::Sqlite(file) => sqlite::table(archive, file, table, options, progress).await,
    }
}

/// What restores have replaced of this database and nobody has let go yet, oldest first.
pub async fn replaced(database: &Database) -> Result<Vec<Replaced>> {
    match database {
        Database::Postgres(server) => postgres::replaced(server, &database.name()).await,
        Database::Mysql(server) => mysql::replaced(server).await,
        Database::Sqlite(file) => sqlite::replaced(file),
    }
}

/// Removes one that was replaced, by its exact name, for good.
///
/// # Errors
/// [`crate::ErrorKind::Refused`] if that name is not in [`replaced`].
pub async fn let_go(database: &Database, name: &str) -> Result<()> {
    match database {
        Database::Postgres(server) => postgres::let_go(server, &database.name(), name).await,
        Database::Mysql(server) => mysql::let_go(server, name).await,
        Database::Sqlite(file) => sqlite::let_go(file, name),
    }
}

/// Scratch databases (or files) beside this one that a killed restore left, with nobody in them.
pub async fn leftovers(database: &Database) -> Result<Vec<String>> {
    match database {
        Database::Postgres(server) => postgres::leftovers(server, &database.name()).await,
        Database::Mysql(server) => mysql::leftovers(server).await,
        Database::Sqlite(file) => sqlite::leftovers(file),
    }
}

/// Removes a scratch database (or file) that a restore left; one that is not there is no error.
///
/// # Errors
/// [`crate::ErrorKind::Refused`] if that is not a name that a restore makes.
pub async fn discard_scratch(database: &Database, name: &str) -> Result<()> {
    match database {
        Database::Postgres(server) => postgres::discard_scratch(server, name).await,
        Database::Mysql(server) => mysql::discard_scratch(server, name).await,
        Database::Sqlite(file) => sqlite::discard_scratch(file, name),
    }
}

/// Waits until no swap of this database is under way, also none that a killed client left to the server. On MySQL it
/// finishes or undoes what was interrupted, to which the caller must hold the run's lock; the journal says which.
/// Recovery calls it before it looks at the journal.
///
/// # Errors
/// [`crate::ErrorKind::Busy`] if one takes longer than half a minute; what stopped the finishing.
pub async fn settle(database: &Database) -> Result<()> {
    match database {
        Database::Postgres(server) => postgres::settle(server).await,
        Database::Mysql(server) => Box::pin(mysql::settle(server)).await,
        // The exchange is over with the process that made it.
        Database::Sqlite(_) => Ok(()),
    }
}
