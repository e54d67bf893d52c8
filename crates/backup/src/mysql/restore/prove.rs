//! The proof: what was restored is read back and compared with what the archive's index says.

use std::collections::{BTreeMap, HashSet};

use database::mysql::catalog::counter_sql;
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
pub(super) async fn definitions(schema: &Schema, load: &Load<'_>, order: &Order) -> Result<()> {
    let index = load.archive.index();
    let of = |section| schema.objects.iter().filter(move |object| object.section == section);
    let text = |object: &Object| object.definition.clone();
    compare(load, &order.before, of(Section::PreData).map(text)).await?;
    let (values, rest): (Vec<PartNumber>, Vec<PartNumber>) = order.after.iter().partition(|&&number| {
        usize::try_from(number)
            .ok()
            .and_then(|place| index.parts.get(place))
            .is_some_and(|part| part.aspect == Aspect::Values)
    });
    compare(load, &values, schema.objects.iter().filter_map(counter_sql)).await?;
    compare(load, &rest, of(Section::PostData).map(text)).await
}

async fn compare(load: &Load<'_>, numbers: &[PartNumber], found: impl Iterator<Item = String>) -> Result<()> {
    let expected = load.text(numbers).await?;
    let found: String = found.collect();
    if found == expected {
        return Ok(());
    }
    let differing = expected.lines().zip(found.lines()).find(|(one, other)| one != other);
    Err(unproven(match differing {
        Some((expected, found)) => format!("a definition reads `{found}` instead of `{expected}`"),
        None => "a definition is longer or shorter".to_owned(),
    }))
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
