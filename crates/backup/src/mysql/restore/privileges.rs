//! Who may run which routine: the server forgets it when the routine is removed.

use database::mysql::{Connection, Session};
use database::{Engine, quote};

use crate::{ErrorKind, Result};

/// The grants on the routines of a database, as far as the account may see them.
pub(super) async fn of_routines(connection: &mut Connection, database: &str) -> Vec<String> {
    let literal = quote::literal(Engine::Mysql, database);
    let sql = format!(
        "SELECT routine_type, routine_name, user, host, proc_priv FROM mysql.procs_priv WHERE db = {literal}"
    );
    let rows = match connection.query(&sql, "cannot see who may run the routines").await {
        Ok(rows) => rows,
        Err(error) => {
            tracing::warn!(%error, "grants on single routines have to be given again by hand");
            return Vec::new();
        }
    };
    let grant = |row: Vec<Option<String>>| {
        let [kind, name, user, host, privileges] = <[Option<String>; 5]>::try_from(row).ok()?;
        let (user, host) = (user?, host?);
        let privileges = privileges?;
        let words: Vec<String> = privileges
            .split(',')
            .filter(|word| !word.is_empty() && !word.eq_ignore_ascii_case("Grant"))
            .map(str::to_ascii_uppercase)
            .collect();
        // The right to hand on alone is no right to do anything.
        let words = if words.is_empty() { "USAGE".to_owned() } else { words.join(", ") };
        let who = match host.as_str() {
            // A role.
            "" => quote::identifier(Engine::Mysql, &user),
            _ => format!("{}@{}", quote::literal(Engine::Mysql, &user), quote::literal(Engine::Mysql, &host)),
        };
        let on = if privileges.contains("Grant") { " WITH GRANT OPTION" } else { "" };
        let name = quote::qualified(Engine::Mysql, &[database, &name?]);
        Some(format!("GRANT {words} ON {} {name} TO {who}{on}", kind?))
    };
    rows.into_iter().filter_map(grant).collect()
}

/// Gives them again, where the routines are there.
pub(super) async fn give(session: &mut Session, grants: &[String]) -> Result<()> {
    for grant in grants {
        match session.batch(grant, "cannot give a right").await {
            Err(error) if ErrorKind::from(error.kind()) == ErrorKind::Connection => return Err(error.into()),
            Err(error) => tracing::warn!(%error, grant, "a right is not given"),
            Ok(()) => {}
        }
    }
    Ok(())
}
