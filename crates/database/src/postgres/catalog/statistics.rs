use super::reader::{Node, Reader, class, id};
use super::sql::{OURS, get, qual};
use crate::{Kind, Result, Section};

fn query() -> String {
    format!(
        "SELECT s.oid, s.stxrelid, n.nspname::text AS namespace, s.stxname::text AS name,
            pg_get_userbyid(s.stxowner)::text AS owner, pg_get_statisticsobjdef(s.oid) AS definition,
            coalesce(s.stxstattarget, -1)::int4 AS target
         FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
         WHERE {OURS} ORDER BY n.nspname COLLATE \"C\", s.stxname COLLATE \"C\""
    )
}

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("extended statistics", &query()).await? {
        let (oid, table): (u32, u32) = (get(&row, "oid")?, get(&row, "stxrelid")?);
        let Some(&place) = reader.places.get(&(class::CLASS, table)) else { continue };
        let (namespace, name): (String, String) = (get(&row, "namespace")?, get(&row, "name")?);
        let target = format!("STATISTICS {}", qual(&namespace, &name));
        let mut text = format!("{};\n", get::<String>(&row, "definition")?);
        let number: i32 = get(&row, "target")?;
        if number >= 0 {
            text.push_str(&format!("ALTER {target} SET STATISTICS {number};\n"));
        }
        let node = Node::new(id(Kind::Statistics, &namespace, "", &name), Section::PostData, target, text);
        reader.add((class::STATISTICS, oid), node.owned(&get::<String>(&row, "owner")?).needing([place]));
    }
    Ok(())
}
