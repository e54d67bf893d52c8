use std::collections::HashMap;

use super::reader::{Entry, Node, Pieces, Reader, class, id};
use super::sql::{OURS, get, ident, qual};
use crate::{Kind, Result, Section};

fn domains() -> String {
    format!(
        "SELECT t.oid, n.nspname::text AS namespace, t.typname::text AS name,
            pg_get_userbyid(t.typowner)::text AS owner, format_type(t.typbasetype, t.typtypmod) AS base,
            CASE WHEN t.typcollation <> b.typcollation
                THEN quote_ident(cn.nspname) || '.' || quote_ident(co.collname) END AS collation,
            coalesce(pg_get_expr(t.typdefaultbin, 0), quote_literal(t.typdefault)) AS expression, t.typnotnull
         FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_type b ON b.oid = t.typbasetype
            LEFT JOIN pg_collation co ON co.oid = t.typcollation
            LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
         WHERE t.typtype = 'd' AND {OURS} ORDER BY n.nspname COLLATE \"C\", t.typname COLLATE \"C\""
    )
}

/// Since 17 they have names.
const REFUSALS: &str = "
    SELECT k.oid, k.contypid, k.conname::text AS name FROM pg_constraint k
    WHERE k.contypid <> 0 AND k.contype = 'n'";

const CHECKS: &str = "
    SELECT k.oid, k.contypid, k.conname::text AS name, pg_get_constraintdef(k.oid) AS definition, k.convalidated
    FROM pg_constraint k WHERE k.contypid <> 0 AND k.contype = 'c' ORDER BY k.conname COLLATE \"C\"";

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    let mut checks: HashMap<u32, Vec<(u32, String, String, bool)>> = HashMap::new();
    for row in reader.rows("constraints of domains", CHECKS).await? {
        let check =
            (get(&row, "oid")?, get(&row, "name")?, get(&row, "definition")?, get(&row, "convalidated")?);
        checks.entry(get(&row, "contypid")?).or_default().push(check);
    }
    let mut refusals: HashMap<u32, (u32, String)> = HashMap::new();
    for row in reader.rows("constraints of domains", REFUSALS).await? {
        refusals.insert(get(&row, "contypid")?, (get(&row, "oid")?, get(&row, "name")?));
    }
    for row in reader.rows("domains", &domains()).await? {
        let oid = get(&row, "oid")?;
        if reader.is_member(class::TYPE, oid) {
            continue;
        }
        let (namespace, name): (String, String) = (get(&row, "namespace")?, get(&row, "name")?);
        let qualified = qual(&namespace, &name);
        let mut head = format!("CREATE DOMAIN {qualified} AS {}", get::<String>(&row, "base")?);
        if let Some(collation) = get::<Option<String>>(&row, "collation")? {
            head.push_str(&format!(" COLLATE {collation}"));
        }
        if let Some(expression) = get::<Option<String>>(&row, "expression")? {
            head.push_str(&format!(" DEFAULT {expression}"));
        }
        let refusal = refusals.remove(&oid);
        if get(&row, "typnotnull")? {
            if let Some((_, refusal)) = &refusal {
                head.push_str(&format!(" CONSTRAINT {}", ident(refusal)));
            }
            head.push_str(" NOT NULL");
        }
        let target = format!("DOMAIN {qualified}");
        let node =
            Node::new(id(Kind::Domain, &namespace, "", &name), Section::PreData, target, String::new())
                .owned(&get::<String>(&row, "owner")?)
                .granted_on("TYPE", &qualified);
        let domain = reader.add((class::TYPE, oid), node);
        if let Some((oid, refusal)) = refusal {
            let own = id(Kind::Constraint, &namespace, &name, &refusal);
            let target = format!("CONSTRAINT {} ON DOMAIN {qualified}", ident(&refusal));
            let mut node = Node::new(own, Section::PreData, target, String::new());
            node.part_of = Some(domain);
            reader.add((class::CONSTRAINT, oid), node);
        }
        let mut entries = Vec::new();
        for (check, constraint, definition, validated) in checks.remove(&oid).unwrap_or_default() {
            let section = if validated { Section::PreData } else { Section::PostData };
            let quoted = ident(&constraint);
            let mut node = Node::new(
                id(Kind::Constraint, &namespace, &name, &constraint),
                section,
                format!("CONSTRAINT {quoted} ON DOMAIN {qualified}"),
                format!("ALTER DOMAIN {qualified} ADD CONSTRAINT {quoted} {definition};\n"),
            )
            .needing([domain]);
            node.part_of = Some(domain).filter(|_| validated);
            let place = reader.add((class::CONSTRAINT, check), node);
            if validated {
                let text = format!("\n    CONSTRAINT {quoted} {definition}");
                entries.push(Entry { part: Some((place, text)), ..Entry::default() });
            }
        }
        let pieces =
            Pieces { head, entries, list: false, typed: false, tail: ";\n".to_owned(), ..Pieces::default() };
        reader.put_pieces(domain, pieces);
    }
    Ok(())
}
