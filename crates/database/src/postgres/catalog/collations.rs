use super::reader::{Node, Reader, class, id};
use super::sql::{OURS, get, lit, qual};
use crate::{Kind, Result, Section};

/// Those that work in the database's encoding; the server itself sees no others.
fn query(reader: &Reader<'_>) -> String {
    let locale = reader.since(17, "o.colllocale", reader.since(15, "o.colliculocale", "NULL::text"));
    let rules = reader.since(16, "o.collicurules", "NULL::text");
    format!(
        "SELECT o.oid, n.nspname::text AS namespace, o.collname::text AS name,
            pg_get_userbyid(o.collowner)::text AS owner, o.collprovider::text AS provider,
            o.collisdeterministic AS deterministic, o.collcollate::text AS collate, o.collctype::text AS ctype,
            {locale} AS locale, {rules} AS rules
         FROM pg_collation o JOIN pg_namespace n ON n.oid = o.collnamespace
         WHERE {OURS} AND o.collencoding IN (-1, pg_char_to_encoding(getdatabaseencoding()))
         ORDER BY n.nspname COLLATE \"C\", o.collname COLLATE \"C\""
    )
}

/// The version is not carried: it says what the indexes of the source were sorted by, and a restore sorts anew.
pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("collations", &query(reader)).await? {
        let oid = get(&row, "oid")?;
        if reader.is_member(class::COLLATION, oid) {
            continue;
        }
        let (namespace, name): (String, String) = (get(&row, "namespace")?, get(&row, "name")?);
        let text = |column| get::<Option<String>>(&row, column);
        let provider = match get::<String>(&row, "provider")?.as_str() {
            "c" => "libc",
            "i" => "icu",
            "b" => "builtin",
            other => {
                let what = format!("collation {namespace}.{name}");
                reader.refuse(what, &format!("dbm does not know its provider `{other}`"));
                continue;
            }
        };
        let (collate, ctype) = (text("collate")?, text("ctype")?);
        let mut list = vec![format!("PROVIDER = {provider}")];
        if !get::<bool>(&row, "deterministic")? {
            list.push("DETERMINISTIC = false".to_owned());
        }
        if let Some(locale) = text("locale")? {
            list.push(format!("LOCALE = {}", lit(&locale)));
        } else if collate == ctype {
            list.extend(collate.map(|locale| format!("LOCALE = {}", lit(&locale))));
        } else {
            list.extend(collate.map(|locale| format!("LC_COLLATE = {}", lit(&locale))));
            list.extend(ctype.map(|locale| format!("LC_CTYPE = {}", lit(&locale))));
        }
        list.extend(text("rules")?.map(|rules| format!("RULES = {}", lit(&rules))));
        let target = format!("COLLATION {}", qual(&namespace, &name));
        let definition = format!("CREATE {target} (\n    {}\n);\n", list.join(",\n    "));
        let node =
            Node::new(id(Kind::Collation, &namespace, "", &name), Section::PreData, target, definition);
        reader.add((class::COLLATION, oid), node.owned(&get::<String>(&row, "owner")?));
    }
    Ok(())
}
