use std::collections::{BTreeMap, BTreeSet};

use super::reader::{Node, Reader, class, id};
use super::sql::{get, ident};
use crate::{Kind, Result, Section};

/// Each privilege that an object has (`here`) or would have if nobody had granted or revoked any.
/// Of namespace information_schema the server does not remember what it was born with: all may read its views
/// but those for its own use, and that is since long before 13.
/// <https://github.com/postgres/postgres/blob/master/src/backend/catalog/information_schema.sql>
///
/// Of what comes with the server only `pg_catalog` and `information_schema`, and nothing of dbm's own namespace.
const QUERY: &str = "
    WITH passed_over AS (
        SELECT oid FROM pg_namespace WHERE nspname = 'dbm'
            OR (nspname ~ '^pg_' AND nspname <> 'pg_catalog')
    ), holders AS (
        SELECT 'pg_class'::regclass::oid AS class, oid, 0 AS number, relacl AS acl,
            acldefault(CASE relkind WHEN 'S' THEN 's'::\"char\" ELSE 'r'::\"char\" END, relowner)
                || CASE WHEN relnamespace = 'information_schema'::regnamespace AND relname !~ '^_pg_'
                    AND relname NOT IN ('sql_parts', 'transforms')
                    THEN ARRAY[makeaclitem(0, relowner, 'SELECT', false)] ELSE '{}' END AS born,
            relowner AS owner,
            CASE relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || oid::regclass AS target
        FROM pg_class WHERE relacl IS NOT NULL AND relnamespace NOT IN (TABLE passed_over)
        UNION ALL SELECT 'pg_class'::regclass, a.attrelid, a.attnum, a.attacl, NULL::aclitem[], c.relowner,
            'TABLE ' || c.oid::regclass
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
            AND c.relnamespace NOT IN (TABLE passed_over)
        UNION ALL SELECT 'pg_proc'::regclass, oid, 0, proacl, acldefault('f', proowner), proowner,
            'FUNCTION ' || oid::regprocedure FROM pg_proc WHERE proacl IS NOT NULL AND pronamespace NOT IN (TABLE passed_over)
        UNION ALL SELECT 'pg_type'::regclass, oid, 0, typacl, acldefault('T', typowner), typowner,
            'TYPE ' || typnamespace::regnamespace || '.' || quote_ident(typname) FROM pg_type WHERE typacl IS NOT NULL AND typnamespace NOT IN (TABLE passed_over)
        UNION ALL SELECT 'pg_language'::regclass, oid, 0, lanacl, acldefault('l', lanowner), lanowner,
            'LANGUAGE ' || quote_ident(lanname) FROM pg_language WHERE lanacl IS NOT NULL
        UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, 0, fdwacl, acldefault('F', fdwowner), fdwowner,
            'FOREIGN DATA WRAPPER ' || quote_ident(fdwname) FROM pg_foreign_data_wrapper WHERE fdwacl IS NOT NULL
        UNION ALL SELECT 'pg_foreign_server'::regclass, oid, 0, srvacl, acldefault('S', srvowner), srvowner,
            'FOREIGN SERVER ' || quote_ident(srvname) FROM pg_foreign_server WHERE srvacl IS NOT NULL
        UNION ALL SELECT 'pg_namespace'::regclass, oid, 0, nspacl, acldefault('n', nspowner)
            || CASE WHEN nspname = 'information_schema' THEN ARRAY[makeaclitem(0, nspowner, 'USAGE', false)] ELSE '{}' END,
            nspowner, 'SCHEMA ' || quote_ident(nspname) FROM pg_namespace WHERE nspacl IS NOT NULL AND nspname <> 'public'
            AND oid NOT IN (TABLE passed_over)
        UNION ALL SELECT 'pg_largeobject'::regclass, oid, 0, lomacl, acldefault('L', lomowner), lomowner,
            'LARGE OBJECT ' || oid FROM pg_largeobject_metadata WHERE lomacl IS NOT NULL
        UNION ALL SELECT 'pg_namespace'::regclass, oid, 0, coalesce(nspacl, acldefault('n', nspowner)),
            acldefault('n', nspowner) || makeaclitem(0, nspowner, 'USAGE', false), nspowner, 'SCHEMA public'
        FROM pg_namespace WHERE nspname = 'public'
    ), every AS (
        SELECT h.class, h.oid, h.number, h.owner, h.target, true AS here, g.*
        FROM holders h, aclexplode(h.acl) g
        UNION ALL SELECT h.class, h.oid, h.number, h.owner, h.target, false, g.*
        FROM holders h LEFT JOIN pg_init_privs i ON i.classoid = h.class AND i.objoid = h.oid
            AND i.objsubid = h.number AND h.target <> 'SCHEMA public',
            aclexplode(coalesce(i.initprivs, h.born)) g
    )
    SELECT class, oid, number::int4,
        CASE WHEN number <> 0 THEN (SELECT a.attname::text FROM pg_attribute a
            WHERE a.attrelid = every.oid AND a.attnum = every.number) END AS column, owner = grantor AS by_owner, target, here, privilege_type AS privilege,
        is_grantable AS grantable, pg_get_userbyid(grantor)::text AS grantor,
        CASE WHEN grantee <> 0 THEN pg_get_userbyid(grantee)::text END AS grantee
    FROM every";

const DEFAULTS: &str = "
    WITH holders AS (
        SELECT d.oid, d.defaclrole AS owner, d.defaclnamespace AS namespace, d.defaclobjtype AS type,
            d.defaclacl AS acl, CASE WHEN d.defaclnamespace <> 0 THEN NULL ELSE
            acldefault(CASE WHEN d.defaclobjtype = 'S' THEN 's'::\"char\" ELSE d.defaclobjtype END, d.defaclrole)
            END AS born
        FROM pg_default_acl d
    ), every AS (
        SELECT h.oid, true AS here, g.* FROM holders h, aclexplode(h.acl) g
        UNION ALL SELECT h.oid, false, g.* FROM holders h, aclexplode(h.born) g
    )
    SELECT h.oid, pg_get_userbyid(h.owner)::text AS owner, n.nspname::text AS namespace, h.type::text AS type, b.here,
        b.privilege_type AS privilege, b.is_grantable AS grantable,
        CASE WHEN b.grantee <> 0 THEN pg_get_userbyid(b.grantee)::text END AS grantee
    FROM holders h JOIN every b ON b.oid = h.oid LEFT JOIN pg_namespace n ON n.oid = h.namespace
    WHERE n.nspname IS DISTINCT FROM 'dbm'";

/// Privileges of one object or column: who was given what by whom.
#[derive(Default)]
struct Privileges {
    target: String,
    column: Option<String>,
    here: BTreeSet<Grant>,
    born: BTreeSet<Grant>,
}

/// One privilege. Those that the owner gave come first: others can only hand on what they were given.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Grant {
    /// `None` where the owner gave it.
    grantor: Option<String>,
    /// `None` is everybody.
    grantee: Option<String>,
    privilege: String,
    grantable: bool,
}

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    let mut all: BTreeMap<(u32, u32, i32), Privileges> = BTreeMap::new();
    for row in reader.rows("privileges", QUERY).await? {
        let key = (get(&row, "class")?, get(&row, "oid")?, get(&row, "number")?);
        let entry = all.entry(key).or_default();
        entry.target = get(&row, "target")?;
        entry.column = get(&row, "column")?;
        let by_owner: bool = get(&row, "by_owner")?;
        let grant = Grant {
            grantor: Some(get::<String>(&row, "grantor")?).filter(|_| !by_owner),
            grantee: get(&row, "grantee")?,
            privilege: get(&row, "privilege")?,
            grantable: get(&row, "grantable")?,
        };
        if get(&row, "here")? { &mut entry.here } else { &mut entry.born }.insert(grant);
    }
    let built_in = system(reader, &all);
    for ((class, oid, _), privileges) in all {
        let own = reader.places.get(&(class, oid)).copied();
        // What somebody made and no reader carries, such as schema `dbm`, is no part of the server either.
        let built_in = built_in.filter(|_| oid < super::sql::FIRST_OID);
        let place = own.or_else(|| reader.find((class, oid))).or(built_in);
        let Some(place) = place else { continue };
        let target =
            if own.is_some() { reader.nodes[place].grant_on.clone() } else { privileges.target.clone() };
        let column = privileges.column.as_deref().map(ident);
        let mut list = statements("", &format!("ON {target}"), column.as_deref(), &privileges);
        if class == class::NAMESPACE && privileges.target == "SCHEMA public" && reader.version < 150_000 {
            list = always(&privileges);
        }
        reader.nodes[place].object.privileges.extend(list);
    }
    defaults(reader).await
}

