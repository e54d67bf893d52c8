use std::collections::HashMap;

use super::reader::{Node, Reader, class, id};
use super::sql::{OURS, get, ident, options, qual};
use crate::{Kind, Result, Section};

fn checks_query() -> String {
    format!(
        "SELECT k.oid, k.conrelid, k.conname::text AS name, pg_get_constraintdef(k.oid) AS definition,
            k.convalidated, k.conislocal
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE k.contype = 'c' AND {OURS} ORDER BY k.conrelid, k.conname COLLATE \"C\""
    )
}

fn query() -> String {
    format!(
        "SELECT k.oid, k.conrelid, k.conindid, k.conname::text AS name, k.contype::text AS type,
            pg_get_constraintdef(k.oid) AS definition, k.condeferrable, k.condeferred, c.relkind::text AS kind,
            n.nspname::text AS namespace, c.relname::text AS relation, n.nspname::text AS namespace,
            coalesce(i.reloptions, '{{}}') AS options, ts.spcname::text AS tablespace,
            coalesce(x.indisclustered, false) AS clustered,
            coalesce(x.indisreplident AND c.relreplident = 'i', false) AS identifies
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN pg_class i ON i.oid = k.conindid AND k.contype IN ('p', 'u', 'x')
            LEFT JOIN pg_index x ON x.indexrelid = i.oid
            LEFT JOIN pg_tablespace ts ON ts.oid = i.reltablespace
         WHERE (k.contype IN ('p', 'u', 'x') OR k.contype = 'f' AND k.conparentid = 0) AND {OURS}
         ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\", k.conname COLLATE \"C\""
    )
}

/// Foreign keys that a partition has from above under another name: they come as `born`, as all of them do.
fn renamed() -> String {
    format!(
        "WITH RECURSIVE heirs AS (
            SELECT k.oid, k.oid AS root, k.conname AS born, k.conrelid FROM pg_constraint k
            WHERE k.contype = 'f' AND k.conparentid = 0
            UNION ALL SELECT k.oid, h.root, h.born, k.conrelid FROM pg_constraint k
            -- Those of the same table are the server's own, one for each partition that is referred to.
            JOIN heirs h ON k.conparentid = h.oid AND k.conrelid <> h.conrelid)
         SELECT k.oid, h.root, h.born::text AS born, k.conname::text AS name, k.conrelid,
            n.nspname::text AS namespace, c.relname::text AS relation,
            EXISTS (SELECT FROM pg_constraint o WHERE o.conrelid = k.conrelid AND o.conname = h.born) AS taken
         FROM heirs h JOIN pg_constraint k ON k.oid = h.oid JOIN pg_class c ON c.oid = k.conrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE k.conname <> h.born AND {OURS}
         ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\", k.conname COLLATE \"C\""
    )
}

/// Foreign keys that a partition has for itself, and those to the same table that tables above it have. One from above takes
/// an equal key of the partition's for its own if it finds one, so that a key that stands alone came after all of them.
fn alone() -> String {
    format!(
        "SELECT k.oid, a.oid AS above
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            CROSS JOIN LATERAL pg_partition_ancestors(k.conrelid) AS up(relation)
            JOIN pg_constraint a ON a.conrelid = up.relation AND a.conrelid <> k.conrelid
                AND a.contype = 'f' AND a.conparentid = 0 AND a.confrelid = k.confrelid
         WHERE k.contype = 'f' AND k.conparentid = 0 AND c.relispartition AND {OURS}"
    )
}

/// A check constraint of a table.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) oid: u32,
    pub(super) name: String,
    pub(super) definition: String,
    pub(super) validated: bool,
    pub(super) local: bool,
}

/// The check constraints, by the table's number.
pub(super) async fn checks(reader: &Reader<'_>) -> Result<HashMap<u32, Vec<Check>>> {
    let mut checks: HashMap<u32, Vec<Check>> = HashMap::new();
    for row in reader.rows("check constraints", &checks_query()).await? {
        checks.entry(get(&row, "conrelid")?).or_default().push(Check {
            oid: get(&row, "oid")?,
            name: get(&row, "name")?,
            definition: get(&row, "definition")?,
            validated: get(&row, "convalidated")?,
            local: get(&row, "conislocal")?,
        });
    }
    Ok(checks)
}

