//! What materialized views hold. No archive carries it, since a restore refreshes them; its digest tells whether that
//! gave the same.

use database::postgres::Connection;
use database::postgres::digest::{self, Rows};
use database::{Kind, ObjectId, Schema, Table, TableDigest};

use super::target::Target;
use crate::Result;
use crate::postgres::failed;

/// The materialized views that are filled.
pub(crate) fn filled(schema: &Schema) -> impl Iterator<Item = (&ObjectId, &Table)> {
    let refreshed: std::collections::HashSet<(&str, &str)> = schema
        .objects
        .iter()
        .filter(|object| object.id.kind == Kind::Refresh)
        .map(|object| (object.id.namespace.as_str(), object.id.name.as_str()))
        .collect();
    schema.objects.iter().filter_map(move |object| {
        let id = &object.id;
        let is_one = id.kind == Kind::MaterializedView
            && refreshed.contains(&(id.namespace.as_str(), id.name.as_str()));
        object.table.as_deref().filter(|_| is_one).map(|table| (id, table))
    })
}

/// Reads one in the session's snapshot; `None` where that cannot be had, which is no reason to have no backup.
///
/// No statement locks a materialized view ahead, and a refresh that is under way may take long: nobody waits for it, and
/// its lock is let go of at once. A refresh that has ended since the snapshot shows its rows to every snapshot.
pub(super) async fn read(client: &Connection, view: &Target) -> Result<Option<TableDigest>> {
    let what = |error| failed(error, format!("cannot read {}", view.id));
    let begin = "SAVEPOINT dbm_view; SET LOCAL lock_timeout = '500ms'";
    client.batch_execute(begin).await.map_err(what)?;
    let read = async {
        let digests =
            digest::tables(client, &[Rows { id: &view.id, copied: &view.copied, pages: None }]).await?;
        let sql = "SELECT relfilenode = pg_catalog.pg_relation_filenode(oid) FROM pg_catalog.pg_class WHERE oid = $1";
        let row = client.query_opt(sql, &[&view.handle]).await.map_err(what)?;
        let same = row.and_then(|row| row.get::<_, Option<bool>>(0)).unwrap_or_default();
        Ok::<_, crate::Error>(digests.first().filter(|_| same).map(|read| read.carried))
    };
    let read = read.await;
    let end = "ROLLBACK TO SAVEPOINT dbm_view; RELEASE SAVEPOINT dbm_view";
    client.batch_execute(end).await.map_err(what)?;
    Ok(read.unwrap_or_else(|cause| {
        tracing::debug!(%cause, "what {} holds is not known", view.id);
        None
    }))
}
