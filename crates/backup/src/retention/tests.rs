use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use database::SourceId;
use helpers::naming::{ArchiveKind, BackupName};
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::archive::Hash;
use crate::catalogue::{self, Backup, State};
use crate::store::memory::MemoryStore;
use crate::store::{Sidecar, Store as _, Stored, conformance};

fn day(number: i64) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 21, 1, 34, 0).unwrap() + TimeDelta::days(number)
}

fn backup(source: &str, time: DateTime<Utc>, change: impl FnOnce(&mut Backup)) -> Backup {
    let mut sidecar = conformance::sidecar(Stored { bytes: 10, sha256: Hash([1; 32]) });
    (sidecar.source, sidecar.time) = (SourceId(source.to_owned()), time);
    let name = BackupName::new("shop", time, None, ArchiveKind::Script);
    let mut backup =
        Backup { file: name.to_string(), bytes: 10, label: None, state: State::Good, sidecar: Some(sidecar) };
    change(&mut backup);
    backup
}

fn days(source: &str, days: impl IntoIterator<Item = i64>) -> Vec<Backup> {
    days.into_iter().map(|number| backup(source, day(number), |_| {})).collect()
}

/// The days of the archives that go.
fn going(backups: &[Backup], policy: &Policy, now: DateTime<Utc>) -> Vec<i64> {
    let plan = plan(backups, policy, None, now);
    assert_eq!(plan.decisions.len(), backups.len());
    assert!(plan.decisions.iter().all(|decision| !decision.reasons.is_empty()));
    let gone = backups.iter().zip(plan.decisions).filter(|(_, decision)| !decision.keep);
    gone.map(|(backup, _)| (backup.time().unwrap() - day(0)).num_days()).collect()
}

fn one(change: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = Policy { min_keep: 1, ..Policy::default() };
    change(&mut policy);
    policy
}

fn verify(backups: &mut [Backup], place: usize) {
    backups[place].sidecar.as_mut().unwrap().last_verified = Some(day(0));
}

#[test]
fn each_rule_keeps_what_it_says() {
    let backups = days("a", 0..40);
    let go = |policy: &Policy| going(&backups, policy, day(40));
    assert_eq!(go(&one(|policy| policy.last = 3)), (0..37).collect::<Vec<_>>());
    assert_eq!(go(&one(|policy| policy.daily = 5)), (0..35).collect::<Vec<_>>());
    // 2026-11-21 is a Saturday: the last of each week are days 1, 8, 15, …; the newest stays.
    let weekly = go(&one(|policy| policy.weekly = 3));
    assert_eq!((0..40).filter(|number| !weekly.contains(number)).collect::<Vec<_>>(), [29, 36, 39]);
    let monthly = go(&one(|policy| policy.monthly = 2));
    assert_eq!((0..40).filter(|number| !monthly.contains(number)).collect::<Vec<_>>(), [9, 39]);
    assert_eq!(go(&one(|policy| policy.yearly = 2)).len(), 39);
    assert_eq!(go(&one(|policy| policy.hourly = 2)), (0..38).collect::<Vec<_>>());
    // Rules add up.
    let both = go(&one(|policy| (policy.last, policy.monthly) = (2, 2)));
    assert_eq!((0..40).filter(|number| !both.contains(number)).collect::<Vec<_>>(), [9, 38, 39]);
}

#[test]
fn age_counts_from_the_newest_verified() {
    let mut backups = days("a", 0..40);
    let policy = one(|policy| policy.within = Some(TimeDelta::days(10)));
    assert_eq!(going(&backups, &policy, day(400)), Vec::<i64>::new(), "nobody has read one back");
    verify(&mut backups, 29);
    assert_eq!(going(&backups, &policy, day(400)), (0..20).collect::<Vec<_>>());
    // Nobody made one for a year: a single new one does not age all the others.
    backups.push(backup("a", day(400), |_| {}));
    verify(&mut backups, 40);
    assert_eq!(going(&backups, &policy, day(401)), (0..32).collect::<Vec<_>>());
}

#[test]
fn two_databases_of_one_name_are_two() {
    let mut backups = days("a", 0..5);
    backups.extend(days("b", 0..2));
    let policy = one(|policy| policy.last = 1);
    assert_eq!(going(&backups, &policy, day(9)), [0, 1, 2, 3, 0]);
    let of = [SourceId("b".to_owned())];
    let plan = plan(&backups, &policy, Some(&of), day(9));
    assert_eq!(plan.going().count(), 1);
}

