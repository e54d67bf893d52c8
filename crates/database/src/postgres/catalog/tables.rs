use std::collections::{HashMap, HashSet};

use tokio_postgres::Row;

use super::columns::{ColumnRow, Columns};
use super::constraints::Check;
use super::foreign;
use super::heirs::{StandIn, merges, of_parents};
use super::reader::{Entry, Node, Pieces, Reader, class, id};
use super::sequences::SequenceRow;
use super::sql::{OURS, get, ident, options, qual};
use crate::{Kind, Result, Section, Table};

fn query() -> String {
    format!(
        "SELECT c.oid, n.nspname::text AS namespace, c.relname::text AS name, c.relkind::text AS kind,
            c.relpersistence::text AS persistence, pg_get_userbyid(c.relowner)::text AS owner,
            c.relispartition AS partition, c.relrowsecurity, c.relforcerowsecurity, c.relreplident::text AS identity,
            coalesce(c.reloptions, '{{}}') AS options, coalesce(t.reloptions, '{{}}') AS toast_options,
            am.amname::text AS method, ts.spcname::text AS tablespace, fs.srvname::text AS server,
            coalesce(ft.ftoptions, '{{}}') AS foreign_options,
            CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) END AS of_type,
            CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END AS partition_key,
            pg_get_expr(c.relpartbound, c.oid) AS bound
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN pg_class t ON t.oid = c.reltoastrelid LEFT JOIN pg_am am ON am.oid = c.relam
            LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
            LEFT JOIN pg_foreign_table ft ON ft.ftrelid = c.oid LEFT JOIN pg_foreign_server fs ON fs.oid = ft.ftserver
         WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND {OURS}
         ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\""
    )
}

const PARENTS: &str = "
    SELECT i.inhrelid, i.inhparent FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE c.relkind IN ('r', 'p', 'f') ORDER BY i.inhrelid, i.inhseqno";

/// The column options that the documentation of ALTER TABLE names.
const COLUMN_OPTIONS: [&str; 2] = ["n_distinct=", "n_distinct_inherited="];
/// Kept in the catalogs by some minor releases for themselves; no statement sets it.
const INTERNAL_OPTION: &str = "pg_attver=";

/// What all tables are made from.
struct Material<'m> {
    columns: &'m mut Columns,
    parents: HashMap<u32, Vec<u32>>,
    names: HashMap<u32, String>,
    identities: HashMap<(u32, i32), &'m SequenceRow>,
    checks: HashMap<u32, Vec<Check>>,
}

pub(super) async fn read(
    reader: &mut Reader<'_>,
    columns: &mut Columns,
    sequences: &[SequenceRow],
    checks: HashMap<u32, Vec<Check>>,
) -> Result<()> {
    let mut parents: HashMap<u32, Vec<u32>> = HashMap::new();
    for row in reader.rows("inheritance", PARENTS).await? {
        parents.entry(get(&row, "inhrelid")?).or_default().push(get(&row, "inhparent")?);
    }
    let rows = reader.rows("tables", &query()).await?;
    let mut names = HashMap::new();
    for row in &rows {
        let (oid, namespace, name): (u32, String, String) =
            (get(row, "oid")?, get(row, "namespace")?, get(row, "name")?);
        for column in columns.rows(oid) {
            let known = |option: &String| {
                option.starts_with(INTERNAL_OPTION)
                    || COLUMN_OPTIONS.iter().any(|known| option.starts_with(known))
            };
            if let Some(option) = column.options.iter().find(|option| !known(option)) {
                let what = format!("option {option} of column {namespace}.{name}.{}", column.name);
                let of = id(Kind::Table, &namespace, "", &name);
                reader.refuse_of(of, what, "no documented column option");
            }
        }
        columns.retain_options(oid, |option| !option.starts_with(INTERNAL_OPTION));
        names.insert(oid, qual(&namespace, &name));
    }
    let identities = sequences.iter().filter(|row| row.identity);
    let identities = identities.filter_map(|row| Some((row.of?, row))).collect();
    let owners: HashSet<(u32, i32)> = sequences.iter().filter_map(|row| row.of).collect();
    let heirs_ask: HashSet<u32> = parents.values().flatten().copied().collect();
    let mut material = Material { columns, parents, names, identities, checks };
    for row in rows {
        let oid = get(&row, "oid")?;
        if !reader.is_member(class::CLASS, oid) {
            table(reader, &mut material, &row, oid)?;
            if !heirs_ask.contains(&oid) {
                material.columns.forget(oid, |number| owners.contains(&(oid, number)));
            }
        }
    }
    Ok(())
}

