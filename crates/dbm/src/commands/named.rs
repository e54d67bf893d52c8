//! Which archive a name means.

use backup::catalogue::{self, Backup};
use backup::store::Store;
use database::Database;

use crate::context::Context;
use crate::error::Result;

/// The archive of that name; the database is asked only for `latest`.
pub(crate) async fn find(context: &Context, store: &dyn Store, name: &str) -> Result<Backup> {
    let source = match name {
        "latest" => Some(Database::new(context.url()?)?.about().await?.source),
        _ => None,
    };
    Ok(catalogue::resolve(store, name, source.as_ref()).await?)
}
