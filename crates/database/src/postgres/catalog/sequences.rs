use super::columns::Columns;
use super::reader::{Node, Reader, class, id};
use super::sql::{OURS, get, ident, qual};
use crate::{Kind, Result, Section};

fn query() -> String {
    format!(
        "SELECT c.oid, n.nspname::text AS namespace, c.relname::text AS name,
            pg_get_userbyid(c.relowner)::text AS owner, c.relpersistence::text AS persistence,
            format_type(s.seqtypid, NULL) AS type, s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache,
            s.seqcycle, d.refobjid AS relation, d.refobjsubid::int4 AS number, d.deptype::text AS tie
         FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
                AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
         WHERE {OURS} AND c.relpersistence <> 't'
         ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\""
    )
}

/// One sequence as the catalogs have it.
#[derive(Debug)]
pub(super) struct SequenceRow {
    oid: u32,
    pub(super) namespace: String,
    pub(super) name: String,
    owner: String,
    pub(super) unlogged: bool,
    pub(super) options: String,
    data_type: String,
    /// The relation's number and the column's that it serves.
    pub(super) of: Option<(u32, i32)>,
    /// Whether it is the sequence of an identity column.
    pub(super) identity: bool,
}

pub(super) async fn rows(reader: &Reader<'_>) -> Result<Vec<SequenceRow>> {
    let mut sequences = Vec::new();
    for row in reader.rows("sequences", &query()).await? {
        let oid = get(&row, "oid")?;
        if reader.is_member(class::CLASS, oid) {
            continue;
        }
        let number = |column| get::<i64>(&row, column);
        let options = format!(
            "START WITH {} INCREMENT BY {} MINVALUE {} MAXVALUE {} CACHE {}{}",
            number("seqstart")?,
            number("seqincrement")?,
            number("seqmin")?,
            number("seqmax")?,
            number("seqcache")?,
            if get(&row, "seqcycle")? { " CYCLE" } else { "" },
        );
        let relation: Option<u32> = get(&row, "relation")?;
        let of = relation.zip(get::<Option<i32>>(&row, "number")?);
        sequences.push(SequenceRow {
            oid,
            namespace: get(&row, "namespace")?,
            name: get(&row, "name")?,
            owner: get(&row, "owner")?,
            unlogged: get::<String>(&row, "persistence")? == "u",
            options,
            data_type: get(&row, "type")?,
            of,
            identity: get::<Option<String>>(&row, "tie")?.as_deref() == Some("i"),
        });
    }
    Ok(sequences)
}

/// Takes the sequences in; the tables are there already.
pub(super) fn add(reader: &mut Reader<'_>, columns: &Columns, sequences: Vec<SequenceRow>) {
    for row in sequences {
        let qualified = qual(&row.namespace, &row.name);
        let unlogged = if row.unlogged { "UNLOGGED " } else { "" };
        let definition = if row.identity {
            String::new()
        } else {
            format!("CREATE {unlogged}SEQUENCE {qualified} AS {} {};\n", row.data_type, row.options)
        };
        let target = format!("SEQUENCE {qualified}");
        let mut node = Node::new(
            id(Kind::Sequence, &row.namespace, "", &row.name),
            Section::PreData,
            target,
            definition,
        );
        let Some((relation, number)) = row.of else {
            reader.add((class::CLASS, row.oid), node.owned(&row.owner));
            continue;
        };
        // It changes its owner with its table, and may not without it.
        let table = reader.places.get(&(class::CLASS, relation)).copied();
        if row.identity {
            node.needs.extend(table);
            reader.add((class::CLASS, row.oid), node);
            continue;
        }
        let sequence = reader.add((class::CLASS, row.oid), node);
        let Some(table) = table else { continue };
        let owner = &reader.nodes[table].object.id;
        let Some(column) = columns.name(relation, number) else { continue };
        let definition = format!(
            "ALTER SEQUENCE {qualified} OWNED BY {}.{};\n",
            qual(&owner.namespace, &owner.name),
            ident(column)
        );
        let tie = Node::new(
            id(Kind::OwnedBy, &row.namespace, "", &row.name),
            Section::PreData,
            String::new(),
            definition,
        );
        reader.add((class::NONE, 0), tie.needing([sequence, table]));
    }
}
