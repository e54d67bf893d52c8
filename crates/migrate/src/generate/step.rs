use std::collections::BTreeMap;

use database::{Kind, Object, ObjectId, Schema};

/// Whose something is.
pub(crate) type Owners = BTreeMap<ObjectId, String>;

/// One statement of a migration, complete, with its semicolon and newline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(super) sql: String,
    /// What is lost by it, if anything is.
    pub(super) loses: Option<String>,
    /// What whoever reads it has to know.
    pub(super) note: Option<String>,
    /// Whether it comes in a file of its own after the others, outside a transaction.
    pub(super) apart: bool,
}

impl Statement {
    pub(super) fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), loses: None, note: None, apart: false }
    }

    pub(super) fn losing(self, what: impl Into<String>) -> Self {
        Self { loses: Some(what.into()), ..self }
    }

    pub(super) fn apart(self) -> Self {
        Self { apart: true, ..self }
    }
}

/// What a step does to its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Verb {
    Drop,
    Change,
    Create,
}

/// All that is done to one object at once.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(super) verb: Verb,
    pub(super) object: ObjectId,
    pub(super) statements: Vec<Statement>,
}

/// How an object becomes another one of the same name.
#[derive(Debug)]
pub(crate) enum Change {
    /// In place.
    InPlace(InPlace),
    /// It is dropped and made again.
    Again,
}

/// A change in place.
#[derive(Debug, Default)]
pub(crate) struct InPlace {
    pub(super) statements: Vec<Statement>,
    /// Objects whose dependents are in the way, and are dropped before and made again after.
    pub(super) disturbs: Vec<ObjectId>,
    /// Columns that are new, although one of that name was there: their comments are gone.
    pub(super) made_again: Vec<String>,
}

/// How the statements may be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Whether what spares other sessions a wait may stand in a second file, outside a transaction.
    pub(super) apart: bool,
    /// Whether privileges are compared too.
    pub(super) privileges: bool,
}

/// The two schemas between which a step leads.
#[derive(Clone, Copy)]
pub(crate) struct Between<'s> {
    pub(super) old: &'s Schema,
    pub(super) new: &'s Schema,
    pub(super) style: Style,
}

impl Between<'_> {
    /// The table that a constraint, an index or the like is of, as it is before.
    pub(super) fn table_before(&self, object: &Object) -> Option<&Object> {
        self.old.objects.iter().find(|table| {
            matches!(table.id.kind, Kind::Table | Kind::MaterializedView)
                && (&table.id.namespace, &table.id.name) == (&object.id.namespace, &object.id.of)
        })
    }
}

/// Why no statement is written for a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unwritable {
    pub(super) why: String,
}

impl Unwritable {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into() }
    }
}

/// What an engine knows of changing its objects.
pub(crate) trait Dialect: Sync {
    /// An object's definition in the form in which two are compared.
    fn normal(&self, object: &Object) -> String;

    /// Whether one needs no change to become the other, as far as their definitions go.
    fn same(&self, one: &Object, other: &Object) -> bool {
        self.normal(one) == self.normal(other)
    }

    /// Adds to what an object depends on what the engine's catalogs do not say.
    fn complete(&self, _schema: &mut Schema) {}

    /// What makes it, its comments included; it may be of a table that is there.
    fn create(&self, object: &Object, between: Between<'_>) -> Vec<Statement>;

    /// What removes it.
    ///
    /// # Errors
    /// dbm does not write that.
    fn drop(&self, object: &Object, between: Between<'_>) -> Result<Vec<Statement>, Unwritable>;

    /// What makes the old one the new one; only called where their normal forms differ.
    ///
    /// # Errors
    /// dbm does not write that.
    fn change(&self, old: &Object, new: &Object, between: Between<'_>) -> Result<Change, Unwritable>;

    /// What an object goes with, without a statement of its own, when any of it is dropped.
    fn goes_with(&self, object: &Object, schema: &Schema) -> Vec<ObjectId>;

    /// What of what is new comes before an object that does not depend on it.
    fn comes_after(&self, _object: &Object, _schema: &Schema) -> Vec<ObjectId> {
        Vec::new()
    }

    /// Whether an object that depends on one that is changed is in its way.
    fn is_in_the_way(&self, dependent: &Object, need: &ObjectId) -> bool;

    /// Whether an object of a table goes with a column that is dropped and added.
    fn goes_with_column(&self, _object: &Object, _column: &str) -> bool {
        false
    }

    /// Whether an object calls by its name what goes, and then another one of that name: it goes before and comes after.
    fn calls_another(&self, _object: &Object, _need: &ObjectId, _between: Between<'_>) -> bool {
        false
    }

    /// What takes a comment away.
    fn no_comment(&self, target: &str) -> String {
        format!("{target} IS NULL;\n")
    }

    /// Whether it may be dropped and made again with nothing lost.
    fn may_be_made_again(&self, object: &Object) -> bool;

    /// What stands before the statements of a file.
    fn preamble(&self, steps: &[&Step], transaction: bool) -> String;

    /// What stands after them.
    fn ending(&self, _steps: &[&Step]) -> String {
        String::new()
    }

    /// What gives an object, or a column of one, another name; the two objects of one kind.
    fn rename(&self, object: &Object, column: Option<&str>, to: &str) -> Option<String>;

    /// What serves a column under another name than the wanted one, and that name: its count is to go on.
    fn renamed_along(&self, _before: &Schema, _wanted: &Schema) -> Option<(ObjectId, String)> {
        None
    }

    /// Who owns what is there, or in whose name it acts, where that is somebody else than for what the account itself made.
    fn owners(&self, _there: &Schema, _made: &Schema, _account: &str) -> Owners {
        Owners::new()
    }

    /// What asks a server as whom objects are made, where migrations may give them to others.
    fn asks_account(&self) -> Option<&'static str> {
        None
    }

    /// Whose that is which the migrations themselves gave to somebody else than the account.
    fn given(&self, _made: &Schema, _account: &str) -> Owners {
        Owners::new()
    }

    /// Gives what is made again to whom it was.
    fn give_back(&self, _object: &Object, _owner: &str, _statements: &mut Vec<Statement>) {}

    /// The views and triggers that are broken when an object, or a column of one, gets another name, in the order of their
    /// making.
    fn broken_by_rename<'s>(
        &self,
        _object: &Object,
        _column: Option<&str>,
        _schema: &'s Schema,
    ) -> Vec<&'s Object> {
        Vec::new()
    }
}

/// The views that are made of an object or of one another, and the triggers on these, in the order of their making.
pub(super) fn views_on<'s>(object: &Object, schema: &'s Schema) -> Vec<&'s Object> {
    let mut found: Vec<&Object> = Vec::new();
    loop {
        let is_next = |one: &&Object| {
            let on_found = |need: &ObjectId| found.iter().any(|view| view.id == *need);
            let on_any = |need: &ObjectId| *need == object.id || on_found(need);
            !on_found(&one.id)
                && match one.id.kind {
                    Kind::View => one.depends_on.iter().any(on_any),
                    Kind::Trigger => one.depends_on.iter().any(on_found),
                    _ => false,
                }
        };
        let Some(next) = schema.objects.iter().find(is_next) else { return found };
        found.push(next);
    }
}