/// Keys, exclusions and foreign keys.
pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("constraints", &query()).await? {
        let (oid, table): (u32, u32) = (get(&row, "oid")?, get(&row, "conrelid")?);
        let Some(&place) = reader.places.get(&(class::CLASS, table)) else { continue };
        if reader.is_member(class::CLASS, table) {
            continue;
        }
        let (namespace, relation): (String, String) = (get(&row, "namespace")?, get(&row, "relation")?);
        let (name, kind): (String, String) = (get(&row, "name")?, get(&row, "type")?);
        let qualified = qual(&namespace, &relation);
        let target = format!("CONSTRAINT {} ON {qualified}", ident(&name));
        let definition: String = get(&row, "definition")?;
        // A foreign key of a partitioned table is always that of its partitions too.
        let partitioned = get::<String>(&row, "kind")? == "p";
        let only = if kind == "f" && partitioned { "" } else { "ONLY " };
        let mut text = format!("ALTER TABLE {only}{qualified}\n    ADD CONSTRAINT {} ", ident(&name));
        if kind == "f" {
            text.push_str(&format!("{definition};\n"));
            let node = Node::new(
                id(Kind::ForeignKey, &namespace, &relation, &name),
                Section::PostData,
                target,
                text,
            );
            reader.add((class::CONSTRAINT, oid), node.needing([place]));
            continue;
        }
        let index: u32 = get(&row, "conindid")?;
        let (list, tablespace) =
            (get::<Vec<String>>(&row, "options")?, get::<Option<String>>(&row, "tablespace")?);
        let list = options("", &list);
        let index_name = qual(&namespace, &name);
        if kind == "x" {
            // What an index is made with stands before the condition, which has no end that can be told.
            text.push_str(&format!("{definition};\n"));
            if !list.is_empty() {
                text.push_str(&format!("ALTER INDEX {index_name} SET ({});\n", list.join(", ")));
            }
            if let Some(tablespace) = tablespace {
                text.push_str(&format!("ALTER INDEX {index_name} SET TABLESPACE {};\n", ident(&tablespace)));
            }
        } else {
            let mut deferral = String::new();
            for (column, word) in [("condeferrable", " DEFERRABLE"), ("condeferred", " INITIALLY DEFERRED")] {
                if get(&row, column)? {
                    deferral.push_str(word);
                }
            }
            text.push_str(definition.strip_suffix(&deferral).unwrap_or(&definition));
            if !list.is_empty() {
                text.push_str(&format!(" WITH ({})", list.join(", ")));
            }
            if let Some(tablespace) = tablespace {
                text.push_str(&format!(" USING INDEX TABLESPACE {}", ident(&tablespace)));
            }
            text.push_str(&format!("{deferral};\n"));
        }
        if get(&row, "clustered")? {
            text.push_str(&format!("ALTER TABLE {qualified} CLUSTER ON {};\n", ident(&name)));
        }
        if get(&row, "identifies")? {
            text.push_str(&format!(
                "ALTER TABLE ONLY {qualified} REPLICA IDENTITY USING INDEX {};\n",
                ident(&name)
            ));
        }
        let node =
            Node::new(id(Kind::Constraint, &namespace, &relation, &name), Section::PostData, target, text);
        reader.add((class::CONSTRAINT, oid), node.needing([place]));
        reader.alias.insert((class::CLASS, index), (class::CONSTRAINT, oid));
    }
    for row in reader.rows("foreign keys of partitions alone", &alone()).await? {
        let [own, above] = ["oid", "above"].map(|column| get::<u32>(&row, column));
        let places = (reader.find((class::CONSTRAINT, own?)), reader.find((class::CONSTRAINT, above?)));
        if let (Some(own), Some(above)) = places {
            reader.nodes[own].needs.insert(above);
        }
    }
    rename(reader).await
}

/// Gives the foreign keys of partitions their names again.
async fn rename(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("foreign keys of partitions", &renamed()).await? {
        let (namespace, relation): (String, String) = (get(&row, "namespace")?, get(&row, "relation")?);
        let (born, name): (String, String) = (get(&row, "born")?, get(&row, "name")?);
        let (table, root): (u32, u32) = (get(&row, "conrelid")?, get(&row, "root")?);
        if get(&row, "taken")? {
            let what = format!("foreign key {namespace}.{relation}.{name}");
            let of = id(Kind::Table, &namespace, "", &relation);
            reader.refuse_of(
                of,
                what,
                "its partition has another constraint by the name that it has from above",
            );
            continue;
        }
        let needs = [(class::CLASS, table), (class::CONSTRAINT, root)].map(|key| reader.find(key));
        let qualified = qual(&namespace, &relation);
        let node = Node::new(
            id(Kind::ForeignKey, &namespace, &relation, &name),
            Section::PostData,
            format!("CONSTRAINT {} ON {qualified}", ident(&name)),
            format!("ALTER TABLE ONLY {qualified} RENAME CONSTRAINT {} TO {};\n", ident(&born), ident(&name)),
        );
        reader.add((class::CONSTRAINT, get(&row, "oid")?), node.needing(needs.into_iter().flatten()));
    }
    Ok(())
}
