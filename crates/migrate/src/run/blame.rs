//! What of a schema a rollback is to blame for, where only a scratch database shows what it was to be.

use std::collections::{BTreeMap, BTreeSet};

use backup::Error;
use database::{Engine, Kind, Object, ObjectId, Schema};

use crate::compare::{Difference, Differs, What, compare, text};
use crate::engine;
use crate::history::{is_code, without_upkeep};

/// Of so many objects the names are told.
const NAMED: usize = 5;

/// A database around a rollback.
pub(super) struct Around {
    pub(super) engine: Engine,
    pub(super) before: Schema,
    pub(super) after: Schema,
    /// What runs have changed since the earliest that is taken back began, where that is known.
    pub(super) since: Option<BTreeSet<ObjectId>>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What the rollback has not undone, or has undone too much.
    pub(super) not_undone: Vec<Line>,
    /// What is not as it should be, and may have been so by hand.
    pub(super) unknown: Vec<Line>,
    /// Whether something was left out that may be made again.
    pub(super) without_code: bool,
    /// Why not all is known.
    why: Option<Error>,
}

/// One object, for people.
#[derive(Debug)]
pub(super) struct Line {
    kind: Kind,
    pub(super) text: String,
}

impl Line {
    fn of(difference: &Difference, more: &str) -> Self {
        Self { kind: difference.object.kind, text: difference.line() + more }
    }
}

impl Found {
    /// Leaves out views, functions, triggers and the like.
    pub(super) fn leave_out_code(&mut self) {
        let (known, unknown) = (self.not_undone.len(), self.unknown.len());
        self.not_undone.retain(|line| !is_code(line.kind));
        self.unknown.retain(|line| !is_code(line.kind));
        // Where all could be replayed, what is left and unknown of these is what the files without a number have made.
        self.without_code =
            self.not_undone.len() < known || (self.why.is_some() && self.unknown.len() < unknown);
    }

    /// Which objects may have been left by the rollback or by hand, and why that is not known.
    pub(super) fn doubt(&self) -> Option<String> {
        if self.unknown.is_empty() {
            return None;
        }
        let why = match &self.why {
            Some(why) => format!("what was taken back cannot be replayed ({why})"),
            None => {
                "neither what stays nor what was taken back makes it in a scratch database, which has no rows"
                    .to_owned()
            }
        };
        let mut names: Vec<String> = self.unknown.iter().take(NAMED).map(|line| line.text.clone()).collect();
        if let Some(more) = self.unknown.len().checked_sub(NAMED).filter(|more| *more > 0) {
            names.push(format!("and {more} more"));
        }
        Some(format!(
            "{why}, so that it is not known whether what was taken back or somebody by hand is why {}",
            names.join("; ")
        ))
    }
}

impl Around {
    /// How the database differs from what it should be. Whether a materialized view is filled says when it was refreshed, and
    /// which partitions there are which job has run, and not what somebody has written into a migration.
    pub(super) fn off(&self, expected: &Schema, what: What) -> Vec<Difference> {
        let mut off = compare(self.engine, expected, &self.after, what);
        off.retain(|one| {
            let words = |sql: &Option<String>| sql.as_ref().map(|sql| self.words(sql));
            one.object.kind != Kind::Refresh && words(&one.before) != words(&one.after)
        });
        off
    }

    /// Of what is off, that which was not off in the same way before the rollback: `with` is what there should have been
    /// then. So what somebody has changed by hand, or what is there besides, is nobody's fault.
    pub(super) fn blamed(&self, expected: &Schema, with: &Schema, off: Vec<Difference>) -> Found {
        let all = [expected, with, &self.before, &self.after].map(by_id);
        let mut found = Found::default();
        for one in off {
            let [expected, with, before, after] =
                all.each_ref().map(|schema| schema.get(&one.object).copied());
            // Whose a new object is, and who may use it, goes by the database and its defaults.
            let stays = [expected, with, before, after].iter().all(Option::is_some);
            let what = if stays { What::Everything } else { What::Definitions };
            // A partition that a job has made gets and loses columns with its table.
            let is_besides = expected.is_some() != after.is_some()
                && expected.is_some() == with.is_some()
                && before.is_some() == after.is_some();
            if is_besides {
                // What files make of the rows that they find, a scratch database has not: made by runs since, it may have
                // been made by what was taken back.
                let by_runs = self.since.as_ref().is_some_and(|since| since.contains(&one.object));
                if after.is_some() && by_runs && !self.is_same(expected, after, what) {
                    found.unknown.push(Line::of(&one, ""));
                }
                continue;
            }
            if self.is_same(expected, after, what) {
                continue;
            }
            if with.is_none() && before.is_none() && self.is_carried(expected, after, &all) {
                continue;
            }
            if self.is_same(with, before, what) {
                found.not_undone.push(Line::of(&one, ""));
            } else if self.change(with, before, what) != self.change(expected, after, what) {
                found
                    .not_undone
                    .push(Line::of(&one, " (and was not as its migrations make it before, either)"));
            }
        }
        found
    }

