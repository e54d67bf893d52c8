//! The definitions as parts, in an order and grouping in which they can be restored.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use database::{Kind, Object, ObjectId, Schema, Section};

use super::keys::Key;
use super::psql::for_psql;
use super::script::SETTINGS;
use crate::archive::{Aspect, PART_BYTES, RawPart};
use crate::{Error, ErrorKind, Result};

/// From this size on, each index and constraint of a table is a part of its own, for a worker of its own.
pub(super) const LARGE_TABLE: u64 = 64 << 20;
/// A part of small things ends after so many, so that there is something for each worker.
const OBJECTS_PER_PART: usize = 100;

/// A part, and the places in the same list of those that it must follow.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) part: RawPart,
    pub(super) follows: BTreeSet<usize>,
    /// The bytes of each object's statements, in the order of the part's objects.
    pub(super) spans: Vec<usize>,
}

/// All parts of one section but the rows, in order: definitions, comments, owners; in the last one privileges first.
///
/// # Errors
/// [`ErrorKind::Refused`] with the object whose definition psql would take for something else.
pub(super) fn parts(
    schema: &Schema,
    section: Section,
    keys: &HashMap<ObjectId, Key>,
) -> Result<Vec<Planned>> {
    let objects: Vec<&Object> = schema.objects.iter().filter(|object| object.section == section).collect();
    let mut list = List { section, planned: Vec::new(), of: HashMap::new() };
    match section {
        Section::PreData => {
            list.without_public(schema);
            list.in_order(Aspect::Definition, &objects, definition)?;
        }
        Section::Data => list.in_order(Aspect::Definition, &objects, definition)?,
        Section::PostData => list.parallel(schema, &objects, keys)?,
        Section::Final => {
            let everything: Vec<&Object> = schema.objects.iter().collect();
            let (defaults, others): (Vec<_>, Vec<_>) =
                objects.iter().partition(|object| object.id.kind == Kind::DefaultPrivileges);
            list.in_order(Aspect::Privileges, &everything, |object| object.privileges.join(""))?;
            list.in_order(Aspect::Privileges, &defaults, definition)?;
            list.in_order(Aspect::Definition, &others, definition)?;
        }
    }
    list.in_order(Aspect::Comment, &objects, |object| object.comments.join(""))?;
    list.in_order(Aspect::Owner, &objects, |object| object.owner.clone().unwrap_or_default())?;
    Ok(list.planned)
}

/// All definitions as one script, without what guards an archive's: it holds no rows that a cut could take away.
///
/// # Errors
/// What [`parts`] gives.
pub(crate) fn script_of(schema: &Schema, owners: bool) -> Result<String> {
    let mut schema = schema.clone();
    schema.objects.retain(|object| {
        object.id.kind != Kind::LargeObject && (owners || object.id.kind != Kind::DefaultPrivileges)
    });
    if !owners {
        for object in &mut schema.objects {
            object.owner = None;
            object.privileges.clear();
        }
    }
    // Without rows it is the loading account's own statement, as in a migration: functions that a view calls may name things
    // without their namespace. (PostgreSQL 17 and later refresh no such view, whatever the path.)
    for object in schema.objects.iter_mut().filter(|object| object.id.kind == Kind::Refresh) {
        object.definition = format!("RESET search_path;\n{}SET search_path = '';\n", object.definition);
    }
    let mut text = SETTINGS.to_owned();
    for section in [Section::PreData, Section::Data, Section::PostData, Section::Final] {
        for planned in parts(&schema, section, &HashMap::new())? {
            text.push_str(&String::from_utf8_lossy(&planned.part.bytes));
        }
    }
    Ok(text)
}

fn definition(object: &Object) -> String {
    object.definition.clone()
}

struct List {
    section: Section,
    planned: Vec<Planned>,
    /// In which part an object's definition is.
    of: HashMap<ObjectId, usize>,
}

/// Statements that go into one part.
#[derive(Default)]
struct Run {
    objects: Vec<ObjectId>,
    spans: Vec<usize>,
    text: String,
    follows: BTreeSet<usize>,
    weight: u64,
}

