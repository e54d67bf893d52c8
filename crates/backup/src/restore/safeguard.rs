use std::sync::{Mutex, PoisonError};

use database::Database;
use database::postgres::{Connection, Own};
use tokio_util::sync::CancellationToken;

use crate::archive::{Archive, Hash};
use crate::dump::Written;
use crate::progress::Progress;
use crate::store::Store;
use crate::{Error, ErrorKind, Result};

/// A backup of what is in the target now, read back and found whole: without it there is no restore in place.
#[derive(Debug)]
pub struct Safeguard {
    identity: Hash,
    held: Mutex<Held>,
}

/// Keeps writers away from the tables of a database until the restore in place is over, so that what they write is
/// not between its backup and its replacement. Dropping it lets them go on.
#[derive(Debug, Default)]
pub struct Held(pub(crate) Option<(Connection, Own)>);

impl Safeguard {
    /// Reads the backup that was just made back, every byte of it.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] if it is not of this database, [`ErrorKind::Damaged`] if it is not whole.
    pub async fn verify(
        written: &Written,
        store: &dyn Store,
        database: &Database,
        progress: &dyn Progress,
        cancel: &CancellationToken,
    ) -> Result<Self> {
        let archive = Archive::open(store.source(&written.name).await?).await?;
        if archive.identity() != written.identity {
            return Err(Error::new(
                ErrorKind::Damaged,
                format!("{} is not the backup that was just made", written.name),
            ));
        }
        let target = database.about().await?.source;
        if archive.index().source != target {
            return Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "{} is of {}, and the restore would overwrite {target}",
                    written.name,
                    archive.index().source
                ),
            ));
        }
        archive.verify_all(progress, cancel).await?;
        Ok(Self { identity: archive.identity(), held: Mutex::default() })
    }

    /// The same, made while writers were kept away; the restore goes on from there.
    #[must_use]
    pub fn holding(self, held: Held) -> Self {
        Self { held: Mutex::new(held), ..self }
    }

    pub(super) fn take_held(&self) -> Held {
        std::mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The identity of that backup.
    pub fn identity(&self) -> Hash {
        self.identity
    }
}
