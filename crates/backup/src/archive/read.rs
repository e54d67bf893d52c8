use std::sync::Arc;

use bytes::Bytes;

use super::frame::{self, FOOTER, FRAME_HEADER, Footer, HEAD_START, INDEX_START, SEEK_END, damaged};
use super::hash::Hasher;
use super::lines::Reader;
use super::narrow::Cuts;
use super::{Hash, Head, Index, Part, PartNumber};
use crate::store::Source;
use crate::{Error, ErrorKind, Result};

/// How much of a tail is read at once.
pub(super) const PIECE: u64 = 1 << 20;

/// Parts of fewer bytes are decompressed where they are asked for, not on a thread of their own.
const SMALL: u32 = 64 << 10;

/// An archive whose head and tail have been read and checked.
#[derive(Clone, Debug)]
pub struct Archive {
    pub(super) source: Arc<dyn Source>,
    pub(super) bytes: u64,
    pub(super) head: Head,
    pub(super) head_length: u64,
    pub(super) footer: Footer,
    pub(super) index: Arc<Index>,
    pub(super) cuts: Cuts,
}

impl Archive {
    /// Reads head, footer and index and checks them: everything but the parts and the seek table's entries.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] for a cut file or changed bytes, [`ErrorKind::NewerFormat`], or what the store says.
    pub async fn open(source: Arc<dyn Source>) -> Result<Self> {
        let name = source.describe();
        Self::read(source).await.map_err(|error| error.of(&name))
    }

    async fn read(source: Arc<dyn Source>) -> Result<Self> {
        let bytes = source.len().await?;
        let start = source.read_at(0, shorter(HEAD_START as u64, bytes)).await?;
        let head_length = frame::head_length(&start)?;
        if head_length > bytes {
            return Err(damaged("it was cut off within its first frame"));
        }
        let first = source.read_at(0, shorter(head_length, bytes)).await?;
        let head = frame::read_head(&first)?;

        let end =
            source.read_at(bytes.saturating_sub(SEEK_END as u64), shorter(SEEK_END as u64, bytes)).await?;
        let seek_table = frame::seek_table_length(&end)?;
        let least = head_length + (INDEX_START + FOOTER) as u64;
        let Some(footer_at) =
            bytes.checked_sub(seek_table + FOOTER as u64).filter(|at| *at + FOOTER as u64 >= least)
        else {
            return Err(damaged("its seek table is longer than the file"));
        };
        let footer = frame::read_footer(&source.read_at(footer_at, FOOTER).await?)?;
        let fits = footer.offset >= head_length
            && footer.length >= INDEX_START as u64
            && footer.offset.checked_add(footer.length) == Some(footer_at);
        if !fits {
            return Err(damaged("its index is not where the footer says"));
        }
        let index = read_index(&*source, footer).await?;
        if index.head_sha256 != Hash::of(&first) {
            return Err(damaged("its first frame has changed"));
        }
        check_places(&index, head_length, footer.offset)?;
        let frames = (seek_table - (FRAME_HEADER + SEEK_END) as u64) / frame::SEEK_ENTRY as u64;
        if frames != index.parts.len() as u64 + 3 {
            return Err(damaged("its seek table does not have an entry for each frame"));
        }
        Ok(Self { source, bytes, head, head_length, footer, index: index.into(), cuts: Cuts::default() })
    }

    /// What its first frame says.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// What its tail says.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The hash of the index's frame: the archive's identity.
    pub fn identity(&self) -> Hash {
        self.footer.identity
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The bytes of the file as it is stored, which are more where it is encrypted.
    ///
    /// # Errors
    /// What the store says.
    pub async fn stored_bytes(&self) -> Result<u64> {
        self.source.stored_len().await
    }

    /// What the archive is called where it lies.
    pub fn name(&self) -> String {
        self.source.describe()
    }

    /// What the index says of a part.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if there is none of that number.
    pub fn entry(&self, number: PartNumber) -> Result<&Part> {
        self.index.parts.get(number as usize).ok_or_else(|| {
            Error::new(ErrorKind::Internal, format!("the archive {} has no part {number}", self.name()))
        })
    }

    /// Reads one part: its stored bytes are checked against their hash and decompressed. Of a narrowed archive it is
    /// what is wanted of the part.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] if the bytes have changed, or what the store says.
    pub async fn part(&self, number: PartNumber) -> Result<Vec<u8>> {
        let part = self.entry(number)?;
        let result = async {
            let stored = self.source.read_at(part.offset, part.stored_bytes as usize).await?;
            let (sha256, bytes) = (part.sha256, part.bytes);
            if bytes < SMALL {
                return unpack(&stored, sha256, bytes);
            }
            tokio::task::spawn_blocking(move || unpack(&stored, sha256, bytes)).await.unwrap_or_else(
                |cause| {
                    Err(Error::new(ErrorKind::Internal, "a thread that decompressed broke off")
                        .with_source(cause))
                },
            )
        };
        let cut = result.await.and_then(|bytes| self.cuts.of(number, part, bytes));
        cut.map_err(|error| error.of(&format!("{}, part {number}", self.name())))
    }
}

/// Checks and decompresses the stored bytes of a part.
fn unpack(stored: &Bytes, sha256: Hash, bytes: u32) -> Result<Vec<u8>> {
    if Hash::of(stored) != sha256 {
        return Err(damaged("its bytes have changed"));
    }
    let wrong = || damaged("it does not decompress to what the index says");
    let raw = zstd::bulk::decompress(stored, bytes as usize).map_err(|cause| wrong().with_source(cause))?;
    if raw.len() == bytes as usize { Ok(raw) } else { Err(wrong()) }
}

/// Reads the index in pieces, twice: its hash is known to be right before anything of it is used.
async fn read_index(source: &dyn Source, footer: Footer) -> Result<Index> {
    let mut hasher = Hasher::default();
    let end = footer.offset + footer.length;
    let mut at = footer.offset;
    while at < end {
        let piece = source.read_at(at, shorter(PIECE, end - at)).await?;
        hasher.update(&piece);
        at += piece.len() as u64;
    }
    if hasher.finish() != footer.identity {
        return Err(damaged("its index has changed"));
    }
    let start = source.read_at(footer.offset, INDEX_START).await?;
    frame::check_index(&start, footer.length)?;
    let mut reader = Reader::new()?;
    let mut at = footer.offset + INDEX_START as u64;
    while at < end {
        let piece = source.read_at(at, shorter(PIECE, end - at)).await?;
        reader.push(&piece)?;
        at += piece.len() as u64;
    }
    reader.finish()
}

/// The parts lie one after the other between the first frame and the index, without a gap.
fn check_places(index: &Index, from: u64, to: u64) -> Result<()> {
    let mut at = from;
    for part in &index.parts {
        if part.offset != at {
            return Err(damaged("its index leaves bytes between two parts"));
        }
        at += u64::from(part.stored_bytes);
    }
    if at == to { Ok(()) } else { Err(damaged("its parts do not end where its index begins")) }
}

pub(super) fn shorter(wanted: u64, there: u64) -> usize {
    usize::try_from(wanted.min(there)).unwrap_or(usize::MAX)
}
