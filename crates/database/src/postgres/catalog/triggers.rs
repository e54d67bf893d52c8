use super::reader::{Node, Reader, class, id};
use super::sql::{OURS, complete, get, ident, qual};
use crate::{Kind, Result, Section};

/// Whether trigger `t` is the server's own; before 15 those that a partition has from its parent seem to be.
pub(super) fn internal(reader: &Reader<'_>) -> &'static str {
    reader.since(15, "t.tgisinternal", "(t.tgisinternal AND t.tgparentid = 0)")
}

/// Triggers of the user's, and those that a partition has from its parent where their state is another.
fn query(reader: &Reader<'_>) -> String {
    let internal = internal(reader);
    format!(
        "SELECT t.oid, t.tgrelid, n.nspname::text AS namespace, c.relname::text AS relation, t.tgname::text AS name,
            pg_get_triggerdef(t.oid, false) AS definition, t.tgenabled::text AS state,
            t.tgparentid <> 0 AS clone
         FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN pg_trigger p ON p.oid = t.tgparentid
         WHERE NOT {internal} AND {OURS} AND (t.tgparentid = 0 OR t.tgenabled <> p.tgenabled)
         ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\", t.tgname COLLATE \"C\""
    )
}

/// Foreign keys whose own triggers somebody switched off: they have no names that a statement could use.
fn silenced(reader: &Reader<'_>) -> String {
    let internal = internal(reader);
    format!(
        "SELECT DISTINCT n.nspname::text AS namespace, c.relname::text AS relation
         FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE {internal} AND t.tgparentid = 0 AND t.tgenabled <> 'O' AND {OURS} ORDER BY 1, 2"
    )
}

/// The word for a state of a trigger or rule; of the state that each is born with, none.
pub(super) fn state(letter: &str) -> Option<&'static str> {
    match letter {
        "D" => Some("DISABLE"),
        "R" => Some("ENABLE REPLICA"),
        "A" => Some("ENABLE ALWAYS"),
        _ => None,
    }
}

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("triggers", &query(reader)).await? {
        let (oid, table): (u32, u32) = (get(&row, "oid")?, get(&row, "tgrelid")?);
        let Some(&place) = reader.places.get(&(class::CLASS, table)) else { continue };
        if reader.is_member(class::CLASS, table) || reader.is_member(class::TRIGGER, oid) {
            continue;
        }
        let (namespace, relation): (String, String) = (get(&row, "namespace")?, get(&row, "relation")?);
        let (name, letter): (String, String) = (get(&row, "name")?, get(&row, "state")?);
        let qualified = qual(&namespace, &relation);
        let clone: bool = get(&row, "clone")?;
        let mut text = if clone { String::new() } else { complete(&get::<String>(&row, "definition")?) };
        let word = state(&letter).or_else(|| clone.then_some("ENABLE"));
        if let Some(word) = word {
            text.push_str(&format!("ALTER TABLE {qualified} {word} TRIGGER {};\n", ident(&name)));
        }
        let target = format!("TRIGGER {} ON {qualified}", ident(&name));
        let node =
            Node::new(id(Kind::Trigger, &namespace, &relation, &name), Section::PostData, target, text);
        let place = reader.add((class::TRIGGER, oid), node.needing([place]));
        if clone {
            reader.clones.push((place, oid));
        }
    }
    for row in reader.rows("triggers of foreign keys", &silenced(reader)).await? {
        let what = format!(
            "triggers of foreign keys of {}.{}",
            get::<String>(&row, "namespace")?,
            get::<String>(&row, "relation")?
        );
        reader.leave_out(what, "they are switched off, which a restored foreign key is not");
    }
    Ok(())
}
