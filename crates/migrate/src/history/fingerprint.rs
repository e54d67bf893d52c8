use std::collections::{BTreeMap, BTreeSet};

use database::{Engine, Kind, ObjectId, Schema};
use serde::{Deserialize, Serialize};

use crate::compare::{Difference, Differs, What, canonical};
use crate::files::checksum;

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
            definition: hash(&text),
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
    /// between, and not by the run, is as it was.
    pub(crate) fn after(&self, before: &Self, now: Self) -> Self {
        let by_hand = self.differences(before, What::Definitions);
        let of_run: BTreeSet<ObjectId> =
            before.differences(&now, What::Definitions).into_iter().map(|one| one.object).collect();
        let by_hand: BTreeSet<&ObjectId> =
            by_hand.iter().map(|one| &one.object).filter(|id| !of_run.contains(id)).collect();
        let mut kept = now.0;
        kept.retain(|seen| !by_hand.contains(&seen.id));
        kept.extend(self.0.iter().filter(|seen| by_hand.contains(&seen.id)).cloned());
        Self(kept)
    }

    fn by_id(&self) -> BTreeMap<&ObjectId, &Seen> {
        self.0.iter().map(|seen| (&seen.id, seen)).collect()
    }
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
