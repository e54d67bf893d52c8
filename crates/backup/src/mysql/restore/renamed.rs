//! An archive's tables under other names, for where those of the same names stay until the exchange.

use std::collections::{BTreeMap, HashMap};

use database::mysql::Flavour;
use database::mysql::catalog::constraints::{self, ForeignKey};
use database::mysql::catalog::text::{Create, unquoted};
use database::{Engine, ObjectId, Schema, quote, script};
use helpers::naming::cut_name;
use serde::{Deserialize, Serialize};

use super::definers::Definers;
use crate::{Error, ErrorKind, Result};

/// How the names begin that tables and constraints have until the exchange, and that replaced tables have after it.
const NEW: &str = "dbm_new_";
const NEW_CONSTRAINT: &str = "dbm_newkey_";
const OLD: &str = "dbm_old_";

/// The server makes names of constraints of a table's name, which must not become too long by that.
const NAME_BYTES: usize = 48;

/// The name of a new table until the exchange.
pub(super) fn new_name(table: &str) -> String {
    cut_name(&format!("{NEW}{table}"), "", NAME_BYTES)
}

/// The name of a replaced table after the exchange.
pub(super) fn old_name(table: &str) -> String {
    cut_name(&format!("{OLD}{table}"), "", NAME_BYTES)
}

/// What an archive names, and by which names that is made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Renamed {
    /// Tables and sequences.
    pub(super) tables: BTreeMap<String, String>,
    /// Constraints whose names belong to the whole database.
    pub(super) constraints: Vec<Constraint>,
}

/// A constraint that has another name until the replaced tables are gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Constraint {
    pub(super) table: String,
    pub(super) made: String,
    pub(super) name: String,
    /// What adds it by its own name.
    pub(super) clause: String,
    /// What removes it: `FOREIGN KEY`, `CHECK`.
    pub(super) word: String,
}

/// The statements of an archive's definitions, sorted by when they are run.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// Before the rows, by other names.
    pub(super) before: Vec<String>,
    /// After the rows, by other names.
    pub(super) after: Vec<String>,
    /// What is of no table alone, or acts by itself: made after the exchange.
    pub(super) later: Vec<String>,
    pub(super) renamed: Renamed,
}

impl Renamed {
    /// The name by which a table is made.
    pub(super) fn table<'n>(&'n self, name: &'n str) -> &'n str {
        self.tables.get(name).map_or(name, String::as_str)
    }

    /// What leads from the names that were made to those of the archive.
    pub(super) fn originals(&self) -> Originals<'_> {
        let tables = self.tables.iter().map(|(name, made)| (made.as_str(), name.as_str()));
        let constraints = self.constraints.iter().map(|one| (one.made.as_str(), one.name.as_str()));
        Originals(tables.chain(constraints).collect())
    }

    fn constraint(&mut self, table: &str, name: &str, clause: String, word: &str) -> String {
        // With leading zeros they sort as they did.
        let made = format!("{NEW_CONSTRAINT}{:06}", self.constraints.len() + 1);
        self.constraints.push(Constraint {
            table: table.to_owned(),
            made: made.clone(),
            name: name.to_owned(),
            clause,
            word: word.to_owned(),
        });
        made
    }
}

/// The names of an archive by those that were made for them.
#[derive(Debug, Default)]
pub(super) struct Originals<'r>(HashMap<&'r str, &'r str>);

impl Originals<'_> {
    /// The archive's name of a table.
    pub(super) fn of(&self, id: &ObjectId) -> ObjectId {
        let name = self.0.get(id.name.as_str()).map_or_else(|| id.name.clone(), |name| (*name).to_owned());
        ObjectId { name, ..id.clone() }
    }

    /// Leaves the tables that were made so in a schema, by the names that they have.
    pub(super) fn only(&self, schema: &mut Schema) {
        schema
            .objects
            .retain(|object| object.id.of.is_empty() && self.0.contains_key(object.id.name.as_str()));
    }

    /// A text with the names that its tables and constraints are to have.
    pub(super) fn text(&self, text: &str) -> String {
        let (mut out, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(at) = rest.find("`dbm_new") {
            let (before, name) = rest.split_at(at);
            out.push_str(before);
            let found =
                first_name(name).and_then(|end| Some((end, self.0.get(unquoted(&name[..end]).as_str())?)));
            let end = match found {
                Some((end, original)) => {
                    out.push_str(&quoted(original));
                    end
                }
                None => {
                    out.push('`');
                    1
                }
            };
            rest = &name[end..];
        }
        out + rest
    }
}

