use database::{Object, ObjectId};

use super::shape::{Reference, Shape};

/// More tables than this make a picture that nobody can read, and that Mermaid does not draw.
pub(super) const MOST: usize = 100;

/// An entity-relationship diagram (<https://mermaid.js.org/syntax/entityRelationshipDiagram.html>).
pub(super) fn diagram(tables: &[(&Object, Shape)]) -> String {
    let mut text = "```mermaid\nerDiagram\n".to_owned();
    for (object, shape) in tables {
        text.push_str(&format!("    {} {{\n", entity(&object.id)));
        for column in object.table.iter().flat_map(|table| &table.columns) {
            let is = |name: &String| name.eq_ignore_ascii_case(&column.name);
            let mut keys = Vec::new();
            if shape.primary.iter().any(is) {
                keys.push("PK");
            }
            if shape.references.iter().any(|reference| reference.columns.iter().any(is)) {
                keys.push("FK");
            }
            if shape.uniques.iter().any(|unique| unique.len() == 1 && is(&unique[0])) {
                keys.push("UK");
            }
            let line = format!("{} {} {}", word(&column.data_type), word(&column.name), keys.join(", "));
            text.push_str(&format!("        {}\n", line.trim_end()));
        }
        text.push_str("    }\n");
    }
    for (object, shape) in tables {
        for reference in &shape.references {
            let Some((target, _)) = tables.iter().find(|(other, _)| names(reference, &object.id, &other.id))
            else {
                continue;
            };
            let (one, many) = cardinality(object, shape, reference);
            let label = reference.columns.join(", ").replace('"', "'");
            let (from, to) = (entity(&target.id), entity(&object.id));
            text.push_str(&format!("    {from} {one}--{many} {to} : \"{label}\"\n"));
        }
    }
    text + "```\n"
}

/// Whether a reference in one table is to the other one.
pub(super) fn names(reference: &Reference, from: &ObjectId, to: &ObjectId) -> bool {
    let Some((name, outer)) = reference.table.split_last() else { return false };
    let namespace = outer.last().unwrap_or(&from.namespace);
    // SQLite and some servers take no notice of case.
    name.eq_ignore_ascii_case(&to.name) && (to.namespace.is_empty() || *namespace == to.namespace)
}

/// How many rows of the referenced table there are to one here, and how many here to one there.
fn cardinality(object: &Object, shape: &Shape, reference: &Reference) -> (&'static str, &'static str) {
    let columns = object.table.iter().flat_map(|table| &table.columns);
    let has = |list: &[String], name: &str| list.iter().any(|one| one.eq_ignore_ascii_case(name));
    let all = columns
        .filter(|column| has(&reference.columns, &column.name))
        .all(|column| column.not_null || has(&shape.primary, &column.name));
    let same = |key: &[String]| {
        !key.is_empty()
            && key.len() == reference.columns.len()
            && key.iter().all(|one| has(&reference.columns, one))
    };
    let alone = same(&shape.primary) || shape.uniques.iter().any(|unique| same(unique));
    (if all { "||" } else { "|o" }, if alone { "o|" } else { "o{" })
}

fn entity(id: &ObjectId) -> String {
    let name = match id.namespace.as_str() {
        "" | "public" => id.name.clone(),
        namespace => format!("{namespace}.{}", id.name),
    };
    let name: String = name.chars().map(|c| if c == '"' || c.is_control() { '_' } else { c }).collect();
    format!("\"{name}\"")
}

/// A word as an attribute may have it: Mermaid knows no quotes there.
fn word(text: &str) -> String {
    let mut word: String =
        text.chars().map(|c| if c.is_alphanumeric() || c == '_' { c } else { '_' }).collect();
    while word.contains("__") {
        word = word.replace("__", "_");
    }
    let word = word.trim_matches('_');
    match word.chars().next() {
        None => "any".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("_{word}"),
        Some(_) => word.to_owned(),
    }
}
