use std::path::PathBuf;

use serde::Serialize;

/// How a store will take an archive, as far as that is known before the first byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UploadPlan {
    /// The store.
    pub store: String,
    /// How it is cut into parts of an upload; `None` where it is written as one file.
    pub parts: Option<Cut>,
}

/// How an upload is cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cut {
    /// The bytes of each part but the last; later ones are larger where the store allows that.
    pub part_bytes: u64,
    /// The most bytes that an archive may come to.
    pub capacity: u64,
    /// Where parts wait until they are sent; `None` where they wait in memory.
    pub spool: Option<Spooling>,
}

/// Parts that are too large to wait in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Spooling {
    /// The folder that they wait in.
    pub folder: PathBuf,
    /// The bytes that they take there at once.
    pub bytes: u64,
}

impl UploadPlan {
    /// One file, written as it comes.
    pub(crate) fn file(store: String) -> Self {
        Self { store, parts: None }
    }
}
