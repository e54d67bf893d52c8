//! Who may run which routine: the server forgets it when the routine is removed.

use std::collections::BTreeMap;

use database::mysql::{Connection, Flavour, Session};
use database::{Engine, Kind, NotCarried, ObjectId, Schema, quote};
use serde::{Deserialize, Serialize};

use crate::{ErrorKind, Result};

/// What an account or role may do with a routine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OnRoutine {
    /// `PROCEDURE`, `FUNCTION`, `PACKAGE`, `PACKAGE BODY`.
    kind: String,
    routine: String,
    user: String,
    /// None for a role of MariaDB.
    host: String,
    /// As the server keeps it: `Execute,Grant`.
    privileges: String,
}

impl OnRoutine {
    /// The statement that gives it.
    pub(crate) fn sql(&self, database: &str) -> String {
        self.statement(&quote::qualified(Engine::Mysql, &[database, &self.routine]))
    }

    fn statement(&self, routine: &str) -> String {
        let words: Vec<String> = self
            .words()
            .filter(|word| !word.eq_ignore_ascii_case("Grant"))
            .map(str::to_ascii_uppercase)
            .collect();
        // The right to hand on alone is no right to do anything.
        let words = if words.is_empty() { "USAGE".to_owned() } else { words.join(", ") };
        let literal = |text: &str| quote::literal(Engine::Mysql, text);
        let who = match (self.host.as_str(), self.user.as_str()) {
            // As a name it would be another role's.
            ("", "PUBLIC") => "PUBLIC".to_owned(),
            ("", role) => quote::identifier(Engine::Mysql, role),
            (host, user) => format!("{}@{}", literal(user), literal(host)),
        };
        let on = if self.words().any(|word| word.eq_ignore_ascii_case("Grant")) {
            " WITH GRANT OPTION"
        } else {
            ""
        };
        format!("GRANT {words} ON {} {routine} TO {who}{on}", self.kind)
    }

    /// Whether that is the routine; of a package it may be the body.
    pub(crate) fn is_on(&self, id: &ObjectId) -> bool {
        let kind = match id.kind {
            Kind::Function => "FUNCTION",
            Kind::Procedure => "PROCEDURE",
            Kind::Package => "PACKAGE",
            _ => return false,
        };
        self.kind.starts_with(kind) && self.routine.to_lowercase() == id.name.to_lowercase()
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.privileges.split(',').filter(|word| !word.is_empty())
    }

    fn key(&self) -> [&str; 4] {
        [&self.kind, &self.routine, &self.user, &self.host]
    }
}

/// What is given on the routines of a database.
///
/// # Errors
/// [`ErrorKind::Permission`] for an account that may not see it.
pub(crate) async fn of_routines(connection: &mut Connection, database: &str) -> Result<Vec<OnRoutine>> {
    let literal = quote::literal(Engine::Mysql, database);
    let sql = format!(
        "SELECT routine_type, routine_name, user, host, proc_priv FROM mysql.procs_priv WHERE db = {literal}
          ORDER BY 1, 2, 3, 4"
    );
    let rows = connection.query(&sql, "cannot see who may run the routines").await?;
    let one = |row: Vec<Option<String>>| {
        let [kind, routine, user, host, privileges] =
            <[Option<String>; 5]>::try_from(row).ok()?.map(Option::unwrap_or_default);
        Some(OnRoutine { kind, routine, user, host, privileges })
    };
    Ok(rows.into_iter().filter_map(one).collect())
}

/// The same for a backup that has to bring everything back: where the account may not see it, that is told by the
/// routines' names.
pub(crate) async fn to_be_kept(
    connection: &mut Connection,
    database: &str,
    schema: &mut Schema,
) -> Result<Vec<OnRoutine>> {
    match of_routines(connection, database).await {
        Ok(rights) => Ok(rights),
        Err(error) if error.kind() == ErrorKind::Connection => Err(error),
        Err(error) => {
            let kinds = [Kind::Function, Kind::Procedure, Kind::Package];
            let routines = schema.objects.iter().filter(|object| kinds.contains(&object.id.kind));
            let routines: Vec<String> = routines.map(|object| object.id.to_string()).collect();
            if !routines.is_empty() {
                schema.left_out.push(NotCarried::new(
                    format!("who may run {}", routines.join(", ")),
                    format!("{error}; GRANT SELECT ON mysql.procs_priv TO the account"),
                ));
            }
            Ok(Vec::new())
        }
    }
}

