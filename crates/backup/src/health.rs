//! Has a database backups, young enough, and was one of them tried?

use chrono::{DateTime, TimeDelta, Utc};
use database::SourceId;
use serde::Serialize;

use crate::catalogue::{self, Backup, SKEW, State};

/// What a monitor takes for too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// How old the newest good backup may be.
    pub max_age: Option<TimeDelta>,
    /// How long ago a backup was last restored on the side and compared.
    pub max_unproven: Option<TimeDelta>,
}

/// The backups of one database in one store, summed up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// How many of its archives count.
    pub good: u64,
    /// How many are of a part of it.
    pub partial: u64,
    /// How many were made while a run was open.
    pub unfinished: u64,
    /// How many files of the store nobody can tell the database of, or that are damaged.
    pub unknown: u64,
    /// The bytes of all of those.
    pub bytes: u64,
    /// The newest good one.
    pub newest: Option<Backup>,
    /// How many seconds ago it was begun.
    pub age_seconds: Option<i64>,
    /// When every byte of a good one was last checked.
    pub last_verified: Option<DateTime<Utc>>,
    /// When a good one was last restored on the side and compared.
    pub last_proven: Option<DateTime<Utc>>,
    /// How many seconds ago that was.
    pub unproven_seconds: Option<i64>,
    /// What is wrong with that.
    pub findings: Vec<Unwell>,
}

/// One thing that is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unwell {
    /// What.
    pub message: String,
    /// What to type.
    pub hint: &'static str,
}

/// Sums up what a store has of a database, by any of its source ids, and compares it with the limits.
///
/// Times that have not come yet were written by a clock that was wrong, and prove nothing.
pub fn examine(all: &[Backup], sources: &[SourceId], limits: Limits, now: DateTime<Utc>) -> Health {
    let ours = |backup: &&Backup| match backup.source() {
        Some(source) => sources.contains(source),
        None => true,
    };
    let ours: Vec<&Backup> = all.iter().filter(ours).collect();
    let count = |state: fn(&State) -> bool| ours.iter().filter(|backup| state(&backup.state)).count() as u64;
    let good = catalogue::good_ones(all, sources, now);
    let newest = good.first().copied();
    let come = |time: &DateTime<Utc>| *time <= now + SKEW;
    let last = |of: fn(&crate::store::Sidecar) -> Option<DateTime<Utc>>| {
        good.iter().filter_map(|backup| backup.sidecar.as_ref().and_then(of)).filter(come).max()
    };
    let (last_verified, last_proven) =
        (last(|sidecar| sidecar.last_verified), last(|sidecar| sidecar.last_proven));
    let since = |time: DateTime<Utc>| (now - time).max(TimeDelta::zero());
    let age = newest.and_then(Backup::time).map(since);
    let unproven = last_proven.map(since);
    let mut findings = Vec::new();
    if let Some(most) = limits.max_age {
        let message = match age {
            None => Some("there is no good backup of this database".to_owned()),
            Some(age) if age > most => {
                Some(format!("the newest good backup is {} old: {} is too old", words(age), words(most)))
            }
            Some(_) => None,
        };
        findings.extend(message.map(|message| Unwell { message, hint: "make one: `dbm backup`" }));
    }
    if let Some(most) = limits.max_unproven {
        let message = match unproven {
            None => Some("no good backup of this database was ever restored and compared".to_owned()),
            Some(ago) if ago > most => Some(format!(
                "a backup was last restored and compared {} ago: {} is too long",
                words(ago),
                words(most)
            )),
            Some(_) => None,
        };
        let hint = "prove one: `dbm verify latest --deep`";
        findings.extend(message.map(|message| Unwell { message, hint }));
    }
    Health {
        good: good.len() as u64,
        partial: count(|state| *state == State::Partial),
        unfinished: count(|state| *state == State::Unfinished),
        unknown: count(|state| matches!(state, State::Unknown(_))),
        bytes: ours.iter().map(|backup| backup.bytes).sum(),
        newest: newest.cloned(),
        age_seconds: age.map(|age| age.num_seconds()),
        last_verified,
        last_proven,
        unproven_seconds: unproven.map(|ago| ago.num_seconds()),
        findings,
    }
}

