//! Which archive a name means.

use backup::catalogue::{self, Backup};
use backup::store::Store;
use database::Database;

use crate::context::Context;
use crate::error::Result;

/// The archive of that name; the database is asked only for `latest`.
pub(crate) async fn find(context: &Context, store: &dyn Store, name: &str) -> Result<Backup> {
    let sources = match name {
        "latest" => Database::new(context.url()?)?.sources().await?,
        _ => Vec::new(),
    };
    Ok(catalogue::resolve(store, name, &sources).await?)
}
