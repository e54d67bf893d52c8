//! Which archives a store has, which of them are good, and which one a name means.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use database::SourceId;
use futures_util::{StreamExt as _, TryStreamExt as _};
use helpers::naming::BackupName;
use serde::Serialize;

use crate::archive::Archive;
use crate::store::{Listed, Sidecar, Store, Trouble};
use crate::{Error, ErrorKind, Result};

/// The label of a backup that was made while a run was open: never `latest`, never good.
pub const UNFINISHED: &str = "unfinished";

/// How far ahead of now an archive may be dated; beyond that its clock was wrong, and it is passed over.
pub(crate) const SKEW: TimeDelta = TimeDelta::hours(1);

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

    /// Whether it is dated into the future: a clock was wrong, so that it is never `latest` and counts for nothing.
    pub fn is_ahead(&self, now: DateTime<Utc>) -> bool {
        self.time().is_some_and(|time| time > now + SKEW)
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
    let beside = match store.read_sidecar(&name).await {
        // It is there and cannot be read, so nobody knows whether it is pinned.
        Err(error) if error.kind() == ErrorKind::Refused => {
            return Ok(Backup { label: name.label, ..unknown(file, error.to_string()) });
        }
        beside => beside?,
    };
    let sidecar = match beside {
        Some(sidecar) if sidecar.bytes != bytes => {
            let why = format!("it has {bytes} bytes, and had {} when it was written", sidecar.bytes);
            return Ok(Backup { label: name.label, ..unknown(file, why) });
        }
        Some(Sidecar { damaged: Some(why), .. }) => {
            return Ok(Backup { label: name.label, ..unknown(file, format!("damaged: {why}")) });
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
    Sidecar::of(&Archive::open(store.source(name).await?).await?).await
}

fn one_of(sources: &[SourceId]) -> String {
    sources.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

/// The good ones of a database among those, newest first, by any of its source ids ([`database::Database::sources`]).
pub(crate) fn good_ones<'a>(
    backups: &'a [Backup],
    sources: &[SourceId],
    now: DateTime<Utc>,
) -> Vec<&'a Backup> {
    let ours = |backup: &&Backup| backup.source().is_some_and(|source| sources.contains(source));
    let mut good: Vec<_> =
        backups.iter().filter(|backup| backup.is_good() && !backup.is_ahead(now)).filter(ours).collect();
    good.sort_by(|one, other| (other.time(), &other.file).cmp(&(one.time(), &one.file)));
    good
}

/// The newest good one of a database among those, by any of its source ids ([`database::Database::sources`]).
pub fn newest<'a>(backups: &'a [Backup], sources: &[SourceId]) -> Option<&'a Backup> {
    good_ones(backups, sources, Utc::now()).into_iter().next()
}

/// The newest good one of a database with rows, of those that were begun by then: a database that was emptied or lost, and
/// made again, is backed up as the empty one that it is.
pub fn newest_with_rows<'a>(
    backups: &'a [Backup],
    source: &SourceId,
    before: DateTime<Utc>,
) -> Option<&'a Backup> {
    let good = good_ones(backups, std::slice::from_ref(source), Utc::now());
    let holds_rows = |backup: &Backup| backup.sidecar.as_ref().is_some_and(|sidecar| sidecar.rows > 0);
    good.into_iter().find(|backup| backup.time().is_some_and(|time| time <= before) && holds_rows(backup))
}

/// What a text means that names no archive by its own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relative {
    /// `latest`, `latest~2`: so many before the newest good one.
    Latest(usize),
    /// `before:2026-11-01`: the newest good one that was begun before.
    Before(DateTime<Utc>),
}

/// Whether a text means an archive by its place in time, so that it takes a database to tell which.
pub fn is_relative(text: &str) -> bool {
    text == "latest" || text.starts_with("latest~") || text.starts_with("before:")
}

