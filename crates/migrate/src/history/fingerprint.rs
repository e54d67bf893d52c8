use std::collections::{BTreeMap, BTreeSet};

use database::script::{self, Lexeme};
use database::{Engine, Kind, ObjectId, Schema};
use serde::{Deserialize, Serialize};

use crate::compare::{Difference, Differs, What, canonical};
use crate::files::checksum;

/// The tables that an object's foreign keys are of, each with what its clause says.
pub(crate) type Refers<'f> = &'f [(String, String)];

/// What a schema was, as far as it takes to tell whether another one is the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint(Vec<Seen>);

/// An object as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    #[serde(flatten)]
    id: ObjectId,
    /// A hash of its definition and its comments.
    #[serde(rename = "d")]
    definition: String,
    /// The same with its owner and its privileges.
    #[serde(rename = "e")]
    everything: String,
    /// The tables that its foreign keys are of, each with what its clause says.
    #[serde(rename = "r", default, skip_serializing_if = "Vec::is_empty")]
    refers: Vec<(String, String)>,
}

impl Seen {
    fn hash(&self, what: What) -> &str {
        match what {
            What::Definitions => &self.definition,
            What::Everything => &self.everything,
        }
    }
}

impl Fingerprint {
    pub(crate) fn of(engine: Engine, schema: &Schema) -> Self {
        let hash = |text: &str| checksum(text)[..16].to_owned();
        let mut everything: BTreeMap<&ObjectId, String> =
            canonical(engine, schema, What::Everything).collect();
        let seen = canonical(engine, schema, What::Definitions).map(|(id, text)| Seen {
            id: id.clone(),
            definition: hash(&without_upkeep(engine, &text)),
            refers: refers(engine, &text),
            everything: hash(&everything.remove(id).unwrap_or_default()),
        });
        Self(seen.collect())
    }

    /// How many objects it is of.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// How another schema differs from it; the texts of either are not known.
    pub(crate) fn differences(&self, now: &Self, what: What) -> Vec<Difference> {
        let (before, now) = (self.by_id(), now.by_id());
        let ids: BTreeSet<&ObjectId> = before.keys().chain(now.keys()).copied().collect();
        let differs = |id| match (before.get(id), now.get(id)) {
            (None, Some(_)) => Some(Differs::Added),
            (Some(_), None) => Some(Differs::Removed),
            (Some(one), Some(other)) if one.hash(what) != other.hash(what) => Some(Differs::Changed),
            _ => None,
        };
        ids.into_iter()
            .filter_map(|id| {
                let differs = differs(id)?;
                Some(Difference { object: id.clone(), differs, before: None, after: None })
            })
            .collect()
    }

    /// What is to be kept of the schema after a run, if this one was kept after the run before it: what was changed by hand in
    /// between, and neither by the run nor allowed, is as it was.
    pub(crate) fn after(&self, before: &Self, now: Self, allowed: &BTreeSet<ObjectId>) -> Self {
        let by_hand = self.differences(before, What::Definitions);
        let of_run: BTreeSet<ObjectId> =
            before.differences(&now, What::Definitions).into_iter().map(|one| one.object).collect();
        let stays = |id: &&ObjectId| !of_run.contains(*id) && !allowed.contains(*id);
        let by_hand: BTreeSet<&ObjectId> = by_hand.iter().map(|one| &one.object).filter(stays).collect();
        let mut kept = now.0;
        kept.retain(|seen| !by_hand.contains(&seen.id));
        kept.extend(self.0.iter().filter(|seen| by_hand.contains(&seen.id)).cloned());
        Self(kept)
    }

    /// The same in the words of `now`, where another server may say the same in others: what is in both is taken for the
    /// same, and what is new or gone stays so, as far as it is an object of its own.
    pub(crate) fn in_words_of(&self, now: &Self) -> Self {
        let (then, is) = (self.by_id(), now.by_id());
        let part = |seen: &&Seen| !seen.id.of.is_empty();
        let kept = now.0.iter().filter(|seen| part(seen) || then.contains_key(&seen.id));
        let gone = self.0.iter().filter(|seen| !part(seen) && !is.contains_key(&seen.id));
        Self(kept.chain(gone).cloned().collect())
    }

    /// Which objects there are, each with the tables that its foreign keys are of and what their clauses say.
    pub(crate) fn refers(&self) -> BTreeMap<&ObjectId, Refers<'_>> {
        self.0.iter().map(|seen| (&seen.id, seen.refers.as_slice())).collect()
    }

    fn by_id(&self) -> BTreeMap<&ObjectId, &Seen> {
        self.0.iter().map(|seen| (&seen.id, seen)).collect()
    }
}

/// A definition without what upkeep changes by itself: by which index rows were last sorted, and which partitions a job has
/// made.
pub(crate) fn without_upkeep(engine: Engine, definition: &str) -> String {
    match engine {
        Engine::Postgres => {
            let sorted = |line: &&str| line.starts_with("ALTER TABLE ") && line.contains(" CLUSTER ON ");
            definition.split_inclusive('\n').filter(|line| !sorted(line)).collect()
        }
        Engine::Mysql => {
            // Those of a table with versions are a list, or a number where the server makes them by itself.
            let by = definition.rfind("PARTITION BY ");
            let list = by.and_then(|by| {
                let clause = &definition[by..];
                let number =
                    || clause.contains(" SYSTEM_TIME ").then(|| clause.find("\nPARTITIONS ")).flatten();
                Some(by + clause.find("(PARTITION ").or_else(number)?)
            });
            definition[..list.unwrap_or(definition.len())].to_owned()
        }
        _ => definition.to_owned(),
    }
}

/// The tables that a definition's foreign keys are of, each with its clause.
fn refers(engine: Engine, definition: &str) -> Vec<(String, String)> {
    const WORD: &str = "REFERENCES";
    if !definition.to_ascii_uppercase().contains(WORD) {
        return Vec::new();
    }
    let lexemes = script::lexemes(engine, definition).unwrap_or_default();
    let places = lexemes.iter().enumerate().filter(|(_, lexeme)| lexeme.is(WORD)).map(|(place, _)| place + 1);
    let clause = |place: usize| {
        let mut depth = 0_usize;
        let ends = |lexeme: &&Lexeme<'_>| {
            match (lexeme.is_sign(b'('), lexeme.is_sign(b')')) {
                (true, _) => depth += 1,
                (_, true) if depth == 0 => return false,
                (_, true) => depth -= 1,
                _ => {}
            }
            depth > 0 || !(lexeme.is_sign(b',') || lexeme.is_sign(b';'))
        };
        let of: Vec<&Lexeme<'_>> = lexemes[place..].iter().take_while(ends).collect();
        let qualified = of.get(1).is_some_and(|lexeme| lexeme.is_sign(b'.'));
        let table = of.get(if qualified { 2 } else { 0 })?.identifier()?.to_lowercase();
        Some((table, of.iter().map(|lexeme| lexeme.text).collect::<Vec<_>>().join(" ")))
    };
    places.filter_map(clause).collect()
}

/// Whether it is a view, a function, a trigger or the like, which files without a number may make again.
pub(crate) fn is_code(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::View
            | Kind::ViewBody
            | Kind::MaterializedView
            | Kind::Refresh
            | Kind::Function
            | Kind::Procedure
            | Kind::Aggregate
            | Kind::Rule
            | Kind::Trigger
            | Kind::EventTrigger
            | Kind::Event
            | Kind::EventState
            | Kind::Package
            | Kind::PackageBody
    )
}
