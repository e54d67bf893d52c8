use std::collections::{BTreeMap, HashMap};

use super::reader::{Node, Reader, class, id};
use super::sql::{FIRST_OID, OURS, get, ident, qual};
use crate::{Kind, Result, Section};

const FAMILIES: &str = "
    SELECT f.oid, n.nspname::text AS namespace, f.opfname::text AS name,
        pg_get_userbyid(f.opfowner)::text AS owner, m.amname::text AS method
    FROM pg_opfamily f JOIN pg_namespace n ON n.oid = f.opfnamespace JOIN pg_am m ON m.oid = f.opfmethod
    ORDER BY n.nspname COLLATE \"C\", f.opfname COLLATE \"C\", m.amname COLLATE \"C\"";

fn classes() -> String {
    format!(
        "SELECT c.oid, n.nspname::text AS namespace, c.opcname::text AS name,
            pg_get_userbyid(c.opcowner)::text AS owner, m.amname::text AS method, c.opcdefault,
            format_type(c.opcintype, NULL) AS type, c.opcfamily AS family,
            CASE WHEN c.opckeytype <> 0 THEN format_type(c.opckeytype, NULL) END AS storage
         FROM pg_opclass c JOIN pg_namespace n ON n.oid = c.opcnamespace JOIN pg_am m ON m.oid = c.opcmethod
         WHERE {OURS} ORDER BY n.nspname COLLATE \"C\", c.opcname COLLATE \"C\", m.amname COLLATE \"C\""
    )
}

/// Operators and functions of families, each with the class or family that it goes with, by their natural key.
const MEMBERS: &str = "
    SELECT a.oid, a.tableoid AS class, a.amopfamily AS family, d.refclassid, d.refobjid,
        'OPERATOR ' || a.amopstrategy || ' ' || a.amopopr::regoperator ||
            CASE WHEN a.amopsortfamily <> 0 THEN ' FOR ORDER BY ' || quote_ident(sn.nspname) || '.' || quote_ident(s.opfname)
                ELSE '' END AS text,
        'pg_operator'::regclass::oid AS of_class, a.amopopr::oid AS of_object, a.amopstrategy::int4 AS number,
        format_type(a.amoplefttype, NULL) AS left, format_type(a.amoprighttype, NULL) AS right
    FROM pg_amop a JOIN pg_depend d ON d.classid = 'pg_amop'::regclass AND d.objid = a.oid
            AND d.refclassid IN ('pg_opclass'::regclass, 'pg_opfamily'::regclass) AND d.deptype IN ('a', 'i')
        LEFT JOIN pg_opfamily s ON s.oid = a.amopsortfamily LEFT JOIN pg_namespace sn ON sn.oid = s.opfnamespace
    WHERE a.oid >= 16384 AND (d.refclassid = 'pg_opclass'::regclass OR d.refobjid = a.amopfamily)
    UNION ALL
    SELECT a.oid, a.tableoid, a.amprocfamily, d.refclassid, d.refobjid,
        'FUNCTION ' || a.amprocnum || ' (' || format_type(a.amproclefttype, NULL) || ', '
            || format_type(a.amprocrighttype, NULL) || ') ' || a.amproc::oid::regprocedure,
        'pg_proc'::regclass::oid, a.amproc::oid, a.amprocnum,
        format_type(a.amproclefttype, NULL), format_type(a.amprocrighttype, NULL)
    FROM pg_amproc a JOIN pg_depend d ON d.classid = 'pg_amproc'::regclass AND d.objid = a.oid
            AND d.refclassid IN ('pg_opclass'::regclass, 'pg_opfamily'::regclass) AND d.deptype IN ('a', 'i')
    WHERE a.oid >= 16384 AND (d.refclassid = 'pg_opclass'::regclass OR d.refobjid = a.amprocfamily)";

/// A family's name, its access method, and its node if it is the user's.
struct Family {
    namespace: String,
    name: String,
    method: String,
}

