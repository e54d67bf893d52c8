use backup::Result;
use database::postgres::Server;
use database::postgres::properties;
use database::{Database, Engine, quote};

use super::Made;

/// A database with the encoding, the collation and the settings of the target's.
pub(crate) async fn make(server: &Server, on: &Database) -> Result<(Database, Made)> {
    let maintenance = server.maintenance_database().await?;
    let wanted = properties::read(&maintenance, server.database()).await?;
    let name = backup::restore::scratch_name(on).await?;
    let set = format!("ALTER DATABASE {} SET ", quote::identifier(Engine::Postgres, &name));
    // Owner, privileges and limits are of no use in it, and giving them may need more rights.
    let settings = wanted.apply_sql(&name).into_iter().filter(|statement| statement.starts_with(&set));
    let what = "cannot make a scratch database";
    for statement in std::iter::once(wanted.create_database_sql(&name)).chain(settings) {
        let made = maintenance.batch_execute(&statement).await;
        made.map_err(|error| {
            backup::Error::from(maintenance.error(error, what)).with_hint(
                "give the account CREATEDB, or name another server with --scratch-url postgres://…",
            )
        })?;
    }
    let database = Database::new(on.url().with_database(&name))?;
    Ok((database, Made::Beside { server: on.clone(), name, account: None }))
}
