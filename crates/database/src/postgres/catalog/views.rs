use super::columns::Columns;
use super::reader::{Node, Reader, Text, class, id};
use super::sql::{OURS, complete, get, ident, options, qual};
use crate::{Kind, Result, Section, Table};

fn query() -> String {
    format!(
        "SELECT c.oid, n.nspname::text AS namespace, c.relname::text AS name, c.relkind::text AS kind,
            pg_get_userbyid(c.relowner)::text AS owner, coalesce(c.reloptions, '{{}}') AS options,
            am.amname::text AS method, ts.spcname::text AS tablespace, c.relispopulated,
            pg_get_viewdef(c.oid) AS definition,
            (SELECT w.oid FROM pg_rewrite w WHERE w.ev_class = c.oid AND w.rulename = '_RETURN') AS rule
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN pg_am am ON am.oid = c.relam LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
         WHERE c.relkind IN ('v', 'm') AND c.relpersistence <> 't' AND {OURS}
         ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\""
    )
}

pub(super) async fn read(reader: &mut Reader<'_>, columns: &Columns) -> Result<()> {
    for row in reader.rows("views", &query()).await? {
        let oid = get(&row, "oid")?;
        if reader.is_member(class::CLASS, oid) {
            continue;
        }
        let (namespace, name): (String, String) = (get(&row, "namespace")?, get(&row, "name")?);
        let qualified = qual(&namespace, &name);
        let body: String = complete(&get::<String>(&row, "definition")?);
        let with = options("", &get::<Vec<String>>(&row, "options")?);
        let with = if with.is_empty() { String::new() } else { format!(" WITH ({})", with.join(", ")) };
        if let Some(rule) = get::<Option<u32>>(&row, "rule")? {
            reader.alias.insert((class::REWRITE, rule), (class::CLASS, oid));
        }
        let materialized = get::<String>(&row, "kind")? == "m";
        let (kind, word) =
            if materialized { (Kind::MaterializedView, "MATERIALIZED VIEW") } else { (Kind::View, "VIEW") };
        let definition = if materialized {
            let mut text = format!("CREATE MATERIALIZED VIEW {qualified}");
            if let Some(method) = get::<Option<String>>(&row, "method")?.filter(|method| method != "heap") {
                text.push_str(&format!(" USING {}", ident(&method)));
            }
            text.push_str(&with);
            if let Some(tablespace) = get::<Option<String>>(&row, "tablespace")? {
                text.push_str(&format!(" TABLESPACE {}", ident(&tablespace)));
            }
            format!("{text} AS\n{}  WITH NO DATA;\n", body.trim_end_matches(";\n").to_owned() + "\n")
        } else {
            format!("CREATE VIEW {qualified}{with} AS\n{body}")
        };
        let target = format!("{word} {qualified}");
        let mut node = Node::new(id(kind, &namespace, "", &name), Section::PreData, target, definition)
            .owned(&get::<String>(&row, "owner")?)
            .granted_on("TABLE", &qualified);
        node.object.table =
            Some(Box::new(Table { handle: u64::from(oid), columns: columns.of(oid), ..Table::default() }));
        let rows = columns.rows(oid);
        if !materialized {
            let nulls: Vec<String> = rows
                .iter()
                .map(|column| {
                    format!("    NULL::{}{} AS {}", column.data_type, column.collate(), ident(&column.name))
                })
                .collect();
            node.text = Text::View {
                dummy: format!("CREATE VIEW {qualified} AS\n SELECT\n{};\n", nulls.join(",\n")),
                body: format!("CREATE OR REPLACE VIEW {qualified}{with} AS\n{body}"),
                types: rows.iter().map(|column| column.type_oid).collect(),
            };
        }
        let place = reader.add((class::CLASS, oid), node);
        let mut details = String::new();
        for column in rows {
            if materialized && column.target >= 0 {
                let how = format!("SET STATISTICS {}", column.target);
                details.push_str(&format!(
                    "ALTER TABLE ONLY {qualified} ALTER COLUMN {} {how};\n",
                    ident(&column.name)
                ));
            }
            let Some((oid, expression)) = column.default_oid.zip(column.expression.as_ref()) else {
                continue;
            };
            let text = format!(
                "ALTER TABLE ONLY {qualified} ALTER COLUMN {} SET DEFAULT {expression};\n",
                ident(&column.name)
            );
            let own = id(Kind::Default, &namespace, &name, &column.name);
            let node = Node::new(own, Section::PreData, String::new(), text).needing([place]);
            reader.add((class::ATTRDEF, oid), node);
        }
        reader.nodes[place].object.definition.push_str(&details);
        if materialized && get(&row, "relispopulated")? {
            let text = format!("REFRESH MATERIALIZED VIEW {qualified};\n");
            let node =
                Node::new(id(Kind::Refresh, &namespace, "", &name), Section::Final, String::new(), text);
            reader.add((class::NONE, 0), node.needing([place]));
        }
    }
    Ok(())
}
