//! Emptying a database in its open transaction, for a restore in place: from its catalogs, not from
//! the archive's list, so that what a failed migration added goes too.

use crate::postgres::failed;
use crate::{Error, ErrorKind, Result};
use database::postgres::Connection;

/// Objects that others own: they could neither be dropped nor be put back by this account.
const OF_OTHERS: &str = "
WITH dependent AS (SELECT classid, objid FROM pg_catalog.pg_depend
         WHERE deptype = 'e' OR deptype = 'i' AND (classid, objid) <> (refclassid, refobjid)),
     own AS (
    SELECT 'pg_class'::regclass AS classid, c.oid AS objid, c.relowner AS owner, c.relnamespace AS ns FROM pg_catalog.pg_class c
    WHERE c.relkind IN ('r', 'v', 'm', 'S', 'p', 'f')
    UNION ALL SELECT 'pg_proc'::regclass, p.oid, p.proowner, p.pronamespace FROM pg_catalog.pg_proc p
    UNION ALL SELECT 'pg_type'::regclass, t.oid, t.typowner, t.typnamespace FROM pg_catalog.pg_type t
    WHERE t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c' AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c')
    UNION ALL SELECT 'pg_namespace'::regclass, n.oid, n.nspowner, n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname <> 'public'
    UNION ALL SELECT 'pg_largeobject'::regclass, l.oid, l.lomowner, NULL FROM pg_catalog.pg_largeobject_metadata l)
SELECT pg_catalog.pg_describe_object(classid, objid, 0) || ' of ' || pg_catalog.pg_get_userbyid(owner)
FROM own LEFT JOIN pg_catalog.pg_namespace n ON n.oid = ns
WHERE (objid >= 16384 OR classid = 'pg_largeobject'::regclass) AND NOT pg_catalog.pg_has_role(owner, 'USAGE')
  AND (n.oid IS NULL OR n.nspname <> 'dbm' AND n.nspname !~ '^pg_')
  AND (classid, objid) NOT IN (SELECT classid, objid FROM dependent)
ORDER BY 1";

/// Objects that the account owns, as `DROP` names them; what depends on others comes along by CASCADE.
const OWN: &str = "
WITH dependent AS (SELECT classid, objid FROM pg_catalog.pg_depend
         WHERE deptype = 'e' OR deptype = 'i' AND (classid, objid) <> (refclassid, refobjid)),
     own AS (
    SELECT d.classid, d.objid FROM pg_catalog.pg_shdepend d
    WHERE d.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
      AND d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o' AND pg_catalog.pg_has_role(d.refobjid, 'USAGE')
      AND d.classid NOT IN ('pg_default_acl'::regclass, 'pg_user_mapping'::regclass)
    UNION SELECT 'pg_namespace'::regclass, oid FROM pg_catalog.pg_namespace WHERE oid >= 16384 AND pg_catalog.pg_has_role(nspowner, 'USAGE')
    UNION SELECT 'pg_class'::regclass, oid FROM pg_catalog.pg_class WHERE oid >= 16384 AND pg_catalog.pg_has_role(relowner, 'USAGE')
      AND relkind IN ('r', 'v', 'm', 'S', 'p', 'f')
    UNION SELECT 'pg_proc'::regclass, oid FROM pg_catalog.pg_proc WHERE oid >= 16384 AND pg_catalog.pg_has_role(proowner, 'USAGE')
    UNION SELECT 'pg_type'::regclass, oid FROM pg_catalog.pg_type WHERE oid >= 16384 AND pg_catalog.pg_has_role(typowner, 'USAGE')
      AND typtype IN ('e', 'd', 'r')
    UNION SELECT 'pg_largeobject'::regclass, oid FROM pg_catalog.pg_largeobject_metadata WHERE pg_catalog.pg_has_role(lomowner, 'USAGE'))
SELECT o.type, o.identity, own.objid
FROM own, LATERAL pg_catalog.pg_identify_object(own.classid, own.objid, 0) o
WHERE (own.classid, own.objid) NOT IN (SELECT classid, objid FROM dependent)
  AND o.schema IS DISTINCT FROM 'dbm' AND coalesce(o.schema, '') !~ '^pg_'
  AND NOT (o.type = 'schema' AND (o.identity IN ('dbm', 'public') OR o.identity ~ '^pg_'))
  AND o.type NOT LIKE 'toast%' AND o.type <> 'index'
ORDER BY o.type <> 'event trigger', o.type <> 'schema', own.objid";

/// Default privileges of the account, and the statements that lead back to the engine's own.
const DEFAULT_PRIVILEGES: &str = "
WITH entry AS (
    SELECT d.oid, format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s ', r.rolname,
               CASE WHEN n.oid IS NULL THEN '' ELSE format(' IN SCHEMA %I', n.nspname) END) AS head,
           CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
               WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' WHEN 'L' THEN 'LARGE OBJECTS' END AS kind,
           d.defaclacl AS acl, n.oid IS NULL AS everywhere, r.rolname AS owner
    FROM pg_catalog.pg_default_acl d JOIN pg_catalog.pg_roles r ON r.oid = d.defaclrole
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
    WHERE pg_catalog.pg_has_role(d.defaclrole, 'USAGE'))
SELECT sql FROM (
    SELECT DISTINCT oid, 1 AS step, head || format('REVOKE ALL ON %s FROM %s', kind,
        CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END) AS sql
    FROM entry, LATERAL pg_catalog.aclexplode(acl) a
    UNION ALL SELECT oid, 2, head || format('GRANT ALL ON %s TO %I', kind, owner) FROM entry WHERE everywhere
    UNION ALL SELECT oid, 3, head || format('GRANT %s ON %s TO PUBLIC', CASE kind WHEN 'TYPES' THEN 'USAGE' ELSE 'EXECUTE' END, kind)
    FROM entry WHERE everywhere AND kind IN ('TYPES', 'FUNCTIONS')) statements
