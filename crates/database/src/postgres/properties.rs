//! What belongs to a database itself and to no object in it: a swap by renaming leaves all of it behind.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, Row};

use super::error;
use crate::{Engine, Error, ErrorKind, Result, quote};

/// The settings whose value is a list of quoted names, which `ALTER … SET` takes item by item.
///
/// From `variable_is_guc_list_quote` in pg_dump.
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// One setting, as `ALTER DATABASE … SET` or `ALTER ROLE … IN DATABASE … SET` gives it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Setting {
    /// For which role; all of them if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The setting's name.
    pub name: String,
    /// Its value, as the catalog writes it.
    pub value: String,
}

impl Setting {
    /// The value as it stands after `SET name TO`.
    pub fn value_sql(&self) -> String {
        setting_value(&self.name, &self.value)
    }
}

/// One privilege on the database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Grant {
    /// Who granted it, if not the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grantor: Option<String>,
    /// Who has it; everybody if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grantee: Option<String>,
    /// The privilege's word.
    pub privilege: String,
    /// Whether it may be passed on.
    pub with_option: bool,
}

/// The privileges on the database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Privileges {
    /// Those that every database has when it is made.
    #[default]
    Default,
    /// Exactly these, in the order in which they were granted.
    Exactly(Vec<Grant>),
    /// Not carried, on request.
    NotCarried,
}

/// What belongs to the database itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Properties {
    /// Its owner; `None` where it is not carried.
    pub owner: Option<String>,
    /// Its privileges.
    pub privileges: Privileges,
    /// Its encoding, as the server names it.
    pub encoding: String,
    /// `libc`, `icu` or `builtin`; `None` from a server before 15, which knows no other than libc.
    pub locale_provider: Option<String>,
    /// `LC_COLLATE`.
    pub collate: String,
    /// `LC_CTYPE`.
    pub ctype: String,
    /// The provider's own locale (ICU, builtin).
    pub locale: Option<String>,
    /// ICU's tailoring rules.
    pub icu_rules: Option<String>,
    /// The version of the collation when the database was made. For a warning; no part of a comparison.
    pub collation_version: Option<String>,
    /// The default tablespace.
    pub tablespace: String,
    /// How many sessions may be open at once; -1 for no limit.
    pub connection_limit: i32,
    /// Whether everybody who may create databases may copy it.
    pub is_template: bool,
    /// Its comment.
    pub comment: Option<String>,
    /// Security labels: provider and label.
    pub security_labels: Vec<(String, String)>,
    /// Settings of the database and of roles in it.
    pub settings: Vec<Setting>,
}

/// Reads the properties of a database of the server.
///
/// # Errors
/// [`ErrorKind::NoDatabase`] if there is none of that name, or what the server refuses.
pub async fn read(client: &Client, database: &str) -> Result<Properties> {
    let what = || format!("cannot read the properties of the database `{database}`");
    let failed = |cause| error(cause, what());
    let version: String = client.query_one("SHOW server_version_num", &[]).await.map_err(failed)?.get(0);
    let version: u32 = version.parse().map_err(|cause| {
        Error::new(ErrorKind::Internal, format!("`{version}` is no server version")).with_source(cause)
    })?;
    let (provider, locale, rules, collation_version) = match version {
        170_000.. => ("d.datlocprovider::text", "d.datlocale", "d.daticurules", "d.datcollversion"),
        160_000.. => ("d.datlocprovider::text", "d.daticulocale", "d.daticurules", "d.datcollversion"),
        150_000.. => ("d.datlocprovider::text", "d.daticulocale", "NULL", "d.datcollversion"),
        _ => ("NULL", "NULL", "NULL", "NULL"),
    };
    let sql = format!(
        "SELECT d.oid, pg_catalog.pg_get_userbyid(d.datdba)::text, pg_catalog.pg_encoding_to_char(d.encoding)::text,
                {provider}::text, d.datcollate::text, d.datctype::text, {locale}::text, {rules}::text,
                {collation_version}::text, t.spcname::text, d.datconnlimit, d.datistemplate,
                pg_catalog.shobj_description(d.oid, 'pg_database'), d.datacl IS NULL
           FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace
          WHERE d.datname = $1"
    );
    let row = client.query_opt(&sql, &[&database]).await.map_err(failed)?.ok_or_else(|| {
        Error::new(ErrorKind::NoDatabase, format!("there is no database `{database}`"))
            .with_hint("list those that are there with `psql -l`")
    })?;
    let oid: u32 = row.get(0);
    let provider = match row.get::<_, Option<String>>(3).as_deref() {
        None => None,
        Some("c") => Some("libc".to_owned()),
        Some("i") => Some("icu".to_owned()),
        Some("b") => Some("builtin".to_owned()),
        Some(other) => {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("the database `{database}` has the locale provider `{other}`, which this dbm does not know"),
            )
            .with_hint("use a newer dbm"));
        }
    };
    Ok(Properties {
        owner: Some(row.get(1)),
        privileges: if row.get(13) {
            Privileges::Default
        } else {
            privileges(client, oid).await.map_err(failed)?
        },
        encoding: row.get(2),
        locale_provider: provider,
        collate: row.get(4),
        ctype: row.get(5),
        locale: row.get(6),
        icu_rules: row.get(7),
        collation_version: row.get(8),
        tablespace: row.get(9),
        connection_limit: row.get(10),
        is_template: row.get(11),
        comment: row.get(12),
        security_labels: labels(client, oid).await.map_err(failed)?,
        settings: settings(client, oid).await.map_err(failed)?,
    })
}

