//! The subscriptions of a database that was replaced.

use crate::Result;
use crate::postgres::failed;
use database::postgres::Server;
use database::{Engine, quote};

/// Switches them off: what is kept takes no more changes, and the restored database may take over where they stopped.
pub(super) async fn switch_off(server: &Server, database: &str) -> Result<()> {
    let client = server.quiet(Some(database)).await?;
    let rows = client
        .query(
            "SELECT subname::text FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
             WHERE d.datname = current_database() AND s.subenabled",
            &[],
        )
        .await
        .map_err(|error| failed(error, "cannot look for subscriptions"))?;
    for row in rows {
        let name = quote::identifier(Engine::Postgres, row.get(0));
        client
            .batch_execute(&format!("ALTER SUBSCRIPTION {name} DISABLE"))
            .await
            .map_err(|error| failed(error, format!("cannot switch off the subscription {name}")))?;
    }
    client.close().await;
    Ok(())
}
