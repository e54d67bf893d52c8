use super::reader::{Node, Reader, class, id};
use super::sql::{OURS, complete, get, qual};
use crate::{Kind, Result, Section};

fn query() -> String {
    format!(
        "SELECT p.oid, n.nspname::text AS namespace, p.proname::text AS name,
            pg_get_userbyid(p.proowner)::text AS owner, p.prokind::text AS kind,
            oidvectortypes(p.proargtypes) AS types, pg_get_function_identity_arguments(p.oid) AS arguments,
            pg_get_functiondef(p.oid) AS definition
         FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE p.prokind IN ('f', 'p', 'w') AND {OURS} AND NOT EXISTS (SELECT FROM pg_depend e
            WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype IN ('e', 'i'))
         ORDER BY n.nspname COLLATE \"C\", p.proname COLLATE \"C\", oidvectortypes(p.proargtypes) COLLATE \"C\""
    )
}

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("functions", &query()).await? {
        let oid = get(&row, "oid")?;
        let (namespace, name): (String, String) = (get(&row, "namespace")?, get(&row, "name")?);
        let (kind, word) = match get::<String>(&row, "kind")?.as_str() {
            "p" => (Kind::Procedure, "PROCEDURE"),
            _ => (Kind::Function, "FUNCTION"),
        };
        let signature = format!("{}({})", qual(&namespace, &name), get::<String>(&row, "arguments")?);
        let node = Node::new(
            id(kind, &namespace, "", &format!("{name}({})", get::<String>(&row, "types")?)),
            Section::PreData,
            format!("{word} {signature}"),
            complete(&get::<String>(&row, "definition")?),
        );
        reader.add((class::PROC, oid), node.owned(&get::<String>(&row, "owner")?));
    }
    Ok(())
}
