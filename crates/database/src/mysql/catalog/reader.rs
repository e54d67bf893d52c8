use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::wrap::{SCRIPT_MODE, Under};
use super::{columns, events, id, routines, sequences, sight, tables, triggers, unknown, views};
use crate::mysql::{Connection, OWN_TABLES, is_database};
use crate::{
    Column, Engine, Error, ErrorKind, Kind, NotCarried, Object, ObjectId, Result, Schema, Section, quote,
};

/// What is being read, and what is known already.
pub(super) struct Reader<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) database: &'a str,
    pub(super) schema: Schema,
    pub(super) columns: BTreeMap<String, Vec<Column>>,
    /// The database's own collation.
    pub(super) collation: String,
    listed: Vec<Listed>,
}

/// A table or what lists as one.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) engine: String,
    pub(super) bytes: u64,
}

/// Reads all objects of the database that the connection is in. The session gets dbm's own mode and time zone.
///
/// # Errors
/// What the server refuses; [`ErrorKind::Permission`] where a text may not be seen.
pub async fn read(connection: &mut Connection, database: &str) -> Result<Schema> {
    let what = "cannot read the catalog";
    connection.batch("SET NAMES utf8mb4", what).await?;
    let session = format!("SET sql_mode = '{SCRIPT_MODE}', time_zone = '+00:00', sql_quote_show_create = 1");
    connection.batch(&session, what).await?;
    connection.batch(&format!("USE {}", quote::identifier(Engine::Mysql, database)), what).await?;
    let literal = quote::literal(Engine::Mysql, database);
    let collation = format!(
        "SELECT default_collation_name FROM information_schema.schemata WHERE schema_name = {literal}"
    );
    let collation = connection.value(&collation, what).await?.ok_or_else(|| {
        Error::new(
            ErrorKind::NoDatabase,
            format!("there is no database `{database}`, or none that the account sees"),
        )
        .with_hint("mend the name in the URL, or GRANT the account something on it")
    })?;
    sight::check(connection, database).await?;
    connection.look_anew().await?;
    let sql = format!(
        "SELECT table_name, table_type, COALESCE(engine, ''), COALESCE(data_length, 0) FROM information_schema.tables
          WHERE table_schema = {literal} ORDER BY table_name"
    );
    let listed = connection.query(&sql, what).await?.into_iter().filter_map(|row| {
        let [name, kind, engine, bytes] = <[Option<String>; 4]>::try_from(row).ok()?;
        let bytes = bytes?.parse().unwrap_or_default();
        Some(Listed { name: name?, kind: kind?, engine: engine?, bytes })
    });
    let listed = listed.filter(|found| !OWN_TABLES.contains(&found.name.as_str())).collect();
    let columns = columns::read(connection, database).await?;
    let schema = Schema::default();
    let mut reader = Reader { connection, database, schema, columns, collation, listed };
    sequences::read(&mut reader).await?;
    tables::read(&mut reader).await?;
    views::read(&mut reader).await?;
    routines::read(&mut reader).await?;
    triggers::read(&mut reader).await?;
    events::read(&mut reader).await?;
    unknown::read(&mut reader).await?;
    let known = ["BASE TABLE", "SYSTEM VERSIONED", "SEQUENCE", "VIEW"];
    for found in reader.listed.clone().iter().filter(|found| !known.contains(&found.kind.as_str())) {
        reader.refuse(format!("{} {}", found.kind.to_lowercase(), found.name), "dbm does not know that kind");
    }
    let mut schema = reader.schema;
    order(&mut schema.objects);
    Ok(schema)
}

/// The order of kinds within a section, so that each stands after what it may need.
fn rank(kind: Kind) -> u32 {
    match kind {
        Kind::Sequence => 0,
        Kind::Table => 1,
        Kind::View => 2,
        Kind::ForeignKey => 3,
        Kind::Function => 4,
        Kind::Procedure => 5,
        Kind::Package => 6,
        Kind::PackageBody => 7,
        Kind::ViewBody => 8,
        Kind::Trigger => 9,
        Kind::Event => 10,
        _ => 11,
    }
}

/// By section and kind and name; triggers of one moment in the order in which they fire.
fn order(objects: &mut Vec<Object>) {
    objects.sort_by(|a, b| (a.section, rank(a.id.kind), &a.id).cmp(&(b.section, rank(b.id.kind), &b.id)));
    let mut done: BTreeSet<ObjectId> = BTreeSet::new();
    let there: BTreeSet<ObjectId> = objects.iter().map(|object| object.id.clone()).collect();
    let mut waiting: Vec<Object> = std::mem::take(objects);
    // A trigger may wait for one that sorts after it; few do, and each round sets at least one.
    waiting.reverse();
    while !waiting.is_empty() {
        let ready =
            |object: &Object| object.depends_on.iter().all(|on| done.contains(on) || !there.contains(on));
        let place = waiting.iter().rposition(ready).unwrap_or(waiting.len() - 1);
        let object = waiting.remove(place);
        done.insert(object.id.clone());
        objects.push(object);
    }
    debug_assert!(objects.is_sorted_by_key(|object| Reverse(Reverse(object.section))));
}

impl Reader<'_> {
    /// What lists as a table of that type.
    pub(super) fn list(&self, kind: &str) -> Vec<Listed> {
        self.listed.iter().filter(|found| found.kind == kind).cloned().collect()
    }

    /// The first row of a `SHOW`.
    pub(super) async fn row(&mut self, sql: &str) -> Result<Vec<Option<String>>> {
        let rows = self.connection.query(sql, "").await?;
        Ok(rows.into_iter().next().unwrap_or_default())
    }

    /// One value of the first row of a `SHOW`, by its place.
    pub(super) async fn show(&mut self, sql: &str, place: usize) -> Result<Option<String>> {
        Ok(self.row(sql).await?.into_iter().nth(place).flatten())
    }

    pub(super) fn literal(&self) -> String {
        quote::literal(Engine::Mysql, self.database)
    }

    /// A condition that a column names the database that is read.
    pub(super) fn own(&self, column: &str) -> String {
        is_database(column, self.database)
    }

    /// An object before the rows with nothing about it.
    pub(super) fn empty(&self) -> Object {
        Object {
            id: id(Kind::Table, ""),
            section: Section::PreData,
            definition: String::new(),
            owner: None,
            comments: Vec::new(),
            privileges: Vec::new(),
            depends_on: Vec::new(),
            table: None,
        }
    }

    /// The collation that the database had when an object was made, and its own, where that is another one now.
    pub(super) fn collation_then(&self, then: Option<String>) -> Option<(String, String)> {
        then.filter(|then| *then != self.collation).map(|then| (then, self.collation.clone()))
    }

    /// Tells of a text that is carried in another character set than it was written in.
    pub(super) fn note_recoding(&mut self, under: &Under, text: &str, what: &str) {
        if let Some((client, _)) = under.charset.as_ref().filter(|_| under.recodes(text)) {
            self.schema.left_out.push(NotCarried::new(
                format!("the client's character set {client} of {what}"),
                "its text is carried in utf8mb4",
            ));
        }
    }
}
