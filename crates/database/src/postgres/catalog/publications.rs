use super::reader::{Node, Reader, class, id};
use super::sql::{OURS, get, ident, lit, qual};
use crate::{Kind, Result, Section};

fn publications(reader: &Reader<'_>) -> String {
    let generated = reader.since(18, "p.pubgencols::text", "'n'");
    format!(
        "SELECT p.oid, p.pubname::text AS name, pg_get_userbyid(p.pubowner)::text AS owner, p.puballtables,
            p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot, {generated} AS generated
         FROM pg_publication p ORDER BY p.pubname COLLATE \"C\""
    )
}

fn tables(reader: &Reader<'_>) -> String {
    let columns = reader.since(
        15,
        "ARRAY(SELECT a.attname::text FROM unnest(r.prattrs::int2[]) WITH ORDINALITY AS o(number, place)
            JOIN pg_attribute a ON a.attrelid = r.prrelid AND a.attnum = o.number ORDER BY o.place)",
        "'{}'::text[]",
    );
    let filter = reader.since(15, "pg_get_expr(r.prqual, r.prrelid)", "NULL::text");
    format!(
        "SELECT r.oid, r.prpubid, r.prrelid, p.pubname::text AS publication, n.nspname::text AS namespace,
            c.relname::text AS name, {columns} AS columns, {filter} AS filter
         FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
            JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE {OURS} ORDER BY 4, n.nspname COLLATE \"C\", c.relname COLLATE \"C\""
    )
}

const NAMESPACES: &str = "
    SELECT s.oid, s.pnpubid, s.pnnspid, p.pubname::text AS publication, n.nspname::text AS namespace
    FROM pg_publication_namespace s JOIN pg_publication p ON p.oid = s.pnpubid
        JOIN pg_namespace n ON n.oid = s.pnnspid
    WHERE n.nspname <> 'dbm' ORDER BY 4, n.nspname COLLATE \"C\"";

/// What a publication holds is added to it one by one. All of it stands in the section whose statements run one
/// after the other, since each locks a table.
pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("publications", &publications(reader)).await? {
        let oid: u32 = get(&row, "oid")?;
        if reader.is_member(class::PUBLICATION, oid) {
            continue;
        }
        let name: String = get(&row, "name")?;
        let target = format!("PUBLICATION {}", ident(&name));
        let all = if get(&row, "puballtables")? { " FOR ALL TABLES" } else { "" };
        let mut published = Vec::new();
        for (column, word) in [
            ("pubinsert", "insert"),
            ("pubupdate", "update"),
            ("pubdelete", "delete"),
            ("pubtruncate", "truncate"),
        ] {
            if get(&row, column)? {
                published.push(word);
            }
        }
        let mut options = vec![format!("publish = {}", lit(&published.join(", ")))];
        if get(&row, "pubviaroot")? {
            options.push("publish_via_partition_root = true".to_owned());
        }
        match get::<String>(&row, "generated")?.as_str() {
            "n" => {}
            "s" => options.push("publish_generated_columns = stored".to_owned()),
            _ => reader.refuse_of(
                id(Kind::Publication, "", "", &name),
                format!("publication {name}"),
                "it publishes generated columns in an unknown way",
            ),
        }
        let text = format!("CREATE {target}{all} WITH ({});\n", options.join(", "));
        let node = Node::new(id(Kind::Publication, "", "", &name), Section::Final, target, text);
        reader.add((class::PUBLICATION, oid), node.owned(&get::<String>(&row, "owner")?));
    }
    for row in reader.rows("tables of publications", &tables(reader)).await? {
        let (publication, namespace, name): (String, String, String) =
            (get(&row, "publication")?, get(&row, "namespace")?, get(&row, "name")?);
        let columns: Vec<String> = get(&row, "columns")?;
        let mut text = format!("TABLE ONLY {}", qual(&namespace, &name));
        if !columns.is_empty() {
            let columns: Vec<String> = columns.iter().map(|column| ident(column)).collect();
            text.push_str(&format!(" ({})", columns.join(", ")));
        }
        if let Some(filter) = get::<Option<String>>(&row, "filter")? {
            text.push_str(&format!(" WHERE ({filter})"));
        }
        let own = id(Kind::PublicationTable, &namespace, &name, &publication);
        let key = (class::PUBLICATION_TABLE, get(&row, "oid")?);
        let needs = [(class::PUBLICATION, get(&row, "prpubid")?), (class::CLASS, get(&row, "prrelid")?)];
        member(reader, key, own, &publication, &text, needs);
    }
    if reader.version < 150_000 {
        return Ok(());
    }
    for row in reader.rows("namespaces of publications", NAMESPACES).await? {
        let (publication, namespace): (String, String) = (get(&row, "publication")?, get(&row, "namespace")?);
        let own = id(Kind::PublicationNamespace, "", &namespace, &publication);
        let key = (class::PUBLICATION_NAMESPACE, get(&row, "oid")?);
        let needs = [(class::PUBLICATION, get(&row, "pnpubid")?), (class::NAMESPACE, get(&row, "pnnspid")?)];
        member(reader, key, own, &publication, &format!("TABLES IN SCHEMA {}", ident(&namespace)), needs);
    }
    Ok(())
}

fn member(
    reader: &mut Reader<'_>,
    key: (u32, u32),
    own: crate::ObjectId,
    publication: &str,
    what: &str,
    needs: [(u32, u32); 2],
) {
    // The publication of an extension is filled by it.
    if !reader.places.contains_key(&needs[0]) {
        return;
    }
    let text = format!("ALTER PUBLICATION {} ADD {what};\n", ident(publication));
    let needs: Vec<usize> = needs.iter().filter_map(|key| reader.find(*key)).collect();
    reader.add(key, Node::new(own, Section::Final, String::new(), text).needing(needs));
}
