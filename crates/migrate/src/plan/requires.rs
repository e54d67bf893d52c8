use std::collections::{BTreeMap, BTreeSet};

use crate::files::{Finding, Migration, Rule, squashed};

/// What is wrong with the `requires` of a folder: numbers that are not there, circles.
pub(crate) fn requirements(migrations: &[Migration]) -> Vec<Finding> {
    let known: BTreeSet<u64> = migrations.iter().map(|migration| migration.number).collect();
    let mut findings = Vec::new();
    let folded = squashed(migrations).map(|file| file.number);
    let is_known = |number: &&u64| known.contains(number) || Some(**number) <= folded;
    for migration in migrations {
        for number in migration.directives.requires.iter().filter(|number| !is_known(number)) {
            findings.push(Finding {
                rule: Rule::Requires,
                line: None,
                path: migration.source.path.clone(),
                message: format!(
                    "{} requires {number:03}, which is not there",
                    migration.source.path.display()
                ),
                hint: "mend the number, or bring the file back".to_owned(),
            });
        }
    }
    let all: Vec<&Migration> = migrations.iter().collect();
    if let Err(circle) = in_order(&all) {
        let labels: Vec<String> = circle.iter().map(|migration| migration.label()).collect();
        if let Some(first) = circle.first() {
            findings.push(Finding {
                rule: Rule::Requires,
                line: None,
                path: first.source.path.clone(),
                message: format!("{} require each other in a circle", labels.join(", ")),
                hint: "take one `-- dbm: requires` of them out".to_owned(),
            });
        }
    }
    findings
}

/// The migrations so that each stands after what it requires, otherwise by number; or those that go round in a circle.
pub(super) fn in_order<'a>(migrations: &[&'a Migration]) -> Result<Vec<&'a Migration>, Vec<&'a Migration>> {
    let mut waiting: BTreeMap<u64, &Migration> =
        migrations.iter().map(|migration| (migration.number, *migration)).collect();
    let mut ordered = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let free = waiting.values().find(|migration| {
            migration.directives.requires.iter().all(|number| !waiting.contains_key(number))
        });
        let Some(number) = free.map(|migration| migration.number) else {
            return Err(waiting.into_values().collect());
        };
        ordered.extend(waiting.remove(&number));
    }
    Ok(ordered)
}
