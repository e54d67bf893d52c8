mod cast;
mod computed;
mod drop;
mod key;
mod overload;
mod table;
mod types;

use database::{Engine, Kind, Object, ObjectId, Schema, quote};

use super::parts::{Parts, columns};
use super::step::{Between, Change, Dialect, InPlace, Owners, Statement, Step, Unwritable, Verb};

/// Changes of PostgreSQL's objects.
pub(crate) struct Postgres;

fn ident(name: &str) -> String {
    quote::identifier(Engine::Postgres, name)
}

/// The qualified name of an object that is no part of another.
fn qualified(id: &ObjectId) -> String {
    quote::qualified(Engine::Postgres, &[&id.namespace, &id.name])
}

/// The qualified name of the table that an object is of.
fn of_table(id: &ObjectId) -> String {
    quote::qualified(Engine::Postgres, &[&id.namespace, &id.of])
}

impl Dialect for Postgres {
    fn normal(&self, object: &Object) -> String {
        match object.id.kind {
            Kind::Table => Parts::of(Engine::Postgres, &object.definition)
                .map_or_else(|| object.definition.clone(), |parts| parts.unordered()),
            _ => object.definition.clone(),
        }
    }

    fn complete(&self, schema: &mut Schema) {
        // The index of a partition goes, and comes back, with its parent's.
        let attached: Vec<(ObjectId, Vec<ObjectId>)> = schema
            .objects
            .iter()
            .filter(|object| is_of_index(object))
            .map(|object| {
                let parents = object.depends_on.iter().filter(|need| need.name != object.id.name);
                (object.id.clone(), parents.cloned().collect())
            })
            .collect();
        for object in &mut schema.objects {
            if !matches!(object.id.kind, Kind::Index | Kind::Constraint) {
                continue;
            }
            let own = attached
                .iter()
                .find(|(id, _)| (&id.namespace, &id.name) == (&object.id.namespace, &object.id.name));
            object.depends_on.extend(own.into_iter().flat_map(|(_, parents)| parents.clone()));
        }
    }

    fn create(&self, object: &Object, between: Between<'_>) -> Vec<Statement> {
        let mut statements = made(object, between);
        if statements.is_empty() && object.definition.is_empty() && object.comments.is_empty() {
            return statements;
        }
        let apart = statements.iter().all(|statement| statement.apart) && !statements.is_empty();
        for comment in &object.comments {
            let comment = Statement::new(comment);
            statements.push(if apart { comment.apart() } else { comment });
        }
        statements.extend(overload::take_on(&object.id, between));
        statements
    }

    fn drop(&self, object: &Object, between: Between<'_>) -> Result<Vec<Statement>, Unwritable> {
        let mut statements = overload::let_go(&object.id, between);
        statements.extend(drop::statements(object, between)?);
        Ok(statements)
    }

    fn calls_another(&self, object: &Object, need: &ObjectId, between: Between<'_>) -> bool {
        let is_its_own = |other: &ObjectId| {
            (other.kind, &other.namespace, overload::bare(other))
                == (need.kind, &need.namespace, overload::bare(need))
        };
        let after = between.new.get(&object.id);
        overload::is_replaced(need, between)
            && after.is_some_and(|after| after.depends_on.iter().any(is_its_own))
    }

    fn no_comment(&self, target: &str) -> String {
        // The namespace that a new database has is born with one.
        let says = if target == "COMMENT ON SCHEMA \"public\"" { "'standard public schema'" } else { "NULL" };
        format!("{target} IS {says};\n")
    }

    fn change(&self, old: &Object, new: &Object, between: Between<'_>) -> Result<Change, Unwritable> {
        match old.id.kind {
            Kind::Table => table::change(old, new, between).map(Change::InPlace),
            Kind::Enum => types::change_enum(old, new, between),
            Kind::Sequence if old.definition.is_empty() != new.definition.is_empty() => Err(Unwritable::new(
                "a column's own counter and one that only serves it cannot become each other without the count",
            )),
            Kind::Sequence => Ok(in_place(change_sequence(&new.definition))),
            Kind::Function | Kind::Procedure if header(&old.definition) == header(&new.definition) => {
                Ok(in_place(new.definition.clone()))
            }
            Kind::View if begins_with(new, old) => {
                Ok(in_place(new.definition.replacen("CREATE VIEW", "CREATE OR REPLACE VIEW", 1)))
            }
            Kind::Constraint => Ok(key::changed(old, new, between).map_or(Change::Again, Change::InPlace)),
            Kind::Namespace | Kind::Extension => {
                Err(Unwritable::new("its definition differs, and everything in it hangs on it"))
            }
            _ => Ok(Change::Again),
        }
    }

