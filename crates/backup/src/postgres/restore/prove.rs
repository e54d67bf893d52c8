//! The proof: what was restored is read back and compared with what the archive's index says.

use std::collections::{BTreeMap, HashMap, HashSet};

use database::postgres::{self, Connection};
use database::{Kind, ObjectId, Schema, Table, TableDigest};

use crate::archive::{Archive, Aspect, Index};
use crate::postgres::dump::{large_objects, sequences};
use crate::restore::RestoreOptions;
use crate::{Error, ErrorKind, Result};

/// Reads what is in the database that the clients are on, without definitions.
pub(crate) async fn schema(client: &Connection, beside: Option<&Connection>) -> Result<Schema> {
    Ok(postgres::catalog::read_contents(client, beside.map(|beside| &**beside)).await?)
}

/// Compares which objects there are.
pub(crate) fn objects(schema: &Schema, archive: &Archive, options: &RestoreOptions) -> Result<()> {
    let index = archive.index();
    let tables: HashSet<&ObjectId> = schema.tables_with_rows().map(|(id, _)| id).collect();
    for entry in &index.tables {
        if !tables.contains(&entry.id) {
            return Err(unproven(format!("{} is missing", entry.id)));
        }
    }
    let there: HashSet<&ObjectId> = schema.objects.iter().map(|object| &object.id).collect();
    let defined = index
        .parts
        .iter()
        .filter(|part| part.aspect == Aspect::Definition)
        .flat_map(|part| part.objects.iter());
    for id in defined {
        if !there.contains(id) && id.kind != Kind::Refresh {
            return Err(unproven(format!("{id} is missing")));
        }
    }
    let mut kinds = BTreeMap::new();
    let counted = schema.objects.iter().map(|object| object.id.kind);
    for kind in counted.filter(|&kind| !(options.no_privileges && kind == Kind::DefaultPrivileges)) {
        *kinds.entry(kind).or_insert(0_u64) += 1;
    }
    for (&kind, &count) in &kinds {
        let expected = index.kinds.get(&kind).copied().unwrap_or_default();
        if count != expected {
            return Err(unproven(format!("it holds {count} of the kind {kind:?} instead of {expected}")));
        }
    }
    Ok(())
}

/// Reads back what is no table's: the large objects, number and digest, and the values of the sequences.
pub(crate) async fn beside_rows(client: &Connection, archive: &Archive) -> Result<()> {
    let expected = super::extras(archive)?;
    let found = large_objects::number(client).await?;
    if found != expected.large_objects {
        return Err(unproven(format!(
            "there are {found} large objects instead of {}",
            expected.large_objects
        )));
    }
    if large_objects::digest(client).await? != expected.large_objects_digest {
        return Err(unproven(format!("the {found} large objects do not hold what those of the archive do")));
    }
    values(client, archive).await
}

/// The statements that would set the sequences as they are now are those that the archive set them with.
pub(super) async fn values(client: &Connection, archive: &Archive) -> Result<()> {
    if archive.index().kinds.contains_key(&Kind::Refresh) {
        // The query of a materialized view may take values, and then its sequences are ahead.
        return Ok(());
    }
    let mut expected = Vec::new();
    for (number, part) in (0..).zip(&archive.index().parts) {
        if part.aspect == Aspect::Values {
            expected.extend(archive.part(number).await?);
        }
    }
    let index = archive.index();
    // A partial archive may lack the values of sequences that it makes.
    let set: HashSet<&ObjectId> = index
        .parts
        .iter()
        .filter(|part| part.aspect == Aspect::Values)
        .flat_map(|part| part.objects.iter())
        .collect();
    let list = sequences::list(client, |id| !index.partial || set.contains(id)).await?;
    let now = sequences::values(client, &list).await?;
    let found: Vec<u8> = now.into_iter().flat_map(|part| part.bytes).collect();
    if found == expected {
        return Ok(());
    }
    let (found, expected) = (String::from_utf8_lossy(&found), String::from_utf8_lossy(&expected));
    let there: HashSet<&str> = found.lines().collect();
    let what = match expected.lines().find(|line| !there.contains(line)) {
        Some(line) => format!("a sequence has another value than `{line}` gave it, or is missing"),
        None => "there are more sequences".to_owned(),
    };
    Err(unproven(what))
}

/// Every table that holds rows, with what the index says of them.
pub(super) fn expected<'s>(
    schema: &'s Schema,
    index: &Index,
) -> Result<Vec<(&'s ObjectId, &'s Table, TableDigest)>> {
    let entries: HashMap<&ObjectId, TableDigest> =
        index.tables.iter().map(|entry| (&entry.id, entry.digest)).collect();
    let mut tables = Vec::new();
    for (id, table) in schema.tables_with_rows() {
        let digest = match entries.get(id) {
            Some(&digest) => digest,
            // Its rows were left out on request.
            None if index.partial => TableDigest::default(),
            None => return Err(unproven(format!("{id} is not in the archive"))),
        };
        tables.push((id, table, digest));
    }
    Ok(tables)
}

/// Compares what was read back of a table with what is expected.
pub(super) fn compare(id: &ObjectId, expected: &TableDigest, found: &TableDigest) -> Result<()> {
    if found.rows != expected.rows {
        return Err(unproven(format!("{id} has {} rows instead of {}", found.rows, expected.rows)));
    }
    if found.digest != expected.digest {
        return Err(unproven(format!("the {} rows of {id} are not those of the archive", found.rows)));
    }
    Ok(())
}

fn unproven(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Unproven, format!("what was restored is not what the archive's index says: {what}"))
        .with_hint(
            "the target is as it was; verify the archive (`dbm verify NAME --deep`) and restore another one",
        )
}
