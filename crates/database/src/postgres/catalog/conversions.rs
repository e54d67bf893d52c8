use super::reader::{Node, Reader, class, id};
use super::sql::{OURS, get, lit, qual};
use crate::{Kind, Result, Section};

fn query() -> String {
    format!(
        "SELECT c.oid, n.nspname::text AS namespace, c.conname::text AS name,
            pg_get_userbyid(c.conowner)::text AS owner, pg_encoding_to_char(c.conforencoding)::text AS source,
            pg_encoding_to_char(c.contoencoding)::text AS target, c.conproc::regproc::text AS function, c.condefault
         FROM pg_conversion c JOIN pg_namespace n ON n.oid = c.connamespace
         WHERE {OURS} ORDER BY n.nspname COLLATE \"C\", c.conname COLLATE \"C\""
    )
}

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("conversions", &query()).await? {
        let oid = get(&row, "oid")?;
        if reader.is_member(class::CONVERSION, oid) {
            continue;
        }
        let (namespace, name): (String, String) = (get(&row, "namespace")?, get(&row, "name")?);
        let qualified = qual(&namespace, &name);
        let default = if get(&row, "condefault")? { "DEFAULT " } else { "" };
        let definition = format!(
            "CREATE {default}CONVERSION {qualified} FOR {} TO {} FROM {};\n",
            lit(&get::<String>(&row, "source")?),
            lit(&get::<String>(&row, "target")?),
            get::<String>(&row, "function")?
        );
        let target = format!("CONVERSION {qualified}");
        let node =
            Node::new(id(Kind::Conversion, &namespace, "", &name), Section::PreData, target, definition);
        reader.add((class::CONVERSION, oid), node.owned(&get::<String>(&row, "owner")?));
    }
    Ok(())
}
