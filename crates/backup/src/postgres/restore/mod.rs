//! Restoring an archive into PostgreSQL.

mod among;
mod clear;
mod early;
mod globals;
mod load;
mod order;
mod part_of;
mod place;
mod preflight;
mod prove;
mod read_back;
mod renamed;
mod rows;
mod rows_only;
mod run;
mod scratch;
mod sessions;
mod still;
mod subscriptions;
mod swap;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::postgres::failed;
use crate::{Error, ErrorKind, Result};
use chrono::Utc;
use database::postgres::globals::Globals;
use database::postgres::properties::Properties;
use database::postgres::{self, Connection, Own, Server, Settings};
use database::{Engine, Entry, Kind, ObjectId, TableDigest, quote};
use serde::Deserialize;

pub(crate) use place::hold_writers;
pub(crate) use preflight::{Goes, preflight, way};
pub(crate) use swap::settle;
pub(crate) use table::table;

use super::index_sizes::IndexSize;
use super::roles::Roles;
use crate::archive::{Archive, Aspect, Part};
use crate::derived::Derived;
use crate::progress::Progress;
use crate::restore::names::{self, Made};
use crate::restore::{Among, Remade, Replaced, RestoreOptions};

/// Restores in the target itself.
///
/// # Errors
/// As [`place::in_place`].
pub(crate) async fn in_place(
    archive: &Archive,
    server: &Server,
    (held, publish): (Option<(Connection, Own)>, &[Entry]),
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Vec<Remade>> {
    let place = place::in_place(archive, server, (held, publish), options, progress);
    globals::around(archive, server, (options, progress), place).await
}

/// Restores what the options select into the database itself.
///
/// # Errors
/// As [`among::among`].
pub(crate) async fn among(
    archive: &Archive,
    server: &Server,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Among> {
    let work = among::among(archive, server, options, progress);
    let among = globals::around(archive, server, (options, progress), work).await?;
    if options.analyze {
        progress.phase("statistics", None);
        // What was restored stays: without statistics it is only slower until the server makes them.
        if let Err(cause) = read_back::statistics_of(server, among.made.iter().chain(&among.filled)).await {
            progress.note(&format!("the tables are restored, and ANALYZE failed ({cause}): run it by hand"));
        }
    }
    progress.done();
    Ok(among)
}

/// A restored and proven database beside its target.
#[derive(Debug)]
pub(crate) struct Beside {
    server: Server,
    scratch: String,
    remade: Vec<Remade>,
}

/// Restores beside `target` and proves it.
pub(crate) async fn beside(
    archive: &Archive,
    server: &Server,
    target: &str,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Beside> {
    let scratch = match &options.scratch {
        Some(name) => made_here(name).map(|()| name.clone())?,
        None => scratch_name(server, target).await?,
    };
    let build = scratch::build(archive, server, &scratch, true, options, progress);
    let remade = globals::around(archive, server, (options, progress), build).await?;
    Ok(Beside { server: server.clone(), scratch, remade })
}

impl Beside {
    pub(crate) fn scratch_name(&self) -> &str {
        &self.scratch
    }

    pub(crate) fn remade(&self) -> &[Remade] {
        &self.remade
    }

    /// Takes the target's place; on an error the target is as it was, and the scratch database is gone.
    pub(crate) async fn swap(self, publish: &[Entry], disconnect: bool) -> Result<Replaced> {
        let result = self.try_swap(publish, disconnect).await;
        let Err(error) = result else { return result };
        // Where it is unknown how the swap ended, the name may be gone, and then there is nothing to remove.
        match self.discard().await {
            Ok(()) => Err(error),
            Err(second) => Err(Error::new(error.kind(), format!("{error}; and {second}")).with_source(error)),
        }
    }

    async fn try_swap(&self, publish: &[Entry], disconnect: bool) -> Result<Replaced> {
        if !publish.is_empty() {
            let client = load::worker(&self.server, &self.scratch).await?;
            let write = async |sql: &str| {
                client.batch_execute(sql).await.map_err(|error| failed(error, "cannot write the journal"))
            };
            write(&format!("BEGIN READ WRITE; {}; COMMIT", journal(&client, publish).await?)).await?;
        }
        let exchange = swap::Exchange { server: &self.server, scratch: &self.scratch, disconnect };
        let replaced = exchange.run(Utc::now()).await?;
        if let Err(cause) = subscriptions::switch_off(&self.server, &replaced.name).await {
            tracing::warn!(%cause, "{} is replaced, and may still take changes by a subscription", replaced.name);
        }
        Ok(replaced)
    }

    pub(crate) async fn discard(self) -> Result<()> {
        discard_scratch(&self.server, &self.scratch).await
    }
}

/// The statements that make `entries` the whole journal; without any, it stays what it is.
async fn journal(connection: &postgres::Connection, entries: &[Entry]) -> Result<String> {
    if entries.is_empty() {
        return Ok(String::new());
    }
    let mut sql = postgres::journal_sql(connection).await?;
    sql.push_str("DELETE FROM dbm.journal; DELETE FROM dbm.committed; ");
    for entry in entries {
        sql.push_str(&postgres::insert_sql(entry)?);
    }
    Ok(sql)
}

/// Restores into a new database, which has its name only once it is whole and proven.
pub(crate) async fn into(
    archive: &Archive,
    server: &Server,
    name: &str,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Vec<Remade>> {
    if name.len() > names::NAME_BYTES || name.is_empty() {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("`{name}` is not a name for a database: it has to have 1 to 63 bytes"),
        ));
    }
    let maintenance = server.maintenance_database().await?;
    if swap::oid(&maintenance, name).await?.is_some() {
        return Err(scratch::taken(name));
    }
    maintenance.close().await;
    let made = scratch_name(server, name).await?;
    let remade = into_scratch(archive, server, &made, options, progress).await?;
    scratch::take_name(server, &made, name).await?;
    Ok(remade)
}

/// The archive as the options want it: what they select of it, for a place where nothing is, and roles by their other names.
///
/// # Errors
/// What a selection names and the archive does not have, or what it misses.
pub(crate) async fn wanted(archive: &Archive, options: &RestoreOptions) -> Result<Archive> {
    if options.selection.is_everything() {
        return Ok(renamed::renamed(archive, &options.roles));
    }
    let part = part_of::part_of(archive, &options.selection, &|_| false).await?;
    for cut in &part.cut {
        tracing::warn!("not restored: {cut}");
    }
    Ok(renamed::renamed(&part.archive, &options.roles))
}

/// Passes if the archive makes the tables whose rows it holds.
pub(crate) fn makes_its_tables(archive: &Archive) -> Result<()> {
    let index = archive.index();
    let defines = |part: &Part| {
        let rows = |id: &ObjectId| matches!(id.kind, Kind::LargeObject | Kind::Refresh);
        part.aspect == Aspect::Definition && !part.objects.iter().all(rows)
    };
    if index.tables.is_empty() || index.parts.iter().any(defines) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Refused, "rows alone cannot fill a new database: the tables would be missing")
        .with_hint(
            "restore them with --data-only and without --into into a database that has the tables, empty",
        ))
}

