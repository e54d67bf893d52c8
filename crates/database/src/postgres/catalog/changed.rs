//! What was changed of what the server or an extension made: owners, and how built-in functions are run. Neither is a
//! definition of the database's own, and nothing makes it again.

use super::labels::named;
use super::reader::{Reader, class};
use super::sql::{get, ident};
use crate::Result;

/// Members of extensions, and what comes with the server, that somebody was given. A member of a trusted extension is
/// born as the first superuser's, which is never recorded, any other as the extension's owner's.
/// <https://www.postgresql.org/docs/current/catalog-pg-shdepend.html>
const OWNERS: &str = "
    SELECT i.type, i.identity, pg_get_userbyid(s.refobjid)::text AS owner, e.oid AS extension
    FROM pg_shdepend s
        LEFT JOIN pg_depend m ON m.classid = s.classid AND m.objid = s.objid AND m.objsubid = 0
            AND m.refclassid = 'pg_extension'::regclass AND m.deptype = 'e'
        LEFT JOIN pg_extension e ON e.oid = m.refobjid,
        LATERAL pg_identify_object(s.classid, s.objid, 0) AS i
    WHERE s.dbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
        AND s.refclassid = 'pg_authid'::regclass AND s.deptype = 'o'
        AND (e.oid IS NOT NULL AND s.refobjid <> e.extowner OR s.objid < 16384)
        -- Of a large object the maker chooses the number.
        AND s.classid <> 'pg_largeobject'::regclass
        AND NOT (s.classid = 'pg_namespace'::regclass AND i.identity = 'public')
    ORDER BY i.type, i.identity COLLATE \"C\"";

/// Built-in functions whose row is younger than the cluster, as for comments, where no grant alone made it so.
const FUNCTIONS: &str = "
    SELECT p.oid::regprocedure::text AS signature, p.proconfig IS NOT NULL AS configured,
        CASE p.provolatile WHEN 'i' THEN 'IMMUTABLE' WHEN 's' THEN 'STABLE' ELSE 'VOLATILE' END
        || CASE WHEN p.proisstrict THEN ' STRICT' ELSE ' CALLED ON NULL INPUT' END
        || CASE WHEN p.prosecdef THEN ' SECURITY DEFINER' ELSE ' SECURITY INVOKER' END
        || CASE WHEN p.proleakproof THEN ' LEAKPROOF' ELSE ' NOT LEAKPROOF' END
        || CASE p.proparallel WHEN 's' THEN ' PARALLEL SAFE' WHEN 'r' THEN ' PARALLEL RESTRICTED' ELSE ' PARALLEL UNSAFE' END
        || ' COST ' || p.procost || CASE WHEN p.proretset THEN ' ROWS ' || p.prorows ELSE '' END AS how
    FROM pg_proc p JOIN pg_shdescription born ON born.classoid = 'pg_database'::regclass
            AND born.objoid = (SELECT oid FROM pg_database WHERE datname = 'template0')
        LEFT JOIN pg_init_privs i ON i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid AND i.objsubid = 0
    WHERE p.oid < 16384 AND p.prokind IN ('f', 'w') AND age(p.xmin) < age(born.xmin)
        AND (p.proacl IS NULL OR i.initprivs IS NOT NULL
            OR NOT (p.proacl @> acldefault('f', p.proowner) AND p.proacl <@ acldefault('f', p.proowner)))
    ORDER BY p.oid::regprocedure::text COLLATE \"C\"";

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("owners of what was not made here", OWNERS).await? {
        let text = format!(
            "ALTER {} OWNER TO {};\n",
            named(&get::<String>(&row, "type")?, &get::<String>(&row, "identity")?),
            ident(&get::<String>(&row, "owner")?)
        );
        let extension =
            get::<Option<u32>>(&row, "extension")?.and_then(|oid| reader.find((class::EXTENSION, oid)));
        let place = extension.unwrap_or_else(|| reader.pg_catalog());
        reader.nodes[place].object.owner.get_or_insert_default().push_str(&text);
    }
    for row in reader.rows("built-in functions that were changed", FUNCTIONS).await? {
        let signature: String = get(&row, "signature")?;
        let place = reader.pg_catalog();
        if get(&row, "configured")? {
            let of = reader.nodes[place].object.id.clone();
            let what = format!("the settings of the built-in function {signature}");
            reader.refuse_of(of, what, "dbm does not carry what was set for a built-in function");
        }
        let text = format!("ALTER FUNCTION {signature} {};\n", get::<String>(&row, "how")?);
        reader.nodes[place].object.definition.push_str(&text);
    }
    Ok(())
}
