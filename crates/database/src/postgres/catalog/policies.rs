use super::reader::{Node, Reader, class, id};
use super::sql::{OURS, get, ident, qual};
use crate::{Kind, Result, Section};

/// The order in which the roles were given says nothing.
fn query() -> String {
    format!(
        "SELECT p.oid, p.polrelid, n.nspname::text AS namespace, c.relname::text AS relation, p.polname::text AS name,
            p.polpermissive, p.polcmd::text AS command,
            ARRAY(SELECT CASE WHEN o.role = 0 THEN NULL ELSE pg_get_userbyid(o.role)::text END
                FROM unnest(p.polroles) AS o(role) ORDER BY 1) AS roles,
            pg_get_expr(p.polqual, p.polrelid) AS visible, pg_get_expr(p.polwithcheck, p.polrelid) AS allowed
         FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE {OURS} ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\", p.polname COLLATE \"C\""
    )
}

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("policies", &query()).await? {
        let (oid, table): (u32, u32) = (get(&row, "oid")?, get(&row, "polrelid")?);
        let Some(&place) = reader.places.get(&(class::CLASS, table)) else { continue };
        if reader.is_member(class::CLASS, table) {
            continue;
        }
        let (namespace, relation): (String, String) = (get(&row, "namespace")?, get(&row, "relation")?);
        let name: String = get(&row, "name")?;
        let target = format!("POLICY {} ON {}", ident(&name), qual(&namespace, &relation));
        let mut text = format!("CREATE {target}");
        if !get::<bool>(&row, "polpermissive")? {
            text.push_str(" AS RESTRICTIVE");
        }
        match get::<String>(&row, "command")?.as_str() {
            "r" => text.push_str(" FOR SELECT"),
            "a" => text.push_str(" FOR INSERT"),
            "w" => text.push_str(" FOR UPDATE"),
            "d" => text.push_str(" FOR DELETE"),
            _ => {}
        }
        let roles: Vec<Option<String>> = get(&row, "roles")?;
        let roles: Vec<String> =
            roles.iter().map(|role| role.as_ref().map_or("PUBLIC".to_owned(), |role| ident(role))).collect();
        text.push_str(&format!(" TO {}", roles.join(", ")));
        for (column, word) in [("visible", "USING"), ("allowed", "WITH CHECK")] {
            if let Some(expression) = get::<Option<String>>(&row, column)? {
                text.push_str(&format!(" {word} ({expression})"));
            }
        }
        text.push_str(";\n");
        let node = Node::new(id(Kind::Policy, &namespace, &relation, &name), Section::PostData, target, text);
        reader.add((class::POLICY, oid), node.needing([place]));
    }
    Ok(())
}
