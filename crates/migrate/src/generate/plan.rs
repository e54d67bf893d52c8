//! From two schemas to the steps that lead from one to the other.

use std::collections::{BTreeMap, BTreeSet};

use backup::{Error, ErrorKind, Result};
use database::{Kind, Object, ObjectId, Schema};

use super::order::{self, Edges};
use super::parts::columns;
use super::privileges;
use super::step::{Between, Change, Dialect, InPlace, Owners, Statement, Step, Style, Unwritable, Verb};

/// No privileges.
static NONE: Vec<String> = Vec::new();

/// The objects by name.
type Objects<'s> = BTreeMap<&'s ObjectId, &'s Object>;

/// The steps from one schema to another, in an order in which they can be run.
///
/// # Errors
/// [`ErrorKind::Refused`] for a difference that dbm writes no statement for, by name.
pub(super) fn steps(
    dialect: &dyn Dialect,
    (old, new): (&Schema, &Schema),
    style: Style,
    owners: &Owners,
) -> Result<Vec<Step>> {
    let between = Between { old, new, style };
    let mut fates = Fates::find(dialect, between)?;
    fates.follow(dialect)?;
    let steps = fates.steps(dialect, owners)?;
    let edges = Edges::of(dialect, between, &steps);
    order::sort(steps, &edges, between)
}

/// What becomes of the objects that do not stay as they are.
struct Fates<'s> {
    between: Between<'s>,
    old: Objects<'s>,
    new: Objects<'s>,
    removed: BTreeSet<&'s ObjectId>,
    added: BTreeSet<&'s ObjectId>,
    again: BTreeSet<&'s ObjectId>,
    in_place: BTreeMap<&'s ObjectId, InPlace>,
}

impl<'s> Fates<'s> {
    fn find(dialect: &dyn Dialect, between: Between<'s>) -> Result<Self> {
        let by_name = |schema: &'s Schema| -> Objects<'s> {
            schema.objects.iter().map(|object| (&object.id, object)).collect()
        };
        let (old, new) = (by_name(between.old), by_name(between.new));
        let mut fates = Self {
            between,
            removed: old.keys().filter(|id| !new.contains_key(*id)).copied().collect(),
            added: new.keys().filter(|id| !old.contains_key(*id)).copied().collect(),
            again: BTreeSet::new(),
            in_place: BTreeMap::new(),
            old,
            new,
        };
        for (&id, &before) in &fates.old {
            let Some(&after) = fates.new.get(id) else { continue };
            let mut change = InPlace::default();
            if !dialect.same(before, after) {
                match dialect.change(before, after, between).map_err(|why| refused(id, &why))? {
                    Change::InPlace(found) => change = found,
                    Change::Again => {
                        fates.again.insert(id);
                        continue;
                    }
                }
            }
            change.statements.extend(comments(dialect, (before, after), &change.made_again));
            let granted = match between.style.privileges {
                true => privileges::change(before, after, &change.made_again),
                false => Ok(privileges::of_columns(before, &change.made_again)),
            };
            change.statements.extend(granted.map_err(|why| refused(id, &why))?);
            if !change.statements.is_empty() {
                fates.in_place.insert(id, change);
            }
        }
        Ok(fates)
    }