    /// Whether what is off came along under another name: of a table that got its old name back, or with one.
    fn is_carried(
        &self,
        expected: Option<&Object>,
        after: Option<&Object>,
        [_, with, before, now]: &[ById<'_>; 4],
    ) -> bool {
        let Some(after) = after else { return false };
        let mut gone = before.iter().filter(|(id, _)| id.kind == after.id.kind && !now.contains_key(*id));
        gone.any(|(id, was)| match (expected, with.get(*id).copied()) {
            (None, None) => id.name == after.id.name,
            (Some(_), Some(with)) => {
                let change = self.change(Some(with), Some(was), What::Definitions);
                !change.is_empty() && change == self.change(expected, Some(after), What::Definitions)
            }
            _ => false,
        })
    }

    /// The same where nobody knows what there should have been before the rollback: what it has changed, or runs had, and
    /// what is off.
    pub(super) fn blamed_without(&self, expected: &Schema, why: Error) -> Found {
        let (before, after) = (by_id(&self.before), by_id(&self.after));
        let mut found = Found { why: Some(why), ..Found::default() };
        for one in self.off(expected, What::Definitions) {
            let [was, is] = [&before, &after].map(|schema| schema.get(&one.object).copied());
            let came_or_went = was.is_some() != is.is_some();
            let is_changed = one.differs == Differs::Changed && !self.is_same(was, is, What::Definitions);
            let of_runs = self.since.as_ref().map(|since| since.contains(&one.object));
            let line = Line::of(&one, "");
            match (came_or_went || is_changed, of_runs) {
                (true, _) | (_, Some(true)) => found.not_undone.push(line),
                (false, Some(false)) => {}
                (false, None) => found.unknown.push(line),
            }
        }
        found
    }

    fn words(&self, sql: &str) -> String {
        without_upkeep(self.engine, &engine::canonical(self.engine, sql))
    }

    fn is_same(&self, one: Option<&Object>, other: Option<&Object>, what: What) -> bool {
        let (Some(one), Some(other)) = (one, other) else { return one.is_none() && other.is_none() };
        let (one, other) = (text(one, what), text(other, what));
        self.words(&one) == self.words(&other) || engine::is_same_in_other_quotes(self.engine, &one, &other)
    }

    /// The pieces that an object has more often, or less, than another of its name.
    fn change(&self, from: Option<&Object>, to: Option<&Object>, what: What) -> BTreeMap<String, i32> {
        let mut pieces = BTreeMap::new();
        for (object, count) in [(from, -1), (to, 1)] {
            let Some(object) = object else { continue };
            for piece in self.words(&text(object, what)).lines().flat_map(of_line) {
                *pieces.entry(piece).or_insert(0) += count;
            }
        }
        pieces.retain(|_, count| *count != 0);
        pieces
    }
}

/// What may be added or taken away by itself: columns and other clauses, and each of the rights that a statement gives.
fn of_line(line: &str) -> Vec<String> {
    let rights = line.split_once(' ').filter(|(verb, _)| ["GRANT", "REVOKE"].contains(verb));
    if let Some((verb, (rights, on))) = rights.and_then(|(verb, rest)| Some((verb, rest.split_once(" ON ")?)))
    {
        return rights.split(", ").map(|right| format!("{verb} {right} ON {on}")).collect();
    }
    let clauses = line.split([',', ';', '(', ')']).map(str::trim);
    clauses.filter(|clause| !clause.is_empty()).map(str::to_owned).collect()
}

type ById<'s> = BTreeMap<&'s ObjectId, &'s Object>;

fn by_id(schema: &Schema) -> ById<'_> {
    schema.objects.iter().map(|object| (&object.id, object)).collect()
}
