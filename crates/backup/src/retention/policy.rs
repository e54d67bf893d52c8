use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Datelike as _, TimeDelta, Timelike as _, Utc};
use database::SourceId;
use serde::Serialize;

use crate::catalogue::{Backup, State};
use crate::store::Sidecar;

/// What is kept of each database. An archive stays if any rule wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The newest so many.
    pub last: u32,
    /// The newest of each of the last so many hours that have one.
    pub hourly: u32,
    /// The same of days (UTC).
    pub daily: u32,
    /// The same of weeks (ISO 8601).
    pub weekly: u32,
    /// The same of months.
    pub monthly: u32,
    /// The same of years.
    pub yearly: u32,
    /// Everything younger than this, counted from the newest verified archive.
    pub within: Option<TimeDelta>,
    /// Everything with one of these labels.
    pub tags: Vec<String>,
    /// Never fewer good ones than this; at least 1.
    pub min_keep: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            last: 0,
            hourly: 0,
            daily: 0,
            weekly: 0,
            monthly: 0,
            yearly: 0,
            within: None,
            tags: Vec::new(),
            min_keep: 3,
        }
    }
}

impl Policy {
    /// Whether it has no rule at all: whoever wrote it did not say what to keep.
    pub fn is_empty(&self) -> bool {
        let counts = [self.last, self.hourly, self.daily, self.weekly, self.monthly, self.yearly];
        counts.iter().all(|count| *count == 0) && self.within.is_none() && self.tags.is_empty()
    }
}

/// What is to become of one archive, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// The file's name.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Which database it is of, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceId>,
    /// Whether it stays.
    pub keep: bool,
    /// Why; at least one reason.
    pub reasons: Vec<String>,
}

/// What is to become of every archive of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PrunePlan {
    /// In the order of the files' names.
    pub decisions: Vec<Decision>,
}

impl PrunePlan {
    /// Those that go.
    pub fn going(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.iter().filter(|decision| !decision.keep)
    }
}

/// Backups are seldom further apart than this.
const GAP: TimeDelta = TimeDelta::days(62);

/// So many after a gap show that no clock was wrong: a week of nights.
const FEW: usize = 8;

/// Decides about every archive. `of`: only archives of these sources may go, or of any.
///
/// Each database is looked at by itself, by its source id. Only good archives count: for the newest, for each rule, and
/// for `min_keep`. What nobody knows, what is pinned and what a wrong clock dated into the future stays, and is no
/// reason for anything else to go.
pub fn plan(backups: &[Backup], policy: &Policy, of: Option<&[SourceId]>, now: DateTime<Utc>) -> PrunePlan {
    let mut reasons: Vec<Vec<String>> = backups.iter().map(|backup| always(backup, now)).collect();
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, backup) in backups.iter().enumerate() {
        match backup.source() {
            Some(source) if of.is_none_or(|of| of.contains(source)) => {
                groups.entry(&source.0).or_default().push(place);
            }
            Some(_) => reasons[place].push("of another database".to_owned()),
            None => {}
        }
    }
    for group in groups.values() {
        decide(backups, group, policy, now, &mut reasons);
    }
    let decisions = backups.iter().zip(reasons).map(|(backup, reasons)| {
        let keep = !reasons.is_empty();
        let reasons = if keep { reasons } else { vec!["no rule keeps it".to_owned()] };
        Decision {
            file: backup.file.clone(),
            bytes: backup.bytes,
            source: backup.source().cloned(),
            keep,
            reasons,
        }
    });
    PrunePlan { decisions: decisions.collect() }
}

/// Why an archive stays whatever the policy says.
fn always(backup: &Backup, now: DateTime<Utc>) -> Vec<String> {
    let mut reasons = Vec::new();
    if let State::Unknown(why) = &backup.state {
        reasons.push(format!("not known to be dbm's: {why}"));
    }
    match backup.sidecar.as_ref() {
        None => reasons.push("nothing is known of it".to_owned()),
        Some(sidecar) => {
            if let Some(pin) = &sidecar.pin {
                reasons.push(format!("pinned: {pin}"));
            }
            if backup.is_ahead(now) {
                reasons.push("its time has not come: a clock was wrong".to_owned());
            }
        }
    }
    reasons
}

