//! Grants on single tables, columns and routines, which the server takes only where these are.
//!
//! It keeps them when a database, a table or a column is dropped, and prints them with the others: what is gone must not
//! stop whoever gives the rest.

use super::text::find;
use crate::mysql::grants::name;
use crate::mysql::is_database;
use crate::{Engine, quote};

/// A part of a grant that is given or not given as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnObject {
    /// The statement that gives it.
    pub sql: String,
    /// A query that finds something where the server takes it; none where it does so in any case.
    there: Option<String>,
}

impl OnObject {
    /// Takes a line of `SHOW GRANTS` apart: a column that is gone takes no other's rights with it.
    pub fn of(grant: &str) -> Vec<Self> {
        parse(grant).unwrap_or_else(|| vec![Self { sql: grant.to_owned(), there: None }])
    }

    /// A line for whoever has a client alone: it gives it where it can, and otherwise shows what is not given.
    pub(super) fn line(&self) -> String {
        let Some(there) = &self.there else { return self.sql.clone() };
        let literal = |text: &str| quote::literal(Engine::Mysql, text);
        let shown = format!("SELECT {} AS `not granted, since it is not there`", literal(&self.sql));
        format!(
            "SET @dbm_grant = IF(EXISTS ({there}), {}, {}); PREPARE dbm_grant FROM @dbm_grant; EXECUTE dbm_grant; \
             DEALLOCATE PREPARE dbm_grant",
            literal(&self.sql),
            literal(&shown)
        )
    }
}

/// `GRANT SELECT (a, b), INSERT ON kind database.object TO …`
fn parse(grant: &str) -> Option<Vec<OnObject>> {
    let privileges = grant.strip_prefix("GRANT ")?;
    let (privileges, on) = privileges.split_at(find(privileges, " ON ")?);
    let (kind, path) = on[" ON ".len()..].split_at(on[" ON ".len()..].find('`')?);
    let (database, after) = name(path)?;
    let (object, to) = name(after.strip_prefix('.')?)?;
    let literal = |text: &str| quote::literal(Engine::Mysql, text);
    let is = |view: &str, schema: &str, name: &str, more: &str| {
        format!(
            "SELECT 1 FROM information_schema.{view} WHERE {} AND {name} = {}{more}",
            is_database(schema, &database),
            literal(&object)
        )
    };
    let part = |privileges: &str, there| OnObject { sql: format!("GRANT {privileges}{on}"), there };
    if !to.starts_with(" TO ") {
        return None;
    }
    match kind.trim_end() {
        "" | "TABLE" => {}
        "LIBRARY" => {
            return Some(vec![part(privileges, Some(is("libraries", "library_schema", "library_name", "")))]);
        }
        kind => {
            let kind = format!(" AND routine_type = {}", literal(kind));
            let there = is("routines", "routine_schema", "routine_name", &kind);
            return Some(vec![part(privileges, Some(there))]);
        }
    }
    let mut of_table = Vec::new();
    let mut of_columns = Vec::new();
    let mut rest = privileges;
    while !rest.is_empty() {
        let end = [find(rest, ", "), find(rest, " (")].into_iter().flatten().min().unwrap_or(rest.len());
        let (privilege, after) = rest.split_at(end);
        rest = after.strip_prefix(", ").unwrap_or(after);
        let Some(columns) = after.strip_prefix(" (") else {
            of_table.push(privilege);
            continue;
        };
        let mut columns = columns;
        loop {
            let (column, after) = name(columns)?;
            let quoted = quote::identifier(Engine::Mysql, &column);
            let more = format!(" AND column_name = {}", literal(&column));
            let there = is("columns", "table_schema", "table_name", &more);
            of_columns.push(part(&format!("{privilege} ({quoted})"), Some(there)));
            match after.strip_prefix(", ") {
                Some(next) => columns = next,
                None => {
                    let after = after.strip_prefix(')')?;
                    rest = after.strip_prefix(", ").unwrap_or(after);
                    break;
                }
            }
        }
    }
    // Who may make a table may be told so before it is there.
    let early = of_table.iter().any(|one| ["CREATE", "ALL PRIVILEGES"].contains(one));
    let there = (!early).then(|| is("tables", "table_schema", "table_name", ""));
    let of_table = (!of_table.is_empty()).then(|| part(&of_table.join(", "), there));
    Some(of_table.into_iter().chain(of_columns).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_taken_apart_by_what_can_be_gone() {
        let of = |grant: &str| -> Vec<(String, bool)> {
            OnObject::of(grant).into_iter().map(|one| (one.sql, one.there.is_some())).collect()
        };
        let to = "`s, ``(x`.`t ON y` TO `a`@`%` WITH GRANT OPTION";
        let expected = [
            (format!("GRANT INSERT, CREATE VIEW ON {to}"), true),
            (format!("GRANT SELECT (`a, b`) ON {to}"), true),
            (format!("GRANT SELECT (`c``)`) ON {to}"), true),
            (format!("GRANT UPDATE (`d`) ON {to}"), true),
        ];
        let line = format!("GRANT SELECT (`a, b`, `c``)`), INSERT, UPDATE (`d`), CREATE VIEW ON {to}");
        assert_eq!(of(&line), expected);
        for (line, there) in [
            ("GRANT SELECT, CREATE ON `s`.`t` TO `a`@`%`", false),
            ("GRANT ALL PRIVILEGES ON `s`.`t` TO `a`@`%`", false),
            ("GRANT DELETE ON `s`.`t` TO `r`", true),
            ("GRANT EXECUTE, ALTER ROUTINE ON PROCEDURE `s`.`p` TO `a`@`%`", true),
            ("GRANT EXECUTE ON PACKAGE BODY `s`.`p` TO `a`@`%`", true),
            ("GRANT EXECUTE ON LIBRARY `s`.`l` TO `a`@`%`", true),
            ("GRANT PROXY ON ``@`%` TO `root`@`%` WITH GRANT OPTION", false),
        ] {
            assert_eq!(of(line), [(line.to_owned(), there)]);
        }
        let kind = |line| OnObject::of(line)[0].there.clone().unwrap();
        assert!(
            kind("GRANT EXECUTE ON PACKAGE BODY `s`.`p` TO `a`@`%`")
                .ends_with("routine_type = 'PACKAGE BODY'")
        );
    }
}