    fn goes_with(&self, object: &Object, schema: &Schema) -> Vec<ObjectId> {
        let id = &object.id;
        let table = |name: &str| {
            let same = |one: &&Object| {
                matches!(one.id.kind, Kind::Table | Kind::ForeignTable | Kind::View | Kind::MaterializedView)
                    && one.id.namespace == id.namespace
                    && one.id.name == name
            };
            schema.objects.iter().find(same).map(|one| one.id.clone())
        };
        let needs = |kinds: &[Kind]| -> Vec<ObjectId> {
            object
                .depends_on
                .iter()
                .filter(|need| kinds.contains(&need.kind) && need.name != id.name)
                .cloned()
                .collect()
        };
        match id.kind {
            // Those of a partition go with its parent's.
            Kind::Constraint | Kind::Index => {
                table(&id.of).into_iter().chain(needs(&[Kind::Constraint, Kind::Index])).collect()
            }
            Kind::Attach if is_of_index(object) => {
                let own = object.depends_on.iter().filter(|need| need.name == id.name);
                let tables = own.filter_map(|own| table(&own.of));
                tables.chain(needs(&[Kind::Constraint, Kind::Index])).collect()
            }
            Kind::Trigger | Kind::Rule | Kind::Policy | Kind::Default => table(&id.of).into_iter().collect(),
            Kind::RowSecurity | Kind::Refresh | Kind::Attach => table(&id.name).into_iter().collect(),
            Kind::OwnedBy => needs(&[Kind::Table]),
            Kind::Sequence => {
                let tie = ObjectId { kind: Kind::OwnedBy, ..id.clone() };
                let tie = schema.get(&tie).map_or_else(Vec::new, |tie| self.goes_with(tie, schema));
                tie.into_iter().chain(needs(&[Kind::Table])).collect()
            }
            _ => Vec::new(),
        }
    }

    fn comes_after(&self, object: &Object, schema: &Schema) -> Vec<ObjectId> {
        let id = &object.id;
        if id.kind != Kind::Attach {
            return Vec::new();
        }
        if is_of_index(object) {
            // To attach what the attached partition brought along is nothing.
            let own = object.depends_on.iter().filter(|need| need.name == id.name);
            return own
                .map(|own| ObjectId { name: own.of.clone(), of: String::new(), ..id.clone() })
                .collect();
        }
        // A partition that lacks an index of its parent's is given one, under a name of the server's choice.
        let is_own = |one: &&Object| {
            matches!(one.id.kind, Kind::Constraint | Kind::Index)
                && (&one.id.namespace, &one.id.of) == (&id.namespace, &id.name)
        };
        schema.objects.iter().filter(is_own).map(|one| one.id.clone()).collect()
    }

    fn is_in_the_way(&self, dependent: &Object, need: &ObjectId) -> bool {
        // What of it compares with labels would compare with those of the type that was.
        let compares = matches!(dependent.id.kind, Kind::Index | Kind::Constraint) && need.kind == Kind::Enum;
        compares
            || matches!(
                dependent.id.kind,
                Kind::View
                    | Kind::MaterializedView
                    | Kind::ViewBody
                    | Kind::Rule
                    | Kind::Trigger
                    | Kind::Policy
                    | Kind::Function
                    | Kind::Procedure
            )
    }

    fn goes_with_column(&self, object: &Object, column: &str) -> bool {
        matches!(object.id.kind, Kind::Index | Kind::Constraint | Kind::ForeignKey | Kind::Statistics)
            && computed::names(&object.definition).iter().any(|name| name == column)
    }

    fn may_be_made_again(&self, object: &Object) -> bool {
        !matches!(
            object.id.kind,
            Kind::Table
                | Kind::ForeignTable
                | Kind::Sequence
                | Kind::Namespace
                | Kind::Extension
                | Kind::LargeObject
                | Kind::Subscription
        )
    }

    fn preamble(&self, steps: &[&Step], transaction: bool) -> String {
        let makes_routines = steps.iter().any(|step| {
            step.verb != Verb::Drop && matches!(step.object.kind, Kind::Function | Kind::Procedure)
        });
        match (makes_routines, transaction) {
            (false, _) => String::new(),
            // A body may name what is made after it.
            (true, true) => "SET LOCAL check_function_bodies = off;\n".to_owned(),
            (true, false) => "SET check_function_bodies = off;\n".to_owned(),
        }
    }

    fn owners(&self, there: &Schema, made: &Schema, _account: &str) -> Owners {
        let others = there.objects.iter().filter_map(|object| {
            let role = drop::owner(object)?;
            (drop::owner(made.get(&object.id)?)? != role).then(|| (object.id.clone(), role.to_owned()))
        });
        others.collect()
    }

