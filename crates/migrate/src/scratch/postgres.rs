use backup::Result;
use backup::archive::Archive;
use backup::progress::Progress;
use backup::restore::RestoreOptions;
use database::postgres::Server;
use database::postgres::properties;
use database::{Database, Engine, quote};

use super::Made;

/// A database with the encoding, the collation and the settings of the target's.
pub(crate) async fn make(server: &Server, on: &Database, name: String) -> Result<(Database, Made)> {
    let maintenance = server.maintenance_database().await?;
    let wanted = properties::read(&maintenance, server.database()).await?;
    let set = format!("ALTER DATABASE {} SET ", quote::identifier(Engine::Postgres, &name));
    // Owner, privileges and limits are of no use in it, and giving them may need more rights.
    let settings = wanted.apply_sql(&name).into_iter().filter(|statement| statement.starts_with(&set));
    let what = "cannot make a scratch database";
    for (place, statement) in std::iter::once(wanted.create_database_sql(&name)).chain(settings).enumerate() {
        if let Err(error) = maintenance.batch_execute(&statement).await {
            // One that could not be made may be another command's. That ours cannot be dropped is told by what it could not
            // be given.
            if place > 0 {
                let _gone = backup::restore::discard_scratch(on, &name).await;
            }
            return Err(backup::Error::from(maintenance.error(error, what)).with_hint(
                "give the account CREATEDB and the right to make the database's settings, or name another server with \
                 --scratch-url postgres://…",
            ));
        }
    }
    let database = Database::new(on.url().with_database(&name))?;
    Ok((database, Made::Beside { server: on.clone(), name }))
}

/// A copy of the archive's database.
pub(crate) async fn restore(
    on: &Database,
    name: String,
    archive: &Archive,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<(Database, Made)> {
    backup::restore::into_scratch(archive, on, &name, None, options, progress).await?;
    let database = Database::new(on.url().with_database(&name))?;
    Ok((database, Made::Beside { server: on.clone(), name }))
}
