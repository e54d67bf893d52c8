//! Accounts and roles, made before what acts in their name; and gone again where the restore failed.

use database::mysql::globals::{self, Account, Globals, OnObject};
use database::mysql::{Connection, Server};

use crate::archive::Archive;
use crate::progress::Progress;
use crate::restore::RestoreOptions;
use crate::{Error, ErrorKind, Result};

/// Makes what the options want of the archive's accounts, then does the work. Beside what that gave is what lets the new
/// accounts use single tables and routines, for when these have their names.
///
/// # Errors
/// What the work or the making failed at; then nothing of what was made is left, or the message says so.
pub(super) async fn around<T>(
    archive: &Archive,
    server: &Server,
    (options, progress): (&RestoreOptions, &dyn Progress),
    work: impl Future<Output = Result<T>>,
) -> Result<(T, Vec<String>)> {
    if !options.globals {
        return Ok((Box::pin(work).await?, Vec::new()));
    }
    let wanted = super::extras(archive)?.globals.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("{} holds no accounts", archive.name()))
            .with_hint("restore without --globals; `dbm backup --globals` archives them")
    })?;
    let mut connection = server.connect_nowhere().await?;
    let found = globals::read(&mut connection, false).await?;
    let missing = missing(&wanted, &found, progress);
    let made = make(&mut connection, &missing).await;
    let done = match made {
        Ok(()) => Box::pin(work).await,
        Err(error) => Err(error),
    };
    let done = match done {
        Ok(done) => done,
        Err(error) => {
            return Err(match undo(&mut connection, &missing).await {
                Ok(()) => error,
                Err(second) => Error::new(error.kind(), format!("{error}; and {second}")).with_source(error),
            });
        }
    };
    for account in &missing {
        let locked = if account.without_password {
            "; its password is not in the archive, so it is locked"
        } else {
            ""
        };
        progress.note(&format!("made the account {}{locked}", account.name));
    }
    connection.close().await;
    let on_objects = missing.iter().flat_map(|account| &account.on_objects);
    Ok((done, on_objects.flat_map(|grant| OnObject::of(grant)).map(|part| part.sql).collect()))
}

/// Gives what [`around`] left to be given: not what is on something that is gone, or has another name here.
pub(super) async fn give(server: &Server, grants: &[String], progress: &dyn Progress) -> Result<()> {
    if grants.is_empty() {
        return Ok(());
    }
    let mut connection = server.connect_nowhere().await?;
    for grant in grants {
        if let Err(error) = connection.batch(grant, "").await {
            progress.note(&format!("{} was not granted: {error}", grant.trim_start_matches("GRANT ")));
        }
    }
    connection.close().await;
    Ok(())
}

/// The accounts that are not there; what those that are may do otherwise is said.
fn missing<'g>(wanted: &'g Globals, found: &Globals, progress: &dyn Progress) -> Vec<&'g Account> {
    let mut missing = Vec::new();
    for account in &wanted.accounts {
        let Some(there) = found.accounts.iter().find(|one| one.name == account.name) else {
            missing.push(account);
            continue;
        };
        for grant in account.may().filter(|grant| !there.may().any(|one| one == *grant)) {
            progress.note(&format!("left as it is: the account {} is here without `{grant}`", account.name));
        }
    }
    missing
}

/// First all of them, then what they may do: a role has to be there to be granted.
async fn make(connection: &mut Connection, accounts: &[&Account]) -> Result<()> {
    for account in accounts {
        // It may hold a hash, and is never quoted.
        if let Some(create) = &account.create {
            run(connection, create, &format!("the account {}", account.name)).await?;
        }
    }
    for account in accounts {
        for statement in account.grants.iter().chain(&account.default_role) {
            run(connection, statement, &format!("what the account {} may do", account.name)).await?;
        }
    }
    Ok(())
}

async fn run(connection: &mut Connection, statement: &str, what: &str) -> Result<()> {
    let ran = connection.batch(statement, &format!("cannot make {what}")).await;
    Ok(ran.map_err(|error| {
        error.with_hint("make it by hand, or restore without --globals, as an account that may")
    })?)
}

async fn undo(connection: &mut Connection, accounts: &[&Account]) -> Result<()> {
    for account in accounts {
        if let Some(remove) = account.remove() {
            connection.batch(&remove, &format!("the account {} is left", account.name)).await?;
        }
    }
    Ok(())
}
