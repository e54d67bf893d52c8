use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use database::mysql::catalog::text::Create;
use database::mysql::globals::{self, Globals};
use database::mysql::{Connection, Flavour, Server, catalog};
use database::{Entry, Journal as _, Kind, Schema, script};
use serde::{Deserialize, Serialize};

use super::plan::Piece;
use super::rows::Target;
use super::snapshot::{self, Snapshot, Tables};
use super::{long, plan};
use crate::derived::Derived;
use crate::dump::BackupOptions;
use crate::mysql::history;
use crate::mysql::privileges::{self, OnRoutine};
use crate::{Error, ErrorKind, Result};

/// What an archive of MySQL or MariaDB keeps in its index beside what all archives do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Extras {
    /// Which kind of server it is of: `MySQL`, `MariaDB`.
    pub(crate) server: String,
    /// Whether tables have rows of their history.
    pub(crate) history: bool,
    /// Whether the history of tables was left out on request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) no_history: bool,
    /// Accounts and roles of the server, where they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) globals: Option<Globals>,
    /// The general tablespaces of MySQL that its tables lie in, with these.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tablespaces: BTreeMap<String, BTreeSet<String>>,
    /// The engines of its tables.
    #[serde(default)]
    pub(crate) engines: Vec<String>,
    /// The accounts in whose name its objects act, as `user@host`.
    #[serde(default)]
    pub(crate) definers: Vec<String>,
    /// What its tables' stored generated columns were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) derived: Vec<Derived>,
    /// Who may run which routine, where that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) on_routines: Vec<OnRoutine>,
    /// The table with the longest statement of one row, and that one's bytes.
    #[serde(default)]
    pub(crate) longest: Option<(String, u64)>,
}

/// What belongs to the database itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Properties {
    /// Its character set.
    pub(crate) charset: String,
    /// Its collation.
    pub(crate) collation: String,
    /// Its comment, which MariaDB has since 10.5.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) comment: String,
    /// Whether its new tables are encrypted, which MySQL has since 8.0.16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) encrypted: Option<bool>,
}

/// A database of which the snapshot is taken and the catalog read: nothing stands in the way any more.
pub(crate) struct Prepared {
    pub(super) snapshot: Snapshot,
    pub(super) schema: Schema,
    pub(super) targets: Vec<Target>,
    pub(super) pieces: Vec<Piece>,
    /// How many rows the tables have of which nothing else tells that their pieces have them all.
    pub(super) counts: BTreeMap<usize, u64>,
    /// Which tables one session has locked, and reads alone.
    pub(super) held: Vec<bool>,
    pub(super) properties: Properties,
    pub(super) extras: Extras,
    pub(super) flavour: Flavour,
    pub(super) longest: usize,
    journal: Vec<Entry>,
}

impl Prepared {
    /// The journal of runs as it was when the snapshot was taken.
    pub(crate) fn journal(&self) -> &[Entry] {
        &self.journal
    }
}

/// Takes the snapshot, reads the catalog, and finds all that stands in the way of a dump.
///
/// # Errors
/// [`ErrorKind::Permission`] and [`ErrorKind::Refused`] with the names of what cannot be read or carried, and what the
/// server says.
pub(crate) async fn prepare(server: &Server, options: &BackupOptions) -> Result<Prepared> {
    tokio::select! {
        () = options.cancel.cancelled() => Err(Error::new(ErrorKind::Cancelled, "the backup was cancelled")),
        prepared = look(server, options) => prepared,
    }
}

/// How often the tables may change while we look at them, or be in others' hands.
const LOOKS: u32 = 5;

/// What was seen of the database, and the snapshot in which it was like that.
struct Seen {
    snapshot: Snapshot,
    schema: Schema,
    journal: Vec<Entry>,
}

/// What one look came to.
enum Look {
    Seen(Box<Seen>),
    /// Somebody was at work on the tables; nothing is held any more, and another look may do.
    Again(Error),
}

