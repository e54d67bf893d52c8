//! In which order the parts of an archive are restored: computed from the index alone.

use std::cmp::Reverse;
use std::collections::HashMap;

use database::{ObjectId, Section};

use crate::archive::{Aspect, Part, PartNumber};

/// The parts that a restore runs, by phase.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    /// One after the other.
    pub(super) before: Vec<PartNumber>,
    /// The rows, in parallel: the largest table first, each table's in their order.
    pub(super) rows: Vec<PartNumber>,
    /// One after the other.
    pub(super) after: Vec<PartNumber>,
    /// What wakes the database up, where it has its name: its events.
    pub(super) last: Vec<PartNumber>,
    /// Not run, and checked all the same: no damage to the archive goes unseen.
    pub(super) unused: Vec<PartNumber>,
}

/// Puts the parts of an index in order.
pub(super) fn order(parts: &[Part]) -> Order {
    let mut order = Order::default();
    let mut bytes: HashMap<&[ObjectId], u64> = HashMap::new();
    for (number, part) in (0..).zip(parts) {
        match (part.aspect, part.section) {
            (Aspect::Guard | Aspect::Globals, _) => order.unused.push(number),
            (Aspect::Rows, _) => {
                *bytes.entry(&part.objects).or_default() += u64::from(part.bytes);
                order.rows.push(number);
            }
            (_, Section::PreData) => order.before.push(number),
            (_, Section::Final) => order.last.push(number),
            _ => order.after.push(number),
        }
    }
    let of = |number: &PartNumber| usize::try_from(*number).ok().and_then(|place| parts.get(place));
    order.rows.sort_by_key(|number| {
        let objects = of(number).map(|part| &*part.objects).unwrap_or_default();
        Reverse(bytes.get(objects).copied().unwrap_or_default())
    });
    order
}
