use std::collections::BTreeSet;

use super::requires::in_order;
use crate::files::Migration;

/// What of one module is run in one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'m> {
    /// The module's name; empty for the migrations of none.
    pub module: &'m str,
    /// The numbers of its migrations.
    pub numbers: BTreeSet<u64>,
}

/// What is pending by its modules, each after those that its files require, otherwise by its first number. Where modules
/// cross, a part of one is before what requires it, and the rest after that. A run of each, in this order, is what one run
/// of all would be.
pub fn parts<'m>(migrations: &'m [Migration], is_applied: &dyn Fn(u64) -> bool) -> Vec<Part<'m>> {
    let pending: Vec<&Migration> = migrations.iter().filter(|file| !is_applied(file.number)).collect();
    // In a circle nothing can be run, and each says so.
    let mut waiting = in_order(&pending).unwrap_or_else(|circle| circle);
    let mut modules: Vec<&str> = Vec::new();
    for file in &pending {
        if !modules.contains(&module(file)) {
            modules.push(module(file));
        }
    }
    let mut parts = Vec::new();
    while !waiting.is_empty() {
        let whole = |one: &&&str| ready(&waiting, one).len() == of(&waiting, one).count();
        modules.retain(|one| of(&waiting, one).next().is_some());
        let next = modules.iter().find(whole);
        let next = next.or_else(|| modules.iter().find(|one| !ready(&waiting, one).is_empty()));
        let (module, numbers) = match next {
            Some(next) => (*next, ready(&waiting, next)),
            None => (module(waiting[0]), of(&waiting, module(waiting[0])).map(|file| file.number).collect()),
        };
        waiting.retain(|file| !numbers.contains(&file.number));
        parts.push(Part { module, numbers });
    }
    parts
}

fn module(file: &Migration) -> &str {
    file.directives.module.as_deref().unwrap_or_default()
}

fn of<'w, 'm>(waiting: &'w [&'m Migration], name: &'w str) -> impl Iterator<Item = &'m Migration> + 'w {
    waiting.iter().copied().filter(move |file| module(file) == name)
}

/// The first of a module's files that wait for no other module's.
fn ready(waiting: &[&Migration], name: &str) -> BTreeSet<u64> {
    let mut ready = BTreeSet::new();
    for file in of(waiting, name) {
        let is_free =
            |number: &u64| ready.contains(number) || !waiting.iter().any(|other| other.number == *number);
        if !file.directives.requires.iter().all(is_free) {
            break;
        }
        ready.insert(file.number);
    }
    ready
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::files::{Directives, Source};

    #[test]
    fn a_module_comes_after_those_that_it_needs() {
        let file = |number, module: &str, requires: &[u64]| Migration {
            number,
            name: "x".to_owned(),
            directives: Directives {
                module: Some(module.to_owned()).filter(|name| !name.is_empty()),
                requires: requires.to_vec(),
                ..Directives::default()
            },
            source: Source { path: PathBuf::new(), text: String::new() },
            rollback: None,
        };
        let parts = |files: &[Migration], is_pending: &dyn Fn(u64) -> bool| -> Vec<String> {
            let parts = super::parts(files, &|number| !is_pending(number));
            parts.iter().map(|part| format!("{} {:?}", part.module, part.numbers)).collect()
        };
        let files = [
            file(1, "", &[]),
            file(2, "hr", &[4]),
            file(3, "hr", &[]),
            file(4, "pay", &[1]),
            file(5, "done", &[]),
        ];
        assert_eq!(parts(&files, &|number| number != 5), [" {1}", "pay {4}", "hr {2, 3}"]);
        assert_eq!(parts(&files, &|number| number == 3), ["hr {3}"]);
        // Where they cross, only as much of one is apart as has to be.
        let crossing = [file(1, "hr", &[]), file(2, "fin", &[1]), file(3, "hr", &[2]), file(4, "hr", &[])];
        assert_eq!(parts(&crossing, &|_| true), ["hr {1}", "fin {2}", "hr {3, 4}"]);
        assert_eq!(parts(&crossing, &|number| number > 1), ["fin {2}", "hr {3, 4}"]);
        let backwards = [file(1, "hr", &[2]), file(2, "fin", &[3]), file(3, "hr", &[])];
        assert_eq!(parts(&backwards, &|_| true), ["hr {3}", "fin {2}", "hr {1}"]);
        let circle = [file(1, "a", &[2]), file(2, "b", &[1])];
        assert_eq!(parts(&circle, &|_| true), ["a {1}", "b {2}"]);
    }
}
