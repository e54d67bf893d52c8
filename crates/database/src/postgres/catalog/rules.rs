use super::reader::{Node, Reader, class, id};
use super::sql::{OURS, complete, get, ident, qual};
use super::triggers::state;
use crate::{Kind, Result, Section};

fn query() -> String {
    format!(
        "SELECT r.oid, r.ev_class, n.nspname::text AS namespace, c.relname::text AS relation, r.rulename::text AS name,
            pg_get_ruledef(r.oid) AS definition, r.ev_enabled::text AS state
         FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE r.rulename <> '_RETURN' AND {OURS}
         ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\", r.rulename COLLATE \"C\""
    )
}

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("rules", &query()).await? {
        let (oid, table): (u32, u32) = (get(&row, "oid")?, get(&row, "ev_class")?);
        let Some(&place) = reader.places.get(&(class::CLASS, table)) else { continue };
        if reader.is_member(class::CLASS, table) || reader.is_member(class::REWRITE, oid) {
            continue;
        }
        let (namespace, relation): (String, String) = (get(&row, "namespace")?, get(&row, "relation")?);
        let name: String = get(&row, "name")?;
        let qualified = qual(&namespace, &relation);
        let mut text = complete(&get::<String>(&row, "definition")?);
        if let Some(word) = state(&get::<String>(&row, "state")?) {
            text.push_str(&format!("ALTER TABLE {qualified} {word} RULE {};\n", ident(&name)));
        }
        let target = format!("RULE {} ON {qualified}", ident(&name));
        let node = Node::new(id(Kind::Rule, &namespace, &relation, &name), Section::PostData, target, text);
        reader.add((class::REWRITE, oid), node.needing([place]));
    }
    Ok(())
}
