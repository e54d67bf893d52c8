use super::*;
use crate::files::{ALGORITHM, read};
use crate::history::State;

fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Folder) {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder { migrations: dir.path().join("migrations"), rollback: dir.path().join("rollback") };
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    (dir, folder)
}

fn applied(number: u64, name: &str, text: &str) -> Applied {
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

const TWO: &[(&str, &str)] = &[
    ("migrations/001_base.sql", "SELECT 1;"),
    ("rollback/001_base.sql", "SELECT 1;"),
    ("migrations/002_mine.sql", "SELECT 2;"),
    ("rollback/002_mine.sql", "SELECT 2;"),
    ("migrations/002_theirs.sql", "SELECT 3;"),
    ("rollback/002_rollback.sql", "-- Takes back 002_theirs.\nSELECT 3;"),
];

#[test]
fn the_one_that_is_applied_keeps_its_number() {
    for (name, text, moved) in [("mine", "SELECT 2;", "003_theirs"), ("theirs", "SELECT 3;", "003_mine")] {
        let (_dir, folder) = folder(TWO);
        let steps = plan_merge(&folder, &[applied(2, name, text)], None).unwrap();
        merge(&steps).unwrap();
        let migrations = read(&folder).unwrap();
        assert_eq!((migrations.len(), migrations[2].label().as_str()), (3, moved));
        let rollback = migrations[2].rollback.as_ref().unwrap().source().unwrap();
        assert_eq!(rollback.text.lines().last(), Some(migrations[2].source.text.as_str()));
        assert!(plan_merge(&folder, &[], None).unwrap().is_empty(), "nothing is left to be done");
    }
}

#[test]
fn where_nothing_is_known_to_be_applied_it_has_to_be_named() {
    let (_dir, folder) = folder(TWO);
    let error = plan_merge(&folder, &[], None).unwrap_err();
    assert!(error.hint().unwrap().contains("dbm merge --move"), "{error:?}");
    assert!(folder.migrations.join("002_mine.sql").exists());
    merge(&plan_merge(&folder, &[], Some(Path::new("migrations/002_mine.sql"))).unwrap()).unwrap();
    assert!(folder.migrations.join("003_mine.sql").exists() && folder.rollback.join("003_mine.sql").exists());
    assert!(plan_merge(&folder, &[], Some(Path::new("001_base.sql"))).is_err());
    let error = plan_merge(&folder, &[], Some(Path::new("nope.sql"))).unwrap_err();
    assert_eq!(error.to_string(), "there is no migration nope.sql");
    let (_dir, folder) = self::folder(TWO);
    merge(&plan_merge(&folder, &[], Some(Path::new("002_theirs"))).unwrap()).unwrap();
    assert!(folder.migrations.join("003_theirs.sql").exists(), "a label names it too");
    let (_dir, folder) = self::folder(TWO);
    let row = applied(2, "mine", "SELECT 2;");
    assert!(plan_merge(&folder, &[row], Some(Path::new("002_mine.sql"))).is_err(), "an applied one stays");
}

#[test]
fn a_rollback_that_may_be_of_either_is_not_guessed() {
    let (_dir, folder) = folder(&[
        ("migrations/001_mine.sql", "SELECT 2;"),
        ("migrations/001_theirs.sql", "SELECT 3;"),
        ("rollback/001_rollback.sql", "SELECT 2;"),
    ]);
    let error = plan_merge(&folder, &[], Some(Path::new("001_mine.sql"))).unwrap_err();
    assert!(error.to_string().contains("001_mine or 001_theirs"), "{error}");
    // The history keeps the rollback of the applied one.
    let row = Applied { rollback: Some("SELECT 2;\n".to_owned()), ..applied(1, "mine", "SELECT 2;") };
    let steps = plan_merge(&folder, &[row], None).unwrap();
    let [Step::Renumber { files, .. }] = steps.as_slice() else { panic!("{steps:?}") };
    assert_eq!(files.len(), 1, "{files:?}");
}

#[test]
fn a_rollback_is_of_the_whole_label_in_it() {
    let (orders, index, more) = ("002_orders", "002_orders_index", "002_orders.more");
    let said = "002_orders_index, which is on what 002_orders has made";
    for (other, applied_one, rollbacks, moved) in [
        // Named after their migrations.
        (index, index, &[(orders, ""), (index, index)][..], Some("003_orders")),
        (index, orders, &[(orders, ""), (index, index)], Some("003_orders_index")),
        (index, index, &[(orders, index)], Some("003_orders")),
        // Said in the text alone.
        (index, index, &[("002_rollback", index)], None),
        (index, orders, &[("002_rollback", index)], Some("003_rollback")),
        (index, index, &[("002_rollback", orders)], Some("003_rollback")),
        (index, index, &[("002_rollback", said)], None),
        (more, more, &[("002_rollback", more)], None),
    ] {
        let other = format!("migrations/{other}.sql");
        let (_dir, folder) = folder(&[("migrations/002_orders.sql", "SELECT 2;"), (&other, "SELECT 3;")]);
        fs::create_dir_all(&folder.rollback).unwrap();
        for (name, of) in rollbacks {
            let text = format!("-- Takes back {of}.\nSELECT 1;");
            fs::write(folder.rollback.join(format!("{name}.sql")), text).unwrap();
        }
        let text = if applied_one == orders { "SELECT 2;" } else { "SELECT 3;" };
        let row = applied(2, applied_one.trim_start_matches("002_"), text);
        merge(&plan_merge(&folder, &[row], None).unwrap()).unwrap();
        let entries = fs::read_dir(&folder.rollback).unwrap();
        let mut names = entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_owned());
        let third = names.find(|name| name.to_string_lossy().starts_with("003_"));
        assert_eq!(third, moved.map(Into::into), "{applied_one} is applied, of {rollbacks:?}");
        assert!(names.all(|name| name.to_string_lossy().starts_with("002_")), "{rollbacks:?}");
    }
}

