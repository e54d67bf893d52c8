//! In which order the parts of an archive are restored: computed from the index alone.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use database::{ObjectId, Section};

use crate::archive::{Aspect, Part, PartNumber};
use crate::restore::RestoreOptions;

/// A table with fewer bytes of rows gains less by being loaded frozen than emptying it first costs.
const WORTH_FREEZING: u64 = 1 << 20;
/// One worker loads a table alone if it has less than this share of each worker's work; a larger one is for all.
const SHARE: u64 = 4;

/// The parts that a restore runs, by phase.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    /// One after the other.
    pub(crate) before: Vec<PartNumber>,
    /// In parallel, the largest first; and the indexes that need no other table's rows, each once its table's are in.
    pub(crate) data: Graph,
    /// In parallel, by number.
    pub(crate) after: Graph,
    /// One after the other.
    pub(crate) last: Vec<PartNumber>,
    /// Not run, and checked all the same: no damage to the archive goes unseen.
    pub(crate) unused: Vec<PartNumber>,
}

/// Parts that one worker runs one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unit {
    /// In order.
    pub(crate) parts: Vec<PartNumber>,
    /// The table of which they are all rows, if it is to be loaded frozen in one transaction.
    pub(crate) alone: Option<ObjectId>,
    /// Whether it was tried and refused: what it holds may have to go in in another order.
    pub(crate) refused: bool,
    /// How soon it is to run: the larger, the sooner.
    weight: u64,
}

/// Units of which each waits for the parts that it follows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Graph {
    /// Units that wait, by their first part, and for how many parts.
    waiting: BTreeMap<PartNumber, (Unit, usize)>,
    /// Who waits for a part.
    followers: HashMap<PartNumber, Vec<PartNumber>>,
    /// What may run.
    ready: BTreeMap<(Reverse<u64>, PartNumber), Unit>,
}

impl Graph {
    /// Of units, each with the parts that it follows; those that are in none of the units are done.
    fn new(units: Vec<(Unit, Vec<PartNumber>)>) -> Self {
        let open: HashSet<PartNumber> = units.iter().flat_map(|(unit, _)| unit.parts.clone()).collect();
        let mut graph = Self::default();
        for (unit, follows) in units {
            let Some(&first) = unit.parts.first() else { continue };
            let follows: HashSet<PartNumber> =
                follows.into_iter().filter(|part| open.contains(part)).collect();
            for &part in &follows {
                graph.followers.entry(part).or_default().push(first);
            }
            graph.waiting.insert(first, (unit, follows.len()));
        }
        let free: Vec<PartNumber> =
            graph.waiting.iter().filter(|(_, (_, waits))| *waits == 0).map(|(first, _)| *first).collect();
        free.into_iter().for_each(|first| graph.free(first));
        graph
    }

    fn free(&mut self, first: PartNumber) {
        if let Some((unit, _)) = self.waiting.remove(&first) {
            self.ready.insert((Reverse(unit.weight), first), unit);
        }
    }

    /// Takes a unit that may run now.
    pub(crate) fn take(&mut self) -> Option<Unit> {
        self.ready.pop_first().map(|(_, unit)| unit)
    }

    /// Says that a unit that was taken has run.
    pub(crate) fn done(&mut self, unit: &Unit) {
        for part in &unit.parts {
            for first in self.followers.remove(part).unwrap_or_default() {
                if let Some((_, waits)) = self.waiting.get_mut(&first) {
                    *waits -= 1;
                    if *waits == 0 {
                        self.free(first);
                    }
                }
            }
        }
    }

    /// Takes back a unit that was refused.
    pub(crate) fn put_back(&mut self, mut unit: Unit) {
        unit.refused = true;
        if let Some(&first) = unit.parts.first() {
            self.ready.insert((Reverse(unit.weight), first), unit);
        }
    }

    /// Whether units are left that nobody has taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.ready.is_empty()
    }

    /// The parts of all that nobody has taken.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = PartNumber> {
        let waiting = self.waiting.values().map(|(unit, _)| unit);
        waiting.chain(self.ready.values()).flat_map(|unit| unit.parts.iter().copied())
    }
}

