//! The frames of an archive that zstd's own tools skip, byte by byte.
//!
//! All numbers are little-endian. A skippable frame is a magic number, the length of its content,
//! the content: <https://github.com/facebook/zstd/blob/dev/doc/zstd_compression_format.md#skippable-frames>.
//! The seek table is the one of
//! <https://github.com/facebook/zstd/blob/dev/contrib/seekable_format/zstd_seekable_compression_format.md>.

use super::{Hash, Head};
use crate::{Error, ErrorKind, Result};

/// The version of the format that this dbm writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// The magic number of our skippable frames. The seek table's own is `…5E`.
const SKIPPABLE: u32 = 0x184D_2A5D;
const SEEK_TABLE: u32 = 0x184D_2A5E;
const SEEKABLE: u32 = 0x8F92_EAB1;
/// The first bytes of our frames' contents.
const HEAD_MAGIC: &[u8; 8] = b"dbm head";
const INDEX_MAGIC: &[u8; 8] = b"dbm indx";
const FOOTER_MAGIC: &[u8; 8] = b"dbm foot";

/// The magic number and the length of a skippable frame.
pub(super) const FRAME_HEADER: usize = 8;
/// Frame header, magic, format version.
pub(super) const HEAD_START: usize = FRAME_HEADER + 12;
/// Frame header and magic before the index's compressed text.
pub(super) const INDEX_START: usize = FRAME_HEADER + 8;
/// The whole footer: frame header, magic, format version, offset, length, hash.
pub(super) const FOOTER: usize = FRAME_HEADER + 8 + 4 + 8 + 8 + 32;
/// The end of the seek table: number of frames, descriptor, magic number.
pub(super) const SEEK_END: usize = 9;
/// One entry of the seek table: size in the file, size before compression.
pub(super) const SEEK_ENTRY: usize = 8;
/// No head is longer.
pub(super) const HEAD_LIMIT: u32 = 1 << 20;

fn skippable(magic: u32, content: &[&[u8]]) -> Result<Vec<u8>> {
    let length: usize = content.iter().map(|piece| piece.len()).sum();
    let length = u32::try_from(length).map_err(|_| {
        Error::new(ErrorKind::Refused, format!("a frame of {length} bytes does not fit into an archive"))
    })?;
    let mut frame = Vec::with_capacity(FRAME_HEADER + length as usize);
    frame.extend(magic.to_le_bytes());
    frame.extend(length.to_le_bytes());
    content.iter().for_each(|piece| frame.extend_from_slice(piece));
    Ok(frame)
}

pub(super) fn head(head: &Head) -> Result<Vec<u8>> {
    let text = serde_json::to_vec(head).map_err(internal)?;
    skippable(SKIPPABLE, &[HEAD_MAGIC, &FORMAT.to_le_bytes(), &text])
}

/// Reads the head from the whole of its frame.
pub(super) fn read_head(frame: &[u8]) -> Result<Head> {
    serde_json::from_slice(frame.get(HEAD_START..).unwrap_or_default())
        .map_err(|cause| damaged("its first frame cannot be read").with_source(cause))
}

/// The length of the head's whole frame, from its first [`HEAD_START`] bytes.
pub(super) fn head_length(start: &[u8]) -> Result<u64> {
    let no_archive = || {
        Error::new(ErrorKind::Damaged, "it does not begin as an archive of dbm does")
            .with_hint("it is no archive, it is encrypted, or its beginning was overwritten")
    };
    if start.len() < HEAD_START || start[..4] != SKIPPABLE.to_le_bytes() || start[8..16] != *HEAD_MAGIC {
        return Err(no_archive());
    }
    check_format(number(&start[16..20]))?;
    let length = number(&start[4..8]);
    if !(12..=HEAD_LIMIT).contains(&length) {
        return Err(no_archive());
    }
    Ok(FRAME_HEADER as u64 + u64::from(length))
}

pub(super) fn index(compressed: &[u8]) -> Result<Vec<u8>> {
    skippable(SKIPPABLE, &[INDEX_MAGIC, compressed])
}

