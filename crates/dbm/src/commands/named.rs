//! Which archive a name means.

use backup::catalogue::{self, Backup};
use backup::store::Store;
use database::Database;

use crate::context::Context;
use crate::error::Result;

/// The archive of that name; the database is asked only for `latest` and its like.
pub(crate) async fn find(context: &Context, store: &dyn Store, name: &str) -> Result<Backup> {
    let sources = match catalogue::is_relative(name) {
        true => Database::new(context.url()?)?.sources().await?,
        false => Vec::new(),
    };
    Ok(catalogue::resolve(store, name, &sources).await?)
}
