use super::reader::{Node, Reader, class, id};
use super::sql::get;
use crate::{Kind, Result, Section};

const QUERY: &str = "
    SELECT l.oid, pg_get_userbyid(l.lomowner)::text AS owner FROM pg_largeobject_metadata l ORDER BY l.oid";

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("large objects", QUERY).await? {
        let oid: u32 = get(&row, "oid")?;
        let node = Node::new(
            id(Kind::LargeObject, "", "", &oid.to_string()),
            Section::Data,
            format!("LARGE OBJECT {oid}"),
            format!("SELECT pg_catalog.lo_create('{oid}');\n"),
        );
        reader.add((class::LARGE_OBJECT, oid), node.owned(&get::<String>(&row, "owner")?));
    }
    Ok(())
}