#[test]
fn labels_pins_and_the_floor() {
    let mut backups = days("a", 0..6);
    backups[0].label = Some("release".to_owned());
    backups[1].sidecar.as_mut().unwrap().pin = Some("for ever".to_owned());
    backups[2].state = State::Unknown("it has 9 bytes".to_owned());
    let mut policy = one(|policy| policy.tags = vec!["release".to_owned()]);
    assert_eq!(going(&backups, &policy, day(9)), [3, 4]);
    policy.min_keep = 4;
    assert_eq!(going(&backups, &policy, day(9)), [3], "0, 1, 5 stay anyhow, and 4 makes four");
    assert!(Policy::default().is_empty() && !policy.is_empty());
}

#[test]
fn what_is_trusted_more_than_the_newest_stays() {
    let mut backups = days("a", 0..9);
    let policy = one(|policy| policy.last = 1);
    let mut sidecar =
        |place: usize, change: fn(&mut Sidecar)| change(backups[place].sidecar.as_mut().unwrap());
    // Somebody emptied the database, and the last two nights backed that up.
    sidecar(7, |sidecar| sidecar.rows = 0);
    sidecar(8, |sidecar| sidecar.rows = 0);
    sidecar(1, |sidecar| sidecar.last_proven = Some(day(2)));
    sidecar(2, |sidecar| sidecar.last_proven = Some(day(3)));
    sidecar(4, |sidecar| sidecar.last_verified = Some(day(5)));
    assert_eq!(going(&backups, &policy, day(9)), [0, 1, 3, 5, 7]);
}

#[test]
fn a_clock_that_jumped_ahead_costs_nothing_that_is_needed_when_it_is_right_again() {
    // Two nights in 2040, each of which pruned.
    let mut backups = days("a", 0..5);
    let policy = one(|policy| policy.last = 2);
    for night in [5000, 5001] {
        backups.push(backup("a", day(night), |_| {}));
        let gone = going(&backups, &policy, day(night));
        backups.retain(|backup| !gone.contains(&(backup.time().unwrap() - day(0)).num_days()));
    }
    let left: Vec<_> = backups.iter().map(|backup| (backup.time().unwrap() - day(0)).num_days()).collect();
    assert_eq!(left, [4, 5000, 5001]);
    let sources = [SourceId("a".to_owned())];
    assert_eq!(catalogue::good_ones(&backups, &sources, day(6))[0].time(), Some(day(4)));
    // After a week of nights a gap is one.
    backups.extend(days("a", 5002..5009));
    assert!(going(&backups, &policy, day(5009)).contains(&4));
}

#[tokio::test]
async fn what_was_planned_is_done_and_a_late_pin_is_heeded() {
    let store = MemoryStore::default();
    for backup in days("a", 0..6) {
        let name = backup.name().unwrap();
        store.insert(&backup.file, vec![7; 10]);
        store.write_sidecar(&name, backup.sidecar.as_ref().unwrap()).await.unwrap();
    }
    store.insert("notes.txt", vec![7; 3]);
    let backups = catalogue::list(&store).await.unwrap();
    let plan = plan(&backups, &one(|policy| policy.last = 2), None, day(9));
    let pinned = backups.iter().find(|backup| backup.time() == Some(day(1))).unwrap().name().unwrap();
    catalogue::pin(&store, &pinned, Some("late")).await.unwrap();
    let pruned = prune(&store, &plan, &CancellationToken::new()).await.unwrap();
    assert_eq!((pruned.removed.len(), pruned.freed), (3, 30));
    assert_eq!(pruned.failed.len(), 1);
    assert!(pruned.failed[0].1.contains("pinned: late"), "{:?}", pruned.failed);
    assert_eq!(pruned.left.len(), 4);
}

/// One archive of a random history: its source, hours since the last, how good, pinned, verified, a jump of the clock.
type Made = (u8, i64, u8, bool, bool, i64);

fn history() -> impl Strategy<Value = Vec<Made>> {
    let jump = prop_oneof![8 => Just(0_i64), 1 => -100_000_i64..100_000];
    proptest::collection::vec((0..3_u8, 0..100_i64, 0..8_u8, any::<bool>(), any::<bool>(), jump), 0..60)
}

fn policies() -> impl Strategy<Value = Policy> {
    let counts = proptest::array::uniform6(prop_oneof![2 => Just(0_u32), 1 => 1..8_u32]);
    (counts, proptest::option::of(1..100_i64), 0..6_u32).prop_map(|(counts, within, min_keep)| {
        let [last, hourly, daily, weekly, monthly, yearly] = counts;
        let within = within.map(TimeDelta::days);
        Policy { last, hourly, daily, weekly, monthly, yearly, within, tags: Vec::new(), min_keep }
    })
}

