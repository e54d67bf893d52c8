use std::collections::BTreeSet;

use database::mysql::globals::{self, Globals};
use database::mysql::{Flavour, Server, catalog};
use database::{Entry, Journal as _, Schema, script};
use serde::{Deserialize, Serialize};

use super::rows::Target;
use super::snapshot::{self, Snapshot, Tables};
use crate::dump::BackupOptions;
use crate::mysql::history;
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
    /// The engines of its tables.
    #[serde(default)]
    pub(crate) engines: Vec<String>,
    /// The accounts in whose name its objects act, as `user@host`.
    #[serde(default)]
    pub(crate) definers: Vec<String>,
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
}

/// A database of which the snapshot is taken and the catalog read: nothing stands in the way any more.
pub(crate) struct Prepared {
    pub(super) snapshot: Snapshot,
    pub(super) schema: Schema,
    pub(super) targets: Vec<Target>,
    pub(super) without_snapshot: Vec<bool>,
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

/// How often the tables may change while we look at them.
const LOOKS: u32 = 5;

async fn look(server: &Server, options: &BackupOptions) -> Result<Prepared> {
    let what = "cannot read the catalog";
    let mut connection = server.connect(None).await?;
    let flavour = connection.flavour();
    let mut looks = 0;
    let (snapshot, mut schema, journal) = loop {
        looks += 1;
        let before = catalog::read(&mut connection, server.database()).await?;
        before.check_carried()?;
        let engines = transactional(&mut connection, server.database()).await?;
        let names: Vec<&str> = before.tables_with_rows().map(|(id, _)| id.name.as_str()).collect();
        let tables = Tables {
            all: names.iter().map(|name| snapshot::quoted(name)).collect(),
            without_snapshot: names
                .iter()
                .filter(|name| !engines.iter().any(|engine| engine == *name))
                .map(|name| snapshot::quoted(name))
                .collect(),
        };
        let journal_before = server.session().await?.entries().await?;
        let snapshot = match snapshot::take(server, &tables, options.jobs, &options.cancel).await {
            // A table was dropped or altered while we came to it: look again.
            Err(error) if error.kind() == ErrorKind::Statement && looks < LOOKS => continue,
            outcome => outcome?,
        };
        let after = catalog::read(&mut connection, server.database()).await?;
        let journal = server.session().await?.entries().await?;
        if after == before && journal == journal_before {
            break (snapshot, after, journal);
        }
        if looks == LOOKS {
            return Err(Error::new(
                ErrorKind::Refused,
                "the database's objects change faster than they can be read",
            )
            .with_hint("try again when the migration or deployment that is at work has ended"));
        }
    };
    if options.no_history {
        let left_out = history::left_out(&schema);
        history::leave_out(&mut schema)?;
        schema.left_out.extend(left_out);
    }
    let targets: Vec<Target> = schema.tables_with_rows().map(|(id, table)| Target::new(id, table)).collect();
    let engines = transactional(&mut connection, server.database()).await?;
    let without_snapshot = targets.iter().map(|target| !engines.contains(&target.id.name)).collect();
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
        true => Some(globals::read(&mut connection, options.role_passwords).await?),
        false => None,
    };
    let longest = connection.value("SELECT @@global.max_allowed_packet", what).await?;
    connection.close().await;
    Ok(Prepared {
        snapshot,
        targets,
        without_snapshot,
        properties,
        extras: Extras {
            server: flavour.to_string(),
            history,
            no_history: options.no_history,
            globals,
            engines,
            definers: definers(&schema)?,
            longest: None,
        },
        schema,
        flavour,
        longest: longest.and_then(|bytes| bytes.parse().ok()).unwrap_or(16 << 20),
        journal,
    })
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

/// The names of the tables whose engine knows snapshots.
async fn transactional(connection: &mut database::mysql::Connection, database: &str) -> Result<Vec<String>> {
    // Of all engines that say that they have transactions, Aria and others have no snapshot of them.
    let sql = format!(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = {} AND engine IN ('InnoDB', 'ROCKSDB', 'TokuDB')",
        database::quote::literal(database::Engine::Mysql, database)
    );
    let rows = connection.query(&sql, "cannot read the tables' engines").await?;
    Ok(rows.into_iter().flatten().flatten().collect())
}

pub(crate) async fn properties(
    connection: &mut database::mysql::Connection,
    database: &str,
) -> Result<Properties> {
    let literal = database::quote::literal(database::Engine::Mysql, database);
    let what = "cannot read the database's own properties";
    let comment = match connection.flavour() {
        Flavour::MariaDb if connection.release() >= (10, 5) => "schema_comment",
        _ => "''",
    };
    let sql = format!(
        "SELECT default_character_set_name, default_collation_name, {comment} FROM information_schema.schemata
          WHERE schema_name = {literal}"
    );
    let row = connection.query(&sql, what).await?.into_iter().next().unwrap_or_default();
    let mut values = row.into_iter().map(Option::unwrap_or_default);
    let mut next = || values.next().unwrap_or_default();
    Ok(Properties { charset: next(), collation: next(), comment: next() })
}
