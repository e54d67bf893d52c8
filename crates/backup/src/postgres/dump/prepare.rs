use std::collections::{BTreeMap, BTreeSet, HashMap};

use database::postgres::globals::{self, Globals};
use database::postgres::{self, Connection, Server, catalog, properties};
use database::{Entry, Kind, ObjectId, Schema, Section, TableDigest};
use serde::{Deserialize, Serialize};

use super::definitions::{self, Planned};
use super::script::Envelope;
use super::snapshot::{self, Leader};
use super::target::Target;
use super::{keys, large_objects, outline, relations, select, sequences, statistics, views};
use crate::archive::{Outlined, RawPart};
use crate::derived::Derived;
use crate::dump::BackupOptions;
use crate::postgres::failed;
use crate::postgres::index_sizes::{self, IndexSize};
use crate::postgres::roles::{self, Roles};
use crate::{Error, ErrorKind, Result};

/// What an archive of PostgreSQL keeps in its index beside what all archives do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Extras {
    /// The encoding of the database, and so of the rows; all else of the script is UTF-8.
    pub(crate) encoding: String,
    /// Whether the script is one transaction; archives of very many relations are not.
    pub(crate) one_transaction: bool,
    /// How many large objects there are.
    pub(crate) large_objects: u64,
    /// What they hold.
    pub(crate) large_objects_digest: TableDigest,
    /// The roles that the objects name, so that a restore can tell which are missing.
    pub(crate) roles: Roles,
    /// The tablespaces that the objects name, for the same.
    pub(crate) tablespaces: BTreeSet<String>,
    /// What belongs to the server, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) globals: Option<Globals>,
    /// What a restore makes anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) derived: Vec<Derived>,
    /// How large the indexes of large tables are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) index_sizes: Vec<IndexSize>,
    /// What is there and no part of any archive, for people to read.
    pub(crate) noted: Vec<String>,
}

/// A database that is locked and read up to its rows: nothing stands in the way any more.
pub(crate) struct Prepared {
    pub(super) server: Server,
    pub(super) leader: Leader,
    pub(super) schema: Schema,
    pub(super) sections: BTreeMap<Section, Vec<Planned>>,
    pub(super) targets: Vec<Target>,
    pub(super) views: Vec<Target>,
    pub(super) values: Vec<RawPart>,
    pub(super) envelope: Envelope,
    pub(super) outline: Vec<Outlined>,
    pub(super) properties: serde_json::Value,
    pub(super) extras: Extras,
}

impl Prepared {
    /// What a person should know of the server.
    pub(crate) fn note(&self) -> Option<String> {
        note(self.leader.connection.major_version())
    }

    /// The journal of runs as it is in the snapshot.
    pub(crate) async fn journal(&self) -> Result<Vec<Entry>> {
        Ok(postgres::entries(&self.leader.connection).await?)
    }
}

/// Locks all tables, takes the snapshot, reads the catalogs in it, and finds all that stands in the way of a dump.
///
/// # Errors
/// [`ErrorKind::Permission`] and [`ErrorKind::Refused`] with the names of what cannot be read or carried,
/// [`ErrorKind::LockTimeout`], and what the server says.
pub(crate) async fn prepare(server: &Server, options: &BackupOptions) -> Result<Prepared> {
    tokio::select! {
        () = options.cancel.cancelled() => Err(Error::new(ErrorKind::Cancelled, "the backup was cancelled")),
        prepared = look(server, options) => prepared,
    }
}

async fn look(server: &Server, options: &BackupOptions) -> Result<Prepared> {
    let selection = &options.selection;
    let leader = snapshot::lead(server, selection, options.jobs, &options.cancel).await?;
    let client = &leader.connection;
    statistics::check(options, client.major_version())?;
    let beside = if options.jobs > 1 { snapshot::beside(server).await } else { None };
    let mut schema = catalog::read_with(client, options.secrets, beside.as_deref()).await?;
    drop(beside);
    let rows = select::apply(&mut schema, options)?;
    refuse(&schema)?;
    if selection.has_rows() {
        refuse_enum_hash(client, &schema).await?;
    }
    let bare = (!selection.has_definitions()).then(|| select::rows_only(&schema));
    let written = bare.as_ref().unwrap_or(&schema);
    let keys = match bare {
        Some(_) => HashMap::new(),
        None => keys::of_large(client, &schema, definitions::LARGE_TABLE).await?,
    };
    let sections = [Section::PreData, Section::Data, Section::PostData, Section::Final]
        .into_iter()
        .map(|section| Ok((section, definitions::parts(written, section, &keys)?)))
        .collect::<Result<BTreeMap<_, _>>>()?;
    drop(bare);
    let sequences = sequences::list(client, |id| rows.as_ref().is_none_or(|rows| rows.contains(id))).await?;
    let values = sequences::values(client, &sequences).await?;
    let large_objects = if selection.has_large_objects() { large_objects::count(client).await? } else { 0 };
    let outline = outline::outline(&schema, &sections, &values)?;
    lighten(&mut schema);
    let targets: Vec<Target> =
        schema.tables_with_rows().map(|(id, table)| Target::new(id, table, &leader.encoding)).collect();
    let locked: std::collections::HashSet<(&str, &str)> =
        leader.relations.iter().map(|one| (one.namespace.as_str(), one.name.as_str())).collect();
    if let Some(target) =
        targets.iter().find(|one| !locked.contains(&(one.id.namespace.as_str(), one.id.name.as_str())))
    {
        let what = format!("{} is to be read and was not locked", target.id);
        return Err(Error::new(ErrorKind::Internal, what));
    }
    // What those of a part show is not what they showed in the whole.
    let views = match options.is_partial() {
        true => Vec::new(),
        false => views::filled(&schema).map(|(id, table)| Target::new(id, table, &leader.encoding)).collect(),
    };
    let envelope = Envelope::for_relations(relations_to_lock(client).await?.saturating_add(large_objects));
    let properties =
        properties::read(client, server.database()).await?.without(options.no_owner, options.no_privileges);
    let properties = serde_json::to_value(properties).map_err(|error| {
        Error::new(ErrorKind::Internal, "the database's properties have no JSON").with_source(error)
    })?;
    let extras = Extras {
        encoding: leader.encoding.clone(),
        one_transaction: envelope == Envelope::Transaction,
        large_objects,
        large_objects_digest: TableDigest::default(),
        roles: roles::read(client).await?,
        tablespaces: tablespaces(client).await?,
        globals: match options.globals {
            true => Some(globals::read(client, options.role_passwords).await?),
            false => None,
        },
        derived: Vec::new(),
        index_sizes: index_sizes::of_large(client, &schema, definitions::LARGE_TABLE).await?,
        noted: noted(client).await?,
    };
    Ok(Prepared {
        server: server.clone(),
        leader,
        schema,
        sections,
        targets,
        views,
        values,
        envelope,
        outline,
        properties,
        extras,
    })
}

