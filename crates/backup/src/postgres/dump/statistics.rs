//! The planner's statistics, as statements that give them to the copy.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use database::postgres::{Connection, error};
use database::{Engine, Kind, ObjectId, Schema, Section, quote};
use tokio_postgres::Row;

use crate::archive::{Aspect, Outlined, PART_BYTES, RawPart, StoredPart, compress};
use crate::dump::BackupOptions;
use crate::{Error, ErrorKind, Result};

/// The first major version with functions that take statistics:
/// <https://www.postgresql.org/docs/18/functions-admin.html#FUNCTIONS-ADMIN-STATSMOD>.
const SINCE: u32 = 18;

/// Of how many tables one query asks, as each may have many columns with hundreds of values.
const TABLES: usize = 64;

/// The relations of the tables, their indexes among them.
const RELATIONS: &str = "\
WITH asked AS (
    SELECT c.oid, asked.place FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]))
        WITH ORDINALITY AS asked (namespace, name, place)
    JOIN pg_catalog.pg_namespace n ON n.nspname = asked.namespace
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = asked.name)
SELECT a.place - 1, n.nspname::text, c.relname::text, c.relkind IN ('i', 'I'), c.relpages::text, c.reltuples::text,
       c.relallvisible::text, c.relallfrozen::text
FROM asked a LEFT JOIN pg_catalog.pg_index i ON i.indrelid = a.oid
    CROSS JOIN LATERAL (SELECT a.oid UNION SELECT i.indexrelid) r (oid)
    JOIN pg_catalog.pg_class c ON c.oid = r.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 4, 3";

/// The arguments of `pg_restore_attribute_stats` that are columns of `pg_stats`, with their types.
const ARGUMENTS: [(&str, &str); 13] = [
    ("null_frac", "real"),
    ("avg_width", "integer"),
    ("n_distinct", "real"),
    ("most_common_vals", "text"),
    ("most_common_freqs", "real[]"),
    ("histogram_bounds", "text"),
    ("correlation", "real"),
    ("most_common_elems", "text"),
    ("most_common_elem_freqs", "real[]"),
    ("elem_count_histogram", "real[]"),
    ("range_length_histogram", "text"),
    ("range_empty_frac", "real"),
    ("range_bounds_histogram", "text"),
];

/// Statistics that are read, compressed, and wait for their place at the end of the archive.
#[derive(Default)]
pub(super) struct Statistics {
    pub(super) parts: Vec<StoredPart>,
    /// The bytes of each table's statements.
    spans: Vec<(ObjectId, u32)>,
}

impl Statistics {
    /// Notes in the outline where the statements of each table are.
    pub(super) fn note(&self, outline: &mut [Outlined]) {
        let mut spans: HashMap<&ObjectId, u32> = self.spans.iter().map(|(id, span)| (id, *span)).collect();
        for one in outline {
            if let Some(span) = spans.remove(&one.id) {
                one.spans.insert(Aspect::Statistics, span);
            }
        }
    }
}

/// Passes if that server's statistics can be archived.
///
/// # Errors
/// [`ErrorKind::Usage`] for an older one.
pub(super) fn check(options: &BackupOptions, major: u32) -> Result<()> {
    if !options.statistics || major >= SINCE {
        return Ok(());
    }
    let what = format!(
        "--statistics: a server of version {major} has no functions that take statistics, {SINCE} has"
    );
    Err(Error::new(ErrorKind::Usage, what)
        .with_hint("back up without --statistics; a restore makes them anew by ANALYZE"))
}

/// What no function takes: the values of extended statistics.
pub(super) fn left_out(schema: &Schema) -> Vec<String> {
    let extended = schema.objects.iter().filter(|object| object.id.kind == Kind::Statistics);
    extended.map(|object| format!("the values of {}: ANALYZE makes them", object.id)).collect()
}

/// Reads the statistics of all tables whose definition and rows are in the archive.
pub(super) async fn read(
    client: &Connection,
    schema: &Schema,
    options: &BackupOptions,
) -> Result<Statistics> {
    let selection = &options.selection;
    let mut statistics = Statistics::default();
    if !options.statistics || !selection.has_rows() || !selection.has_definitions() {
        return Ok(statistics);
    }
    let tables: Vec<&ObjectId> = schema
        .objects
        .iter()
        .map(|object| &object.id)
        .filter(|id| matches!(id.kind, Kind::Table | Kind::MaterializedView | Kind::ForeignTable))
        .filter(|id| selection.takes_rows(&[(&id.namespace, &id.name)]))
        .collect();
    let mut open = empty();
    for some in tables.chunks(TABLES) {
        for (id, text) in some.iter().zip(of_tables(client, some).await?) {
            if text.is_empty() {
                continue;
            }
            let span = u32::try_from(text.len()).map_err(|error| {
                Error::new(ErrorKind::Refused, format!("the statistics of {id} are longer than 4 GiB"))
                    .with_source(error)
            })?;
            statistics.spans.push(((*id).clone(), span));
            open.bytes.extend_from_slice(text.as_bytes());
            open.objects.push((*id).clone());
            if open.bytes.len() >= PART_BYTES {
                let full = std::mem::replace(&mut open, empty());
                statistics.parts.push(stored(full, options.level).await?);
            }
        }
    }
    if !open.bytes.is_empty() {
        statistics.parts.push(stored(open, options.level).await?);
    }
    Ok(statistics)
}

