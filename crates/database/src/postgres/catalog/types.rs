use super::base_types::shell;
use super::columns::Columns;
use super::reader::{Node, Reader, class, id};
use super::sql::{OURS, get, ident, lit, qual};
use crate::{Kind, Result, Section};

/// Every type that is the user's own, so that whatever mentions it is known to need its maker.
fn all(reader: &Reader<'_>) -> String {
    let range =
        reader.since(14, "(SELECT r.rngtypid FROM pg_range r WHERE r.rngmultitypid = t.oid)", "0::oid");
    format!(
        "SELECT t.oid, t.typrelid, {range} AS range,
            (SELECT e.oid FROM pg_type e WHERE e.oid = t.typelem AND e.typarray = t.oid) AS element
         FROM pg_type t WHERE t.oid >= 16384"
    )
}

fn enums() -> String {
    format!(
        "SELECT t.oid, n.nspname::text AS namespace, t.typname::text AS name,
            pg_get_userbyid(t.typowner)::text AS owner,
            ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)
                AS labels
         FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
         WHERE t.typtype = 'e' AND {OURS} ORDER BY n.nspname COLLATE \"C\", t.typname COLLATE \"C\""
    )
}

fn ranges(reader: &Reader<'_>) -> String {
    let multirange = reader.since(14, "format_type(r.rngmultitypid, NULL)", "NULL::text");
    format!(
        "SELECT t.oid, n.nspname::text AS namespace, t.typname::text AS name,
            pg_get_userbyid(t.typowner)::text AS owner, format_type(r.rngsubtype, NULL) AS subtype,
            CASE WHEN NOT o.opcdefault THEN quote_ident(opn.nspname) || '.' || quote_ident(o.opcname) END AS class,
            CASE WHEN r.rngcollation <> s.typcollation
                THEN quote_ident(cn.nspname) || '.' || quote_ident(co.collname) END AS collation,
            nullif(r.rngcanonical::oid, 0)::regproc::text AS canonical,
            nullif(r.rngsubdiff::oid, 0)::regproc::text AS difference, {multirange} AS multirange
         FROM pg_range r JOIN pg_type t ON t.oid = r.rngtypid JOIN pg_namespace n ON n.oid = t.typnamespace
            JOIN pg_type s ON s.oid = r.rngsubtype
            JOIN pg_opclass o ON o.oid = r.rngsubopc JOIN pg_namespace opn ON opn.oid = o.opcnamespace
            LEFT JOIN pg_collation co ON co.oid = r.rngcollation
            LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
         WHERE {OURS} ORDER BY n.nspname COLLATE \"C\", t.typname COLLATE \"C\""
    )
}

fn composites() -> String {
    format!(
        "SELECT t.oid, t.typrelid, n.nspname::text AS namespace, t.typname::text AS name,
            pg_get_userbyid(t.typowner)::text AS owner
         FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_class c ON c.oid = t.typrelid
         WHERE c.relkind = 'c' AND {OURS} ORDER BY n.nspname COLLATE \"C\", t.typname COLLATE \"C\""
    )
}

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("types", &all(reader)).await? {
        let own = (class::TYPE, get(&row, "oid")?);
        let relation: u32 = get(&row, "typrelid")?;
        let other: Option<u32> = get::<Option<u32>>(&row, "element")?
            .or(get::<Option<u32>>(&row, "range")?.filter(|oid| *oid != 0));
        if relation != 0 {
            reader.alias.insert(own, (class::CLASS, relation));
        } else if let Some(other) = other {
            reader.alias.insert(own, (class::TYPE, other));
        }
    }
    for row in reader.rows("enums", &enums()).await? {
        let oid = get(&row, "oid")?;
        if reader.is_member(class::TYPE, oid) {
            continue;
        }
        let (namespace, name): (String, String) = (get(&row, "namespace")?, get(&row, "name")?);
        let labels: Vec<String> = get(&row, "labels")?;
        let labels: Vec<String> = labels.iter().map(|label| format!("    {}", lit(label))).collect();
        let list = if labels.is_empty() { String::new() } else { format!("\n{}\n", labels.join(",\n")) };
        let definition = format!("CREATE TYPE {} AS ENUM ({list});\n", qual(&namespace, &name));
        add(
            reader,
            (class::TYPE, oid),
            Kind::Enum,
            (&namespace, &name),
            definition,
            &get::<String>(&row, "owner")?,
        );
    }
    for row in reader.rows("range types", &ranges(reader)).await? {
        let oid = get(&row, "oid")?;
        if reader.is_member(class::TYPE, oid) {
            continue;
        }
        let (namespace, name): (String, String) = (get(&row, "namespace")?, get(&row, "name")?);
        let mut list = vec![format!("    SUBTYPE = {}", get::<String>(&row, "subtype")?)];
        let canonical: Option<String> = get(&row, "canonical")?;
        let circular = canonical.is_some();
        for (word, value) in [
            ("MULTIRANGE_TYPE_NAME", get(&row, "multirange")?),
            ("SUBTYPE_OPCLASS", get(&row, "class")?),
            ("COLLATION", get(&row, "collation")?),
            ("CANONICAL", canonical),
            ("SUBTYPE_DIFF", get(&row, "difference")?),
        ] {
            list.extend(value.map(|value| format!("    {word} = {value}")));
        }
        let definition =
            format!("CREATE TYPE {} AS RANGE (\n{}\n);\n", qual(&namespace, &name), list.join(",\n"));
        let owner: String = get(&row, "owner")?;
        let place = add(reader, (class::TYPE, oid), Kind::RangeType, (&namespace, &name), definition, &owner);
        if circular {
            shell(reader, place);
        }
    }
    Ok(())
}

pub(super) async fn read_composite(reader: &mut Reader<'_>, columns: &Columns) -> Result<()> {
    for row in reader.rows("composite types", &composites()).await? {
        let (oid, relation): (u32, u32) = (get(&row, "oid")?, get(&row, "typrelid")?);
        if reader.is_member(class::TYPE, oid) {
            continue;
        }
        let (namespace, name): (String, String) = (get(&row, "namespace")?, get(&row, "name")?);
        let list: Vec<String> = columns
            .rows(relation)
            .iter()
            .map(|column| format!("    {} {}{}", ident(&column.name), column.data_type, column.collate()))
            .collect();
        let list = if list.is_empty() { String::new() } else { format!("\n{}\n", list.join(",\n")) };
        let definition = format!("CREATE TYPE {} AS ({list});\n", qual(&namespace, &name));
        let owner: String = get(&row, "owner")?;
        let key = (class::CLASS, relation);
        let place = add(reader, key, Kind::CompositeType, (&namespace, &name), definition, &owner);
        // Comments and privileges are recorded on the type, dependencies on the relation.
        reader.places.insert((class::TYPE, oid), place);
    }
    Ok(())
}

fn add(
    reader: &mut Reader<'_>,
    key: (u32, u32),
    kind: Kind,
    (namespace, name): (&str, &str),
    definition: String,
    owner: &str,
) -> usize {
    let target = format!("TYPE {}", qual(namespace, name));
    let node = Node::new(id(kind, namespace, "", name), Section::PreData, target, definition).owned(owner);
    reader.add(key, node)
}
