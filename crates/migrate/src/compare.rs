//! What differs between two schemas, object by object.

use std::collections::BTreeMap;

use database::{Engine, Object, ObjectId, Schema};
use serde::Serialize;

use crate::{engine, history};

/// How an object differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Differs {
    /// It is there now and was not before.
    Added,
    /// It was there and is not any more.
    Removed,
    /// It is another one.
    Changed,
}

/// An object that is not the same in both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which one.
    pub object: ObjectId,
    /// How.
    pub differs: Differs,
    /// The statements that make it as it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The statements that make it as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl Difference {
    /// In a line for people: `table public.item is missing`.
    pub fn line(&self) -> String {
        let what = match self.differs {
            Differs::Added => "is there, and was not",
            Differs::Removed => "is missing",
            Differs::Changed => "is another one",
        };
        format!("{} {what}", self.object)
    }
}

/// What of an object counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// All of it, with its owner and its privileges.
    Everything,
    /// Its definition and its comments.
    Definitions,
}

/// Everything that differs from `before` to `after`, in the order of the objects' names. What dbm keeps for itself counts
/// in neither.
pub fn compare(engine: Engine, before: &Schema, after: &Schema, what: What) -> Vec<Difference> {
    let (old, new) = (texts(engine, before, what), texts(engine, after, what));
    let mut differences = Vec::new();
    for (id, text) in &old {
        match new.get(id) {
            Some(other) if other.canonical == text.canonical => {}
            Some(other) if engine::is_same_in_other_quotes(engine, &text.plain, &other.plain) => {}
            other => differences.push(Difference {
                object: (*id).clone(),
                differs: if other.is_some() { Differs::Changed } else { Differs::Removed },
                before: Some(text.plain.clone()),
                after: other.map(|other| other.plain.clone()),
            }),
        }
    }
    for (id, text) in new.iter().filter(|(id, _)| !old.contains_key(*id)) {
        let (object, after) = ((*id).clone(), Some(text.plain.clone()));
        differences.push(Difference { object, differs: Differs::Added, before: None, after });
    }
    differences.sort_by(|one, other| one.object.cmp(&other.object));
    differences
}

/// Each object with its text in the form in which two are compared.
pub(crate) fn canonical(
    engine: Engine,
    schema: &Schema,
    what: What,
) -> impl Iterator<Item = (&ObjectId, String)> {
    texts(engine, schema, what).into_iter().map(|(id, text)| (id, text.canonical))
}

/// An object as SQL, and in the form in which two are compared.
struct Text {
    plain: String,
    canonical: String,
}

fn texts(engine: Engine, schema: &Schema, what: What) -> BTreeMap<&ObjectId, Text> {
    let objects = schema.objects.iter().filter(|object| !history::is_own(&object.id));
    objects
        .map(|object| {
            let plain = text(object, what);
            let canonical = engine::canonical(engine, &plain);
            (&object.id, Text { plain, canonical })
        })
        .collect()
}

/// An object as SQL.
pub(crate) fn text(object: &Object, what: What) -> String {
    let mut text = object.definition.clone();
    text.extend(object.comments.iter().map(String::as_str));
    if what == What::Everything {
        text.extend(object.owner.iter().chain(&object.privileges).map(String::as_str));
    }
    text
}

#[cfg(test)]
mod tests {
    use database::{Kind, Section};

    use super::*;

    fn object(name: &str, of: &str, definition: &str) -> Object {
        let id = ObjectId {
            kind: Kind::Table,
            namespace: String::new(),
            of: of.to_owned(),
            name: name.to_owned(),
        };
        Object {
            id,
            section: Section::PreData,
            definition: definition.to_owned(),
            owner: None,
            comments: Vec::new(),
            privileges: Vec::new(),
            depends_on: Vec::new(),
            table: None,
        }
    }

    fn schema(objects: Vec<Object>) -> Schema {
        Schema { objects, ..Schema::default() }
    }

