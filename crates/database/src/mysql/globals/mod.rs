//! What belongs to the server and not to a database: accounts, roles, and what they may do.

mod objects;
mod read;
mod text;

use serde::{Deserialize, Serialize};

pub use objects::OnObject;
pub use read::{not_carried, read};

/// All accounts of a server but its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Globals {
    /// Roles first, so that they are there when they are granted.
    pub accounts: Vec<Account>,
}

/// An account, or a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// As it stands in statements: `` `app`@`%` ``, or a role of MariaDB's `` `clerk` ``.
    pub name: String,
    /// The statement that makes it; none for MariaDB's `PUBLIC`, which is everywhere.
    pub create: Option<String>,
    /// Whether it has a password or the like that was left out: it is made locked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_password: bool,
    /// What it may do on all databases, or on one.
    pub grants: Vec<String>,
    /// What it may do with single tables and routines, which have to be there to be granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_objects: Vec<String>,
    /// The statement that says which of its roles it has from the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_role: Option<String>,
}

impl Account {
    /// The statement that removes it.
    pub fn remove(&self) -> Option<String> {
        let word = if self.is_role() { "ROLE" } else { "USER" };
        self.create.as_ref().map(|_| format!("DROP {word} IF EXISTS {}", self.name))
    }

    /// Whether it is a role of MariaDB; MySQL's are accounts.
    fn is_role(&self) -> bool {
        self.create.as_ref().is_none_or(|create| create.starts_with("CREATE ROLE "))
    }

    /// What it may do, for comparing two servers.
    pub fn may(&self) -> impl Iterator<Item = &String> {
        self.grants.iter().chain(&self.on_objects).chain(&self.default_role)
    }
}

impl Globals {
    /// A script that makes what is not there, for whoever restores without dbm. Privileges are added to accounts that
    /// are there, as the server's own tool does it; those on what is not there are left out, and shown.
    pub fn script(&self) -> String {
        let mut script = String::new();
        let mut line = |statement: &str| script.push_str(&format!("{statement};\n"));
        for account in &self.accounts {
            if let Some(create) = &account.create {
                for word in ["CREATE USER ", "CREATE ROLE "] {
                    if let Some(rest) = create.strip_prefix(word) {
                        line(&format!("{word}IF NOT EXISTS {rest}"));
                    }
                }
            }
        }
        for account in &self.accounts {
            account.grants.iter().chain(&account.default_role).for_each(|statement| line(statement));
        }
        let on_objects = self.accounts.iter().flat_map(|account| &account.on_objects);
        for part in on_objects.flat_map(|grant| OnObject::of(grant)) {
            line(&part.line());
        }
        script
    }
}
