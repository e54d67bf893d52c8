//! Constraints whose names belong to the whole database, so that two tables in it cannot have the same: their texts under
//! other names.

use super::text::{tokens, unquoted};
use crate::script::token::{Kind, Token};
use crate::{Engine, Result, quote};

/// A statement that adds a foreign key, as its names and what stands between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignKey {
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// The table that it points to; none where that one is in another database.
    pub referenced: Option<String>,
    /// Up to the referenced table's name, and from there on.
    around: (String, String),
}

impl ForeignKey {
    /// Reads ``ALTER TABLE `t` ADD CONSTRAINT `k` FOREIGN KEY …``; none for any other statement.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Internal`] for a text that is not SQL.
    pub fn read(sql: &str) -> Result<Option<Self>> {
        if !sql.starts_with("ALTER TABLE ") {
            return Ok(None);
        }
        let tokens = tokens(sql)?;
        let word = |place: usize| tokens.get(place).map_or("", |token| &sql[token.start..token.end]);
        let is = |place: usize, wanted: &str| word(place).eq_ignore_ascii_case(wanted);
        if !["ADD", "CONSTRAINT"].into_iter().zip(3..).all(|(wanted, place)| is(place, wanted))
            || !["FOREIGN", "KEY"].into_iter().zip(6..).all(|(wanted, place)| is(place, wanted))
        {
            return Ok(None);
        }
        let points = |token: &Token| {
            token.kind == Kind::Word && sql[token.start..token.end].eq_ignore_ascii_case("REFERENCES")
        };
        let Some(place) = tokens.iter().position(points) else { return Ok(None) };
        let Some(to) = tokens.get(place + 1) else { return Ok(None) };
        let elsewhere = tokens.get(place + 2).is_some_and(|token| token.kind == Kind::Sign(b'.'));
        let end = if elsewhere { to.start } else { to.end };
        Ok(Some(Self {
            table: unquoted(word(2)),
            name: unquoted(word(5)),
            referenced: (!elsewhere).then(|| unquoted(&sql[to.start..to.end])),
            around: (
                sql[tokens[6].start..to.start].to_owned(),
                sql[end..].trim_end().trim_end_matches(';').to_owned(),
            ),
        }))
    }

    /// Its clause by another name, pointing to a table of another name.
    pub fn clause(&self, name: &str, referenced: &str) -> String {
        let to = match self.referenced {
            Some(_) => quote::identifier(Engine::Mysql, referenced),
            None => String::new(),
        };
        let name = quote::identifier(Engine::Mysql, name);
        format!("CONSTRAINT {name} {}{to}{}", self.around.0, self.around.1)
    }
}

/// A constraint's name and the rest of its clause in `CREATE TABLE`, where that is a check of the whole table.
///
/// # Errors
/// [`crate::ErrorKind::Internal`] for a text that is not SQL.
pub fn check(clause: &str) -> Result<Option<(String, String)>> {
    if !clause.starts_with("CONSTRAINT ") {
        return Ok(None);
    }
    let tokens = tokens(clause)?;
    let found = tokens.get(1).zip(tokens.get(2));
    let found = found.filter(|(_, word)| clause[word.start..word.end].eq_ignore_ascii_case("CHECK"));
    Ok(found.map(|(name, word)| (unquoted(&clause[name.start..name.end]), clause[word.start..].to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_key_takes_other_names() {
        let sql = "ALTER TABLE `a``b` ADD CONSTRAINT `k 1` FOREIGN KEY (`REFERENCES`) REFERENCES `p` (`p`) ON DELETE CASCADE;\n";
        let key = ForeignKey::read(sql).unwrap().unwrap();
        assert_eq!(
            (key.table.as_str(), key.name.as_str(), key.referenced.as_deref()),
            ("a`b", "k 1", Some("p"))
        );
        assert_eq!(
            key.clause("n", "q"),
            "CONSTRAINT `n` FOREIGN KEY (`REFERENCES`) REFERENCES `q` (`p`) ON DELETE CASCADE"
        );
        let beyond = "ALTER TABLE `t` ADD CONSTRAINT `k` FOREIGN KEY (`a`) REFERENCES `other`.`p` (`a`)";
        let key = ForeignKey::read(beyond).unwrap().unwrap();
        assert_eq!(key.referenced, None);
        assert_eq!(key.clause("n", ""), "CONSTRAINT `n` FOREIGN KEY (`a`) REFERENCES `other`.`p` (`a`)");
        assert_eq!(ForeignKey::read("ALTER TABLE `t` AUTO_INCREMENT = 5").unwrap(), None);
    }

    #[test]
    fn a_check_gives_its_name() {
        let found = check("CONSTRAINT `c` CHECK ((`CHECK` > 0)) /*!80016 NOT ENFORCED */").unwrap();
        assert_eq!(found, Some(("c".into(), "CHECK ((`CHECK` > 0)) /*!80016 NOT ENFORCED */".into())));
        for other in
            ["`CONSTRAINT ` int", "KEY `c` (`a`)", "CONSTRAINT `c` FOREIGN KEY (`a`) REFERENCES `b` (`a`)"]
        {
            assert_eq!(check(other).unwrap(), None, "{other}");
        }
    }
}