impl Texts {
    /// Sorts the definitions of an archive.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] for what cannot be made under another name.
    pub(super) fn read(before: &str, after: &str, definers: Definers<'_>, flavour: Flavour) -> Result<Self> {
        let mut texts = Self::default();
        let before = script::split(Engine::Mysql, before)?;
        for statement in &before {
            if let Some(name) = made_by(statement.text) {
                texts.renamed.tables.insert(name.clone(), new_name(&name));
            }
        }
        for statement in before {
            match made_by(statement.text) {
                Some(name) => {
                    let sql = texts.create(statement.text, &name, flavour)?;
                    texts.before.push(sql);
                }
                None => texts.later.push(definers.apply(statement.text).into_owned()),
            }
        }
        for statement in script::split(Engine::Mysql, after)? {
            if let Some(key) = ForeignKey::read(statement.text)? {
                let sql = texts.key(&key)?;
                texts.after.push(sql);
            } else if let Some(sql) = texts.counter(statement.text) {
                texts.after.push(sql);
            } else {
                texts.later.push(definers.apply(statement.text).into_owned());
            }
        }
        Ok(texts)
    }

    fn create(&mut self, sql: &str, name: &str, flavour: Flavour) -> Result<String> {
        let (old, made) = (quoted(name), quoted(self.renamed.table(name)));
        if sql.starts_with("CREATE SEQUENCE ") {
            return Ok(sql.replacen(&old, &made, 1));
        }
        let mut create = Create::read(sql)?;
        create.head = create.head.replacen(&old, &made, 1);
        for clause in &mut create.clauses {
            if flavour == Flavour::MySql
                && let Some((named, rest)) = constraints::check(clause)?
            {
                let own = format!("CONSTRAINT {} {rest}", quoted(&named));
                let made = self.renamed.constraint(name, &named, own, "CHECK");
                *clause = format!("CONSTRAINT {} {rest}", quoted(&made));
            } else if flavour == Flavour::MariaDb && clause.starts_with('`') && clause.contains("val(`") {
                // The default of a column that asks a sequence.
                for (name, made) in &self.renamed.tables {
                    *clause =
                        clause.replace(&format!("val({})", quoted(name)), &format!("val({})", quoted(made)));
                }
            }
        }
        Ok(create.text())
    }

    fn key(&mut self, key: &ForeignKey) -> Result<String> {
        let to = key.referenced.as_deref().unwrap_or_default();
        if key.referenced.is_some() && !self.renamed.tables.contains_key(to) {
            return Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "the foreign key {} of {} points to a table {to}, which the archive does not hold: it cannot be \
                     made in place",
                    key.name, key.table
                ),
            )
            .with_hint("restore with an account that may create databases"));
        }
        let own = key.clause(&key.name, to);
        let made = self.renamed.constraint(&key.table, &key.name, own, "FOREIGN KEY");
        let clause = key.clause(&made, self.renamed.table(to));
        Ok(format!("ALTER TABLE {} ADD {clause}", quoted(self.renamed.table(&key.table))))
    }

    /// A statement that sets a counter, of the table or sequence by its other name.
    fn counter(&self, sql: &str) -> Option<String> {
        let (word, rest) = ["ALTER TABLE ", "DO SETVAL("]
            .into_iter()
            .find_map(|word| Some((word, sql.strip_prefix(word)?)))?;
        let (name, rest) = rest.split_at(first_name(rest)?);
        let made = self.renamed.tables.get(&unquoted(name))?;
        Some(format!("{word}{}{rest}", quoted(made)))
    }
}

/// The table or sequence that a statement makes.
fn made_by(sql: &str) -> Option<String> {
    let rest = ["CREATE TABLE ", "CREATE SEQUENCE "].into_iter().find_map(|word| sql.strip_prefix(word))?;
    Some(unquoted(&rest[..first_name(rest)?]))
}

