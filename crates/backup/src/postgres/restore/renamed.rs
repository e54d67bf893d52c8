//! Roles by other names: what belonged to one, or was granted by or to it, goes to another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use database::postgres::properties::{Privileges, Properties};
use database::{Engine, Kind, ObjectId, quote};

use crate::archive::{Archive, Aspect, Index};
use crate::postgres::roles::Roles;

/// The archive with roles by their other names.
pub(super) fn renamed(archive: &Archive, roles: &BTreeMap<String, String>) -> Archive {
    if roles.is_empty() {
        return archive.clone();
    }
    let map = roles.clone();
    let rewrite = Arc::new(move |part: &crate::archive::Part, bytes: Vec<u8>| {
        if !matches!(part.aspect, Aspect::Owner | Aspect::Privileges) {
            return bytes;
        }
        match String::from_utf8(bytes) {
            Ok(text) => statements(&text, &map).into_bytes(),
            // Whoever runs it says what is wrong with it.
            Err(error) => error.into_bytes(),
        }
    });
    archive.rewritten(rewrite, |index| rename(index, roles))
}

/// The same in what the index says of roles.
fn rename(index: &mut Index, roles: &BTreeMap<String, String>) {
    let new = |name: &String| roles.get(name).unwrap_or(name).clone();
    for part in &mut index.parts {
        if part.objects.iter().any(|id| id.kind == Kind::DefaultPrivileges) {
            let objects = part.objects.iter().map(|id| match id.kind {
                Kind::DefaultPrivileges => ObjectId { of: new(&id.of), ..id.clone() },
                _ => id.clone(),
            });
            part.objects = objects.collect();
        }
    }
    if let Ok(mut properties) = serde_json::from_value::<Properties>(index.properties.clone()) {
        properties.owner = properties.owner.as_ref().map(new);
        if let Privileges::Exactly(grants) = &mut properties.privileges {
            for grant in grants {
                grant.grantor = grant.grantor.as_ref().map(new);
                grant.grantee = grant.grantee.as_ref().map(new);
            }
        }
        for setting in &mut properties.settings {
            setting.role = setting.role.as_ref().map(new);
        }
        index.properties = serde_json::to_value(properties).unwrap_or_else(|_| index.properties.clone());
    }
    let old = index.extras.get("roles").cloned().and_then(|old| serde_json::from_value::<Roles>(old).ok());
    if let (Some(mut old), Some(extras)) = (old, index.extras.as_object_mut()) {
        let all = |names: &BTreeSet<String>| names.iter().map(new).collect();
        old.owners = all(&old.owners);
        old.grantees = all(&old.grantees);
        old.given = all(&old.given);
        extras.insert("roles".to_owned(), serde_json::to_value(old).unwrap_or_default());
    }
}

/// Statements of owners and privileges with roles by their other names.
///
/// Only our own canonical statements come here: every name in them is quoted, and a role stands after one of four words.
pub(super) fn statements(text: &str, roles: &BTreeMap<String, String>) -> String {
    let mut renamed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', '\'']) {
        let mark = if rest[at..].starts_with('"') { '"' } else { '\'' };
        let (before, quoted) = rest.split_at(at);
        renamed.push_str(before);
        let length = quoted_length(quoted, mark);
        let (word, after) = quoted.split_at(length);
        let is_role =
            mark == '"' && [" TO ", " FROM ", " FOR ROLE ", "SET ROLE "].iter().any(|w| before.ends_with(w));
        let new = if is_role { roles.get(&name(word)) } else { None };
        match new {
            Some(new) => renamed.push_str(&quote::identifier(Engine::Postgres, new)),
            None => renamed.push_str(word),
        }
        rest = after;
    }
    renamed.push_str(rest);
    renamed
}

/// The length of what begins with a quote, to its end.
fn quoted_length(text: &str, mark: char) -> usize {
    let mut at = 1;
    while let Some(found) = text[at..].find(mark) {
        at += found + 1;
        if !text[at..].starts_with(mark) {
            return at;
        }
        at += 1;
    }
    text.len()
}

fn name(quoted: &str) -> String {
    let inner = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.unwrap_or(quoted).replace("\"\"", "\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_roles_get_other_names() {
        let roles = BTreeMap::from([("a".to_owned(), "b\"c".to_owned())]);
        for (text, expected) in [
            ("ALTER TABLE \"a\".\"a\" OWNER TO \"a\";\n", "ALTER TABLE \"a\".\"a\" OWNER TO \"b\"\"c\";\n"),
            (
                "GRANT SELECT ON TABLE \"a\".\" TO \" TO \"a\";\n",
                "GRANT SELECT ON TABLE \"a\".\" TO \" TO \"b\"\"c\";\n",
            ),
            (
                "REVOKE ALL ON TABLE \"x\"\" FROM \" FROM PUBLIC;\n",
                "REVOKE ALL ON TABLE \"x\"\" FROM \" FROM PUBLIC;\n",
            ),
            (
                "SET ROLE \"a\";\nGRANT ALL ON SCHEMA \"a\" TO \"x\";\nRESET ROLE;\n",
                "SET ROLE \"b\"\"c\";\nGRANT ALL ON SCHEMA \"a\" TO \"x\";\nRESET ROLE;\n",
            ),
            (
                "ALTER DEFAULT PRIVILEGES FOR ROLE \"a\" IN SCHEMA \"a\" GRANT ALL ON TABLES TO \"aa\";\n",
                "ALTER DEFAULT PRIVILEGES FOR ROLE \"b\"\"c\" IN SCHEMA \"a\" GRANT ALL ON TABLES TO \"aa\";\n",
            ),
        ] {
            assert_eq!(statements(text, &roles), expected);
        }
    }
}
