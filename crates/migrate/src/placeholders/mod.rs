//! `${name}` in a migration's text: values from the configuration and the environment, and hashes of passwords.

mod filler;

pub(crate) use filler::{Filler, braced, escape, is_placeholder};

use std::collections::{BTreeMap, HashMap};

use database::Engine;
use serde::{Deserialize, Serialize};

/// What the configuration says of `${name}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configured {
    /// For every engine.
    pub common: BTreeMap<String, String>,
    /// For one engine, before what is common.
    pub engines: HashMap<Engine, BTreeMap<String, String>>,
}

impl Configured {
    pub(crate) fn get(&self, engine: Engine, name: &str) -> Option<&str> {
        let own = self.engines.get(&engine).and_then(|values| values.get(name));
        own.or_else(|| self.common.get(name)).map(String::as_str)
    }
}

/// Where `${env:NAME}` and `${password:…:NAME}` get their values: the library itself never reads the environment.
pub trait Variables: Send + Sync {
    /// The value of a variable, if it is set.
    fn variable(&self, name: &str) -> Option<String>;
}

/// No variable is set.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoVariables;

impl Variables for NoVariables {
    fn variable(&self, _name: &str) -> Option<String> {
        None
    }
}

/// A password that dbm made up, to be shown once to the person who runs it and written nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct MadePassword {
    /// The variable that was not set.
    pub variable: String,
    /// The password.
    pub password: String,
    /// Its hash, as it stands in the text: each place has a salt of its own.
    pub hash: String,
}

impl std::fmt::Debug for MadePassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadePassword").field("variable", &self.variable).finish_non_exhaustive()
    }
}

/// A text with its values in place.
#[derive(Clone, Default)]
pub struct Filled {
    /// What is sent to the server. It may hold secrets: never in a message.
    pub text: String,
    /// The passwords made up for it.
    pub made: Vec<MadePassword>,
    /// (line of the filled text, lines that values added up to it).
    pub(crate) shifts: Vec<(usize, usize)>,
}

impl Filled {
    /// The line of the file that a line of the filled text comes from.
    pub fn line_in_file(&self, line: usize) -> usize {
        let before = self.shifts.iter().take_while(|(at, _)| *at <= line).last();
        line - before.map_or(0, |(_, added)| *added)
    }
}

impl std::fmt::Debug for Filled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filled").field("bytes", &self.text.len()).finish_non_exhaustive()
    }
}