impl List {
    /// Every new database has a namespace `public`; one from which it was dropped comes back without it.
    fn without_public(&mut self, schema: &Schema) {
        let public = |object: &Object| object.id.kind == Kind::Namespace && object.id.name == "public";
        if !schema.objects.iter().any(public) {
            let text = "DROP SCHEMA IF EXISTS \"public\";\n".to_owned();
            self.close(Aspect::Definition, Run { text, ..Run::default() });
        }
    }

    /// Parts that follow one another.
    fn in_order(
        &mut self,
        aspect: Aspect,
        objects: &[&Object],
        text: impl Fn(&Object) -> String,
    ) -> Result<()> {
        let mut run = Run::default();
        for object in objects {
            run.add(object, &text(object))?;
            if run.text.len() >= PART_BYTES {
                self.close(aspect, std::mem::take(&mut run));
            }
        }
        self.close(aspect, run);
        Ok(())
    }

    /// Parts that follow only those that hold what they depend on.
    fn parallel(
        &mut self,
        schema: &Schema,
        objects: &[&Object],
        keys: &HashMap<ObjectId, Key>,
    ) -> Result<()> {
        let sizes: HashMap<(&str, &str), u64> = schema
            .objects
            .iter()
            .filter_map(|object| {
                let table = object.table.as_ref()?;
                Some(((object.id.namespace.as_str(), object.id.name.as_str()), table.bytes))
            })
            .collect();
        let size = |id: &ObjectId| sizes.get(&(id.namespace.as_str(), id.of.as_str())).copied().unwrap_or(0);
        let mut run = Run::default();
        let mut waiting = Waiting::default();
        for same in
            objects.chunk_by(|a, b| (a.id.kind == Kind::ForeignKey) == (b.id.kind == Kind::ForeignKey))
        {
            if same[0].id.kind == Kind::ForeignKey {
                self.close(Aspect::Definition, std::mem::take(&mut run));
                self.keys(&mut waiting)?;
                self.foreign_keys(same, size)?;
                continue;
            }
            for object in same {
                if waiting.must_go_before(object) {
                    self.close(Aspect::Definition, std::mem::take(&mut run));
                    self.keys(&mut waiting)?;
                }
                if let Some(key) = keys.get(&object.id) {
                    self.close(Aspect::Definition, std::mem::take(&mut run));
                    waiting.builds(&object.id, self.planned.len());
                    let mut index = Run::default();
                    index.add(object, &key.index)?;
                    self.depend(&mut index, object);
                    self.close(Aspect::Index, index);
                    waiting.keys.push(((*object).clone(), key.definition(object)?));
                    continue;
                }
                let alone = matches!(object.id.kind, Kind::Index | Kind::Constraint)
                    && size(&object.id) >= LARGE_TABLE;
                let full = run.text.len() >= PART_BYTES
                    || run.objects.len() >= OBJECTS_PER_PART
                    || run.weight >= LARGE_TABLE;
                if alone || full {
                    self.close(Aspect::Definition, std::mem::take(&mut run));
                }
                run.add(object, &object.definition)?;
                run.weight = run.weight.saturating_add(size(&object.id));
                self.depend(&mut run, object);
                if alone {
                    waiting.builds(&object.id, self.planned.len());
                    self.close(Aspect::Definition, std::mem::take(&mut run));
                }
            }
        }
        self.close(Aspect::Definition, run);
        self.keys(&mut waiting)
    }

    /// The keys whose indexes are built: each locks its table, and so comes after all of its indexes.
    fn keys(&mut self, waiting: &mut Waiting) -> Result<()> {
        for (object, definition) in std::mem::take(&mut waiting.keys) {
            let mut run = Run::default();
            run.add(&object, &definition)?;
            self.depend(&mut run, &object);
            run.follows.extend(waiting.of(&object.id));
            self.close(Aspect::Definition, run);
        }
        Ok(())
    }

