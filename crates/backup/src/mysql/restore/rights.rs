//! What the account must be allowed for all of an archive to be made again: asked before anything is touched, since a run that
//! finds out when it has to put its database back cannot.

use std::collections::{BTreeMap, BTreeSet};

use database::mysql::catalog::{sees_routines, without_definer};
use database::mysql::{Connection, Flavour, Grants, is_database};
use database::{About, Engine, Kind, ObjectId, quote, script};

use super::definers::Definers;
use super::encryption;
use super::preflight::finding;
use crate::Result;
use crate::archive::{Archive, Aspect};
use crate::restore::{Preflight, RestoreOptions};

/// What making, filling, reading and renaming tables takes, and seeing that there is nothing else.
const ALWAYS: [&str; 7] = ["SELECT", "INSERT", "CREATE", "DROP", "ALTER", "TRIGGER", "EVENT"];

/// What a MERGE table takes beside it of the tables that it is made of.
const OF_MERGES: [&str; 2] = ["UPDATE", "DELETE"];

/// What a kind of object takes beside it.
fn takes(kind: Kind, flavour: Flavour) -> &'static [&'static str] {
    match kind {
        // MariaDB does not ask for it.
        Kind::ForeignKey if flavour == Flavour::MySql => &["REFERENCES"],
        Kind::View => &["CREATE VIEW", "SHOW VIEW"],
        Kind::Function | Kind::Procedure | Kind::Package => &["CREATE ROUTINE", "ALTER ROUTINE"],
        _ => &[],
    }
}

/// Tells of each that is missing in the databases of these names.
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
    let flavour = connection.flavour();
    let merges =
        super::extras(archive)?.engines.iter().any(|engine| engine.eq_ignore_ascii_case("MRG_MyISAM"));
    let of_merges: &[&str] = if merges { &OF_MERGES } else { &[] };
    let of_kinds = kinds.keys().flat_map(|kind| takes(*kind, flavour));
    let mut needed: Vec<&str> = Vec::new();
    for right in ALWAYS.iter().chain(of_kinds).chain(of_merges) {
        if !needed.contains(right) {
            needed.push(right);
        }
    }
    // What is made is read back, and nobody is told that there is nothing who may not see it.
    for name in names {
        if !sees_routines(connection, &grants, name).await && !needed.contains(&"CREATE ROUTINE") {
            needed.push("EXECUTE");
            break;
        }
    }
    let lacks = |right: &&&str| !names.iter().all(|name| grants.on(name, right));
    let missing: Vec<&str> = needed.iter().filter(lacks).copied().collect();
    if let (Some(target), false) = (names.first(), missing.is_empty()) {
        let account = literal(&about.account);
        // Of several patterns that fit a name servers go by one alone. So what is given already is added to, as it is
        // spelled there; a pattern of its own has to give all that the others gave.
        let given = |name: &str, pattern: String| {
            let mut all: Vec<&str> = needed.clone();
            let spelled = grants.spelled(name);
            if spelled.is_none() {
                let more: Vec<&str> = grants.given_on(name).collect();
                all.extend(more.into_iter().filter(|more| !needed.contains(more)));
            }
            if all.contains(&"ALL PRIVILEGES") {
                all = vec!["ALL PRIVILEGES"];
            }
            let pattern = spelled.map_or(pattern, |pattern| pattern.replace('`', "``"));
            format!("GRANT {} ON `{pattern}`.* TO {account}", all.join(", "))
        };
        let beside = names.get(1).unwrap_or(target);
        let hint = if grants.take_patterns() {
            let pattern = pattern(target);
            format!("{}; {}", given(target, pattern.clone()), given(beside, format!("{pattern}\\_re%")))
        } else {
            // What is taken out of it is given again by the database's name alone.
            let in_target = given(target, target.replace('`', "``"));
            format!(
                "GRANT {} ON *.* TO {account}, since partial_revokes lets nothing be given by a pattern; {in_target}",
                needed.join(", ")
            )
        };
        preflight.problems.push(finding(
            format!("`{}` lacks {} in the databases that a restore makes", about.account, missing.join(", ")),
            format!("as an administrator: {hint}"),
        ));
    }
    others(connection, archive, names.first(), &grants, about, options, preflight).await?;
    encryption::check(connection, archive, names.first(), &grants, about, preflight).await?;
    let logged = "SELECT @@global.log_bin = 1 AND @@global.log_bin_trust_function_creators = 0";
    let logged = connection.value(logged, "cannot ask the server for its binary log").await?;
    if logged.as_deref() == Some("1") {
        let found = untrusted(archive).await?;
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

/// The functions of an archive that a server with a binary log takes from those alone whom it trusts.
async fn untrusted(archive: &Archive) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for (number, part) in (0..).zip(&archive.index().parts) {
        let is_function = |id: &ObjectId| id.kind == Kind::Function;
        if part.aspect != Aspect::Definition || !part.objects.iter().any(is_function) {
            continue;
        }
        let text = String::from_utf8_lossy(&archive.part(number).await?).into_owned();
        let statements = script::split(Engine::Mysql, &text)?;
        names.extend(statements.iter().filter_map(|statement| writes_unforeseen(statement.text)));
    }
    Ok(names)
}

