use super::*;

fn file(number: u64, head: &str) -> Migration {
    let path = PathBuf::from(format!("migrations/{number:03}_m.sql"));
    let text = format!("{head}\nSELECT {number};\n");
    let rollback = Source {
        path: PathBuf::from(format!("rollback/{number:03}_m.sql")),
        text: format!("SELECT -{number};\n"),
    };
    Migration {
        number,
        name: "m".to_owned(),
        directives: Directives::parse(&text, &path).unwrap(),
        source: Source { path, text },
        rollback: Some(rollback.into()),
    }
}

fn row(file: &Migration, position: u64) -> Applied {
    Applied {
        number: file.number,
        position,
        name: file.name.clone(),
        module: file.directives.module.clone(),
        checksum: file.checksum(),
        algorithm: ALGORITHM.to_owned(),
        rollback: Some("SELECT 'kept';\n".to_owned()),
        state: State::Applied,
        applied_at: "2026-11-21T01:34:00Z".to_owned(),
        applied_by: "me".to_owned(),
        duration_ms: 1,
        run: "r".to_owned(),
        dbm: "0.1.0".to_owned(),
    }
}

fn rows(files: &[Migration]) -> Vec<Applied> {
    (1..).zip(files).map(|(position, file)| row(file, position)).collect()
}

fn numbers(selection: &Selection) -> Vec<u64> {
    selection.numbers()
}

fn all() -> MigrateOptions {
    MigrateOptions::default()
}

#[test]
fn pending_is_what_the_history_lacks() {
    let files: Vec<_> = (1..=4).map(|number| file(number, "")).collect();
    assert_eq!(numbers(&to_migrate(&files, &[], &all()).unwrap()), [1, 2, 3, 4]);
    assert_eq!(numbers(&to_migrate(&files, &rows(&files[..2]), &all()).unwrap()), [3, 4]);
    assert!(numbers(&to_migrate(&files, &rows(&files), &all()).unwrap()).is_empty());
    let to = MigrateOptions { to: Some(3), ..all() };
    assert_eq!(numbers(&to_migrate(&files, &rows(&files[..1]), &to).unwrap()), [2, 3]);
    let one = MigrateOptions { count: Some(1), ..all() };
    assert_eq!(numbers(&to_migrate(&files, &rows(&files[..1]), &one).unwrap()), [2]);
    let nowhere = MigrateOptions { to: Some(9), ..all() };
    assert_eq!(to_migrate(&files, &[], &nowhere).unwrap_err().kind(), ErrorKind::Usage);
}

#[test]
fn what_is_required_comes_first() {
    let files = [file(1, "-- dbm: requires 003"), file(2, ""), file(3, "")];
    assert_eq!(numbers(&to_migrate(&files, &[], &all()).unwrap()), [2, 3, 1]);
    let only = MigrateOptions { to: Some(2), ..all() };
    let error = to_migrate(&files, &[], &only).unwrap_err();
    assert!(error.to_string().contains("001_m requires 003"), "{error}");
    let circle = [file(1, "-- dbm: requires 002"), file(2, "-- dbm: requires 001")];
    assert!(to_migrate(&circle, &[], &all()).unwrap_err().to_string().contains("in a circle"));
}

#[test]
fn a_lower_number_that_came_late() {
    let files: Vec<_> = (1..=3).map(|number| file(number, "")).collect();
    let history = [row(&files[0], 1), row(&files[2], 2)];
    let error = to_migrate(&files, &history, &all()).unwrap_err();
    assert_eq!(error.to_string(), "002_m came after 003_m was applied");
    let anyhow = MigrateOptions { out_of_order: true, ..all() };
    assert_eq!(numbers(&to_migrate(&files, &history, &anyhow).unwrap()), [2]);
}

#[test]
fn what_waits_for_a_higher_number_is_not_late() {
    for (heads, applied, pending, late) in [
        (&["", "-- dbm: requires 003", ""][..], &[1, 3][..], &[2][..], None),
        // Through others, and behind what goes first while it waits.
        (&["", "-- dbm: requires 003", "-- dbm: requires 004", ""], &[1, 4, 3], &[2], None),
        (&["", "-- dbm: requires 003", "-- dbm: requires 004", ""], &[1, 4], &[3, 2], None),
        (&["", "-- dbm: requires 005", "-- dbm: requires 002", "", ""], &[1, 4, 5], &[2, 3], None),
        (&["", "-- dbm: requires 003", "", ""], &[1, 3, 4], &[], Some("002_m came after 004_m was applied")),
        (&["", "", "-- dbm: requires 002"], &[1, 3], &[], Some("002_m came after 003_m was applied")),
    ] {
        let files: Vec<_> = (1..).zip(heads).map(|(number, head)| file(number, head)).collect();
        let history: Vec<_> = (1..)
            .zip(applied)
            .map(|(position, number)| row(&files[*number as usize - 1], position))
            .collect();
        match late {
            None => assert_eq!(numbers(&to_migrate(&files, &history, &all()).unwrap()), pending, "{heads:?}"),
            Some(late) => assert_eq!(to_migrate(&files, &history, &all()).unwrap_err().to_string(), late),
        }
    }
}