async fn privileges(client: &Client, oid: u32) -> Result<Privileges, tokio_postgres::Error> {
    let sql = "SELECT CASE WHEN a.grantor <> d.datdba THEN g.rolname::text END, r.rolname::text, a.privilege_type, a.is_grantable
          FROM pg_catalog.pg_database d
         CROSS JOIN LATERAL pg_catalog.aclexplode(d.datacl)
          WITH ORDINALITY AS a (grantor, grantee, privilege_type, is_grantable, n)
          LEFT JOIN pg_catalog.pg_roles g ON g.oid = a.grantor
          LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
         WHERE d.oid = $1 ORDER BY a.n";
    let grant = |row: &Row| Grant {
        grantor: row.get(0),
        grantee: row.get(1),
        privilege: row.get(2),
        with_option: row.get(3),
    };
    Ok(Privileges::Exactly(client.query(sql, &[&oid]).await?.iter().map(grant).collect()))
}

async fn labels(client: &Client, oid: u32) -> Result<Vec<(String, String)>, tokio_postgres::Error> {
    let sql = "SELECT provider, label FROM pg_catalog.pg_shseclabel
         WHERE classoid = 'pg_catalog.pg_database'::regclass AND objoid = $1 ORDER BY 1";
    Ok(client.query(sql, &[&oid]).await?.iter().map(|row| (row.get(0), row.get(1))).collect())
}

async fn settings(client: &Client, oid: u32) -> Result<Vec<Setting>, tokio_postgres::Error> {
    // The order within one role is the one in which they were set, and is kept.
    let sql = "SELECT r.rolname::text, c.entry
          FROM pg_catalog.pg_db_role_setting s
         CROSS JOIN LATERAL unnest(s.setconfig) WITH ORDINALITY AS c (entry, n)
          LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
         WHERE s.setdatabase = $1 ORDER BY r.rolname NULLS FIRST, c.n";
    let rows = client.query(sql, &[&oid]).await?;
    let setting = |row: &Row| {
        let entry: String = row.get(1);
        let (name, value) = entry.split_once('=').unwrap_or((&entry, ""));
        Setting { role: row.get(0), name: name.to_owned(), value: value.to_owned() }
    };
    Ok(rows.iter().map(setting).collect())
}

impl Properties {
    /// The same without owner or privileges.
    #[must_use]
    pub fn without(mut self, owner: bool, privileges: bool) -> Self {
        if owner {
            self.owner = None;
        }
        if privileges {
            self.privileges = Privileges::NotCarried;
        }
        self
    }

