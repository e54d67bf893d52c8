//! What the database holds and no other file reads, by name, so that no dump leaves it out in silence.

use super::reader::Reader;
use super::sql::get;
use crate::Result;

/// The catalogs whose objects are not carried yet, with a condition each.
const CATALOGS: [(&str, &str); 20] = [
    // A range type's cast to its multirange comes with it.
    (
        "pg_cast",
        "NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_cast'::regclass AND d.objid = o.oid AND d.deptype = 'i')",
    ),
    ("pg_language", "true"),
    ("pg_collation", "true"),
    ("pg_conversion", "true"),
    ("pg_operator", "true"),
    ("pg_opclass", "true"),
    ("pg_opfamily", "true"),
    ("pg_am", "true"),
    ("pg_transform", "true"),
    ("pg_ts_parser", "true"),
    ("pg_ts_template", "true"),
    ("pg_ts_dict", "true"),
    ("pg_ts_config", "true"),
    ("pg_foreign_data_wrapper", "true"),
    ("pg_foreign_server", "true"),
    ("pg_publication", "true"),
    ("pg_event_trigger", "true"),
    (
        "pg_class",
        "o.relpersistence <> 't' AND o.relkind NOT IN ('r', 'p', 'v', 'm', 'S', 'i', 'I', 'c', 't')",
    ),
    (
        "pg_type",
        "(o.typtype NOT IN ('c', 'd', 'e', 'm', 'r') OR NOT o.typisdefined) AND NOT EXISTS \
         (SELECT FROM pg_type e WHERE e.oid = o.typelem AND e.typarray = o.oid)",
    ),
    // A temporary table's namespace is not an object of the database's.
    ("pg_constraint", "o.contype NOT IN ('c', 'f', 'n', 'p', 'u', 'x', 't')"),
];

/// Labels of security modules on anything in this database.
const LABELS: &str = "
    SELECT DISTINCT i.type, i.identity FROM pg_seclabel s,
        LATERAL pg_identify_object(s.classoid, s.objoid, s.objsubid) AS i ORDER BY 1, 2";

const SUBSCRIPTIONS: &str = "
    SELECT s.subname::text AS identity FROM pg_subscription s
    WHERE s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) ORDER BY 1";

const MAPPINGS: &str =
    "SELECT srvname::text || ' for ' || usename::text AS identity FROM pg_user_mappings ORDER BY 1";

/// `ALTER … DEPENDS ON EXTENSION`.
const DEPENDING: &str = "
    SELECT i.type, i.identity, d.classid, d.objid FROM pg_depend d,
        LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) AS i
    WHERE d.deptype = 'x' ORDER BY 1, 2";

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
    for row in reader.rows("security labels", LABELS).await? {
        let what = format!(
            "security label on {} {}",
            get::<String>(&row, "type")?,
            get::<String>(&row, "identity")?
        );
        reader.refuse(what, "dbm does not carry security labels yet");
    }
    for row in reader.rows("dependencies on extensions", DEPENDING).await? {
        if reader.find((get(&row, "classid")?, get(&row, "objid")?)).is_some() {
            let what = format!("{} {}", get::<String>(&row, "type")?, get::<String>(&row, "identity")?);
            reader.refuse(what, "dbm does not carry DEPENDS ON EXTENSION yet");
        }
    }
    let detaching = if reader.version >= 140_000 { DETACHING } else { "" };
    for (kind, query, why) in [
        ("subscription", SUBSCRIPTIONS, "dbm does not carry subscriptions yet"),
        ("user mapping", MAPPINGS, "dbm does not carry user mappings yet"),
        ("partition", detaching, "it is being detached"),
    ] {
        if query.is_empty() {
            continue;
        }
        for row in reader.rows(kind, query).await? {
            let what = format!("{kind} {}", get::<String>(&row, "identity")?);
            reader.refuse(what, why);
        }
    }
    Ok(())
}