impl Relative {
    fn parse(text: &str) -> Result<Option<Self>> {
        if !is_relative(text) {
            return Ok(None);
        }
        let wrong = || {
            Error::new(ErrorKind::Usage, format!("`{text}` names no archive"))
                .with_hint("write latest, latest~1, before:2026-11-01 or before:2026-11-01T12:00:00Z")
        };
        if let Some(count) = text.strip_prefix("latest~") {
            return Ok(Some(Self::Latest(count.parse().map_err(|_| wrong())?)));
        }
        let Some(time) = text.strip_prefix("before:") else { return Ok(Some(Self::Latest(0))) };
        let day = || time.parse::<NaiveDate>().ok().and_then(|day| day.and_hms_opt(0, 0, 0));
        let moment = || NaiveDateTime::parse_from_str(time, "%Y-%m-%dT%H:%M:%S").ok();
        let time = match DateTime::parse_from_rfc3339(time) {
            Ok(time) => time.to_utc(),
            Err(_) => day().or_else(moment).ok_or_else(wrong)?.and_utc(),
        };
        Ok(Some(Self::Before(time)))
    }

    fn find<'a>(self, good: &[&'a Backup]) -> Option<&'a Backup> {
        match self {
            Self::Latest(back) => good.get(back).copied(),
            Self::Before(moment) => {
                good.iter().find(|backup| backup.time().is_some_and(|time| time < moment)).copied()
            }
        }
    }
}

/// The archive that a text means: its full name, a beginning that only it has, or, of a database, `latest`,
/// `latest~1`, `before:2026-11-01` (UTC).
///
/// # Errors
/// [`ErrorKind::NotFound`], or [`ErrorKind::Usage`] for a beginning of several.
pub async fn resolve(store: &dyn Store, text: &str, sources: &[SourceId]) -> Result<Backup> {
    Ok(resolve_among(&[store], text, sources).await?.backup)
}

/// An archive that was found in one of several stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is there.
    pub backup: Backup,
    /// Which of the stores: the first that has it in a better state than the others.
    pub place: usize,
    /// Stores that could not be looked at; what only they have was not found.
    pub troubles: Vec<Trouble>,
}

/// The same among several stores: a copy that is good is taken before one that is not, else the first.
///
/// # Errors
/// As [`resolve`]; a store that cannot be listed is an error only where none can.
pub async fn resolve_among(stores: &[&dyn Store], text: &str, sources: &[SourceId]) -> Result<Found> {
    let relative = Relative::parse(text)?;
    if relative.is_some() && sources.is_empty() {
        return Err(Error::new(ErrorKind::Usage, format!("`{text}` needs a database to be of"))
            .with_hint("give its URL (`--url`), or name the archive"));
    }
    let lists = futures_util::future::join_all(stores.iter().map(|store| list(*store))).await;
    let (mut places, mut all) = (BTreeMap::new(), BTreeMap::<String, Backup>::new());
    let (mut troubles, mut failed) = (Vec::new(), None);
    for (place, listed) in lists.into_iter().enumerate() {
        match listed {
            Ok(listed) => {
                for backup in listed {
                    let better = |known: &Backup| backup.is_good() && !known.is_good();
                    if all.get(&backup.file).is_none_or(better) {
                        places.insert(backup.file.clone(), place);
                        all.insert(backup.file.clone(), backup);
                    }
                }
            }
            Err(error) => {
                troubles.push(Trouble { store: stores[place].describe(), what: error.to_string() });
                failed.get_or_insert(error);
            }
        }
    }
    if let Some(error) = failed.filter(|_| troubles.len() == stores.len()) {
        return Err(error);
    }
    let all: Vec<Backup> = all.into_values().collect();
    let described = stores.iter().map(|store| store.describe()).collect::<Vec<_>>().join(", ");
    let backup = match relative {
        Some(relative) => by_time(&all, relative, text, sources, &described),
        None => by_name(&all, text, &described),
    }?;
    Ok(Found { place: places[&backup.file], backup, troubles })
}

