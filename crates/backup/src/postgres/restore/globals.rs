//! What belongs to the server, made before what needs it; and gone again where the restore failed.

use database::postgres::globals::{self, Globals, Item};
use database::postgres::{Connection, Server};

use crate::archive::Archive;
use crate::postgres::failed;
use crate::progress::Progress;
use crate::restore::RestoreOptions;
use crate::{Error, ErrorKind, Result};

/// Makes what the options want of the archive's globals, then does the work.
///
/// # Errors
/// What the work or the making failed at; then nothing of what was made is left, or the message says so.
pub(super) async fn around<T>(
    archive: &Archive,
    server: &Server,
    (options, progress): (&RestoreOptions, &dyn Progress),
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    if !options.globals {
        return Box::pin(work).await;
    }
    let wanted = wanted(archive)?;
    let client = server.maintenance_database().await?;
    let found = globals::read(&client, false).await?;
    for difference in globals::differing(&wanted, &found) {
        progress.note(&format!("left as it is: {difference}"));
    }
    let made = globals::missing(&wanted, &found);
    make(&client, &made).await?;
    client.close().await;
    match Box::pin(work).await {
        Ok(done) => {
            for item in &made {
                progress.note(&format!("made {}", item.what));
            }
            Ok(done)
        }
        Err(error) => match undo(server, &made).await {
            Ok(()) => Err(error),
            Err(second) => Err(Error::new(error.kind(), format!("{error}; and {second}")).with_source(error)),
        },
    }
}

/// The names of the roles that would be there before anything else is restored.
pub(super) fn roles(archive: &Archive, options: &RestoreOptions) -> Result<Vec<String>> {
    if !options.globals {
        return Ok(Vec::new());
    }
    Ok(wanted(archive)?.roles.into_iter().map(|role| role.name).collect())
}

fn wanted(archive: &Archive) -> Result<Globals> {
    super::extras(archive)?.globals.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("{} holds no roles", archive.name()))
            .with_hint("restore without --globals; `dbm backup --globals` archives them")
    })
}

/// All of it or nothing.
async fn make(client: &Connection, items: &[Item]) -> Result<()> {
    run(client, "BEGIN", "a transaction").await?;
    for item in items {
        for statement in item.make.iter().chain(&item.password) {
            run(client, statement, &item.what).await.map_err(|error| {
                error.with_hint("make it by hand, or restore without --globals, as an account that may")
            })?;
        }
    }
    run(client, "COMMIT", "what belongs to the server").await
}

async fn undo(server: &Server, items: &[Item]) -> Result<()> {
    let client = server.maintenance_database().await?;
    run(&client, "BEGIN", "a transaction").await?;
    for item in items.iter().rev() {
        client
            .batch_execute(&item.undo)
            .await
            .map_err(|error| failed(error, format!("{} is left", item.what)))?;
    }
    run(&client, "COMMIT", "what belongs to the server").await
}

/// A statement may hold the hash of a password, and is never quoted.
async fn run(client: &Connection, statement: &str, what: &str) -> Result<()> {
    client.batch_execute(statement).await.map_err(|error| failed(error, format!("cannot make {what}")))
}
