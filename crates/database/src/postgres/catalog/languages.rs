use super::reader::{Node, Reader, class, id};
use super::sql::{get, ident};
use crate::{Kind, Result, Section};

const LANGUAGES: &str = "
    SELECT l.oid, l.lanname::text AS name, pg_get_userbyid(l.lanowner)::text AS owner, l.lanpltrusted AS trusted,
        nullif(l.lanplcallfoid, 0)::regproc::text AS handler, nullif(l.laninline, 0)::regproc::text AS inline,
        nullif(l.lanvalidator, 0)::regproc::text AS validator
    FROM pg_language l WHERE l.lanispl AND l.oid >= 16384 ORDER BY l.lanname COLLATE \"C\"";

const TRANSFORMS: &str = "
    SELECT t.oid, format_type(t.trftype, NULL) AS type, l.lanname::text AS language,
        nullif(t.trffromsql::oid, 0)::regprocedure::text AS from_sql,
        nullif(t.trftosql::oid, 0)::regprocedure::text AS to_sql
    FROM pg_transform t JOIN pg_language l ON l.oid = t.trflang WHERE t.oid >= 16384 ORDER BY t.oid";

/// Languages that no extension made.
pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("languages", LANGUAGES).await? {
        let oid = get(&row, "oid")?;
        if reader.is_member(class::LANGUAGE, oid) {
            continue;
        }
        let name: String = get(&row, "name")?;
        let trusted = if get(&row, "trusted")? { "TRUSTED " } else { "" };
        let quoted = ident(&name);
        let mut definition = format!("CREATE {trusted}PROCEDURAL LANGUAGE {quoted}");
        for (word, column) in [("HANDLER", "handler"), ("INLINE", "inline"), ("VALIDATOR", "validator")] {
            if let Some(function) = get::<Option<String>>(&row, column)? {
                definition.push_str(&format!(" {word} {function}"));
            }
        }
        definition.push_str(";\n");
        let node = Node::new(
            id(Kind::Language, "", "", &name),
            Section::PreData,
            format!("LANGUAGE {quoted}"),
            definition,
        );
        reader.add((class::LANGUAGE, oid), node.owned(&get::<String>(&row, "owner")?));
    }
    Ok(())
}

/// How values of a type pass between SQL and a language.
pub(super) async fn read_transforms(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("transforms", TRANSFORMS).await? {
        let oid = get(&row, "oid")?;
        if reader.is_member(class::TRANSFORM, oid) {
            continue;
        }
        let (data_type, language): (String, String) = (get(&row, "type")?, get(&row, "language")?);
        let mut list = Vec::new();
        for (word, column) in [("FROM", "from_sql"), ("TO", "to_sql")] {
            let function: Option<String> = get(&row, column)?;
            list.extend(function.map(|function| format!("{word} SQL WITH FUNCTION {function}")));
        }
        let target = format!("TRANSFORM FOR {data_type} LANGUAGE {}", ident(&language));
        let definition = format!("CREATE {target} (\n    {}\n);\n", list.join(",\n    "));
        let own = id(Kind::Transform, "", "", &format!("{data_type} for {language}"));
        reader.add((class::TRANSFORM, oid), Node::new(own, Section::PreData, target, definition));
    }
    Ok(())
}