    /// Every role that is named, for a preflight.
    pub fn roles(&self) -> Vec<&str> {
        let mut roles: Vec<&str> = self.owner.iter().map(String::as_str).collect();
        if let Privileges::Exactly(grants) = &self.privileges {
            roles.extend(
                grants
                    .iter()
                    .flat_map(|grant| [&grant.grantor, &grant.grantee])
                    .flatten()
                    .map(String::as_str),
            );
        }
        roles.extend(self.settings.iter().filter_map(|setting| setting.role.as_deref()));
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    /// The statement that makes an empty database with what cannot be changed later.
    pub fn create_database_sql(&self, name: &str) -> String {
        let literal = |text: &str| quote::literal(Engine::Postgres, text);
        let mut sql = format!(
            "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}",
            identifier(name),
            literal(&self.encoding),
            literal(&self.collate),
            literal(&self.ctype)
        );
        if let Some(provider) = &self.locale_provider {
            sql.push_str(&format!(" LOCALE_PROVIDER {provider}"));
            if let Some(locale) = &self.locale {
                let word = if provider == "builtin" { "BUILTIN_LOCALE" } else { "ICU_LOCALE" };
                sql.push_str(&format!(" {word} {}", literal(locale)));
            }
            if let Some(rules) = &self.icu_rules {
                sql.push_str(&format!(" ICU_RULES {}", literal(rules)));
            }
        }
        if self.tablespace != "pg_default" {
            sql.push_str(&format!(" TABLESPACE {}", identifier(&self.tablespace)));
        }
        sql
    }

    /// The statements that give a new database the rest, each to be sent alone.
    pub fn apply_sql(&self, name: &str) -> Vec<String> {
        let database = identifier(name);
        let literal = |text: &str| quote::literal(Engine::Postgres, text);
        let mut all = Vec::new();
        // First: what the owner grants is then granted in his name, and what was granted to us stays ours.
        if let Some(owner) = &self.owner {
            all.push(format!("ALTER DATABASE {database} OWNER TO {}", identifier(owner)));
        }
        if let Some(comment) = &self.comment {
            all.push(format!("COMMENT ON DATABASE {database} IS {}", literal(comment)));
        }
        for (provider, label) in &self.security_labels {
            all.push(format!(
                "SECURITY LABEL FOR {} ON DATABASE {database} IS {}",
                identifier(provider),
                literal(label)
            ));
        }
        for Setting { role, name, value } in &self.settings {
            let on = match role {
                None => format!("DATABASE {database}"),
                Some(role) => format!("ROLE {} IN DATABASE {database}", identifier(role)),
            };
            all.push(format!("ALTER {on} SET {} TO {}", setting_name(name), setting_value(name, value)));
        }
        if self.connection_limit != -1 {
            all.push(format!("ALTER DATABASE {database} CONNECTION LIMIT {}", self.connection_limit));
        }
        if let Privileges::Exactly(grants) = &self.privileges {
            let owner = self.owner.as_deref().map_or_else(|| "CURRENT_USER".to_owned(), identifier);
            all.push(grant_sql(&database, &owner, grants));
        }
        if self.is_template {
            all.push(format!("ALTER DATABASE {database} IS_TEMPLATE true"));
        }
        all
    }

    /// What takes away from a database that is in use what [`Properties::apply_sql`], which comes after it, would not:
    /// that one is for a new database, which has nothing yet.
    pub fn clear_sql(&self, found: &Properties, name: &str) -> Vec<String> {
        let database = identifier(name);
        let mut all = Vec::new();
        for Setting { role, name, .. } in &found.settings {
            let on = match role {
                None => format!("DATABASE {database}"),
                Some(role) => format!("ROLE {} IN DATABASE {database}", identifier(role)),
            };
            all.push(format!("ALTER {on} RESET {}", setting_name(name)));
        }
        if found.comment.is_some() {
            all.push(format!("COMMENT ON DATABASE {database} IS NULL"));
        }
        if found.connection_limit != -1 {
            all.push(format!("ALTER DATABASE {database} CONNECTION LIMIT -1"));
        }
        if let (Privileges::Exactly(grants), true) =
            (&found.privileges, self.privileges != Privileges::NotCarried)
        {
            for grantee in grants.iter().map(|grant| &grant.grantee).collect::<BTreeSet<_>>() {
                let grantee = grantee.as_deref().map_or_else(|| "PUBLIC".to_owned(), identifier);
                all.push(format!("REVOKE ALL ON DATABASE {database} FROM {grantee} CASCADE"));
            }
            if self.privileges == Privileges::Default {
                for Grant { grantee, privilege, .. } in
                    default_grants(self.owner.as_ref().or(found.owner.as_ref()))
                {
                    let grantee = grantee.as_deref().map_or_else(|| "PUBLIC".to_owned(), identifier);
                    all.push(format!("GRANT {privilege} ON DATABASE {database} TO {grantee}"));
                }
            }
        }
        all
    }
}

pub(super) fn identifier(name: &str) -> String {
    quote::identifier(Engine::Postgres, name)
}

/// `a.b`, as extensions name their settings, is two names.
pub(super) fn setting_name(name: &str) -> String {
    name.split('.').map(identifier).collect::<Vec<_>>().join(".")
}

pub(super) fn setting_value(name: &str, value: &str) -> String {
    if !LISTS.contains(&name) {
        return quote::literal(Engine::Postgres, value);
    }
    let items: Vec<String> = list(value).iter().map(|item| quote::literal(Engine::Postgres, item)).collect();
    // An empty list is set by an empty name.
    if items.is_empty() { "''".to_owned() } else { items.join(", ") }
}

/// The names of a list such as `"$user", public`.
fn list(value: &str) -> Vec<String> {
    let mut items = Vec::new();
    let mut item = String::new();
    let (mut quoted, mut begun) = (false, false);
    let mut characters = value.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                item.push('"');
            }
            '"' => {
                quoted = !quoted;
                begun = true;
            }
            ',' if !quoted => {
                items.push(std::mem::take(&mut item));
                begun = false;
            }
            _ if character.is_whitespace() && !quoted => {}
            _ => {
                item.push(character);
                begun = true;
            }
        }
    }
    if begun {
        items.push(item);
    }
    items
}

