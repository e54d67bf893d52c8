use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};

use backup::{Error, ErrorKind, Result};
use database::{Object, ObjectId, Schema};

use super::step::{Between, Dialect, Step, Verb};

/// Which step has to come before which, by their places.
pub(super) struct Edges {
    after: Vec<HashSet<usize>>,
}

impl Edges {
    pub(super) fn of(dialect: &dyn Dialect, between: Between<'_>, steps: &[Step]) -> Self {
        let places: HashMap<(Verb, &ObjectId), usize> =
            steps.iter().enumerate().map(|(place, step)| ((step.verb, &step.object), place)).collect();
        let at = |verb: Verb, id: &ObjectId| places.get(&(verb, id)).copied();
        // What has no step of its own is dropped with what it goes with.
        let dropped = |id: &ObjectId| {
            at(Verb::Drop, id).or_else(|| {
                let owners = dialect.goes_with(between.old.get(id)?, between.old);
                owners.iter().find_map(|owner| at(Verb::Drop, owner))
            })
        };
        let mut edges = Self { after: vec![HashSet::new(); steps.len()] };
        let mut names: BTreeMap<(&str, &str, &str), Vec<usize>> = BTreeMap::new();
        for (place, step) in steps.iter().enumerate() {
            if step.verb == Verb::Drop {
                names
                    .entry((&step.object.namespace, &step.object.of, &step.object.name))
                    .or_default()
                    .push(place);
            }
        }
        for (place, step) in steps.iter().enumerate() {
            let needs = |schema: &Schema| {
                schema.get(&step.object).map_or_else(Vec::new, |object: &Object| object.depends_on.clone())
            };
            match step.verb {
                Verb::Drop => {
                    for need in needs(between.old) {
                        edges.add(place, dropped(&need));
                        edges.add(place, at(Verb::Change, &need));
                    }
                }
                Verb::Create | Verb::Change => {
                    for need in needs(between.new) {
                        edges.add_maybe(at(Verb::Create, &need), place);
                        edges.add_maybe(at(Verb::Change, &need), place);
                    }
                }
            }
            if step.verb == Verb::Change {
                let old = between.old.get(&step.object);
                for need in needs(between.old) {
                    if !old.is_some_and(|old| dialect.calls_another(old, &need, between)) {
                        edges.add(place, dropped(&need));
                    }
                    edges.add_maybe(at(Verb::Change, &need), place);
                }
            }
            if step.verb == Verb::Create {
                let before = between.new.get(&step.object).map(|new| dialect.comes_after(new, between.new));
                for need in before.into_iter().flatten() {
                    edges.add_maybe(at(Verb::Create, &need), place);
                }
                let id = &step.object;
                for &drop in names.get(&(&id.namespace, &id.of, &id.name)).into_iter().flatten() {
                    edges.add_maybe(Some(drop), place);
                }
            }
        }
        edges
    }

    fn add(&mut self, before: usize, after: Option<usize>) {
        if let Some(after) = after.filter(|after| *after != before) {
            self.after[before].insert(after);
        }
    }

    fn add_maybe(&mut self, before: Option<usize>, after: usize) {
        if let Some(before) = before {
            self.add(before, Some(after));
        }
    }
}

/// Sorts steps: drops as early as they can be, in the reverse order of their making, then all else in the order in which it
/// would be made. What needs a step that stands apart stands apart too.
pub(super) fn sort(steps: Vec<Step>, edges: &Edges, between: Between<'_>) -> Result<Vec<Step>> {
    let order = |schema: &Schema| -> HashMap<ObjectId, usize> {
        schema.objects.iter().enumerate().map(|(place, object)| (object.id.clone(), place)).collect()
    };
    let (old, new) = (order(between.old), order(between.new));
    let rank = |step: &Step| match step.verb {
        Verb::Drop => (0, usize::MAX - old.get(&step.object).copied().unwrap_or_default()),
        _ => (1, new.get(&step.object).copied().unwrap_or_default()),
    };
    let mut waits: Vec<usize> = vec![0; steps.len()];
    for after in edges.after.iter().flatten() {
        waits[*after] += 1;
    }
    let mut ready: BinaryHeap<Reverse<((u8, usize), usize)>> = BinaryHeap::new();
    let push = |ready: &mut BinaryHeap<_>, place: usize| ready.push(Reverse((rank(&steps[place]), place)));
    for (place, _) in waits.iter().enumerate().filter(|(_, waits)| **waits == 0) {
        push(&mut ready, place);
    }
    let mut sorted = Vec::new();
    let mut apart = vec![false; steps.len()];
    while let Some(Reverse((_, place))) = ready.pop() {
        sorted.push(place);
        let whole = steps[place].statements.iter().all(|statement| statement.apart);
        for &after in &edges.after[place] {
            apart[after] |= apart[place] || whole;
            waits[after] -= 1;
            if waits[after] == 0 {
                push(&mut ready, after);
            }
        }
    }
    if sorted.len() < steps.len() {
        let stuck = steps.iter().enumerate().filter(|(place, _)| !sorted.contains(place));
        let names: Vec<String> = stuck.map(|(_, step)| step.object.to_string()).collect();
        let what =
            format!("dbm finds no order for what changes, since they need each other: {}", names.join(", "));
        return Err(Error::new(ErrorKind::Refused, what)
            .with_hint("write that step by hand: `dbm new NAME` makes the files"));
    }
    let mut taken: Vec<Option<Step>> = steps.into_iter().map(Some).collect();
    let steps = sorted.into_iter().filter_map(|place| {
        let mut step = taken[place].take()?;
        for statement in &mut step.statements {
            statement.apart |= apart[place];
        }
        Some(step)
    });
    Ok(steps.collect())
}
