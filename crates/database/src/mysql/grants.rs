//! What an account may do, read from `SHOW GRANTS`, which also tells an account without privileges.

use super::Connection;
use crate::Result;

/// The privileges of the account that we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    given: Vec<Grant>,
    /// What MySQL has taken out of what is given on everything (`partial_revokes`).
    revoked: Vec<Grant>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    privileges: Vec<String>,
    /// The database's name or pattern, `None` for all; a single table's are not kept.
    database: Option<String>,
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
        let of_roles = match roles.filter(|roles| roles.contains("`@`")) {
            Some(roles) => {
                connection.query(&format!("SHOW GRANTS FOR CURRENT_USER() USING {roles}"), what).await.ok()
            }
            None => None,
        };
        let rows = match of_roles {
            Some(rows) => rows,
            None => connection.query("SHOW GRANTS", what).await?,
        };
        Ok(Self::of(rows.iter().filter_map(|row| row.first()?.as_deref())))
    }

    fn of<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut grants = Self::default();
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
        self.given.iter().any(|grant| {
            let here = match grant.database.as_deref() {
                None => !taken,
                Some(pattern) => like(pattern.as_bytes(), database.as_bytes()),
            };
            here && grant.gives(privilege)
        })
    }

    /// The pattern by which something is given on this database and on no other name that it may have, as it is written:
    /// `my\_shop`, or `my_shop`, which most people write.
    pub fn spelled(&self, database: &str) -> Option<&str> {
        let mut patterns = self.given.iter().filter_map(|grant| grant.database.as_deref());
        patterns.find(|pattern| pattern.replace("\\_", "_").replace("\\%", "%") == database)
    }

    /// The privileges, in capitals, that are given on this database, by whatever pattern.
    pub fn given_on(&self, database: &str) -> impl Iterator<Item = &str> {
        let here = self.given.iter().filter(move |grant| {
            grant.database.as_ref().is_some_and(|pattern| like(pattern.as_bytes(), database.as_bytes()))
        });
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
    let rest = rest.strip_prefix("*.*").map(|_| None).or_else(|| {
        let (name, after) = name(rest)?;
        after.starts_with(".*").then_some(Some(name))
    })?;
    Some(Grant { privileges, database: rest })
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

/// `LIKE`, as names of databases in grants are matched.
fn like(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'%', pattern @ ..], _) => (0..=name.len()).any(|skip| like(pattern, &name[skip..])),
        ([b'\\', escaped, pattern @ ..], [first, name @ ..]) => escaped == first && like(pattern, name),
        ([b'_', pattern @ ..], [_, name @ ..]) => like(pattern, name),
        ([own, pattern @ ..], [first, name @ ..]) => own == first && like(pattern, name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_lines_say() {
        let grants = Grants::of(
            [
                "GRANT PROCESS, BINLOG MONITOR ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*A'",
                "GRANT ALL PRIVILEGES ON `shop\\_%`.* TO `u`@`%` WITH GRANT OPTION",
                "GRANT SELECT, INSERT ON `a``b`.* TO `u`@`%`",
                "GRANT DELETE ON `shop`.`one` TO `u`@`%`",
                "GRANT `role` TO `u`@`%`",
            ]
            .into_iter(),
        );
        assert!(grants.everywhere("PROCESS") && grants.everywhere("BINLOG MONITOR"));
        assert!(!grants.everywhere("SELECT") && !grants.everywhere("ALL PRIVILEGES"));
        assert!(grants.on("shop_eu", "CREATE") && !grants.on("shopXeu", "CREATE"));
        assert!(grants.on("a`b", "INSERT") && !grants.on("a`b", "DELETE"));
        assert!(!grants.on("shop", "DELETE"));
        assert_eq!((grants.spelled("a`b"), grants.spelled("shop_eu")), (Some("a`b"), None));
        assert_eq!(grants.given_on("shop_eu").collect::<Vec<_>>(), ["ALL PRIVILEGES"]);
        let lines =
            ["GRANT SELECT ON `my_shop`.* TO `u`@`%`", "GRANT DROP ON `my\\_shop\\_re%`.* TO `u`@`%`"];
        let own = Grants::of(lines.into_iter());
        assert_eq!((own.spelled("my_shop"), own.spelled("my_shop_restoring_")), (Some("my_shop"), None));
        assert_eq!(own.given_on("my_shop_restoring_").collect::<Vec<_>>(), ["DROP"]);
        let parted = Grants::of(
            [
                "GRANT SELECT, TRIGGER ON *.* TO `u`@`%`",
                "GRANT BACKUP_ADMIN,SET_ANY_DEFINER,SHOW_ROUTINE ON *.* TO `u`@`%`",
                "REVOKE TRIGGER ON `shop`.* FROM `u`@`%`",
            ]
            .into_iter(),
        );
        assert!(parted.everywhere("SHOW_ROUTINE") && parted.everywhere("SET_ANY_DEFINER"));
        assert!(
            parted.on("shop", "SELECT") && parted.on("other", "TRIGGER") && !parted.on("shop", "TRIGGER")
        );
        let all = Grants::of(["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost`"].into_iter());
        assert!(all.everywhere("CREATE") && all.on("x", "DROP"));
    }
}
