//! A schema as a page for people: Markdown, with a diagram that Mermaid draws.

mod diagram;
mod page;
mod shape;

use backup::Result;
use database::{Database, Schema};

use crate::history;

pub use page::page;

/// The schema of a database, without what dbm keeps there for itself.
///
/// # Errors
/// The catalogs cannot be read.
pub async fn schema(database: &Database) -> Result<Schema> {
    let mut schema = database.schema().await?;
    schema.objects.retain(|object| !history::is_own(&object.id));
    Ok(schema)
}