async fn stored(part: RawPart, level: i32) -> Result<StoredPart> {
    tokio::task::spawn_blocking(move || compress(part, level))
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, "a worker of the backup broke").with_source(error))?
}

fn empty() -> RawPart {
    RawPart {
        section: Section::Final,
        aspect: Aspect::Statistics,
        objects: Vec::new(),
        rows: 0,
        bytes: Vec::new(),
        follows: Vec::new(),
    }
}

/// The statements of each of the tables and its indexes.
async fn of_tables(client: &Connection, tables: &[&ObjectId]) -> Result<Vec<String>> {
    let failed = |cause| error(cause, "cannot read the statistics of the tables");
    let (namespaces, names): (Vec<&str>, Vec<&str>) =
        tables.iter().map(|id| (id.namespace.as_str(), id.name.as_str())).unzip();
    let relations = client.query(RELATIONS, &[&namespaces, &names]).await.map_err(failed)?;
    let of: HashSet<(String, String)> = relations.iter().map(|row| (row.get(1), row.get(2))).collect();
    let (namespaces, names): (Vec<&String>, Vec<&String>) =
        of.iter().map(|(one, other)| (one, other)).unzip();
    let columns = ARGUMENTS.map(|(name, _)| format!("s.{name}::text"));
    // Both lists are asked for by themselves, too, so that the server looks the relations up one by one.
    let sql = format!(
        "SELECT s.schemaname::text, s.tablename::text, s.attname::text, s.inherited, a.attnum, {}
         FROM pg_catalog.pg_stats s JOIN pg_catalog.pg_namespace n ON n.nspname = s.schemaname
         JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = s.attname
         WHERE s.schemaname = ANY ($1::name[]) AND s.tablename = ANY ($2::name[])
         ORDER BY s.inherited, a.attnum",
        columns.join(", ")
    );
    let mut attributes: HashMap<(String, String), Vec<Row>> = HashMap::new();
    for row in client.query(&sql, &[&namespaces, &names]).await.map_err(failed)? {
        attributes.entry((row.get(0), row.get(1))).or_default().push(row);
    }
    let version = client
        .query_one("SELECT pg_catalog.current_setting('server_version_num')", &[])
        .await
        .map_err(failed)?
        .get::<_, String>(0);
    let mut texts = vec![String::new(); tables.len()];
    for row in &relations {
        let place = usize::try_from(row.get::<_, i64>(0)).unwrap_or(usize::MAX);
        let Some(text) = texts.get_mut(place) else { continue };
        let (namespace, name): (String, String) = (row.get(1), row.get(2));
        let head = [
            ("version", "integer", version.clone()),
            ("schemaname", "text", namespace.clone()),
            ("relname", "text", name.clone()),
        ];
        let mut arguments = head.to_vec();
        for (place, argument, kind) in [
            (4, "relpages", "integer"),
            (5, "reltuples", "real"),
            (6, "relallvisible", "integer"),
            (7, "relallfrozen", "integer"),
        ] {
            arguments.push((argument, kind, row.get(place)));
        }
        call(text, "pg_restore_relation_stats", &arguments);
        for attribute in attributes.get(&(namespace, name)).into_iter().flatten() {
            let mut arguments = head.to_vec();
            // The columns of an index have names of the server's making.
            if row.get(3) {
                arguments.push(("attnum", "smallint", attribute.get::<_, i16>(4).to_string()));
            } else {
                arguments.push(("attname", "text", attribute.get(2)));
            }
            arguments.push(("inherited", "boolean", attribute.get::<_, bool>(3).to_string()));
            for (place, (argument, kind)) in (5..).zip(ARGUMENTS) {
                let value: Option<String> = attribute.get::<usize, _>(place);
                arguments.extend(value.map(|value| (argument, kind, value)));
            }
            call(text, "pg_restore_attribute_stats", &arguments);
        }
    }
    Ok(texts)
}

/// A call of a function that takes names and values in turn.
fn call(text: &mut String, function: &str, arguments: &[(&str, &str, String)]) {
    let literal = |text: &str| quote::literal(Engine::Postgres, text);
    let _ = write!(text, "SELECT pg_catalog.{function}(");
    for (place, (name, kind, value)) in arguments.iter().enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}{}, {}::{kind}", literal(name), literal(value));
    }
    text.push_str(");\n");
}
