use super::*;
use crate::files::{Directives, Source};

fn file(number: u64, module: Option<&str>, requires: &[u64]) -> Migration {
    let directives = Directives {
        module: module.map(str::to_owned),
        requires: requires.to_vec(),
        ..Directives::default()
    };
    let source = Source { path: format!("{number:03}_x.sql").into(), text: "SELECT 1;".to_owned() };
    Migration { number, name: "x".to_owned(), directives, source, rollback: None }
}

fn heads(migrations: &[Migration]) -> Vec<Vec<u64>> {
    let numbers = |branch: Branch| branch.heads.iter().map(|head| head.number).collect();
    branches(migrations).into_iter().map(numbers).collect()
}

#[test]
fn a_line_has_one_head() {
    assert_eq!(heads(&[file(1, None, &[]), file(2, None, &[]), file(3, None, &[1, 2])]), [[3]]);
    assert!(branched(&[file(1, None, &[]), file(2, None, &[1])]).is_empty());
}

#[test]
fn two_files_on_the_same_one_are_two_heads() {
    let branched_files = [file(1, None, &[]), file(2, None, &[1]), file(3, None, &[1])];
    assert_eq!(heads(&branched_files), [[2, 3]]);
    let finding = branched(&branched_files).remove(0);
    assert_eq!(finding.message, "nothing comes after 002_x and 003_x: they are 2 heads");
    let joined: Vec<Migration> = branched_files.into_iter().chain([file(4, None, &[2, 3])]).collect();
    assert_eq!(heads(&joined), [[4]]);
}

#[test]
fn what_another_module_requires_makes_no_branch() {
    let files = [file(1, None, &[]), file(2, None, &[]), file(3, Some("hr"), &[1]), file(4, Some("hr"), &[])];
    assert_eq!(heads(&files), [[2], [4]]);
}