/// The name of a function that says neither that it is `DETERMINISTIC` nor that it writes nothing; none of what else a
/// statement makes.
fn writes_unforeseen(statement: &str) -> Option<String> {
    let statement = without_definer(statement);
    let lexemes = script::lexemes(Engine::Mysql, &statement).ok()?;
    if !lexemes.first()?.is("CREATE") {
        return None;
    }
    let at = lexemes.iter().take(3).position(|lexeme| lexeme.is("FUNCTION"))?;
    let name = lexemes.get(at + 1)?;
    let mut depth = 0_usize;
    // Behind its parameters; MariaDB's Oracle mode says `RETURN`.
    let returns = lexemes.iter().skip(at + 2).find(|lexeme| {
        match (lexeme.is_sign(b'('), lexeme.is_sign(b')')) {
            (true, _) => depth += 1,
            (_, true) => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && (lexeme.is("RETURNS") || lexeme.is("RETURN"))
    })?;
    // The server prints each of what it says of itself on a line of its own, between the type and the body.
    let place = returns.text.as_ptr() as usize - statement.as_ptr() as usize;
    let said = statement[place..].lines().skip(1).map(str::trim);
    let mut said = said.take_while(|line| {
        SAID.contains(line) || line.starts_with("SQL SECURITY ") || line.starts_with("COMMENT ")
    });
    let harmless = |line| ["DETERMINISTIC", "NO SQL", "READS SQL DATA"].contains(&line);
    let name = || name.identifier().unwrap_or_else(|| name.text.trim_matches('"').to_owned());
    (!said.any(harmless)).then(name)
}

/// What a routine says of itself, without its comment and in whose name it acts.
const SAID: [&str; 5] = ["DETERMINISTIC", "NO SQL", "READS SQL DATA", "MODIFIES SQL DATA", "CONTAINS SQL"];

/// Objects that act in the name of others are made, and on MySQL removed, by those alone who may do so.
async fn others(
    connection: &mut Connection,
    archive: &Archive,
    target: Option<&String>,
    grants: &Grants,
    about: &About,
    options: &RestoreOptions,
    preflight: &mut Preflight,
) -> Result<()> {
    let definers = Definers::of(options);
    let named = super::extras(archive)?.definers;
    let mut others: BTreeSet<String> = named.iter().filter_map(|one| definers.account(one)).collect();
    // What is there now is removed, and made again beside what takes its place.
    if let Some(target) = target {
        others.extend(there(connection, target).await?);
    }
    others.remove(&about.account);
    // MariaDB 11 has taken it out of SUPER.
    let rights: &[&str] = match connection.flavour() {
        Flavour::MariaDb if connection.release() >= (11, 0) => &["SET USER"],
        Flavour::MariaDb => &["SUPER", "SET USER"],
        Flavour::MySql => &["SUPER", "SET_ANY_DEFINER", "SET_USER_ID"],
    };
    let mut refused: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    if !rights.iter().any(|right| grants.everywhere(right)) {
        refused.entry(rights[rights.len().min(2) - 1]).or_default().extend(others);
    } else if connection.flavour() == Flavour::MySql {
        for other in others {
            if let Some(right) = denied(connection, &other).await? {
                refused.entry(right).or_default().push(other);
            }
        }
    }
    for (right, others) in refused.into_iter().filter(|(_, others)| !others.is_empty()) {
        preflight.problems.push(finding(
            format!(
                "`{}` may not make or remove views and routines that act in the name of others: {}",
                about.account,
                others.join(", ")
            ),
            format!(
                "as an administrator: GRANT {right} ON *.* TO {}; or restore by hand into a new database with \
                 --definer current",
                literal(&about.account)
            ),
        ));
    }
    Ok(())
}

/// The accounts in whose name the objects of a database act.
async fn there(connection: &mut Connection, database: &str) -> Result<Vec<String>> {
    let of = |view: &str, column: &str| {
        format!("SELECT definer FROM information_schema.{view} WHERE {}", is_database(column, database))
    };
    let views = [
        of("views", "table_schema"),
        of("routines", "routine_schema"),
        of("triggers", "event_object_schema"),
        of("events", "event_schema"),
    ];
    let rows = connection.query(&views.join(" UNION ALL "), "cannot look in whose name objects act").await?;
    // MariaDB writes a role as an account without a host.
    let names = rows.into_iter().flatten().flatten().map(|name| name.trim_end_matches('@').to_owned());
    Ok(names.filter(|name| !name.is_empty()).collect())
}

/// The right without which MySQL lets us make nothing in the name of an account: that depends on what the account may do,
/// by itself and by its roles, which others may not look up. So it is tried, by an event that no server makes.
async fn denied(connection: &mut Connection, account: &str) -> Result<Option<&'static str>> {
    let sql = format!(
        "CREATE DEFINER = {} EVENT dbm_never.never ON SCHEDULE EVERY 0 SECOND DO DO 0",
        literal(account)
    );
    Ok(match connection.batch(&sql, "").await {
        Err(error) if error.kind() == database::ErrorKind::Connection => return Err(error.into()),
        Err(error) if error.to_string().contains("(error 1227)") => {
            let rights = ["ALLOW_NONEXISTENT_DEFINER", "SET_ANY_DEFINER"];
            let named = rights.into_iter().find(|right| error.to_string().contains(right));
            Some(named.unwrap_or("SYSTEM_USER"))
        }
        _ => None,
    })
}