    #[test]
    fn what_differs_is_named() {
        let before = schema(vec![
            object("a", "", "CREATE a;\n"),
            object("b", "", "CREATE b;\n"),
            object("same", "", "x"),
        ]);
        let commented = Object { comments: vec!["COMMENT;\n".to_owned()], ..object("b", "", "CREATE b;\n") };
        let after = schema(vec![commented, object("c", "", "CREATE c;\n"), object("same", "", "x")]);
        let found = compare(Engine::Postgres, &before, &after, What::Everything);
        let lines: Vec<String> = found.iter().map(Difference::line).collect();
        assert_eq!(lines, ["table a is missing", "table b is another one", "table c is there, and was not"]);
        assert_eq!(found[1].after.as_deref(), Some("CREATE b;\nCOMMENT;\n"));
        assert!(compare(Engine::Postgres, &after, &after, What::Everything).is_empty());
    }

    #[test]
    fn owners_count_only_where_they_are_asked_for() {
        let mine =
            Object { owner: Some("ALTER a OWNER TO me;\n".to_owned()), ..object("a", "", "CREATE a;\n") };
        let (mine, theirs) = (schema(vec![mine]), schema(vec![object("a", "", "CREATE a;\n")]));
        assert_eq!(compare(Engine::Postgres, &mine, &theirs, What::Everything).len(), 1);
        assert!(compare(Engine::Postgres, &mine, &theirs, What::Definitions).is_empty());
    }

    #[test]
    fn whose_it_is_does_not_tell_definitions_of_mysql_apart() {
        let view = |definer: &str| {
            schema(vec![object("v", "", &format!("CREATE DEFINER={definer} VIEW v AS SELECT 1"))])
        };
        let (one, other) = (view("`ro``ot`@`%`"), view("`dbm`@`localhost`"));
        assert!(compare(Engine::Mysql, &one, &other, What::Definitions).is_empty());
        let event = |definer: &str| {
            schema(vec![object("e", "", &format!("ALTER DEFINER = {definer} EVENT `e` ENABLE"))])
        };
        let (one, other) = (event("`ro``ot`@`%`"), event("`dbm`@`localhost`"));
        assert!(compare(Engine::Mysql, &one, &other, What::Definitions).is_empty());
    }

    #[test]
    fn the_history_is_nobodys_business() {
        let own =
            schema(vec![object("dbm_history", "", "x"), object("dbm_history_pkey", "dbm_history", "x")]);
        assert!(compare(Engine::Postgres, &own, &schema(Vec::new()), What::Everything).is_empty());
    }

    #[test]
    fn sqlite_keeps_what_was_typed_and_means_the_same() {
        let typed = schema(vec![object("item", "", "CREATE TABLE item (id INTEGER,\n  name TEXT)")]);
        let renamed =
            schema(vec![object("item", "", "CREATE TABLE \"item\" (id integer, -- why\n name TEXT)")]);
        assert!(compare(Engine::Sqlite, &typed, &renamed, What::Everything).is_empty());
        // A text between double quotes gets single ones when some column is dropped or renamed.
        let sloppy = schema(vec![object("item", "", "CREATE TABLE 'item' (name TEXT DEFAULT \"it's\")")]);
        let mended = schema(vec![object("item", "", "CREATE TABLE \"item\" (name TEXT DEFAULT 'it''s')")]);
        assert!(compare(Engine::Sqlite, &sloppy, &mended, What::Everything).is_empty());
        let another = schema(vec![object("item", "", "CREATE TABLE item (name TEXT DEFAULT 'It''s')")]);
        assert_eq!(compare(Engine::Sqlite, &sloppy, &another, What::Everything).len(), 1);
        let other = schema(vec![object("item", "", "CREATE TABLE item (id INTEGER, name TEXT DEFAULT 'A')")]);
        let lower = schema(vec![object("item", "", "CREATE TABLE item (id INTEGER, name TEXT DEFAULT 'a')")]);
        assert_eq!(
            compare(Engine::Sqlite, &other, &lower, What::Everything).len(),
            1,
            "values are told apart"
        );
    }
}