/// Lets go of what is in the parts and the outline by now: of very many tables it is all there twice otherwise.
fn lighten(schema: &mut Schema) {
    for object in &mut schema.objects {
        object.definition = String::new();
        object.owner = None;
        object.comments = Vec::new();
        object.privileges = Vec::new();
        object.depends_on = Vec::new();
    }
}

/// What is where the database itself is names none.
async fn tablespaces(client: &Connection) -> Result<BTreeSet<String>> {
    let rows = client
        .query(
            "SELECT DISTINCT spcname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_tablespace t
             ON t.oid = c.reltablespace WHERE t.spcname <> 'pg_global'",
            &[],
        )
        .await
        .map_err(|error| failed(error, "cannot list the tablespaces"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn note(major: u32) -> Option<String> {
    (major > catalog::NEWEST).then(|| {
        format!(
            "the server is of version {major}, newer than the {} that this dbm was written for: its catalogs were \
             looked through for kinds of objects that dbm does not know, and there are none; prove the backup with \
             `dbm verify --deep`",
            catalog::NEWEST
        )
    })
}

fn refuse(schema: &Schema) -> Result<()> {
    const SHOWN: usize = 20;
    if schema.refused.is_empty() {
        return Ok(());
    }
    let shown: Vec<String> = schema.refused.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = match schema.refused.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let what = format!("dbm cannot carry {}{more}", shown.join(", "));
    Err(Error::new(ErrorKind::Refused, what).with_hint(
        "back the database up with pg_dump until dbm can; nothing was left out, since nothing was written",
    ))
}

/// Rows of hash partitions by an enum would belong to other partitions after a restore, since an
/// enum value's hash is that of its number in the catalog.
async fn refuse_enum_hash(client: &Connection, schema: &Schema) -> Result<()> {
    let rows = client
        .query(
            "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_partitioned_table p \
             JOIN pg_catalog.pg_class c ON c.oid = p.partrelid \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE p.partstrat = 'h' AND (EXISTS (SELECT FROM pg_catalog.unnest(p.partclass) o \
             JOIN pg_catalog.pg_opclass k ON k.oid = o WHERE k.opcintype = 'pg_catalog.anyenum'::pg_catalog.regtype) \
             OR EXISTS (SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
             JOIN pg_catalog.pg_type e ON e.oid = t.typelem WHERE a.attrelid = c.oid \
             AND a.attnum = ANY (p.partattrs::pg_catalog.int2[]) AND e.typtype = 'e')) ORDER BY 1, 2",
            &[],
        )
        .await
        .map_err(|error| postgres::error(error, "cannot look for hash partitions by an enum"))?;
    let id = |row: &tokio_postgres::Row| ObjectId {
        kind: Kind::Table,
        namespace: row.get(0),
        of: String::new(),
        name: row.get(1),
    };
    let ids: Vec<ObjectId> = rows.iter().map(id).filter(|id| schema.get(id).is_some()).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let what = format!(
        "dbm does not carry {}: partitioned by the hash of an enum, which is another one after a restore",
        relations::list(&ids)
    );
    Err(Error::new(ErrorKind::Refused, what)
        .with_hint("partition by list, or by the hash of the enum's text"))
}

/// About how many relations one transaction that restores all of it makes, and so locks.
async fn relations_to_lock(client: &Connection) -> Result<u64> {
    let row = client
        .query_one(
            "SELECT pg_catalog.count(*) FROM pg_catalog.pg_class WHERE oid >= 16384 AND relpersistence <> 't'",
            &[],
        )
        .await
        .map_err(|error| postgres::error(error, "cannot count the relations"))?;
    Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or_default())
}

/// What hangs on the database and cannot be in an archive of it.
async fn noted(client: &Connection) -> Result<Vec<String>> {
    let rows = client
        .query(
            "SELECT 'prepared transaction ' || gid FROM pg_catalog.pg_prepared_xacts \
             WHERE database = pg_catalog.current_database() \
             UNION ALL SELECT 'logical replication slot ' || slot_name FROM pg_catalog.pg_replication_slots \
             WHERE database = pg_catalog.current_database() ORDER BY 1",
            &[],
        )
        .await
        .map_err(|error| {
            postgres::error(error, "cannot look for prepared transactions and replication slots")
        })?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

#[cfg(test)]
mod unit {
    #[test]
    fn a_newer_server_is_said() {
        assert_eq!(super::note(18), None);
        assert!(super::note(19).unwrap().contains("version 19, newer than the 18"));
    }
}
