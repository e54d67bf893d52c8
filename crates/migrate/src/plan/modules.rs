use crate::files::Migration;

/// The modules with something pending, each after those that its files require, otherwise by its first number; an empty name
/// stands for the migrations of none. A run of each, in this order, is what one run of all would be.
pub fn modules<'m>(migrations: &'m [Migration], is_applied: &dyn Fn(u64) -> bool) -> Vec<&'m str> {
    let module = |file: &'m Migration| file.directives.module.as_deref().unwrap_or_default();
    let pending: Vec<&Migration> = migrations.iter().filter(|file| !is_applied(file.number)).collect();
    let mut waiting: Vec<&str> = Vec::new();
    for file in &pending {
        if !waiting.contains(&module(file)) {
            waiting.push(module(file));
        }
    }
    let needs = |one: &str, other: &str| {
        let of_other =
            |number: &u64| pending.iter().any(|file| file.number == *number && module(file) == other);
        pending.iter().any(|file| module(file) == one && file.directives.requires.iter().any(of_other))
    };
    let mut ordered = Vec::new();
    while !waiting.is_empty() {
        let is_free = |one: &&str| !waiting.iter().any(|other| other != one && needs(one, other));
        // Two that need each other go as they come; the one that cannot begin says what it misses.
        let next = waiting.iter().position(is_free).unwrap_or(0);
        ordered.push(waiting.remove(next));
    }
    ordered
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
        let files = [
            file(1, "", &[]),
            file(2, "hr", &[4]),
            file(3, "hr", &[]),
            file(4, "pay", &[1]),
            file(5, "done", &[]),
        ];
        assert_eq!(modules(&files, &|number| number == 5), ["", "pay", "hr"]);
        assert_eq!(modules(&files, &|number| number != 3), ["hr"]);
        let circle = [file(1, "a", &[2]), file(2, "b", &[1])];
        assert_eq!(modules(&circle, &|_| false), ["a", "b"]);
    }
}
