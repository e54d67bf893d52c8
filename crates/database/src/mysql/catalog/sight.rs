use crate::mysql::{Connection, Grants};
use crate::{Engine, Error, ErrorKind, Result, quote};

/// The server lists to an account what it has a privilege on, and keeps quiet about the rest: whoever lacks one of these
/// is not told whether there is anything, and a catalog read so would be short in silence.
pub(super) async fn check(connection: &mut Connection, database: &str) -> Result<()> {
    let grants = Grants::read(connection).await?;
    let has = |privilege| grants.on(database, privilege);
    let mut missing = Vec::new();
    for (privilege, what) in [("TRIGGER", "triggers"), ("EVENT", "events")] {
        if !has(privilege) {
            missing.push((privilege, what));
        }
    }
    if !sees_routines(connection, &grants, database).await {
        missing.push(("EXECUTE", "functions and procedures"));
    }
    if missing.is_empty() {
        return Ok(());
    }
    let (privileges, whats): (Vec<&str>, Vec<&str>) = missing.into_iter().unzip();
    let on = quote::identifier(Engine::Mysql, database);
    let message = format!("the account may not see whether `{database}` has {}", whats.join(", "));
    Err(Error::new(ErrorKind::Permission, message).with_hint(format!(
        "GRANT {} ON {on}.* to it: what it may not see would be left out",
        privileges.join(", ")
    )))
}

/// Whether the account is told of all functions and procedures of a database.
pub async fn sees_routines(connection: &mut Connection, grants: &Grants, database: &str) -> bool {
    let has = |privilege| grants.on(database, privilege);
    ["EXECUTE", "ALTER ROUTINE", "CREATE ROUTINE", "SHOW CREATE ROUTINE"].into_iter().any(has)
        || ["SELECT", "SHOW_ROUTINE"].into_iter().any(|privilege| grants.everywhere(privilege))
        || connection.query("SELECT 1 FROM mysql.proc LIMIT 0", "cannot look").await.is_ok()
}
