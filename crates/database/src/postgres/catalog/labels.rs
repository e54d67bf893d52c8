//! Security labels, and how a statement names an object of any kind.

use super::reader::{Node, Reader, class, id};
use super::sql::{get, ident, lit};
use crate::{Kind, Result, Section};

const QUERY: &str = "
    SELECT s.classoid, s.objoid, s.provider, s.label, i.type, i.schema, i.identity
    FROM pg_seclabel s, LATERAL pg_identify_object(s.classoid, s.objoid, s.objsubid) AS i
    ORDER BY i.type, i.identity COLLATE \"C\", s.provider COLLATE \"C\"";

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("security labels", QUERY).await? {
        let (kind, identity, provider): (String, String, String) =
            (get(&row, "type")?, get(&row, "identity")?, get(&row, "provider")?);
        if get::<Option<String>>(&row, "schema")?.as_deref() == Some("dbm") || identity == "dbm" {
            continue;
        }
        let text = format!(
            "SECURITY LABEL FOR {} ON {} IS {};\n",
            ident(&provider),
            named(&kind, &identity),
            lit(&get::<String>(&row, "label")?)
        );
        let needs = reader.find((get(&row, "classoid")?, get(&row, "objoid")?));
        let own = id(Kind::SecurityLabel, "", &provider, &format!("{kind} {identity}"));
        reader.add((class::NONE, 0), Node::new(own, Section::Final, String::new(), text).needing(needs));
    }
    Ok(())
}

/// What stands after COMMENT ON and SECURITY LABEL ON, from the type and identity that `pg_identify_object` gives.
pub(super) fn named(kind: &str, identity: &str) -> String {
    match kind {
        "table constraint" => format!("CONSTRAINT {identity}"),
        "domain constraint" => match identity.rsplit_once(" on ") {
            Some((name, domain)) => format!("CONSTRAINT {name} ON DOMAIN {domain}"),
            None => format!("CONSTRAINT {identity}"),
        },
        "foreign-data wrapper" => format!("FOREIGN DATA WRAPPER {identity}"),
        "statistics object" => format!("STATISTICS {identity}"),
        "transform" => match identity.rsplit_once(" on language ") {
            Some((data_type, language)) => {
                format!("TRANSFORM {} LANGUAGE {language}", data_type.replacen("for ", "FOR ", 1))
            }
            None => format!("TRANSFORM {identity}"),
        },
        kind if kind.ends_with(" column") => format!("COLUMN {identity}"),
        kind => format!("{} {identity}", kind.to_uppercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn objects_are_named_as_statements_name_them() {
        for (kind, identity, text) in [
            ("table column", "public.t.\"a b\"", "COLUMN public.t.\"a b\""),
            ("materialized view", "public.m", "MATERIALIZED VIEW public.m"),
            ("function", "public.f(integer)", "FUNCTION public.f(integer)"),
            ("domain constraint", "c on public.d", "CONSTRAINT c ON DOMAIN public.d"),
            ("table constraint", "c on public.t", "CONSTRAINT c on public.t"),
            ("transform", "for hstore on language plperl", "TRANSFORM FOR hstore LANGUAGE plperl"),
            ("operator class", "public.o USING btree", "OPERATOR CLASS public.o USING btree"),
        ] {
            assert_eq!(named(kind, identity), text);
        }
    }
}
