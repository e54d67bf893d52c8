//! The roles that a database's objects name. The dump writes them into the index, so that a restore can tell which are missing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use crate::Result;
use crate::postgres::failed;

/// Roles by what names them, so that a restore without owners or privileges needs only the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Roles {
    /// Those that own the database or something in it.
    #[serde(default)]
    pub(crate) owners: BTreeSet<String>,
    /// Those that grants and default privileges name, without `PUBLIC`.
    #[serde(default)]
    pub(crate) grantees: BTreeSet<String>,
    /// Those that policies and the settings of roles name, without `PUBLIC`.
    #[serde(default)]
    pub(crate) others: BTreeSet<String>,
    /// Those of the owners that a restore gives objects to: without those whose objects are an extension's.
    #[serde(default)]
    pub(crate) given: BTreeSet<String>,
    /// Who owns the namespace `public`, where that is not who owns it in a new database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) public: Option<String>,
}

/// The server records who depends on which role, except on the one that it was made by: owners are read besides.
/// <https://www.postgresql.org/docs/current/catalog-pg-shdepend.html>
///
/// The constructors of a range type are that role's, whoever makes the type: they come with it.
const ROLES: &str = "\
WITH here AS (SELECT oid, datdba FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()),
     named AS (
    SELECT refobjid AS role, deptype::text AS how FROM pg_catalog.pg_shdepend, here
    WHERE refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND deptype IN ('o', 'a', 'r')
      AND (dbid = here.oid OR dbid = 0 AND classid = 'pg_catalog.pg_database'::pg_catalog.regclass AND objid = here.oid)
    UNION SELECT datdba, 'o' FROM here
    UNION SELECT relowner, 'o' FROM pg_catalog.pg_class WHERE oid >= 16384
    UNION SELECT nspowner, 'o' FROM pg_catalog.pg_namespace WHERE oid >= 16384
    UNION SELECT proowner, 'o' FROM pg_catalog.pg_proc p WHERE oid >= 16384
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                      AND d.objid = p.oid AND d.deptype = 'i')
    UNION SELECT typowner, 'o' FROM pg_catalog.pg_type WHERE oid >= 16384
    UNION SELECT lomowner, 'o' FROM pg_catalog.pg_largeobject_metadata
    UNION SELECT setrole, 'r' FROM pg_catalog.pg_db_role_setting, here WHERE setdatabase = here.oid AND setrole <> 0)
SELECT rolname::text, how FROM named JOIN pg_catalog.pg_roles r ON r.oid = named.role";

/// Who owns the database, or in it what a dump says the owner of. What comes with something else has no owner to be
/// given: the constructors of a range type belong to the role that the server was made by
/// (`makeRangeConstructors` in `src/backend/commands/typecmds.c`).
const GIVEN: &str = "\
WITH foreign_to_us AS (
    SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'dbm' OR nspname ~ '^pg_' OR nspname = 'information_schema'),
     owned AS (
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass AS class, oid, relowner AS role FROM pg_catalog.pg_class
    WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND relnamespace NOT IN (SELECT oid FROM foreign_to_us)
    UNION ALL SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, oid, proowner FROM pg_catalog.pg_proc
    WHERE pronamespace NOT IN (SELECT oid FROM foreign_to_us)
    UNION ALL SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid, t.typowner FROM pg_catalog.pg_type t
    LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
    WHERE (t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c' AND c.relkind = 'c')
      AND t.typnamespace NOT IN (SELECT oid FROM foreign_to_us)
    UNION ALL SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass, oid, nspowner FROM pg_catalog.pg_namespace
    WHERE oid >= 16384 AND oid NOT IN (SELECT oid FROM foreign_to_us)
    UNION ALL SELECT 'pg_catalog.pg_largeobject'::pg_catalog.regclass, oid, lomowner
    FROM pg_catalog.pg_largeobject_metadata
    UNION ALL SELECT 'pg_catalog.pg_database'::pg_catalog.regclass, oid, datdba FROM pg_catalog.pg_database
    WHERE datname = pg_catalog.current_database())
SELECT DISTINCT r.rolname::text FROM owned JOIN pg_catalog.pg_roles r ON r.oid = owned.role
WHERE r.rolname <> 'pg_database_owner'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = owned.class AND d.objid = owned.oid AND d.deptype IN ('e', 'i'))";

/// In a new database it belongs to `pg_database_owner`, before 15 to the role that the server was made by.
const OF_PUBLIC: &str = "\
SELECT rolname::text FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner
WHERE n.nspname = 'public' AND CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 150000
    THEN r.rolname <> 'pg_database_owner' ELSE r.oid <> 10 END";

/// Reads the roles that the database of the client names.
pub(crate) async fn read(client: &Client) -> Result<Roles> {
    let rows = client
        .query(ROLES, &[])
        .await
        .map_err(|error| failed(error, "cannot list the roles that the database names"))?;
    let given = client
        .query(GIVEN, &[])
        .await
        .map_err(|error| failed(error, "cannot list the owners of what the database holds"))?;
    let given = given.iter().map(|row| row.get(0)).collect();
    let public = client
        .query_opt(OF_PUBLIC, &[])
        .await
        .map_err(|error| failed(error, "cannot look who owns the schema `public`"))?
        .map(|row| row.get(0));
    let mut roles = Roles { given, public, ..Roles::default() };
    for row in rows {
        let (name, how): (String, &str) = (row.get(0), row.get(1));
        let set = match how {
            "o" => &mut roles.owners,
            "a" => &mut roles.grantees,
            _ => &mut roles.others,
        };
        set.insert(name);
    }
    Ok(roles)
}