#[test]
fn what_was_written_after_it_is_told_to_come_before_it() {
    let (_dir, folder) = folder(&[
        ("migrations/001_base.sql", "SELECT 1;"),
        ("migrations/002_mine.sql", "SELECT 2;"),
        ("migrations/002_theirs.sql", "SELECT 3;"),
        ("migrations/003_theirs.sql", "SELECT 4;"),
        ("migrations/004_mine.sql", "-- dbm: requires 002\nSELECT 5;"),
        ("rollback/001_base.sql", "SELECT 1;"),
    ]);
    let rows = [applied(2, "theirs", "SELECT 3;"), applied(3, "theirs", "SELECT 4;")];
    let steps = plan_merge(&folder, &rows, None).unwrap();
    let Some(Step::Renumber { to: 5, overtaken_by, .. }) = steps.first() else { panic!("{steps:?}") };
    assert_eq!(overtaken_by, &["004_mine"]);
    assert!(steps[0].line().ends_with("if it needs what was 002, write `-- dbm: requires 005` into it"));
    // Of two that are moved, both stay in their order.
    let (_dir, folder) = self::folder(TWO);
    std::fs::write(folder.migrations.join("003_mine.sql"), "SELECT 6;").unwrap();
    std::fs::write(folder.migrations.join("003_theirs.sql"), "SELECT 7;").unwrap();
    let rows = [applied(2, "theirs", "SELECT 3;"), applied(3, "theirs", "SELECT 7;")];
    let steps = plan_merge(&folder, &rows, None).unwrap();
    let overtaken = |step: &Step| match step {
        Step::Renumber { overtaken_by, .. } => overtaken_by.clone(),
        Step::Join { .. } => Vec::new(),
    };
    assert_eq!(steps.iter().map(overtaken).collect::<Vec<_>>(), [Vec::<String>::new(), Vec::new()]);
}

#[test]
fn heads_are_joined() {
    let (_dir, folder) = folder(&[
        ("migrations/001_a.sql", "-- dbm: module hr\nSELECT 1;"),
        ("rollback/001_a.sql", "SELECT 1;"),
        ("migrations/002_b.sql", "-- dbm: module hr\n-- dbm: requires 001\nSELECT 1;"),
        ("rollback/002_b.sql", "SELECT 1;"),
        ("migrations/003_c.sql", "-- dbm: module hr\n-- dbm: requires 001\nSELECT 1;"),
        ("rollback/003_c.sql", "SELECT 1;"),
    ]);
    let steps = plan_merge(&folder, &[], None).unwrap();
    merge(&steps).unwrap();
    let migrations = read(&folder).unwrap();
    let joined = migrations.last().unwrap();
    assert_eq!(
        (joined.label().as_str(), joined.directives.requires.as_slice()),
        ("004_merge_002_003", &[2, 3][..])
    );
    assert_eq!(joined.directives.module.as_deref(), Some("hr"));
    assert!(plan_merge(&folder, &[], None).unwrap().is_empty());
}
