//! What is there to be locked and read, and what stands in the way, before the first byte.

use std::collections::HashSet;

use database::{Error, ErrorKind, Kind, ObjectId, Result, postgres};
use tokio_postgres::Client;

use crate::selection::Selection;

/// A table that has to be locked, since its rows or its definition go into the archive.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Relation {
    pub(super) oid: u32,
    pub(super) namespace: String,
    pub(super) name: String,
    /// The tables whose partition it is, the nearest first: namespace and name.
    pub(super) within: Vec<(String, String)>,
    /// Why its rows cannot be read, if so.
    pub(super) obstacle: Option<Obstacle>,
}

/// Why a relation cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Obstacle {
    Privilege,
    RowSecurity,
    UnloggedOnStandby,
}

impl Relation {
    /// Its names as a selection asks for them.
    fn names(&self) -> Vec<(&str, &str)> {
        let within = self.within.iter().map(|(namespace, name)| (namespace.as_str(), name.as_str()));
        std::iter::once((self.namespace.as_str(), self.name.as_str())).chain(within).collect()
    }

    fn id(&self) -> ObjectId {
        ObjectId {
            kind: Kind::Table,
            namespace: self.namespace.clone(),
            of: String::new(),
            name: self.name.clone(),
        }
    }
}

/// Tables of the database's own: no system's, no temporary ones, none that an extension makes again
/// (but those whose rows it says belong to the user), none of dbm's journal.
const RELATIONS: &str = "\
SELECT c.oid, n.nspname::text, c.relname::text,
       CASE WHEN NOT (pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'))
              THEN 'privilege'
            WHEN c.relkind = 'r' AND pg_catalog.row_security_active(c.oid) THEN 'row security'
            WHEN c.relkind = 'r' AND c.relpersistence = 'u' AND pg_catalog.pg_is_in_recovery() THEN 'unlogged'
       END,
       CASE WHEN c.relispartition THEN
       ARRAY(SELECT v.name FROM pg_catalog.pg_partition_ancestors(c.oid) WITH ORDINALITY f (relid, depth)
             JOIN pg_catalog.pg_class a ON a.oid = f.relid JOIN pg_catalog.pg_namespace an ON an.oid = a.relnamespace,
             LATERAL (VALUES (1, an.nspname::text), (2, a.relname::text)) v (place, name)
             WHERE a.oid <> c.oid ORDER BY f.depth, v.place) ELSE '{}' END
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'dbm')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
                  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.objsubid = 0
                    AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
                    AND NOT (c.oid = ANY (COALESCE(e.extconfig, '{}'))))
ORDER BY n.nspname, c.relname";

/// The tables that a selection takes, as the current transaction, or else this moment, has them. Of those whose
/// rows are not wanted nothing stands in the way but that they cannot be locked.
pub(super) async fn read(client: &Client, selection: &Selection) -> Result<Vec<Relation>> {
    let rows = client
        .query(RELATIONS, &[])
        .await
        .map_err(|error| postgres::error(error, "cannot list the tables"))?;
    let relations = rows.iter().map(|row| Relation {
        oid: row.get(0),
        namespace: row.get(1),
        name: row.get(2),
        within: row
            .get::<_, Vec<String>>(4)
            .chunks_exact(2)
            .map(|names| (names[0].clone(), names[1].clone()))
            .collect(),
        obstacle: match row.get::<_, Option<&str>>(3) {
            Some("privilege") => Some(Obstacle::Privilege),
            Some("row security") => Some(Obstacle::RowSecurity),
            Some(_) => Some(Obstacle::UnloggedOnStandby),
            None => None,
        },
    });
    let wanted = relations.filter_map(|mut relation| {
        let names = relation.names();
        let (taken, rows) = (selection.takes(&names), selection.takes_rows(&names));
        if !rows && relation.obstacle != Some(Obstacle::Privilege) {
            relation.obstacle = None;
        }
        taken.then_some(relation)
    });
    Ok(wanted.collect())
}

