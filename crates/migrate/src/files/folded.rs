//! One file that stands for all migrations up to its number, and what is left of those.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::folder::number_of;
use super::{Finding, Migration, Rule, label};
use crate::history::Applied;

/// How a file is called that stands for others.
pub(crate) const NAME: &str = "squashed";

/// The file of a folder that stands for all up to its number.
pub fn squashed(migrations: &[Migration]) -> Option<&Migration> {
    let all = migrations.iter().filter(|file| file.directives.squashes.is_some());
    all.max_by_key(|file| file.number)
}

/// Takes out what one file stands for: nothing reads it any more, and nothing in it is wrong.
pub(super) fn take_out(migrations: &mut Vec<Migration>, findings: &mut Vec<Finding>) {
    let Some(squashed) = squashed(migrations) else { return };
    let (number, path) = (squashed.number, squashed.source.path.clone());
    findings.retain(|one| {
        let of_it = one.path == path && !matches!(one.rule, Rule::Gap | Rule::Duplicate);
        of_it || number_of(&one.path).is_none_or(|other| other > number)
    });
    let mut left: Vec<PathBuf> = Vec::new();
    migrations.retain(|file| {
        let stays = file.number > number || file.source.path == path;
        if !stays {
            left.push(file.source.path.clone());
            left.extend(file.rollback.as_ref().map(|rollback| rollback.path().to_owned()));
        }
        stays
    });
    if let Some(file) = migrations.iter_mut().find(|file| file.source.path == path) {
        // Of the last of those that it stands for.
        left.extend(file.rollback.take().map(|rollback| rollback.path().to_owned()));
    }
    left.sort();
    left.dedup();
    findings.extend(left.into_iter().map(|left| finding(left, &path)));
}

/// That a file is read by nobody.
pub(super) fn finding(left: PathBuf, squashed: &Path) -> Finding {
    Finding {
        rule: Rule::Folded,
        line: None,
        message: format!("{} is folded into {}, and nothing reads it", left.display(), squashed.display()),
        hint: "`dbm squash --to` the same number again moves what is left of them out of the way".to_owned(),
        path: left,
    }
}

/// Whether a row of the history is of a migration that is folded into a file of the folder.
pub fn is_folded(squashed: Option<&Migration>, row: &Applied) -> bool {
    squashed
        .is_some_and(|file| row.number < file.number || row.number == file.number && row.name != file.name)
}

/// What is wrong where a database has some of what one file stands for, and not all of it.
pub(crate) fn partly(squashed: &Migration, history: &[Applied]) -> Option<Finding> {
    let first = squashed.directives.squashes?;
    let has: BTreeSet<u64> =
        history.iter().map(|row| row.number).filter(|number| *number <= squashed.number).collect();
    // One that began with such a file has nothing before it.
    let began_with = |row: &&Applied| row.name == NAME && row.number <= squashed.number;
    let from = history.iter().filter(began_with).map(|row| row.number).max().unwrap_or(first);
    let missing = (from..=squashed.number).find(|number| !has.contains(number))?;
    let some = history.iter().find(|row| row.number <= squashed.number)?;
    Some(Finding {
        rule: Rule::Gone,
        line: None,
        path: squashed.source.path.clone(),
        message: format!(
            "{} stands for all migrations up to it, and this database has only a part of those: {} is applied, and {missing:03} \
             is not",
            squashed.label(),
            label(some.number, &some.name)
        ),
        hint: format!(
            "migrate it to {:03} with the release that has them all, then with this one",
            squashed.number
        ),
    })
}