/// A length of time in the two largest units of a clock that it has: `3 d 02 h`, `5 h 12 min`, `40 s`.
pub fn words(time: TimeDelta) -> String {
    let seconds = time.num_seconds();
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Hash;
    use crate::store::{Sidecar, Stored, conformance};

    fn at(hour: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + hour * 3600, 0).unwrap()
    }

    fn backup(source: &str, hour: i64, change: impl FnOnce(&mut Sidecar)) -> Backup {
        let stored = Stored { bytes: 10, sha256: Hash([0; 32]) };
        let source = SourceId(source.to_owned());
        let mut sidecar = Sidecar { source, time: at(hour), ..conformance::sidecar(stored) };
        change(&mut sidecar);
        let file = format!("shop_{hour}");
        Backup { file, bytes: 10, label: None, state: State::Good, sidecar: Some(sidecar) }
    }

    fn findings(all: &[Backup], now: i64) -> Vec<String> {
        let limits = Limits { max_age: Some(TimeDelta::hours(26)), max_unproven: Some(TimeDelta::days(8)) };
        let health = examine(all, &[SourceId("ours".to_owned())], limits, at(now));
        health.findings.into_iter().map(|unwell| unwell.message).collect()
    }

    #[test]
    fn what_is_too_old_or_was_never_tried_is_found() {
        let none = [
            "there is no good backup of this database",
            "no good backup of this database was ever restored and compared",
        ];
        assert_eq!(findings(&[], 0), none);
        // Another database's, a damaged one, one that is not whole, one of the future: none of them counts.
        let theirs = backup("theirs", 0, |sidecar| sidecar.last_proven = Some(at(0)));
        let partial = Backup { state: State::Partial, ..backup("ours", 0, |_| {}) };
        let unknown = Backup { state: State::Unknown("damaged".to_owned()), ..backup("ours", 0, |_| {}) };
        let ahead = backup("ours", 100, |sidecar| sidecar.last_proven = Some(at(0)));
        assert_eq!(findings(&[theirs, partial, unknown, ahead], 0), none);
        let one = backup("ours", 0, |sidecar| sidecar.last_proven = Some(at(1)));
        assert_eq!(findings(std::slice::from_ref(&one), 26), Vec::<String>::new());
        assert_eq!(
            findings(std::slice::from_ref(&one), 27),
            ["the newest good backup is 27 h 00 min old: 26 h 00 min is too old"]
        );
        assert_eq!(
            findings(&[one, backup("ours", 200, |_| {})], 200),
            ["a backup was last restored and compared 8 d 07 h ago: 8 d 00 h is too long"]
        );
    }

    #[test]
    fn a_proof_of_the_future_proves_nothing() {
        let ahead = backup("ours", 0, |sidecar| sidecar.last_proven = Some(at(500)));
        assert_eq!(findings(&[ahead], 1), ["no good backup of this database was ever restored and compared"]);
    }

    #[test]
    fn states_are_counted() {
        let all = [
            backup("ours", 0, |_| {}),
            Backup { state: State::Unfinished, ..backup("ours", 1, |_| {}) },
            Backup { state: State::Partial, ..backup("ours", 2, |_| {}) },
            Backup { state: State::Unknown("?".to_owned()), sidecar: None, ..backup("ours", 3, |_| {}) },
            backup("theirs", 4, |_| {}),
        ];
        let health = examine(&all, &[SourceId("ours".to_owned())], Limits::default(), at(5));
        assert_eq!((health.good, health.partial, health.unfinished, health.unknown), (1, 1, 1, 1));
        assert_eq!((health.bytes, health.age_seconds), (40, Some(5 * 3600)));
        assert!(health.findings.is_empty());
    }
}
