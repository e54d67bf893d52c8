use std::collections::HashMap;

use super::columns::Columns;
use super::reader::{Node, Reader, class, id};
use super::sql::{FIRST_OID, get, ident, qual};
use crate::{Kind, Result, Section, Table};

const MEMBERS: &str = "
    SELECT classid, objid, refobjid FROM pg_depend
    WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'";

const EXTENSIONS: &str = "
    SELECT e.oid, e.extname::text AS name, n.oid AS namespace_oid, n.nspname::text AS namespace
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    ORDER BY e.extname COLLATE \"C\"";

/// Tables and sequences whose rows a dump carries, with their conditions.
const CONFIGURED: &str = "
    SELECT c.oid, n.nspname::text AS namespace, c.relname::text AS name, c.relkind::text AS kind,
        coalesce(f.condition, '') AS condition, e.oid AS extension
    FROM pg_extension e, LATERAL unnest(e.extconfig, e.extcondition) AS f(relation, condition)
        JOIN pg_class c ON c.oid = f.relation JOIN pg_namespace n ON n.oid = c.relnamespace
    ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\"";

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("members of extensions", MEMBERS).await? {
        let key = (get(&row, "classid")?, get(&row, "objid")?);
        reader.members.insert(key, get(&row, "refobjid")?);
    }
    // A namespace that an extension made is made by it again.
    let members = &reader.members;
    let own: HashMap<u32, usize> = reader
        .places
        .iter()
        .filter(|(key, _)| members.contains_key(key))
        .map(|(key, place)| (key.1, *place))
        .collect();
    for place in own.values() {
        reader.nodes[*place].object.definition.clear();
        reader.nodes[*place].object.owner = None;
    }
    let mut with_plpgsql = false;
    for row in reader.rows("extensions", EXTENSIONS).await? {
        let oid: u32 = get(&row, "oid")?;
        let (name, namespace): (String, String) = (get(&row, "name")?, get(&row, "namespace")?);
        with_plpgsql |= name == "plpgsql";
        // Every new database has it, and one that was dropped and made again is the same.
        if oid < FIRST_OID || name == "plpgsql" {
            continue;
        }
        let definition =
            format!("CREATE EXTENSION IF NOT EXISTS {} WITH SCHEMA {};\n", ident(&name), ident(&namespace));
        let target = format!("EXTENSION {}", ident(&name));
        let mut node = Node::new(id(Kind::Extension, "", "", &name), Section::PreData, target, definition);
        if !own.contains_key(&get::<u32>(&row, "namespace_oid")?) {
            node.needs.extend(reader.namespaces.get(&namespace));
        }
        reader.add((class::EXTENSION, oid), node);
    }
    if !with_plpgsql {
        let definition = "DROP EXTENSION IF EXISTS \"plpgsql\";\n".to_owned();
        let gone = id(Kind::Extension, "", "", "plpgsql");
        reader.add((class::NONE, 0), Node::new(gone, Section::PreData, String::new(), definition));
    }
    // What an extension made stands after it.
    for (namespace, place) in own {
        let extension = reader.members.get(&(class::NAMESPACE, namespace));
        let extension = extension.and_then(|oid| reader.places.get(&(class::EXTENSION, *oid))).copied();
        reader.nodes[place].needs.extend(extension);
    }
    Ok(())
}

pub(super) async fn read_tables(reader: &mut Reader<'_>, columns: &Columns) -> Result<()> {
    for row in reader.rows("tables of extensions", CONFIGURED).await? {
        let (oid, kind, extension): (u32, String, u32) =
            (get(&row, "oid")?, get(&row, "kind")?, get(&row, "extension")?);
        let (namespace, name): (String, String) = (get(&row, "namespace")?, get(&row, "name")?);
        let (kind, word) = match kind.as_str() {
            "S" => (Kind::Sequence, "SEQUENCE"),
            "r" => (Kind::Table, "TABLE"),
            _ => {
                let what = format!("table {namespace}.{name}");
                let of = id(Kind::Table, &namespace, "", &name);
                reader.refuse_of(of, what, "marked for dumping by an extension, and not a plain table");
                continue;
            }
        };
        let target = format!("{word} {}", qual(&namespace, &name));
        let mut node = Node::new(id(kind, &namespace, "", &name), Section::PreData, target, String::new());
        if kind == Kind::Table {
            let condition: String = get(&row, "condition")?;
            node.object.table = Some(Box::new(Table {
                handle: u64::from(oid),
                columns: columns.of(oid),
                holds_rows: true,
                filter: Some(condition).filter(|condition| !condition.trim().is_empty()),
                ..Table::default()
            }));
        }
        node.needs.extend(reader.places.get(&(class::EXTENSION, extension)));
        reader.add((class::CLASS, oid), node);
    }
    Ok(())
}
