use super::text::{grant, is_on_object, without_default_role, without_password};
use super::{Account, Globals};
use crate::mysql::{Connection, Flavour};
use crate::{Engine, ErrorKind, NotCarried, Result, quote};

/// Those that every server has for itself and nobody logs in with.
const OF_THE_SERVER: &str = "'mariadb.sys', 'mysql.sys', 'mysql.session', 'mysql.infoschema'";

const WHAT: &str = "cannot read the accounts of the server";

/// Reads the accounts and roles of the server, with `passwords` the hashes by which they log in.
///
/// # Errors
/// [`ErrorKind::Permission`] for an account that may not look, or what the server says.
pub async fn read(connection: &mut Connection, passwords: bool) -> Result<Globals> {
    let mariadb = connection.flavour() == Flavour::MariaDb;
    if !mariadb {
        // Hashes have bytes that are no text: https://dev.mysql.com/doc/refman/8.4/en/show-create-user.html
        connection.batch("SET SESSION print_identified_with_as_hex = ON", WHAT).await?;
    }
    let role = if mariadb { "is_role" } else { "'N'" };
    let sql = format!(
        "SELECT user, host, {role} FROM mysql.user WHERE user NOT IN ({OF_THE_SERVER}) ORDER BY 3 DESC, 1, 2"
    );
    let rows = connection.query(&sql, WHAT).await.map_err(|error| match error.kind() {
        ErrorKind::Permission => {
            error.with_hint("accounts are in the database `mysql`: GRANT SELECT ON mysql.* TO the account")
        }
        _ => error,
    })?;
    let mut globals = Globals::default();
    for row in rows {
        let Ok([Some(user), Some(host), Some(role)]) = <[Option<String>; 3]>::try_from(row) else { continue };
        match account(connection, (&user, &host), role == "Y", passwords).await {
            Ok(account) => globals.accounts.push(account),
            Err(error) => {
                // Somebody has dropped it meanwhile.
                let still = format!(
                    "SELECT 1 FROM mysql.user WHERE user = {} AND host = {}",
                    quote::literal(Engine::Mysql, &user),
                    quote::literal(Engine::Mysql, &host)
                );
                if connection.value(&still, WHAT).await?.is_some() {
                    return Err(error);
                }
            }
        }
    }
    Ok(globals)
}

/// What else belongs to the server, and is in no archive: by name, for whoever makes a new one.
pub async fn not_carried(connection: &mut Connection) -> Vec<NotCarried> {
    let mut kinds = vec![
        ("foreign server", "SELECT server_name FROM mysql.servers"),
        ("loadable function", "SELECT name FROM mysql.func"),
        ("plugin", "SELECT name FROM mysql.plugin"),
    ];
    if connection.flavour() == Flavour::MySql && connection.release() >= (8, 0) {
        kinds.extend([
            ("component", "SELECT component_urn FROM mysql.component"),
            (
                "resource group",
                "SELECT resource_group_name FROM information_schema.resource_groups
                  WHERE resource_group_name NOT IN ('USR_default', 'SYS_default')",
            ),
            // The rest is the server's own: https://dev.mysql.com/doc/refman/8.4/en/create-spatial-reference-system.html
            (
                "spatial reference system",
                "SELECT srs_id FROM information_schema.st_spatial_reference_systems
                  WHERE srs_id > 32767 AND srs_id NOT BETWEEN 60000000 AND 69999999
                    AND srs_id NOT BETWEEN 2000000000 AND 2147483647",
            ),
        ]);
    }
    let mut found = Vec::new();
    for (kind, sql) in kinds {
        match connection.query(&format!("{sql} ORDER BY 1"), WHAT).await {
            Ok(rows) => {
                found.extend(rows.into_iter().flatten().flatten().map(|name| {
                    NotCarried::new(format!("{kind} {name}"), "of the server, not of a database")
                }))
            }
            Err(error) => {
                found.push(NotCarried::new(format!("each {kind} of the server"), error.to_string()));
            }
        }
    }
    found
}

async fn account(
    connection: &mut Connection,
    (user, host): (&str, &str),
    role: bool,
    passwords: bool,
) -> Result<Account> {
    let identifier = |name| quote::identifier(Engine::Mysql, name);
    let public = role && user == "PUBLIC";
    let name = match role {
        // As a name it would be another role's.
        true if public => user.to_owned(),
        true => identifier(user),
        false => format!("{}@{}", identifier(user), identifier(host)),
    };
    let mut create = (role && !public).then(|| format!("CREATE ROLE {name}"));
    let (mut default_role, mut left_out) = (None, false);
    if !role {
        let shown = connection.value(&format!("SHOW CREATE USER {name}"), WHAT).await?.unwrap_or_default();
        let (text, roles) = without_default_role(&shown);
        default_role = roles.map(|roles| format!("ALTER USER {name} {roles}"));
        let (text, hidden) = if passwords { (text, false) } else { without_password(&text) };
        (create, left_out) = (Some(text), hidden);
    }
    let mut account = Account {
        name,
        create,
        without_password: left_out,
        grants: Vec::new(),
        on_objects: Vec::new(),
        default_role,
    };
    let shown = connection.query(&format!("SHOW GRANTS FOR {}", account.name), WHAT).await?;
    for line in shown.into_iter().filter_map(|row| row.into_iter().next().flatten()) {
        let line = grant(&line);
        if line.starts_with("SET DEFAULT ROLE ") {
            account.default_role = Some(line);
        } else if role
            && !line.ends_with(&format!(" TO {}", account.name))
            && !line.contains(&format!(" TO {} ", account.name))
        {
            // What a role has through others is shown with it, and is granted to those.
        } else if is_on_object(&line) {
            account.on_objects.push(line);
        } else {
            account.grants.push(line);
        }
    }
    Ok(account)
}
