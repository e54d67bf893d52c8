use tokio_postgres::Row;

use super::base_types::part_from_shells;
use super::reader::{Reader, class, each};
use super::sql::{get, ident, qual};
use super::triggers::internal;
use crate::{Kind, Result};

/// `P` and `S` tie partitions to their parents, which attaching does again; `x` is what [`read_extensions`] reads.
/// A function is tied to whatever transforms of its types there were when it was made; it needs those that it names.
const QUERY: &str = "
    SELECT classid, objid, refclassid, refobjid, deptype::text AS type FROM pg_depend
    WHERE deptype IN ('n', 'a', 'i') AND refobjid >= 16384 AND objid >= 16384
        AND NOT (refclassid = 'pg_transform'::regclass AND EXISTS
            (SELECT FROM pg_proc p WHERE p.oid = objid AND p.protrftypes IS NULL))
    UNION SELECT d.classid, d.objid, d.refclassid, d.refobjid, d.deptype::text FROM pg_depend d
    WHERE d.deptype = 'n' AND d.refclassid = 'pg_extension'::regclass";

fn inherited(reader: &Reader<'_>) -> String {
    format!(
        "SELECT t.oid, p.oid AS parent FROM pg_trigger t JOIN pg_trigger p ON p.oid = t.tgparentid WHERE NOT {}",
        internal(reader)
    )
}

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    each(reader.client, "dependencies", QUERY, |row| depend(reader, row)).await?;
    for (place, parent) in std::mem::take(&mut reader.attach) {
        let parent = reader.find((class::CLASS, parent));
        reader.nodes[place].needs.extend(parent);
    }
    // A trigger's state on a partition is set after the parent's has made it there, and after partitions are attached.
    let clones = std::mem::take(&mut reader.clones);
    if !clones.is_empty() {
        let rows = reader.rows("triggers of partitions", &inherited(reader)).await?;
        let mut parents = std::collections::HashMap::new();
        for row in &rows {
            parents.insert(get::<u32>(row, "oid")?, get::<u32>(row, "parent")?);
        }
        for (place, oid) in clones {
            let mut above = parents.get(&oid);
            while let Some(parent) = above {
                let found = reader.places.get(&(class::TRIGGER, *parent)).copied();
                reader.nodes[place].needs.extend(found);
                above = parents.get(parent);
            }
        }
    }
    let namespaces = &reader.namespaces;
    for (place, node) in reader.nodes.iter_mut().enumerate() {
        let namespace = namespaces.get(&node.object.id.namespace).copied();
        node.needs.extend(namespace.filter(|namespace| *namespace != place));
        node.needs.remove(&place);
    }
    part_from_shells(reader);
    Ok(())
}

fn depend(reader: &mut Reader<'_>, row: &Row) -> Result<()> {
    let (from, to): ((u32, u32), (u32, u32)) =
        ((get(row, "classid")?, get(row, "objid")?), (get(row, "refclassid")?, get(row, "refobjid")?));
    let (Some(one), Some(other)) = (reader.find(from), reader.find(to)) else { return Ok(()) };
    // What one extension made it makes in its own order; a row type may be a member beside its table.
    let member = reader.members.get(&from);
    if member.is_some() && member == reader.members.get(&to) {
        return Ok(());
    }
    let automatic = get::<&str>(row, "type")? == "a";
    // A sequence that goes with its column, a partition that goes with its parent: ties that are made later.
    let kind = reader.nodes[one].object.id.kind;
    let tied = automatic
        && from.0 == class::CLASS
        && to.0 == class::CLASS
        && matches!(kind, Kind::Sequence | Kind::Table);
    if one != other && !tied {
        reader.nodes[one].needs.insert(other);
    }
    Ok(())
}

/// `ALTER … DEPENDS ON EXTENSION`.
const ON_EXTENSIONS: &str = "
    SELECT d.classid, d.objid, e.oid AS extension, e.extname::text AS name FROM pg_depend d
        JOIN pg_extension e ON e.oid = d.refobjid
    WHERE d.deptype = 'x' AND d.refclassid = 'pg_extension'::regclass AND d.objsubid = 0
    ORDER BY d.classid, d.objid, e.extname COLLATE \"C\"";

/// Says of each object with which extensions it goes, after its definition.
pub(super) async fn read_extensions(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("dependencies on extensions", ON_EXTENSIONS).await? {
        let key: (u32, u32) = (get(&row, "classid")?, get(&row, "objid")?);
        let Some(place) = reader.find(key) else { continue };
        let extension = reader.find((class::EXTENSION, get(&row, "extension")?));
        let node = &mut reader.nodes[place];
        // A key's index has the key's name.
        let target = if node.object.id.kind == Kind::Constraint {
            format!("INDEX {}", qual(&node.object.id.namespace, &node.object.id.name))
        } else {
            node.target.clone()
        };
        let text = format!("ALTER {target} DEPENDS ON EXTENSION {};\n", ident(&get::<String>(&row, "name")?));
        node.object.definition.push_str(&text);
        node.needs.extend(extension);
    }
    Ok(())
}