/// Whether the options leave the part out, or it is no more than the script's own frame.
fn left_out(aspect: Aspect, options: &RestoreOptions) -> bool {
    match aspect {
        // What belongs to the server is made before anything else, if it is wanted.
        Aspect::Guard | Aspect::Globals => true,
        Aspect::Owner => options.no_owner,
        Aspect::Privileges => options.no_privileges,
        _ => false,
    }
}

/// Puts the parts of an index in order, for one worker after the other or for a few.
pub(crate) fn order(parts: &[Part], options: &RestoreOptions) -> Order {
    with_early(parts, options, &HashMap::new())
}

/// The same; `early` are those of the post-data section that read nothing but the tables of their objects, with the bytes
/// that they build.
pub(crate) fn with_early(
    parts: &[Part],
    options: &RestoreOptions,
    early: &HashMap<PartNumber, u64>,
) -> Order {
    let mut order = Order::default();
    let mut data = Vec::new();
    let mut after = Vec::new();
    let mut tables = Tables::default();
    for (number, part) in (0..).zip(parts) {
        if left_out(part.aspect, options) {
            order.unused.push(number);
            continue;
        }
        let alone = |weight| Unit { parts: vec![number], weight, ..Unit::default() };
        match part.section {
            Section::PreData => order.before.push(number),
            Section::Data if part.aspect == Aspect::Rows => tables.add(number, part),
            Section::Data => data.push((alone(u64::from(part.stored_bytes)), part.follows.clone())),
            Section::PostData if early.contains_key(&number) => {
                let mut follows = part.follows.clone();
                for id in part.objects.iter() {
                    follows.extend(tables.of(&id.namespace, &id.of));
                }
                // Before the rows that are left: it may take long, and its table is in the server's memory now.
                let builds = early.get(&number).copied().unwrap_or(0);
                data.push((alone((u64::MAX / 2).saturating_add(builds)), follows));
            }
            Section::PostData => after.push((alone(0), part.follows.clone())),
            Section::Final => order.last.push(number),
        }
    }
    data.extend(tables.units(parts, options.jobs));
    order.data = Graph::new(data);
    order.after = Graph::new(after);
    order
}

/// Tables by namespace and name.
#[derive(Default)]
struct Tables<'a> {
    /// The parts with rows of each, in order.
    parts: BTreeMap<(&'a str, &'a str), Vec<PartNumber>>,
    /// Parts with the rows of several.
    shared: Vec<PartNumber>,
    bytes: u64,
}

impl<'a> Tables<'a> {
    fn add(&mut self, number: PartNumber, part: &'a Part) {
        self.bytes += u64::from(part.bytes);
        for id in part.objects.iter() {
            self.parts.entry((&id.namespace, &id.name)).or_default().push(number);
        }
        if part.objects.len() != 1 {
            self.shared.push(number);
        }
    }

    fn of(&self, namespace: &'a str, name: &'a str) -> &[PartNumber] {
        self.parts.get(&(namespace, name)).map_or(&[], Vec::as_slice)
    }

