//! A restore in the target itself, where the account may not create databases: one transaction.

use crate::postgres::failed;
use crate::{Error, ErrorKind, Result};
use database::Entry;
use database::postgres::{Connection, Own, Server, properties};

use super::load::{Load, worker};
use super::run::without_values;
use super::sessions::{end_one, named};
use super::{clear, order, prove, read_back, scratch};
use crate::archive::Archive;
use crate::progress::Progress;
use crate::restore::{Remade, RestoreOptions};

/// Begins the transaction of a restore in place and keeps writers away from the tables, which readers may go on reading
/// until the first of them is dropped.
///
/// # Errors
/// [`ErrorKind::Busy`] where others are connected who are not to be disconnected, and what locking gave.
pub(crate) async fn hold_writers(server: &Server, options: &RestoreOptions) -> Result<(Connection, Own)> {
    let database = server.database();
    let client = worker(server, database).await?;
    if options.disconnect {
        for other in server.others_in(&client, database).await? {
            // Whom this account may not end stays: what the restore needs are locks, and no empty house.
            end_one(&client, other.id).await?;
        }
    } else {
        let others = server.others_staying_in(&client, database).await?;
        if !others.is_empty() {
            return Err(Error::new(ErrorKind::Busy, format!("`{database}` is in use by {}", named(&others)))
                .with_hint("end those sessions, or let them be ended with --disconnect"));
        }
    }
    run(&client, "BEGIN; SET LOCAL lock_timeout = '30s'; SET LOCAL synchronous_commit = on").await?;
    run(&client, LOCK_TABLES).await?;
    let own = server.adopt(&client).await?;
    Ok((client, own))
}

/// All that the account may drop: dbm's own journal is written meanwhile, and what is another's is told when it comes to that.
const LOCK_TABLES: &str = "DO $$ DECLARE held pg_catalog.regclass; BEGIN
  FOR held IN SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname <> 'dbm' AND n.nspname <> 'information_schema'
      AND n.nspname OPERATOR(pg_catalog.!~) '^pg_' AND pg_catalog.pg_has_role(c.relowner, 'USAGE') ORDER BY c.oid
  LOOP EXECUTE pg_catalog.format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', held); END LOOP;
END $$";

/// Empties the target, loads the archive, proves it, writes the journal, and only then commits.
///
/// # Errors
/// What failed. Then nothing of it is there, except where the connection broke during the commit, which it says.
pub(super) async fn in_place(
    archive: &Archive,
    server: &Server,
    (held, publish): (Option<(Connection, Own)>, &[Entry]),
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Vec<Remade>> {
    let database = server.database();
    let (client, _own) = match held {
        Some(held) => held,
        None => hold_writers(server, options).await?,
    };
    let filled = tokio::select! {
        result = fill(archive, &client, database, publish, options, progress) => result,
        () = options.cancel.cancelled() => {
            Err(Error::new(ErrorKind::Cancelled, "the restore was stopped on request; nothing was changed"))
        }
    };
    let remade = match filled {
        Ok(remade) => remade,
        Err(error) => {
            // Whoever comes next finds no lock of ours; a broken connection has rolled back by itself.
            if let Err(cause) = client.batch_execute("ROLLBACK").await {
                tracing::debug!(%cause, "the connection of a failed restore is gone");
            }
            client.close().await;
            return Err(error);
        }
    };
    client.batch_execute("COMMIT").await.map_err(|error| {
        let unknown = error.code().is_none();
        let error = failed(error, "cannot commit the restore");
        if unknown {
            error.with_hint(
                "the connection broke while the restore was committed: look at the journal, or restore again",
            )
        } else {
            error
        }
    })?;
    if options.analyze && !super::has_statistics(archive) {
        progress.phase("statistics", None);
        // What was restored stays: without statistics it is only slower until the server makes them.
        if let Err(cause) = client.batch_execute("ANALYZE").await {
            progress.note(&format!("the database is restored, and ANALYZE failed ({cause}): run it by hand"));
        }
    }
    progress.done();
    Ok(remade)
}

async fn fill(
    archive: &Archive,
    client: &Connection,
    database: &str,
    publish: &[Entry],
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Vec<Remade>> {
    let index = archive.index();
    progress.phase("emptying the database", None);
    clear::clear(client).await?;
    Load { archive, progress }.serially(client, order::order(&index.parts, options)).await?;
    run(client, "SET CONSTRAINTS ALL IMMEDIATE").await?;
    progress.phase("proof", None);
    let schema = prove::schema(client, None).await?;
    prove::objects(&schema, archive, options)?;
    let remade = read_back::serially(client, &schema, archive).await?;
    prove::beside_rows(client, archive).await?;
    let wanted = super::properties(archive, options)?;
    if scratch::compare(client, database, &wanted).await.is_err() {
        let found = properties::read(client, database).await?;
        for statement in wanted.clear_sql(&found, database).into_iter().chain(wanted.apply_sql(database)) {
            // Those that are a transaction by themselves become a part of ours.
            let inner = statement.strip_prefix("BEGIN;").and_then(|rest| rest.strip_suffix("COMMIT"));
            run(client, inner.unwrap_or(&statement)).await?;
        }
        scratch::compare(client, database, &wanted).await?;
    }
    run(client, &super::journal(client, publish).await?).await?;
    Ok(remade)
}

async fn run(client: &Connection, sql: &str) -> Result<()> {
    client
        .batch_execute(sql)
        .await
        .map_err(|error| failed(error, format!("cannot run `{}`", without_values(sql))))
}
