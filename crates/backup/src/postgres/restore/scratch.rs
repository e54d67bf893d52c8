//! A new database beside the target: made, filled, proven; or gone again.

use tokio::time::{Instant, sleep};

use crate::postgres::failed;
use crate::{Error, ErrorKind, Result};
use std::time::Duration;

use chrono::Utc;
use database::postgres::properties::{self, Properties};
use database::postgres::{self, Connection, Server};
use database::{Engine, quote};
use tokio_postgres::error::SqlState;

use super::load::{Load, another_worker, worker};
use super::run::without_values;
use super::{early, order, prove, read_back, swap};
use crate::archive::Archive;
use crate::progress::Progress;
use crate::restore::names::{self, Made};
use crate::restore::{Remade, RestoreOptions};

/// Another session is in the database.
const OBJECT_IN_USE: &str = "55006";

const DUPLICATE_DATABASE: &str = "42P04";

/// Makes a database of that name, loads the archive, proves it; returns what was made anew and is not what it was. On any
/// error, and on cancel, it is gone again.
///
/// `journaled`: with a place for the journal, made before there are event triggers that would take notice of it.
///
/// # Errors
/// What failed; it names the database if even removing it failed.
pub(crate) async fn build(
    archive: &Archive,
    server: &Server,
    name: &str,
    journaled: bool,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Vec<Remade>> {
    let maintenance = server.maintenance_database().await?;
    if swap::oid(&maintenance, name).await?.is_some() {
        return Err(taken(name));
    }
    let result = tokio::select! {
        result = fill(archive, server, &maintenance, name, journaled, options, progress) => result,
        () = options.cancel.cancelled() => Err(Error::new(ErrorKind::Cancelled, "the restore was stopped on request")),
    };
    let error = match result {
        Ok(remade) => return Ok(remade),
        Err(error) => error,
    };
    // On the connection that may still be busy making it, so that the two come in this order.
    let dropped = if maintenance.is_closed() {
        drop_database(server, &server.maintenance_database().await?, name).await
    } else {
        drop_database(server, &maintenance, name).await
    };
    match dropped {
        Ok(()) => Err(error),
        Err(second) => Err(Error::new(
            error.kind(),
            format!("{error}; and the unfinished database `{name}` could not be removed: {second}"),
        )
        .with_hint(format!("remove it by hand: DROP DATABASE {}", quote::identifier(Engine::Postgres, name)))
        .with_source(error)),
    }
}

async fn fill(
    archive: &Archive,
    server: &Server,
    maintenance: &Connection,
    name: &str,
    journaled: bool,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Vec<Remade>> {
    let index = archive.index();
    let wanted = super::properties(archive, options)?;
    run_all(maintenance, &[wanted.create_database_sql(name)]).await?;
    let mut workers = vec![worker(server, name).await?];
    while workers.len() < options.jobs {
        match another_worker(server, name).await? {
            Some(worker) => workers.push(worker),
            None => break,
        }
    }
    if journaled {
        run_all(&workers[0], &[postgres::journal_sql(&workers[0]).await?]).await?;
    }
    let early = early::early(archive).await?;
    let load = Load { archive, progress };
    Box::pin(load.all(&workers, order::with_early(&index.parts, options, &early))).await?;
    progress.phase("proof", None);
    let first = &workers[0];
    let schema = prove::schema(first, workers.get(1)).await?;
    prove::objects(&schema, archive, options)?;
    prove::beside_rows(first, archive).await?;
    let (workers, remade) = Box::pin(read_back::all(workers, &schema, archive)).await?;
    if options.analyze && !super::has_statistics(archive) {
        progress.phase("statistics", None);
        // What was restored is proven: without statistics it is only slower until the server makes them.
        if let Err(cause) = read_back::statistics(&workers, &super::search_path(archive)).await {
            progress.note(&format!("ANALYZE failed ({cause}): run it by hand"));
        }
    }
    drop(workers);
    // Last, so that neither a limit nor a setting of the database's own gets in the way of our sessions.
    run_all(maintenance, &wanted.apply_sql(name)).await?;
    compare(maintenance, name, &wanted).await?;
    progress.done();
    Ok(remade)
}

/// Compares what belongs to the database itself.
pub(crate) async fn compare(client: &Connection, name: &str, wanted: &Properties) -> Result<()> {
    let found = properties::read(client, name).await?;
    let differences = properties::differences(wanted, &found);
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unproven,
        format!(
            "the restored database differs from the archive's in its own properties: {}",
            differences.join("; ")
        ),
    ))
}

/// Runs statements one by one: some of them refuse a transaction.
pub(crate) async fn run_all(client: &Connection, statements: &[String]) -> Result<()> {
    for statement in statements {
        client
            .batch_execute(statement)
            .await
            .map_err(|error| failed(error, format!("cannot run `{}`", without_values(statement))))?;
    }
    Ok(())
}

pub(crate) fn taken(name: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("there is a database `{name}` already"))
        .with_hint("choose another name; `--into` never overwrites a database")
}