async fn look(server: &Server, options: &BackupOptions) -> Result<Prepared> {
    let what = "cannot read the catalog";
    let mut connection = server.connect(None).await?;
    // Whoever flushes tables makes everybody who opens one wait for those that have it locked, ourselves among them.
    connection.batch(&format!("SET SESSION lock_wait_timeout = {}", snapshot::WAIT), what).await?;
    let flavour = connection.flavour();
    let mut looks = 0;
    let Seen { mut snapshot, mut schema, journal } = loop {
        looks += 1;
        match look_once(&mut connection, server, options).await? {
            Look::Seen(seen) => break *seen,
            Look::Again(error) if looks == LOOKS => return Err(error),
            Look::Again(error) => {
                tracing::info!(%error, looks, "the tables are in others' hands; they are looked at again");
                tokio::time::sleep(Duration::from_millis(u64::from(500 * looks))).await;
            }
        }
    };
    if options.no_history {
        let left_out = history::left_out(&schema);
        history::leave_out(&mut schema)?;
        schema.left_out.extend(left_out);
    }
    let mut targets: Vec<Target> =
        schema.tables_with_rows().map(|(id, table)| Target::new(id, table)).collect();
    let engines = transactional(&mut connection, server.database()).await?;
    // What the holder has locked, it reads alone and at once: others wait for it.
    let held: Vec<bool> = targets
        .iter()
        .map(|target| snapshot.holder.is_some() && !engines.contains(&target.id.name))
        .collect();
    let properties = properties(&mut connection, server.database()).await?;
    let history = targets.iter().any(|target| target.table.filter.is_some());
    if history && (flavour != Flavour::MariaDb || connection.release() < (10, 11)) {
        return Err(Error::new(
            ErrorKind::Refused,
            "the database has tables that keep their history, which servers before MariaDB 10.11 cannot load again",
        )
        .with_hint("use a newer server, or leave the history out: --no-history"));
    }
    let sql = format!(
        "SELECT DISTINCT engine FROM information_schema.tables WHERE table_schema = {} AND engine IS NOT NULL ORDER BY 1",
        database::quote::literal(database::Engine::Mysql, server.database())
    );
    let engines = connection.query(&sql, what).await?.into_iter().flatten().flatten().collect();
    let globals = match options.globals {
        true => {
            schema.left_out.extend(globals::not_carried(&mut connection).await);
            Some(globals::read(&mut connection, options.role_passwords).await?)
        }
        false => None,
    };
    let on_routines = match options.rights {
        true => privileges::to_be_kept(&mut connection, server.database(), &mut schema).await?,
        false => Vec::new(),
    };
    let longest = connection.value("SELECT @@global.max_allowed_packet", what).await?;
    let longest = longest.and_then(|bytes| bytes.parse().ok()).unwrap_or(16 << 20);
    connection.close().await;
    long::note_keys(&schema, &mut targets, longest);
    let (jobs, is_held) = (snapshot.workers.len(), |table: usize| held[table]);
    let pieces = plan::pieces(&mut snapshot.workers[0], &schema, &targets, jobs, &is_held).await?;
    let counts = plan::counts(&mut snapshot.workers[0], &schema, &targets, &pieces).await?;
    let of = |wanted: bool| pieces.iter().filter(move |piece| is_held(piece.table) == wanted);
    Box::pin(long::check(&mut snapshot.workers, (&targets, of(false)), longest)).await?;
    if let Some(holder) = &mut snapshot.holder {
        Box::pin(long::check(std::slice::from_mut(holder), (&targets, of(true)), longest)).await?;
    }
    Ok(Prepared {
        snapshot,
        targets,
        pieces,
        counts,
        held,
        properties,
        extras: Extras {
            server: flavour.to_string(),
            history,
            no_history: options.no_history,
            globals,
            tablespaces: tablespaces(&schema)?,
            engines,
            definers: definers(&schema)?,
            derived: Vec::new(),
            on_routines,
            longest: None,
        },
        schema,
        flavour,
        longest,
        journal,
    })
}

