//! What a server that checks who decides on encryption asks of an account: MySQL's `table_encryption_privilege_check`.
//!
//! <https://dev.mysql.com/doc/refman/8.4/en/innodb-data-encryption.html#innodb-schema-tablespace-encryption-default>

use database::mysql::{Connection, Grants};
use database::{About, Engine, quote};

use super::preflight::finding;
use super::rights::literal;
use crate::Result;
use crate::archive::Archive;
use crate::mysql::dump::properties;
use crate::restore::Preflight;

const RIGHT: &str = "TABLE_ENCRYPTION_ADMIN";

/// Tells of the right if it is missing and needed: databases and tables are made, and moved, as they are.
pub(super) async fn check(
    connection: &mut Connection,
    archive: &Archive,
    target: Option<&String>,
    grants: &Grants,
    about: &About,
    preflight: &mut Preflight,
) -> Result<()> {
    // MariaDB has neither.
    let sql = "SHOW VARIABLES WHERE variable_name IN ('default_table_encryption', 'table_encryption_privilege_check')";
    let rows = connection.query(sql, "cannot ask the server about encryption").await?;
    let on = |name: &str| {
        rows.iter()
            .any(|row| matches!(row.as_slice(), [Some(one), Some(value)] if one == name && value == "ON"))
    };
    if !on("table_encryption_privilege_check") || grants.everywhere(RIGHT) {
        return Ok(());
    }
    let mut databases = vec![super::properties(archive)?.encrypted];
    let mut tables = Vec::new();
    if let Some(target) = target {
        // It is kept in a database like it.
        let encrypted = properties(connection, target).await?.encrypted;
        tables = unlike(connection, target, encrypted).await?;
        databases.push(encrypted);
    }
    let mut what = Vec::new();
    if differs(&databases, on("default_table_encryption")) {
        what.push("makes no database whose encryption is not default_table_encryption".to_owned());
    }
    if !tables.is_empty() {
        what.push(format!(
            "moves no tables that are not encrypted as their database is: {}",
            tables.join(", ")
        ));
    }
    if !what.is_empty() {
        preflight.problems.push(finding(
            format!("`{}` lacks {RIGHT}, without which the server {}", about.account, what.join(", and ")),
            format!("as an administrator: GRANT {RIGHT} ON *.* TO {}", literal(&about.account)),
        ));
    }
    Ok(())
}

/// Whether one of the databases is not as the server makes them. Of one that says nothing, it is what the server makes.
fn differs(databases: &[Option<bool>], default: bool) -> bool {
    databases.iter().flatten().any(|encrypted| *encrypted != default)
}

/// The tables of a database that are not encrypted as it is.
async fn unlike(connection: &mut Connection, database: &str, encrypted: Option<bool>) -> Result<Vec<String>> {
    let Some(encrypted) = encrypted else { return Ok(Vec::new()) };
    let other = if encrypted { "N" } else { "Y" };
    // The options hold no text of people's.
    let sql = format!(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = {}
            AND UPPER(create_options) LIKE '%ENCRYPTION=_{other}%' ORDER BY table_name",
        quote::literal(Engine::Mysql, database)
    );
    let rows = connection.query(&sql, "cannot ask which tables are encrypted").await?;
    Ok(rows.into_iter().flatten().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::differs;

    #[test]
    fn what_is_as_the_server_makes_it_takes_no_right() {
        for (databases, default, expected) in [
            (vec![Some(false), Some(false)], false, false),
            (vec![Some(true), None], true, false),
            (vec![None, None], true, false),
            (vec![Some(true)], false, true),
            (vec![None, Some(false)], true, true),
            (vec![Some(false), Some(true)], false, true),
        ] {
            assert_eq!(differs(&databases, default), expected, "{databases:?} {default}");
        }
    }
}
