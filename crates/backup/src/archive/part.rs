use std::cell::RefCell;
use std::sync::Arc;

use database::{ObjectId, Section};
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

use super::frame::internal;
use super::{Aspect, Hash, PartNumber};
use crate::{Error, ErrorKind, Result};

/// A part ends at the first row boundary past this many bytes.
pub const PART_BYTES: usize = 4 << 20;

/// No part is larger before compression, unless one row is.
pub const PART_LIMIT: usize = 16 << 20;

/// A part before compression: whole statements, or complete blocks of rows.
#[derive(Clone, Debug)]
pub struct RawPart {
    /// Where in the script it stands.
    pub section: Section,
    /// What it does.
    pub aspect: Aspect,
    /// For which objects.
    pub objects: Vec<ObjectId>,
    /// The rows in it.
    pub rows: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The parts that must have been restored before it.
    pub follows: Vec<PartNumber>,
}

/// A part as it goes into the file.
#[derive(Clone, Debug)]
pub struct StoredPart {
    pub(super) section: Section,
    pub(super) aspect: Aspect,
    pub(super) objects: Arc<[ObjectId]>,
    pub(super) rows: u64,
    pub(super) bytes: u32,
    pub(super) frame: Vec<u8>,
    pub(super) sha256: Hash,
    pub(super) follows: Vec<PartNumber>,
}

impl StoredPart {
    /// Adds a part that must have been restored before this one; its number may be known only after compression.
    pub fn follow(&mut self, part: PartNumber) {
        self.follows.push(part);
    }

    /// The bytes before compression.
    pub fn bytes(&self) -> u64 {
        self.bytes.into()
    }

    /// The rows in it.
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

thread_local! {
    /// The compressor of this thread, with its level: its tables take megabytes, so it is kept.
    static COMPRESSOR: RefCell<Option<(i32, Compressor<'static>)>> = const { RefCell::new(None) };
}

/// Compresses a part into one zstd frame with its size and a checksum, and hashes it. Runs on a worker's thread.
///
/// # Errors
/// [`ErrorKind::Refused`] for more bytes than an archive can say (4 GiB).
pub fn compress(part: RawPart, level: i32) -> Result<StoredPart> {
    let RawPart { section, aspect, objects, rows, bytes, follows } = part;
    let length = u32::try_from(bytes.len()).map_err(|_| too_large(bytes.len()))?;
    let frame = COMPRESSOR.with_borrow_mut(|kept| -> Result<Vec<u8>> {
        if kept.as_ref().is_none_or(|(kept, _)| *kept != level) {
            let mut new = Compressor::new(level).map_err(internal)?;
            new.set_parameter(CParameter::ChecksumFlag(true)).map_err(internal)?;
            new.set_parameter(CParameter::ContentSizeFlag(true)).map_err(internal)?;
            *kept = Some((level, new));
        }
        let (_, compressor) =
            kept.as_mut().ok_or_else(|| Error::new(ErrorKind::Internal, "no compressor"))?;
        let mut frame = compressor.compress(&bytes).map_err(internal)?;
        frame.shrink_to_fit();
        Ok(frame)
    })?;
    if u32::try_from(frame.len()).is_err() {
        return Err(too_large(bytes.len()));
    }
    let sha256 = Hash::of(&frame);
    Ok(StoredPart { section, aspect, objects: objects.into(), rows, bytes: length, frame, sha256, follows })
}

fn too_large(bytes: usize) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!("a row or statement of {bytes} bytes does not fit into an archive"),
    )
}
