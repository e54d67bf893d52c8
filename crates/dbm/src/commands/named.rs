//! Which archive a name means.

use backup::ErrorKind;
use backup::catalogue::{self, Backup};
use backup::store::Store;
use database::Database;
use helpers::naming::BackupName;

use crate::context::Context;
use crate::error::{CommandError, Result};

/// An archive, and the store that it was found in.
pub(crate) struct Named {
    pub(crate) backup: Backup,
    pub(crate) store: Box<dyn Store>,
    /// Which of the configured stores that is.
    pub(crate) place: usize,
}

/// The archive of that name, in the first of the stores that has it whole; the database is asked only for `latest` and
/// its like.
pub(crate) async fn find(context: &Context, name: &str) -> Result<Named> {
    let database = match catalogue::is_relative(name) {
        true => Some(Database::new(context.url_to_make()?)?),
        false => None,
    };
    let sources = match &database {
        Some(database) => database.sources().await?,
        None => Vec::new(),
    };
    let mut stores = context.stores()?;
    let each: Vec<&dyn Store> = stores.iter().map(|store| &**store).collect();
    let found = match (catalogue::resolve_among(&each, name, &sources).await, &database) {
        (Err(error), Some(database)) if error.kind() == ErrorKind::NotFound => {
            let error = CommandError::from(error);
            return Err(match namesake(&each, database).await {
                Some(file) => error.hint(format!(
                    "{file} is the newest of a database called {}; if it is this one's, name it",
                    database.name()
                )),
                None => error,
            });
        }
        (found, _) => found?,
    };
    context.warn_of_troubles(&found.troubles);
    Ok(Named { backup: found.backup, store: stores.swap_remove(found.place), place: found.place })
}

/// The same, with every store that has it.
pub(crate) async fn everywhere(context: &Context, name: &str) -> Result<(Backup, Vec<Box<dyn Store>>)> {
    let Named { backup, store, place } = find(context, name).await?;
    let name = backup.name()?;
    let mut having = vec![store];
    for (at, store) in context.stores()?.into_iter().enumerate() {
        if at != place && has(context, &*store, &name).await {
            having.push(store);
        }
    }
    Ok((backup, having))
}

/// Whether a store has an archive; one that cannot say is warned of.
pub(crate) async fn has(context: &Context, store: &dyn Store, name: &BackupName) -> bool {
    match store.stored(name).await {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => {
            context.output.warn(&format!("{}: {error}", store.describe()));
            false
        }
    }
}

/// The newest good archive of a database of that name: a lost file takes the id with it that would tell more.
pub(crate) async fn namesake(stores: &[&dyn Store], database: &Database) -> Option<String> {
    let (engine, name) = (database.engine(), database.name());
    let mut same = Vec::new();
    for store in stores {
        // One that cannot be listed says nothing of the others.
        same.extend(catalogue::list(*store).await.unwrap_or_default().into_iter().filter(|backup| {
            backup.is_good()
                && backup.sidecar.as_ref().is_some_and(|it| it.engine == engine && it.database == name)
        }));
    }
    same.into_iter().max_by_key(Backup::time).map(|backup| backup.file)
}
