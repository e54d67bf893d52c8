//! What the database holds and no other file reads, by name, so that no dump leaves it out in silence.

use tokio_postgres::Row;

use super::NEWEST;
use super::reader::{Reader, id};
use super::sql::get;
use crate::{Kind, NotCarried, ObjectId, Result};

/// A column of a catalog whose letters say of what kind something is, and those that dbm knows.
pub(super) struct Letters {
    catalog: &'static str,
    column: &'static str,
    known: &'static str,
    /// What the row is, or is of: the catalog of the object, its number, and the number of its column.
    object: (&'static str, &'static str, &'static str),
}

const fn letters(catalog: &'static str, column: &'static str, known: &'static str) -> Letters {
    Letters { catalog, column, known, object: (catalog, "o.oid", "0") }
}

/// Kinds of objects, looked for on every server.
pub(super) const KINDS: [Letters; 3] = [
    letters("pg_class", "relkind", "r,p,v,m,S,i,I,c,t,f"),
    letters("pg_type", "typtype", "b,c,d,e,m,p,r"),
    letters("pg_constraint", "contype", "c,f,n,p,u,x,t"),
];

/// What else could be new, looked for on servers that are newer than dbm.
const DETAILS: [Letters; 12] = [
    letters("pg_class", "relpersistence", "p,u,t"),
    letters("pg_class", "relreplident", "d,n,f,i"),
    letters("pg_proc", "prokind", "f,p,a,w"),
    letters("pg_collation", "collprovider", "c,i,b,d"),
    letters("pg_policy", "polcmd", "r,a,w,d,*"),
    letters("pg_rewrite", "ev_type", "1,2,3,4"),
    letters("pg_trigger", "tgenabled", "O,D,R,A"),
    letters("pg_event_trigger", "evtenabled", "O,D,R,A"),
    letters("pg_default_acl", "defaclobjtype", "r,S,f,T,n,L"),
    of_relation("pg_partitioned_table", "partstrat", "h,l,r", "o.partrelid", "0"),
    of_relation("pg_attribute", "attgenerated", ",s,v", "o.attrelid", "o.attnum"),
    of_relation("pg_attribute", "attidentity", ",a,d", "o.attrelid", "o.attnum"),
];

const fn of_relation(
    catalog: &'static str,
    column: &'static str,
    known: &'static str,
    relation: &'static str,
    number: &'static str,
) -> Letters {
    Letters { catalog, column, known, object: ("pg_class", relation, number) }
}

/// The catalogs of which an object of a database can be.
const CATALOGS: [&str; 41] = [
    "pg_am",
    "pg_amop",
    "pg_amproc",
    "pg_attrdef",
    "pg_authid",
    "pg_auth_members",
    "pg_cast",
    "pg_class",
    "pg_collation",
    "pg_constraint",
    "pg_conversion",
    "pg_database",
    "pg_default_acl",
    "pg_event_trigger",
    "pg_extension",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_language",
    "pg_largeobject",
    "pg_largeobject_metadata",
    "pg_namespace",
    "pg_opclass",
    "pg_operator",
    "pg_opfamily",
    "pg_parameter_acl",
    "pg_policy",
    "pg_proc",
    "pg_publication",
    "pg_publication_namespace",
    "pg_publication_rel",
    "pg_rewrite",
    "pg_statistic_ext",
    "pg_subscription",
    "pg_tablespace",
    "pg_transform",
    "pg_trigger",
    "pg_ts_config",
    "pg_ts_dict",
    "pg_ts_parser",
    "pg_ts_template",
    "pg_type",
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
    SELECT DISTINCT i.type, i.identity, n.nspname::text AS namespace, t.relname::text AS relation FROM members m
        JOIN pg_class t ON t.oid = m.objid JOIN pg_namespace n ON n.oid = t.relnamespace JOIN told USING (refobjid)
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

/// Whether a server of that version may have kinds of objects that nobody told dbm of.
fn is_newer(version: i32) -> bool {
    u32::try_from(version / 10_000).is_ok_and(|major| major > NEWEST)
}

/// Refuses the objects with other letters than those.
pub(super) async fn of_unknown_kinds(reader: &mut Reader<'_>, list: &[Letters]) -> Result<()> {
    let queries: Vec<String> = list
        .iter()
        .map(|Letters { catalog, column, known, object: (class, oid, number) }| {
            // A temporary table's namespace is not an object of the database's.
            let lasting = if *catalog == "pg_class" { "o.relpersistence <> 't' AND" } else { "" };
            format!(
                "SELECT '{class}'::regclass::oid AS class, {oid} AS object, i.type, i.identity, i.schema,
                    '{catalog}.{column}' AS place, o.{column}::text AS letter,
                    CASE WHEN '{class}' = 'pg_class' THEN (SELECT r.relname::text FROM pg_class r WHERE r.oid = {oid}) END AS relation
                 FROM {catalog} o, LATERAL pg_identify_object('{class}'::regclass, {oid}, {number}) AS i
                 WHERE {oid} >= 16384 AND {lasting} o.{column}::text <> ALL (string_to_array('{known}', ','))"
            )
        })
        .collect();
    let query = format!("{} ORDER BY type, identity", queries.join("\nUNION ALL "));
    for row in reader.rows("other objects", &query).await? {
        let (place, letter): (String, String) = (get(&row, "place")?, get(&row, "letter")?);
        let of = relation(&row, "schema")?;
        refuse(reader, &row, of, &format!("dbm does not know its kind: {place} is `{letter}`"))?;
    }
    Ok(())
}

/// Refuses the objects of other catalogs than those.
pub(super) async fn of_unknown_catalogs(reader: &mut Reader<'_>, known: &[&str]) -> Result<()> {
    let query = format!(
        "SELECT d.classid AS class, d.objid AS object, i.type, i.identity, i.schema, c.relname::text AS catalog
         FROM (SELECT classid, objid FROM pg_depend WHERE objid >= 16384
               UNION SELECT refclassid, refobjid FROM pg_depend WHERE refobjid >= 16384
               UNION SELECT classid, objid FROM pg_shdepend WHERE objid >= 16384
                   AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())) d
             JOIN pg_class c ON c.oid = d.classid, LATERAL pg_identify_object(d.classid, d.objid, 0) AS i
         WHERE c.relname::text <> ALL (string_to_array('{}', ',')) ORDER BY 3, 4",
        known.join(",")
    );
    for row in reader.rows("objects of other catalogs", &query).await? {
        let catalog: String = get(&row, "catalog")?;
        refuse(reader, &row, None, &format!("dbm does not know the catalog {catalog} that it is in"))?;
    }
    Ok(())
}

/// The table, or what is like one, that a row names.
fn relation(row: &Row, namespace: &str) -> Result<Option<ObjectId>> {
    let names = (get::<Option<String>>(row, namespace)?, get::<Option<String>>(row, "relation")?);
    let (Some(namespace), Some(name)) = names else { return Ok(None) };
    Ok(Some(id(Kind::Table, &namespace, "", &name)))
}

fn refuse(reader: &mut Reader<'_>, row: &Row, of: Option<ObjectId>, why: &str) -> Result<()> {
    let namespace: Option<String> = get(row, "schema")?;
    let hidden = namespace.as_deref().is_some_and(|name| name == "dbm" || name.starts_with("pg_"));
    if hidden || reader.is_member(get(row, "class")?, get(row, "object")?) {
        return Ok(());
    }
    let what = format!("{} {}", get::<String>(row, "type")?, get::<String>(row, "identity")?);
    reader.refused.push(NotCarried { of, ..NotCarried::new(what, why) });
    Ok(())
}

/// What is in dbm's own namespace and is none of its tables.
const IN_OURS: &str = "
    SELECT i.type, i.identity FROM pg_depend d JOIN pg_namespace n ON n.oid = d.refobjid AND n.nspname = 'dbm',
        LATERAL pg_identify_object(d.classid, d.objid, 0) AS i
    WHERE d.refclassid = 'pg_namespace'::regclass AND d.deptype = 'n' AND d.classid <> 'pg_default_acl'::regclass
        AND NOT (d.classid = 'pg_class'::regclass AND EXISTS (SELECT FROM pg_class c JOIN pg_attribute a
            ON a.attrelid = c.oid AND NOT a.attisdropped
            WHERE c.oid = d.objid AND (c.relname, a.attname) IN (('journal', 'entry'), ('committed', 'part'))))
    ORDER BY 1, 2";

const DETACHING: &str = "
    SELECT i.inhrelid::regclass::text AS identity, n.nspname::text AS namespace, c.relname::text AS relation
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE i.inhdetachpending ORDER BY 1";

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    of_unknown_kinds(reader, &KINDS).await?;
    if is_newer(reader.version) {
        of_unknown_kinds(reader, &DETAILS).await?;
        of_unknown_catalogs(reader, &CATALOGS).await?;
    }
    for row in reader.rows("what is in dbm's own namespace", IN_OURS).await? {
        let what = format!("{} {}", get::<String>(&row, "type")?, get::<String>(&row, "identity")?);
        reader.refuse_of(
            id(Kind::Namespace, "", "", "dbm"),
            what,
            "namespace dbm is for dbm's own journal, which no archive holds: move it to another",
        );
    }
    for row in reader.rows("what was made on tables of extensions", ON_MEMBERS).await? {
        let what = format!("{} {}", get::<String>(&row, "type")?, get::<String>(&row, "identity")?);
        let why = "it was made on a table of an extension, which does not make it again";
        let of = relation(&row, "namespace")?;
        reader.refused.push(NotCarried { of, ..NotCarried::new(what, why) });
    }
    if reader.version < 140_000 {
        return Ok(());
    }
    for row in reader.rows("partitions that are being detached", DETACHING).await? {
        let what = format!("partition {}", get::<String>(&row, "identity")?);
        let of = relation(&row, "namespace")?;
        reader.refused.push(NotCarried { of, ..NotCarried::new(what, "it is being detached") });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::testing::fresh;

    #[test]
    fn only_servers_newer_than_dbm_are_looked_through() {
        for (version, newer) in [(130_023, false), (180_004, false), (190_000, true), (250_001, true)] {
            assert_eq!(is_newer(version), newer, "{version}");
        }
    }

    /// As a server of the future would look to this dbm: what it does not know it names, and nothing else.
    #[tokio::test]
    async fn what_a_newer_server_has_is_refused_by_name() {
        let server = fresh().await;
        let client = server.connect(None).await.unwrap();
        client
            .batch_execute(
                "CREATE TABLE t (a integer GENERATED ALWAYS AS IDENTITY, b integer GENERATED ALWAYS AS (1) STORED);
                 CREATE VIEW v AS SELECT 1; CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1'; CREATE PUBLICATION pub FOR TABLE t;",
            )
            .await
            .unwrap();
        let mut reader = Reader::new(&client, super::super::Detail::Definitions).await.unwrap();
        of_unknown_kinds(&mut reader, &KINDS).await.unwrap();
        of_unknown_kinds(&mut reader, &DETAILS).await.unwrap();
        of_unknown_catalogs(&mut reader, &CATALOGS).await.unwrap();
        assert_eq!(reader.refused, [], "nothing of today is unknown");
        let older = [
            letters("pg_class", "relkind", "r,S,i,t"),
            letters("pg_proc", "prokind", "f"),
            of_relation("pg_attribute", "attgenerated", ",v", "o.attrelid", "o.attnum"),
        ];
        of_unknown_kinds(&mut reader, &older).await.unwrap();
        let without: Vec<&str> = CATALOGS.into_iter().filter(|name| *name != "pg_publication").collect();
        of_unknown_catalogs(&mut reader, &without).await.unwrap();
        let refused: Vec<String> = reader.refused.iter().map(ToString::to_string).collect();
        let expected = [
            ("procedure public.p()", "pg_proc.prokind is `p`"),
            ("table column public.t.b", "pg_attribute.attgenerated is `s`"),
            ("view public.v", "pg_class.relkind is `v`"),
            ("publication pub", "the catalog pg_publication"),
        ];
        assert_eq!(refused.len(), expected.len(), "{refused:?}");
        for ((what, why), refused) in expected.iter().zip(&refused) {
            assert!(refused.contains(what) && refused.contains(why), "{refused}");
        }
    }
}
