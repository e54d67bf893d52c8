//! In which order the parts of an archive are restored: computed from the index alone.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use database::Section;

use crate::archive::{Aspect, Part, PartNumber};
use crate::restore::RestoreOptions;

/// The parts that a restore runs, by phase.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    /// One after the other.
    pub(crate) before: Vec<PartNumber>,
    /// In parallel, the largest first.
    pub(crate) data: Graph,
    /// In parallel, by number.
    pub(crate) after: Graph,
    /// One after the other.
    pub(crate) last: Vec<PartNumber>,
    /// Not run, and checked all the same: no damage to the archive goes unseen.
    pub(crate) unused: Vec<PartNumber>,
}

/// Parts of which each waits for those that it follows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Graph {
    /// By size, where that matters, then by number.
    waiting: BTreeMap<(Reverse<u64>, PartNumber), Vec<PartNumber>>,
    /// Those that have not run to their end.
    open: HashSet<PartNumber>,
}

impl Graph {
    fn add(&mut self, number: PartNumber, size: u64, follows: &[PartNumber]) {
        self.waiting.insert((Reverse(size), number), follows.to_vec());
        self.open.insert(number);
    }

    /// Takes a part that may run now.
    pub(crate) fn take(&mut self) -> Option<PartNumber> {
        let open = &self.open;
        let ready = |follows: &[PartNumber]| !follows.iter().any(|part| open.contains(part));
        let place = *self.waiting.iter().find(|(_, follows)| ready(follows))?.0;
        self.waiting.remove(&place);
        Some(place.1)
    }

    /// Says that a part that was taken has run.
    pub(crate) fn done(&mut self, part: PartNumber) {
        self.open.remove(&part);
    }

    /// Whether parts are left that nobody has taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// All that nobody has taken.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = PartNumber> {
        self.waiting.keys().map(|(_, number)| *number)
    }
}

/// Whether the options leave the part out, or it is no more than the script's own frame.
fn left_out(aspect: Aspect, options: &RestoreOptions) -> bool {
    match aspect {
        Aspect::Guard => true,
        Aspect::Owner => options.no_owner,
        Aspect::Privileges => options.no_privileges,
        _ => false,
    }
}

/// Puts the parts of an index in order.
pub(crate) fn order(parts: &[Part], options: &RestoreOptions) -> Order {
    let mut order = Order::default();
    for (number, part) in (0..).zip(parts) {
        if left_out(part.aspect, options) {
            order.unused.push(number);
            continue;
        }
        match part.section {
            Section::PreData => order.before.push(number),
            Section::Data => order.data.add(number, u64::from(part.stored_bytes), &part.follows),
            Section::PostData => order.after.add(number, 0, &part.follows),
            Section::Final => order.last.push(number),
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_that_may_run_comes_first() {
        let mut graph = Graph::default();
        for (number, size, follows) in [(1, 5, &[][..]), (2, 9, &[3]), (3, 1, &[]), (4, 7, &[0])] {
            graph.add(number, size, follows);
        }
        assert_eq!([graph.take(), graph.take(), graph.take()], [Some(4), Some(1), Some(3)]);
        assert_eq!(graph.take(), None, "2 waits for 3, which runs");
        assert!(!graph.is_empty());
        graph.done(3);
        assert_eq!(graph.take(), Some(2));
        assert!(graph.is_empty());
    }

    #[test]
    fn a_circle_is_never_ready() {
        let mut graph = Graph::default();
        graph.add(1, 0, &[2]);
        graph.add(2, 0, &[1]);
        assert_eq!(graph.take(), None);
        assert!(!graph.is_empty());
    }
}