/// Takes the snapshot between two looks, which must show the same.
async fn look_once(connection: &mut Connection, server: &Server, options: &BackupOptions) -> Result<Look> {
    let flushed = |error: Error| match error.kind() {
        ErrorKind::LockTimeout => Ok(Look::Again(error)),
        _ => Err(error),
    };
    let (mut before, journal_before) = match state(connection, server).await {
        Ok(state) => state,
        Err(error) => return flushed(error),
    };
    if !options.whole {
        before.leave_out_broken();
    }
    before.check_carried()?;
    let engines = transactional(connection, server.database()).await?;
    let (with_snapshot, without_snapshot) = before
        .tables_with_rows()
        .map(|(id, _)| id.name.clone())
        .partition::<Vec<String>, _>(|name| engines.contains(name));
    let quoted = |names: Vec<String>| names.iter().map(|name| snapshot::quoted(name)).collect();
    let tables = Tables { with_snapshot: quoted(with_snapshot), without_snapshot: quoted(without_snapshot) };
    let mut snapshot = match snapshot::take(server, &tables, options.jobs, &options.cancel).await {
        // A table was dropped or altered while we came to it.
        Err(error) if error.kind() == ErrorKind::Statement => return Ok(Look::Again(error)),
        outcome => outcome?,
    };
    match state(connection, server).await {
        Ok((mut schema, journal)) if schema == before && journal == journal_before => {
            // All definitions are read, and the tables are the snapshot's own: no other database need wait any longer.
            snapshot.free_instance().await;
            // A view that broke since would be an object less, and the schema another one.
            schema.leave_out_broken();
            Ok(Look::Seen(Box::new(Seen { snapshot, schema, journal })))
        }
        otherwise => {
            snapshot.release().await;
            let changed = || {
                Error::new(ErrorKind::Refused, "the database's objects change faster than they can be read")
                    .with_hint("try again when the migration or deployment that is at work has ended")
            };
            otherwise.map_or_else(flushed, |_| Ok(Look::Again(changed())))
        }
    }
}

/// What the catalog and the journal say.
async fn state(connection: &mut Connection, server: &Server) -> Result<(Schema, Vec<Entry>)> {
    let schema = catalog::read(connection, server.database()).await?;
    Ok((schema, server.session().await?.entries().await?))
}

/// The accounts in whose name the objects act.
fn definers(schema: &Schema) -> Result<Vec<String>> {
    let mut found = BTreeSet::new();
    for object in &schema.objects {
        for statement in script::split(database::Engine::Mysql, &object.definition)? {
            found.extend(catalog::definer(statement.text).map(|definer| match definer.host.as_str() {
                "" => definer.user,
                host => format!("{}@{host}", definer.user),
            }));
        }
    }
    Ok(found.into_iter().collect())
}

/// The tablespaces that tables name, with the tables.
fn tablespaces(schema: &Schema) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for object in schema.objects.iter().filter(|object| object.id.kind == Kind::Table) {
        for name in Create::read(&object.definition)?.tablespaces()? {
            found.entry(name).or_default().insert(object.id.name.clone());
        }
    }
    Ok(found)
}

/// The names of the tables whose engine knows snapshots.
async fn transactional(connection: &mut Connection, database: &str) -> Result<Vec<String>> {
    // Of all engines that say that they have transactions, Aria and others have no snapshot of them.
    let sql = format!(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = {} AND engine IN ('InnoDB', 'ROCKSDB', 'TokuDB')",
        database::quote::literal(database::Engine::Mysql, database)
    );
    let rows = connection.query(&sql, "cannot read the tables' engines").await?;
    Ok(rows.into_iter().flatten().flatten().collect())
}

pub(crate) async fn properties(connection: &mut Connection, database: &str) -> Result<Properties> {
    let literal = database::quote::literal(database::Engine::Mysql, database);
    let what = "cannot read the database's own properties";
    // Of a server that has no such column none is named: 8.0 before 8.0.16 and 5.7.
    let encryption = "SELECT column_name FROM information_schema.columns
        WHERE table_schema = 'information_schema' AND table_name = 'SCHEMATA' AND column_name = 'DEFAULT_ENCRYPTION'";
    let (comment, encryption) = match connection.flavour() {
        Flavour::MariaDb if connection.release() >= (10, 5) => ("schema_comment", "''"),
        Flavour::MySql if connection.value(encryption, what).await?.is_some() => ("''", "default_encryption"),
        _ => ("''", "''"),
    };
    let sql = format!(
        "SELECT default_character_set_name, default_collation_name, {comment}, {encryption} FROM information_schema.schemata
          WHERE schema_name = {literal}"
    );
    let row = connection.query(&sql, what).await?.into_iter().next().unwrap_or_default();
    let mut values = row.into_iter().map(Option::unwrap_or_default);
    let mut next = || values.next().unwrap_or_default();
    let (charset, collation, comment) = (next(), next(), next());
    let encrypted = match next().as_str() {
        "" => None,
        said => Some(said == "YES"),
    };
    Ok(Properties { charset, collation, comment, encrypted })
}
