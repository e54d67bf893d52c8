use std::fmt;

use serde::{Deserialize, Serialize};

/// Something that no archive carries and a restore makes anew, and that did not come out as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remade {
    /// What it is, `materialized view public.sales`.
    pub object: String,
    /// How it differs, for people.
    pub what: String,
}

impl fmt::Display for Remade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.what)
    }
}
