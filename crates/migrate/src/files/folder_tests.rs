use std::fs;

use super::*;

fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Folder) {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder { migrations: dir.path().join("migrations"), rollback: dir.path().join("rollback") };
    fs::create_dir_all(&folder.migrations).unwrap();
    fs::create_dir_all(&folder.rollback).unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    (dir, folder)
}

fn rules(folder: &Folder) -> Vec<Rule> {
    survey(folder).unwrap().1.iter().map(|finding| finding.rule).collect()
}

#[test]
fn a_folder_in_order() {
    let (_dir, folder) = folder(&[
        ("migrations/001_initial.sql", "\u{feff}SELECT 1;"),
        ("migrations/002_more.SQL", "-- dbm: irreversible gone\nSELECT 2;"),
        ("migrations/README.md", "words"),
        ("rollback/001_any.sql", "SELECT 0;"),
    ]);
    fs::create_dir(folder.migrations.join("seeds")).unwrap();
    let migrations = read(&folder).unwrap();
    assert_eq!(migrations.iter().map(Migration::label).collect::<Vec<_>>(), ["001_initial", "002_more"]);
    assert_eq!(migrations[0].source.text, "SELECT 1;");
    assert_eq!(migrations[0].rollback.as_ref().unwrap().source().unwrap().text, "SELECT 0;");
    assert!(migrations[1].rollback.is_none());
}

#[test]
fn rollbacks_are_read_when_they_are_needed() {
    let (_dir, folder) = folder(&[
        ("migrations/001_a.sql", "SELECT 1;"),
        ("migrations/002_b.sql", "SELECT 1;"),
        ("rollback/001_a.sql", "SELECT 0;"),
        ("rollback/002_b.sql", "-- dbm: no-such-thing\nSELECT 0;"),
    ]);
    assert_eq!(rules(&folder), [Rule::Directive, Rule::MissingRollback]);
    let migrations = read_to_migrate(&folder).unwrap();
    let source = |place: usize| migrations[place].rollback.as_ref().unwrap().source();
    assert_eq!(source(0).unwrap().text, "SELECT 0;");
    let error = source(1).unwrap_err();
    assert!(error.to_string().contains("no-such-thing"), "{error}");
    assert_eq!(migrations[0].rollback_source().unwrap().unwrap().text, "SELECT 0;");
    fs::write(folder.migrations.join("001_a.sql"), "SELECT 2;").unwrap();
    let error = migrations[0].rollback_source().unwrap_err();
    assert!(error.to_string().ends_with("001_a.sql was changed after it was read"), "{error}");
    fs::remove_file(folder.rollback.join("001_a.sql")).unwrap();
    assert!(source(0).unwrap_err().to_string().starts_with("cannot read"));
}

#[test]
fn gaps_and_duplicates() {
    let (_dir, folder) = folder(&[
        ("migrations/002_b.sql", "SELECT 1;"),
        ("migrations/002_c.sql", "SELECT 1;"),
        ("migrations/005_e.sql", "SELECT 1;"),
        ("rollback/002_b.sql", "SELECT 1;"),
        ("rollback/005_e.sql", "SELECT 1;"),
        ("rollback/007_g.sql", "SELECT 1;"),
    ]);
    assert_eq!(rules(&folder), [Rule::Duplicate, Rule::Gap, Rule::Gap, Rule::OrphanRollback]);
    let error = read(&folder).unwrap_err();
    assert!(error.to_string().contains("two migrations have the number 002"), "{error}");
    assert!(error.hint().unwrap().contains("3 more"), "{:?}", error.hint());
    let error = read_for_rollback(&folder).unwrap_err();
    assert!(!error.hint().unwrap().contains("more"), "{:?}", error.hint());
    let gap = survey(&folder).unwrap().1.remove(2);
    assert!(gap.message.starts_with("numbers 003 to 004 are missing before "), "{}", gap.message);
}

