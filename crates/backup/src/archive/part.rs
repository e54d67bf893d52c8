use std::sync::Arc;

use bytes::Bytes;
use database::{ObjectId, Section};
use zstd::zstd_safe::{CParameter, compress_bound};

use super::frame::internal;
use super::{Aspect, Hash, PartNumber};
use crate::{Error, ErrorKind, Result};

/// A part ends at the first row boundary past this many bytes.
pub const PART_BYTES: usize = 4 << 20;

/// No part is larger before compression, unless one row is.
pub const PART_LIMIT: usize = 16 << 20;

/// A frame is kept in pieces of this many bytes. Frames are of all sizes, each on its way for a moment: whole, they would
/// leave holes in the heap that nothing fits into, and memory would grow.
const PIECE: usize = 256 << 10;

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
    pub(super) frame: Vec<Bytes>,
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

/// Compresses a part into one zstd frame with its size and a checksum, and hashes it. Runs on a worker's thread.
///
/// # Errors
/// [`ErrorKind::Refused`] for more bytes than an archive can say (4 GiB).
pub fn compress(part: RawPart, level: i32) -> Result<StoredPart> {
    Compressor::new(level)?.compress(part).map(|(part, _)| part)
}

/// What compresses parts, one after the other. Its tables take a megabyte or more.
pub(super) struct Compressor {
    zstd: zstd::bulk::Compressor<'static>,
    /// Room for one frame: from whole bytes into whole bytes, zstd copies nothing and finds its matches in one run.
    room: Vec<u8>,
}

impl Compressor {
    pub(super) fn new(level: i32) -> Result<Self> {
        let mut zstd = zstd::bulk::Compressor::new(level).map_err(internal)?;
        zstd.set_parameter(CParameter::ChecksumFlag(true)).map_err(internal)?;
        Ok(Self { zstd, room: Vec::new() })
    }

    /// As [`compress`]; returns the part's bytes too, whose room can be used again.
    pub(super) fn compress(&mut self, part: RawPart) -> Result<(StoredPart, Vec<u8>)> {
        let RawPart { section, aspect, objects, rows, bytes, follows } = part;
        let length = u32::try_from(bytes.len()).map_err(|_| too_large(bytes.len()))?;
        self.room.clear();
        self.room.reserve_exact(compress_bound(bytes.len()));
        self.zstd.compress_to_buffer(&bytes, &mut self.room).map_err(internal)?;
        if u32::try_from(self.room.len()).is_err() {
            return Err(too_large(bytes.len()));
        }
        let sha256 = Hash::of(&self.room);
        let frame = self.room.chunks(PIECE).map(Bytes::copy_from_slice).collect();
        if bytes.len() > PART_LIMIT {
            // What one enormous row took is given back.
            self.room = Vec::new();
        }
        let part = StoredPart {
            section,
            aspect,
            objects: objects.into(),
            rows,
            bytes: length,
            frame,
            sha256,
            follows,
        };
        Ok((part, bytes))
    }
}

fn too_large(bytes: usize) -> Error {
    Error::new(
        ErrorKind::Refused,
        format!("a row or statement of {bytes} bytes does not fit into an archive"),
    )
}
