use super::reader::{Node, Reader, class, id};
use super::sql::{OURS, get, ident};
use crate::{Kind, Result, Section};

fn query() -> String {
    format!(
        "SELECT n.oid, n.nspname::text AS name, pg_get_userbyid(n.nspowner)::text AS owner
         FROM pg_namespace n WHERE {OURS} ORDER BY n.nspname COLLATE \"C\""
    )
}

/// Who owns `public` where nobody changed it, since 15.
const OWNER_OF_PUBLIC: &str = "pg_database_owner";

/// The number of the namespace `public` that a database is born with; nothing else ever gets it.
const BORN_PUBLIC: u32 = 2200;

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("namespaces", &query()).await? {
        let (oid, name, owner): (u32, String, String) =
            (get(&row, "oid")?, get(&row, "name")?, get(&row, "owner")?);
        let key = (class::NAMESPACE, oid);
        // A namespace that came with an extension is its extension's; so are its privileges.
        let public = name == "public";
        let definition = if public { String::new() } else { format!("CREATE SCHEMA {};\n", ident(&name)) };
        let node = Node::new(
            id(Kind::Namespace, "", "", &name),
            Section::PreData,
            format!("SCHEMA {}", ident(&name)),
            definition,
        );
        let node = if public && owner == OWNER_OF_PUBLIC { node } else { node.owned(&owner) };
        let place = reader.add(key, node);
        reader.namespaces.insert(name, place);
    }
    if !reader.namespaces.contains_key("public") {
        // Every new database has one, so that it takes a statement not to have it. Nothing depends on it.
        let gone = Node::new(
            id(Kind::Namespace, "", "", "public"),
            Section::PreData,
            String::new(),
            "DROP SCHEMA IF EXISTS \"public\";\n".to_owned(),
        );
        reader.add((class::NAMESPACE, BORN_PUBLIC), gone);
    }
    Ok(())
}
