//! What an archive says of itself: the head in its first frame, the index in its tail.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use database::{Engine, Kind, ObjectId, Section, SourceId, TableDigest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Hash;

/// The first frame: enough for a cut-off file to be named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Which engine the database is of.
    pub engine: Engine,
    /// The server's version as it writes it.
    pub server_version: String,
    /// The database's name.
    pub database: String,
    /// When the backup began, in UTC.
    pub time: DateTime<Utc>,
    /// The dbm that wrote it.
    pub dbm_version: String,
}

/// The place of a part in its archive, from 0.
pub type PartNumber = u32;

/// What a part does for its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Aspect {
    /// Makes what the server lacks of roles and what hangs on them; for whoever restores without dbm.
    Globals,
    /// Builds the indexes that keys are made of afterwards.
    Index,
    /// Creates them.
    Definition,
    /// Says who owns them.
    Owner,
    /// Comments on them.
    Comment,
    /// Grants and revokes.
    Privileges,
    /// Complete blocks of a table's rows.
    Rows,
    /// Values of sequences.
    Values,
    /// Large objects.
    LargeObjects,
    /// The planner's statistics.
    Statistics,
    /// Pages of a SQLite database file, in order.
    Pages,
    /// The script's own frame: what makes a cut file fail in `psql`.
    Guard,
}

/// One zstd frame of an archive, as the index tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where in the script it stands.
    pub section: Section,
    /// What it does.
    pub aspect: Aspect,
    /// For which objects.
    pub objects: Arc<[ObjectId]>,
    /// Where its frame begins in the file, in bytes.
    pub offset: u64,
    /// The bytes of its frame.
    pub stored_bytes: u32,
    /// The bytes before compression.
    pub bytes: u32,
    /// The rows in it.
    pub rows: u64,
    /// The hash of its frame's bytes.
    pub sha256: Hash,
    /// The parts that must have been restored before it.
    pub follows: Vec<PartNumber>,
}

/// What a table held when it was dumped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableEntry {
    /// Which table.
    pub id: ObjectId,
    /// The number of its rows and their fingerprint.
    #[serde(flatten)]
    pub digest: TableDigest,
    /// The columns that the rows are made of, in order.
    pub columns: Names,
}

/// Names in their order, kept as one text: of very many tables, a text for each column would take most of the index's room.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct Names {
    text: Box<str>,
    /// Where each name ends in it.
    ends: Box<[u32]>,
}

impl Names {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).filter_map(|(start, &end)| {
            self.text.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
        })
    }
}

impl<N: AsRef<str>> FromIterator<N> for Names {
    fn from_iter<I: IntoIterator<Item = N>>(names: I) -> Self {
        let (mut text, mut ends) = (String::new(), Vec::new());
        for name in names {
            text.push_str(name.as_ref());
            // No engine's names come anywhere near 4 GiB.
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        Self { text: text.into(), ends: ends.into() }
    }
}

impl From<Vec<String>> for Names {
    fn from(names: Vec<String>) -> Self {
        names.into_iter().collect()
    }
}

impl From<Names> for Vec<String> {
    fn from(names: Names) -> Self {
        names.iter().map(str::to_owned).collect()
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// How far the dump is one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// All of it is of one moment.
    #[default]
    Exact,
    /// It is not, or not provably; these are the reasons.
    Weakened(Vec<String>),
}

/// What an archive's tail says of its parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    /// The hash of the first frame's bytes.
    pub head_sha256: Hash,
    /// Which database it is of.
    pub source: SourceId,
    /// The snapshot's identity, as the server names it.
    pub snapshot: String,
    /// How far it is one snapshot.
    pub grade: Grade,
    /// The number of objects by kind.
    pub kinds: BTreeMap<Kind, u64>,
    /// What was left out on request, for people to read.
    pub left_out: Vec<String>,
    /// What belongs to the database itself, as the engine's part of this crate writes it.
    pub properties: Value,
    /// More that the engine's part of this crate wants to know again.
    pub extras: Value,
    /// The tables with rows.
    pub tables: Vec<TableEntry>,
    /// The parts in the order of the file.
    pub parts: Vec<Part>,
    /// What each object needs, and where its statements are, so that some of them can be restored alone; empty
    /// where an engine's archives are whole or nothing.
    pub outline: Vec<Outlined>,
    /// Whether something was left out on request: it is then no backup of the database.
    pub partial: bool,
}

/// One object in the outline of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlined {
    /// Which one.
    pub id: ObjectId,
    /// The places in the outline of those that must be there before it.
    pub needs: Vec<u32>,
    /// The bytes of its statements within the one part of each aspect that holds them.
    pub spans: BTreeMap<Aspect, u32>,
}

impl Index {
    /// The entry of that table.
    pub fn table(&self, id: &ObjectId) -> Option<&TableEntry> {
        self.tables.iter().find(|table| table.id == *id)
    }

    /// All rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.digest.rows).sum()
    }

    /// The bytes of all parts before compression.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| u64::from(part.bytes)).sum()
    }
}

/// What a dump knows only at its end; with the parts it makes the [`Index`].
#[derive(Clone, Debug, PartialEq)]
pub struct Tail {
    /// Which database it is of.
    pub source: SourceId,
    /// The snapshot's identity, as the server names it.
    pub snapshot: String,
    /// How far it is one snapshot.
    pub grade: Grade,
    /// The number of objects by kind.
    pub kinds: BTreeMap<Kind, u64>,
    /// What was left out on request, for people to read.
    pub left_out: Vec<String>,
    /// What belongs to the database itself.
    pub properties: Value,
    /// More that the engine's part of this crate wants to know again.
    pub extras: Value,
    /// The tables with rows.
    pub tables: Vec<TableEntry>,
}

/// For tests that write an archive again with something in it changed.
#[cfg(test)]
impl Index {
    pub(crate) fn into_tail(self) -> Tail {
        Tail {
            source: self.source,
            snapshot: self.snapshot,
            grade: self.grade,
            kinds: self.kinds,
            left_out: self.left_out,
            properties: self.properties,
            extras: self.extras,
            tables: self.tables,
        }
    }
}
