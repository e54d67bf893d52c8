//! A new database beside the target: made, filled, proven; or gone again.

use crate::{Error, ErrorKind, Result};
use chrono::Utc;
use database::postgres::{Connection, Server};
use database::{Engine, quote};

use super::swap;
use crate::postgres::failed;
use crate::restore::names::{self, Made};

/// Runs statements one by one: some of them refuse a transaction.
pub(crate) async fn run_all(client: &Connection, statements: &[String]) -> Result<()> {
    for statement in statements {
        client
            .batch_execute(statement)
            .await
            .map_err(|error| failed(error, format!("cannot run `{}`", statement.trim())))?;
    }
    Ok(())
}

/// A name for a scratch database that is free now.
pub(crate) async fn free_name(server: &Server, target: &str) -> Result<String> {
    let client = server.maintenance_database().await?;
    let now = Utc::now();
    for attempt in 0..100 {
        let name = names::made(target, Made::Scratch, now, attempt, names::NAME_BYTES);
        if swap::oid(&client, &name).await?.is_none() {
            return Ok(name);
        }
    }
    Err(Error::new(ErrorKind::Refused, format!("every name for a database beside `{target}` is taken")))
}

/// Removes a database and ends whoever is in it; without one it does nothing.
pub(crate) async fn drop_database(client: &Connection, name: &str) -> Result<()> {
    let quoted = quote::identifier(Engine::Postgres, name);
    // A template cannot be dropped, and the property may have been restored already.
    let template = client
        .query_opt("SELECT FROM pg_catalog.pg_database WHERE datname = $1 AND datistemplate", &[&name])
        .await
        .map_err(|error| failed(error, "cannot look a database up"))?;
    if template.is_some() {
        run_all(client, &[format!("ALTER DATABASE {quoted} IS_TEMPLATE false")]).await?;
    }
    run_all(client, &[format!("DROP DATABASE IF EXISTS {quoted} WITH (FORCE)")]).await
}
