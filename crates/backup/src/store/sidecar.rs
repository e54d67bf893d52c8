use chrono::{DateTime, Utc};
use database::{Engine, SourceId};
use serde::{Deserialize, Serialize};

use crate::archive::{Archive, FORMAT, Grade, Hash};
use crate::{Error, ErrorKind, Result};

/// The small file `NAME.json` beside an archive: what listing and pruning need to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sidecar {
    /// The archive's format.
    pub format: u32,
    /// Which engine.
    pub engine: Engine,
    /// The server's version.
    pub server_version: String,
    /// The database's name.
    pub database: String,
    /// Which database it is of.
    pub source: SourceId,
    /// When the backup began.
    pub time: DateTime<Utc>,
    /// The dbm that wrote it.
    pub dbm_version: String,
    /// The size of the file as stored.
    pub bytes: u64,
    /// The hash of the file as stored; missing where the sidecar was made anew from the index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Hash>,
    /// The archive's identity.
    pub identity: Hash,
    /// How far it is one snapshot.
    pub grade: Grade,
    /// All rows of all tables.
    pub rows: u64,
    /// The number of tables with rows.
    pub tables: u64,
    /// When it was last restored into a scratch database and its digests compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_proven: Option<DateTime<Utc>>,
    /// When all of its hashes were last checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_verified: Option<DateTime<Utc>>,
    /// What a check has found to be wrong with it; such an archive never counts as good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<String>,
    /// Authenticates all of the above and below, beside encrypted archives, where a key for that is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Hash>,
    /// Why it must not be pruned; an open run's journal, or a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// Whether something was left out on request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

impl Sidecar {
    /// Reads one that lies there under that name.
    pub(super) fn parse(text: &[u8], file: &str) -> Result<Self> {
        serde_json::from_slice(text).map_err(|cause| {
            Error::new(ErrorKind::Refused, format!("{file} is there and cannot be read"))
                .with_hint(
                    "bring it back from a copy; or remove it, with the pin that it may hold: \
                     `dbm verify NAME` then writes another",
                )
                .with_source(cause)
        })
    }

    /// What the archive itself says.
    ///
    /// # Errors
    /// What the store says of its size.
    pub async fn of(archive: &Archive) -> Result<Self> {
        let (head, index) = (archive.head(), archive.index());
        Ok(Self {
            format: FORMAT,
            engine: head.engine,
            server_version: head.server_version.clone(),
            database: head.database.clone(),
            source: index.source.clone(),
            time: head.time,
            dbm_version: head.dbm_version.clone(),
            bytes: archive.stored_bytes().await?,
            sha256: None,
            identity: archive.identity(),
            grade: index.grade.clone(),
            rows: index.rows(),
            tables: index.tables.len() as u64,
            last_proven: None,
            last_verified: None,
            damaged: None,
            mac: None,
            pin: None,
            partial: index.partial,
        })
    }
}
