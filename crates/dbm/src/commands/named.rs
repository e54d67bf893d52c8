//! Which archive a name means.

use backup::ErrorKind;
use backup::catalogue::{self, Backup};
use backup::store::Store;
use database::Database;

use crate::context::Context;
use crate::error::{CommandError, Result};

/// The archive of that name; the database is asked only for `latest` and its like.
pub(crate) async fn find(context: &Context, store: &dyn Store, name: &str) -> Result<Backup> {
    if !catalogue::is_relative(name) {
        return Ok(catalogue::resolve(store, name, &[]).await?);
    }
    let database = Database::new(context.url()?)?;
    match catalogue::resolve(store, name, &database.sources().await?).await {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let error = CommandError::from(error);
            Err(match namesake(store, &database).await {
                Some(file) => error.hint(format!(
                    "{file} is the newest of a database called {}; if it is this one's, name it",
                    database.name()
                )),
                None => error,
            })
        }
        found => Ok(found?),
    }
}

/// The newest good archive of a database of that name: a lost file takes the id with it that would tell more.
async fn namesake(store: &dyn Store, database: &Database) -> Option<String> {
    let all = catalogue::list(store).await.ok()?;
    let (engine, name) = (database.engine(), database.name());
    let same = all.into_iter().filter(|backup| {
        backup.is_good()
            && backup.sidecar.as_ref().is_some_and(|it| it.engine == engine && it.database == name)
    });
    same.max_by_key(Backup::time).map(|backup| backup.file)
}
