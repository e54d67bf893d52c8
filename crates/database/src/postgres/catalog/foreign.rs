//! Foreign-data wrappers, servers, user mappings, and the options of all that is foreign.

use super::reader::{Node, Reader, class, id};
use super::sql::{get, ident, lit};
use crate::{Kind, Result, Section};

const WRAPPERS: &str = "
    SELECT w.oid, w.fdwname::text AS name, pg_get_userbyid(w.fdwowner)::text AS owner,
        nullif(w.fdwhandler, 0)::regproc::text AS handler, nullif(w.fdwvalidator, 0)::regproc::text AS validator,
        coalesce(w.fdwoptions, '{}') AS options
    FROM pg_foreign_data_wrapper w WHERE w.oid >= 16384 ORDER BY w.fdwname COLLATE \"C\"";

const SERVERS: &str = "
    SELECT s.oid, s.srvname::text AS name, pg_get_userbyid(s.srvowner)::text AS owner, s.srvtype AS type,
        s.srvversion AS version, w.fdwname::text AS wrapper, coalesce(s.srvoptions, '{}') AS options
    FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
    ORDER BY s.srvname COLLATE \"C\"";

/// `hidden` is where the view shows no options whether or not there are any:
/// <https://www.postgresql.org/docs/current/view-pg-user-mappings.html>
const MAPPINGS: &str = "
    SELECT m.umid AS oid, m.srvname::text AS server, CASE WHEN m.umuser <> 0 THEN m.usename::text END AS role,
        coalesce(m.umoptions, '{}') AS options, m.umoptions IS NULL AND NOT coalesce(
            (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user)
            OR m.umuser = 0 AND pg_has_role(s.srvowner, 'USAGE')
            OR m.usename = current_user AND has_server_privilege(s.oid, 'USAGE'), false) AS hidden
    FROM pg_user_mappings m JOIN pg_foreign_server s ON s.oid = m.srvid
    ORDER BY m.umid";

/// Options of user mappings that say who, and not what proves it.
const HARMLESS: [&str; 9] = [
    "user",
    "username",
    "user_name",
    "remote_user",
    "password_required",
    "sslcert",
    "sslkey",
    "sslrootcert",
    "gssdelegation",
];

/// Words in the names of options of wrappers and servers that hold a secret.
const SECRET: [&str; 8] =
    ["passw", "passphrase", "secret", "token", "credential", "api_key", "apikey", "access_key"];

/// `name=value` options as a list for `OPTIONS (…)`.
pub(super) fn options(options: &[String]) -> Vec<String> {
    options
        .iter()
        .map(|option| {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            format!("{} {}", ident(name), lit(value))
        })
        .collect()
}

/// The clause ` OPTIONS (…)`, or nothing.
pub(super) fn clause(list: &[String]) -> String {
    if list.is_empty() {
        String::new()
    } else {
        format!(" OPTIONS (\n    {}\n)", options(list).join(",\n    "))
    }
}

impl Reader<'_> {
    /// Takes the options that hold a secret out, unless secrets are carried, and names them.
    pub(super) fn without_secrets(&mut self, of: &str, mapping: bool, options: Vec<String>) -> Vec<String> {
        if self.secrets {
            return options;
        }
        let (kept, secret): (Vec<String>, Vec<String>) = options.into_iter().partition(|option| {
            let name = option.split_once('=').map_or(option.as_str(), |(name, _)| name).to_lowercase();
            if mapping {
                HARMLESS.contains(&name.as_str())
            } else {
                !SECRET.iter().any(|word| name.contains(word))
            }
        });
        for option in secret {
            let name = option.split_once('=').map_or(option.as_str(), |(name, _)| name);
            self.leave_out(format!("option {name} of {of}"), "it may be a password: --secrets carries it");
        }
        kept
    }
}

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("foreign-data wrappers", WRAPPERS).await? {
        let oid = get(&row, "oid")?;
        if reader.is_member(class::WRAPPER, oid) {
            continue;
        }
        let name: String = get(&row, "name")?;
        let target = format!("FOREIGN DATA WRAPPER {}", ident(&name));
        let list =
            reader.without_secrets(&format!("foreign-data wrapper {name}"), false, get(&row, "options")?);
        let mut definition = format!("CREATE {target}");
        for (word, column) in [("HANDLER", "handler"), ("VALIDATOR", "validator")] {
            if let Some(function) = get::<Option<String>>(&row, column)? {
                definition.push_str(&format!(" {word} {function}"));
            }
        }
        definition.push_str(&format!("{};\n", clause(&list)));
        let own = id(Kind::ForeignDataWrapper, "", "", &name);
        let node = Node::new(own, Section::PreData, target, definition);
        reader.add((class::WRAPPER, oid), node.owned(&get::<String>(&row, "owner")?));
    }
    for row in reader.rows("foreign servers", SERVERS).await? {
        let oid = get(&row, "oid")?;
        if reader.is_member(class::SERVER, oid) {
            continue;
        }
        let name: String = get(&row, "name")?;
        let list = reader.without_secrets(&format!("server {name}"), false, get(&row, "options")?);
        let target = format!("SERVER {}", ident(&name));
        let mut definition = format!("CREATE {target}");
        for (word, column) in [("TYPE", "type"), ("VERSION", "version")] {
            let text: Option<String> = get(&row, column)?;
            definition.extend(text.map(|text| format!(" {word} {}", lit(&text))));
        }
        let wrapper = ident(&get::<String>(&row, "wrapper")?);
        definition.push_str(&format!(" FOREIGN DATA WRAPPER {wrapper}{};\n", clause(&list)));
        let node = Node::new(id(Kind::Server, "", "", &name), Section::PreData, target, definition)
            .granted_on("FOREIGN SERVER", &ident(&name));
        reader.add((class::SERVER, oid), node.owned(&get::<String>(&row, "owner")?));
    }
    read_mappings(reader).await
}

async fn read_mappings(reader: &mut Reader<'_>) -> Result<()> {
    for row in reader.rows("user mappings", MAPPINGS).await? {
        let oid = get(&row, "oid")?;
        if reader.is_member(class::USER_MAPPING, oid) {
            continue;
        }
        let (server, role): (String, Option<String>) = (get(&row, "server")?, get(&row, "role")?);
        let name = role.clone().unwrap_or_else(|| "PUBLIC".to_owned());
        let what = format!("user mapping of {name} on server {server}");
        if get(&row, "hidden")? {
            let hidden = format!("options of {what}");
            if reader.secrets {
                let of = id(Kind::UserMapping, "", &server, &name);
                reader.refuse_of(of, hidden, "they are hidden from this account");
            } else {
                reader.leave_out(hidden, "they are hidden from this account");
            }
        }
        let list = reader.without_secrets(&what, true, get(&row, "options")?);
        let role = role.map_or_else(|| "PUBLIC".to_owned(), |role| ident(&role));
        let definition =
            format!("CREATE USER MAPPING FOR {role} SERVER {}{};\n", ident(&server), clause(&list));
        let own = id(Kind::UserMapping, "", &server, &name);
        reader.add((class::USER_MAPPING, oid), Node::new(own, Section::PreData, String::new(), definition));
    }
    Ok(())
}
