use std::collections::{BTreeMap, BTreeSet};

use super::{Globals, Membership, ParameterGrant, Role};
use crate::postgres::properties::{Setting, identifier, setting_name, setting_value};
use crate::{Engine, quote};

/// Since this version a membership is one of its grantor's, and knows more than one option.
const GRANTORS: u32 = 160_000;

/// What of those who granted memberships goes from one server to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grantors {
    /// A membership is one of its grantor's.
    Each,
    /// There is one membership, which says who granted it.
    Said,
    /// Not carried: the older server did not ask whether they might.
    NotCarried,
}

impl Grantors {
    fn between(from: u32, to: u32) -> Self {
        match (from >= GRANTORS, to >= GRANTORS) {
            (true, true) => Self::Each,
            (_, false) => Self::Said,
            (false, true) => Self::NotCarried,
        }
    }
}

/// One thing of the server's, and how it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is, for people; the same on every server.
    pub what: String,
    /// The statements that make it.
    pub make: Vec<String>,
    /// The statement that gives a role its password's hash.
    pub password: Option<String>,
    /// The statement that removes it again.
    pub undo: String,
    /// The condition under which it is there.
    there: String,
}

/// What of `wanted` is not there, in an order in which it can be made.
pub fn missing(wanted: &Globals, found: &Globals) -> Vec<Item> {
    let grantors = Grantors::between(wanted.version, found.version);
    let there: BTreeSet<String> = found.items(grantors).into_iter().map(|item| item.what).collect();
    wanted.items(grantors).into_iter().filter(|item| !there.contains(&item.what)).collect()
}

/// What of `wanted` is there and another, or cannot be made from here, for people to read.
pub fn differing(wanted: &Globals, found: &Globals) -> Vec<String> {
    let grantors = Grantors::between(wanted.version, found.version);
    let there: BTreeMap<String, Vec<String>> =
        found.items(grantors).into_iter().map(|item| (item.what, item.make)).collect();
    let mut all = Vec::new();
    for item in wanted.items(grantors) {
        let Some(other) = there.get(&item.what).filter(|other| **other != item.make) else { continue };
        // A setting's value may be a secret, and what a role may do is none.
        if item.what.starts_with("setting") {
            all.push(format!("{} has another value here", item.what));
        } else {
            all.push(format!("{} is `{}` here, not `{}`", item.what, other.join("; "), item.make.join("; ")));
        }
    }
    let away = wanted.tablespaces.iter().filter(|name| !found.tablespaces.contains(name));
    all.extend(
        away.map(|name| format!("tablespace {name} is not here, and where it should lie nobody said")),
    );
    all
}

/// A statement that makes on any server what is not there, for whoever restores without dbm. Only a superuser may do
/// that; of others it changes nothing, and warns them.
pub fn script(globals: &Globals) -> String {
    let mut body = String::from(
        "BEGIN\nIF NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN\n\
         RAISE WARNING 'roles, memberships and settings of roles are left as they are: only a superuser takes them over';\n\
         RETURN;\nEND IF;\n",
    );
    let execute = |item: &Item| -> String {
        let all = item.make.iter().chain(&item.password);
        all.map(|statement| format!("EXECUTE {};\n", literal(statement))).collect()
    };
    // Of an older server, it depends on the new one whether it takes the grantors over.
    let older = globals.items(Grantors::between(globals.version, 0));
    for (item, older) in globals.items(Grantors::between(globals.version, u32::MAX)).iter().zip(&older) {
        body.push_str(&format!("IF NOT EXISTS ({}) THEN\n", item.there));
        if item.make == older.make || globals.version >= GRANTORS {
            body.push_str(&execute(item));
        } else {
            body.push_str(&format!(
                "IF pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= {GRANTORS} THEN\n{}ELSE\n{}END IF;\n",
                execute(item),
                execute(older)
            ));
        }
        body.push_str("END IF;\n");
    }
    body.push_str("END");
    format!("DO LANGUAGE plpgsql {};\n", literal(&body))
}

impl Globals {
    /// Everything that can be made, in an order in which it can.
    fn items(&self, grantors: Grantors) -> Vec<Item> {
        let mut items: Vec<Item> = self.roles.iter().map(Role::item).collect();
        let mut seen = BTreeSet::new();
        for one in &self.memberships {
            // Where who granted it tells nothing, several are one.
            let item = one.item(grantors);
            if seen.insert(item.what.clone()) {
                items.push(item);
            }
        }
        items.extend(self.settings.iter().map(of_setting));
        items.extend(self.parameters.iter().map(ParameterGrant::item));
        items
    }
}

