use super::reader::{Node, Reader, class, id};
use super::sql::{OURS, get, lit, qual};
use crate::{Kind, Result, Section};

fn query() -> String {
    let function = |column: &str| {
        format!("CASE WHEN a.{column}::oid <> 0 THEN a.{column}::regproc::text END AS {column}")
    };
    let functions = FUNCTIONS.map(|(_, column)| function(column)).join(", ");
    format!(
        "SELECT p.oid, n.nspname::text AS namespace, p.proname::text AS name,
            pg_get_userbyid(p.proowner)::text AS owner, oidvectortypes(p.proargtypes) AS types,
            pg_get_function_arguments(p.oid) AS arguments,
            pg_get_function_identity_arguments(p.oid) AS identity, {functions},
            format_type(a.aggtranstype, NULL) AS type,
            CASE WHEN a.aggmtranstype <> 0 THEN format_type(a.aggmtranstype, NULL) END AS moving_type,
            nullif(a.aggtransspace, 0)::text AS space, nullif(a.aggmtransspace, 0)::text AS moving_space,
            a.agginitval AS initial, a.aggminitval AS moving_initial,
            a.aggfinalextra, a.aggmfinalextra, a.aggfinalmodify::text, a.aggmfinalmodify::text,
            a.aggkind::text, p.proparallel::text AS parallel,
            CASE WHEN a.aggsortop <> 0 THEN (SELECT 'OPERATOR(' || quote_ident(sn.nspname) || '.' || o.oprname || ')'
                FROM pg_operator o JOIN pg_namespace sn ON sn.oid = o.oprnamespace WHERE o.oid = a.aggsortop)
                END AS sort
         FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE {OURS} ORDER BY n.nspname COLLATE \"C\", p.proname COLLATE \"C\", oidvectortypes(p.proargtypes) COLLATE \"C\""
    )
}

const FUNCTIONS: [(&str, &str); 8] = [
    ("SFUNC", "aggtransfn"),
    ("FINALFUNC", "aggfinalfn"),
    ("COMBINEFUNC", "aggcombinefn"),
    ("SERIALFUNC", "aggserialfn"),
    ("DESERIALFUNC", "aggdeserialfn"),
    ("MSFUNC", "aggmtransfn"),
    ("MINVFUNC", "aggminvtransfn"),
    ("MFINALFUNC", "aggmfinalfn"),
];

/// How a final function treats the state, and what it is without a word: of ordered sets, it may change it.
fn modify(letter: &str, kind: &str) -> Option<&'static str> {
    match (letter, kind) {
        ("r", "n") | ("w", "h" | "o") => None,
        ("r", _) => Some("READ_ONLY"),
        ("s", _) => Some("SHAREABLE"),
        _ => Some("READ_WRITE"),
    }
}

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("aggregates", &query()).await? {
        let oid = get(&row, "oid")?;
        if reader.is_member(class::PROC, oid) {
            continue;
        }
        let (namespace, name): (String, String) = (get(&row, "namespace")?, get(&row, "name")?);
        let qualified = qual(&namespace, &name);
        let mut list = Vec::new();
        for (word, column) in FUNCTIONS {
            list.extend(get::<Option<String>>(&row, column)?.map(|function| format!("{word} = {function}")));
        }
        for (word, column) in [
            ("STYPE", "type"),
            ("MSTYPE", "moving_type"),
            ("SSPACE", "space"),
            ("MSSPACE", "moving_space"),
            ("SORTOP", "sort"),
        ] {
            list.extend(get::<Option<String>>(&row, column)?.map(|value| format!("{word} = {value}")));
        }
        for (word, column) in [("INITCOND", "initial"), ("MINITCOND", "moving_initial")] {
            list.extend(
                get::<Option<String>>(&row, column)?.map(|value| format!("{word} = {}", lit(&value))),
            );
        }
        let kind: String = get(&row, "aggkind")?;
        for (word, has, extra, letter) in [
            ("FINALFUNC", "aggfinalfn", "aggfinalextra", "aggfinalmodify"),
            ("MFINALFUNC", "aggmfinalfn", "aggmfinalextra", "aggmfinalmodify"),
        ] {
            if get(&row, extra)? {
                list.push(format!("{word}_EXTRA"));
            }
            if get::<Option<String>>(&row, has)?.is_some() {
                let letter: String = get(&row, letter)?;
                list.extend(modify(&letter, &kind).map(|how| format!("{word}_MODIFY = {how}")));
            }
        }
        if kind == "h" {
            list.push("HYPOTHETICAL".to_owned());
        }
        match get::<String>(&row, "parallel")?.as_str() {
            "s" => list.push("PARALLEL = SAFE".to_owned()),
            "r" => list.push("PARALLEL = RESTRICTED".to_owned()),
            _ => {}
        }
        let or_any = |arguments: String| if arguments.is_empty() { "*".to_owned() } else { arguments };
        let arguments = or_any(get(&row, "arguments")?);
        let identity: String = get(&row, "identity")?;
        let definition =
            format!("CREATE AGGREGATE {qualified}({arguments}) (\n    {}\n);\n", list.join(",\n    "));
        let types: String = get(&row, "types")?;
        let node = Node::new(
            id(Kind::Aggregate, &namespace, "", &format!("{name}({types})")),
            Section::PreData,
            format!("AGGREGATE {qualified}({})", or_any(identity)),
            definition,
        )
        .owned(&get::<String>(&row, "owner")?)
        // GRANT wants the types alone, also of an ordered set.
        .granted_on("FUNCTION", &format!("{qualified}({types})"));
        reader.add((class::PROC, oid), node);
    }
    Ok(())
}