/// Where the quoted name ends that a text begins with.
fn first_name(text: &str) -> Option<usize> {
    let mut at = text.starts_with('`').then_some(1)?;
    loop {
        at += text[at..].find('`')? + 1;
        if !text[at..].starts_with('`') {
            return Some(at);
        }
        at += 1;
    }
}

fn quoted(name: &str) -> String {
    quote::identifier(Engine::Mysql, name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::restore::RestoreOptions;

    const BEFORE: &str = "CREATE SEQUENCE `s` start with 1;\nCREATE TABLE `p` (\n  `id` int DEFAULT nextval(`s`),\n  \
         CONSTRAINT `c` CHECK (`id` > 0)\n) ENGINE=InnoDB;\nCREATE TABLE `a``b` (\n  `p` int\n);\nCREATE VIEW `v` AS SELECT 1 AS `id`;\n";
    const AFTER: &str = "ALTER TABLE `p` AUTO_INCREMENT = 7;\nDO SETVAL(`s`, 3, 0);\n\
         ALTER TABLE `a``b` ADD CONSTRAINT `k` FOREIGN KEY (`p`) REFERENCES `p` (`id`);\nDROP VIEW IF EXISTS `v`;\n";

    fn read(flavour: Flavour) -> Texts {
        let options = RestoreOptions { roles: BTreeMap::new(), ..RestoreOptions::default() };
        Texts::read(BEFORE, AFTER, Definers::of(&options), flavour).unwrap()
    }

    #[test]
    fn tables_are_made_by_other_names() {
        let texts = read(Flavour::MariaDb);
        assert_eq!(
            texts.before,
            [
                "CREATE SEQUENCE `dbm_new_s` start with 1",
                "CREATE TABLE `dbm_new_p` (\n  `id` int DEFAULT nextval(`dbm_new_s`),\n  CONSTRAINT `c` CHECK (`id` > 0)\n) ENGINE=InnoDB",
                "CREATE TABLE `dbm_new_a``b` (\n  `p` int\n)",
            ]
        );
        let key = "ALTER TABLE `dbm_new_a``b` ADD CONSTRAINT `dbm_newkey_000001` FOREIGN KEY (`p`) REFERENCES `dbm_new_p` (`id`)";
        assert_eq!(
            texts.after,
            ["ALTER TABLE `dbm_new_p` AUTO_INCREMENT = 7", "DO SETVAL(`dbm_new_s`, 3, 0)", key]
        );
        assert_eq!(texts.later, ["CREATE VIEW `v` AS SELECT 1 AS `id`", "DROP VIEW IF EXISTS `v`"]);
        assert_eq!(
            texts.renamed.originals().text(key),
            "ALTER TABLE `a``b` ADD CONSTRAINT `k` FOREIGN KEY (`p`) REFERENCES `p` (`id`)"
        );
        let constraint = &texts.renamed.constraints[0];
        assert_eq!(constraint.clause, "CONSTRAINT `k` FOREIGN KEY (`p`) REFERENCES `p` (`id`)");
    }

    /// There the name of a check is the whole database's, too.
    #[test]
    fn checks_of_mysql_have_other_names() {
        let texts = read(Flavour::MySql);
        assert!(texts.before[1].contains("CONSTRAINT `dbm_newkey_000001` CHECK (`id` > 0)"), "{texts:?}");
        assert_eq!(texts.renamed.constraints[0].clause, "CONSTRAINT `c` CHECK (`id` > 0)");
        assert_eq!(texts.renamed.constraints[1].made, "dbm_newkey_000002");
    }

    #[test]
    fn a_key_to_nowhere_is_refused() {
        let after = "ALTER TABLE `p` ADD CONSTRAINT `k` FOREIGN KEY (`id`) REFERENCES `gone` (`id`);";
        let options = RestoreOptions::default();
        let error = Texts::read(BEFORE, after, Definers::of(&options), Flavour::MySql).unwrap_err();
        assert!(error.to_string().contains("gone"), "{error}");
    }
}