    /// Foreign keys lock two tables each: those that share tables, over any number of steps, go into one part,
    /// since two sessions that add them would wait for each other for ever.
    fn foreign_keys(&mut self, keys: &[&Object], size: impl Fn(&ObjectId) -> u64) -> Result<()> {
        let mut groups = Groups::default();
        let table = |id: &ObjectId| {
            (id.namespace.clone(), if id.of.is_empty() { id.name.clone() } else { id.of.clone() })
        };
        for key in keys {
            for other in &key.depends_on {
                if !matches!(other.kind, Kind::Namespace | Kind::Function | Kind::Extension) {
                    groups.join(table(&key.id), table(other));
                }
            }
        }
        let mut weights = BTreeMap::<usize, u64>::new();
        for key in keys {
            *weights.entry(groups.root(table(&key.id))).or_default() += size(&key.id);
        }
        // The small ones share a part, under a number that no group has.
        let mut runs = BTreeMap::<usize, Run>::new();
        for key in keys {
            let root = groups.root(table(&key.id));
            let place = if weights.get(&root).is_some_and(|&weight| weight >= LARGE_TABLE) {
                root
            } else {
                usize::MAX
            };
            let run = runs.entry(place).or_default();
            run.add(key, &key.definition)?;
            self.depend(run, key);
        }
        for run in runs.into_values() {
            self.close(Aspect::Definition, run);
        }
        Ok(())
    }

    fn depend(&self, run: &mut Run, object: &Object) {
        run.follows.extend(object.depends_on.iter().filter_map(|id| self.of.get(id)));
    }

    fn close(&mut self, aspect: Aspect, mut run: Run) {
        if run.text.is_empty() {
            return;
        }
        let place = self.planned.len();
        if aspect == Aspect::Definition {
            self.of.extend(run.objects.iter().map(|id| (id.clone(), place)));
        }
        if self.section != Section::PostData {
            run.follows.extend(place.checked_sub(1));
        } else if aspect != Aspect::Definition {
            run.follows.extend(run.objects.iter().filter_map(|id| self.of.get(id)));
        }
        let part = RawPart {
            section: self.section,
            aspect,
            objects: run.objects,
            rows: 0,
            bytes: run.text.into_bytes(),
            follows: Vec::new(),
        };
        self.planned.push(Planned { part, follows: run.follows, spans: run.spans });
    }
}

impl Run {
    fn add(&mut self, object: &Object, statements: &str) -> Result<()> {
        if statements.is_empty() {
            return Ok(());
        }
        let about = |what: &str| format!("the backup cannot hold {}: {what}", object.id);
        if !statements.ends_with(";\n") {
            return Err(Error::new(ErrorKind::Internal, about("its definition is not a whole statement")));
        }
        let text = for_psql(statements).map_err(|error| {
            let outer = Error::new(ErrorKind::Refused, about(&error.to_string()));
            match error.hint() {
                Some(hint) => outer.with_hint(hint),
                None => outer,
            }
        })?;
        self.text.push_str(&text);
        self.spans.push(text.len());
        self.objects.push(object.id.clone());
        Ok(())
    }
}

/// Keys that wait for the indexes of their tables.
#[derive(Default)]
struct Waiting {
    /// The keys, with what makes them of their indexes.
    keys: Vec<(Object, String)>,
    /// The places of the parts that build indexes, by namespace and table.
    built: HashMap<(String, String), Vec<usize>>,
}

impl Waiting {
    fn builds(&mut self, id: &ObjectId, place: usize) {
        self.built.entry((id.namespace.clone(), id.of.clone())).or_default().push(place);
    }

    fn of(&self, id: &ObjectId) -> impl Iterator<Item = usize> {
        let places = self.built.get(&(id.namespace.clone(), id.of.clone()));
        places.map_or(&[][..], Vec::as_slice).iter().copied()
    }

    /// Whether an object may need one of the keys.
    fn must_go_before(&self, object: &Object) -> bool {
        let other = !matches!(object.id.kind, Kind::Index | Kind::Constraint);
        !self.keys.is_empty()
            && (other || self.keys.iter().any(|(key, _)| object.depends_on.contains(&key.id)))
    }
}

/// Tables that are tied to one another.
#[derive(Default)]
struct Groups {
    places: HashMap<(String, String), usize>,
    parents: Vec<usize>,
}

impl Groups {
    fn root(&mut self, table: (String, String)) -> usize {
        let next = self.parents.len();
        let mut place = *self.places.entry(table).or_insert(next);
        if place == next {
            self.parents.push(next);
        }
        while self.parents[place] != place {
            place = self.parents[place];
        }
        place
    }

    fn join(&mut self, one: (String, String), other: (String, String)) {
        let (one, other) = (self.root(one), self.root(other));
        self.parents[one.max(other)] = one.min(other);
    }
}

#[cfg(test)]
mod tests;