/// In one transaction: everything goes, and comes back in the order it had.
fn grant_sql(database: &str, owner: &str, grants: &[Grant]) -> String {
    let mut sql = format!("BEGIN; REVOKE ALL ON DATABASE {database} FROM PUBLIC, {owner};");
    let mut by_owner_first: Vec<&Grant> = grants.iter().collect();
    by_owner_first.sort_by_key(|grant| grant.grantor.is_some());
    for Grant { grantor, grantee, privilege, with_option } in by_owner_first {
        let grantee = grantee.as_deref().map_or_else(|| "PUBLIC".to_owned(), identifier);
        let option = if *with_option { " WITH GRANT OPTION" } else { "" };
        let grant = format!("GRANT {privilege} ON DATABASE {database} TO {grantee}{option};");
        match grantor {
            None => sql.push_str(&grant),
            Some(grantor) => {
                sql.push_str(&format!("SET LOCAL ROLE {}; {grant} RESET ROLE;", identifier(grantor)));
            }
        }
    }
    sql.push_str("COMMIT");
    sql
}

/// What of the wanted properties a database does not have, in words.
pub fn differences(wanted: &Properties, found: &Properties) -> Vec<String> {
    let mut all = Vec::new();
    let mut compare = |what: &str, wanted: String, found: String| {
        if wanted != found {
            all.push(format!("{what} is {found} instead of {wanted}"));
        }
    };
    if wanted.owner.is_some() {
        compare("the owner", format!("{:?}", wanted.owner), format!("{:?}", found.owner));
    }
    if wanted.privileges != Privileges::NotCarried {
        let owner = wanted.owner.as_ref().or(found.owner.as_ref());
        compare("the privileges", sorted(&wanted.privileges, owner), sorted(&found.privileges, owner));
    }
    compare("the encoding", wanted.encoding.clone(), found.encoding.clone());
    compare("LC_COLLATE", wanted.collate.clone(), found.collate.clone());
    compare("LC_CTYPE", wanted.ctype.clone(), found.ctype.clone());
    let provider =
        |properties: &Properties| properties.locale_provider.clone().unwrap_or_else(|| "libc".to_owned());
    compare("the locale provider", provider(wanted), provider(found));
    compare("the locale", format!("{:?}", wanted.locale), format!("{:?}", found.locale));
    compare("the ICU rules", format!("{:?}", wanted.icu_rules), format!("{:?}", found.icu_rules));
    compare("the tablespace", wanted.tablespace.clone(), found.tablespace.clone());
    compare("the connection limit", wanted.connection_limit.to_string(), found.connection_limit.to_string());
    compare("being a template", wanted.is_template.to_string(), found.is_template.to_string());
    compare("the comment", format!("{:?}", wanted.comment), format!("{:?}", found.comment));
    compare(
        "the security labels",
        format!("{:?}", wanted.security_labels),
        format!("{:?}", found.security_labels),
    );
    compare("the settings", format!("{:?}", wanted.settings), format!("{:?}", found.settings));
    all
}

/// The privileges in effect, in one order: the default may also be written out, as it is once it was changed and changed back.
fn sorted(privileges: &Privileges, owner: Option<&String>) -> String {
    let mut grants = match privileges {
        Privileges::Exactly(grants) => grants.clone(),
        Privileges::Default => default_grants(owner),
        Privileges::NotCarried => return format!("{privileges:?}"),
    };
    grants.sort();
    format!("{grants:?}")
}

/// What `acldefault` gives: <https://www.postgresql.org/docs/current/ddl-priv.html>.
fn default_grants(owner: Option<&String>) -> Vec<Grant> {
    let grant = |grantee: Option<&String>, privilege: &str| Grant {
        grantor: None,
        grantee: grantee.cloned(),
        privilege: privilege.to_owned(),
        with_option: false,
    };
    let mut grants = vec![grant(None, "TEMPORARY"), grant(None, "CONNECT")];
    grants.extend(["CREATE", "TEMPORARY", "CONNECT"].map(|privilege| grant(owner, privilege)));
    grants
}

#[cfg(test)]
mod tests;
