//! What the server says of relations: their storage, and who has which lock on them.

use std::collections::BTreeMap;

use database::Rows;

/// What is dbm's own by its number: the journal's tables and the history, with what holds their long values, and the indexes
/// of both.
const OWN: &str = "WITH own AS (SELECT o.oid, o.reltoastrelid FROM pg_catalog.pg_class o
         JOIN pg_catalog.pg_namespace s ON s.oid OPERATOR(pg_catalog.=) o.relnamespace
        WHERE s.nspname OPERATOR(pg_catalog.=) 'dbm' OR o.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('public.dbm_history')),
     stored AS (SELECT oid FROM own UNION ALL SELECT reltoastrelid FROM own)
     SELECT oid FROM stored
     UNION ALL SELECT x.indexrelid FROM pg_catalog.pg_index x JOIN stored ON stored.oid OPERATOR(pg_catalog.=) x.indrelid";

/// The namespace of what holds the long values of tables: who locks that has locked the table too, whose name people know.
const LONG_VALUES: &str = "99";

/// The relations of others, with their storage.
pub(super) fn storages() -> String {
    format!(
        "SELECT c.oid::pg_catalog.int8, c.relnamespace::pg_catalog.regnamespace::pg_catalog.text, c.relname::pg_catalog.text,
                pg_catalog.pg_relation_filenode(c.oid) FROM pg_catalog.pg_class c
          WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{{r,p,m,i,I,v,f}}') AND c.oid::pg_catalog.int8 OPERATOR(pg_catalog.>=) 16384
            AND c.relnamespace OPERATOR(pg_catalog.<>) {LONG_VALUES} AND c.oid OPERATOR(pg_catalog.<>) ALL ({OWN})"
    )
}

/// The locks of a session on relations, with each one's storage and how many rows the asking session has changed there. Of
/// what the session has dropped there is the number alone.
pub(super) fn locks_of(session: &str) -> String {
    format!(
        "SELECT l.relation::pg_catalog.int8, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, l.mode,
                pg_catalog.pg_relation_filenode(c.oid), c.relkind OPERATOR(pg_catalog.=) ANY ('{{r,p}}'),
                pg_catalog.pg_stat_get_xact_tuples_updated(l.relation)
                OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_xact_tuples_deleted(l.relation)
           FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) l.relation
           LEFT JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
          WHERE l.pid OPERATOR(pg_catalog.=) {session} AND l.granted AND l.relation::pg_catalog.int8 OPERATOR(pg_catalog.>=) 16384
            AND l.database OPERATOR(pg_catalog.=) (SELECT oid FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
            AND (c.oid IS NULL OR c.relkind OPERATOR(pg_catalog.=) ANY ('{{r,p,m,i,I,v,f}}')
                 AND c.relnamespace OPERATOR(pg_catalog.<>) {LONG_VALUES})
            AND l.relation OPERATOR(pg_catalog.<>) ALL ({OWN})
          ORDER BY 2, 3, 4"
    )
}

/// A row if a session is in a transaction, which is a lock on itself.
pub(super) fn in_transaction(session: i64) -> String {
    format!(
        "SELECT 1 FROM pg_catalog.pg_locks WHERE pid OPERATOR(pg_catalog.=) {session} AND granted
            AND locktype OPERATOR(pg_catalog.=) 'virtualxid' AND mode OPERATOR(pg_catalog.=) 'ExclusiveLock'"
    )
}

/// How many rows of each table the asking session has changed: also those of transactions that it has not told of yet.
pub(super) const CHANGED: &str = "SELECT relid::pg_catalog.int8, n_tup_upd OPERATOR(pg_catalog.+) n_tup_del
     FROM pg_catalog.pg_stat_xact_all_tables WHERE n_tup_upd OPERATOR(pg_catalog.+) n_tup_del OPERATOR(pg_catalog.>) 0";

/// A relation's name, and the number of its storage if it has one.
pub(super) type Stored = (String, Option<String>);

/// The rows of [`storages`].
pub(super) fn stored(rows: Rows) -> BTreeMap<String, Stored> {
    rows.into_iter()
        .filter_map(|row| {
            let [oid, namespace, name, storage] = <[Option<String>; 4]>::try_from(row).ok()?;
            Some((oid?, (format!("{}.{}", namespace?, name?), storage)))
        })
        .collect()
}

/// The rows of [`CHANGED`].
pub(super) fn changed(rows: Rows) -> BTreeMap<String, u64> {
    rows.into_iter()
        .filter_map(|row| {
            let [oid, count] = <[Option<String>; 2]>::try_from(row).ok()?;
            Some((oid?, count?.parse().ok()?))
        })
        .collect()
}

/// A row of [`locks_of`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Locked {
    pub(super) oid: String,
    /// None where it was dropped.
    pub(super) name: Option<String>,
    pub(super) mode: String,
    pub(super) storage: Option<String>,
    /// Whether it has rows of its own.
    pub(super) table: bool,
    /// How many of them the asking session has changed.
    pub(super) changed: u64,
}

impl Locked {
    pub(super) fn of(row: Vec<Option<String>>) -> Option<Self> {
        let [oid, namespace, name, mode, storage, table, changed] =
            <[Option<String>; 7]>::try_from(row).ok()?;
        let name = namespace.zip(name).map(|(namespace, name)| format!("{namespace}.{name}"));
        let changed = changed.and_then(|count| count.parse().ok()).unwrap_or(0);
        let table = table.as_deref() == Some("t");
        Some(Self { oid: oid?, name, mode: mode?, storage, table, changed })
    }
}
