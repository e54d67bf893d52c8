//! The dump of a PostgreSQL database: one snapshot, any number of workers, one script.

pub(crate) mod large_objects;

mod definitions;
mod plan;
mod psql;
mod relations;
mod rows;
mod script;
mod sequences;
mod snapshot;
mod target;
mod work;

use std::collections::{BTreeMap, VecDeque};

use database::postgres::{self, Connection, Server, catalog, properties};
use database::{Kind, ObjectId, Schema, Section, SourceId, TableDigest};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::definitions::Planned;
use self::script::Envelope;
use self::snapshot::Leader;
use self::target::Target;
use self::work::{Done, Task, Work};
use crate::archive::{ArchiveWriter, Aspect, Grade, PartNumber, RawPart, TableEntry, Tail, compress};
use crate::dump::BackupOptions;
use crate::{Error, ErrorKind, Progress, Result};

/// What an archive of PostgreSQL keeps in its index beside what all archives do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Extras {
    /// The encoding of the database, and so of the rows; all else of the script is UTF-8.
    pub(crate) encoding: String,
    /// Whether the script is one transaction; archives of very many relations are not.
    pub(crate) one_transaction: bool,
    /// How many large objects there are.
    pub(crate) large_objects: u64,
    /// What they hold.
    pub(crate) large_objects_digest: TableDigest,
    /// What is there and no part of any archive, for people to read.
    pub(crate) noted: Vec<String>,
}

/// A database that is locked and read up to its rows: nothing stands in the way any more.
pub(crate) struct Prepared {
    server: Server,
    leader: Leader,
    schema: Schema,
    sections: BTreeMap<Section, Vec<Planned>>,
    sequences: Vec<ObjectId>,
    values: Vec<RawPart>,
    envelope: Envelope,
    properties: serde_json::Value,
    extras: Extras,
}
