//! What the account must be allowed for all of an archive to be made again: asked before anything is touched, since a run that
//! finds out when it has to put its database back cannot.

use database::mysql::catalog::without_definer;
use database::mysql::{Connection, Flavour, Grants};
use database::{About, Engine, Kind, ObjectId, script};

use super::definers::Definers;
use super::preflight::finding;
use crate::Result;
use crate::archive::{Archive, Aspect};
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
