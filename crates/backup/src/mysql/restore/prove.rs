//! The proof: what was restored is read back and compared with what the archive's index says.

use std::collections::{BTreeMap, HashSet};

use database::mysql::catalog::{at_early_time, at_own_time, counter_sql};
use database::{Kind, Object, ObjectId, Schema, Section, TableDigest};

use super::load::Load;
use super::order::Order;
use crate::archive::{Aspect, Index, PartNumber};
use crate::{Error, ErrorKind, Result};

/// Compares which objects there are. Events are still asleep: nothing there has switched one on.
pub(super) fn objects(schema: &Schema, index: &Index) -> Result<()> {
    let there: HashSet<&ObjectId> = schema.objects.iter().map(|object| &object.id).collect();
    let defined = index
        .parts
        .iter()
        .filter(|part| part.aspect == Aspect::Definition)
        .flat_map(|part| part.objects.iter())
        .chain(index.tables.iter().map(|entry| &entry.id));
    for id in defined {
        if !there.contains(id) && id.kind != Kind::EventState {
            return Err(unproven(format!("{id} is missing")));
        }
    }
    let mut kinds = BTreeMap::new();
    for object in &schema.objects {
        *kinds.entry(object.id.kind).or_insert(0_u64) += 1;
    }
    for (&kind, &count) in &kinds {
        let expected = index.kinds.get(&kind).copied().unwrap_or_default();
        if count != expected {
            return Err(unproven(format!("it holds {count} of the kind {kind:?} instead of {expected}")));
        }
    }
    Ok(())
}

/// Compares the texts of all definitions with those of the archive: the same server's, which prints them the same.
///
/// Object by object: another dbm may have put them in another order.
pub(super) async fn definitions(schema: &Schema, load: &Load<'_>, order: &Order) -> Result<()> {
    let index = load.archive.index();
    let of = |section| schema.objects.iter().filter(move |object| object.section == section);
    compare(load, &order.before, Left::of(of(Section::PreData).map(text))).await?;
    let (values, rest): (Vec<PartNumber>, Vec<PartNumber>) = order.after.iter().partition(|&&number| {
        usize::try_from(number)
            .ok()
            .and_then(|place| index.parts.get(place))
            .is_some_and(|part| part.aspect == Aspect::Values)
    });
    compare(load, &values, Left::of(schema.objects.iter().filter_map(counter))).await?;
    compare(load, &rest, Left::of(of(Section::PostData).map(text))).await
}

fn text(object: &Object) -> (&Object, String) {
    (object, object.definition.clone())
}

fn counter(object: &Object) -> Option<(&Object, String)> {
    Some((object, counter_sql(object)?))
}

async fn compare(load: &Load<'_>, numbers: &[PartNumber], mut found: Left<'_>) -> Result<()> {
    for &number in numbers {
        let text = load.text(&[number]).await?;
        found.take(&load.archive.entry(number)?.objects, &text)?;
    }
    found.none()
}

/// The texts that were found and have not been seen in the archive yet.
struct Left<'s>(BTreeMap<&'s ObjectId, (&'s Object, String)>);

impl<'s> Left<'s> {
    fn of(found: impl Iterator<Item = (&'s Object, String)>) -> Self {
        Self(found.map(|(object, text)| (&object.id, (object, text))).collect())
    }

    /// Takes out what a part of the archive is of, whose text is theirs, one after the other.
    fn take(&mut self, objects: &[ObjectId], text: &str) -> Result<()> {
        let mut rest = text;
        for id in objects {
            let (object, found) = self.0.remove(id).ok_or_else(|| unproven(format!("{id} is missing")))?;
            // Those of one moment fire in the order in which they were made, and each names the one before it.
            let waits = |on: &&ObjectId| on.kind == Kind::Trigger && self.0.contains_key(*on);
            if let Some(before) = object.depends_on.iter().find(waits) {
                return Err(unproven(format!("{id} fires after {before}, and not before it")));
            }
            rest = behind(rest, id, &found).ok_or_else(|| differs(id, rest, &found))?;
        }
        if rest.is_empty() { Ok(()) } else { Err(unproven("a definition is longer or shorter")) }
    }

    /// Fails if something is left.
    fn none(&self) -> Result<()> {
        self.0.keys().next().map_or(Ok(()), |id| Err(unproven(format!("{id} is not in the archive"))))
    }
}

/// What stands behind a definition that a text begins with.
fn behind<'t>(text: &'t str, id: &ObjectId, found: &str) -> Option<&'t str> {
    if id.kind != Kind::Event {
        return text.strip_prefix(found);
    }
    // Its time may have passed since.
    let own = at_own_time(found);
    text.strip_prefix(&*own).or_else(|| text.strip_prefix(at_early_time(&own)?.as_str()))
}

fn differs(id: &ObjectId, expected: &str, found: &str) -> Error {
    let differing = expected.lines().zip(found.lines()).find(|(one, other)| one != other);
    unproven(match differing {
        Some((expected, found)) => format!("the definition of {id} reads `{found}` instead of `{expected}`"),
        None => format!("the definition of {id} is longer or shorter"),
    })
}