    /// What depends on something that is dropped and made again, or on what is in the way of a change, has to go before
    /// and to come back after.
    fn follow(&mut self, dialect: &dyn Dialect) -> Result<()> {
        let disturbed: BTreeSet<ObjectId> =
            self.in_place.values().flat_map(|change| change.disturbs.iter().cloned()).collect();
        loop {
            let mut found = None;
            'search: for (&id, &object) in &self.old {
                if self.removed.contains(id) || self.again.contains(id) {
                    continue;
                }
                for need in &object.depends_on {
                    let in_the_way = disturbed.contains(need) && dialect.is_in_the_way(object, need);
                    // A key may only be there under another name, and what refers to it is to refer to that.
                    let refers = id.kind == Kind::ForeignKey && self.removed.contains(need);
                    // The clauses of a table that call a function are its function's to let go of.
                    let calls =
                        self.removed.contains(need) && dialect.calls_another(object, need, self.between);
                    let gone =
                        self.again.contains(need) || refers || calls && dialect.may_be_made_again(object);
                    let of_column = self.in_place.get(need).is_some_and(|change| {
                        change.made_again.iter().any(|column| dialect.goes_with_column(object, column))
                    });
                    if in_the_way || of_column || gone {
                        found = Some((id, object, need.clone(), gone));
                        break 'search;
                    }
                }
            }
            let Some((id, object, need, gone)) = found else { break };
            if !dialect.may_be_made_again(object) {
                let why = if gone { "has to be made anew" } else { "is changed" };
                return Err(refused(&need, &Unwritable::new(format!("it {why}, and {id} depends on it"))));
            }
            self.in_place.remove(id);
            self.again.insert(id);
        }
        for id in &self.again {
            if !self.old.get(id).is_some_and(|object| dialect.may_be_made_again(object)) {
                let why = "it can only be made anew, which would lose what is in it";
                return Err(refused(id, &Unwritable::new(why)));
            }
        }
        Ok(())
    }

    fn steps(mut self, dialect: &dyn Dialect, owners: &Owners) -> Result<Vec<Step>> {
        let between = self.between;
        let mut steps = Vec::new();
        let dropped: BTreeSet<&ObjectId> = self.removed.union(&self.again).copied().collect();
        for &id in &dropped {
            let object = self.old[id];
            let with = dialect.goes_with(object, between.old);
            if with.iter().any(|owner| dropped.contains(owner)) {
                continue;
            }
            let statements = dialect.drop(object, between).map_err(|why| refused(id, &why))?;
            steps.push(Step { verb: Verb::Drop, object: id.clone(), statements });
        }
        for (id, change) in std::mem::take(&mut self.in_place) {
            steps.push(Step { verb: Verb::Change, object: id.clone(), statements: change.statements });
        }
        for &id in self.added.union(&self.again) {
            let mut statements = dialect.create(self.new[id], between);
            let privileges = match between.style.privileges {
                true => &self.new[id].privileges,
                // Whoever might use what is made again, still may.
                false => self.old.get(id).map_or(&NONE, |old| &old.privileges),
            };
            if let (Some(owner), false) = (owners.get(id), statements.is_empty()) {
                dialect.give_back(self.new[id], owner, &mut statements);
            }
            let apart = !statements.is_empty() && statements.iter().all(|statement| statement.apart);
            let granted = privileges.iter().map(|sql| Statement { apart, ..Statement::new(sql) });
            statements.extend(granted);
            steps.push(Step { verb: Verb::Create, object: id.clone(), statements });
        }
        steps.retain(|step| !step.statements.is_empty());
        Ok(steps)
    }
}

/// The comments that differ. A column that is gone has taken its own along.
fn comments(
    dialect: &dyn Dialect,
    (before, after): (&Object, &Object),
    made_again: &[String],
) -> Vec<Statement> {
    let of_column = |comment: &str| {
        let (target, _) = target(comment);
        columns(before).iter().chain(columns(after)).find_map(|column| {
            let quoted = format!(".\"{}\"", column.name.replace('"', "\"\""));
            (target.starts_with("COMMENT ON COLUMN ") && target.ends_with(&quoted))
                .then(|| column.name.clone())
        })
    };
    let mut statements = Vec::new();
    for comment in &before.comments {
        let (target, _) = target(comment);
        let replaced = after.comments.iter().any(|other| self::target(other).0 == target);
        let gone = of_column(comment).is_some_and(|name| {
            made_again.contains(&name) || !columns(after).iter().any(|own| own.name == name)
        });
        if !replaced && !gone {
            statements.push(Statement::new(dialect.no_comment(target)));
        }
    }
    let is_new = |comment: &&String| {
        !before.comments.contains(comment)
            || of_column(comment).is_some_and(|name| made_again.contains(&name))
    };
    statements.extend(after.comments.iter().filter(is_new).map(Statement::new));
    statements
}

/// What a comment is on, and what it says.
fn target(comment: &str) -> (&str, &str) {
    // What it says begins at the first literal; a name before it may hold anything between its quotes.
    let mut quoted = false;
    for (place, letter) in comment.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            ' ' if !quoted && comment[place..].starts_with(" IS ") => {
                return (&comment[..place], &comment[place + 4..]);
            }
            _ => {}
        }
    }
    (comment, "")
}

fn refused(id: &ObjectId, why: &Unwritable) -> Error {
    Error::new(ErrorKind::Refused, format!("dbm writes no migration for {id}: {}", why.why)).with_hint(
        "write that step by hand: `dbm new NAME` makes the files; after it is applied, generate the rest",
    )
}
