use std::collections::BTreeSet;

use tokio_postgres::{Client, Row};

use super::{Globals, Membership, ParameterGrant, Role};
use crate::Result;
use crate::postgres::error;
use crate::postgres::properties::Setting;

/// The role that `initdb` made, whatever its name: what it granted, the server granted.
/// <https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_authid.dat>
const FIRST: &str = "10";

/// Reads what belongs to the server of the client; with `passwords` the hashes of the roles' passwords, which
/// only a superuser may read.
///
/// # Errors
/// [`crate::ErrorKind::Permission`] for the passwords, or what the server says.
pub async fn read(client: &Client, passwords: bool) -> Result<Globals> {
    let failed = |cause| error(cause, "cannot read the roles of the server");
    let row = client
        .query_one("SELECT pg_catalog.current_setting('server_version_num')::int4", &[])
        .await
        .map_err(failed)?;
    let version = u32::try_from(row.get::<_, i32>(0)).unwrap_or_default();
    let mut globals = Globals { version, ..Globals::default() };
    globals.roles = roles(client, passwords).await?;
    globals.memberships = memberships(client, version).await.map_err(failed)?;
    let sql = "SELECT r.rolname::text, c.entry FROM pg_catalog.pg_db_role_setting s
         CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) WITH ORDINALITY AS c (entry, n)
         LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
         WHERE s.setdatabase = 0 ORDER BY r.rolname COLLATE \"C\" NULLS FIRST, c.n";
    globals.settings = client.query(sql, &[]).await.map_err(failed)?.iter().map(setting).collect();
    if version >= 150_000 {
        let sql = format!(
            "SELECT p.parname, CASE WHEN a.grantor <> {FIRST} THEN g.rolname::text END, r.rolname::text,
                    a.privilege_type, a.is_grantable
             FROM pg_catalog.pg_parameter_acl p CROSS JOIN LATERAL pg_catalog.aclexplode(p.paracl) a
             LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantor LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
             WHERE a.grantee <> {FIRST}
             ORDER BY a.grantor <> {FIRST}, p.parname COLLATE \"C\", 2, 3 NULLS FIRST, 4"
        );
        let rows = client.query(&sql, &[]).await.map_err(failed)?;
        globals.parameters = rows
            .iter()
            .map(|row| ParameterGrant {
                parameter: row.get(0),
                grantor: row.get(1),
                grantee: row.get(2),
                privilege: row.get(3),
                with_option: row.get(4),
            })
            .collect();
    }
    let sql = "SELECT spcname::text FROM pg_catalog.pg_tablespace WHERE spcname !~ '^pg_' ORDER BY spcname COLLATE \"C\"";
    globals.tablespaces =
        client.query(sql, &[]).await.map_err(failed)?.iter().map(|row| row.get(0)).collect();
    Ok(globals)
}

fn setting(row: &Row) -> Setting {
    let entry: String = row.get(1);
    let (name, value) = entry.split_once('=').unwrap_or((&entry, ""));
    Setting { role: row.get(0), name: name.to_owned(), value: value.to_owned() }
}

async fn roles(client: &Client, passwords: bool) -> Result<Vec<Role>> {
    let (catalog, password) =
        if passwords { ("pg_authid", "r.rolpassword") } else { ("pg_roles", "NULL::text") };
    let sql = format!(
        "SELECT r.rolname::text, {password}, pg_catalog.shobj_description(r.oid, 'pg_authid'),
                r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolreplication,
                r.rolbypassrls, r.rolconnlimit,
                CASE WHEN r.rolvaliduntil IN ('infinity', '-infinity') THEN r.rolvaliduntil::text
                     ELSE pg_catalog.to_char(r.rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00' END,
                ARRAY(SELECT l.provider FROM pg_catalog.pg_shseclabel l WHERE l.objoid = r.oid
                      AND l.classoid = 'pg_catalog.pg_authid'::pg_catalog.regclass ORDER BY l.provider COLLATE \"C\"),
                ARRAY(SELECT l.label FROM pg_catalog.pg_shseclabel l WHERE l.objoid = r.oid
                      AND l.classoid = 'pg_catalog.pg_authid'::pg_catalog.regclass ORDER BY l.provider COLLATE \"C\")
         FROM pg_catalog.{catalog} r WHERE r.rolname !~ '^pg_' ORDER BY r.rolname COLLATE \"C\""
    );
    let what =
        if passwords { "cannot read the hashes of the roles' passwords" } else { "cannot read the roles" };
    let rows = client.query(&sql, &[]).await.map_err(|cause| error(cause, what))?;
    Ok(rows.iter().map(role).collect())
}

fn role(row: &Row) -> Role {
    const WORDS: [&str; 7] =
        ["SUPERUSER", "INHERIT", "CREATEROLE", "CREATEDB", "LOGIN", "REPLICATION", "BYPASSRLS"];
    let mut options: Vec<String> = (3..)
        .zip(WORDS)
        .map(
            |(place, word): (usize, &str)| if row.get(place) { word.to_owned() } else { format!("NO{word}") },
        )
        .collect();
    let limit: i32 = row.get(10);
    if limit != -1 {
        options.push(format!("CONNECTION LIMIT {limit}"));
    }
    options.extend(row.get::<_, Option<String>>(11).map(|until| format!("VALID UNTIL '{until}'")));
    let (providers, labels): (Vec<String>, Vec<String>) = (row.get(12), row.get(13));
    Role {
        name: row.get(0),
        options,
        password: row.get(1),
        comment: row.get(2),
        security_labels: providers.into_iter().zip(labels).collect(),
    }
}

async fn memberships(client: &Client, version: u32) -> Result<Vec<Membership>, tokio_postgres::Error> {
    let options =
        if version >= 160_000 { "m.inherit_option, m.set_option" } else { "NULL::bool, NULL::bool" };
    let sql = format!(
        "SELECT r.rolname::text, u.rolname::text, CASE WHEN m.grantor <> {FIRST} THEN g.rolname::text END,
                m.admin_option, {options}
         FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.roleid
         JOIN pg_catalog.pg_roles u ON u.oid = m.member LEFT JOIN pg_catalog.pg_roles g ON g.oid = m.grantor
         WHERE NOT (r.rolname ~ '^pg_' AND u.rolname ~ '^pg_')
         ORDER BY r.rolname COLLATE \"C\", u.rolname COLLATE \"C\", 3 NULLS FIRST"
    );
    let rows = client.query(&sql, &[]).await?;
    let all = rows.iter().map(|row| Membership {
        role: row.get(0),
        member: row.get(1),
        grantor: row.get(2),
        admin: row.get(3),
        inherit: row.get(4),
        set: row.get(5),
    });
    Ok(grantable(all.collect()))
}

/// The same in an order in which each grantor has been given what he grants.
pub(super) fn grantable(mut open: Vec<Membership>) -> Vec<Membership> {
    let mut ordered: Vec<Membership> = Vec::with_capacity(open.len());
    let mut admins: BTreeSet<(String, String)> = BTreeSet::new();
    while !open.is_empty() {
        let may = |one: &Membership| {
            one.grantor.as_ref().is_none_or(|grantor| admins.contains(&(one.role.clone(), grantor.clone())))
        };
        let (now, later): (Vec<_>, Vec<_>) = open.into_iter().partition(may);
        open = later;
        if now.is_empty() {
            // A superuser's, or those of a server that did not record who could.
            ordered.append(&mut open);
        }
        admins.extend(now.iter().filter(|one| one.admin).map(|one| (one.role.clone(), one.member.clone())));
        ordered.extend(now);
    }
    ordered
}