impl Role {
    fn item(&self) -> Item {
        let name = identifier(&self.name);
        let mut make = vec![format!("CREATE ROLE {name} WITH {}", self.options.join(" "))];
        make.extend(self.comment.iter().map(|text| format!("COMMENT ON ROLE {name} IS {}", literal(text))));
        make.extend(self.security_labels.iter().map(|(provider, label)| {
            format!("SECURITY LABEL FOR {} ON ROLE {name} IS {}", identifier(provider), literal(label))
        }));
        Item {
            what: format!("role {name}"),
            make,
            password: self
                .password
                .as_ref()
                .map(|hash| format!("ALTER ROLE {name} PASSWORD {}", literal(hash))),
            undo: format!("DROP ROLE {name}"),
            there: format!("SELECT FROM pg_catalog.pg_roles WHERE rolname = {}", literal(&self.name)),
        }
    }
}

impl Membership {
    fn item(&self, grantors: Grantors) -> Item {
        let (role, member) = (identifier(&self.role), identifier(&self.member));
        let word = |value: bool| if value { "TRUE" } else { "FALSE" };
        let mut options = Vec::new();
        if let (Grantors::Each, Some(inherit), Some(set)) = (grantors, self.inherit, self.set) {
            options.push(format!("INHERIT {}, SET {}", word(inherit), word(set)));
        }
        if self.admin {
            options.insert(0, "ADMIN OPTION".to_owned());
        }
        let with = if options.is_empty() { String::new() } else { format!(" WITH {}", options.join(", ")) };
        let mut there = format!(
            "SELECT FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.roleid \
             JOIN pg_catalog.pg_roles u ON u.oid = m.member JOIN pg_catalog.pg_roles g ON g.oid = m.grantor \
             WHERE r.rolname = {} AND u.rolname = {}",
            literal(&self.role),
            literal(&self.member)
        );
        let by = self.grantor.as_ref().filter(|_| grantors != Grantors::NotCarried);
        let by = by.map_or_else(String::new, |grantor| format!(" GRANTED BY {}", identifier(grantor)));
        let mut what = format!("membership of {member} in {role}");
        let mut undo = format!("REVOKE {role} FROM {member}");
        if grantors == Grantors::Each {
            what.push_str(&by.replacen("GRANTED BY", "granted by", 1));
            undo.push_str(&by);
            match &self.grantor {
                Some(grantor) => there.push_str(&format!(" AND g.rolname = {}", literal(grantor))),
                None => there.push_str(" AND g.oid = 10"),
            }
        }
        Item { what, make: vec![format!("GRANT {role} TO {member}{with}{by}")], password: None, undo, there }
    }
}

fn of_setting(setting: &Setting) -> Item {
    let Setting { role, name, value } = setting;
    let (on, whose, is) = match role {
        Some(role) => {
            let on = format!("ROLE {}", identifier(role));
            (on.clone(), on.replacen("ROLE", "role", 1), format!("r.rolname = {}", literal(role)))
        }
        None => ("ROLE ALL".to_owned(), "all roles".to_owned(), "s.setrole = 0".to_owned()),
    };
    Item {
        what: format!("setting {} of {whose}", identifier(name)),
        make: vec![format!("ALTER {on} SET {} TO {}", setting_name(name), setting_value(name, value))],
        password: None,
        undo: format!("ALTER {on} RESET {}", setting_name(name)),
        there: format!(
            "SELECT FROM pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole, \
             pg_catalog.unnest(s.setconfig) AS entry WHERE s.setdatabase = 0 AND {is} \
             AND pg_catalog.split_part(entry, '=', 1) = {}",
            literal(name)
        ),
    }
}

impl ParameterGrant {
    fn item(&self) -> Item {
        let Self { parameter, grantor, grantee, privilege, with_option } = self;
        let on = format!("{privilege} ON PARAMETER {}", setting_name(parameter));
        let to = grantee.as_deref().map_or_else(|| "PUBLIC".to_owned(), identifier);
        let option = if *with_option { " WITH GRANT OPTION" } else { "" };
        let mut make = vec![format!("GRANT {on} TO {to}{option}")];
        let mut what = format!("privilege {on} of {to}");
        if let Some(grantor) = grantor {
            // `GRANTED BY` takes nobody but the current role here.
            make.insert(0, format!("SET LOCAL ROLE {}", identifier(grantor)));
            make.push("RESET ROLE".to_owned());
            what.push_str(&format!(" granted by {}", identifier(grantor)));
        }
        let is = |name: &Option<String>, column: &str, none: &str| match name {
            Some(name) => format!(
                "a.{column} = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = {})",
                literal(name)
            ),
            None => format!("a.{column} = {none}"),
        };
        Item {
            what,
            make,
            password: None,
            undo: format!("REVOKE {on} FROM {to}"),
            there: format!(
                "SELECT FROM pg_catalog.pg_parameter_acl p, pg_catalog.aclexplode(p.paracl) a \
                 WHERE p.parname = {} AND a.privilege_type = {} AND {} AND {}",
                literal(parameter),
                literal(privilege),
                is(grantee, "grantee", "0"),
                is(grantor, "grantor", "10")
            ),
        }
    }
}

fn literal(text: &str) -> String {
    quote::literal(Engine::Postgres, text)
}
