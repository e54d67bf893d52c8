use chrono::{DateTime, Utc};
use serde::Serialize;

/// What a restore replaced: kept until it is let go by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Replaced {
    /// The database's (or file's) name now.
    pub name: String,
    /// When it was replaced.
    pub when: DateTime<Utc>,
    /// Its size in bytes, where it was asked for and can be known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// What others could do with single objects of it, and cannot do with those that have taken their place: statements that
    /// would give it, which the server did not take, and what the account may not see. Known to whoever has replaced it.
    #[serde(skip)]
    pub not_granted: Vec<String>,
    /// Why others could write while triggers and events were made again, and may have passed them.
    #[serde(skip)]
    pub unguarded: Option<String>,
}