/// Passes if the rows of all of them can be read, and all of them can be locked at once.
///
/// # Errors
/// [`ErrorKind::Permission`] or [`ErrorKind::Refused`] with the names of those that cannot.
pub(super) fn check(relations: &[Relation], account: &str, locks: u64) -> Result<()> {
    let with = |obstacle| -> Vec<ObjectId> {
        relations.iter().filter(|relation| relation.obstacle == Some(obstacle)).map(Relation::id).collect()
    };
    let unreadable = with(Obstacle::Privilege);
    if !unreadable.is_empty() {
        return Err(Error::new(
            ErrorKind::Permission,
            format!("the account `{account}` may not read {}", list(&unreadable)),
        )
        .with_hint(format!("grant USAGE on the namespace and SELECT on the table to `{account}` (or the role pg_read_all_data), or back up as the owner")));
    }
    let hidden = with(Obstacle::RowSecurity);
    if !hidden.is_empty() {
        return Err(Error::new(
            ErrorKind::Permission,
            format!("row-level security hides rows from the account `{account}` in {}", list(&hidden)),
        )
        .with_hint(format!(
            "back up as the owner, or as an account with BYPASSRLS: ALTER ROLE {account} BYPASSRLS"
        )));
    }
    let unlogged = with(Obstacle::UnloggedOnStandby);
    if !unlogged.is_empty() {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("a standby does not have the rows of {}, unlogged", list(&unlogged)),
        )
        .with_hint("back up from the primary"));
    }
    if u64::try_from(relations.len()).unwrap_or(u64::MAX) > locks {
        return Err(Error::new(
            ErrorKind::Refused,
            format!(
                "the server cannot lock {} tables at once: its lock table has room for {locks}",
                relations.len()
            ),
        )
        .with_hint("raise max_locks_per_transaction on the server; it takes a restart"));
    }
    Ok(())
}

/// Names for a message: the first ones, and how many more there are.
pub(super) fn list(ids: &[ObjectId]) -> String {
    const SHOWN: usize = 20;
    let shown: Vec<String> = ids.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = ids.len().saturating_sub(SHOWN);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

/// Those of `now` that are not among `locked` under the same name.
pub(super) fn unlocked(locked: &[Relation], now: &[Relation]) -> usize {
    let locked: HashSet<_> = locked.iter().map(|one| (one.oid, &one.namespace, &one.name)).collect();
    now.iter().filter(|one| !locked.contains(&(one.oid, &one.namespace, &one.name))).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(oid: u32, name: &str, obstacle: Option<Obstacle>) -> Relation {
        Relation { oid, namespace: "public".into(), name: name.into(), within: Vec::new(), obstacle }
    }

    #[test]
    fn each_obstacle_is_told_with_the_names() {
        check(&[relation(1, "a", None)], "bob", 1).unwrap();
        for (obstacle, kind) in [
            (Obstacle::Privilege, ErrorKind::Permission),
            (Obstacle::RowSecurity, ErrorKind::Permission),
            (Obstacle::UnloggedOnStandby, ErrorKind::Refused),
        ] {
            let relations = [relation(1, "a", None), relation(2, "b", Some(obstacle))];
            let error = check(&relations, "bob", 10).unwrap_err();
            assert_eq!(error.kind(), kind);
            assert!(error.to_string().contains("table public.b") && !error.to_string().contains("public.a"));
            assert!(error.hint().is_some());
        }
        assert_eq!(
            check(&[relation(1, "a", None), relation(2, "b", None)], "bob", 1).unwrap_err().kind(),
            ErrorKind::Refused
        );
    }

    #[test]
    fn a_long_list_is_cut() {
        let ids: Vec<ObjectId> = (0..23).map(|n| relation(n, &format!("t{n}"), None).id()).collect();
        assert!(list(&ids).ends_with("table public.t19 and 3 more"));
    }

    #[test]
    fn a_table_of_another_name_or_number_is_another() {
        let locked = [relation(1, "a", None), relation(2, "b", None)];
        assert_eq!(unlocked(&locked, &[relation(1, "a", None)]), 0);
        assert_eq!(unlocked(&locked, &[relation(1, "c", None), relation(3, "b", None)]), 2);
    }
}