/// Gives rights, where the routines are there; returns those that the server did not take.
pub(crate) async fn give(session: &mut Session, grants: &[String]) -> Result<Vec<String>> {
    let mut refused = Vec::new();
    if grants.is_empty() {
        return Ok(refused);
    }
    // Else MariaDB and MySQL 5.7 make an account that is gone, without a password; MySQL 8 does not, nor knows the mode.
    let mode = "SET @dbm_mode = @@sql_mode, SESSION sql_mode = 'NO_AUTO_CREATE_USER'";
    let guarded = match session.batch(mode, "cannot set a session up").await {
        Err(error)
            if session.flavour() == Flavour::MariaDb || error.kind() == database::ErrorKind::Connection =>
        {
            return Err(error.into());
        }
        guarded => guarded.is_ok(),
    };
    for grant in grants {
        match session.batch(grant, "cannot give a right").await {
            Err(error) if ErrorKind::from(error.kind()) == ErrorKind::Connection => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, grant, "a right is not given");
                refused.push(grant.clone());
            }
            Ok(()) => {}
        }
    }
    if guarded {
        session.batch("SET SESSION sql_mode = @dbm_mode", "cannot set a session up").await?;
    }
    Ok(refused)
}

/// Of what was given once, what is not given now, as the statements that would give it.
pub(crate) fn missing(then: &[OnRoutine], now: &[OnRoutine]) -> Vec<String> {
    let now: BTreeMap<[&str; 4], &OnRoutine> = now.iter().map(|one| (one.key(), one)).collect();
    let is_there = |one: &&OnRoutine| {
        now.get(&one.key()).is_some_and(|now| one.words().all(|word| now.words().any(|other| other == word)))
    };
    let missing = then.iter().filter(|one| !is_there(one));
    missing.map(|one| one.statement(&quote::identifier(Engine::Mysql, &one.routine))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_given_as_it_was() {
        let of = |user: &str, host: &str, privileges: &str| OnRoutine {
            kind: "PROCEDURE".to_owned(),
            routine: "p`q".to_owned(),
            user: user.to_owned(),
            host: host.to_owned(),
            privileges: privileges.to_owned(),
        };
        for (right, sql) in [
            (of("a'b", "%", "Execute"), "GRANT EXECUTE ON PROCEDURE `s`.`p``q` TO 'a''b'@'%'"),
            (
                of("r", "", "Execute,Alter Routine"),
                "GRANT EXECUTE, ALTER ROUTINE ON PROCEDURE `s`.`p``q` TO `r`",
            ),
            (of("PUBLIC", "", "Execute"), "GRANT EXECUTE ON PROCEDURE `s`.`p``q` TO PUBLIC"),
            (of("", "h", "Grant"), "GRANT USAGE ON PROCEDURE `s`.`p``q` TO ''@'h' WITH GRANT OPTION"),
        ] {
            assert_eq!(right.sql("s"), sql);
        }
        let then = [of("a", "%", "Execute,Grant"), of("b", "%", "Execute"), of("c", "%", "Execute")];
        let now = [of("a", "%", "Execute"), of("b", "%", "Execute,Grant")];
        let expected = [
            "GRANT EXECUTE ON PROCEDURE `p``q` TO 'a'@'%' WITH GRANT OPTION",
            "GRANT EXECUTE ON PROCEDURE `p``q` TO 'c'@'%'",
        ];
        assert_eq!(missing(&then, &now), expected);
        assert!(missing(&then, &then).is_empty());
    }
}