/// An account as statements name it.
pub(super) fn literal(account: &str) -> String {
    let (user, host) = account.rsplit_once('@').unwrap_or((account, "%"));
    format!("{}@{}", quote::literal(Engine::Mysql, user), quote::literal(Engine::Mysql, host))
}

/// A database's name as `GRANT` matches it.
pub(super) fn pattern(database: &str) -> String {
    database.replace('`', "``").replace('_', "\\_").replace('%', "\\%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_that_a_binary_log_is_no_place_for() {
        let of = |said: &str, body: &str| {
            writes_unforeseen(&format!(
                "CREATE DEFINER=`root`@`%` FUNCTION `f``1`(a enum('x)','RETURNS'), b decimal(5,2)) RETURNS decimal(5,2) unsigned\n{said}{body}"
            ))
        };
        for said in
            ["", "    MODIFIES SQL DATA\n", "    SQL SECURITY INVOKER\n", "    COMMENT 'DETERMINISTIC'\n"]
        {
            assert_eq!(of(said, "RETURN RAND()").as_deref(), Some("f`1"), "{said}");
            assert_eq!(of(said, "BEGIN\n    DETERMINISTIC\n END").as_deref(), Some("f`1"), "{said}");
        }
        for said in [
            "    DETERMINISTIC\n",
            "    NO SQL\n",
            "    READS SQL DATA\n    SQL SECURITY INVOKER\n",
            "    MODIFIES SQL DATA\n    DETERMINISTIC\n    COMMENT 'x'\n",
        ] {
            assert_eq!(of(said, "RETURN RAND()"), None, "{said}");
        }
        let ansi = "CREATE DEFINER=\"a\"@\"b\" FUNCTION \"f\"() RETURN int(11)\nAS BEGIN RETURN 1; END";
        assert_eq!(writes_unforeseen(ansi).as_deref(), Some("f"));
        let aggregate = "CREATE AGGREGATE FUNCTION `f`(x INT) RETURNS int(11)\nBEGIN END";
        assert_eq!(writes_unforeseen(aggregate).as_deref(), Some("f"));
        for other in [
            "CREATE DEFINER=`a`@`b` PROCEDURE `p`()\nSELECT 1",
            "SET NAMES utf8mb4",
            "DROP VIEW IF EXISTS `v`",
        ] {
            assert_eq!(writes_unforeseen(other), None);
        }
    }
}
