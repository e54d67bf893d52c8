use super::reader::{Node, Reader, class, id};
use super::sql::get;
use crate::{Kind, Result, Section};

/// A range type's cast to its multirange comes with it.
const QUERY: &str = "
    SELECT c.oid, format_type(c.castsource, NULL) AS source, format_type(c.casttarget, NULL) AS target,
        nullif(c.castfunc::oid, 0)::regprocedure::text AS function, c.castcontext::text AS context,
        c.castmethod::text AS method
    FROM pg_cast c WHERE c.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend d
        WHERE d.classid = 'pg_cast'::regclass AND d.objid = c.oid AND d.deptype = 'i')
    ORDER BY c.oid";

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("casts", QUERY).await? {
        let oid = get(&row, "oid")?;
        if reader.is_member(class::CAST, oid) {
            continue;
        }
        let (source, target): (String, String) = (get(&row, "source")?, get(&row, "target")?);
        let name = format!("{source} AS {target}");
        let how = match get::<Option<String>>(&row, "function")? {
            Some(function) => format!("WITH FUNCTION {function}"),
            None if get::<String>(&row, "method")? == "i" => "WITH INOUT".to_owned(),
            None => "WITHOUT FUNCTION".to_owned(),
        };
        let context = match get::<String>(&row, "context")?.as_str() {
            "a" => " AS ASSIGNMENT",
            "i" => " AS IMPLICIT",
            _ => "",
        };
        let definition = format!("CREATE CAST ({name}) {how}{context};\n");
        let node =
            Node::new(id(Kind::Cast, "", "", &name), Section::PreData, format!("CAST ({name})"), definition);
        reader.add((class::CAST, oid), node);
    }
    Ok(())
}
