//! The part of an upload that is being filled: in memory, or in a file that nobody else can open.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use md5::{Digest as _, Md5};

use super::plan::IN_MEMORY;
use crate::{Error, ErrorKind, Result};

/// How much of a file is in memory at once while it is sent.
const PIECE: usize = 256 << 10;

/// A part that is being filled.
#[derive(Debug)]
pub(super) struct Filling {
    size: u64,
    filled: u64,
    hash: Md5,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// The pieces as they came: a part of the upload is copied together nowhere.
    Memory(Vec<Bytes>),
    File {
        file: File,
        folder: PathBuf,
    },
}

/// A part that is full. It can be sent as often as needed.
#[derive(Clone, Debug)]
pub(super) struct Full {
    pub(super) bytes: u64,
    /// Base64, as `Content-MD5` wants it.
    pub(super) md5: String,
    content: FullContent,
}

#[derive(Clone, Debug)]
enum FullContent {
    Memory(Arc<[Bytes]>),
    File(Arc<File>),
}

impl Filling {
    /// An empty part of that size.
    ///
    /// # Errors
    /// [`ErrorKind::NoSpace`] if the disk does not have it, [`ErrorKind::Io`] if no file can be made.
    pub(super) fn new(size: u64, spool: Option<&Path>) -> Result<Self> {
        let content = match spool {
            _ if size <= IN_MEMORY => Content::Memory(Vec::new()),
            None => return Err(unnamed(size)),
            Some(folder) => {
                check_space(folder, size)?;
                // Without a name from the start, and mode 0600: a kill leaves nothing.
                let file = tempfile::tempfile_in(folder).map_err(|cause| spool_failed(folder, cause))?;
                Content::File { file, folder: folder.to_owned() }
            }
        };
        Ok(Self { size, filled: 0, hash: Md5::new(), content })
    }

    pub(super) fn room(&self) -> u64 {
        self.size - self.filled
    }

    pub(super) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Adds bytes, no more than there is room for. Where it is a file, this blocks.
    pub(super) fn add(&mut self, bytes: Bytes) -> Result<()> {
        self.hash.update(&bytes);
        self.filled += bytes.len() as u64;
        match &mut self.content {
            Content::Memory(pieces) => pieces.push(bytes),
            Content::File { file, folder } => {
                file.write_all(&bytes).map_err(|cause| spool_failed(folder, cause))?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Full {
        use base64::Engine as _;
        let md5 = base64::engine::general_purpose::STANDARD.encode(self.hash.finalize());
        let content = match self.content {
            Content::Memory(pieces) => FullContent::Memory(pieces.into()),
            Content::File { file, .. } => FullContent::File(Arc::new(file)),
        };
        Full { bytes: self.filled, md5, content }
    }
}

impl Full {
    /// Its bytes as a body that the SDK can send again.
    pub(super) fn body(&self) -> ByteStream {
        let (content, bytes) = (self.content.clone(), self.bytes);
        ByteStream::new(SdkBody::retryable(move || {
            SdkBody::from_body_1_x(Pieces { content: content.clone(), next: (0, 0), at: 0, end: bytes })
        }))
    }
}

/// Fails unless the disk has room for a part.
pub(super) fn check_space(folder: &Path, needed: u64) -> Result<()> {
    let disk = rustix::fs::statvfs(folder).map_err(|cause| spool_failed(folder, cause.into()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < needed {
        return Err(Error::new(
            ErrorKind::NoSpace,
            format!(
                "parts of the upload wait in {} until they are sent: {needed} bytes are needed, {free} are free",
                folder.display()
            ),
        )
        .with_hint("make room there, or name another folder with `--spool FOLDER`"));
    }
    Ok(())
}

/// There is no folder for parts of that size.
pub(super) fn unnamed(size: u64) -> Error {
    let what = format!("parts of {} MiB do not stay in memory, and no folder is named for them", size >> 20);
    Error::new(ErrorKind::Usage, what).with_hint("name one with `--spool FOLDER`")
}

fn spool_failed(folder: &Path, cause: io::Error) -> Error {
    Error::io(ErrorKind::Io, format!("cannot keep a part of the upload in {}", folder.display()), cause)
        .with_hint("name a folder that can be written, with room, with `--spool FOLDER`")
}

/// A part in pieces: the client of HTTP copies what it is given at once, and keeps that room for the connection.
struct Pieces {
    content: FullContent,
    /// Which of the pieces in memory comes next, and from which of its bytes on.
    next: (usize, usize),
    at: u64,
    end: u64,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let length = usize::try_from(self.end - self.at).unwrap_or(PIECE).min(PIECE);
        if length == 0 {
            return Poll::Ready(None);
        }
        let (at, (place, from)) = (self.at, self.next);
        let mut next = (place, from);
        let piece = match &self.content {
            FullContent::Memory(pieces) => {
                let Some(whole) = pieces.get(place) else { return Poll::Ready(None) };
                let to = whole.len().min(from + length);
                next = if to == whole.len() { (place + 1, 0) } else { (place, to) };
                whole.slice(from..to)
            }
            // A read of what was just written comes from the page cache; a thread for each piece would cost more.
            FullContent::File(file) => {
                let mut piece = vec![0; length];
                if let Err(cause) = file.read_exact_at(&mut piece, at) {
                    return Poll::Ready(Some(Err(cause)));
                }
                piece.into()
            }
        };
        (self.at, self.next) = (at + piece.len() as u64, next);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end - self.at)
    }
}
