use database::{Column, Engine, Kind, Object, ObjectId, script};

use super::super::parts::{Parts, columns};
use super::super::step::{Between, Change, InPlace, Statement, Unwritable};
use super::{ident, qualified};

/// The labels of an enum as literals, in order.
fn labels(definition: &str) -> Vec<String> {
    let lexemes = script::lexemes(Engine::Postgres, definition).unwrap_or_default();
    let texts = lexemes.iter().filter(|lexeme| lexeme.kind == script::LexemeKind::Text);
    texts.map(|lexeme| lexeme.text.to_owned()).collect()
}

/// Whether a label goes, or their order changes: then the columns get a new type.
fn is_replaced(old: &Object, new: &Object) -> bool {
    let (before, after) = (labels(&old.definition), labels(&new.definition));
    !after.iter().filter(|label| before.contains(label)).eq(before.iter())
}

/// The checks of a table, each with its name, that compare with the labels of a type that is replaced: they go before that.
pub(super) fn checks_in_the_way(table: &Object, between: Between<'_>) -> Vec<(String, String)> {
    let Some(parts) = Parts::of(Engine::Postgres, &table.definition) else { return Vec::new() };
    let replaced = |need: &&ObjectId| {
        let (old, new) = (between.old.get(need), between.new.get(need));
        need.kind == Kind::Enum && old.zip(new).is_some_and(|(old, new)| is_replaced(old, new))
    };
    let types: Vec<&ObjectId> = table.depends_on.iter().filter(replaced).collect();
    let compares = |clause: &str| {
        let lexemes = script::lexemes(Engine::Postgres, clause).unwrap_or_default();
        let names: Vec<String> = lexemes.iter().filter_map(script::Lexeme::identifier).collect();
        types.iter().any(|id| names.contains(&id.name))
    };
    parts.others.into_iter().filter(|(_, clause)| compares(clause)).collect()
}

/// New labels are added where they are; one that goes, or another order, takes a new type for the columns.
pub(super) fn change_enum(old: &Object, new: &Object, between: Between<'_>) -> Result<Change, Unwritable> {
    if is_replaced(old, new) {
        return Ok(Change::InPlace(replaced(old, new, between)));
    }
    let (before, after) = (labels(&old.definition), labels(&new.definition));
    let name = qualified(&old.id);
    let mut statements = Vec::new();
    for (place, label) in after.iter().enumerate() {
        if before.contains(label) {
            continue;
        }
        let next = after[place..].iter().find(|next| before.contains(next));
        let at = match (place.checked_sub(1).and_then(|place| after.get(place)), next) {
            (Some(previous), _) => format!(" AFTER {previous}"),
            (None, Some(next)) => format!(" BEFORE {next}"),
            (None, None) => String::new(),
        };
        statements.push(Statement::new(format!("ALTER TYPE {name} ADD VALUE {label}{at};\n")));
    }
    Ok(Change::InPlace(InPlace { statements, ..InPlace::default() }))
}

/// Each column gets the new type, whose labels are read from the texts of the old one's.
fn replaced(old: &Object, new: &Object, between: Between<'_>) -> InPlace {
    let name = qualified(&old.id);
    let aside = helpers::naming::cut_name(&old.id.name, "_dbm_old", 63);
    let mut statements = vec![
        Statement::new(format!("ALTER TYPE {name} RENAME TO {};\n", ident(&aside))),
        Statement::new(&new.definition),
    ];
    let mut disturbs = vec![old.id.clone()];
    let mut checks = Vec::new();
    let is_its = |data_type: &str| -> bool {
        let plain = data_type.replace('"', "");
        let own = format!("{}.{}", old.id.namespace, old.id.name).replace('"', "");
        plain == own || plain == format!("{own}[]")
    };
    for table in between.old.objects.iter().filter(|object| object.id.kind == Kind::Table) {
        let Some(after) = between.new.get(&table.id) else { continue };
        let parts = Parts::of(Engine::Postgres, &after.definition).unwrap_or_default();
        for (name, clause) in
            checks_in_the_way(table, between).into_iter().filter(|_| table.depends_on.contains(&old.id))
        {
            let on = qualified(&table.id);
            let gone = Statement::new(format!("ALTER TABLE {on} DROP CONSTRAINT {};\n", ident(&name)));
            if !statements.contains(&gone) {
                statements.push(gone);
                // One that is another one now comes with its table's own changes.
                let same = parts.other(&name) == Some(&clause);
                checks.extend(same.then(|| Statement::new(format!("ALTER TABLE {on}\n    ADD {clause};\n"))));
            }
        }
        for column in columns(table).iter().filter(|column| is_its(&column.data_type)) {
            let same = |other: &&Column| other.name == column.name && other.data_type == column.data_type;
            let wanted = columns(after).iter().find(|other| same(other));
            let (on, own) = (qualified(&table.id), ident(&column.name));
            let through = if column.data_type.ends_with("[]") { "text[]" } else { "text" };
            // What becomes something else is a text until then.
            let (to, cast) = match wanted {
                Some(wanted) => {
                    (wanted.data_type.as_str(), format!("{own}::{through}::{}", wanted.data_type))
                }
                None => (through, format!("{own}::{through}")),
            };
            let mut alter = |how: String| {
                statements.push(Statement::new(format!("ALTER TABLE {on} ALTER COLUMN {own} {how};\n")));
                statements.len() - 1
            };
            if column.default.is_some() {
                alter("DROP DEFAULT".to_owned());
            }
            let place = alter(format!("TYPE {to} USING {cast}"));
            if let Some(default) = wanted.and_then(|wanted| wanted.default.as_ref()) {
                alter(format!("SET DEFAULT {default}"));
            }
            if wanted.is_some() {
                statements[place].note = Some("fails where a row has a label that goes".to_owned());
            }
            disturbs.push(table.id.clone());
        }
    }
    statements.extend(checks);
    let gone = database::quote::qualified(Engine::Postgres, &[&old.id.namespace, &aside]);
    statements.push(Statement::new(format!("DROP TYPE {gone};\n")));
    InPlace { statements, disturbs, made_again: Vec::new() }
}
