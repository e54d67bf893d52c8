use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Serialize;

use super::{Finding, Migration, Rule, label};

/// A migration that nothing comes after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Head {
    /// Its number.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
}

impl Head {
    fn of(file: &Migration) -> Self {
        Self { number: file.number, name: file.name.clone(), path: file.source.path.clone() }
    }

    /// For messages: `004_orders`.
    pub fn label(&self) -> String {
        label(self.number, &self.name)
    }
}

/// The migrations of one module, as far as `heads` and `merge` look at them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Branch {
    /// The module; none for the migrations that belong to no module.
    pub module: Option<String>,
    /// Its heads in the order of their numbers; one where nothing has branched.
    pub heads: Vec<Head>,
}

/// The heads of each module.
///
/// A migration comes after those of its module that it requires, and otherwise after the one of the next lower number:
/// two heads are two files that were written on the same one and say so.
pub fn branches(migrations: &[Migration]) -> Vec<Branch> {
    let mut modules: BTreeMap<Option<&str>, Vec<&Migration>> = BTreeMap::new();
    for file in migrations {
        modules.entry(file.directives.module.as_deref()).or_default().push(file);
    }
    let heads = |files: &[&Migration]| {
        let numbers: BTreeSet<u64> = files.iter().map(|file| file.number).collect();
        let mut followed: BTreeSet<u64> = BTreeSet::new();
        for file in files {
            let mut required =
                file.directives.requires.iter().filter(|number| numbers.contains(number)).peekable();
            if required.peek().is_none() {
                followed.extend(numbers.range(..file.number).next_back());
            } else {
                followed.extend(required);
            }
        }
        let free = files.iter().filter(|file| !followed.contains(&file.number));
        free.map(|file| Head::of(file)).collect()
    };
    modules
        .into_iter()
        .map(|(module, files)| Branch { module: module.map(str::to_owned), heads: heads(&files) })
        .collect()
}

/// A finding for each module that has more than one head. Two files of one number are told of as such.
pub(crate) fn branched(migrations: &[Migration]) -> Vec<Finding> {
    let several = branches(migrations).into_iter().filter(|branch| {
        let numbers: BTreeSet<u64> = branch.heads.iter().map(|head| head.number).collect();
        numbers.len() > 1
    });
    several
        .filter_map(|branch| {
            let labels: Vec<String> = branch.heads.iter().map(Head::label).collect();
            let module = branch.module.map_or(String::new(), |module| format!(" of the module {module}"));
            let last = branch.heads.into_iter().next_back()?;
            Some(Finding {
                rule: Rule::Heads,
                line: None,
                message: format!(
                    "nothing comes after {}{module}: they are {} heads",
                    labels.join(" and "),
                    labels.len()
                ),
                hint: "`dbm merge` writes the migration that joins them".to_owned(),
                path: last.path,
            })
        })
        .collect()
}

#[cfg(test)]
#[path = "heads_tests.rs"]
mod tests;
