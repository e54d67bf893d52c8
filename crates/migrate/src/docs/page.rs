use std::fmt::Write as _;

use database::script;
use database::{Engine, Generated, Kind, Object, ObjectId, Schema};

use crate::engine::without_definer;

use super::diagram::{self, diagram};
use super::shape::Shape;

/// The page of a schema: a diagram, each table with its columns, keys, indexes and triggers, then views, types, routines
/// and what else is there. Equal schemas give equal pages; no server's version, size or time is in it.
pub fn page(engine: Engine, schema: &Schema, title: &str) -> String {
    let is_table = |object: &&Object| matches!(object.id.kind, Kind::Table | Kind::ForeignTable);
    let mut tables: Vec<(&Object, Shape)> = schema
        .objects
        .iter()
        .filter(is_table)
        .map(|object| (object, Shape::of(engine, schema, &object.id)))
        .collect();
    let sql = |definition: &str| statements(engine, definition);
    tables.sort_by(|(one, _), (other, _)| one.id.cmp(&other.id));
    let mut page = format!("# {}\n\n", plain(title));
    let _ = writeln!(page, "{}\n", counts(schema));
    if !tables.is_empty() && tables.len() <= diagram::MOST {
        page.push_str(&diagram(&tables));
        page.push('\n');
    }
    if !tables.is_empty() {
        page.push_str("## Tables\n\n");
    }
    for (object, shape) in &tables {
        table(&mut page, schema, (object, shape), &tables, &sql);
    }
    const REST: &[(&str, &[Kind])] = &[
        ("Views", &[Kind::View, Kind::MaterializedView]),
        ("Types", &[Kind::Enum, Kind::Domain, Kind::CompositeType, Kind::RangeType, Kind::BaseType]),
        ("Sequences", &[Kind::Sequence]),
        ("Routines", &[Kind::Function, Kind::Procedure, Kind::Aggregate, Kind::Package]),
        ("Events", &[Kind::Event, Kind::EventTrigger]),
        ("Virtual tables", &[Kind::VirtualTable]),
        ("Extensions", &[Kind::Extension]),
    ];
    for (heading, kinds) in REST {
        let objects: Vec<&Object> = schema
            .objects
            .iter()
            .filter(|object| kinds.contains(&object.id.kind) && !object.definition.is_empty())
            .collect();
        if objects.is_empty() {
            continue;
        }
        let _ = writeln!(page, "## {heading}\n");
        for object in objects {
            let _ = writeln!(page, "### {}\n", plain(&name(&object.id)));
            // A view may have been made without its body first, for others that need it.
            let body = ObjectId { kind: Kind::ViewBody, ..object.id.clone() };
            let object = schema.get(&body).unwrap_or(object);
            fenced(&mut page, &sql(&object.definition));
        }
    }
    page.truncate(page.trim_end().len());
    page + "\n"
}

/// A line such as `35 tables, 2 views`.
fn counts(schema: &Schema) -> String {
    let mut counted = std::collections::BTreeMap::<Kind, usize>::new();
    for object in &schema.objects {
        let steps = [Kind::ViewBody, Kind::ShellType, Kind::OwnedBy, Kind::Refresh, Kind::EventState];
        if !object.definition.is_empty() && !steps.contains(&object.id.kind) {
            *counted.entry(object.id.kind).or_default() += 1;
        }
    }
    let word = |kind: Kind| {
        serde_json::to_value(kind)
            .ok()
            .and_then(|word| Some(word.as_str()?.replace('-', " ")))
            .unwrap_or_default()
    };
    let counts = counted.into_iter().map(|(kind, count)| format!("{}: {count}", word(kind)));
    match counts.collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => "The database holds nothing.".to_owned(),
        counts => counts,
    }
}

/// The statements of a definition, without those that only prepare the session for it.
fn statements(engine: Engine, definition: &str) -> String {
    let Ok(statements) = script::split(engine, definition) else { return definition.to_owned() };
    let says = statements.iter().map(|statement| statement.text).filter(|text| {
        let mut words = text.split_whitespace().map(str::to_ascii_uppercase);
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        !(matches!(first.as_str(), "SET" | "DROP") || first == "ALTER" && second == "DATABASE")
    });
    says.map(|text| format!("{};\n", without_definer(engine, text))).collect()
}

