//! What an account may do, read from `SHOW GRANTS`, which also tells an account without privileges.

mod rank;
#[cfg(test)]
mod tests;

use rank::{Rank, Rule};

use super::{Connection, Flavour};
use crate::Result;

/// The privileges of the account that we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grants {
    given: Vec<Grant>,
    /// What MySQL has taken out of what is given on everything (`partial_revokes`).
    revoked: Vec<Grant>,
    rule: Rule,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    privileges: Vec<String>,
    /// The database's name or pattern, `None` for all; a single table's are not kept.
    database: Option<String>,
    to: To,
}

/// Whom something is given to: on MariaDB what one of these may do on a database is added to what the others may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Account,
    /// The current role, with those that it has itself.
    Role,
    Public,
}

impl Grants {
    /// Asks the server.
    ///
    /// # Errors
    /// What asking gave.
    pub async fn read(connection: &mut Connection) -> Result<Self> {
        let what = "cannot ask the server what the account may do";
        // MySQL tells what its roles may do only when they are named; MariaDB tells of the current one by itself, and
        // 5.7 knows of none.
        let roles = connection.value("SELECT CURRENT_ROLE()", what).await.unwrap_or_default();
        let roles = roles.filter(|roles| roles.contains("`@`"));
        let of_roles = match &roles {
            Some(roles) => {
                connection.query(&format!("SHOW GRANTS FOR CURRENT_USER() USING {roles}"), what).await.ok()
            }
            None => None,
        };
        let rows = match of_roles {
            Some(rows) => rows,
            None => connection.query("SHOW GRANTS", what).await?,
        };
        let literal = async |connection: &mut Connection| {
            let on = connection.value("SELECT @@global.partial_revokes", what).await.unwrap_or_default();
            on.as_deref() == Some("1")
        };
        let rule = match connection.flavour() {
            Flavour::MariaDb => Rule::Fewest,
            Flavour::MySql if literal(connection).await => Rule::Literal,
            Flavour::MySql if roles.is_some() => Rule::FirstByName,
            Flavour::MySql => Rule::Longest,
        };
        Ok(Self::of(rule, rows.iter().filter_map(|row| row.first()?.as_deref())))
    }

    fn of<'a>(rule: Rule, lines: impl Iterator<Item = &'a str>) -> Self {
        let mut grants = Self { given: Vec::new(), revoked: Vec::new(), rule };
        for line in lines {
            grants.given.extend(grant(line, "GRANT "));
            grants.revoked.extend(grant(line, "REVOKE "));
        }
        grants
    }

    /// Whether it has a privilege, in capitals, on everything.
    pub fn everywhere(&self, privilege: &str) -> bool {
        self.given.iter().any(|grant| grant.database.is_none() && grant.gives(privilege))
    }

    /// Whether it has a privilege, in capitals, on all of a database.
    pub fn on(&self, database: &str, privilege: &str) -> bool {
        let taken = self
            .revoked
            .iter()
            .any(|grant| grant.database.as_deref() == Some(database) && grant.gives(privilege));
        if !taken && self.everywhere(privilege) {
            return true;
        }
        [To::Account, To::Role, To::Public].into_iter().any(|to| {
            let deciding = self.deciding(database, to);
            // Which of equals it goes by is the server's secret, so each of them has to give it.
            let given_by = |pattern: &Option<String>| {
                deciding.iter().any(|grant| grant.database == *pattern && grant.gives(privilege))
            };
            !deciding.is_empty() && deciding.iter().all(|grant| given_by(&grant.database))
        })
    }

    /// Of the patterns that fit a database the one by which the server goes: what the others give, it does not give here.
    fn deciding(&self, database: &str, to: To) -> Vec<&Grant> {
        let ranked = |grant: &'_ Grant| -> Option<Rank> {
            let pattern = grant.database.as_deref().filter(|_| grant.to == to)?;
            self.rule.fits(pattern, database).then(|| self.rule.rank(pattern, database))
        };
        let best = self.given.iter().filter_map(ranked).max();
        self.given.iter().filter(|grant| best.is_some() && ranked(grant) == best).collect()
    }

    /// Whether the server takes the name of a database in a grant for a pattern.
    pub fn take_patterns(&self) -> bool {
        self.rule != Rule::Literal
    }

    /// The pattern by which something is given on this database and on no other name that it may have, as it is written:
    /// `my\_shop`, or `my_shop`, which most people write.
    pub fn spelled(&self, database: &str) -> Option<&str> {
        let patterns = self.given.iter().filter_map(|grant| grant.database.as_deref());
        let fitting = patterns.filter(|pattern| match self.rule {
            Rule::Literal => *pattern == database,
            _ => pattern.replace("\\_", "_").replace("\\%", "%") == database,
        });
        fitting.max_by_key(|pattern| self.rule.rank(pattern, database))
    }

    /// The privileges, in capitals, that it has on this database by a pattern.
    pub fn given_on(&self, database: &str) -> impl Iterator<Item = &str> {
        let here = [To::Account, To::Role, To::Public].into_iter().flat_map(|to| self.deciding(database, to));
        here.flat_map(|grant| grant.privileges.iter().map(String::as_str))
    }
}

impl Grant {
    fn gives(&self, privilege: &str) -> bool {
        // Static privileges only: MySQL lists the dynamic ones in lines of their own, without blanks.
        let all = self.privileges.iter().any(|one| one == "ALL PRIVILEGES");
        all || self.privileges.iter().any(|one| one == privilege)
    }
}

fn grant(line: &str, verb: &str) -> Option<Grant> {
    let (privileges, rest) = line.strip_prefix(verb)?.split_once(" ON ")?;
    let privileges = privileges.split(',').map(|one| one.trim().to_ascii_uppercase()).collect();
    let (database, rest) = rest.strip_prefix("*.*").map(|rest| (None, rest)).or_else(|| {
        let (name, after) = name(rest)?;
        Some((Some(name), after.strip_prefix(".*")?))
    })?;
    let to = match rest.strip_prefix(" TO ") {
        Some(to) if to.starts_with("PUBLIC") => To::Public,
        Some(to) if to.starts_with('`') && name(to).is_some_and(|(_, after)| !after.starts_with('@')) => {
            To::Role
        }
        _ => To::Account,
    };
    Some(Grant { privileges, database, to })
}

/// A name in backticks, or a plain one, and what follows it.
pub(super) fn name(text: &str) -> Option<(String, &str)> {
    let Some(rest) = text.strip_prefix('`') else {
        let (name, _) = text.split_once('.')?;
        return Some((name.to_owned(), &text[name.len()..]));
    };
    let mut name = String::new();
    let mut characters = rest.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character != '`' {
            name.push(character);
        } else if characters.next_if(|&(_, next)| next == '`').is_some() {
            name.push('`');
        } else {
            return Some((name, &rest[at + 1..]));
        }
    }
    None
}
