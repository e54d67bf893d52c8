//! The values of sequences. They are no part of a snapshot: what is read is never behind it.

use std::collections::HashSet;

use database::{Engine, Kind, ObjectId, Section, postgres, quote};
use tokio_postgres::Client;

use crate::archive::{Aspect, PART_BYTES, RawPart};
use crate::{Error, ErrorKind, Result};

/// How many sequences one query reads.
const BATCH: usize = 200;

/// All sequences but those of the system, of others' sessions, of extensions and of dbm itself.
const SEQUENCES: &str = "\
SELECT n.nspname::text, c.relname::text, pg_catalog.has_schema_privilege(n.oid, 'USAGE')
       AND pg_catalog.has_sequence_privilege(c.oid, 'SELECT')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'dbm')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
                  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
                    AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
                    AND NOT (c.oid = ANY (COALESCE(e.extconfig, '{}'))))
ORDER BY n.nspname, c.relname";

/// The sequences of the database, of those that are wanted.
///
/// # Errors
/// [`ErrorKind::Permission`] with the names of those that cannot be read.
pub(crate) async fn list(client: &Client, wanted: impl Fn(&ObjectId) -> bool) -> Result<Vec<ObjectId>> {
    let rows = client
        .query(SEQUENCES, &[])
        .await
        .map_err(|error| postgres::error(error, "cannot list the sequences"))?;
    let mut sequences = Vec::with_capacity(rows.len());
    let mut unreadable = Vec::new();
    for row in &rows {
        let id =
            ObjectId { kind: Kind::Sequence, namespace: row.get(0), of: String::new(), name: row.get(1) };
        if !wanted(&id) {
            continue;
        }
        if row.get(2) { sequences.push(id) } else { unreadable.push(id) }
    }
    if unreadable.is_empty() {
        return Ok(sequences);
    }
    let what = format!("the account may not read {}", super::relations::list(&unreadable));
    Err(Error::new(ErrorKind::Permission, what).with_hint(
        "grant SELECT on them (or the role pg_read_all_data) to the account, or back up as the owner",
    ))
}

/// The statements that set all of them, as parts.
pub(crate) async fn values(client: &Client, sequences: &[ObjectId]) -> Result<Vec<RawPart>> {
    let mut parts = Vec::new();
    let mut open = empty();
    for batch in sequences.chunks(BATCH) {
        let selects: Vec<String> = batch
            .iter()
            .enumerate()
            .map(|(place, id)| format!("SELECT {place}, last_value, is_called FROM {}", name(id)))
            .collect();
        let rows = client
            .query(&selects.join(" UNION ALL "), &[])
            .await
            .map_err(|error| postgres::error(error, "cannot read the values of the sequences"))?;
        let mut seen = HashSet::new();
        let mut values = vec![(0_i64, false); batch.len()];
        for row in &rows {
            let place = usize::try_from(row.get::<_, i32>(0)).unwrap_or(usize::MAX);
            if let Some(value) = values.get_mut(place) {
                *value = (row.get(1), row.get(2));
                seen.insert(place);
            }
        }
        if seen.len() != batch.len() {
            return Err(Error::new(
                ErrorKind::Internal,
                "the server did not tell the values of all sequences",
            ));
        }
        for (id, (value, called)) in batch.iter().zip(values) {
            let sequence = quote::literal(Engine::Postgres, &name(id));
            let statement = format!("SELECT pg_catalog.setval({sequence}, {value}, {called});\n");
            open.bytes.extend_from_slice(statement.as_bytes());
            open.objects.push(id.clone());
        }
        if open.bytes.len() >= PART_BYTES {
            parts.push(std::mem::replace(&mut open, empty()));
        }
    }
    if !open.bytes.is_empty() {
        parts.push(open);
    }
    Ok(parts)
}

fn empty() -> RawPart {
    RawPart {
        section: Section::Data,
        aspect: Aspect::Values,
        objects: Vec::new(),
        rows: 0,
        bytes: Vec::new(),
        follows: Vec::new(),
    }
}

fn name(id: &ObjectId) -> String {
    quote::qualified(Engine::Postgres, &[&id.namespace, &id.name])
}
