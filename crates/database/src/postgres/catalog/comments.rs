use std::collections::HashMap;

use super::columns::Columns;
use super::reader::{Reader, class};
use super::sql::{get, ident, lit, qual};
use crate::{Kind, Result};

const QUERY: &str = "
    SELECT d.classoid, d.objoid, d.objsubid, d.description FROM pg_description d
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

pub(super) async fn read(reader: &mut Reader<'_>, columns: &Columns) -> Result<()> {
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
            let Some(name) = columns.name(key.1, column) else { continue };
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
    Ok(())
}
