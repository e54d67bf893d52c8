//! Rows alone, into tables that are there and empty.

use std::collections::{BTreeSet, HashMap, HashSet};

use database::postgres::{self, Connection};
use database::{Engine, Kind, ObjectId, quote};

use super::among::{execute, list, missing, unproven};
use super::load::Load;
use super::still::Still;
use super::{order, prove};
use crate::archive::{Archive, Aspect, Part};
use crate::postgres::failed;
use crate::progress::Progress;
use crate::restore::{Among, RestoreOptions};
use crate::{Error, ErrorKind, Result};

/// The rows of a table after those of the tables that its foreign keys refer to, as far as that is possible.
///
/// Returns the tables in that order, too.
pub(super) fn after_referenced(rows: &Archive, whole: &Archive) -> (Archive, Vec<ObjectId>) {
    type Name<'a> = (&'a str, &'a str);
    fn visit<'a>(
        name: Name<'a>,
        keys: &HashMap<Name<'a>, BTreeSet<Name<'a>>>,
        seen: &mut HashSet<Name<'a>>,
        order: &mut Vec<Name<'a>>,
    ) {
        if !seen.insert(name) {
            return;
        }
        for &other in keys.get(&name).into_iter().flatten() {
            visit(other, keys, seen, order);
        }
        order.push(name);
    }
    let outline = &whole.index().outline;
    let mut keys: HashMap<Name<'_>, BTreeSet<Name<'_>>> = HashMap::new();
    for one in outline.iter().filter(|one| one.id.kind == Kind::ForeignKey) {
        let needs = one.needs.iter().filter_map(|&need| outline.get(usize::try_from(need).ok()?));
        let tables = needs.filter(|need| need.id.kind == Kind::Table).map(|need| &need.id);
        let others = keys.entry((&one.id.namespace, &one.id.of)).or_default();
        others.extend(tables.map(|id| (id.namespace.as_str(), id.name.as_str())));
    }
    let (mut seen, mut order) = (HashSet::new(), Vec::new());
    for entry in &rows.index().tables {
        visit((&entry.id.namespace, &entry.id.name), &keys, &mut seen, &mut order);
    }
    let place: HashMap<Name<'_>, usize> =
        order.iter().enumerate().map(|(place, name)| (*name, place)).collect();
    let at = |part: &Part| {
        let first = part.objects.first().filter(|_| part.aspect == Aspect::Rows)?;
        place.get(&(first.namespace.as_str(), first.name.as_str())).copied()
    };
    let places: Vec<Option<usize>> = rows.index().parts.iter().map(at).collect();
    let mut tables: Vec<ObjectId> = rows.index().tables.iter().map(|entry| entry.id.clone()).collect();
    tables.sort_by_key(|id| place.get(&(id.namespace.as_str(), id.name.as_str())).copied());
    let ordered = rows.rewritten(std::sync::Arc::new(|_, bytes| bytes), |index| {
        for (part, own) in index.parts.iter_mut().zip(&places) {
            let Some(own) = own else { continue };
            // Those of the table just before, which in turn follow theirs.
            let last = places.iter().flatten().filter(|other| *other < own).max();
            let before = (0..).zip(&places).filter(|(_, other)| last.is_some() && other.as_ref() == last);
            part.follows = before.map(|(number, _)| number).collect();
        }
    });
    (ordered, tables)
}

/// Rows into tables that are there and empty, and the values of their sequences, all of it within the open transaction.
///
/// Foreign keys apply. Triggers of the tables do not fire: what they did to the rows, and to other tables, they did
/// when the rows were written first.
pub(super) async fn fill(
    (archive, tables): (&Archive, &[ObjectId]),
    client: &Connection,
    there: &HashSet<&ObjectId>,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<Among> {
    let index = archive.index();
    let away: Vec<&ObjectId> =
        index.tables.iter().map(|entry| &entry.id).filter(|id| !there.contains(id)).collect();
    if !away.is_empty() {
        return Err(missing(&away));
    }
    let mut filled = Vec::new();
    for entry in &index.tables {
        let name = quote::qualified(Engine::Postgres, &[&entry.id.namespace, &entry.id.name]);
        execute(client, &format!("LOCK TABLE ONLY {name} IN SHARE ROW EXCLUSIVE MODE")).await?;
        let row = client
            .query_one(&format!("SELECT EXISTS (SELECT FROM ONLY {name})"), &[])
            .await
            .map_err(|error| failed(error, format!("cannot look whether {} is empty", entry.id)))?;
        if row.get(0) {
            filled.push(&entry.id);
        }
    }
    if !filled.is_empty() {
        return Err(Error::new(ErrorKind::Refused, format!("rows are in {} already", list(&filled))).with_hint(
            "rows alone fill empty tables only; without --data-only they come into a new table beside each",
        ));
    }
    restart(archive, client, there).await?;
    let still = Still::hold(client, tables).await?;
    Load { archive, progress }.serially(client, order::order(&index.parts, options)).await?;
    execute(client, "SET CONSTRAINTS ALL IMMEDIATE").await?;
    still.end(client).await?;
    progress.phase("proof", None);
    let after = prove::schema(client, None).await?;
    let (derived, mut remade) = (super::derived(archive)?, Vec::new());
    for entry in &index.tables {
        let Some(table) = after.get(&entry.id).and_then(|object| object.table.as_ref()) else {
            return Err(unproven(format!("{} is missing", entry.id)));
        };
        let found = postgres::digest::table(client, &entry.id, table).await?;
        if found.carried != entry.digest {
            return Err(unproven(format!("the rows of {} are not those of the archive", entry.id)));
        }
        remade.extend(derived.iter().find(|one| one.id == entry.id).and_then(|one| one.judge(&found)));
    }
    prove::values(client, archive).await?;
    let filled = index.tables.iter().map(|entry| entry.id.clone()).collect();
    Ok(Among { filled, remade, ..Among::default() })
}

/// Gives every sequence whose value is to be set a new file, as a transaction can undo it: `setval` alone stays where
/// the transaction does not.
async fn restart(archive: &Archive, client: &Connection, there: &HashSet<&ObjectId>) -> Result<()> {
    let values = archive.index().parts.iter().filter(|part| part.aspect == Aspect::Values);
    let sequences: Vec<&ObjectId> = values.flat_map(|part| part.objects.iter()).collect();
    let away: Vec<&ObjectId> = sequences.iter().copied().filter(|id| !there.contains(id)).collect();
    if !away.is_empty() {
        return Err(missing(&away));
    }
    for id in sequences {
        let name = quote::qualified(Engine::Postgres, &[&id.namespace, &id.name]);
        client
            .batch_execute(&format!("ALTER SEQUENCE {name} RESTART"))
            .await
            .map_err(|error| failed(error, format!("cannot set {id}")))?;
    }
    Ok(())
}
