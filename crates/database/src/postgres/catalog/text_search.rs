use std::collections::HashMap;

use super::reader::{Node, Reader, class, id};
use super::sql::{OURS, get, ident, qual};
use crate::{Kind, Result, Section};

fn parsers() -> String {
    format!(
        "SELECT o.oid, n.nspname::text AS namespace, o.prsname::text AS name, o.prsstart::oid::regproc::text AS start,
            o.prstoken::oid::regproc::text AS token, o.prsend::oid::regproc::text AS end,
            nullif(o.prsheadline::oid, 0)::regproc::text AS headline, o.prslextype::oid::regproc::text AS types
         FROM pg_ts_parser o JOIN pg_namespace n ON n.oid = o.prsnamespace
         WHERE {OURS} ORDER BY n.nspname COLLATE \"C\", o.prsname COLLATE \"C\""
    )
}

fn templates() -> String {
    format!(
        "SELECT o.oid, n.nspname::text AS namespace, o.tmplname::text AS name,
            nullif(o.tmplinit::oid, 0)::regproc::text AS init, o.tmpllexize::oid::regproc::text AS lexize
         FROM pg_ts_template o JOIN pg_namespace n ON n.oid = o.tmplnamespace
         WHERE {OURS} ORDER BY n.nspname COLLATE \"C\", o.tmplname COLLATE \"C\""
    )
}

fn dictionaries() -> String {
    format!(
        "SELECT o.oid, n.nspname::text AS namespace, o.dictname::text AS name,
            pg_get_userbyid(o.dictowner)::text AS owner, tn.nspname::text AS template_namespace,
            t.tmplname::text AS template, o.dictinitoption AS options
         FROM pg_ts_dict o JOIN pg_namespace n ON n.oid = o.dictnamespace JOIN pg_ts_template t ON t.oid = o.dicttemplate
            JOIN pg_namespace tn ON tn.oid = t.tmplnamespace
         WHERE {OURS} ORDER BY n.nspname COLLATE \"C\", o.dictname COLLATE \"C\""
    )
}

fn configurations() -> String {
    format!(
        "SELECT o.oid, n.nspname::text AS namespace, o.cfgname::text AS name,
            pg_get_userbyid(o.cfgowner)::text AS owner, pn.nspname::text AS parser_namespace, p.prsname::text AS parser
         FROM pg_ts_config o JOIN pg_namespace n ON n.oid = o.cfgnamespace JOIN pg_ts_parser p ON p.oid = o.cfgparser
            JOIN pg_namespace pn ON pn.oid = p.prsnamespace
         WHERE {OURS} ORDER BY n.nspname COLLATE \"C\", o.cfgname COLLATE \"C\""
    )
}

/// Which dictionaries the tokens of each configuration go through.
fn mappings() -> String {
    format!(
        "SELECT o.oid, t.alias::text AS token, array_agg(quote_ident(dn.nspname) || '.' || quote_ident(d.dictname)
            ORDER BY m.mapseqno) AS dictionaries
         FROM pg_ts_config o JOIN pg_namespace n ON n.oid = o.cfgnamespace JOIN pg_ts_config_map m ON m.mapcfg = o.oid
            JOIN pg_ts_dict d ON d.oid = m.mapdict JOIN pg_namespace dn ON dn.oid = d.dictnamespace,
            LATERAL ts_token_type(o.cfgparser) t
         WHERE t.tokid = m.maptokentype AND {OURS} GROUP BY o.oid, m.maptokentype, t.alias
         ORDER BY o.oid, m.maptokentype"
    )
}

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for (what, query, class, kind, word, functions) in [
        (
            "text search parsers",
            parsers(),
            class::PARSER,
            Kind::TextSearchParser,
            "PARSER",
            &[
                ("START", "start"),
                ("GETTOKEN", "token"),
                ("END", "end"),
                ("HEADLINE", "headline"),
                ("LEXTYPES", "types"),
            ][..],
        ),
        (
            "text search templates",
            templates(),
            class::TEMPLATE,
            Kind::TextSearchTemplate,
            "TEMPLATE",
            &[("INIT", "init"), ("LEXIZE", "lexize")][..],
        ),
    ] {
        for row in reader.rows(what, &query).await? {
            let oid = get(&row, "oid")?;
            if reader.is_member(class, oid) {
                continue;
            }
            let (namespace, name): (String, String) = (get(&row, "namespace")?, get(&row, "name")?);
            let mut list = Vec::new();
            for (word, column) in functions {
                let function: Option<String> = get(&row, column)?;
                list.extend(function.map(|function| format!("{word} = {function}")));
            }
            let target = format!("TEXT SEARCH {word} {}", qual(&namespace, &name));
            let definition = format!("CREATE {target} (\n    {}\n);\n", list.join(",\n    "));
            let node = Node::new(id(kind, &namespace, "", &name), Section::PreData, target, definition);
            reader.add((class, oid), node);
        }
    }
    for row in reader.rows("text search dictionaries", &dictionaries()).await? {
        let oid = get(&row, "oid")?;
        if reader.is_member(class::DICTIONARY, oid) {
            continue;
        }
        let (namespace, name): (String, String) = (get(&row, "namespace")?, get(&row, "name")?);
        let template = qual(&get::<String>(&row, "template_namespace")?, &get::<String>(&row, "template")?);
        // The server keeps the options as the text of the list that made them.
        let options: Option<String> = get(&row, "options")?;
        let options = options.map_or_else(String::new, |options| format!(",\n    {options}"));
        let target = format!("TEXT SEARCH DICTIONARY {}", qual(&namespace, &name));
        let definition = format!("CREATE {target} (\n    TEMPLATE = {template}{options}\n);\n");
        let own = id(Kind::TextSearchDictionary, &namespace, "", &name);
        let node = Node::new(own, Section::PreData, target, definition);
        reader.add((class::DICTIONARY, oid), node.owned(&get::<String>(&row, "owner")?));
    }
    read_configurations(reader).await
}

async fn read_configurations(reader: &mut Reader<'_>) -> Result<()> {
    let mut mappings: HashMap<u32, Vec<(String, Vec<String>)>> = HashMap::new();
    for row in reader.rows("text search mappings", &self::mappings()).await? {
        let mapping = (get(&row, "token")?, get(&row, "dictionaries")?);
        mappings.entry(get(&row, "oid")?).or_default().push(mapping);
    }
    for row in reader.rows("text search configurations", &configurations()).await? {
        let oid = get(&row, "oid")?;
        if reader.is_member(class::CONFIGURATION, oid) {
            continue;
        }
        let (namespace, name): (String, String) = (get(&row, "namespace")?, get(&row, "name")?);
        let parser = qual(&get::<String>(&row, "parser_namespace")?, &get::<String>(&row, "parser")?);
        let target = format!("TEXT SEARCH CONFIGURATION {}", qual(&namespace, &name));
        let mut definition = format!("CREATE {target} (\n    PARSER = {parser}\n);\n");
        for (token, dictionaries) in mappings.remove(&oid).unwrap_or_default() {
            definition.push_str(&format!(
                "ALTER {target}\n    ADD MAPPING FOR {} WITH {};\n",
                ident(&token),
                dictionaries.join(", ")
            ));
        }
        let own = id(Kind::TextSearchConfiguration, &namespace, "", &name);
        let node = Node::new(own, Section::PreData, target, definition);
        reader.add((class::CONFIGURATION, oid), node.owned(&get::<String>(&row, "owner")?));
    }
    Ok(())
}