fn table(reader: &mut Reader<'_>, material: &mut Material<'_>, row: &Row, oid: u32) -> Result<()> {
    let (namespace, name): (String, String) = (get(row, "namespace")?, get(row, "name")?);
    let qualified = qual(&namespace, &name);
    let partition: bool = get(row, "partition")?;
    let unlogged = get::<String>(row, "persistence")? == "u";
    let parents = material.parents.get(&oid).cloned().unwrap_or_default();
    let heir = if partition { &[][..] } else { &parents[..] };
    // Where INHERITS would give another order of the columns, the table is made alone and then inherits.
    let merged = !heir.is_empty() && merges(material.columns, oid, heir);
    let stand_in = (!merged && !heir.is_empty())
        .then(|| StandIn::of(material.columns, oid, heir, (&namespace, &name)))
        .flatten();
    let of_type: Option<String> = get(row, "of_type")?;
    let server: Option<String> = get(row, "server")?;
    let (kind, word) = match server {
        Some(_) => (Kind::ForeignTable, "FOREIGN TABLE"),
        None => (Kind::Table, "TABLE"),
    };

    let node = Node::new(
        id(kind, &namespace, "", &name),
        Section::PreData,
        format!("{word} {qualified}"),
        String::new(),
    );
    let node = node.owned(&get::<String>(row, "owner")?).granted_on("TABLE", &qualified);
    let table = reader.add((class::CLASS, oid), node);
    reader.nodes[table].object.table = Some(Box::new(Table {
        handle: u64::from(oid),
        columns: material.columns.of(oid),
        holds_rows: get::<String>(row, "kind")? == "r",
        ..Table::default()
    }));

    let mut entries = Vec::with_capacity(material.columns.rows(oid).len());
    let mut after = String::new();
    for column in material.columns.rows(oid) {
        let late = stand_in.as_ref().filter(|stand_in| stand_in.is_late(column));
        if let Some(stand_in) = late {
            after.push_str(&stand_in.step(&qualified, column));
        }
        let written = late.is_none() && (column.local || !merged && stand_in.is_none());
        let made = written && (of_type.is_none() || column.default_oid.is_some() || column.not_null);
        let inherited =
            if written || !merged { Vec::new() } else { of_parents(material.columns, heir, &column.name) };
        if made {
            entries.push(entry(reader, table, &qualified, column, of_type.is_some()));
        } else if let (false, Some(default)) = (written, column.default_oid) {
            if column.generated.is_none() {
                // Also where it is the parent's: that may be given only after this table was made.
                default_node(reader, table, &qualified, column, default);
            } else {
                reader.alias.insert((class::ATTRDEF, default), (class::CLASS, oid));
                let expression = column.expression.as_deref().unwrap_or_default();
                if !inherited.iter().any(|parent| parent.expression == column.expression) {
                    after.push_str(&alter(&qualified, column, &format!("SET EXPRESSION AS ({expression})")));
                }
            }
        } else if !written && inherited.iter().any(|parent| parent.default_oid.is_some()) {
            after.push_str(&alter(&qualified, column, "DROP DEFAULT"));
        }
        if column.refusal.is_some() {
            let given = match &stand_in {
                Some(_) => vec![column],
                None => of_parents(material.columns, if merged { heir } else { &[] }, &column.name),
            };
            let own = refusal(reader, table, (&namespace, &name), column, made, &given, &mut entries);
            match (late, own) {
                (Some(_), Some(own)) => {
                    after.push_str(&format!("ALTER TABLE {qualified} ADD {};\n", own.before))
                }
                (_, own) => entries.extend(own),
            }
        } else if !written && column.not_null && !inherited.iter().any(|parent| parent.not_null) {
            after.push_str(&alter(&qualified, column, "SET NOT NULL"));
        }
        details(&mut after, &qualified, column, &inherited);
        if let Some(sequence) = material.identities.get(&(oid, column.number)) {
            let always = if column.identity == Some('a') { "ALWAYS" } else { "BY DEFAULT" };
            let sequence_name = qual(&sequence.namespace, &sequence.name);
            let how = format!(
                "ADD GENERATED {always} AS IDENTITY (SEQUENCE NAME {sequence_name} {})",
                sequence.options
            );
            // Partitions have their parent's identity, and none are attached yet.
            let only = if get::<String>(row, "kind")? == "p" { "" } else { "ONLY " };
            let column = ident(&column.name);
            after.push_str(&format!("ALTER TABLE {only}{qualified} ALTER COLUMN {column} {how};\n"));
            if sequence.unlogged != unlogged {
                let how = if sequence.unlogged { "UNLOGGED" } else { "LOGGED" };
                after.push_str(&format!("ALTER SEQUENCE {sequence_name} SET {how};\n"));
            }
        }
    }
    let mut steps = Vec::new();
    for check in material.checks.remove(&oid).unwrap_or_default() {
        let only_local = merged || heir.is_empty() && !partition;
        let entry = check_entry(reader, table, (&namespace, &name), &check, only_local);
        match &stand_in {
            Some(stand_in) => {
                steps.extend(entry.map(|entry| stand_in.check(&qualified, check.local, entry)));
            }
            None => entries.extend(entry),
        }
    }

    let mut head = stand_in.as_ref().map_or_else(String::new, |stand_in| stand_in.head.clone());
    head.push_str(&format!("CREATE {}{word} {qualified}", if unlogged { "UNLOGGED " } else { "" }));
    if let Some(of_type) = &of_type {
        head.push_str(&format!(" OF {of_type}"));
    }
    let mut tail = String::new();
    let parent_names: Vec<&str> =
        heir.iter().filter_map(|parent| material.names.get(parent)).map(String::as_str).collect();
    let mut end = String::new();
    if merged {
        tail.push_str(&format!("\nINHERITS ({})", parent_names.join(", ")));
    } else {
        if let Some(stand_in) = &stand_in {
            tail.push_str(&format!("\nINHERITS ({})", stand_in.name));
        }
        for parent in &parent_names {
            end.push_str(&format!("ALTER TABLE ONLY {qualified} INHERIT {parent};\n"));
        }
        end.extend(stand_in.as_ref().map(|stand_in| stand_in.end(&qualified)));
    }
    if let Some(key) = get::<Option<String>>(row, "partition_key")? {
        tail.push_str(&format!("\nPARTITION BY {key}"));
    }
    if let Some(server) = server {
        let what = format!("foreign table {namespace}.{name}");
        let list = reader.without_secrets(&what, false, get(row, "foreign_options")?);
        tail.push_str(&format!("\nSERVER {}{}", ident(&server), foreign::clause(&list)));
    }
    if let Some(method) = get::<Option<String>>(row, "method")?.filter(|method| method != "heap") {
        tail.push_str(&format!("\nUSING {}", ident(&method)));
    }
    let mut with = options("", &get::<Vec<String>>(row, "options")?);
    with.extend(options("toast.", &get::<Vec<String>>(row, "toast_options")?));
    if !with.is_empty() {
        tail.push_str(&format!("\nWITH ({})", with.join(", ")));
    }
    if let Some(tablespace) = get::<Option<String>>(row, "tablespace")? {
        tail.push_str(&format!("\nTABLESPACE {}", ident(&tablespace)));
    }
    tail.push_str(";\n");
    match get::<String>(row, "identity")?.as_str() {
        _ if kind == Kind::ForeignTable => {}
        "f" => end.push_str(&format!("ALTER TABLE ONLY {qualified} REPLICA IDENTITY FULL;\n")),
        "n" => end.push_str(&format!("ALTER TABLE ONLY {qualified} REPLICA IDENTITY NOTHING;\n")),
        _ => {}
    }
    tail.push_str(&after);
    let pieces = Pieces { head, entries, list: true, typed: of_type.is_some(), tail, steps, end };
    reader.put_pieces(table, pieces.joined());

    if let (true, Some(bound), Some(parent)) =
        (partition, get::<Option<String>>(row, "bound")?, parents.first())
    {
        let Some(parent_name) = material.names.get(parent) else { return Ok(()) };
        let text = format!("ALTER TABLE ONLY {parent_name} ATTACH PARTITION {qualified} {bound};\n");
        let node = Node::new(id(Kind::Attach, &namespace, "", &name), Section::PreData, String::new(), text);
        let place = reader.add((class::NONE, oid), node.needing([table]));
        reader.attach.push((place, *parent));
    }
    row_security(
        reader,
        table,
        (&namespace, &name),
        get(row, "relrowsecurity")?,
        get(row, "relforcerowsecurity")?,
    );
    Ok(())
}