/// Gives a scratch database the name that nobody has, in one step; where that fails, it is gone.
pub(crate) async fn take_name(server: &Server, scratch: &str, name: &str) -> Result<()> {
    let client = server.maintenance_database().await?;
    let sql = format!(
        "ALTER DATABASE {} RENAME TO {}",
        quote::identifier(Engine::Postgres, scratch),
        quote::identifier(Engine::Postgres, name)
    );
    let deadline = Instant::now() + PATIENCE;
    let error = loop {
        let Err(error) = client.batch_execute(&sql).await else { return Ok(()) };
        let code = error.code().map(SqlState::code);
        if code != Some(OBJECT_IN_USE) || Instant::now() > deadline {
            break match code {
                Some(DUPLICATE_DATABASE) => taken(name),
                _ => {
                    failed(error, format!("cannot give the restored database `{scratch}` the name `{name}`"))
                }
            };
        }
        // Whoever looks at a database that has not got its name yet looks again.
        super::sessions::end(&client, scratch, &[]).await?;
    };
    if client.is_closed() {
        // The server alone knows how it ended.
        return Err(error.with_hint(format!("see whether `{name}` is there; if not, restore again")));
    }
    drop_database(server, &client, scratch).await?;
    Err(error)
}

/// A name for a scratch database that is free now.
pub(crate) async fn free_name(server: &Server, target: &str) -> Result<String> {
    let client = server.maintenance_database().await?;
    let now = Utc::now();
    for attempt in names::attempts(Made::Scratch) {
        let name = names::made(target, Made::Scratch, now, attempt, names::NAME_BYTES);
        if swap::oid(&client, &name).await?.is_none() {
            return Ok(name);
        }
    }
    Err(Error::new(ErrorKind::Refused, format!("every name for a database beside `{target}` is taken")))
}

/// Removes a database and ends whoever is in it; without one it does nothing.
pub(crate) async fn drop_database(server: &Server, client: &Connection, name: &str) -> Result<()> {
    let quoted = quote::identifier(Engine::Postgres, name);
    // A template cannot be dropped, and the property may have been restored already.
    let template = client
        .query_opt("SELECT FROM pg_catalog.pg_database WHERE datname = $1 AND datistemplate", &[&name])
        .await
        .map_err(|error| failed(error, "cannot look a database up"))?;
    if template.is_some() {
        run_all(client, &[format!("ALTER DATABASE {quoted} IS_TEMPLATE false")]).await?;
    }
    drop_subscriptions(server, client, name).await?;
    let drop = format!("DROP DATABASE IF EXISTS {quoted}");
    match run_all(client, &[format!("{drop} WITH (FORCE)")]).await {
        // A worker of autovacuum is a superuser's, whom FORCE lets nobody else end; without it the server ends the worker by
        // itself, and waits some seconds for sessions that are about to go.
        Err(error) if error.sqlstate() == Some(DENIED) => run_all(client, &[drop]).await,
        dropped => dropped,
    }
}

/// `insufficient_privilege`: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
const DENIED: &str = "42501";

/// Removes the subscriptions of a database, with which it cannot be dropped; the slots at the other end, which belong
/// to whoever subscribed first, stay.
async fn drop_subscriptions(server: &Server, client: &Connection, name: &str) -> Result<()> {
    let rows = client
        .query(
            "SELECT s.subname::text FROM pg_catalog.pg_subscription s
             JOIN pg_catalog.pg_database d ON d.oid = s.subdbid WHERE d.datname = $1",
            &[&name],
        )
        .await
        .map_err(|error| failed(error, "cannot look for a database's subscriptions"))?;
    if rows.is_empty() {
        return Ok(());
    }
    let inside = server.quiet(Some(name)).await?;
    // Only a superuser may keep the database's event triggers out of this, and only a superuser has made any.
    if let Err(cause) = inside.batch_execute("SET session_replication_role = replica").await {
        tracing::debug!(%cause, "event triggers stay on");
    }
    for row in rows {
        let one = quote::identifier(Engine::Postgres, row.get(0));
        let sql = [
            format!("ALTER SUBSCRIPTION {one} DISABLE"),
            format!("ALTER SUBSCRIPTION {one} SET (slot_name = NONE)"),
            format!("DROP SUBSCRIPTION IF EXISTS {one}"),
        ];
        run_all(&inside, &sql).await?;
    }
    inside.close().await;
    Ok(())
}

/// How long the server may take to end a session that was told to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ends the sessions that a killed client has left behind in the middle of making (or dropping) the database.
///
/// The server finishes a statement whose client is gone: without this, the database would appear after it
/// was looked for. Such a statement begins with its name, well within what the server shows of it.
pub(crate) async fn end_makers(client: &Connection, name: &str) -> Result<()> {
    let quoted = quote::identifier(Engine::Postgres, name);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let makers = client
            .query(
                "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
                  WHERE pid <> pg_catalog.pg_backend_pid() AND state <> 'idle'
                    AND (pg_catalog.starts_with(query, 'CREATE DATABASE ' || $1 || ' ')
                      OR pg_catalog.starts_with(query, 'DROP DATABASE IF EXISTS ' || $1 || ' '))",
                &[&quoted],
            )
            .await
            .map_err(|error| failed(error, "cannot end the sessions of a killed restore"))?;
        if makers.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Error::new(
                ErrorKind::Busy,
                format!("a session is still making the database `{name}`"),
            )
            .with_hint("wait until it is gone from pg_stat_activity, then try again"));
        }
        sleep(Duration::from_millis(20)).await;
    }
}
