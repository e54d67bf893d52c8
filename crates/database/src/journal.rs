use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One line of a run's journal. What `step` holds is for the crate that keeps the run to say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The run's name, unique among all runs of the database.
    pub run: String,
    /// Its place in the run, from 0.
    pub number: u32,
    /// When it was written, by the clock of the host that wrote it.
    pub at: DateTime<Utc>,
    /// What is about to happen, or has happened.
    pub step: Value,
}