/// Where privileges of what comes with the server stand, if any of them was changed: at namespace `pg_catalog`.
fn system(reader: &mut Reader<'_>, all: &BTreeMap<(u32, u32, i32), Privileges>) -> Option<usize> {
    let changed = all.iter().any(|((class, oid, _), privileges)| {
        privileges.here != privileges.born
            && reader.find((*class, *oid)).is_none()
            && *oid < super::sql::FIRST_OID
    });
    changed.then(|| reader.pg_catalog())
}

/// `public` of a server before 15, which a newer one makes with fewer privileges.
fn always(privileges: &Privileges) -> Vec<String> {
    let mut list = vec!["REVOKE ALL ON SCHEMA \"public\" FROM PUBLIC;\n".to_owned()];
    let here = privileges.here.clone();
    let mut born = privileges.born.clone();
    born.retain(|grant| grant.grantee.is_some());
    let rest = Privileges { here, born, ..Privileges::default() };
    list.extend(statements("", "ON SCHEMA \"public\"", None, &rest));
    list
}

/// What leads from the privileges that it is born with to those that it has.
fn statements(before: &str, on: &str, column: Option<&str>, privileges: &Privileges) -> Vec<String> {
    let name = |grantee: &Option<String>| grantee.as_deref().map_or_else(|| "PUBLIC".to_owned(), ident);
    let column = column.map_or_else(String::new, |column| format!(" ({column})"));
    let list = |grants: &[&Grant]| {
        let words: Vec<String> = grants.iter().map(|grant| format!("{}{column}", grant.privilege)).collect();
        words.join(", ")
    };
    let mut text = Vec::new();
    let grantees: BTreeSet<&Option<String>> = privileges.born.iter().map(|grant| &grant.grantee).collect();
    for grantee in grantees {
        let born: Vec<&Grant> = privileges.born.iter().filter(|grant| grant.grantee == *grantee).collect();
        let kept = |grant: &&Grant| {
            privileges.here.iter().any(|here| {
                here.grantee == grant.grantee
                    && here.privilege == grant.privilege
                    && here.grantor == grant.grantor
            })
        };
        let lost: Vec<&Grant> = born.iter().copied().filter(|grant| !kept(grant)).collect();
        if lost.len() == born.len() {
            text.push(format!("{before}REVOKE ALL {on} FROM {};\n", name(grantee)));
        } else if !lost.is_empty() {
            text.push(format!("{before}REVOKE {} {on} FROM {};\n", list(&lost), name(grantee)));
        }
    }
    type By<'g> = (&'g Option<String>, &'g Option<String>, bool);
    let mut given: BTreeMap<By<'_>, Vec<&Grant>> = BTreeMap::new();
    for grant in privileges.here.difference(&privileges.born) {
        given.entry((&grant.grantor, &grant.grantee, grant.grantable)).or_default().push(grant);
    }
    for ((grantor, grantee, grantable), grants) in given {
        let option = if grantable { " WITH GRANT OPTION" } else { "" };
        let grant = format!("{before}GRANT {} {on} TO {}{option};\n", list(&grants), name(grantee));
        text.push(match grantor {
            Some(grantor) => format!("SET ROLE {};\n{grant}RESET ROLE;\n", ident(grantor)),
            None => grant,
        });
    }
    text
}

