use super::reader::{Node, Reader, class, id};
use super::sql::{get, ident};
use crate::{Kind, Result, Section};

const QUERY: &str = "
    SELECT m.oid, m.amname::text AS name, m.amtype::text AS type, m.amhandler::regproc::text AS handler
    FROM pg_am m WHERE m.oid >= 16384 ORDER BY m.amname COLLATE \"C\"";

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("access methods", QUERY).await? {
        let oid = get(&row, "oid")?;
        if reader.is_member(class::ACCESS_METHOD, oid) {
            continue;
        }
        let name: String = get(&row, "name")?;
        let kind = match get::<String>(&row, "type")?.as_str() {
            "i" => "INDEX",
            "t" => "TABLE",
            other => {
                let why = format!("dbm does not know its type `{other}`");
                reader.refuse(format!("access method {name}"), &why);
                continue;
            }
        };
        let target = format!("ACCESS METHOD {}", ident(&name));
        let definition =
            format!("CREATE {target} TYPE {kind} HANDLER {};\n", get::<String>(&row, "handler")?);
        let node = Node::new(id(Kind::AccessMethod, "", "", &name), Section::PreData, target, definition);
        reader.add((class::ACCESS_METHOD, oid), node);
    }
    Ok(())
}