fn table(
    page: &mut String,
    schema: &Schema,
    (object, shape): (&Object, &Shape),
    tables: &[(&Object, Shape)],
    sql: &dyn Fn(&str) -> String,
) {
    let _ = writeln!(page, "### {}\n", plain(&name(&object.id)));
    if let Some(comment) = &shape.comment {
        let _ = writeln!(page, "{}\n", plain(comment));
    }
    page.push_str(
        "| column | type | null | default | key | comment |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for column in object.table.iter().flat_map(|table| &table.columns) {
        let is = |one: &String| one.eq_ignore_ascii_case(&column.name);
        let mut keys: Vec<String> =
            shape.primary.iter().any(is).then(|| "primary".to_owned()).into_iter().collect();
        keys.extend(shape.uniques.iter().any(|unique| unique.iter().any(is)).then(|| "unique".to_owned()));
        for reference in shape.references.iter().filter(|reference| reference.columns.iter().any(is)) {
            let to = tables.iter().find(|(other, _)| diagram::names(reference, &object.id, &other.id));
            let to = to.map_or_else(|| reference.table.join("."), |(other, _)| name(&other.id));
            keys.push(format!("→ {to}"));
        }
        let default = match (&column.default, column.generated) {
            // MySQL's catalogs give no expression there, and a default of NULL where there is none.
            (Some(text), Some(_)) if text != "NULL" => format!("generated: {}", code(text)),
            (_, Some(Generated::Stored)) => "generated, stored".to_owned(),
            (_, Some(Generated::Virtual)) => "generated".to_owned(),
            (Some(text), None) if text != "NULL" => code(text),
            (_, None) => String::new(),
        };
        let comment = shape.comments.iter().find(|(other, _)| is(other)).map(|(_, text)| plain(text));
        let null = if column.not_null || shape.primary.iter().any(is) { "no" } else { "yes" };
        let _ = writeln!(
            page,
            "| {} | {} | {null} | {default} | {} | {} |",
            plain(&column.name),
            code(&column.data_type),
            plain(&keys.join(", ")),
            comment.unwrap_or_default()
        );
    }
    page.push('\n');
    let mut lines = Vec::new();
    for reference in &shape.references {
        let name = reference.name.as_ref().map(|name| format!(" {}", plain(name))).unwrap_or_default();
        let to = match reference.to.as_slice() {
            [] => String::new(),
            columns => format!(" ({})", plain(&columns.join(", "))),
        };
        let text = format!(
            "foreign key{name}: ({}) → {}{to} {}",
            plain(&reference.columns.join(", ")),
            plain(&reference.table.join(".")),
            reference.actions
        );
        lines.push(text.trim_end().to_owned());
    }
    lines.extend(shape.indexes.iter().map(|index| format!("index: {}", code(index))));
    lines.extend(shape.checks.iter().map(|check| format!("check: {}", code(check))));
    for other in &schema.objects {
        let belongs = other.id.namespace == object.id.namespace && other.id.of == object.id.name;
        let word = match other.id.kind {
            Kind::Index => "index",
            Kind::Trigger => "trigger",
            Kind::Policy => "policy",
            Kind::Rule => "rule",
            Kind::Constraint if !says_key(&other.definition) => "constraint",
            _ => continue,
        };
        if belongs && !other.definition.is_empty() {
            lines.push(format!("{word} {}: {}", plain(&other.id.name), code(&sql(&other.definition))));
        }
    }
    for line in &lines {
        let _ = writeln!(page, "- {line}");
    }
    if !lines.is_empty() {
        page.push('\n');
    }
}

/// Whether a constraint stands in the table of columns already.
fn says_key(definition: &str) -> bool {
    [" PRIMARY KEY (", " UNIQUE (", " CHECK ("].iter().any(|word| definition.contains(word))
}

fn name(id: &ObjectId) -> String {
    match id.namespace.as_str() {
        "" => id.name.clone(),
        namespace => format!("{namespace}.{}", id.name),
    }
}

/// Text in which nothing is Markdown, on one line.
fn plain(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.split_whitespace().collect::<Vec<_>>().join(" ").chars() {
        if matches!(letter, '\\' | '|' | '`' | '*' | '[' | ']' | '<' | '>' | '#' | '&' | '!') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

/// Code on one line, also in a cell of a table, where a bar ends the cell even in code.
fn code(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    let text = text.trim_end_matches(';');
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let ticks = "`".repeat(longest + 1);
    match longest {
        0 => format!("{ticks}{text}{ticks}"),
        _ => format!("{ticks} {text} {ticks}"),
    }
}

/// Code as a block of its own.
fn fenced(page: &mut String, text: &str) {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let _ = write!(page, "{fence}sql\n{}\n{fence}\n\n", text.trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_name_is_markdown() {
        assert_eq!(plain("a|b\n# c `d` <i>"), "a\\|b \\# c \\`d\\` \\<i\\>");
        assert_eq!(code("a | b;\n"), "`a \\| b`");
        assert_eq!(code("x `y` z"), "`` x `y` z ``");
    }
}