fn made(history: &[Made]) -> (Vec<Backup>, DateTime<Utc>) {
    let mut now = day(0);
    let mut backups = BTreeMap::new();
    for (source, hours, quality, pinned, verified, jump) in history {
        now += TimeDelta::hours(*hours) + TimeDelta::seconds(1);
        let made = backup(&source.to_string(), now + TimeDelta::hours(*jump), |backup| {
            let sidecar = backup.sidecar.as_mut().unwrap();
            sidecar.pin = pinned.then(|| "kept".to_owned()).filter(|_| quality % 4 == 3);
            sidecar.last_verified = verified.then_some(now);
            backup.state = match quality {
                0 => State::Unknown("damaged".to_owned()),
                1 => State::Unfinished,
                _ => State::Good,
            };
        });
        backups.insert(made.file.clone(), made);
    }
    (backups.into_values().collect(), now)
}

proptest! {
    #[test]
    fn nothing_that_must_stay_goes(history in history(), policy in policies()) {
        let (backups, now) = made(&history);
        let plan = plan(&backups, &policy, None, now);
        for source in ["0", "1", "2"].map(|source| SourceId(source.to_owned())) {
            let ours: Vec<_> = backups.iter().zip(&plan.decisions)
                .filter(|(backup, _)| backup.source() == Some(&source)).collect();
            let believable = |backup: &Backup| backup.is_good() && backup.time() <= Some(now + TimeDelta::hours(1));
            let good = ours.iter().filter(|(backup, _)| believable(backup)).count();
            let kept = ours.iter().filter(|(backup, decision)| believable(backup) && decision.keep).count();
            prop_assert!(kept >= good.min(policy.min_keep.max(1) as usize), "{} of {}", kept, good);
            let newest = ours.iter().filter(|(backup, _)| believable(backup))
                .max_by_key(|(backup, _)| (backup.time(), &backup.file));
            prop_assert!(newest.is_none_or(|(_, decision)| decision.keep));
            let verified = ours.iter().filter(|(backup, _)| {
                believable(backup) && backup.sidecar.as_ref().unwrap().last_verified.is_some()
            });
            let verified = verified.max_by_key(|(backup, _)| (backup.time(), &backup.file));
            prop_assert!(verified.is_none_or(|(_, decision)| decision.keep));
            if good == 0 {
                prop_assert!(ours.iter().all(|(_, decision)| decision.keep));
            }
            for (backup, decision) in ours {
                let known = !matches!(backup.state, State::Unknown(_));
                let pinned = backup.sidecar.as_ref().unwrap().pin.is_some();
                prop_assert!(decision.keep || (known && !pinned && backup.time() <= Some(now + TimeDelta::hours(1))));
            }
        }
    }

    #[test]
    fn what_was_pruned_once_is_pruned(history in history(), policy in policies()) {
        let (backups, now) = made(&history);
        let first = plan(&backups, &policy, None, now);
        let left: Vec<_> = backups.iter().zip(&first.decisions)
            .filter(|(_, decision)| decision.keep).map(|(backup, _)| backup.clone()).collect();
        let second = plan(&left, &policy, None, now);
        // Gaps count for less than they are: only keep-within may let more go the second time, and never the floor's.
        if policy.within.is_none() {
            prop_assert_eq!(second.going().count(), 0);
        }
    }

    #[test]
    fn others_archives_change_nothing(history in history(), policy in policies()) {
        let (backups, now) = made(&history);
        let ours = |backup: &&Backup| backup.source() == Some(&SourceId("0".to_owned()));
        let alone: Vec<_> = backups.iter().filter(ours).cloned().collect();
        let together = plan(&backups, &policy, None, now);
        let apart = plan(&alone, &policy, None, now);
        let of_ours: Vec<_> = together.decisions.into_iter()
            .filter(|decision| decision.source == Some(SourceId("0".to_owned()))).collect();
        prop_assert_eq!(of_ours, apart.decisions);
    }

    #[test]
    fn a_clock_that_is_ahead_lets_nothing_go(history in history(), policy in policies(), hours in 2_i64..1_000_000) {
        let (mut backups, now) = made(&history);
        let before: Vec<_> = plan(&backups, &policy, None, now).going().map(|gone| gone.file.clone()).collect();
        let late = backup("0", now + TimeDelta::hours(hours), |_| {});
        backups.retain(|backup| backup.file != late.file);
        backups.push(late);
        let after: Vec<_> = plan(&backups, &policy, None, now).going().map(|gone| gone.file.clone()).collect();
        prop_assert!(after.iter().all(|file| before.contains(file)), "{:?} {:?}", before, after);
    }
}
