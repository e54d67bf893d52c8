//! Is an archive whole, and does it restore?

use chrono::{DateTime, Utc};
use database::Database;
use helpers::naming::BackupName;
use tokio_util::sync::CancellationToken;

use crate::archive::{Archive, Hash, Hasher};
use crate::catalogue;
use crate::progress::Progress;
use crate::restore::{self, Remade, RestoreOptions};
use crate::store::Store;
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
    /// What no archive carries and a restore made anew, and was not what it was at the source.
    pub remade: Vec<Remade>,
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
    let checked = check(store, name, deep, options, progress).await;
    let (archive, verified, remade) = noting(store, name, checked).await?;
    let proven = remade.is_some().then(Utc::now);
    let mut last_proven = proven;
    let noted = catalogue::change(store, name, |sidecar| {
        sidecar.damaged = None;
        sidecar.last_verified = Some(verified);
        sidecar.last_proven = proven.or(sidecar.last_proven);
        last_proven = sidecar.last_proven;
    });
    let not_noted = noted.await.err();
    let remade = remade.unwrap_or_default();
    Ok(Verified { identity: archive.identity(), archive, last_proven, remade, not_noted })
}

/// Writes down beside an archive what is wrong with it: it is never `latest` again, and never the reason why another
/// goes.
async fn noting<T>(store: &dyn Store, name: &BackupName, checked: Result<T>) -> Result<T> {
    if let Err(error) = &checked
        && error.kind() == ErrorKind::Damaged
    {
        let damaged = error.to_string();
        let noted = catalogue::change(store, name, |sidecar| sidecar.damaged = Some(damaged));
        if let Err(cause) = noted.await {
            tracing::warn!(%cause, %name, "that it is damaged could not be noted beside it");
        }
    }
    checked
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
    noting(store, name, stored_as(store, name, known, cancel).await).await
}

async fn stored_as(
    store: &dyn Store,
    name: &BackupName,
    known: (u64, Hash),
    cancel: &CancellationToken,
) -> Result<u64> {
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

/// The archive, when its bytes were checked, and if it was restored and compared, what was made anew and differs.
async fn check(
    store: &dyn Store,
    name: &BackupName,
    deep: Option<&Database>,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<(Archive, DateTime<Utc>, Option<Vec<Remade>>)> {
    let archive = Archive::open(store.source(name).await?).await?;
    let beside = match store.read_sidecar(name).await {
        // It cannot be read: the archive itself may be whole all the same.
        Err(error) if error.kind() == ErrorKind::Refused => None,
        beside => beside?,
    };
    if beside.is_some_and(|sidecar| sidecar.identity != archive.identity()) {
        return Err(Error::new(
            ErrorKind::Damaged,
            format!("{name} is whole, but it is not the archive that {name}.json tells of"),
        )
        .with_hint(format!(
            "if you put it there, remove {name}.json; otherwise take another backup (`dbm backups`)"
        )));
    }
    archive.verify_all(progress, &options.cancel).await?;
    let verified = Utc::now();
    let Some(database) = deep else { return Ok((archive, verified, None)) };
    let remade = restore::prove(&archive, database, options, progress).await?;
    Ok((archive, verified, Some(remade)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use database::sqlite::{File, Mode};
    use rusqlite::Connection;

    use super::*;
    use crate::dump::{self, BackupOptions};
    use crate::progress::Silent;
    use crate::store::{LocalStore, Sidecar};

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
        assert!(store.read_sidecar(&one).await.unwrap().unwrap().damaged.is_some());
    }

    async fn backed_up(folder: &std::path::Path) -> (LocalStore, BackupName) {
        let path = folder.join("shop.sqlite");
        Connection::open(&path)
            .unwrap()
            .execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)")
            .unwrap();
        let database = Database::Sqlite(File::new(path, Mode::ReadWrite));
        let store = LocalStore::new(folder.join("backups"));
        let name = dump::create(&database, &store, &BackupOptions::default(), &Silent).await.unwrap().name;
        (store, name)
    }

    #[tokio::test]
    async fn damage_is_noted_wherever_it_is_found() {
        for deep in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let (store, name) = backed_up(folder.path()).await;
            let path = store.folder().join(name.to_string());
            let whole = fs::read(&path).unwrap();
            let mut broken = whole.clone();
            let end = broken.len();
            broken[end - 64..].fill(0);
            fs::write(&path, broken).unwrap();
            let options = RestoreOptions::default();
            let error = match deep {
                true => verify(&store, &name, None, &options, &Silent).await.unwrap_err(),
                false => stored(&store, &name, &options.cancel).await.unwrap_err(),
            };
            assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
            let sidecar = store.read_sidecar(&name).await.unwrap().unwrap();
            assert_eq!(sidecar.damaged, Some(error.to_string()));
            let listed = crate::catalogue::list(&store).await.unwrap();
            assert!(!listed[0].is_good(), "{listed:?}");
            fs::write(&path, whole).unwrap();
            verify(&store, &name, None, &options, &Silent).await.unwrap();
            assert_eq!(store.read_sidecar(&name).await.unwrap().unwrap().damaged, None);
        }
    }

    /// Somebody who pins the archive while it is being checked.
    struct Pins(std::path::PathBuf);

    impl Progress for Pins {
        fn phase(&self, _: &str, _: Option<u64>) {
            let mut sidecar: Sidecar = serde_json::from_slice(&fs::read(&self.0).unwrap()).unwrap();
            sidecar.pin = Some("an open run".to_owned());
            fs::write(&self.0, serde_json::to_vec(&sidecar).unwrap()).unwrap();
        }

        fn advance(&self, _: u64, _: u64) {}

        fn done(&self) {}
    }

    #[tokio::test]
    async fn a_pin_made_meanwhile_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (store, name) = backed_up(folder.path()).await;
        let pins = Pins(store.folder().join(format!("{name}.json")));
        verify(&store, &name, None, &RestoreOptions::default(), &pins).await.unwrap();
        let sidecar = store.read_sidecar(&name).await.unwrap().unwrap();
        assert!(sidecar.pin.is_some() && sidecar.last_verified.is_some(), "{sidecar:?}");
    }

    #[tokio::test]
    async fn what_lies_beside_and_cannot_be_read_is_not_taken_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (store, name) = backed_up(folder.path()).await;
        crate::catalogue::pin(&store, &name, Some("an open run")).await.unwrap();
        let beside = store.folder().join(format!("{name}.json"));
        let text = fs::read(&beside).unwrap();
        fs::write(&beside, &text[..text.len() / 2]).unwrap();
        let listed = crate::catalogue::list(&store).await.unwrap();
        assert!(matches!(listed[0].state, crate::catalogue::State::Unknown(_)), "{listed:?}");
        for error in [
            crate::catalogue::remove(&store, &name).await.unwrap_err(),
            crate::catalogue::pin(&store, &name, None).await.unwrap_err(),
        ] {
            assert!(error.kind() == ErrorKind::Refused && error.hint().is_some(), "{error}");
        }
        // The archive itself is whole, and that is said; what lies beside it is left as it is.
        let checked = verify(&store, &name, None, &RestoreOptions::default(), &Silent).await.unwrap();
        assert!(checked.not_noted.is_some());
        assert_eq!(fs::read(&beside).unwrap(), &text[..text.len() / 2]);
    }
}
