use database::{Kind, Object, ObjectId, Schema};

use super::super::parts::columns;
use super::super::step::{Between, Statement, Unwritable};
use super::{ident, of_table, qualified};

/// What an object is called in `ALTER` and `DROP`: `TABLE "public"."item"`.
pub(super) fn target(object: &Object) -> Option<String> {
    // That of a sequence that serves a column is its table's.
    if object.id.kind == Kind::Sequence {
        return Some(format!("SEQUENCE {}", qualified(&object.id)));
    }
    let owner = object.owner.as_deref()?;
    let (start, _) = owner.rsplit_once(" OWNER TO ")?;
    start.strip_prefix("ALTER ").map(str::to_owned)
}

/// The role that owns an object, as it is written.
pub(super) fn owner(object: &Object) -> Option<&str> {
    let (_, role) = object.owner.as_deref()?.rsplit_once(" OWNER TO ")?;
    role.strip_suffix(";\n")
}

/// What removes an object.
pub(super) fn statements(object: &Object, between: Between<'_>) -> Result<Vec<Statement>, Unwritable> {
    let id = &object.id;
    let on = |what: &str| format!("DROP {what} {} ON {};\n", ident(&id.name), of_table(id));
    let table = of_table(id);
    let alter = |how: String| format!("ALTER TABLE {table} {how};\n");
    let sql = match id.kind {
        // What something else makes goes with that.
        Kind::Refresh => return Ok(Vec::new()),
        _ if object.definition.is_empty() => return Ok(Vec::new()),
        Kind::Trigger => on("TRIGGER"),
        Kind::Rule => on("RULE"),
        Kind::Policy => on("POLICY"),
        Kind::Constraint | Kind::ForeignKey => alter(format!("DROP CONSTRAINT {}", ident(&id.name))),
        Kind::Default => alter(format!("ALTER COLUMN {} DROP DEFAULT", ident(&id.name))),
        Kind::Index if is_dropped_apart(object, between) => {
            return Ok(vec![Statement::new(format!("DROP INDEX CONCURRENTLY {};\n", qualified(id))).apart()]);
        }
        Kind::Index => format!("DROP INDEX {};\n", qualified(id)),
        Kind::Extension => format!("DROP EXTENSION {};\n", ident(&id.name)),
        Kind::OwnedBy => format!("ALTER SEQUENCE {} OWNED BY NONE;\n", qualified(id)),
        Kind::RowSecurity => format!(
            "ALTER TABLE {0} DISABLE ROW LEVEL SECURITY;\nALTER TABLE {0} NO FORCE ROW LEVEL SECURITY;\n",
            qualified(id)
        ),
        Kind::Attach => return detach(object),
        Kind::Table | Kind::Sequence => {
            let target = target(object).ok_or_else(|| Unwritable::new("it has no owner to name it by"))?;
            let goes_with_column = id.kind == Kind::Sequence && is_of_nothing(object, between);
            let statement = Statement::new(format!("DROP {target};\n"));
            let loses = match id.kind {
                Kind::Table => Some(format!("the rows of {id}")),
                // That of a column that goes is lost with the column.
                _ => (!goes_with_column).then(|| format!("how far {id} has counted")),
            };
            return Ok(vec![match loses {
                Some(what) => statement.losing(what),
                None => statement,
            }]);
        }
        _ => match target(object) {
            Some(target) => format!("DROP {target};\n"),
            None => return Err(Unwritable::new("dbm does not write what drops this kind of object")),
        },
    };
    Ok(vec![Statement::new(sql)])
}

/// What a sequence serves: its table and, as it is written, its column.
pub(super) fn served<'s>(sequence: &ObjectId, schema: &'s Schema) -> Option<(&'s ObjectId, &'s str)> {
    let tie = schema.get(&ObjectId { kind: Kind::OwnedBy, ..sequence.clone() })?;
    let table = tie.depends_on.iter().find(|need| need.kind == Kind::Table)?;
    let (_, owner) = tie.definition.split_once(&format!("SEQUENCE {} OWNED BY ", qualified(sequence)))?;
    let column = owner.strip_prefix(&format!("{}.", qualified(table)))?;
    Some((table, column.trim_end_matches(";\n")))
}

/// Whether the column that a sequence serves is gone.
fn is_of_nothing(sequence: &Object, between: Between<'_>) -> bool {
    served(&sequence.id, between.old).is_some_and(|(table, column)| {
        let after = between.new.get(table);
        !after.is_some_and(|table| columns(table).iter().any(|own| ident(&own.name) == column))
    })
}

/// Whether an index may go after everything else, with nobody waiting for it: what it hangs on stays as it is, so that
/// nothing waits for its end but what takes its place.
fn is_dropped_apart(object: &Object, between: Between<'_>) -> bool {
    let id = &object.id;
    let stays = |need: &ObjectId| {
        let (before, after) = (between.old.get(need), between.new.get(need));
        matches!(need.kind, Kind::Table | Kind::Namespace)
            && before.zip(after).is_some_and(|(before, after)| before.definition == after.definition)
    };
    let holds_rows = |object: &Object| {
        between
            .table_before(object)
            .and_then(|table| table.table.as_deref())
            .is_some_and(|table| table.holds_rows)
    };
    // What is made in the first file finds the name taken; and a new foreign key there would bind to the index that goes.
    let is_replaced = between.new.objects.iter().any(|other| {
        let takes_name = (&other.id.namespace, &other.id.name) == (&id.namespace, &id.name);
        takes_name && !(other.id.kind == Kind::Index && holds_rows(other))
    });
    let is_bound_to = object.definition.starts_with("CREATE UNIQUE ")
        && between.new.objects.iter().any(|other| {
            let table = |need: &ObjectId| {
                need.kind == Kind::Table && (&need.namespace, &need.name) == (&id.namespace, &id.of)
            };
            other.id.kind == Kind::ForeignKey
                && other.depends_on.iter().any(table)
                && between.old.get(&other.id).is_none_or(|before| before.definition != other.definition)
        });
    // That of a partitioned table goes with those of its partitions.
    between.style.apart
        && holds_rows(object)
        && object.depends_on.iter().all(stays)
        && !is_replaced
        && !is_bound_to
}

fn detach(object: &Object) -> Result<Vec<Statement>, Unwritable> {
    // ALTER TABLE ONLY parent ATTACH PARTITION name bounds; of an index there is no way back but dropping it.
    let parent =
        object.definition.strip_prefix("ALTER TABLE ONLY ").and_then(|rest| rest.split_once(" ATTACH "));
    let Some((parent, _)) = parent else {
        return Err(Unwritable::new("an index cannot be detached from its parent's"));
    };
    Ok(vec![Statement::new(format!("ALTER TABLE {parent} DETACH PARTITION {};\n", qualified(&object.id)))])
}