/// Restores into a database of a name that nobody takes for a whole one.
pub(crate) async fn into_scratch(
    archive: &Archive,
    server: &Server,
    name: &str,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Vec<Remade>> {
    made_here(name)?;
    let about = match server.about().await {
        // The URL's database may be the very one that is to be made.
        Err(error) if error.kind() == database::ErrorKind::NoDatabase => elsewhere(server).about().await?,
        about => about?,
    };
    preflight(archive, server, &about, Goes::IntoNew, options).await?.check()?;
    let build = scratch::build(archive, server, name, false, options, progress);
    globals::around(archive, server, (options, progress), build).await
}

/// The same server by a database that is always there.
fn elsewhere(server: &Server) -> Server {
    Server::new(Settings { database: Some("postgres".to_owned()), ..server.settings().clone() })
}

/// A free name for a scratch database.
pub(crate) async fn scratch_name(server: &Server, target: &str) -> Result<String> {
    scratch::free_name(server, target).await
}

/// What was replaced of `target`, oldest first.
pub(crate) async fn replaced(server: &Server, target: &str) -> Result<Vec<Replaced>> {
    let client = server.maintenance_database().await?;
    let rows = client
        .query(
            "SELECT datname::text, pg_catalog.has_database_privilege(oid, 'CONNECT') FROM pg_catalog.pg_database",
            &[],
        )
        .await
        .map_err(|error| failed(error, "cannot list the databases"))?;
    let mut replaced = Vec::new();
    for row in rows {
        let (name, may_ask): (String, bool) = (row.get(0), row.get(1));
        let Some(when) = names::made_at(&name, target, Made::Replaced, names::NAME_BYTES) else { continue };
        // One that somebody drops meanwhile has no size to be told.
        let size = "SELECT pg_catalog.pg_database_size($1::name)";
        let size = if may_ask { client.query_one(size, &[&name]).await.ok() } else { None };
        let bytes = size.and_then(|row| u64::try_from(row.get::<_, i64>(0)).ok());
        replaced.push(Replaced { name, when, bytes, not_granted: Vec::new(), unguarded: None });
    }
    // Where a name was cut, only the attempt at its end tells the order within a second.
    let attempt = |name: &str| names::stamp(name, Made::Replaced).map(|(_, attempt)| attempt);
    replaced.sort_by_key(|one| (one.when, attempt(&one.name)));
    Ok(replaced)
}

/// Drops a database that was replaced.
pub(crate) async fn let_go(server: &Server, target: &str, name: &str) -> Result<()> {
    if !replaced(server, target).await?.iter().any(|replaced| replaced.name == name) {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("`{name}` is not one that a restore of `{target}` replaced"),
        )
        .with_hint("`dbm replaced` lists them"));
    }
    let client = server.maintenance_database().await?;
    // Without FORCE: whoever reads it still wants it.
    let sql = format!("DROP DATABASE {}", quote::identifier(Engine::Postgres, name));
    client.batch_execute(&sql).await.map_err(|error| failed(error, format!("cannot let go of `{name}`")))
}

