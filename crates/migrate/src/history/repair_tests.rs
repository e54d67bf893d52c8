use super::*;
use crate::files::{Directives, Source, checksum};
use crate::history::Repeated;
use crate::history::{Mark, State, baseline, stamp};

fn file(number: u64, name: &str, text: &str) -> Migration {
    let source =
        |text: &str| Source { path: format!("{number:03}_{name}.sql").into(), text: text.to_owned() };
    Migration {
        number,
        name: name.to_owned(),
        directives: Directives::default(),
        source: source(text),
        rollback: Some(source("SELECT 0;").into()),
    }
}

fn row(number: u64, name: &str, text: &str) -> Applied {
    Applied {
        number,
        position: number,
        name: name.to_owned(),
        module: None,
        checksum: checksum(text),
        algorithm: ALGORITHM.to_owned(),
        rollback: None,
        state: State::Applied,
        applied_at: "2026-11-21T01:34:00Z".to_owned(),
        applied_by: "me".to_owned(),
        duration_ms: 1,
        run: "run".to_owned(),
        dbm: "1".to_owned(),
    }
}

fn lines(changes: &[Change]) -> Vec<String> {
    changes.iter().map(Change::line).collect()
}

#[test]
fn each_break_has_its_ways_out() {
    let files = [file(1, "a", "one"), file(3, "c", "three"), file(4, "d", "new")];
    let history = [row(1, "a", "other"), row(2, "b", "three"), row(5, "gone", "five")];
    let found = broken(&files, &history).unwrap();
    let words: Vec<&str> = found
        .iter()
        .map(|one| match one.what {
            Break::Changed { .. } => "changed",
            Break::Moved { .. } => "moved",
            Break::Gone => "gone",
            Break::Unknown => "unknown",
        })
        .collect();
    assert_eq!(words, ["changed", "moved", "gone"]);
    assert!(found.iter().all(|one| one.ways().len() == 3));
    let seed = |name: &str| Repeated {
        kind: Repeat::Seed,
        name: name.to_owned(),
        module: None,
        checksum: checksum(name),
        algorithm: ALGORITHM.to_owned(),
        text: name.to_owned(),
        applied_at: "2026-11-21T01:34:00Z".to_owned(),
        applied_by: "me".to_owned(),
        duration_ms: 1,
        run: "run".to_owned(),
        dbm: "1".to_owned(),
    };
    let seeds = [RepeatedFile {
        kind: Repeat::Seed,
        name: "kept".to_owned(),
        directives: Directives::default(),
        source: Source { path: "seeds/kept.sql".into(), text: "SELECT 1;".to_owned() },
    }];
    let records = Records {
        applied: history.to_vec(),
        repeated: vec![seed("kept"), seed("old")],
        ..Records::default()
    };
    let repair = |ways: &Ways| repair(&files, &seeds, &records, ways);
    let all = Ways { accept: Some(vec![]), forget: Some(vec![]) };
    assert_eq!(
        lines(&repair(&all).unwrap()),
        [
            "005_gone is no longer in the history; what it made stays",
            "seeds/old is no longer in the history; what it made stays",
            "001_a counts as applied with the text that it has now",
            "002 is 003_c from now on",
        ]
    );
    let row = |word: &str| word.parse::<Row>().unwrap();
    let one = Ways { accept: Some(vec![1, 1]), forget: Some(vec![row("seeds/old")]) };
    assert_eq!(repair(&one).unwrap().len(), 2);
    for wrong in [
        Ways { accept: Some(vec![5]), forget: None },
        Ways { accept: None, forget: Some(vec![row("001")]) },
        Ways { accept: Some(vec![4]), forget: None },
        Ways { accept: None, forget: Some(vec![row("seeds/kept")]) },
        Ways { accept: None, forget: Some(vec![row("repeatable/old")]) },
    ] {
        assert_eq!(repair(&wrong).unwrap_err().kind(), ErrorKind::Usage);
    }
    assert!(repair(&Ways::default()).unwrap().is_empty());
    assert!("seed/old".parse::<Row>().is_err());
}

#[test]
fn a_history_that_fits_is_not_broken() {
    assert!(
        broken(&[file(1, "a", "one\r\n"), file(2, "b", "two")], &[row(1, "renamed", "one")])
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_baseline_is_the_beginning() {
    let files = [file(1, "a", "one"), file(2, "b", "two"), file(3, "c", "three")];
    assert_eq!(baseline(&files, &[], Mark::To(2)).unwrap().len(), 2);
    assert_eq!(baseline(&files, &[], Mark::Head).unwrap().len(), 3);
    assert_eq!(baseline(&files, &[], Mark::Base).unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(baseline(&files, &[], Mark::To(7)).unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(baseline(&files, &[row(1, "a", "one")], Mark::Head).unwrap_err().kind(), ErrorKind::Refused);
}

#[test]
fn a_stamp_adds_and_removes() {
    let files = [file(1, "a", "one"), file(2, "b", "two"), file(3, "c", "three")];
    let history = [row(1, "a", "one"), row(3, "c", "three")];
    assert_eq!(
        lines(&stamp(&files, &history, Mark::To(2)).unwrap()),
        [
            "003_c is no longer in the history; what it made stays",
            "002_b is recorded as satisfied; it is not run"
        ]
    );
    assert_eq!(stamp(&files, &history, Mark::Base).unwrap().len(), 2);
    assert!(stamp(&files, &[row(1, "a", "one")], Mark::To(1)).unwrap().is_empty());
}
