//! What belongs to no database but to the server: roles, memberships, settings of roles, privileges on parameters, and
//! the names of tablespaces.

use serde::{Deserialize, Serialize};

use super::properties::Setting;

mod items;
mod read;
#[cfg(test)]
mod tests;

pub use items::{Item, differing, missing, script};
pub use read::read;

/// What belongs to the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Globals {
    /// The server's version, as in 150018.
    pub version: u32,
    /// Its roles, without those that every server has.
    pub roles: Vec<Role>,
    /// Who is a member of what, in an order in which it can be granted.
    pub memberships: Vec<Membership>,
    /// Settings of roles in all databases; of all roles where none is named.
    pub settings: Vec<Setting>,
    /// Privileges on parameters of the configuration.
    pub parameters: Vec<ParameterGrant>,
    /// The names of the tablespaces, without those that every server has. Where they lie is the server's own business.
    pub tablespaces: Vec<String>,
}

/// A role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// What it is and may do, in the words of `CREATE ROLE`.
    pub options: Vec<String>,
    /// The hash of its password, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Its comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Security labels: provider and label.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security_labels: Vec<(String, String)>,
}

/// One role's membership in another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// In which role.
    pub role: String,
    /// Who is a member of it.
    pub member: String,
    /// Who granted it, if not the role that the server was made by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grantor: Option<String>,
    /// Whether the member may grant it.
    pub admin: bool,
    /// Whether the member has the role's privileges without `SET ROLE`; since 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inherit: Option<bool>,
    /// Whether the member may `SET ROLE` to it; since 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<bool>,
}

/// One privilege on a parameter of the configuration; since 15.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterGrant {
    /// The parameter.
    pub parameter: String,
    /// Who granted it, if not the role that the server was made by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grantor: Option<String>,
    /// Who has it; everybody if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grantee: Option<String>,
    /// `SET` or `ALTER SYSTEM`.
    pub privilege: String,
    /// Whether it may be passed on.
    pub with_option: bool,
}
