use super::reader::{Node, Reader, class, id};
use super::sql::{OURS, get, ident};
use crate::{Kind, Result, Section};

/// An operator without a function is no more than a mention by another, whose definition makes it again.
fn query() -> String {
    let other = |column: &str| {
        format!(
            "(SELECT 'OPERATOR(' || quote_ident(on_.nspname) || '.' || x.oprname || ')' FROM pg_operator x
                JOIN pg_namespace on_ ON on_.oid = x.oprnamespace WHERE x.oid = o.{column})"
        )
    };
    format!(
        "SELECT o.oid, n.nspname::text AS namespace, o.oprname::text AS name,
            pg_get_userbyid(o.oprowner)::text AS owner, o.oprcode::oid <> 0 AS defined,
            CASE WHEN o.oprleft <> 0 THEN format_type(o.oprleft, NULL) END AS left,
            CASE WHEN o.oprright <> 0 THEN format_type(o.oprright, NULL) END AS right,
            nullif(o.oprcode::oid, 0)::regproc::text AS function, {} AS commutator, {} AS negator,
            nullif(o.oprrest::oid, 0)::regproc::text AS restrict, nullif(o.oprjoin::oid, 0)::regproc::text AS join,
            o.oprcanhash, o.oprcanmerge,
            ARRAY(SELECT x.oid FROM pg_operator x WHERE x.oid IN (o.oprcom, o.oprnegate)) AS others,
            ARRAY(SELECT DISTINCT xn.nspname::text FROM pg_operator x JOIN pg_namespace xn ON xn.oid = x.oprnamespace
                WHERE x.oid IN (o.oprcom, o.oprnegate)) AS namespaces,
            EXISTS (SELECT FROM pg_operator x WHERE o.oid IN (x.oprcom, x.oprnegate) AND x.oprcode::oid <> 0) AS mentioned
         FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
         WHERE {OURS} ORDER BY n.nspname COLLATE \"C\", o.oprname COLLATE \"C\", o.oid",
        other("oprcom"),
        other("oprnegate")
    )
}

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("operators", &query()).await? {
        let oid = get(&row, "oid")?;
        if reader.is_member(class::OPERATOR, oid) {
            continue;
        }
        let (namespace, name): (String, String) = (get(&row, "namespace")?, get(&row, "name")?);
        let (left, right): (Option<String>, Option<String>) = (get(&row, "left")?, get(&row, "right")?);
        let or_none = |data_type: &Option<String>| data_type.clone().unwrap_or_else(|| "NONE".to_owned());
        let signature = format!("{name} ({}, {})", or_none(&left), or_none(&right));
        let Some(function) = get::<Option<String>>(&row, "function")? else {
            if !get::<bool>(&row, "mentioned")? {
                reader.leave_out(format!("operator {namespace}.{signature}"), "it has no function");
            }
            continue;
        };
        let mut list = vec![format!("FUNCTION = {function}")];
        for (word, value) in [
            ("LEFTARG", left),
            ("RIGHTARG", right),
            ("COMMUTATOR", get(&row, "commutator")?),
            ("NEGATOR", get(&row, "negator")?),
            ("RESTRICT", get(&row, "restrict")?),
            ("JOIN", get(&row, "join")?),
        ] {
            list.extend(value.map(|value| format!("{word} = {value}")));
        }
        for (word, column) in [("HASHES", "oprcanhash"), ("MERGES", "oprcanmerge")] {
            list.extend(get::<bool>(&row, column)?.then(|| word.to_owned()));
        }
        let definition =
            format!("CREATE OPERATOR {}.{name} (\n    {}\n);\n", ident(&namespace), list.join(",\n    "));
        let target = format!("OPERATOR {}.{signature}", ident(&namespace));
        let mut node =
            Node::new(id(Kind::Operator, &namespace, "", &signature), Section::PreData, target, definition)
                .owned(&get::<String>(&row, "owner")?);
        // What it mentions need not be there; the place for the mention has to.
        let namespaces: Vec<String> = get(&row, "namespaces")?;
        node.needs.extend(namespaces.iter().filter_map(|name| reader.namespaces.get(name)));
        for other in get::<Vec<u32>>(&row, "others")? {
            if reader.is_member(class::OPERATOR, other) {
                node.needs.extend(reader.find((class::OPERATOR, other)));
            }
        }
        reader.add((class::OPERATOR, oid), node);
    }
    Ok(())
}
