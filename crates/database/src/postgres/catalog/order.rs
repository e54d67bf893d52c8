use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use super::reader::{BETWEEN, Entry, Node, Pieces, Reader, Text};
use super::repair::{edges, repair};
use crate::{Kind, Object, ObjectId, Schema, Section};

/// The schema of what was read: circles undone, definitions put together, everything in order.
pub(super) fn finish(mut reader: Reader<'_>) -> Schema {
    repair(&mut reader);
    refresh_order(&mut reader);
    reader.refused.sort();
    reader.refused.dedup();
    reader.left_out.sort();
    let Reader { mut nodes, refused, left_out, places, alias, members, bare, .. } = reader;
    // Of very many tables this is the moment that takes the most memory: what is done with goes first, and what is
    // made takes its place.
    drop((places, alias, members));
    nodes.shrink_to_fit();
    let mut edges = edges(&nodes);
    for place in 0..nodes.len() {
        put_together(&mut nodes, place);
        let node = &mut nodes[place];
        (node.target, node.grant_on, node.needs) = (String::new(), String::new(), BTreeSet::new());
    }
    let mut ranks = vec![None; nodes.len()];
    for (rank, place) in order(&nodes, &edges).into_iter().enumerate() {
        ranks[place] = Some(rank);
    }
    if bare {
        nodes.iter_mut().for_each(Node::strip);
    } else {
        for place in 0..nodes.len() {
            let needs = std::mem::take(&mut edges[place]);
            let mut needs: Vec<ObjectId> = needs.iter().map(|need| nodes[*need].object.id.clone()).collect();
            needs.sort();
            nodes[place].object.depends_on = needs;
        }
    }
    drop(edges);
    let ranked = nodes.into_iter().zip(ranks).filter_map(|(node, rank)| Some((rank?, node.object)));
    let mut objects: Vec<(usize, Object)> = ranked.collect();
    objects.sort_unstable_by_key(|(rank, _)| *rank);
    let mut objects: Vec<Object> = objects.into_iter().map(|(_, object)| object).collect();
    objects.shrink_to_fit();
    Schema { objects, refused, left_out, ..Schema::default() }
}

/// Writes the definition from its pieces; the comments of parts go to the whole.
fn put_together(nodes: &mut [Node], place: usize) {
    if let Some(whole) = nodes[place].part_of {
        let comments = std::mem::take(&mut nodes[place].object.comments);
        nodes[whole].object.comments.extend(comments);
    }
    // What was put together is not kept beside it.
    let text = std::mem::replace(&mut nodes[place].text, Text::Whole);
    let Text::Pieces(pieces) = text else {
        nodes[place].text = text;
        return;
    };
    let Pieces { head, entries, list, typed, tail, steps, end } = *pieces;
    let write = |entry: &Entry| {
        let part = entry.part.as_ref().filter(|(part, _)| nodes[*part].part_of.is_some());
        let text = format!("{}{}{}", entry.before, part.map_or("", |(_, text)| text), entry.after);
        Some(text).filter(|text| !text.is_empty())
    };
    let written: Vec<String> = entries.iter().filter_map(write).collect();
    let steps: String = steps.iter().filter_map(write).collect();
    let middle = match (list, written.is_empty()) {
        (true, true) if typed => String::new(),
        (true, true) => " ()".to_owned(),
        (true, false) => format!(" (\n    {}\n)", written.join(BETWEEN)),
        (false, _) => written.concat(),
    };
    nodes[place].object.definition = format!("{head}{middle}{tail}{steps}{end}");
}

/// By section, then after what is needed, otherwise by identity.
fn order(nodes: &[Node], edges: &[Vec<usize>]) -> Vec<usize> {
    let mut order = Vec::new();
    for section in [Section::PreData, Section::Data, Section::PostData, Section::Final] {
        let inside = |place: usize| nodes[place].object.section == section && nodes[place].part_of.is_none();
        // How many it waits for, of those inside; who waits for whom, in order of whom.
        let mut waits: Vec<Option<usize>> = vec![None; nodes.len()];
        let mut users: Vec<(usize, usize)> = Vec::new();
        let mut ready = BinaryHeap::new();
        for place in (0..nodes.len()).filter(|place| inside(*place)) {
            let before = users.len();
            users.extend(edges[place].iter().filter(|need| inside(**need)).map(|need| (*need, place)));
            let count = users.len() - before;
            if count == 0 {
                ready.push(Reverse((&nodes[place].object.id, place)));
            }
            waits[place] = Some(count);
        }
        users.sort_unstable();
        while let Some(Reverse((_, place))) = ready.pop() {
            waits[place] = None;
            order.push(place);
            let first = users.partition_point(|(need, _)| *need < place);
            for (_, user) in users[first..].iter().take_while(|(need, _)| *need == place) {
                let Some(count) = &mut waits[*user] else { continue };
                *count -= 1;
                if *count == 0 {
                    ready.push(Reverse((&nodes[*user].object.id, *user)));
                }
            }
        }
        // What is left is in a circle and refused; it is in the schema all the same.
        let mut rest: Vec<usize> = (0..nodes.len()).filter(|place| waits[*place].is_some()).collect();
        rest.sort_by_key(|place| &nodes[*place].object.id);
        order.extend(rest);
    }
    order
}

/// A materialized view is filled after those that it reads, also through views and functions.
fn refresh_order(reader: &mut Reader<'_>) {
    if !reader.nodes.iter().any(|node| node.object.id.kind == Kind::Refresh) {
        return;
    }
    let edges = edges(&reader.nodes);
    let mut refresh: HashMap<usize, usize> = HashMap::new();
    for (place, node) in reader.nodes.iter().enumerate() {
        if node.object.id.kind == Kind::Refresh {
            let view =
                node.needs.iter().find(|need| reader.nodes[**need].object.id.kind == Kind::MaterializedView);
            refresh.extend(view.map(|view| (*view, place)));
        }
    }
    let mut bodies: HashMap<&ObjectId, usize> = HashMap::new();
    for (place, node) in reader.nodes.iter().enumerate() {
        if node.object.id.kind == Kind::ViewBody {
            bodies.insert(&node.object.id, place);
        }
    }
    let mut after = Vec::new();
    for (&view, &place) in &refresh {
        let mut seen = BTreeSet::from([view]);
        let mut queue = vec![view];
        while let Some(next) = queue.pop() {
            let own = &reader.nodes[next].object.id;
            let body = (own.kind == Kind::View).then(|| ObjectId { kind: Kind::ViewBody, ..own.clone() });
            let body = body.and_then(|body| bodies.get(&body).copied());
            for need in edges[next].iter().copied().chain(body) {
                if seen.insert(need) {
                    queue.push(need);
                }
            }
        }
        seen.remove(&view);
        after.push((place, seen.iter().filter_map(|need| refresh.get(need).copied()).collect::<Vec<_>>()));
    }
    for (place, needs) in after {
        reader.nodes[place].needs.extend(needs.into_iter().filter(|need| *need != place));
    }
}