fn row_security(
    reader: &mut Reader<'_>,
    table: usize,
    (namespace, name): (&str, &str),
    on: bool,
    forced: bool,
) {
    let qualified = qual(namespace, name);
    let mut text = String::new();
    if on {
        text.push_str(&format!("ALTER TABLE {qualified} ENABLE ROW LEVEL SECURITY;\n"));
    }
    if forced {
        text.push_str(&format!("ALTER TABLE ONLY {qualified} FORCE ROW LEVEL SECURITY;\n"));
    }
    if !text.is_empty() {
        let node =
            Node::new(id(Kind::RowSecurity, namespace, "", name), Section::PostData, String::new(), text);
        reader.add((class::NONE, 0), node.needing([table]));
    }
}

fn alter(table: &str, column: &ColumnRow, how: &str) -> String {
    format!("ALTER TABLE ONLY {table} ALTER COLUMN {} {how};\n", ident(&column.name))
}

/// The default as a statement of its own.
fn default_node(
    reader: &mut Reader<'_>,
    table: usize,
    qualified: &str,
    column: &ColumnRow,
    oid: u32,
) -> usize {
    let owner = &reader.nodes[table].object.id;
    let own = id(Kind::Default, &owner.namespace, &owner.name, &column.name);
    let expression = column.expression.as_deref().unwrap_or_default();
    let text = alter(qualified, column, &format!("SET DEFAULT {expression}"));
    let node = Node::new(own, Section::PreData, String::new(), text).needing([table]);
    reader.add((class::ATTRDEF, oid), node)
}