/// What the index says of a table; rows that were left out on request are none.
pub(super) fn expected(index: &Index, id: &ObjectId) -> Result<TableDigest> {
    match index.table(id) {
        Some(entry) => Ok(entry.digest),
        None if index.partial => Ok(TableDigest::default()),
        None => Err(unproven(format!("{id} is not in the archive"))),
    }
}

/// Compares what was read back of a table with what is expected.
pub(super) fn compare_rows(id: &ObjectId, expected: &TableDigest, found: &TableDigest) -> Result<()> {
    if found.rows != expected.rows {
        return Err(unproven(format!("{id} has {} rows instead of {}", found.rows, expected.rows)));
    }
    if found.digest != expected.digest {
        return Err(unproven(format!("the {} rows of {id} are not those of the archive", found.rows)));
    }
    Ok(())
}

pub(super) fn unproven(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Unproven, format!("what was restored is not what the archive's index says: {what}"))
        .with_hint(
            "the target is as it was; verify the archive (`dbm verify NAME --deep`) and restore another one",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(kind: Kind, name: &str) -> ObjectId {
        ObjectId { kind, namespace: String::new(), of: String::new(), name: name.to_owned() }
    }

    fn object(kind: Kind, name: &str, definition: &str, depends_on: &[ObjectId]) -> Object {
        Object {
            id: id(kind, name),
            section: Section::PostData,
            definition: definition.to_owned(),
            owner: None,
            comments: Vec::new(),
            privileges: Vec::new(),
            depends_on: depends_on.to_vec(),
            table: None,
        }
    }

    /// Whether what was found is what an archive has, in parts of two.
    fn compared(archived: &[&Object], found: &[&Object]) -> Result<()> {
        let mut left = Left::of(found.iter().map(|&object| (object, object.definition.clone())));
        for part in archived.chunks(2) {
            let ids: Vec<ObjectId> = part.iter().map(|object| object.id.clone()).collect();
            let text: String = part.iter().map(|object| object.definition.as_str()).collect();
            left.take(&ids, &text)?;
        }
        left.none()
    }

    #[test]
    fn an_archive_may_have_another_order() {
        let of = |name| object(Kind::ViewBody, name, &format!("CREATE VIEW {name};\n"), &[]);
        let (a, b, c) =
            (of("a"), of("b"), object(Kind::ViewBody, "c", "CREATE VIEW c;\n", &[id(Kind::ViewBody, "a")]));
        compared(&[&a, &b, &c], &[&a, &b, &c]).unwrap();
        compared(&[&c, &a, &b], &[&a, &b, &c]).unwrap();
    }

    #[test]
    fn what_really_differs_is_found() {
        let of = |name, text| object(Kind::Function, name, text, &[]);
        let (a, b) = (of("a", "CREATE a;\n"), of("b", "SET sql_mode = '';\nCREATE b;\n"));
        for (other, word) in [
            (of("b", "SET sql_mode = '';\nCREATE c;\n"), "`CREATE c;` instead of `CREATE b;`"),
            (of("b", "SET sql_mode = 'ANSI';\nCREATE b;\n"), "'ANSI'"),
            (of("b", "SET sql_mode = '';\n"), "longer or shorter"),
            (of("b", "SET sql_mode = '';\nCREATE b;\nCREATE d;\n"), "longer or shorter"),
            (of("c", "SET sql_mode = '';\nCREATE b;\n"), "b is missing"),
        ] {
            let error = compared(&[&a, &b], &[&a, &other]).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
            let error = compared(&[&b, &a], &[&a, &other]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unproven, "{error}");
        }
        let error = compared(&[&a], &[&a, &b]).unwrap_err();
        assert!(error.to_string().contains("b is not in the archive"), "{error}");
        let error = compared(&[&a, &b], &[&b]).unwrap_err();
        assert!(error.to_string().contains("a is missing"), "{error}");
    }

    #[test]
    fn triggers_fire_in_the_order_of_the_archive() {
        let first = object(Kind::Trigger, "z", "CREATE z;\n", &[id(Kind::Table, "t")]);
        let second = object(Kind::Trigger, "a", "CREATE a;\n", &[id(Kind::Table, "t"), first.id.clone()]);
        compared(&[&first, &second], &[&first, &second]).unwrap();
        let error = compared(&[&second, &first], &[&first, &second]).unwrap_err();
        assert!(error.to_string().contains("fires after"), "{error}");
    }

    #[test]
    fn an_events_time_may_have_passed_since() {
        let text = "SET time_zone = '+05:00';\nDELIMITER ;;\nCREATE EVENT e\n;;\nDELIMITER ;\nSET time_zone = '+00:00';\n";
        let other = object(Kind::Event, "f", &text.replace('e', "f"), &[]);
        let own = object(Kind::Event, "e", text, &[]);
        let early = object(Kind::Event, "e", &at_early_time(text).unwrap(), &[]);
        for archived in [&own, &early] {
            for found in [&own, &early] {
                compared(&[archived, &other], &[found, &other]).unwrap();
            }
        }
        let moved = object(Kind::Event, "e", &text.replace("5:00", "6:00"), &[]);
        assert!(compared(&[&early], &[&moved]).is_err());
    }
}