#[test]
fn a_rollback_that_two_share_is_empty_once() {
    let (_dir, folder) = folder(&[
        ("migrations/001_a.sql", "SELECT 1;"),
        ("migrations/001_b.sql", "-- nothing yet\n"),
        ("rollback/001_a.sql", "-- nothing yet\n"),
    ]);
    assert_eq!(rules(&folder), [Rule::Duplicate, Rule::Empty, Rule::Empty]);
}

#[test]
fn two_rollbacks_of_one_number() {
    let (_dir, folder) = folder(&[
        ("migrations/001_a.sql", "CREATE TABLE a (i int);"),
        ("rollback/001_A_other.sql", "SELECT 42;"),
        ("rollback/001_a.sql", "DROP TABLE a;"),
    ]);
    assert_eq!(rules(&folder), [Rule::Duplicate]);
    let error = read_for_rollback(&folder).unwrap_err();
    assert!(error.to_string().contains("two rollbacks have the number 001"), "{error}");
}

#[test]
fn a_missing_rollback_and_a_bad_name() {
    let (_dir, folder) =
        folder(&[("migrations/001_a.sql", "SELECT 1;"), ("migrations/1_b.sql", "SELECT 1;")]);
    assert_eq!(rules(&folder), [Rule::Name, Rule::MissingRollback]);
    fs::remove_file(folder.migrations.join("1_b.sql")).unwrap();
    let error = read(&folder).unwrap_err();
    assert!(error.to_string().ends_with("001_a.sql has no rollback"), "{error}");
    assert!(error.hint().unwrap().contains("001_rollback.sql"));
}

#[test]
fn a_file_as_it_was_scaffolded_is_not_applied() {
    let (_dir, folder) = folder(&[]);
    let made = super::super::new_migration(&folder, "add orders").unwrap();
    assert_eq!(rules(&folder), [Rule::Empty, Rule::Empty]);
    assert_eq!(read(&folder).unwrap().len(), 1);
    for (text, filled) in [
        ("/* why */ -- because\n", false),
        ("\n", false),
        ("/* why */ SELECT 1;", true),
        ("/*!40101 SET NAMES utf8 */;", true),
        ("-- dbm: verify\nSELECT true;", true),
    ] {
        fs::write(&made.migration, text).unwrap();
        fs::write(&made.rollback, "SELECT 1;").unwrap();
        assert_eq!(rules(&folder).is_empty(), filled, "{text}");
    }
}

#[test]
fn a_wrong_directive_is_found_at_its_line() {
    let (_dir, folder) = folder(&[
        ("migrations/001_a.sql", "-- a\n-- dbm: allow ban-drop-table\nDROP TABLE a;"),
        ("rollback/001_a.sql", "SELECT 1;"),
    ]);
    let finding = survey(&folder).unwrap().1.remove(0);
    assert_eq!((finding.rule, finding.line), (Rule::Directive, Some(2)), "{}", finding.message);
}

#[test]
fn what_cannot_be_read() {
    let (dir, folder) = folder(&[("migrations/001_a.sql", "SELECT 1;")]);
    fs::write(folder.migrations.join("002_b.sql"), b"\xff\xfe").unwrap();
    fs::write(folder.migrations.join("003_c.sql"), b" \n").unwrap();
    std::os::unix::fs::symlink("nowhere", folder.migrations.join("004_d.sql")).unwrap();
    let found = rules(&folder);
    assert_eq!(found.iter().filter(|rule| **rule == Rule::Unreadable).count(), 2, "{found:?}");
    assert!(found.contains(&Rule::Empty));
    let missing = Folder { migrations: dir.path().join("none"), ..folder.clone() };
    assert!(survey(&missing).unwrap_err().hint().unwrap().contains("dbm init"));
    let file = Folder { migrations: folder.migrations.join("001_a.sql"), ..folder };
    assert_eq!(survey(&file).unwrap_err().kind(), ErrorKind::Io);
}
