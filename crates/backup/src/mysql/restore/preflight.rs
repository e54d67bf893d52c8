//! What is looked at before a restore touches anything.

use std::collections::BTreeSet;

use database::mysql::{Connection, Flavour, Grants, OWN_TABLES, Server, is_database};
use database::{About, Engine, quote};

use super::definers::Definers;
use super::folders;
use super::rights;
use crate::archive::Archive;
use crate::mysql::dump::{Extras, remedy};
use crate::restore::{Finding, Preflight, RestoreOptions, TargetState, Way};
use crate::{Error, ErrorKind, Result};

/// Where the archive is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goes {
    /// Into the place of the URL's database.
    IntoTarget,
    /// Into a new database on the same server, which gets its name once it is proven.
    IntoNew,
    /// Into a database that is looked at and dropped.
    Aside,
}

/// Looks at archive, server and target, and changes nothing.
pub(crate) async fn preflight(
    archive: &Archive,
    server: &Server,
    goes: Goes,
    options: &RestoreOptions,
) -> Result<Preflight> {
    if archive.head().engine != Engine::Mysql {
        let engine = archive.head().engine;
        return Err(Error::new(
            ErrorKind::OtherEngine,
            format!("{} is of {engine}, not of mysql", archive.name()),
        )
        .with_hint(format!("give the URL of a {engine} database")));
    }
    let about = match server.about().await {
        // The URL's database may be the very one that is to be made.
        Err(error) if error.kind() == database::ErrorKind::NoDatabase && goes != Goes::IntoTarget => {
            super::swap::at(server, "information_schema").about().await?
        }
        about => about?,
    };
    let mut connection = server.connect_nowhere().await?;
    let mut preflight = Preflight {
        archive_source: archive.index().source.clone(),
        target_source: about.source.clone(),
        target: TargetState::Empty,
        way: Way::Beside,
        missing_roles: Vec::new(),
        missing_extensions: Vec::new(),
        others: Vec::new(),
        attached: Vec::new(),
        prepared: Vec::new(),
        // Indexes take about as much as rows again.
        bytes_needed: archive.index().bytes().saturating_mul(2),
        bytes_free: None,
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    if goes == Goes::IntoTarget {
        preflight.target = state(&mut connection, server.database()).await?;
        preflight.others =
            if options.disconnect { server.others().await? } else { server.others_staying().await? };
        if !about.may_create_databases {
            let name = server.database();
            let hint = if Grants::read(&mut connection).await?.take_patterns() {
                format!(
                    "as an administrator: GRANT ALL ON `{}\\_re%`.* TO {}; it lets the account make databases whose \
                     names begin so, and no others",
                    rights::pattern(name),
                    rights::literal(&about.account)
                )
            } else {
                format!(
                    "as an administrator: GRANT CREATE ON *.* TO {}; partial_revokes lets nothing be given by a pattern",
                    rights::literal(&about.account)
                )
            };
            preflight.problems.push(finding(
                format!(
                    "`{}` may not create databases beside `{name}`, where a restore is proven before it takes its place",
                    about.account
                ),
                hint,
            ));
        }
        let same = preflight.same_source() || archive.index().source == server.source_by_place();
        judge_target(&about, same, options, &mut preflight);
        others_keys(&mut connection, server.database(), &mut preflight).await?;
        if options.disconnect {
            others_stay(&mut connection, &mut preflight).await?;
        }
    } else if !about.may_create_databases {
        preflight.problems.push(finding(
            format!("`{}` may not create databases", about.account),
            "restore as an account with CREATE on *.*, or into the database of the URL",
        ));
    }
    fits(&mut connection, archive, &mut preflight).await?;
    if goes != Goes::Aside {
        let target = (goes == Goes::IntoTarget).then(|| server.database());
        folders::check(&mut connection, archive, target, &mut preflight).await?;
    }
    definers(&mut connection, archive, &about, options, &mut preflight).await?;
    if preflight.problems.is_empty() {
        let made = |word: &str| format!("{}{word}", server.database());
        let names = match goes {
            Goes::IntoTarget => vec![made(""), made("_restoring_"), made("_replaced_")],
            Goes::IntoNew | Goes::Aside => Vec::new(),
        };
        rights::check(&mut connection, archive, &names, &about, options, &mut preflight).await?;
    }
    connection.close().await;
    Ok(preflight)
}

pub(super) fn finding(message: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding { message: message.into(), hint: Some(hint.into()) }
}

fn judge_target(about: &About, same: bool, options: &RestoreOptions, preflight: &mut Preflight) {
    let database = &about.database;
    if !about.may_write {
        preflight.problems.push(finding(
            format!("`{database}` cannot be written to: the server is read-only"),
            "restore on the primary",
        ));
    }
    let source = preflight.archive_source.clone();
    if preflight.target == TargetState::Filled && !same && options.from_source.as_ref() != Some(&source) {
        preflight.problems.push(finding(
            format!(
                "the archive is of {source}, and `{database}` ({}) holds something else",
                preflight.target_source
            ),
            format!("restore with --from-source {source}, or into a new database with --into NAME"),
        ));
    }
    let Some(one) = preflight.others.first() else { return };
    let finding = finding(
        format!(
            "`{database}` is in use by {} sessions: {} from {}",
            preflight.others.len(),
            one.account,
            one.address
        ),
        "end those sessions, or let them be ended with --disconnect",
    );
    if options.disconnect { preflight.warnings.push(finding) } else { preflight.problems.push(finding) }
}

async fn state(connection: &mut Connection, database: &str) -> Result<TargetState> {
    let name = quote::literal(Engine::Mysql, database);
    let own: Vec<String> = OWN_TABLES.iter().map(|name| quote::literal(Engine::Mysql, name)).collect();
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM information_schema.tables WHERE table_schema = {name} AND table_name NOT IN ({}))
             OR EXISTS (SELECT 1 FROM information_schema.routines WHERE {})
             OR EXISTS (SELECT 1 FROM information_schema.events WHERE {})",
        own.join(", "),
        is_database("routine_schema", database),
        is_database("event_schema", database)
    );
    let filled = connection.value(&sql, "cannot look what the database holds").await?;
    Ok(if filled.as_deref() == Some("0") { TargetState::Empty } else { TargetState::Filled })
}

