//! Whether all that a restore in place removes for the exchange can be made again by this account, looked at before the
//! first change.

use database::mysql::{Connection, Grants};
use database::{About, Engine, Kind, quote};

use super::definers::Definers;
use super::preflight::finding;
use crate::Result;
use crate::archive::Archive;
use crate::restore::{Preflight, RestoreOptions};

const WHAT: &str = "cannot look what the account may make";

/// In whose name an account may make objects beside its own.
const FOR_OTHERS: [&str; 4] = ["SUPER", "SET USER", "SET_ANY_DEFINER", "SET_USER_ID"];

/// What of the database `information_schema` shows acts in somebody's name.
const DEFINERS: &str = "SELECT definer FROM information_schema.views WHERE table_schema = DATABASE() UNION
    SELECT definer FROM information_schema.routines WHERE routine_schema = DATABASE() UNION
    SELECT definer FROM information_schema.triggers WHERE trigger_schema = DATABASE() UNION
    SELECT definer FROM information_schema.events WHERE event_schema = DATABASE()";

/// Finds what cannot be done in place, by name.
pub(super) async fn look(
    connection: &mut Connection,
    archive: &Archive,
    about: &About,
    options: &RestoreOptions,
    preflight: &mut Preflight,
) -> Result<()> {
    let grants = Grants::read(connection).await?;
    connection.batch(&format!("USE {}", quote::identifier(Engine::Mysql, &about.database)), WHAT).await?;
    if !FOR_OTHERS.into_iter().any(|right| grants.everywhere(right)) {
        let there = connection.query(DEFINERS, WHAT).await?.into_iter().flatten().flatten();
        let named = super::extras(archive)?.definers;
        let named = named.iter().filter_map(|definer| Definers::of(options).account(definer));
        let mut others: Vec<String> =
            there.chain(named).filter(|definer| *definer != about.account).collect();
        others.sort_unstable();
        others.dedup();
        if !others.is_empty() {
            preflight.problems.push(finding(
                format!(
                    "views, routines, triggers or events act in the name of {}, and `{}` may not make them again, as a \
                     restore in place has to",
                    others.join(", "),
                    about.account
                ),
                "let the account have SET USER (MariaDB) or SET_ANY_DEFINER (MySQL), or let it create databases; archives \
                 alone: `--definer current`",
            ));
        }
    }
    if !grants.everywhere("SUPER") && is_logged(connection).await? {
        let acts = |kind: Kind| archive.index().kinds.get(&kind).is_some_and(|number| *number > 0);
        let there = "SELECT EXISTS (SELECT 1 FROM information_schema.triggers WHERE trigger_schema = DATABASE())
                         OR EXISTS (SELECT 1 FROM information_schema.routines WHERE routine_schema = DATABASE()
                                       AND routine_type = 'FUNCTION')";
        let there = connection.value(there, WHAT).await?.as_deref() == Some("1");
        if there || acts(Kind::Trigger) || acts(Kind::Function) {
            preflight.problems.push(finding(
                "the server keeps a binary log and lets only SUPER make triggers and functions, which a restore in place \
                 has to make again",
                "SET GLOBAL log_bin_trust_function_creators = 1, or let the account create databases and have SUPER",
            ));
        }
    }
    let of_others = "SELECT table_name FROM information_schema.tables
                      WHERE table_schema = DATABASE() AND engine IN ('MRG_MYISAM', 'MERGE')";
    let merged: Vec<String> =
        connection.query(of_others, WHAT).await?.into_iter().flatten().flatten().collect();
    let engines = super::extras(archive)?.engines;
    if !merged.is_empty() || engines.iter().any(|engine| engine.eq_ignore_ascii_case("MRG_MYISAM")) {
        preflight.problems.push(finding(
            format!(
                "tables of the engine MERGE are made of others by their names, which a restore in place exchanges{}{}",
                if merged.is_empty() { "" } else { ": " },
                merged.join(", ")
            ),
            "restore with an account that may create databases",
        ));
    }
    Ok(())
}

/// Whether the server trusts only SUPER with what its binary log repeats elsewhere.
async fn is_logged(connection: &mut Connection) -> Result<bool> {
    let sql = "SELECT @@global.log_bin AND NOT @@global.log_bin_trust_function_creators";
    match connection.value(sql, WHAT).await {
        // A server that knows no such trust needs none.
        Err(error) if error.kind() == database::ErrorKind::Statement => Ok(false),
        found => Ok(found?.as_deref() == Some("1")),
    }
}