/// Scratch databases beside `target` that nobody is in.
pub(crate) async fn leftovers(server: &Server, target: &str) -> Result<Vec<String>> {
    let client = server.maintenance_database().await?;
    let rows = client
        .query(
            "SELECT datname::text FROM pg_catalog.pg_database d
             WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid)
             ORDER BY datname",
            &[],
        )
        .await
        .map_err(|error| failed(error, "cannot list the databases"))?;
    let named = rows.iter().map(|row| row.get::<_, String>(0));
    Ok(named
        .filter(|name| names::made_at(name, target, Made::Scratch, names::NAME_BYTES).is_some())
        .collect())
}

/// Drops a scratch database.
pub(crate) async fn discard_scratch(server: &Server, name: &str) -> Result<()> {
    made_here(name)?;
    let client = server.maintenance_database().await?;
    scratch::end_makers(&client, name).await?;
    scratch::drop_database(server, &client, name).await
}

fn made_here(name: &str) -> Result<()> {
    if names::stamp(name, Made::Scratch).is_some() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Refused,
        format!("`{name}` is not the name of a database that a restore made to be thrown away"),
    ))
}

/// What a restore wants to know of the engine's own page of the index.
#[derive(Debug, Deserialize)]
struct Extras {
    #[serde(default)]
    roles: Roles,
    #[serde(default)]
    tablespaces: BTreeSet<String>,
    #[serde(default)]
    large_objects: u64,
    #[serde(default)]
    large_objects_digest: TableDigest,
    #[serde(default)]
    globals: Option<Globals>,
    #[serde(default)]
    derived: Vec<Derived>,
    #[serde(default)]
    index_sizes: Vec<IndexSize>,
}

/// Whether the archive holds the planner's statistics, so that none need be collected.
fn has_statistics(archive: &Archive) -> bool {
    archive.index().parts.iter().any(|part| part.aspect == Aspect::Statistics)
}

/// The engine's own page of the index.
fn extras(archive: &Archive) -> Result<Extras> {
    serde_json::from_value(archive.index().extras.clone()).map_err(|error| {
        Error::new(
            ErrorKind::Refused,
            "the archive's index says what this dbm does not understand of Postgres",
        )
        .with_source(error)
    })
}

/// What of the archive a restore makes anew; a part of it may lack what a materialized view reads.
fn derived(archive: &Archive) -> Result<Vec<Derived>> {
    let mut derived = extras(archive)?.derived;
    derived.retain(|one| !(archive.index().partial && one.id.kind == Kind::MaterializedView));
    Ok(derived)
}

/// The search path of the database's sessions, as SQL.
fn search_path(archive: &Archive) -> String {
    let properties = properties(archive, &RestoreOptions::default()).unwrap_or_default();
    let own =
        properties.settings.iter().find(|setting| setting.role.is_none() && setting.name == "search_path");
    own.map_or_else(|| "\"$user\", public".to_owned(), |setting| setting.value_sql())
}

/// What the archive says of the database itself, as far as the options want it.
fn properties(archive: &Archive, options: &RestoreOptions) -> Result<Properties> {
    let properties: Properties =
        serde_json::from_value(archive.index().properties.clone()).map_err(|error| {
            Error::new(
                ErrorKind::Refused,
                "the archive's index says what this dbm does not understand of the database's properties",
            )
            .with_source(error)
        })?;
    Ok(properties.without(options.no_owner, options.no_privileges))
}