/// Tables of other databases that point at the target's would go on pointing at what is replaced.
async fn others_keys(connection: &mut Connection, database: &str, preflight: &mut Preflight) -> Result<()> {
    let sql = format!(
        "SELECT CONCAT(table_schema, '.', table_name, ' (', constraint_name, ')') FROM information_schema.key_column_usage
          WHERE {} AND NOT {} ORDER BY 1",
        is_database("referenced_table_schema", database),
        is_database("table_schema", database)
    );
    let found = connection.query(&sql, "cannot look for foreign keys of other databases").await?;
    let found: Vec<String> = found.into_iter().flatten().flatten().collect();
    if !found.is_empty() {
        preflight.problems.push(finding(
            format!("foreign keys of other databases point into `{database}`: {}", found.join(", ")),
            "drop them first, and make them again afterwards",
        ));
    }
    Ok(())
}

/// Those who are there and whom this account may not end: within a transaction, nobody's table is exchanged.
async fn others_stay(connection: &mut Connection, preflight: &mut Preflight) -> Result<()> {
    let grants = Grants::read(connection).await?;
    if ["CONNECTION ADMIN", "CONNECTION_ADMIN", "SUPER"].iter().any(|right| grants.everywhere(right)) {
        return Ok(());
    }
    let what = "cannot ask who this account is";
    let own = connection.value("SELECT SUBSTRING_INDEX(USER(), '@', 1)", what).await?;
    // One's own may be ended without a right.
    let Some(one) = preflight.others.iter().find(|other| Some(&other.account) != own.as_ref()) else {
        return Ok(());
    };
    let right = match connection.flavour() {
        Flavour::MariaDb => "CONNECTION ADMIN",
        Flavour::MySql => "CONNECTION_ADMIN",
    };
    let account = connection.value("SELECT CURRENT_USER()", what).await?.unwrap_or_default();
    preflight.problems.push(finding(
        format!(
            "`{account}` may not end the sessions of others, such as that of `{}` from {}",
            one.account, one.address
        ),
        format!(
            "stop that program; or as an administrator: GRANT {right} ON *.* TO {}",
            rights::literal(&account)
        ),
    ));
    Ok(())
}

