//! Objects that need each other in a circle, and those before the rows that need something after them.
//!
//! What pg_dump repairs, this does: a default or check becomes a statement of its own, a view is first
//! made with its columns only, what depends on a primary key waits for it.

use std::collections::BTreeSet;

use super::reader::{Node, Reader, Text, class, id};
use crate::{Kind, Section};

/// The place of the object in whose definition this one's is, or its own.
pub(super) fn root(nodes: &[Node], place: usize) -> usize {
    nodes[place].part_of.unwrap_or(place)
}

/// For each place, what it and its parts need, as roots.
pub(super) fn edges(nodes: &[Node]) -> Vec<Vec<usize>> {
    let mut edges = vec![Vec::new(); nodes.len()];
    for (place, node) in nodes.iter().enumerate() {
        let own = root(nodes, place);
        let needs = node.needs.iter().map(|need| root(nodes, *need)).filter(|need| *need != own);
        edges[own].extend(needs);
    }
    for needs in &mut edges {
        needs.sort_unstable();
        needs.dedup();
        needs.shrink_to_fit();
    }
    edges
}

pub(super) fn repair(reader: &mut Reader<'_>) {
    let tight = knot(&reader.nodes);
    split_parts(reader, &tight);
    let tight = knot(&reader.nodes);
    hollow_views(reader, &tight);
    let tight = knot(&reader.nodes);
    for place in &tight {
        let of = reader.nodes[*place].object.id.clone();
        reader.refuse_of(of.clone(), of.to_string(), "it and others need each other in a circle");
    }
    let late = late(&reader.nodes);
    split_parts(reader, &late);
    if late_tables(reader) {
        let late = self::late(&reader.nodes);
        hollow_views(reader, &late);
    }
    for place in self::late(&reader.nodes) {
        let node = &mut reader.nodes[place];
        match node.object.id.kind {
            Kind::Function
            | Kind::Procedure
            | Kind::Aggregate
            | Kind::View
            | Kind::ViewBody
            | Kind::MaterializedView
            | Kind::Default
            | Kind::Constraint => node.object.section = Section::PostData,
            _ => {
                let of = node.object.id.clone();
                reader.refuse_of(
                    of.clone(),
                    of.to_string(),
                    "it needs something that is only there after the rows",
                );
            }
        }
    }
}

fn late_tables(reader: &Reader<'_>) -> bool {
    late(&reader.nodes).iter().any(|place| reader.nodes[*place].object.id.kind == Kind::Table)
}

/// Objects before the rows that are in a circle, or between two.
fn knot(nodes: &[Node]) -> BTreeSet<usize> {
    let edges = edges(nodes);
    let inside =
        |place: usize| nodes[place].object.section == Section::PreData && nodes[place].part_of.is_none();
    let mut left: BTreeSet<usize> = (0..nodes.len()).filter(|place| inside(*place)).collect();
    // Take away what needs nothing that is left, then what nothing that is left needs, until neither is there.
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for place in &left {
        for need in edges[*place].iter().filter(|need| inside(**need)) {
            users[*need].push(*place);
        }
    }
    peel(
        &mut left,
        |place| edges[place].iter().copied().filter(|need| inside(*need)).collect(),
        |place| users[place].clone(),
    );
    peel(
        &mut left,
        |place| users[place].clone(),
        |place| edges[place].iter().copied().filter(|need| inside(*need)).collect(),
    );
    left
}

fn peel(
    left: &mut BTreeSet<usize>,
    needs: impl Fn(usize) -> Vec<usize>,
    users: impl Fn(usize) -> Vec<usize>,
) {
    let mut ready: Vec<usize> =
        left.iter().copied().filter(|place| !needs(*place).iter().any(|need| left.contains(need))).collect();
    while let Some(place) = ready.pop() {
        if !left.remove(&place) {
            continue;
        }
        for user in users(place) {
            if left.contains(&user) && !needs(user).iter().any(|need| left.contains(need)) {
                ready.push(user);
            }
        }
    }
}

/// Objects before the rows that need, also through others, something after them.
fn late(nodes: &[Node]) -> BTreeSet<usize> {
    let edges = edges(nodes);
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (place, needs) in edges.iter().enumerate() {
        needs.iter().for_each(|need| users[*need].push(place));
    }
    let mut late = BTreeSet::new();
    let after = |place: &usize| nodes[*place].object.section > Section::PreData;
    let mut queue: Vec<usize> = (0..nodes.len()).filter(after).collect();
    while let Some(place) = queue.pop() {
        for user in &users[place] {
            if nodes[*user].object.section == Section::PreData && late.insert(*user) {
                queue.push(*user);
            }
        }
    }
    late
}

/// Makes statements of their own of the defaults and checks whose tables, and whose needs, are among these.
fn split_parts(reader: &mut Reader<'_>, among: &BTreeSet<usize>) {
    let parts: Vec<usize> = (0..reader.nodes.len())
        .filter(|place| {
            let node = &reader.nodes[*place];
            let Some(whole) = node.part_of else { return false };
            let tied = |need: &usize| {
                let need = root(&reader.nodes, *need);
                need != whole
                    && (among.contains(&need) || reader.nodes[need].object.section > Section::PreData)
            };
            among.contains(&whole) && node.needs.iter().any(tied)
        })
        .collect();
    for place in parts {
        reader.nodes[place].part_of = None;
    }
}

/// Makes these views with their columns only, and gives them their bodies later.
fn hollow_views(reader: &mut Reader<'_>, among: &BTreeSet<usize>) {
    for &place in among {
        let Text::View { dummy, body, types } = &reader.nodes[place].text else { continue };
        let (dummy, body, types) = (dummy.clone(), body.clone(), types.clone());
        let own = reader.nodes[place].object.id.clone();
        let mut needs: BTreeSet<usize> =
            types.iter().filter_map(|oid| reader.find((class::TYPE, *oid))).collect();
        needs.extend(reader.namespaces.get(&own.namespace));
        needs.remove(&place);
        let node = &mut reader.nodes[place];
        node.text = Text::Whole;
        node.object.definition = dummy;
        let mut all = std::mem::replace(&mut node.needs, needs);
        all.insert(place);
        let own = id(Kind::ViewBody, &own.namespace, "", &own.name);
        let node = Node::new(own, Section::PreData, String::new(), body).needing(all);
        reader.add((class::NONE, 0), node);
    }
}
