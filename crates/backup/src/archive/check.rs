use tokio_util::sync::CancellationToken;

use super::frame::{self, FOOTER, FRAME_HEADER, SEEK_END, SEEK_ENTRY, damaged};
use super::read::{PIECE, shorter};
use super::{Archive, Hash};
use crate::progress::Progress;
use crate::{Error, ErrorKind, Result};

impl Archive {
    /// Checks every byte: each part's hash and its decompression, the index against the parts, footer
    /// and seek table against what the index makes them.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`] naming the first damage, [`ErrorKind::Cancelled`], or what the store says.
    pub async fn verify_all(&self, progress: &dyn Progress, cancel: &CancellationToken) -> Result<()> {
        progress.phase("checking", Some(self.index.bytes()));
        let first = self.source.read_at(0, shorter(self.head_length, self.bytes)).await?;
        if Hash::of(&first) != self.index.head_sha256 {
            return Err(damaged("its first frame has changed").of(&self.name()));
        }
        for (number, part) in (0..).zip(&self.index.parts) {
            if cancel.is_cancelled() {
                return Err(Error::new(ErrorKind::Cancelled, "the check was cancelled"));
            }
            self.part(number).await?;
            progress.advance(part.bytes.into(), part.rows);
        }
        self.verify_tail().await.map_err(|error| error.of(&self.name()))?;
        progress.done();
        Ok(())
    }

    /// Footer and seek table are functions of the index: they are computed again and compared.
    async fn verify_tail(&self) -> Result<()> {
        let mut at = self.footer.offset + self.footer.length;
        if *self.source.read_at(at, FOOTER).await? != frame::footer(self.footer)? {
            return Err(damaged("its footer has changed"));
        }
        at += FOOTER as u64;
        let number = |length: u64| u32::try_from(length).map_err(frame::internal);
        let mut frames = Vec::with_capacity(self.index.parts.len() + 3);
        frames.push((number(self.head_length)?, 0));
        frames.extend(self.index.parts.iter().map(|part| (part.stored_bytes, part.bytes)));
        frames.push((number(self.footer.length)?, 0));
        frames.push((number(FOOTER as u64)?, 0));
        let table = frame::seek_table(&frames)?;
        debug_assert_eq!(table.len(), FRAME_HEADER + frames.len() * SEEK_ENTRY + SEEK_END);
        if at + table.len() as u64 != self.bytes {
            return Err(damaged("its seek table has changed"));
        }
        for expected in table.chunks(shorter(PIECE, u64::MAX)) {
            if *self.source.read_at(at, expected.len()).await? != *expected {
                return Err(damaged("its seek table has changed"));
            }
            at += expected.len() as u64;
        }
        Ok(())
    }
}