/// Whether the server has what the archive needs.
async fn fits(connection: &mut Connection, archive: &Archive, preflight: &mut Preflight) -> Result<()> {
    let (extras, properties) = (super::extras(archive)?, super::properties(archive)?);
    let what = "cannot ask the server what it has";
    let ours = connection.flavour().to_string();
    if extras.history && (connection.flavour() != Flavour::MariaDb || connection.release() < (10, 11)) {
        preflight.problems.push(finding(
            "the archive has tables that keep their history, which only MariaDB 10.11 and newer can load",
            "restore on such a server",
        ));
    }
    if extras.server != ours {
        let message = format!(
            "the archive is of {}, and the server is {ours}: what only the other one has will stop the restore",
            extras.server
        );
        preflight.warnings.push(Finding { message, hint: None });
    }
    let collations = "SELECT collation_name FROM information_schema.collations";
    let collations: Vec<String> =
        connection.query(collations, what).await?.into_iter().flatten().flatten().collect();
    // MariaDB lists collations of Unicode without the character set's name.
    let known = |name: &str| {
        collations.iter().any(|one| one == name || name.split_once('_').is_some_and(|(_, rest)| one == rest))
    };
    if !known(&properties.collation) {
        preflight.problems.push(finding(
            format!(
                "the server does not know the collation {} of the archive's database",
                properties.collation
            ),
            "restore on a server that has it",
        ));
    }
    let engines = "SELECT engine FROM information_schema.engines WHERE support IN ('YES', 'DEFAULT')";
    let engines: Vec<String> =
        connection.query(engines, what).await?.into_iter().flatten().flatten().collect();
    for engine in
        extras.engines.iter().filter(|engine| !engines.iter().any(|one| one.eq_ignore_ascii_case(engine)))
    {
        preflight.problems.push(finding(
            format!("the server has no storage engine {engine}, which tables of the archive need"),
            "install or switch on its plugin",
        ));
    }
    tablespaces(connection, &extras, preflight).await;
    let packet = connection.value("SELECT @@global.max_allowed_packet", what).await?;
    let packet: u64 = packet.and_then(|bytes| bytes.parse().ok()).unwrap_or(u64::MAX);
    if let Some((table, bytes)) = extras.longest.filter(|(_, bytes)| *bytes > packet) {
        preflight.problems.push(finding(
            format!(
                "a row of {table} takes a statement of {bytes} bytes, and max_allowed_packet is {packet}"
            ),
            remedy(bytes),
        ));
    }
    Ok(())
}

/// Whether the server has the tablespaces that tables lie in. MariaDB knows none, and takes such a table as any other.
async fn tablespaces(connection: &mut Connection, extras: &Extras, preflight: &mut Preflight) {
    if extras.tablespaces.is_empty() || connection.flavour() == Flavour::MariaDb {
        return;
    }
    // The first one is everybody's to read, and came with 8.0.21; the others take PROCESS.
    let lists = [
        "SELECT tablespace_name FROM information_schema.tablespaces_extensions",
        "SELECT name FROM information_schema.innodb_tablespaces",
        "SELECT name FROM information_schema.innodb_sys_tablespaces",
    ];
    let mut there: BTreeSet<String> = BTreeSet::new();
    for list in lists {
        if let Ok(rows) = connection.query(list, "cannot look for tablespaces").await {
            there.extend(rows.into_iter().flatten().flatten());
            break;
        }
    }
    if there.is_empty() {
        // Each server has some of its own: who may not look finds out when the tables are made.
        return;
    }
    for (name, tables) in extras.tablespaces.iter().filter(|(name, _)| !there.contains(*name)) {
        let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
        preflight.problems.push(finding(
            format!(
                "the server has no tablespace `{name}`, which tables of the archive lie in: {}",
                tables.join(", ")
            ),
            format!(
                "as an administrator: CREATE TABLESPACE {} ADD DATAFILE '….ibd' ENGINE = InnoDB",
                quote::identifier(Engine::Mysql, name)
            ),
        ));
    }
}

/// The accounts in whose name views and routines of the archive act.
async fn definers(
    connection: &mut Connection,
    archive: &Archive,
    about: &About,
    options: &RestoreOptions,
    preflight: &mut Preflight,
) -> Result<()> {
    let mut missing = Vec::new();
    let named = super::extras(archive)?.definers;
    for definer in named.iter().filter_map(|definer| Definers::of(options).account(definer)) {
        let (user, host) = definer.rsplit_once('@').unwrap_or((&definer, ""));
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM mysql.user WHERE user = {} AND host = {})",
            quote::literal(Engine::Mysql, user),
            quote::literal(Engine::Mysql, host)
        );
        // Who may not look finds out when the definitions are run.
        let found = connection.value(&sql, "cannot look for accounts").await;
        if matches!(&found, Ok(Some(there)) if there == "0") && definer != about.account {
            missing.push(definer);
        }
    }
    if !missing.is_empty() {
        preflight.warnings.push(finding(
            format!("views or routines act in the name of accounts that the server does not have: {}", missing.join(", ")),
            "create the accounts, or restore with --definer current or --definer map=OLD:NEW; until then who uses those objects gets an error",
        ));
        preflight.missing_roles = missing;
    }
    Ok(())
}
