//! Types that C functions read and print, and names of types that are nothing else yet.

use std::collections::BTreeSet;

use tokio_postgres::Row;

use super::reader::{Node, Reader, class, id};
use super::sql::{OURS, get, lit, qual};
use crate::{Kind, Result, Section};

const FUNCTIONS: [(&str, &str); 8] = [
    ("INPUT", "typinput"),
    ("OUTPUT", "typoutput"),
    ("RECEIVE", "typreceive"),
    ("SEND", "typsend"),
    ("TYPMOD_IN", "typmodin"),
    ("TYPMOD_OUT", "typmodout"),
    ("ANALYZE", "typanalyze"),
    ("SUBSCRIPT", "typsubscript"),
];

/// Arrays come with their elements.
fn query(reader: &Reader<'_>) -> String {
    let functions = FUNCTIONS.map(|(_, column)| match column {
        "typsubscript" if reader.version < 140_000 => format!("NULL::text AS {column}"),
        _ => format!("nullif(t.{column}::oid, 0)::regproc::text AS {column}"),
    });
    format!(
        "SELECT t.oid, n.nspname::text AS namespace, t.typname::text AS name,
            pg_get_userbyid(t.typowner)::text AS owner, t.typisdefined AS defined, t.typlen::int4 AS length,
            t.typbyval AS by_value, {}, t.typcategory::text AS category, t.typispreferred AS preferred,
            t.typdelim::text AS delimiter, CASE WHEN t.typelem <> 0 THEN format_type(t.typelem, NULL) END AS element,
            t.typalign::text AS alignment, t.typstorage::text AS storage, t.typcollation <> 0 AS collatable,
            coalesce(pg_get_expr(t.typdefaultbin, 0), quote_literal(t.typdefault)) AS initial
         FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
         WHERE (t.typtype = 'b' OR t.typtype = 'p' AND NOT t.typisdefined)
            AND NOT EXISTS (SELECT FROM pg_type e WHERE e.oid = t.typelem AND e.typarray = t.oid) AND {OURS}
         ORDER BY n.nspname COLLATE \"C\", t.typname COLLATE \"C\"",
        functions.join(", ")
    )
}

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("base types", &query(reader)).await? {
        let oid = get(&row, "oid")?;
        if reader.is_member(class::TYPE, oid) {
            continue;
        }
        let (namespace, name): (String, String) = (get(&row, "namespace")?, get(&row, "name")?);
        let owner: String = get(&row, "owner")?;
        let target = format!("TYPE {}", qual(&namespace, &name));
        if !get::<bool>(&row, "defined")? {
            let own = id(Kind::ShellType, &namespace, "", &name);
            let definition = format!("CREATE {target};\n");
            let node = Node::new(own, Section::PreData, target, definition).owned(&owner);
            reader.add((class::TYPE, oid), node);
            continue;
        }
        let definition = format!("CREATE {target} (\n    {}\n);\n", details(&row)?.join(",\n    "));
        let node = Node::new(id(Kind::BaseType, &namespace, "", &name), Section::PreData, target, definition);
        let place = reader.add((class::TYPE, oid), node.owned(&owner));
        shell(reader, place);
    }
    Ok(())
}

fn details(row: &Row) -> Result<Vec<String>> {
    let length: i32 = get(row, "length")?;
    let mut list = Vec::new();
    if length >= 0 {
        list.push(format!("INTERNALLENGTH = {length}"));
    } else {
        list.push("INTERNALLENGTH = VARIABLE".to_owned());
    }
    for (word, column) in FUNCTIONS {
        let function: Option<String> = get(row, column)?;
        list.extend(function.map(|function| format!("{word} = {function}")));
    }
    if get(row, "collatable")? {
        list.push("COLLATABLE = true".to_owned());
    }
    for (word, column) in [("DEFAULT", "initial"), ("ELEMENT", "element")] {
        list.extend(get::<Option<String>>(row, column)?.map(|value| format!("{word} = {value}")));
    }
    let category: String = get(row, "category")?;
    if category != "U" {
        list.push(format!("CATEGORY = {}", lit(&category)));
    }
    if get(row, "preferred")? {
        list.push("PREFERRED = true".to_owned());
    }
    let delimiter: String = get(row, "delimiter")?;
    if delimiter != "," {
        list.push(format!("DELIMITER = {}", lit(&delimiter)));
    }
    list.push(format!(
        "ALIGNMENT = {}",
        match get::<String>(row, "alignment")?.as_str() {
            "c" => "char",
            "s" => "int2",
            "d" => "double",
            _ => "int4",
        }
    ));
    list.push(format!(
        "STORAGE = {}",
        match get::<String>(row, "storage")?.as_str() {
            "e" => "external",
            "x" => "extended",
            "m" => "main",
            _ => "plain",
        }
    ));
    if get(row, "by_value")? {
        list.push("PASSEDBYVALUE".to_owned());
    }
    Ok(list)
}

/// Gives a type whose definition names functions of the type itself a name to be there before them.
pub(super) fn shell(reader: &mut Reader<'_>, place: usize) {
    let own = &reader.nodes[place].object.id;
    let definition = format!("CREATE {};\n", reader.nodes[place].target);
    let own = id(Kind::ShellType, &own.namespace, "", &own.name);
    let shell = reader.add((class::NONE, 0), Node::new(own, Section::PreData, String::new(), definition));
    reader.nodes[place].needs.insert(shell);
    reader.shells.push((place, shell));
}

/// The functions that such a type is made from need its name only.
pub(super) fn part_from_shells(reader: &mut Reader<'_>) {
    for (place, shell) in std::mem::take(&mut reader.shells) {
        let mut below = BTreeSet::from([place]);
        let mut queue = vec![place];
        while let Some(next) = queue.pop() {
            queue.extend(reader.nodes[next].needs.iter().copied().filter(|need| below.insert(*need)));
        }
        for node in below.into_iter().filter(|below| *below != place) {
            let node = &mut reader.nodes[node];
            if node.object.id.kind == Kind::Function && node.needs.remove(&place) {
                node.needs.insert(shell);
            }
        }
    }
}