async fn defaults(reader: &mut Reader<'_>) -> Result<()> {
    let mut all: BTreeMap<(String, Option<String>, String), Privileges> = BTreeMap::new();
    for row in reader.rows("default privileges", DEFAULTS).await? {
        let key = (get(&row, "owner")?, get(&row, "namespace")?, get(&row, "type")?);
        let entry = all.entry(key).or_default();
        let grant = Grant {
            grantor: None,
            grantee: get(&row, "grantee")?,
            privilege: get(&row, "privilege")?,
            grantable: get(&row, "grantable")?,
        };
        if get(&row, "here")? { &mut entry.here } else { &mut entry.born }.insert(grant);
    }
    for ((owner, namespace, kind), privileges) in all {
        let word = match kind.as_str() {
            "r" => "TABLES",
            "S" => "SEQUENCES",
            "f" => "FUNCTIONS",
            "T" => "TYPES",
            "n" => "SCHEMAS",
            "L" => "LARGE OBJECTS",
            _ => {
                let of = id(Kind::DefaultPrivileges, namespace.as_deref().unwrap_or_default(), &owner, &kind);
                let what = format!("default privileges of {owner}");
                reader.refuse_of(of, what, "they are on a kind that is not known");
                continue;
            }
        };
        let place = namespace.as_ref().map_or_else(String::new, |name| format!(" IN SCHEMA {}", ident(name)));
        let before = format!("ALTER DEFAULT PRIVILEGES FOR ROLE {}{place} ", ident(&owner));
        let text = statements(&before, &format!("ON {word}"), None, &privileges).concat();
        let namespace = namespace.unwrap_or_default();
        let needs = reader.namespaces.get(&namespace).copied();
        let own = id(Kind::DefaultPrivileges, &namespace, &owner, &word.to_lowercase());
        let node = Node::new(own, Section::Final, String::new(), text).needing(needs);
        reader.add((class::NONE, 0), node);
    }
    Ok(())
}
