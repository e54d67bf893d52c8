//! Copying an archive from one store into another.

use helpers::naming::BackupName;
use tokio_util::sync::CancellationToken;

use crate::archive::Hash;
use crate::catalogue::UNFINISHED;
use crate::progress::Progress;
use crate::store::{Sidecar, Store, Stored};
use crate::{Error, ErrorKind, Result};

/// How much is read at once.
const PIECE: u64 = 4 << 20;

/// An archive that lies in another store as well, byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its size.
    pub bytes: u64,
    /// The hash of its bytes.
    pub sha256: Hash,
}

/// Copies an archive and what lies beside it. A pin stays where it is.
///
/// # Errors
/// [`ErrorKind::Exists`] if the name is taken there, [`ErrorKind::Damaged`] if its bytes are not those that were
/// written, [`ErrorKind::Refused`] if nobody noted which those are; then nothing of it is left there.
pub async fn copy(
    from: &dyn Store,
    name: &BackupName,
    sidecar: &Sidecar,
    to: &dyn Store,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Copied> {
    let done = bytes(from, name, sidecar, to, progress, cancel).await;
    if done.is_err() {
        to.settle().await;
    }
    let stored = done?;
    let beside = Sidecar { sha256: Some(stored.sha256), pin: None, ..sidecar.clone() };
    if let Err(error) = to.write_sidecar(name, &beside).await {
        if let Err(cause) = to.remove(name).await {
            tracing::warn!(%cause, %name, "cannot remove a copy that is not complete");
        }
        return Err(error);
    }
    progress.done();
    Ok(Copied { bytes: stored.bytes, sha256: stored.sha256 })
}

async fn bytes(
    from: &dyn Store,
    name: &BackupName,
    sidecar: &Sidecar,
    to: &dyn Store,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Stored> {
    if name.label.as_deref() == Some(UNFINISHED) {
        tracing::info!(%name, "an unfinished backup is copied as one");
    }
    let Some(written) = sidecar.sha256 else {
        let message = format!("no hash of {name} lies beside it, so a copy could not be told from damage");
        return Err(Error::new(ErrorKind::Refused, message)
            .with_hint(format!("check it first, which notes the hash: dbm verify {name}")));
    };
    let source = from.stored(name).await?;
    let length = source.len().await?;
    progress.phase("copying", Some(length));
    let mut upload = to.create_stored(name).await?;
    upload.expect(length)?;
    let mut hasher = crate::archive::Hasher::default();
    let mut at = 0;
    while at < length {
        if cancel.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "the copy was cancelled"));
        }
        let piece = source.read_at(at, usize::try_from(PIECE.min(length - at)).unwrap_or(0)).await?;
        at += piece.len() as u64;
        hasher.update(&piece);
        progress.advance(piece.len() as u64, 0);
        upload.write(piece).await?;
    }
    // Before it is there: a damaged archive gets no second home.
    if sidecar.bytes != length || written != hasher.finish() {
        return Err(Error::new(ErrorKind::Damaged, format!("{name} has changed since it was written"))
            .with_hint("do not restore it; take another backup (`dbm backups` lists them)"));
    }
    upload.complete().await
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone as _, Utc};
    use helpers::naming::ArchiveKind;

    use super::*;
    use crate::progress::Silent;
    use crate::store::conformance;
    use crate::store::memory::MemoryStore;

    #[tokio::test]
    async fn a_copy_is_the_same_and_a_damaged_archive_gets_none() {
        let (from, to) = (MemoryStore::default(), MemoryStore::default());
        let time = Utc.with_ymd_and_hms(2026, 11, 21, 1, 34, 0).unwrap();
        let name = BackupName::new("shop", time, None, ArchiveKind::Script);
        let bytes = vec![7; 9 << 20];
        let stored = Stored { bytes: bytes.len() as u64, sha256: Hash::of(&bytes) };
        let mut sidecar = conformance::sidecar(stored);
        sidecar.pin = Some("here".to_owned());
        from.insert(&name.to_string(), bytes);
        let cancel = CancellationToken::new();
        let unknown = Sidecar { sha256: None, ..sidecar.clone() };
        let error = copy(&from, &name, &unknown, &to, &Silent, &cancel).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        let copied = copy(&from, &name, &sidecar, &to, &Silent, &cancel).await.unwrap();
        assert_eq!((copied.bytes, copied.sha256), (stored.bytes, stored.sha256));
        let beside = to.read_sidecar(&name).await.unwrap().unwrap();
        assert_eq!((beside.sha256, beside.pin), (Some(stored.sha256), None));
        let error = copy(&from, &name, &sidecar, &to, &Silent, &cancel).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Exists);
        to.remove(&name).await.unwrap();
        from.insert(&name.to_string(), vec![8; 9 << 20]);
        let error = copy(&from, &name, &sidecar, &to, &Silent, &cancel).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert!(to.list().await.unwrap().is_empty());
    }
}