/// A column as an entry of CREATE TABLE.
fn entry(reader: &mut Reader<'_>, table: usize, qualified: &str, column: &ColumnRow, typed: bool) -> Entry {
    let mut before = if typed {
        format!("{} WITH OPTIONS", ident(&column.name))
    } else {
        format!("{} {}{}", ident(&column.name), column.data_type, column.collate())
    };
    let mut part = None;
    if let (Some(oid), Some(expression)) = (column.default_oid, &column.expression) {
        match column.generated {
            None => {
                let place = default_node(reader, table, qualified, column, oid);
                reader.nodes[place].part_of = Some(table);
                part = Some((place, format!(" DEFAULT {expression}")));
            }
            Some(kind) => {
                let kept = if kind == 'v' { "VIRTUAL" } else { "STORED" };
                before.push_str(&format!(" GENERATED ALWAYS AS ({expression}) {kept}"));
                let owner = reader.nodes[table].object.table.as_ref().map_or(0, |table| table.handle);
                let owner = u32::try_from(owner).unwrap_or_default();
                reader.alias.insert((class::ATTRDEF, oid), (class::CLASS, owner));
            }
        }
    }
    let after =
        if column.not_null && column.refusal.is_none() { " NOT NULL".to_owned() } else { String::new() };
    Entry { before, part, after }
}