    /// Whole tables for one worker each where that leaves none idle; single parts otherwise.
    fn units(self, parts: &[Part], jobs: usize) -> Vec<(Unit, Vec<PartNumber>)> {
        let part = |number: PartNumber| &parts[number as usize];
        // Any other may hold rows already, as an extension's does, and would lose them by being emptied.
        let made: HashSet<&ObjectId> = parts
            .iter()
            .filter(|part| part.section == Section::PreData && part.aspect == Aspect::Definition)
            .flat_map(|part| part.objects.iter())
            .collect();
        let share = self.bytes / SHARE.saturating_mul(jobs.max(1) as u64).max(1);
        let mut units = Vec::new();
        let single = |number: PartNumber| {
            let unit =
                Unit { parts: vec![number], weight: u64::from(part(number).stored_bytes), ..Unit::default() };
            (unit, part(number).follows.clone())
        };
        units.extend(self.shared.iter().map(|&number| single(number)));
        for numbers in self.parts.into_values() {
            let sum = |size: fn(&Part) -> u32| numbers.iter().map(|&n| u64::from(size(part(n)))).sum::<u64>();
            let bytes = sum(|part| part.bytes);
            let own = numbers.iter().all(|&n| part(n).objects.len() == 1 && part(n).follows.is_empty());
            let own = own && part(numbers[0]).objects.first().is_some_and(|id| made.contains(id));
            if own && bytes >= WORTH_FREEZING && (bytes <= share || jobs < 2) {
                let alone = part(numbers[0]).objects.first().cloned();
                units.push((
                    Unit { weight: sum(|part| part.stored_bytes), parts: numbers, alone, refused: false },
                    Vec::new(),
                ));
            } else {
                let alone = numbers.iter().filter(|&&n| part(n).objects.len() == 1);
                units.extend(alone.map(|&number| single(number)));
            }
        }
        units
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Hash;
    use database::Kind;

    fn unit(number: PartNumber, weight: u64) -> Unit {
        Unit { parts: vec![number], weight, ..Unit::default() }
    }

    fn first(graph: &mut Graph) -> Option<PartNumber> {
        graph.take().map(|unit| unit.parts[0])
    }

    #[test]
    fn the_largest_that_may_run_comes_first() {
        let list = [(1, 5, &[][..]), (2, 9, &[3]), (3, 1, &[]), (4, 7, &[0])];
        let units = list.into_iter().map(|(number, size, follows)| (unit(number, size), follows.to_vec()));
        let mut graph = Graph::new(units.collect());
        assert_eq!([first(&mut graph), first(&mut graph), first(&mut graph)], [Some(4), Some(1), Some(3)]);
        assert_eq!(first(&mut graph), None, "2 waits for 3, which runs");
        assert!(!graph.is_empty());
        graph.done(&unit(3, 1));
        assert_eq!(first(&mut graph), Some(2));
        assert!(graph.is_empty());
    }

    #[test]
    fn a_circle_is_never_ready() {
        let mut graph = Graph::new(vec![(unit(1, 0), vec![2]), (unit(2, 0), vec![1])]);
        assert_eq!(first(&mut graph), None);
        assert!(!graph.is_empty());
    }

    fn part(section: Section, aspect: Aspect, objects: &[ObjectId], bytes: u32) -> Part {
        Part {
            section,
            aspect,
            objects: objects.into(),
            offset: 0,
            stored_bytes: bytes / 4,
            bytes,
            rows: 1,
            sha256: Hash([0; 32]),
            follows: Vec::new(),
        }
    }

    fn id(kind: Kind, of: &str, name: &str) -> ObjectId {
        ObjectId { kind, namespace: "public".into(), of: of.into(), name: name.into() }
    }

    #[test]
    fn a_table_is_loaded_by_one_worker_unless_it_dominates_and_its_indexes_follow_it() {
        let table = |name: &str| id(Kind::Table, "", name);
        let rows = |names: &[&str], bytes| {
            let ids: Vec<ObjectId> = names.iter().map(|name| table(name)).collect();
            part(Section::Data, Aspect::Rows, &ids, bytes)
        };
        let index = |of: &str| part(Section::PostData, Aspect::Definition, &[id(Kind::Index, of, "i")], 10);
        let parts = [
            rows(&["a"], 4 << 20),
            rows(&["big"], 40 << 20),
            rows(&["b", "c"], 1 << 20),
            rows(&["a"], 1 << 20),
            rows(&["big"], 40 << 20),
            index("big"),
            index("a"),
            index("b"),
            part(
                Section::PreData,
                Aspect::Definition,
                &[table("a"), table("big"), table("b"), table("c")],
                10,
            ),
            rows(&["extension_s"], 4 << 20),
            index("big"),
            index("big"),
        ];
        let options = RestoreOptions { jobs: 2, ..RestoreOptions::default() };
        let mut order = with_early(&parts, &options, &HashMap::from([(5, 10), (6, 0), (10, 30), (11, 20)]));
        let taken: Vec<Unit> = std::iter::from_fn(|| order.data.take()).collect();
        let numbers: Vec<_> =
            taken.iter().map(|unit| (unit.parts.as_slice(), unit.alone.is_some())).collect();
        assert_eq!(
            numbers,
            [(&[1][..], false), (&[4], false), (&[0, 3], true), (&[9], false), (&[2], false)]
        );
        order.data.done(&taken[2]);
        assert_eq!(first(&mut order.data), Some(6), "its table is in");
        order.data.done(&taken[0]);
        assert_eq!(first(&mut order.data), None, "the other half of the table is not in");
        order.data.done(&taken[1]);
        let largest_first = [Some(10), Some(11), Some(5)];
        assert_eq!(largest_first.map(|_| first(&mut order.data)), largest_first);
        assert_eq!(first(&mut order.after), Some(7));
    }
}
