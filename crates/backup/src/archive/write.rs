use bytes::Bytes;

use super::frame::{self, Footer};
use super::{Hash, Head, Index, Outlined, Part, PartNumber, StoredPart, Tail, lines};
use crate::store::{Stored, Upload};
use crate::{Error, ErrorKind, Result};

/// Writes an archive, front to back, into an upload. Dropping it publishes nothing.
#[derive(Debug)]
pub struct ArchiveWriter {
    upload: Box<dyn Upload>,
    head_sha256: Hash,
    /// Sizes of all frames so far, in the file and before compression.
    frames: Vec<(u32, u32)>,
    offset: u64,
    parts: Vec<Part>,
    outline: Vec<Outlined>,
    partial: bool,
}

/// An archive that is complete and published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The hash of the index's frame, which covers every byte of the archive.
    pub identity: Hash,
    /// Size and hash of the file as stored.
    pub stored: Stored,
    /// The number of parts.
    pub parts: u64,
}

impl ArchiveWriter {
    /// Begins an archive with its first frame.
    ///
    /// # Errors
    /// What the store says.
    pub async fn begin(upload: Box<dyn Upload>, head: &Head) -> Result<Self> {
        let frame = frame::head(head)?;
        let head_sha256 = Hash::of(&frame);
        let mut writer = Self {
            upload,
            head_sha256,
            frames: Vec::new(),
            offset: 0,
            parts: Vec::new(),
            outline: Vec::new(),
            partial: false,
        };
        writer.write(vec![frame.into()], 0).await?;
        Ok(writer)
    }

    /// Adds a part.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if it follows a part that is not in yet, otherwise what the store says.
    pub async fn append(&mut self, part: StoredPart) -> Result<PartNumber> {
        let number = PartNumber::try_from(self.parts.len())
            .map_err(|_| Error::new(ErrorKind::Refused, "too many parts for one archive"))?;
        if part.follows.iter().any(|&other| other >= number) {
            return Err(Error::new(ErrorKind::Internal, "a part must not follow a later one"));
        }
        let StoredPart { section, aspect, objects, rows, bytes, frame, sha256, follows } = part;
        // Consecutive parts of one table share its name.
        let objects = match self.parts.last() {
            Some(last) if last.objects == objects => last.objects.clone(),
            _ => objects,
        };
        let offset = self.offset;
        let stored_bytes = self.write(frame, bytes).await?;
        self.parts.push(Part {
            section,
            aspect,
            objects,
            offset,
            stored_bytes,
            bytes,
            rows,
            sha256,
            follows,
        });
        Ok(number)
    }

    /// Says what each object needs and where its statements are, so that some can be restored without the others.
    pub fn outline(&mut self, outline: Vec<Outlined>) {
        self.outline = outline;
    }

    /// Says that something was left out on request.
    pub fn mark_partial(&mut self) {
        self.partial = true;
    }

    /// Writes index, footer and seek table and publishes the archive.
    ///
    /// # Errors
    /// What the store says; the archive is then not there.
    pub async fn finish(mut self, tail: Tail) -> Result<Finished> {
        let Tail { source, snapshot, grade, kinds, left_out, properties, extras, tables } = tail;
        let parts = std::mem::take(&mut self.parts);
        let count = parts.len() as u64;
        let head_sha256 = self.head_sha256;
        let index = Index {
            head_sha256,
            source,
            snapshot,
            grade,
            kinds,
            left_out,
            properties,
            extras,
            tables,
            parts,
            outline: std::mem::take(&mut self.outline),
            partial: self.partial,
        };
        let frame = frame::index(&lines::write(&index)?)?;
        drop(index);
        let footer = Footer { offset: self.offset, length: frame.len() as u64, identity: Hash::of(&frame) };
        self.write(vec![frame.into()], 0).await?;
        self.write(vec![frame::footer(footer)?.into()], 0).await?;
        let table = frame::seek_table(&self.frames)?;
        self.upload.write(table.into()).await?;
        let stored = self.upload.complete().await?;
        Ok(Finished { identity: footer.identity, stored, parts: count })
    }

    async fn write(&mut self, frame: Vec<Bytes>, bytes: u32) -> Result<u32> {
        let length = u32::try_from(frame.iter().map(Bytes::len).sum::<usize>()).map_err(frame::internal)?;
        for piece in frame {
            self.upload.write(piece).await?;
        }
        self.frames.push((length, bytes));
        self.offset += u64::from(length);
        Ok(length)
    }
}