#[test]
fn modules_go_their_own_ways() {
    let files =
        [file(1, "-- dbm: module a"), file(2, "-- dbm: module b"), file(3, "-- dbm: module a"), file(4, "")];
    let only = MigrateOptions { module: Some("a".to_owned()), ..all() };
    assert_eq!(numbers(&to_migrate(&files, &[], &only).unwrap()), [1, 3]);
    let history = [row(&files[0], 1), row(&files[2], 2)];
    assert_eq!(
        numbers(&to_migrate(&files, &history, &all()).unwrap()),
        [2, 4],
        "another module's number is not late"
    );
    let none = MigrateOptions { module: Some("c".to_owned()), ..all() };
    assert_eq!(to_migrate(&files, &[], &none).unwrap_err().hint(), Some("the modules are: a, b"));
}

#[test]
fn changed_and_gone() {
    let files: Vec<_> = (1..=2).map(|number| file(number, "")).collect();
    let mut history = rows(&files);
    history[0].checksum = "0".repeat(64);
    let error = to_migrate(&files, &history, &all()).unwrap_err();
    assert!(error.to_string().contains("001_m.sql was changed after it was applied"), "{error}");
    let last = RollbackOptions { until: Until::All, module: None };
    assert!(to_rollback(&files, &history, &last).unwrap_err().to_string().contains("was changed"));
    let history = rows(&files);
    let error = to_migrate(&files[..1], &history, &all()).unwrap_err();
    assert!(error.to_string().contains("002_m is applied"), "{error}");
    assert!(error.hint().unwrap().contains("version control"));
    let mut history = rows(&files);
    history[1].algorithm = "sha512".to_owned();
    assert!(to_migrate(&files, &history, &all()).unwrap_err().to_string().contains("`sha512`"));
}

#[test]
fn rollbacks_go_backwards() {
    let files: Vec<_> = (1..=4).map(|number| file(number, "")).collect();
    let mut history = rows(&files);
    let back = |history: &[Applied], until| {
        to_rollback(&files, history, &RollbackOptions { until, module: None })
            .map(|selection| numbers(&selection))
    };
    assert_eq!(back(&history, Until::Count(2)).unwrap(), [4, 3]);
    assert_eq!(back(&history, Until::To(1)).unwrap(), [4, 3, 2]);
    assert_eq!(back(&history, Until::To(0)).unwrap(), [4, 3, 2, 1]);
    assert_eq!(back(&history, Until::All).unwrap(), [4, 3, 2, 1]);
    assert_eq!(back(&history, Until::To(7)).unwrap_err().kind(), ErrorKind::Usage);
    history[1].position = 9;
    assert_eq!(back(&history, Until::Count(1)).unwrap(), [2], "the last applied, whatever its number");
}

#[test]
fn where_a_rollback_is_from() {
    let files: Vec<_> = (1..=2).map(|number| file(number, "")).collect();
    let mut history = rows(&files);
    let one = RollbackOptions { until: Until::Count(1), module: None };
    let source = |files: &[Migration], history: &[Applied]| {
        to_rollback(files, history, &one).map(|mut selection| selection.chosen.remove(0).source)
    };
    assert_eq!(source(&files, &history).unwrap().unwrap().text, "SELECT -2;\n");
    assert_eq!(source(&files[..1], &history).unwrap().unwrap().text, "SELECT 'kept';\n");
    history[1].state = State::Satisfied;
    assert_eq!(source(&files, &history).unwrap(), None, "what dbm did not make stays");
    history[1].state = State::Applied;
    history[1].rollback = None;
    assert!(
        source(&files[..1], &history)
            .unwrap_err()
            .to_string()
            .contains("neither in the folder nor in the history")
    );
    let gone = [files[0].clone(), file(2, "-- dbm: irreversible rows were merged")];
    let error = source(&gone, &rows(&gone)).unwrap_err();
    assert_eq!(error.to_string(), "002_m is irreversible: rows were merged");
}

#[test]
fn what_stays_keeps_what_it_requires() {
    let files = [file(1, "-- dbm: requires 002"), file(2, "")];
    let history = [row(&files[1], 1), row(&files[0], 2)];
    let options = RollbackOptions { until: Until::To(1), module: None };
    let error = to_rollback(&files, &history, &options).unwrap_err();
    assert_eq!(error.to_string(), "001_m requires 002, and would stay");
}

#[test]
fn what_is_gone_is_named_where_the_others_are() {
    let files = [file(1, ""), file(2, "")];
    let findings = drifted(&files[..1], &rows(&files));
    assert_eq!(findings[0].path, PathBuf::from("migrations/002_m.sql"));
}