/// How a column refuses NULL by a constraint with a name: with its column, by itself, or after the rows.
fn refusal(
    reader: &mut Reader<'_>,
    table: usize,
    (namespace, name): (&str, &str),
    column: &ColumnRow,
    written: bool,
    inherited: &[&ColumnRow],
    entries: &mut [Entry],
) -> Option<Entry> {
    let refusal = column.refusal.as_ref()?;
    let (qualified, quoted) = (qual(namespace, name), ident(&refusal.name));
    let mut node = Node::new(
        id(Kind::Constraint, namespace, name, &refusal.name),
        if refusal.valid { Section::PreData } else { Section::PostData },
        format!("CONSTRAINT {quoted} ON {qualified}"),
        format!(
            "ALTER TABLE {qualified}\n    ADD CONSTRAINT {quoted} NOT NULL {}{} NOT VALID;\n",
            ident(&column.name),
            if refusal.alone { " NO INHERIT" } else { "" }
        ),
    )
    .needing([table]);
    let given = |one: &&&ColumnRow| one.refusal.as_ref().is_some_and(|one| one.valid && !one.alone);
    // An invalid one that is not its own comes with its parent's.
    let comes = !refusal.local
        && (inherited.iter().any(|one| given(&one)) || !refusal.valid && !inherited.is_empty());
    if refusal.valid || comes {
        node.part_of = Some(table);
    }
    reader.add((class::CONSTRAINT, refusal.oid), node);
    if !refusal.valid || comes {
        return None;
    }
    if written {
        let entry = entries.last_mut()?;
        entry.after.push_str(&refusal.text());
        return None;
    }
    let alone = if refusal.alone { " NO INHERIT" } else { "" };
    let text = format!("CONSTRAINT {quoted} NOT NULL {}{alone}", ident(&column.name));
    Some(Entry { before: text, ..Entry::default() })
}

/// A check constraint, in the table's definition where the table is made with it.
fn check_entry(
    reader: &mut Reader<'_>,
    table: usize,
    (namespace, name): (&str, &str),
    check: &Check,
    only_local: bool,
) -> Option<Entry> {
    if !check.local && (only_local || !check.validated) {
        reader.alias.insert((class::CONSTRAINT, check.oid), (class::NONE, 0));
        return None;
    }
    let (qualified, quoted) = (qual(namespace, name), ident(&check.name));
    let section = if check.validated { Section::PreData } else { Section::PostData };
    let mut node = Node::new(
        id(Kind::Constraint, namespace, name, &check.name),
        section,
        format!("CONSTRAINT {quoted} ON {qualified}"),
        format!("ALTER TABLE {qualified}\n    ADD CONSTRAINT {quoted} {};\n", check.definition),
    )
    .needing([table]);
    node.part_of = Some(table).filter(|_| check.validated);
    let place = reader.add((class::CONSTRAINT, check.oid), node);
    let text = format!("CONSTRAINT {quoted} {}", check.definition);
    check.validated.then(|| Entry { part: Some((place, text)), ..Entry::default() })
}

/// Storage, compression, statistics and options, where they are not what the column is born with.
fn details(text: &mut String, table: &str, column: &ColumnRow, inherited: &[&ColumnRow]) {
    let born = inherited.first().map_or(column.type_storage, |parent| parent.storage);
    if column.storage != born {
        let word = match column.storage {
            Some('p') => "PLAIN",
            Some('e') => "EXTERNAL",
            Some('m') => "MAIN",
            _ => "EXTENDED",
        };
        text.push_str(&alter(table, column, &format!("SET STORAGE {word}")));
    }
    let born = inherited.first().and_then(|parent| parent.compression);
    if column.compression != born {
        let word = match column.compression {
            Some('p') => "pglz",
            Some('l') => "lz4",
            _ => "default",
        };
        text.push_str(&alter(table, column, &format!("SET COMPRESSION {word}")));
    }
    if column.target >= 0 {
        text.push_str(&alter(table, column, &format!("SET STATISTICS {}", column.target)));
    }
    if !column.foreign_options.is_empty() {
        let list = foreign::options(&column.foreign_options).join(", ");
        text.push_str(&alter(table, column, &format!("OPTIONS ({list})")).replacen(
            "ALTER TABLE",
            "ALTER FOREIGN TABLE",
            1,
        ));
    }
    if !column.options.is_empty() {
        text.push_str(&alter(table, column, &format!("SET ({})", options("", &column.options).join(", "))));
    }
}
