//! Is an archive whole, and does it restore?

use chrono::{DateTime, Utc};
use database::Database;
use helpers::naming::BackupName;
use tokio_util::sync::CancellationToken;

use crate::archive::{Archive, Hash, Hasher};
use crate::progress::Progress;
use crate::restore::{self, RestoreOptions};
use crate::store::{Sidecar, Store};
use crate::{Error, ErrorKind, Result};

/// How much is read at once where only bytes are counted.
const PIECE: u64 = 4 << 20;

/// An archive of which every byte was checked.
#[derive(Debug)]
pub struct Verified {
    /// The archive.
    pub archive: Archive,
    /// Its identity.
    pub identity: Hash,
    /// When it was last restored and compared: just now, if that was asked for.
    pub last_proven: Option<DateTime<Utc>>,
    /// Why it could not be written down beside it: a store that is read-only is no reason to doubt the archive.
    pub not_noted: Option<Error>,
}

/// Checks every byte of an archive and writes down beside it when that was.
///
/// With a database it is also restored into a scratch database (or file) there, compared with its
/// index, and removed.
///
/// # Errors
/// [`ErrorKind::Damaged`], [`ErrorKind::Unproven`], or what kept it from being read or restored.
pub async fn verify(
    store: &dyn Store,
    name: &BackupName,
    deep: Option<&Database>,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Verified> {
    let archive = Archive::open(store.source(name).await?).await?;
    let beside = store.read_sidecar(name).await?;
    if let Some(sidecar) = &beside
        && sidecar.identity != archive.identity()
    {
        return Err(Error::new(
            ErrorKind::Damaged,
            format!("{name} is whole, but it is not the archive that {name}.json tells of"),
        )
        .with_hint(format!(
            "if you put it there, remove {name}.json; otherwise take another backup (`dbm backups`)"
        )));
    }
    let mut sidecar = match beside {
        Some(sidecar) => sidecar,
        None => Sidecar::of(&archive).await?,
    };
    let checked = check(&archive, deep, &mut sidecar, options, progress).await;
    if let Err(error) = checked {
        if error.kind() == ErrorKind::Damaged {
            // It is never `latest` again, and never the reason why another goes.
            sidecar.damaged = Some(error.to_string());
            if let Err(cause) = store.write_sidecar(name, &sidecar).await {
                tracing::warn!(%cause, %name, "that it is damaged could not be noted beside it");
            }
        }
        return Err(error);
    }
    sidecar.damaged = None;
    let not_noted = store.write_sidecar(name, &sidecar).await.err();
    Ok(Verified { identity: archive.identity(), archive, last_proven: sidecar.last_proven, not_noted })
}

/// Checks that the stored bytes of an archive are those that were written, which takes no key, and proves no more.
///
/// # Errors
/// [`ErrorKind::Damaged`] if they are not, [`ErrorKind::Refused`] if nobody knows what was written.
pub async fn stored(store: &dyn Store, name: &BackupName, cancel: &CancellationToken) -> Result<u64> {
    let known = store.read_sidecar(name).await?.and_then(|sidecar| Some((sidecar.bytes, sidecar.sha256?)));
    let Some(known) = known else {
        return Err(Error::new(ErrorKind::Refused, format!("no hash of {name} lies beside it"))
            .with_hint("check it where its key is: `dbm verify` with `--identity-file FILE`"));
    };
    let source = store.stored(name).await?;
    let bytes = source.len().await?;
    let (mut hasher, mut at) = (Hasher::default(), 0);
    while at < bytes {
        if cancel.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "the check was cancelled"));
        }
        let piece = source.read_at(at, usize::try_from((bytes - at).min(PIECE)).unwrap_or(0)).await?;
        hasher.update(&piece);
        at += piece.len() as u64;
    }
    if known != (bytes, hasher.finish()) {
        return Err(Error::new(
            ErrorKind::Damaged,
            format!("{name}: its bytes are not those that were written"),
        )
        .with_hint("do not restore it; take another backup (`dbm backups` lists them)"));
    }
    Ok(bytes)
}

async fn check(
    archive: &Archive,
    deep: Option<&Database>,
    sidecar: &mut Sidecar,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<()> {
    archive.verify_all(progress, &options.cancel).await?;
    sidecar.last_verified = Some(Utc::now());
    if let Some(database) = deep {
        restore::prove(archive, database, options, progress).await?;
        sidecar.last_proven = Some(Utc::now());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use database::sqlite::{File, Mode};
    use rusqlite::Connection;

    use super::*;
    use crate::dump::{self, BackupOptions};
    use crate::progress::Silent;
    use crate::store::LocalStore;

    #[tokio::test]
    async fn whole_proven_and_not_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.sqlite");
        Connection::open(&path)
            .unwrap()
            .execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)")
            .unwrap();
        let database = Database::Sqlite(File::new(path, Mode::ReadWrite));
        let store = LocalStore::new(folder.path().join("backups"));
        let back_up =
            || async { dump::create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap() };
        let (one, two) = (back_up().await.name, back_up().await.name);
        let options = RestoreOptions::default();
        let plain = verify(&store, &one, None, &options, &Silent).await.unwrap();
        assert_eq!(plain.last_proven, None);
        let deep = verify(&store, &one, Some(&database), &options, &Silent).await.unwrap();
        assert!(deep.last_proven.is_some());
        let sidecar = store.read_sidecar(&one).await.unwrap().unwrap();
        assert_eq!(sidecar.last_proven, deep.last_proven);
        assert!(sidecar.last_verified.is_some() && sidecar.sha256.is_some());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "the scratch file is gone");
        let at = |name: &BackupName| store.folder().join(name.to_string());
        fs::copy(at(&two), at(&one)).unwrap();
        let error = verify(&store, &one, None, &options, &Silent).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged);
    }
}