    fn asks_account(&self) -> Option<&'static str> {
        Some("SELECT current_user")
    }

    fn given(&self, made: &Schema, account: &str) -> Owners {
        let account = ident(account);
        let roles = made.objects.iter().filter_map(|object| Some((object, drop::owner(object)?)));
        // The namespace that a new database has is the server's.
        let given = roles.filter(|(object, role)| *role != account && object.id.kind != Kind::Namespace);
        given.map(|(object, role)| (object.id.clone(), role.to_owned())).collect()
    }

    fn give_back(&self, object: &Object, owner: &str, statements: &mut Vec<Statement>) {
        let apart = statements.iter().all(|statement| statement.apart);
        if let (Some(_), Some(target)) = (&object.owner, drop::target(object)) {
            let sql = format!("ALTER {target} OWNER TO {owner};\n");
            statements.push(Statement { apart, ..Statement::new(sql) });
        }
    }

    fn renamed_along(&self, before: &Schema, wanted: &Schema) -> Option<(ObjectId, String)> {
        let is_new = |one: &&Object| one.id.kind == Kind::Sequence && before.get(&one.id).is_none();
        wanted.objects.iter().filter(is_new).find_map(|new| {
            let serves = drop::served(&new.id, wanted)?;
            let was = before.objects.iter().find(|old| {
                old.id.kind == Kind::Sequence
                    && old.id.namespace == new.id.namespace
                    && wanted.get(&old.id).is_none()
                    && drop::served(&old.id, before) == Some(serves)
            });
            Some((was?.id.clone(), new.id.name.clone()))
        })
    }

    fn rename(&self, object: &Object, column: Option<&str>, to: &str) -> Option<String> {
        let target = drop::target(object)?;
        let what = column.map_or_else(String::new, |column| format!("COLUMN {} ", ident(column)));
        Some(format!("ALTER {target} RENAME {what}TO {};\n", ident(to)))
    }
}

/// Whether it is the place of a partition's index under its parent's.
fn is_of_index(object: &Object) -> bool {
    object.id.kind == Kind::Attach && object.definition.starts_with("ALTER INDEX ")
}

fn in_place(sql: String) -> Change {
    Change::InPlace(InPlace { statements: vec![Statement::new(sql)], ..InPlace::default() })
}

/// The statements of a definition, in the form that keeps others waiting least where its table is there already.
fn made(object: &Object, between: Between<'_>) -> Vec<Statement> {
    let whole = || vec![Statement::new(&object.definition)];
    if object.definition.is_empty() {
        return Vec::new();
    }
    let Some(table) = between.table_before(object) else { return whole() };
    let is_partitioned = table.table.as_deref().is_some_and(|table| !table.holds_rows);
    // The index of a partition is attached to its parent's at once: there is no way back to where it is not.
    let is_attached =
        object.depends_on.iter().any(|need| matches!(need.kind, Kind::Index | Kind::Constraint));
    let is_late = object.id.kind == Kind::Index && is_attached;
    if !between.style.apart || is_late || (is_partitioned && table.id.kind == Kind::Table) {
        return whole();
    }
    match object.id.kind {
        Kind::Index => {
            let place = object.definition.find(" INDEX ").unwrap_or_default() + " INDEX ".len();
            let (start, rest) = object.definition.split_at(place);
            vec![Statement::new(format!("{start}CONCURRENTLY {rest}")).apart()]
        }
        Kind::ForeignKey | Kind::Constraint => {
            let careful = not_valid(&object.definition, &of_table(&object.id), &object.id.name);
            careful.or_else(|| key::made(object, between)).unwrap_or_else(whole)
        }
        _ => whole(),
    }
}

/// A foreign key or check that is looked after at once, and compared with the rows that are there later.
fn not_valid(definition: &str, table: &str, name: &str) -> Option<Vec<Statement>> {
    let add = definition.split_once(&format!("ADD CONSTRAINT {} ", ident(name)))?.1;
    if !(add.starts_with("FOREIGN KEY") || add.starts_with("CHECK")) || add.ends_with(" NOT VALID;\n") {
        return None;
    }
    let start = definition.strip_suffix(";\n")?;
    let validate = format!("ALTER TABLE {table} VALIDATE CONSTRAINT {};\n", ident(name));
    Some(vec![Statement::new(format!("{start} NOT VALID;\n")), Statement::new(validate).apart()])
}

/// A sequence goes on counting where it is.
fn change_sequence(definition: &str) -> String {
    let altered = definition.replacen("CREATE UNLOGGED SEQUENCE", "ALTER SEQUENCE", 1).replacen(
        "CREATE SEQUENCE",
        "ALTER SEQUENCE",
        1,
    );
    match altered.strip_suffix(" CYCLE;\n") {
        Some(_) => altered,
        None => altered.replacen(";\n", " NO CYCLE;\n", 1),
    }
}

/// What of a routine `CREATE OR REPLACE` cannot change: its arguments and what it returns.
fn header(definition: &str) -> &str {
    let end = definition.find("\n LANGUAGE ").unwrap_or(definition.len());
    &definition[..end]
}

/// Whether a view has all columns that it had, in the same places.
fn begins_with(new: &Object, old: &Object) -> bool {
    let (before, after) = (columns(old), columns(new));
    let same = before.iter().zip(after).all(|(a, b)| a.name == b.name && a.data_type == b.data_type);
    before.len() <= after.len() && same
}
