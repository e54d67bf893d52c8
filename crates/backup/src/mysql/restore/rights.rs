//! What the account must be allowed for all of an archive to be made again: asked before anything is touched, since a run that
//! finds out when it has to put its database back cannot.

use database::mysql::{Connection, Flavour, Grants};
use database::{About, Engine, Kind, quote};

use super::definers::Definers;
use super::preflight::finding;
use crate::Result;
use crate::archive::Archive;
use crate::restore::{Preflight, RestoreOptions};

/// What making, filling, reading and renaming tables takes, and seeing that there is nothing else.
const ALWAYS: [&str; 7] = ["SELECT", "INSERT", "CREATE", "DROP", "ALTER", "TRIGGER", "EVENT"];

/// What a kind of object takes beside it.
fn takes(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::View => &["CREATE VIEW", "SHOW VIEW"],
        Kind::Function | Kind::Procedure | Kind::Package => &["CREATE ROUTINE", "ALTER ROUTINE"],
        _ => &[],
    }
}

/// Tells of each that is missing in the databases of these names, of which the first is the target, if there is one.
pub(super) async fn check(
    connection: &mut Connection,
    archive: &Archive,
    names: &[String],
    about: &About,
    options: &RestoreOptions,
    preflight: &mut Preflight,
) -> Result<()> {
    let grants = Grants::read(connection).await?;
    let kinds = &archive.index().kinds;
    let needed = ALWAYS.iter().chain(kinds.keys().flat_map(|kind| takes(*kind)));
    let mut missing: Vec<&str> =
        needed.copied().filter(|right| !names.iter().all(|name| grants.on(name, right))).collect();
    missing.dedup();
    if !missing.is_empty() {
        preflight.problems.push(finding(
            format!("`{}` lacks {} in the databases that a restore makes", about.account, missing.join(", ")),
            format!("GRANT these on {} to it", names.join(", ")),
        ));
    }
    others(connection, archive, &grants, about, options, preflight)?;
    let logged = "SELECT @@global.log_bin = 1 AND @@global.log_bin_trust_function_creators = 0";
    let logged = connection.value(logged, "cannot ask the server for its binary log").await?;
    if let (Some(target), Some("1")) = (names.first(), logged.as_deref()) {
        let sql = format!(
            "SELECT routine_name FROM information_schema.routines WHERE routine_schema = {} AND routine_type = 'FUNCTION'
                AND is_deterministic = 'NO' AND sql_data_access NOT IN ('NO SQL', 'READS SQL DATA') ORDER BY 1",
            quote::literal(Engine::Mysql, target)
        );
        let found = connection.query(&sql, "cannot look at the functions").await?;
        let found: Vec<String> = found.into_iter().flatten().flatten().collect();
        if !found.is_empty() {
            preflight.problems.push(finding(
                format!("the server keeps a binary log, and does not take these functions again: {}", found.join(", ")),
                "SET GLOBAL log_bin_trust_function_creators = 1, or declare them DETERMINISTIC, NO SQL or READS SQL DATA",
            ));
        }
    }
    let acts = [Kind::Trigger, Kind::Function].iter().any(|kind| kinds.contains_key(kind));
    let trusted = ["SUPER", "BINLOG ADMIN"].iter().any(|right| grants.everywhere(right));
    if acts && logged.as_deref() == Some("1") && !trusted {
        preflight.problems.push(finding(
            format!(
                "the server keeps a binary log, and lets `{}` make no triggers or functions",
                about.account
            ),
            "SET GLOBAL log_bin_trust_function_creators = 1, or restore as an account with SUPER",
        ));
    }
    Ok(())
}

/// Objects that act in the name of others are made by those alone who may do so.
fn others(
    connection: &Connection,
    archive: &Archive,
    grants: &Grants,
    about: &About,
    options: &RestoreOptions,
    preflight: &mut Preflight,
) -> Result<()> {
    // MariaDB 11 has taken it out of SUPER.
    let rights: &[&str] = match connection.flavour() {
        Flavour::MariaDb if connection.release() >= (11, 0) => &["SET USER"],
        Flavour::MariaDb => &["SUPER", "SET USER"],
        Flavour::MySql => &["SUPER", "SET_ANY_DEFINER", "SET_USER_ID"],
    };
    if rights.iter().any(|right| grants.everywhere(right)) {
        return Ok(());
    }
    let definers = Definers::of(options);
    let named = super::extras(archive)?.definers;
    let others: Vec<String> =
        named.iter().filter_map(|one| definers.account(one)).filter(|one| *one != about.account).collect();
    if !others.is_empty() {
        preflight.problems.push(finding(
            format!(
                "`{}` may not make views and routines that act in the name of others: {}",
                about.account,
                others.join(", ")
            ),
            format!(
                "GRANT {} ON *.* to it; or restore by hand with --definer current",
                rights[rights.len().min(2) - 1]
            ),
        ));
    }
    Ok(())
}