/// An operator or function of a family. Sorted, operators come first, then by their natural keys.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    function: bool,
    number: i32,
    left: String,
    right: String,
    text: String,
    key: (u32, u32),
    of: (u32, u32),
}

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    let mut families: BTreeMap<u32, Family> = BTreeMap::new();
    for row in reader.rows("operator families", FAMILIES).await? {
        let oid: u32 = get(&row, "oid")?;
        let (namespace, name): (String, String) = (get(&row, "namespace")?, get(&row, "name")?);
        let method: String = get(&row, "method")?;
        let ours = !namespace.starts_with("pg_") && namespace != "information_schema" && namespace != "dbm";
        if ours && !reader.is_member(class::OPERATOR_FAMILY, oid) {
            let target = format!("OPERATOR FAMILY {} USING {}", qual(&namespace, &name), ident(&method));
            let own = id(Kind::OperatorFamily, &namespace, "", &format!("{name} using {method}"));
            let definition = format!("CREATE {target};\n");
            let node = Node::new(own, Section::PreData, target, definition);
            reader.add((class::OPERATOR_FAMILY, oid), node.owned(&get::<String>(&row, "owner")?));
        }
        families.insert(oid, Family { namespace, name, method });
    }
    let mut of_classes: HashMap<u32, Vec<Member>> = HashMap::new();
    let mut of_families: BTreeMap<u32, Vec<Member>> = BTreeMap::new();
    for row in reader.rows("members of operator families", MEMBERS).await? {
        let of: (u32, u32) = (get(&row, "of_class")?, get(&row, "of_object")?);
        let member = Member {
            function: of.0 == class::PROC,
            number: get(&row, "number")?,
            left: get(&row, "left")?,
            right: get(&row, "right")?,
            text: get(&row, "text")?,
            key: (get(&row, "class")?, get(&row, "oid")?),
            of,
        };
        if get::<u32>(&row, "refclassid")? == class::OPERATOR_CLASS {
            of_classes.entry(get(&row, "refobjid")?).or_default().push(member);
        } else {
            of_families.entry(get(&row, "family")?).or_default().push(member);
        }
    }
    read_classes(reader, &families, of_classes).await?;
    for (oid, members) in of_families {
        if let Some(family) = families.get(&oid) {
            add_members(reader, oid, family, members);
        }
    }
    Ok(())
}

async fn read_classes(
    reader: &mut Reader<'_>,
    families: &BTreeMap<u32, Family>,
    mut members: HashMap<u32, Vec<Member>>,
) -> Result<()> {
    for row in reader.rows("operator classes", &classes()).await? {
        let oid = get(&row, "oid")?;
        let Some(family) = families.get(&get::<u32>(&row, "family")?) else { continue };
        if reader.is_member(class::OPERATOR_CLASS, oid) {
            continue;
        }
        let (namespace, name): (String, String) = (get(&row, "namespace")?, get(&row, "name")?);
        let (method, data_type): (String, String) = (get(&row, "method")?, get(&row, "type")?);
        let default = if get(&row, "opcdefault")? { "DEFAULT " } else { "" };
        let mut list: Vec<String> = Vec::new();
        let storage: Option<String> = get(&row, "storage")?;
        list.extend(storage.map(|storage| format!("STORAGE {storage}")));
        let mut members = members.remove(&oid).unwrap_or_default();
        members.sort();
        for member in members {
            list.push(member.text);
            reader.alias.insert(member.key, (class::OPERATOR_CLASS, oid));
        }
        if list.is_empty() {
            // The list may not be empty, and this says nothing new.
            list.push(format!("STORAGE {data_type}"));
        }
        let own = id(Kind::OperatorClass, &namespace, "", &format!("{name} using {method}"));
        let target = format!("OPERATOR CLASS {} USING {}", qual(&namespace, &name), ident(&method));
        let definition = format!(
            "CREATE OPERATOR CLASS {}\n    {default}FOR TYPE {data_type} USING {} FAMILY {} AS\n    {};\n",
            qual(&namespace, &name),
            ident(&method),
            qual(&family.namespace, &family.name),
            list.join(",\n    ")
        );
        let node = Node::new(own, Section::PreData, target, definition);
        reader.add((class::OPERATOR_CLASS, oid), node.owned(&get::<String>(&row, "owner")?));
    }
    Ok(())
}

/// What was added to a family. Of a family that is not the user's own, only what is made of the user's functions
/// and operators; and nothing that is made of an extension's, which adds it again.
fn add_members(reader: &mut Reader<'_>, oid: u32, family: &Family, members: Vec<Member>) {
    let own = reader.places.get(&(class::OPERATOR_FAMILY, oid)).copied();
    let of_extension = reader.is_member(class::OPERATOR_FAMILY, oid);
    let mut members: Vec<Member> = members
        .into_iter()
        .filter(|member| {
            let theirs = reader.is_member(member.of.0, member.of.1);
            own.is_some() || !theirs && (!of_extension || member.of.1 >= FIRST_OID)
        })
        .collect();
    if members.is_empty() {
        return;
    }
    members.sort();
    let Family { namespace, name, method } = family;
    let own = id(Kind::FamilyMembers, namespace, "", &format!("{name} using {method}"));
    let list: Vec<&str> = members.iter().map(|member| member.text.as_str()).collect();
    let definition = format!(
        "ALTER OPERATOR FAMILY {} USING {} ADD\n    {};\n",
        qual(namespace, name),
        ident(method),
        list.join(",\n    ")
    );
    let node = Node::new(own, Section::PreData, String::new(), definition)
        .needing(reader.find((class::OPERATOR_FAMILY, oid)));
    let place = reader.add((class::NONE, 0), node);
    for member in members {
        reader.places.insert(member.key, place);
    }
}
