use super::{ArchiveNote, Ending, Step, Told};

/// What is to be done about a run that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did all that was asked for: it stays.
    Done,
    /// The database was never changed, or each change was rolled back with its transaction.
    NothingChanged,
    /// It left committed, unfinished steps: this archive is to be restored.
    PutBack(ArchiveNote),
    /// An explicit restore may have put this archive in the database's place, in part: that is to be done again.
    RestoreAgain(ArchiveNote),
    /// An archive took the database's place: it ends so.
    Finish(Ending),
    /// It left committed, unfinished steps, and there is no backup.
    Stuck,
}

/// Judges a run by its journal and by the groups whose commit is in the database.
///
/// The session that ran the statements must be gone, so that nothing of it can still commit.
///
/// `one_step`: an exchange publishes the journal's next entry, so that without that entry there was none.
pub fn verdict(told: &Told, committed: &[u32], one_step: bool) -> Verdict {
    let restored = told.steps.iter().find_map(|step| match step {
        Step::Restored { ending } => Some(*ending),
        _ => None,
    });
    if let Some(ending) = restored {
        return Verdict::Finish(ending);
    }
    if told.exchanging()
        && !one_step
        && let Some(archive) = told.restoring()
    {
        // What a run has made to take the database's place is gone with the run; its backup of what was there is not.
        return match told.backup() {
            Some(backup) if backup == archive || told.built() == Some(archive) => {
                Verdict::PutBack(backup.clone())
            }
            _ => Verdict::RestoreAgain(archive.clone()),
        };
    }
    // What was only being made beside the database has changed nothing: an explicit restore that took the run's place
    // leaves it as it found it.
    if told.begun.kind.only_exchanges() {
        return Verdict::NothingChanged;
    }
    let groups = &told.begun.groups;
    if !groups.is_empty() && groups.iter().all(|group| committed.contains(&group.number)) {
        return Verdict::Done;
    }
    let begun = |number: u32| {
        let steps = || told.steps.iter();
        steps().any(|step| matches!(step, Step::Apply { group, .. } if *group == number))
            && !steps().any(|step| matches!(step, Step::Untouched { group } if *group == number))
    };
    let touched = groups.iter().any(|group| {
        // Without a transaction, statements may be in although the group's mark is not.
        committed.contains(&group.number) || (!group.transaction && begun(group.number))
    });
    match (touched, told.backup()) {
        (false, _) => Verdict::NothingChanged,
        (true, Some(archive)) => Verdict::PutBack(archive.clone()),
        (true, None) => Verdict::Stuck,
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use database::{SessionId, SourceId};

    use super::*;
    use crate::journal::{Begun, GroupNote, RunKind};

    fn archive() -> ArchiveNote {
        ArchiveNote { name: "a.sql.zst".to_owned(), identity: "00".to_owned(), store: "here".to_owned() }
    }

    fn told(kind: RunKind, transactions: &[bool], steps: &[Step]) -> Told {
        let groups = (1..).zip(transactions).map(|(number, &transaction)| GroupNote {
            number,
            transaction,
            migrations: vec![],
        });
        let begun = Begun {
            kind,
            by: String::new(),
            host: String::new(),
            session: SessionId {
                id: 1,
                started: String::new(),
                client_host: String::new(),
                client_process: 1,
                client_started: 0,
                client_place: String::new(),
            },
            source: SourceId(String::new()),
            instance: String::new(),
            groups: groups.collect(),
            dbm: String::new(),
        };
        let mut all = vec![Step::Begin(Box::new(begun.clone()))];
        all.extend_from_slice(steps);
        Told { run: "r".to_owned(), begun, at: Utc::now(), last_at: Utc::now(), steps: all }
    }

    #[test]
    fn a_reset_leaves_the_old_or_the_new() {
        let new = ArchiveNote { name: "new.sql.zst".to_owned(), ..archive() };
        let build = Step::Build { scratch: None, folder: "/tmp/dbm-scratch-x".into() };
        let mut steps = vec![Step::BackUp, Step::BackedUp { archive: archive() }, build];
        let judged = |steps: &[Step], one_step| verdict(&told(RunKind::Reset, &[], steps), &[], one_step);
        assert_eq!(judged(&steps, false), Verdict::NothingChanged);
        steps.push(Step::Built { archive: new.clone() });
        steps.push(Step::Restore { archive: new, scratch: None });
        assert_eq!(judged(&steps, false), Verdict::NothingChanged);
        steps.push(Step::Exchange { remade: Vec::new() });
        assert_eq!(judged(&steps, true), Verdict::NothingChanged);
        assert_eq!(judged(&steps, false), Verdict::PutBack(archive()));
        // A restore of something else that has taken up the run is what was asked for last.
        let other = ArchiveNote { name: "other.sql.zst".to_owned(), ..archive() };
        steps.extend([
            Step::GaveUp,
            Step::Restore { archive: other.clone(), scratch: None },
            Step::Exchange { remade: Vec::new() },
        ]);
        assert_eq!(judged(&steps, false), Verdict::RestoreAgain(other));
    }

    #[test]
    fn each_point_of_a_run() {
        let backed_up = Step::BackedUp { archive: archive() };
        let apply = |group| Step::Apply { group, counters: Vec::new() };
        let restore = Step::Restore { archive: archive(), scratch: Some("s".to_owned()) };
        let put_back = Verdict::PutBack(archive());
        let migrate = |transactions: &[bool], steps: &[Step], committed: &[u32]| {
            verdict(&told(RunKind::Migrate, transactions, steps), committed, false)
        };
        assert_eq!(migrate(&[true], &[], &[]), Verdict::NothingChanged);
        assert_eq!(migrate(&[true], &[Step::BackUp], &[]), Verdict::NothingChanged);
        assert_eq!(migrate(&[true], &[backed_up.clone(), apply(1)], &[]), Verdict::NothingChanged);
        assert_eq!(migrate(&[true], &[backed_up.clone(), apply(1)], &[1]), Verdict::Done);
        assert_eq!(migrate(&[false], std::slice::from_ref(&backed_up), &[]), Verdict::NothingChanged);
        assert_eq!(migrate(&[false], &[backed_up.clone(), apply(1)], &[]), put_back);
        let untouched = [backed_up.clone(), apply(1), Step::Untouched { group: 1 }];
        assert_eq!(migrate(&[false], &untouched, &[]), Verdict::NothingChanged);
        let second = [backed_up.clone(), apply(1), apply(2), Step::Untouched { group: 2 }];
        assert_eq!(migrate(&[false, false], &second, &[1]), put_back);
        assert_eq!(migrate(&[true, true], &[backed_up.clone(), apply(1)], &[1]), put_back);
        assert_eq!(migrate(&[true, true], &[backed_up.clone(), apply(1), apply(2)], &[1, 2]), Verdict::Done);
        assert_eq!(migrate(&[true, false], &[backed_up.clone(), apply(1)], &[]), Verdict::NothingChanged);
        assert_eq!(migrate(&[true, true], &[apply(1)], &[1]), Verdict::Stuck);
        let restoring = [backed_up.clone(), apply(1), apply(2), restore.clone()];
        assert_eq!(migrate(&[true, true], &restoring, &[1]), put_back);
        let restored = [backed_up, apply(1), restore.clone(), Step::Restored { ending: Ending::PutBack }];
        assert_eq!(migrate(&[true, true], &restored, &[1]), Verdict::Finish(Ending::PutBack));
        assert_eq!(verdict(&told(RunKind::Restore, &[], &[]), &[], false), Verdict::NothingChanged);
        let one = |steps: &[Step]| verdict(&told(RunKind::Restore, &[], steps), &[], false);
        assert_eq!(one(std::slice::from_ref(&restore)), Verdict::NothingChanged);
        let exchange = [restore.clone(), Step::Exchange { remade: Vec::new() }];
        assert_eq!(one(&exchange), Verdict::RestoreAgain(archive()));
        assert_eq!(verdict(&told(RunKind::Restore, &[], &exchange), &[], true), Verdict::NothingChanged);
        assert_eq!(
            one(&[restore, Step::Exchange { remade: Vec::new() }, Step::GaveUp]),
            Verdict::NothingChanged
        );
    }

    /// A restore of another archive that is killed does not decide over what the run had come to.
    #[test]
    fn a_superseding_restore() {
        let other = ArchiveNote { name: "b.sql.zst".to_owned(), ..archive() };
        let superseding = Step::Restore { archive: other.clone(), scratch: None };
        let mut steps = vec![
            Step::BackedUp { archive: archive() },
            Step::Apply { group: 1, counters: vec![] },
            superseding,
        ];
        let judged = |steps: &[Step], committed: &[u32], one_step| {
            verdict(&told(RunKind::Migrate, &[true, true], steps), committed, one_step)
        };
        assert_eq!(judged(&steps, &[], false), Verdict::NothingChanged);
        assert_eq!(judged(&steps, &[1], false), Verdict::PutBack(archive()));
        assert_eq!(judged(&steps, &[1, 2], false), Verdict::Done);
        steps.push(Step::Exchange { remade: Vec::new() });
        assert_eq!(judged(&steps, &[1, 2], true), Verdict::Done);
        assert_eq!(judged(&steps, &[1, 2], false), Verdict::RestoreAgain(other));
        steps.push(Step::GaveUp);
        assert_eq!(judged(&steps, &[1], false), Verdict::PutBack(archive()));
    }

    #[test]
    fn an_exchange_reads_as_it_was_written_before_it_told_more() {
        let plain = r#"{"step":"exchange"}"#;
        let step: Step = serde_json::from_str(plain).unwrap();
        assert_eq!(step, Step::Exchange { remade: Vec::new() });
        assert_eq!(serde_json::to_string(&step).unwrap(), plain);
    }
}
