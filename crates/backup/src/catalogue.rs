//! Which archives a store has, which of them are good, and which one a name means.

use chrono::{DateTime, Utc};
use database::SourceId;
use futures_util::{StreamExt as _, TryStreamExt as _};
use helpers::naming::BackupName;
use serde::Serialize;

use crate::archive::Archive;
use crate::store::{Listed, Sidecar, Store};
use crate::{Error, ErrorKind, Result};

/// The label of a backup that was made while a run was open: never `latest`, never good.
pub const UNFINISHED: &str = "unfinished";

/// How many small files are read at once.
const LOOKS: usize = 16;

/// One file of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// The file's name.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// The word after the time in its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Whether it counts.
    pub state: State,
    /// What is known of it.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub sidecar: Option<Sidecar>,
}

/// Whether an archive counts as a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is whole as far as its tail, size and sidecar tell.
    Good,
    /// It was made while a run was open.
    Unfinished,
    /// Something was left out of it on request: never `latest`, never counted as good.
    Partial,
    /// Nobody knows what it is; the text says why. Never pruned, never counted as good.
    Unknown(String),
}

impl Backup {
    /// Whether it may be `latest` and counts when others are pruned.
    pub fn is_good(&self) -> bool {
        self.state == State::Good
    }

    /// Which database it is of, where that is known.
    pub fn source(&self) -> Option<&SourceId> {
        self.sidecar.as_ref().map(|sidecar| &sidecar.source)
    }

    /// When it was begun, where that is known.
    pub fn time(&self) -> Option<DateTime<Utc>> {
        self.sidecar.as_ref().map(|sidecar| sidecar.time)
    }

    /// Its name, parsed.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a file that no dbm named.
    pub fn name(&self) -> Result<BackupName> {
        parse(&self.file)
    }
}

/// Everything that is in a store, sorted by name. Where no sidecar lies beside an archive, its tail is read.
///
/// # Errors
/// What the store says. A damaged archive is no error: it is listed as unknown.
pub async fn list(store: &dyn Store) -> Result<Vec<Backup>> {
    let looks = store.list().await?.into_iter().map(|listed| look(store, listed));
    futures_util::stream::iter(looks).buffered(LOOKS).try_collect().await
}

async fn look(store: &dyn Store, listed: Listed) -> Result<Backup> {
    let Listed { file, name, bytes, .. } = listed;
    let unknown = |file: String, why: String| Backup {
        file,
        bytes,
        label: None,
        state: State::Unknown(why),
        sidecar: None,
    };
    let Some(name) = name else {
        return Ok(unknown(file, "dbm did not name it".to_owned()));
    };
    let sidecar = match store.read_sidecar(&name).await? {
        Some(sidecar) if sidecar.bytes != bytes => {
            let why = format!("it has {bytes} bytes, and had {} when it was written", sidecar.bytes);
            return Ok(Backup { label: name.label, ..unknown(file, why) });
        }
        Some(sidecar) => sidecar,
        None => match tail(store, &name).await {
            Ok(sidecar) => sidecar,
            // It was removed meanwhile, or cannot be read: both are no reason to list nothing.
            Err(error) => return Ok(Backup { label: name.label, ..unknown(file, error.to_string()) }),
        },
    };
    let unfinished = name.label.as_deref() == Some(UNFINISHED);
    let state = match (unfinished, sidecar.partial) {
        (true, _) => State::Unfinished,
        (false, true) => State::Partial,
        (false, false) => State::Good,
    };
    Ok(Backup { file, bytes, label: name.label, state, sidecar: Some(sidecar) })
}

async fn tail(store: &dyn Store, name: &BackupName) -> Result<Sidecar> {
    Ok(Sidecar::of(&Archive::open(store.source(name).await?).await?))
}