/// Checks the first [`INDEX_START`] bytes of the index's frame.
pub(super) fn check_index(start: &[u8], frame_length: u64) -> Result<()> {
    let right = start.len() == INDEX_START
        && start[..4] == SKIPPABLE.to_le_bytes()
        && u64::from(number(&start[4..8])) + FRAME_HEADER as u64 == frame_length
        && start[8..16] == *INDEX_MAGIC;
    if right { Ok(()) } else { Err(damaged("its index is not where the footer says")) }
}

/// Where the index is, and its hash: the archive's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) identity: Hash,
}

pub(super) fn footer(footer: Footer) -> Result<Vec<u8>> {
    let Footer { offset, length, identity } = footer;
    let numbers = [offset.to_le_bytes(), length.to_le_bytes()];
    skippable(SKIPPABLE, &[FOOTER_MAGIC, &FORMAT.to_le_bytes(), &numbers[0], &numbers[1], &identity.0])
}

pub(super) fn read_footer(frame: &[u8]) -> Result<Footer> {
    let begins = frame.len() == FOOTER
        && frame[..4] == SKIPPABLE.to_le_bytes()
        && number(&frame[4..8]) as usize == FOOTER - FRAME_HEADER
        && frame[8..16] == *FOOTER_MAGIC;
    if !begins {
        return Err(no_footer());
    }
    check_format(number(&frame[16..20]))?;
    let mut identity = [0; 32];
    identity.copy_from_slice(&frame[36..68]);
    Ok(Footer { offset: long(&frame[20..28]), length: long(&frame[28..36]), identity: Hash(identity) })
}

/// The seek table for frames of these sizes, in the file and before compression.
pub(super) fn seek_table(frames: &[(u32, u32)]) -> Result<Vec<u8>> {
    let count = u32::try_from(frames.len())
        .map_err(|_| Error::new(ErrorKind::Refused, "too many parts for one archive"))?;
    let mut entries = Vec::with_capacity(frames.len() * SEEK_ENTRY);
    for (stored, bytes) in frames {
        entries.extend(stored.to_le_bytes());
        entries.extend(bytes.to_le_bytes());
    }
    // The descriptor is zero: no checksums, since the zstd frames have their own.
    skippable(SEEK_TABLE, &[&entries, &count.to_le_bytes(), &[0], &SEEKABLE.to_le_bytes()])
}

/// The length of the whole seek table's frame, from its last [`SEEK_END`] bytes.
pub(super) fn seek_table_length(end: &[u8]) -> Result<u64> {
    if end.len() != SEEK_END || end[5..9] != SEEKABLE.to_le_bytes() {
        return Err(no_footer());
    }
    if end[4] != 0 {
        return Err(damaged("its seek table is not as dbm writes it"));
    }
    Ok(u64::from(number(&end[..4])) * SEEK_ENTRY as u64 + (FRAME_HEADER + SEEK_END) as u64)
}

fn check_format(format: u32) -> Result<()> {
    match format {
        FORMAT => Ok(()),
        newer if newer > FORMAT => Err(Error::new(
            ErrorKind::NewerFormat,
            format!("it has format {newer}, and this dbm reads up to format {FORMAT}"),
        )
        .with_hint("use the dbm that wrote it, or a newer one")),
        other => Err(damaged(&format!("it has format {other}, which never was"))),
    }
}

pub(super) fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | u32::from(byte))
}

fn long(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

fn no_footer() -> Error {
    Error::new(ErrorKind::Damaged, "it has no footer: it was cut off, or its end was overwritten")
        .with_hint("it is not a backup; take another one (`dbm backups` lists them)")
}

pub(super) fn damaged(what: &str) -> Error {
    Error::new(ErrorKind::Damaged, what)
        .with_hint("do not restore it; take another backup (`dbm backups` lists them)")
}

pub(super) fn internal(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Internal, "cannot put a frame of an archive together").with_source(cause)
}
