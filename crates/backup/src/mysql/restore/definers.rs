//! In whose name views, routines, triggers and events act after a restore.

use std::borrow::Cow;
use std::collections::BTreeMap;

use database::mysql::catalog::definer;
use database::{Engine, quote};

use crate::restore::RestoreOptions;

/// What becomes of the definers that the archive names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Definers<'o> {
    /// All become the restoring account.
    current: bool,
    /// Accounts by other names, as `user` or `user@host`.
    by: &'o BTreeMap<String, String>,
}

impl<'o> Definers<'o> {
    pub(super) fn of(options: &'o RestoreOptions) -> Self {
        Self { current: options.no_owner, by: &options.roles }
    }

    /// Whether all stay as they are.
    pub(super) fn keeps(self) -> bool {
        !self.current && self.by.is_empty()
    }

    /// The account that takes the place of another; none for the restoring one.
    pub(super) fn account(self, account: &str) -> Option<String> {
        if self.current {
            return None;
        }
        if let Some(new) = self.by.get(account) {
            return Some(match (new.contains('@'), account.rsplit_once('@')) {
                (false, Some((_, host))) => format!("{new}@{host}"),
                _ => new.clone(),
            });
        }
        let by_user = account.rsplit_once('@').and_then(|(user, host)| Some((self.by.get(user)?, host)));
        Some(match by_user {
            Some((new, _)) if new.contains('@') => new.clone(),
            Some((new, host)) => format!("{new}@{host}"),
            None => account.to_owned(),
        })
    }

    /// A statement with the definer that it is to have.
    pub(super) fn apply<'t>(self, statement: &'t str) -> Cow<'t, str> {
        if self.keeps() {
            return statement.into();
        }
        let Some(found) = definer(statement) else { return statement.into() };
        let old = match found.host.as_str() {
            "" => found.user.clone(),
            host => format!("{}@{host}", found.user),
        };
        let name = |text: &str| quote::identifier(Engine::Mysql, text);
        let new = match self.account(&old) {
            None => "CURRENT_USER".to_owned(),
            Some(new) => match new.rsplit_once('@') {
                Some((user, host)) => format!("{}@{}", name(user), name(host)),
                None => name(&new),
            },
        };
        let (before, after) = (&statement[..found.place.start], &statement[found.place.end..]);
        format!("{before}DEFINER={new}{after}").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definers_change_as_they_are_told() {
        let view = "CREATE DEFINER=`a`@`%` SQL SECURITY DEFINER VIEW `v` AS select 'DEFINER=`a`@`%`'";
        let with = |current, pairs: &[(&str, &str)]| {
            let by = pairs.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect();
            Definers { current, by: &by }.apply(view).into_owned()
        };
        let expected = |new: &str| view.replacen("DEFINER=`a`@`%`", &format!("DEFINER={new}"), 1);
        assert_eq!(with(false, &[]), view);
        assert_eq!(with(true, &[]), expected("CURRENT_USER"));
        assert_eq!(with(false, &[("a", "b")]), expected("`b`@`%`"));
        assert_eq!(with(false, &[("a", "b@h")]), expected("`b`@`h`"));
        assert_eq!(with(false, &[("a@%", "b")]), expected("`b`@`%`"));
        assert_eq!(with(false, &[("x", "b")]), view);
    }
}