/// Adds the policy's reasons to the archives of one database.
fn decide(
    backups: &[Backup],
    group: &[usize],
    policy: &Policy,
    now: DateTime<Utc>,
    reasons: &mut [Vec<String>],
) {
    let time = |place: usize| backups[place].time().unwrap_or(DateTime::UNIX_EPOCH);
    let mut good: Vec<usize> = group
        .iter()
        .copied()
        .filter(|place| backups[*place].is_good() && !backups[*place].is_ahead(now))
        .collect();
    good.sort_by(|one, other| (time(*other), &backups[*other].file).cmp(&(time(*one), &backups[*one].file)));
    let Some(&newest) = good.first() else {
        // Without a good one, the others are all there is.
        for place in group {
            reasons[*place].push("this database has no good backup".to_owned());
        }
        return;
    };
    reasons[newest].push("the newest good one".to_owned());
    for (place, why) in trusted(backups, &good) {
        reasons[place].push(why.to_owned());
    }
    // The newest ones may be of a clock that jumped ahead, and count for nothing once it is right again.
    for pair in good[..good.len().min(FEW)].windows(2) {
        if time(pair[0]) - time(pair[1]) > GAP {
            reasons[pair[1]].push("the last before a long gap: a clock may have jumped".to_owned());
        }
    }
    for place in good.iter().take(policy.last as usize) {
        reasons[*place].push(format!("among the last {}", policy.last));
    }
    for (count, word, period) in periods(policy) {
        let mut seen = HashSet::new();
        for place in &good {
            if seen.len() >= count as usize {
                break;
            }
            if seen.insert(period(time(*place))) {
                reasons[*place].push(format!("{word} {}", seen.len()));
            }
        }
    }
    if let Some(within) = policy.within {
        for (place, age) in ages(backups, &good, within) {
            match age {
                None => {
                    reasons[place].push("keep-within: none was read back yet, from which to count".to_owned())
                }
                Some(age) if age < within => reasons[place].push("younger than keep-within".to_owned()),
                Some(_) => {}
            }
        }
    }
    for place in group {
        let label = backups[*place].label.as_ref();
        if let Some(label) = label.filter(|label| policy.tags.contains(label)) {
            reasons[*place].push(format!("labelled {label}"));
        }
    }
    // The floor: what would go is kept from the newest on until there are enough good ones.
    let floor = policy.min_keep.max(1) as usize;
    let mut staying = good.iter().filter(|place| !reasons[**place].is_empty()).count();
    for place in &good {
        if staying >= floor {
            break;
        }
        if reasons[*place].is_empty() {
            reasons[*place].push(format!("min_keep is {floor}"));
            staying += 1;
        }
    }
    // One that is not good counts for nothing, and goes only when enough good ones are newer.
    for place in group.iter().filter(|place| !backups[**place].is_good()) {
        let newer = good.iter().filter(|other| time(**other) > time(*place)).count();
        if reasons[*place].is_empty() && newer < floor {
            reasons[*place].push("too few good ones are newer".to_owned());
        }
    }
}

/// What may be worth more than the newest good one, which perhaps nobody has ever read back, or is of a database that
/// somebody had emptied.
fn trusted(backups: &[Backup], good: &[usize]) -> impl Iterator<Item = (usize, &'static str)> {
    let newest = |is: fn(&Sidecar) -> bool| {
        good.iter().copied().find(|place| backups[*place].sidecar.as_ref().is_some_and(is))
    };
    let trusted = [
        (newest(|sidecar| sidecar.last_proven.is_some()), "the newest that was restored and compared"),
        (newest(|sidecar| sidecar.last_verified.is_some()), "the newest that was read back"),
        (newest(|sidecar| sidecar.rows > 0), "the newest with rows"),
    ];
    let newest = good.first().copied();
    trusted.into_iter().filter_map(move |(place, why)| Some((place.filter(|_| place != newest)?, why)))
}

type Period = fn(DateTime<Utc>) -> (i32, u32, u32);

fn periods(policy: &Policy) -> [(u32, &'static str, Period); 5] {
    [
        (policy.hourly, "hourly", |time| (time.year(), time.ordinal(), time.hour())),
        (policy.daily, "daily", |time| (time.year(), time.ordinal(), 0)),
        (policy.weekly, "weekly", |time| (time.iso_week().year(), time.iso_week().week(), 0)),
        (policy.monthly, "monthly", |time| (time.year(), time.month(), 0)),
        (policy.yearly, "yearly", |time| (time.year(), 0, 0)),
    ]
}

/// How old the good ones are, newest first; `None` where that cannot be told.
///
/// Age counts from the newest verified one, so that nothing goes because of an archive that nobody has read back; those
/// after it have none. A gap between two counts for a quarter of the period at most: neither a clock that jumped nor a
/// summer in which nobody made backups ages all the others at once.
fn ages(backups: &[Backup], good: &[usize], within: TimeDelta) -> Vec<(usize, Option<TimeDelta>)> {
    let sidecar = |place: usize| backups[place].sidecar.as_ref();
    let verified = |place: &&usize| {
        sidecar(**place)
            .is_some_and(|sidecar| sidecar.last_verified.is_some() || sidecar.last_proven.is_some())
    };
    let Some(&from) = good.iter().find(verified) else {
        return good.iter().map(|place| (*place, None)).collect();
    };
    let time = |place: usize| backups[place].time().unwrap_or(DateTime::UNIX_EPOCH);
    let (mut age, mut last, mut aged) = (TimeDelta::zero(), None::<DateTime<Utc>>, false);
    let mut ages = Vec::new();
    for place in good {
        if aged && let Some(last) = last {
            age += (last - time(*place)).min(within / 4);
        }
        aged |= *place == from;
        last = Some(time(*place));
        ages.push((*place, Some(age)));
    }
    ages
}
