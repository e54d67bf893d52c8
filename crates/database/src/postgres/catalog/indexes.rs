use std::collections::HashMap;

use super::reader::{Node, Reader, class, each, id};
use super::sql::{OURS, get, ident, qual};
use crate::{Kind, Result, Section};

fn query() -> String {
    format!(
        "SELECT i.oid, x.indrelid, n.nspname::text AS namespace, i.relname::text AS name, c.relname::text AS relation,
            CASE WHEN NOT x.indisprimary THEN pg_get_indexdef(i.oid) ELSE '' END AS definition, pg_get_expr(x.indpred, x.indrelid) AS predicate,
            ts.spcname::text AS tablespace, i.relkind::text AS kind, x.indisvalid, x.indisready,
            x.indisclustered, x.indisreplident AND c.relreplident = 'i' AS identifies, h.inhparent AS parent,
            coalesce((SELECT min(k.oid::int8) FROM pg_constraint k WHERE k.conindid = i.oid
                AND k.conrelid = x.indrelid AND k.contype IN ('p', 'u', 'x')), 0) AS made_by
         FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
            JOIN pg_namespace n ON n.oid = i.relnamespace
            LEFT JOIN pg_tablespace ts ON ts.oid = i.reltablespace
            LEFT JOIN pg_inherits h ON h.inhrelid = i.oid
         WHERE c.relkind IN ('r', 'p', 'm') AND {OURS}
         ORDER BY n.nspname COLLATE \"C\", i.relname COLLATE \"C\""
    )
}

const STATISTICS: &str = "
    SELECT a.attrelid, a.attnum::int4 AS number, a.attstattarget::int4 AS target
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relkind IN ('i', 'I') AND a.attstattarget >= 0 AND a.attnum > 0 ORDER BY a.attrelid, a.attnum";

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    let mut statistics: HashMap<u32, Vec<(i32, i32)>> = HashMap::new();
    for row in reader.rows("statistics targets of indexes", STATISTICS).await? {
        let target = (get(&row, "number")?, get(&row, "target")?);
        statistics.entry(get(&row, "attrelid")?).or_default().push(target);
    }
    // Of partitioned ones, which may come after their partitions' own.
    let mut parents = HashMap::new();
    let mut attached = Vec::new();
    each(reader.client, "indexes", &query(), |row| {
        let (oid, table): (u32, u32) = (get(row, "oid")?, get(row, "indrelid")?);
        let (namespace, name): (String, String) = (get(row, "namespace")?, get(row, "name")?);
        let (qualified, relation) = (qual(&namespace, &name), get::<String>(row, "relation")?);
        if get::<String>(row, "kind")? == "I" {
            parents.insert(oid, qualified.clone());
        }
        let Some(&place) = reader.places.get(&(class::CLASS, table)) else { return Ok(()) };
        if reader.is_member(class::CLASS, table) || reader.is_member(class::CLASS, oid) {
            return Ok(());
        }
        let of_table = qual(&namespace, &relation);
        if get::<String>(row, "kind")? == "i"
            && !(get::<bool>(row, "indisvalid")? && get::<bool>(row, "indisready")?)
        {
            reader.leave_out(format!("index {namespace}.{name}"), "it is INVALID");
            return Ok(());
        }
        let mut details = String::new();
        for (number, target) in statistics.remove(&oid).unwrap_or_default() {
            details.push_str(&format!(
                "ALTER INDEX {qualified} ALTER COLUMN {number} SET STATISTICS {target};\n"
            ));
        }
        let made_by = u32::try_from(get::<i64>(row, "made_by")?).unwrap_or_default();
        let index = if made_by == 0 {
            let mut text = with_tablespace(row, &qualified)?;
            text.push_str(&details);
            if get(row, "indisclustered")? {
                text.push_str(&format!("ALTER TABLE {of_table} CLUSTER ON {};\n", ident(&name)));
            }
            if get::<Option<bool>>(row, "identifies")?.unwrap_or(false) {
                text.push_str(&format!(
                    "ALTER TABLE ONLY {of_table} REPLICA IDENTITY USING INDEX {};\n",
                    ident(&name)
                ));
            }
            let own = id(Kind::Index, &namespace, &relation, &name);
            let node = Node::new(own, Section::PostData, format!("INDEX {qualified}"), text).needing([place]);
            reader.add((class::CLASS, oid), node)
        } else {
            let Some(constraint) = reader.find((class::CONSTRAINT, made_by)) else { return Ok(()) };
            reader.nodes[constraint].object.definition.push_str(&details);
            constraint
        };
        if let Some(parent) = get::<Option<u32>>(row, "parent")? {
            attached.push((id(Kind::Attach, &namespace, "", &name), qualified, index, parent));
        }
        Ok(())
    })
    .await?;
    for (own, qualified, index, parent) in attached {
        let Some(parent_name) = parents.get(&parent) else { continue };
        let text = format!("ALTER INDEX {parent_name} ATTACH PARTITION {qualified};\n");
        let needs = [index].into_iter().chain(reader.find((class::CLASS, parent)));
        let node = Node::new(own, Section::PostData, String::new(), text).needing(needs);
        reader.add((class::NONE, 0), node);
    }
    Ok(())
}

/// The definition with the tablespace, which the server leaves out, before the condition.
fn with_tablespace(row: &tokio_postgres::Row, qualified: &str) -> Result<String> {
    let definition: String = get(row, "definition")?;
    let Some(tablespace) = get::<Option<String>>(row, "tablespace")? else {
        return Ok(format!("{definition};\n"));
    };
    let clause = format!(" TABLESPACE {}", ident(&tablespace));
    let condition =
        get::<Option<String>>(row, "predicate")?.map_or_else(String::new, |text| format!(" WHERE {text}"));
    Ok(match definition.strip_suffix(&condition) {
        Some(start) => format!("{start}{clause}{condition};\n"),
        None => format!("{definition};\nALTER INDEX {qualified} SET{clause};\n"),
    })
}
