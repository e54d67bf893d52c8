use std::collections::HashMap;

use super::labels::named;
use super::reader::{Reader, class};
use super::sql::{get, ident, lit, qual};
use crate::{Kind, Result};

const QUERY: &str = "
    SELECT d.classoid, d.objoid, d.objsubid, d.description, a.attname::text AS column FROM pg_description d
        LEFT JOIN pg_attribute a ON d.classoid = 'pg_class'::regclass AND d.objsubid > 0
            AND a.attrelid = d.objoid AND a.attnum = d.objsubid
    WHERE d.objoid >= 16384 OR d.classoid IN ('pg_namespace'::regclass, 'pg_largeobject'::regclass)
    ORDER BY d.classoid, d.objoid, d.objsubid";

/// What an extension's own file says of it.
const EXTENSIONS: &str = "
    SELECT e.oid, a.comment FROM pg_extension e JOIN pg_available_extensions a ON a.name = e.extname";

const INDEXES: &str = "
    SELECT c.oid, n.nspname::text AS namespace, c.relname::text AS name FROM pg_description d
        JOIN pg_class c ON c.oid = d.objoid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE d.classoid = 'pg_class'::regclass AND c.relkind IN ('i', 'I')";

/// What namespace `public` is born with.
const PUBLIC: &str = "standard public schema";

/// Comments on what comes with the server that are younger than the cluster: initdb writes that on `template0` last.
const BUILT_IN: &str = "
    SELECT d.classoid, d.objoid, i.type, i.identity, d.description FROM pg_description d
        JOIN pg_shdescription born ON born.classoid = 'pg_database'::regclass
            AND born.objoid = (SELECT oid FROM pg_database WHERE datname = 'template0'),
        LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) AS i
    WHERE d.objoid < 16384 AND age(d.xmin) < age(born.xmin)
        AND d.classoid <> 'pg_largeobject'::regclass
        AND (d.classoid <> 'pg_namespace'::regclass OR i.identity <> 'public')
    ORDER BY i.type, i.identity COLLATE \"C\"";

/// Comments that were changed on what an extension made.
///
/// The transaction has to tell, as in the module `unknown`; where it tells nothing, nothing is changed.
const MEMBERS: &str = "
    WITH members AS (
        SELECT d.classid, d.objid, d.refobjid, d.xmin AS made FROM pg_depend d
        WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND d.objid >= 16384
    ), told AS (
        SELECT refobjid FROM members GROUP BY refobjid
        HAVING count(*) = 1 OR count(DISTINCT made::text) < count(*)
    ), scripts AS (
        SELECT refobjid, made FROM members UNION ALL SELECT oid, xmin FROM pg_extension
    )
    SELECT d.classoid, d.objoid, i.type, i.identity, d.description FROM members m JOIN told USING (refobjid)
        JOIN pg_description d ON d.classoid = m.classid AND d.objoid = m.objid,
        LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) AS i
    WHERE NOT EXISTS (SELECT FROM scripts s WHERE s.refobjid = m.refobjid AND s.made = d.xmin)
        AND m.classid <> 'pg_namespace'::regclass
    ORDER BY i.type, i.identity COLLATE \"C\"";

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    let mut born: HashMap<u32, Option<String>> = HashMap::new();
    for row in reader.rows("available extensions", EXTENSIONS).await? {
        born.insert(get(&row, "oid")?, get(&row, "comment")?);
    }
    let mut indexes: HashMap<u32, String> = HashMap::new();
    for row in reader.rows("comments on indexes", INDEXES).await? {
        indexes.insert(
            get(&row, "oid")?,
            qual(&get::<String>(&row, "namespace")?, &get::<String>(&row, "name")?),
        );
    }
    let public = reader.namespaces.get("public").copied();
    let mut of_public = None;
    for row in reader.rows("comments", QUERY).await? {
        let key: (u32, u32) = (get(&row, "classoid")?, get(&row, "objoid")?);
        if reader.members.contains_key(&key) && !reader.places.contains_key(&key) {
            continue;
        }
        let Some(place) = reader.find(key) else { continue };
        let (column, text): (i32, String) = (get(&row, "objsubid")?, get(&row, "description")?);
        if Some(place) == public {
            of_public = Some(text.clone());
            if text == PUBLIC {
                continue;
            }
        }
        if key.0 == class::EXTENSION
            && born.get(&key.1).is_some_and(|born| born.as_deref() == Some(text.as_str()))
        {
            continue;
        }
        let node = &reader.nodes[place];
        let target = if column != 0 {
            let Some(name) = get::<Option<&str>>(&row, "column")? else { continue };
            let own = &node.object.id;
            format!("COLUMN {}.{}", qual(&own.namespace, &own.name), ident(name))
        } else if let (class::CLASS, Some(index)) = (key.0, indexes.get(&key.1)) {
            format!("INDEX {index}")
        } else if key.0 == class::CLASS && node.object.id.kind == Kind::Constraint {
            continue;
        } else {
            node.target.clone()
        };
        if target.is_empty() {
            continue;
        }
        let comment = format!("COMMENT ON {target} IS {};\n", lit(&text));
        reader.nodes[place].object.comments.push(comment);
    }
    if let (Some(place), None) = (public, of_public) {
        reader.nodes[place].object.comments.push("COMMENT ON SCHEMA \"public\" IS NULL;\n".to_owned());
    }
    for (query, kind) in
        [(BUILT_IN, "comments on what comes with the server"), (MEMBERS, "comments on members")]
    {
        for row in reader.rows(kind, query).await? {
            let text = format!(
                "COMMENT ON {} IS {};\n",
                named(&get::<String>(&row, "type")?, &get::<String>(&row, "identity")?),
                lit(&get::<String>(&row, "description")?)
            );
            let place = match reader.find((get(&row, "classoid")?, get(&row, "objoid")?)) {
                Some(place) => place,
                None => reader.pg_catalog(),
            };
            reader.nodes[place].object.comments.push(text);
        }
    }
    Ok(())
}
