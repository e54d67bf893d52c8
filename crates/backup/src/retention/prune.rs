use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{Decision, PrunePlan};
use crate::catalogue::{self, Backup};
use crate::store::Store;
use crate::{Error, ErrorKind, Result};

/// What pruning did, as the store's listing shows it afterwards.
#[derive(Debug, Default, Serialize)]
pub struct Pruned {
    /// Archives that are gone.
    pub removed: Vec<String>,
    /// Their bytes.
    pub freed: u64,
    /// Archives that were to go and are still there, with the reason.
    pub failed: Vec<(String, String)>,
    /// The archives that are there now.
    #[serde(skip)]
    pub left: Vec<Backup>,
    /// What killed backups had left, and is gone.
    pub swept: Vec<String>,
}

/// Carries a plan out, the oldest first; then lists again and tells what is really there.
///
/// An archive that was pinned since the plan was made stays.
///
/// # Errors
/// What the store says; archives that cannot be removed are no error but in [`Pruned::failed`].
pub async fn prune(store: &dyn Store, plan: &PrunePlan, cancel: &CancellationToken) -> Result<Pruned> {
    let mut pruned = Pruned { swept: store.sweep().await?, ..Pruned::default() };
    let mut going: Vec<&Decision> = plan.going().collect();
    going.sort_by_key(|decision| catalogue::parse(&decision.file).map(|name| name.time).ok());
    let mut refused = Vec::new();
    for decision in &going {
        if cancel.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "pruning was cancelled")
                .with_hint("what is gone is gone; `dbm backups` lists the rest"));
        }
        let removed = match catalogue::parse(&decision.file) {
            Ok(name) => catalogue::remove(store, &name).await,
            Err(error) => Err(error),
        };
        match removed {
            // Another prune was quicker.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => refused.push((&decision.file, error.to_string())),
            Ok(()) => {}
        }
    }
    pruned.left = catalogue::list(store).await?;
    for decision in going {
        if pruned.left.iter().any(|backup| backup.file == decision.file) {
            let why = refused.iter().find(|(file, _)| **file == decision.file);
            let why = why.map_or("the store still lists it".to_owned(), |(_, why)| why.clone());
            pruned.failed.push((decision.file.clone(), why));
        } else {
            pruned.freed += decision.bytes;
            pruned.removed.push(decision.file.clone());
        }
    }
    Ok(pruned)
}