fn by_time(
    all: &[Backup],
    relative: Relative,
    text: &str,
    sources: &[SourceId],
    store: &str,
) -> Result<Backup> {
    let good = good_ones(all, sources, Utc::now());
    relative.find(&good).cloned().ok_or_else(|| {
        let of = one_of(sources);
        let message = match good.len() {
            0 => format!("{store} has no good backup of this database ({of})"),
            1 => format!("{store} has one good backup of this database, and none is `{text}`"),
            count => format!("{store} has {count} good backups of this database, and none is `{text}`"),
        };
        Error::new(ErrorKind::NotFound, message).with_hint(
            "`dbm backups` lists what is there; name an archive in full to take one of another database",
        )
    })
}

fn by_name(all: &[Backup], text: &str, store: &str) -> Result<Backup> {
    if let Some(exact) = all.iter().find(|backup| backup.file == text) {
        return Ok(exact.clone());
    }
    let found: Vec<&Backup> = all.iter().filter(|it| !text.is_empty() && it.file.starts_with(text)).collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(Error::new(ErrorKind::NotFound, format!("{store} has no archive `{text}`"))
            .with_hint("`dbm backups` lists what is there")),
        _ => {
            let names: Vec<_> = found.iter().take(5).map(|backup| backup.file.as_str()).collect();
            let message = format!("`{text}` is the beginning of {} archives", found.len());
            Err(Error::new(ErrorKind::Usage, message)
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
            .with_hint(format!("an open run ends with `dbm recover`, another pin with `dbm unpin {name}`")));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Stored;
    use crate::store::conformance;
    use crate::store::memory::MemoryStore;

    #[tokio::test]
    async fn names_mean_places_in_time() {
        let store = MemoryStore::default();
        let ours = SourceId("ours".to_owned());
        for (day, source) in [(1, "ours"), (2, "ours"), (3, "theirs"), (4, "ours")] {
            let time = format!("2025-11-0{day}T01:00:00Z").parse().unwrap();
            let name = BackupName::new(source, time, None, helpers::naming::ArchiveKind::Script);
            let stored = Stored { bytes: 1, sha256: crate::archive::Hash([0; 32]) };
            let sidecar =
                Sidecar { source: SourceId(source.to_owned()), time, ..conformance::sidecar(stored) };
            store.insert(&name.to_string(), vec![0]);
            store.write_sidecar(&name, &sidecar).await.unwrap();
        }
        for (text, day) in [
            ("latest", 4),
            ("latest~0", 4),
            ("latest~1", 2),
            ("latest~2", 1),
            ("before:2025-11-04", 2),
            ("before:2025-11-04T01:00:00Z", 2),
            ("before:2025-11-04T01:00:01", 4),
            ("before:2025-11-02T03:00:00+02:00", 1),
            ("ours_20251102", 2),
        ] {
            let found = resolve(&store, text, std::slice::from_ref(&ours)).await.unwrap();
            assert!(found.file.starts_with(&format!("ours_2025110{day}")), "{text}: {}", found.file);
        }
        for (text, kind) in [
            ("latest~3", ErrorKind::NotFound),
            ("before:2025-11-01", ErrorKind::NotFound),
            ("latest~x", ErrorKind::Usage),
            ("before:yesterday", ErrorKind::Usage),
            ("ours_", ErrorKind::Usage),
        ] {
            let error = resolve(&store, text, std::slice::from_ref(&ours)).await.unwrap_err();
            assert!(error.kind() == kind && error.hint().is_some(), "{text}: {error}");
        }
        // A clock that was wrong dated it into the future: it is not what anybody means.
        let time = Utc::now() + TimeDelta::days(9);
        let name = BackupName::new("ours", time, None, helpers::naming::ArchiveKind::Script);
        let stored = Stored { bytes: 1, sha256: crate::archive::Hash([0; 32]) };
        store.insert(&name.to_string(), vec![0]);
        let sidecar = Sidecar { source: ours.clone(), time, ..conformance::sidecar(stored) };
        store.write_sidecar(&name, &sidecar).await.unwrap();
        let found = resolve(&store, "latest", std::slice::from_ref(&ours)).await.unwrap();
        assert!(found.file.starts_with("ours_20251104"), "{}", found.file);
        let error = resolve(&store, "before:2025-11-04", &[]).await.unwrap_err();
        assert!(error.to_string().contains("needs a database"), "{error}");
    }
}