/// The newest good archive of that database, by its source ids and never by its name.
///
/// # Errors
/// [`ErrorKind::NotFound`] if there is none.
pub async fn latest(store: &dyn Store, sources: &[SourceId]) -> Result<Backup> {
    let all = list(store).await?;
    newest(&all, sources).cloned().ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            format!("{} has no good backup of this database ({})", store.describe(), one_of(sources)),
        )
        .with_hint(
            "`dbm backups` lists what is there; name an archive in full to take one of another database",
        )
    })
}

fn one_of(sources: &[SourceId]) -> String {
    sources.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

/// The newest good one of a database among those, by any of its source ids ([`database::Database::sources`]).
pub fn newest<'a>(backups: &'a [Backup], sources: &[SourceId]) -> Option<&'a Backup> {
    let ours = |backup: &&Backup| backup.source().is_some_and(|source| sources.contains(source));
    let good = backups.iter().filter(|backup| backup.is_good()).filter(ours);
    good.max_by(|a, b| (a.time(), &a.file).cmp(&(b.time(), &b.file)))
}

/// The archive that a text means: its full name, a beginning that only it has, or `latest` of a database.
///
/// # Errors
/// [`ErrorKind::NotFound`], or [`ErrorKind::Usage`] for a beginning of several.
pub async fn resolve(store: &dyn Store, text: &str, sources: &[SourceId]) -> Result<Backup> {
    if text == "latest" {
        if sources.is_empty() {
            return Err(Error::new(ErrorKind::Usage, "`latest` needs a database to be the latest of")
                .with_hint("give its URL (`--url`), or name the archive"));
        }
        return latest(store, sources).await;
    }
    let all = list(store).await?;
    if let Some(exact) = all.iter().find(|backup| backup.file == text) {
        return Ok(exact.clone());
    }
    let mut found: Vec<_> =
        all.into_iter().filter(|it| !text.is_empty() && it.file.starts_with(text)).collect();
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Error::new(ErrorKind::NotFound, format!("{} has no archive `{text}`", store.describe()))
            .with_hint("`dbm backups` lists what is there")),
        _ => {
            let names: Vec<_> = found.iter().take(5).map(|backup| backup.file.as_str()).collect();
            Err(Error::new(
                ErrorKind::Usage,
                format!("`{text}` is the beginning of {} archives", found.len()),
            )
            .with_hint(format!("write more of it: {}", names.join(", "))))
        }
    }
}

/// Keeps an archive from being pruned, for a reason; `None` lets it go again.
///
/// # Errors
/// What the store says.
pub async fn pin(store: &dyn Store, name: &BackupName, reason: Option<&str>) -> Result<()> {
    change(store, name, |sidecar| sidecar.pin = reason.map(str::to_owned)).await
}

/// Removes an archive that is not pinned.
///
/// # Errors
/// [`ErrorKind::Refused`] for a pinned one, otherwise what the store says.
pub async fn remove(store: &dyn Store, name: &BackupName) -> Result<()> {
    let pin = store.read_sidecar(name).await?.and_then(|sidecar| sidecar.pin);
    if let Some(reason) = pin {
        return Err(Error::new(ErrorKind::Refused, format!("{name} is pinned: {reason}"))
            .with_hint("an open run ends with `dbm recover`"));
    }
    store.remove(name).await
}

/// Changes what lies beside an archive, which is made from its tail where it is missing.
pub(crate) async fn change(
    store: &dyn Store,
    name: &BackupName,
    change: impl FnOnce(&mut Sidecar),
) -> Result<()> {
    let mut sidecar = match store.read_sidecar(name).await? {
        Some(sidecar) => sidecar,
        None => tail(store, name).await?,
    };
    change(&mut sidecar);
    store.write_sidecar(name, &sidecar).await
}

pub(crate) fn parse(file: &str) -> Result<BackupName> {
    file.parse::<BackupName>().map_err(|cause| {
        Error::new(ErrorKind::Usage, cause.to_string()).with_hint("`dbm backups` lists what is there")
    })
}
