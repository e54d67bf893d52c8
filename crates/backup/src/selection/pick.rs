//! Which objects a selection takes, what they bring with them, and what they miss: computed without a server.

use std::collections::HashMap;

use database::{Kind, ObjectId};

use super::{Content, Selection};
use crate::{Error, ErrorKind, Result};

/// How many names a message lists.
const SHOWN: usize = 10;

/// An object and the places of those that must be there before it.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    pub(crate) id: &'a ObjectId,
    pub(crate) needs: Vec<usize>,
}

/// What was picked, by the objects' places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Picked {
    /// Whether the object is taken.
    pub(crate) kept: Vec<bool>,
    /// Whether it is taken only because something that is asked for needs it.
    pub(crate) brought: Vec<bool>,
    /// Whether the rows of a table, or the value of a sequence, are taken.
    pub(crate) rows: Vec<bool>,
    /// What belongs to something that is taken and cannot come along, for people to read.
    pub(crate) cut: Vec<String>,
}

/// Picks what a selection takes. What the place that it goes to has already (`there`) need not come along.
///
/// A table brings its partitions, indexes, constraints, triggers, rules, policies and sequences; whatever is taken
/// brings the namespaces, types, functions and extensions that it needs. Other tables and views are not brought:
/// a foreign key to one is cut off by name, and everything else that needs one is an error.
///
/// # Errors
/// [`ErrorKind::NotFound`] for a pattern that names nothing, [`ErrorKind::Refused`] with what is missing for what.
pub(crate) fn pick(
    nodes: &[Node<'_>],
    selection: &Selection,
    there: &dyn Fn(&ObjectId) -> bool,
) -> Result<Picked> {
    selection.check()?;
    let map = Map::new(nodes);
    found(nodes, selection)?;
    let count = nodes.len();
    let names: Vec<Vec<(&str, &str)>> = (0..count).map(|place| map.names(nodes, place)).collect();
    let mut picked = Picked {
        kept: (0..count)
            .map(|place| map.homes[place].is_none() && wanted(nodes, selection, &names, place))
            .collect(),
        brought: vec![false; count],
        rows: vec![false; count],
        cut: Vec::new(),
    };
    let mut missing = Vec::new();
    loop {
        let before = picked.kept.clone();
        missing.clear();
        for place in 0..count {
            if let Some(home) = map.homes[place] {
                picked.kept[place] = picked.kept[home] && !map.is_cut(nodes, &picked.kept, there, place);
            }
            // A sequence goes where the column goes that it serves.
            if nodes[place].id.kind == Kind::OwnedBy {
                let serves = nodes[place].needs.iter().any(|&need| {
                    is_relation(nodes[need].id.kind) && need_is_table(nodes, need) && picked.kept[need]
                });
                let sequence =
                    nodes[place].needs.iter().copied().find(|&need| nodes[need].id.kind == Kind::Sequence);
                if let (true, Some(sequence)) = (serves, sequence)
                    && !picked.kept[sequence]
                    // One that is there is not made, but gets the value that goes with the rows.
                    && (selection.content == Content::DataOnly || !there(nodes[sequence].id))
                    && !excluded(nodes, selection, &names, sequence)
                {
                    picked.kept[sequence] = true;
                    picked.brought[sequence] = true;
                }
            }
            if !picked.kept[place] {
                continue;
            }
            for &need in &nodes[place].needs {
                if picked.kept[need] || there(nodes[need].id) {
                    continue;
                }
                // What belongs to a type comes with it.
                let whole = map.anchor(need);
                if map.comes_along(nodes, need) && !excluded(nodes, selection, &names, whole) {
                    picked.kept[whole] = true;
                    picked.brought[whole] = true;
                } else {
                    missing.push((place, need));
                }
            }
        }
        if before == picked.kept {
            break;
        }
    }
    if !missing.is_empty() {
        return Err(incomplete(nodes, &missing));
    }
    for place in 0..count {
        let id = nodes[place].id;
        let home = map.homes[place];
        if matches!(id.kind, Kind::ForeignKey | Kind::Attach)
            && !picked.kept[place]
            && home.is_some_and(|home| picked.kept[home])
        {
            let other = nodes[place].needs.iter().find(|&&need| !picked.kept[need]);
            let other =
                other.map_or_else(String::new, |&need| format!(": {} is not", nodes[map.anchor(need)].id));
            picked.cut.push(format!("{id}{other}"));
        }
        picked.rows[place] = match id.kind {
            Kind::Sequence => picked.kept[place] && selection.has_rows(),
            _ => picked.kept[place] && selection.takes_rows(&names[place]),
        };
    }
    Ok(picked)
}

/// What belongs to what.
struct Map {
    /// The table, view or type that an object belongs to and goes with.
    homes: Vec<Option<usize>>,
    /// The table whose partition a table is.
    parents: HashMap<usize, usize>,
}

impl Map {
    fn new(nodes: &[Node<'_>]) -> Self {
        let mut owners: HashMap<(&str, &str), usize> = HashMap::new();
        for (place, node) in nodes.iter().enumerate() {
            // Tables and types share their names, but for those that a table brings itself.
            if node.id.of.is_empty() && (is_relation(node.id.kind) || is_type(node.id.kind)) {
                let slot = owners.entry((&node.id.namespace, &node.id.name)).or_insert(place);
                if is_relation(node.id.kind) {
                    *slot = place;
                }
            }
        }
        let mut homes: Vec<Option<usize>> = vec![None; nodes.len()];
        let mut parents = HashMap::new();
        for (place, node) in nodes.iter().enumerate() {
            let at = |name: &str| owners.get(&(node.id.namespace.as_str(), name)).copied();
            let table = || node.needs.iter().copied().find(|&need| need_is_table(nodes, need));
            homes[place] = match node.id.kind {
                Kind::DefaultPrivileges => None,
                Kind::ViewBody | Kind::Refresh | Kind::RowSecurity | Kind::OwnedBy
                    if node.id.of.is_empty() =>
                {
                    at(&node.id.name)
                }
                // Its own table, or the table of its index.
                Kind::Attach if node.id.of.is_empty() => at(&node.id.name).or_else(|| {
                    let index = |need: &&usize| nodes[**need].id.name == node.id.name;
                    let index = node.needs.iter().find(index)?;
                    owners.get(&(nodes[*index].id.namespace.as_str(), nodes[*index].id.of.as_str())).copied()
                }),
                Kind::Statistics => table(),
                // That of an identity column.
                Kind::Sequence => table(),
                Kind::Default
                | Kind::Constraint
                | Kind::Index
                | Kind::ForeignKey
                | Kind::Rule
                | Kind::Trigger
                | Kind::RowSecurity
                | Kind::Policy
                | Kind::ViewBody
                | Kind::Attach
                | Kind::OwnedBy
                | Kind::Refresh => at(&node.id.of),
                _ => None,
            }
            .filter(|home| *home != place);
            if node.id.kind == Kind::Attach
                && let Some(child) = at(&node.id.name).filter(|&child| need_is_table(nodes, child))
            {
                let parent =
                    node.needs.iter().copied().find(|&need| need != child && need_is_table(nodes, need));
                parents.extend(parent.map(|parent| (child, parent)));
            }
        }
        Self { homes, parents }
    }

    /// What the object stands and falls with: its table, or itself.
    fn anchor(&self, place: usize) -> usize {
        self.homes[place].unwrap_or(place)
    }

    /// Its own name and those of the tables whose partition it is.
    fn names<'a>(&self, nodes: &[Node<'a>], place: usize) -> Vec<(&'a str, &'a str)> {
        let mut names = Vec::new();
        let mut next = Some(place);
        while let Some(place) = next.filter(|_| names.len() < nodes.len()) {
            let id = nodes[place].id;
            names.push((id.namespace.as_str(), id.name.as_str()));
            next = self.parents.get(&place).copied();
        }
        names
    }

    /// Whether it ties its table to one that is not taken, and so cannot come along.
    fn is_cut(
        &self,
        nodes: &[Node<'_>],
        kept: &[bool],
        there: &dyn Fn(&ObjectId) -> bool,
        place: usize,
    ) -> bool {
        let tie = matches!(
            nodes[place].id.kind,
            Kind::ForeignKey | Kind::Attach | Kind::OwnedBy | Kind::Statistics
        );
        tie && nodes[place].needs.iter().any(|&need| {
            let anchor = self.anchor(need);
            let away = |place: usize| !kept[place] && !there(nodes[place].id);
            is_relation(nodes[anchor].id.kind) && (away(anchor) || self.is_cut_need(nodes, kept, there, need))
        })
    }

    /// Whether a tie needs another tie (the foreign key of a partitioned table) that is cut.
    fn is_cut_need(
        &self,
        nodes: &[Node<'_>],
        kept: &[bool],
        there: &dyn Fn(&ObjectId) -> bool,
        need: usize,
    ) -> bool {
        nodes[need].id.kind == Kind::ForeignKey
            && !there(nodes[need].id)
            && self.is_cut(nodes, kept, there, need)
    }

    /// Whether something comes along with what needs it: it has no rows of its own and belongs to nothing that has.
    fn comes_along(&self, nodes: &[Node<'_>], place: usize) -> bool {
        let kind = nodes[self.anchor(place)].id.kind;
        !is_relation(kind) || (kind == Kind::Sequence && self.homes[place].is_none())
    }
}

fn is_relation(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Table
            | Kind::ForeignTable
            | Kind::View
            | Kind::MaterializedView
            | Kind::VirtualTable
            | Kind::Sequence
    )
}

fn is_type(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Enum | Kind::Domain | Kind::CompositeType | Kind::RangeType | Kind::BaseType | Kind::ShellType
    )
}

fn need_is_table(nodes: &[Node<'_>], need: usize) -> bool {
    is_relation(nodes[need].id.kind) && nodes[need].id.kind != Kind::Sequence
}

/// Whether an object that stands for itself is asked for.
fn wanted(nodes: &[Node<'_>], selection: &Selection, names: &[Vec<(&str, &str)>], place: usize) -> bool {
    let id = nodes[place].id;
    match id.kind {
        kind if is_relation(kind) => selection.takes(&names[place]),
        // Every new database has it.
        Kind::Namespace if id.name == "public" => true,
        Kind::Namespace if id.name == "pg_catalog" => !selection.is_narrow(),
        Kind::Namespace => selection.takes_namespace(&id.name),
        Kind::LargeObject => selection.has_large_objects(),
        _ if id.namespace.is_empty() => !selection.is_narrow(),
        _ => selection.takes_namespace(&id.namespace),
    }
}

/// Whether it was asked to be left out.
fn excluded(nodes: &[Node<'_>], selection: &Selection, names: &[Vec<(&str, &str)>], place: usize) -> bool {
    let id = nodes[place].id;
    let namespace = if id.kind == Kind::Namespace { &id.name } else { &id.namespace };
    selection.exclude_schemas.iter().any(|pattern| pattern.matches("", namespace))
        || (is_relation(id.kind)
            && selection
                .exclude_tables
                .iter()
                .any(|pattern| names[place].iter().any(|(namespace, name)| pattern.matches(namespace, name))))
}

/// Each pattern that asks for something names something.
fn found(nodes: &[Node<'_>], selection: &Selection) -> Result<()> {
    let none = |what: &str, pattern: &super::Pattern| {
        Error::new(ErrorKind::NotFound, format!("there is no {what} `{pattern}`"))
            .with_hint("names are as in psql: lower case unless in double quotes, * for any letters; `dbm show` lists an archive's tables")
    };
    for pattern in &selection.tables {
        let named =
            |node: &Node<'_>| is_relation(node.id.kind) && pattern.matches(&node.id.namespace, &node.id.name);
        if !nodes.iter().any(named) {
            return Err(none("table", pattern));
        }
    }
    for pattern in &selection.schemas {
        let named = |node: &Node<'_>| node.id.kind == Kind::Namespace && pattern.matches("", &node.id.name);
        if !nodes.iter().any(named) {
            return Err(none("namespace", pattern));
        }
    }
    Ok(())
}

fn incomplete(nodes: &[Node<'_>], missing: &[(usize, usize)]) -> Error {
    let mut texts: Vec<String> = missing
        .iter()
        .map(|&(place, need)| format!("{} needs {}", nodes[place].id, nodes[need].id))
        .collect();
    texts.dedup();
    let more = texts.len().saturating_sub(SHOWN);
    texts.truncate(SHOWN);
    let more = if more == 0 { String::new() } else { format!(", and {more} more") };
    let what = format!("the selection leaves out what it needs: {}{more}", texts.join(", "));
    Error::new(ErrorKind::Refused, what)
        .with_hint("select these too (--table), or leave out what needs them (--exclude-table)")
}
