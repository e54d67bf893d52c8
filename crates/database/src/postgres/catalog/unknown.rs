//! What the database holds and no other file reads, by name, so that no dump leaves it out in silence.

use super::reader::Reader;
use super::sql::get;
use crate::Result;

/// The catalogs that hold objects which are not carried, with a condition each.
const CATALOGS: [(&str, &str); 3] = [
    (
        "pg_class",
        "o.relpersistence <> 't' AND o.relkind NOT IN ('r', 'p', 'v', 'm', 'S', 'i', 'I', 'c', 't', 'f')",
    ),
    ("pg_type", "o.typtype NOT IN ('b', 'c', 'd', 'e', 'm', 'p', 'r')"),
    // A temporary table's namespace is not an object of the database's.
    ("pg_constraint", "o.contype NOT IN ('c', 'f', 'n', 'p', 'u', 'x', 't')"),
];

/// What was made on a table of an extension after it: `CREATE EXTENSION` does not make it again.
///
/// Nothing says who made an index or a trigger, so the transaction has to tell: the extension's script, or that of an
/// update, also made a member or changed the extension. After `pg_upgrade`, which makes each
/// member in a transaction of its own, it tells nothing, and nothing is named.
const ON_MEMBERS: &str = "
    WITH members AS (
        SELECT d.classid, d.objid, d.refobjid, d.xmin AS made FROM pg_depend d
        WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
    ), told AS (
        SELECT refobjid FROM members GROUP BY refobjid
        HAVING count(*) = 1 OR count(DISTINCT made::text) < count(*)
    ), scripts AS (
        SELECT refobjid, made FROM members UNION ALL SELECT oid, xmin FROM pg_extension
    )
    SELECT DISTINCT i.type, i.identity FROM members m JOIN told USING (refobjid)
        JOIN pg_depend d ON d.refclassid = m.classid AND d.refobjid = m.objid AND d.deptype = 'a',
        LATERAL pg_identify_object(d.classid, d.objid, 0) AS i
    WHERE m.classid = 'pg_class'::regclass
        AND NOT EXISTS (SELECT FROM scripts s WHERE s.refobjid = m.refobjid AND s.made = d.xmin)
        AND d.classid IN ('pg_class'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass,
            'pg_constraint'::regclass, 'pg_rewrite'::regclass)
        AND (d.classid <> 'pg_class'::regclass OR EXISTS
            (SELECT FROM pg_class c WHERE c.oid = d.objid AND c.relkind IN ('i', 'I')))
        AND NOT EXISTS (SELECT FROM members own WHERE own.classid = d.classid AND own.objid = d.objid)
    ORDER BY 1, 2";

const DETACHING: &str = "
    SELECT i.inhrelid::regclass::text AS identity FROM pg_inherits i WHERE i.inhdetachpending ORDER BY 1";

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    let queries = CATALOGS.map(|(catalog, condition)| {
        format!(
            "SELECT o.tableoid AS class, o.oid AS object, i.type, i.identity, i.schema FROM {catalog} o,
                LATERAL pg_identify_object(o.tableoid, o.oid, 0) AS i WHERE o.oid >= 16384 AND {condition}"
        )
    });
    let query = format!("{} ORDER BY type, identity", queries.join("\nUNION ALL "));
    for row in reader.rows("other objects", &query).await? {
        let namespace: Option<String> = get(&row, "schema")?;
        let hidden = namespace.as_deref().is_some_and(|name| name == "dbm" || name.starts_with("pg_"));
        if hidden || reader.is_member(get(&row, "class")?, get(&row, "object")?) {
            continue;
        }
        let what = format!("{} {}", get::<String>(&row, "type")?, get::<String>(&row, "identity")?);
        reader.refuse(what, "dbm does not carry objects of this kind yet");
    }
    for row in reader.rows("what was made on tables of extensions", ON_MEMBERS).await? {
        let what = format!("{} {}", get::<String>(&row, "type")?, get::<String>(&row, "identity")?);
        reader.refuse(what, "it was made on a table of an extension, which does not make it again");
    }
    if reader.version < 140_000 {
        return Ok(());
    }
    for row in reader.rows("partitions that are being detached", DETACHING).await? {
        let what = format!("partition {}", get::<String>(&row, "identity")?);
        reader.refuse(what, "it is being detached");
    }
    Ok(())
}