ORDER BY oid, step";

/// Drops everything of the account's.
///
/// # Errors
/// [`ErrorKind::Refused`] if something of others is in the database, or something that cannot be dropped by name.
pub(crate) async fn clear(client: &Connection) -> Result<()> {
    let others: Vec<String> = client
        .query(OF_OTHERS, &[])
        .await
        .map_err(|error| failed(error, "cannot look for objects of others"))?
        .iter()
        .map(|row| row.get(0))
        .collect();
    if !others.is_empty() {
        return Err(Error::new(
            ErrorKind::Refused,
            format!(
                "the database holds what this account does not own and could not put back: {}",
                shortened(&others)
            ),
        )
        .with_hint(
            "restore as the owner of everything in the database, or as a role that may create databases",
        ));
    }
    let resets = client
        .query(DEFAULT_PRIVILEGES, &[])
        .await
        .map_err(|error| failed(error, "cannot list the default privileges"))?;
    for row in resets {
        let sql: &str = row.get(0);
        client.batch_execute(sql).await.map_err(|error| failed(error, format!("cannot run `{sql}`")))?;
    }
    let own =
        client.query(OWN, &[]).await.map_err(|error| failed(error, "cannot list what is in the database"))?;
    for row in own {
        let (kind, identity, oid): (String, String, u32) = (row.get(0), row.get(1), row.get(2));
        client
            .batch_execute(&drop_statement(&kind, &identity, oid)?)
            .await
            .map_err(|error| failed(error, format!("cannot drop the {kind} {identity}")))?;
    }
    public_as_born(client).await
}

/// Gives the namespace `public` what every new database has, which is what an archive's statements start from: a
/// migration may have dropped it, given it away, or changed who may use it.
///
/// To whom this account cannot give it (before 15 a superuser; the database's owner, where that is another), from him it
/// cannot have taken it: then the archive knows the owner that it has.
///
/// <https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-PATTERNS>: since 15 only the owner creates in it.
async fn public_as_born(client: &Connection) -> Result<()> {
    let what = |error| failed(error, "cannot give the schema `public` back what a new database has");
    let (owner, rights) = if client.major_version() >= 15 {
        ("'pg_database_owner'", "USAGE")
    } else {
        ("(SELECT rolname FROM pg_catalog.pg_roles WHERE oid = 10)", "CREATE, USAGE")
    };
    let to_say = format!(
        "SELECT pg_catalog.format('ALTER SCHEMA public OWNER TO %I', {owner}::text), 1
           FROM pg_catalog.pg_namespace WHERE nspname = 'public' AND pg_catalog.pg_get_userbyid(nspowner) <> {owner}::text
            AND pg_catalog.pg_has_role({owner}, 'MEMBER')
         UNION ALL
         SELECT DISTINCT 'REVOKE ALL ON SCHEMA public FROM '
                || CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(grantee)) END
                || ' CASCADE', 2
           FROM pg_catalog.pg_namespace, pg_catalog.aclexplode(nspacl) WHERE nspname = 'public' AND grantee <> nspowner
         UNION ALL SELECT pg_catalog.format('GRANT ALL ON SCHEMA public TO %I', {owner}::text), 3
         UNION ALL SELECT 'GRANT {rights} ON SCHEMA public TO PUBLIC', 4
         UNION ALL SELECT 'COMMENT ON SCHEMA public IS ''standard public schema''', 5
         ORDER BY 2"
    );
    let there = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'public')";
    let there: bool = client.query_one(there, &[]).await.map_err(what)?.get(0);
    if !there {
        client.batch_execute("CREATE SCHEMA public").await.map_err(what)?;
    }
    let ours = "SELECT pg_catalog.pg_has_role(nspowner, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = 'public'";
    // An account without rights on it cannot have changed it.
    if !client.query_one(ours, &[]).await.map_err(what)?.get::<_, bool>(0) {
        return Ok(());
    }
    for row in client.query(&to_say, &[]).await.map_err(what)? {
        client.batch_execute(row.get(0)).await.map_err(what)?;
    }
    Ok(())
}

/// The statement that drops an object as `pg_identify_object` names it.
fn drop_statement(kind: &str, identity: &str, oid: u32) -> Result<String> {
    let word = match kind {
        "large object" => {
            return Ok(format!(
                "SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata WHERE oid = {oid}"
            ));
        }
        "table"
        | "view"
        | "materialized view"
        | "sequence"
        | "foreign table"
        | "schema"
        | "type"
        | "function"
        | "procedure"
        | "aggregate"
        | "operator"
        | "operator class"
        | "operator family"
        | "collation"
        | "conversion"
        | "text search configuration"
        | "text search dictionary"
        | "foreign-data wrapper"
        | "server"
        | "extension"
        | "publication"
        | "event trigger"
        | "language"
        | "statistics object" => match kind {
            "foreign-data wrapper" => "foreign data wrapper",
            "statistics object" => "statistics",
            kind => kind,
        },
        "composite type" => "type",
        other => {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("dbm cannot empty the database: it does not know how to drop the {other} {identity}"),
            )
            .with_hint("restore into a new database as a role that may create databases"));
        }
    };
    Ok(format!("DROP {} IF EXISTS {identity} CASCADE", word.to_uppercase()))
}

fn shortened(names: &[String]) -> String {
    let mut text = names.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > 10 {
        text.push_str(&format!(", and {} more", names.len() - 10));
    }
    text
}
