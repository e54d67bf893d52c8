use database::Engine;
use database::script::{self, EnumValue};
use serde::Serialize;

use super::item::{Action, Item};

/// Migrations that share a transaction, or one that runs without.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// Its number, from 1.
    pub number: u32,
    /// Whether it is one transaction.
    pub transaction: bool,
    /// Why it stands apart from its neighbours, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// Its migrations in order.
    pub items: Vec<Item>,
}

impl Group {
    fn new(item: Item) -> Self {
        let transaction = item.alone.is_none();
        Self { number: 0, transaction, because: item.alone.clone(), items: vec![item] }
    }
}

/// Cuts the run where files cannot share a transaction.
pub(super) fn cut(items: Vec<Item>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for item in items {
        let apart = |group: &Group| {
            if !group.transaction || group.items.iter().any(Item::has_pragmas) {
                return Some(group.because.clone());
            }
            if item.alone.is_some() || item.has_pragmas() {
                return Some(None);
            }
            let used =
                group.items.iter().flat_map(|before| &before.enum_values).find(|added| item.uses(added));
            used.map(|added| {
                Some(format!("it uses the enum value '{}', which the group before it adds", added.value))
            })
        };
        match groups.last_mut() {
            None => groups.push(Group::new(item)),
            Some(last) => match apart(last) {
                None => last.items.push(item),
                Some(because) => {
                    let mut group = Group::new(item);
                    if let Some(reason) = because.filter(|reason| reason.starts_with("it uses")) {
                        group.because = Some(reason);
                    }
                    groups.push(group);
                }
            },
        }
    }
    for (number, group) in (1..).zip(&mut groups) {
        group.number = number;
    }
    groups
}

impl Item {
    /// Whether pragmas of its own stand before or after its transaction.
    pub(super) fn has_pragmas(&self) -> bool {
        self.alone.is_none() && self.action == Action::Run && self.before + self.after > 0
    }

    /// Whether one of its statements or checks seems to use an enum's value.
    fn uses(&self, added: &EnumValue) -> bool {
        [&self.body, &self.verify].into_iter().any(|filled| {
            // It was cut before: that it cannot be is unknown here, and so is what it uses.
            script::split(Engine::Postgres, &filled.text)
                .map_or(true, |statements| statements.iter().any(|statement| added.is_used_by(statement)))
        })
    }
}
