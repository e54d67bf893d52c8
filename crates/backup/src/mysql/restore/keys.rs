//! Secondary indexes of large tables are made after the rows: sorting them once is faster than keeping them sorted.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use database::mysql::Connection;
use database::mysql::catalog::text::Create;
use database::{Engine, ObjectId, quote};
use futures_util::future::try_join_all;

use crate::archive::{Aspect, Index};
use crate::{Error, Result};

/// The rows of a table with fewer bytes are in before a second look at the table would pay.
const LARGE: u64 = 16 << 20;

/// The tables whose indexes wait, and those indexes.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The tables that are large, with their bytes.
    large: HashMap<String, u64>,
    /// What is to be run when the rows are in.
    waiting: Vec<(u64, String)>,
}

impl Keys {
    /// Of an archive, whose index says how large its tables are.
    pub(super) fn of(index: &Index) -> Self {
        let mut large: HashMap<&ObjectId, u64> = HashMap::new();
        for part in index.parts.iter().filter(|part| part.aspect == Aspect::Rows) {
            if let Some(table) = part.objects.first() {
                *large.entry(table).or_default() += u64::from(part.bytes);
            }
        }
        let large = large.into_iter().filter(|(_, bytes)| *bytes >= LARGE);
        Self { large: large.map(|(id, bytes)| (id.name.clone(), bytes)).collect(), waiting: Vec::new() }
    }

    /// The statement without what can wait, which is kept for [`Keys::make`].
    pub(super) fn defer(&mut self, sql: &str) -> Option<String> {
        let found = self.large.iter().find(|(name, _)| sql.starts_with(&head(name)));
        let (name, bytes) = found.map(|(name, bytes)| (name.clone(), *bytes))?;
        let mut create = Create::read(sql).ok()?;
        // A counter needs an index from the start, and a rare kind of index wants the others before it.
        let rare = |clause: &String| {
            ["FULLTEXT ", "SPATIAL ", "VECTOR "].iter().any(|kind| clause.starts_with(kind))
        };
        if create.clauses.iter().any(|clause| {
            rare(clause) || clause.contains(" AUTO_INCREMENT") && !is_first_of_primary(&create, clause)
        }) {
            return None;
        }
        let (wait, stay) = create.clauses.into_iter().partition(|clause: &String| clause.starts_with("KEY "));
        create.clauses = stay;
        if wait.is_empty() {
            return None;
        }
        let wait: Vec<String> = wait.into_iter().map(|clause| format!("ADD {clause}")).collect();
        let sql = format!("ALTER TABLE {} {}", quote::identifier(Engine::Mysql, &name), wait.join(", "));
        self.waiting.push((bytes, sql));
        Some(create.text())
    }

    /// Makes what has waited, the largest table first, each by the next worker that is free.
    pub(super) async fn make(mut self, workers: &mut [Connection]) -> Result<()> {
        self.waiting.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        let queue = Mutex::new(VecDeque::from(self.waiting));
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let work = async |worker: &mut Connection| {
            while let Some((_, sql)) = next() {
                worker.batch(&sql, "cannot make the indexes of a table").await?;
            }
            Ok::<(), Error>(())
        };
        try_join_all(workers.iter_mut().map(work)).await?;
        Ok(())
    }
}

fn head(table: &str) -> String {
    format!("CREATE TABLE {} (", quote::identifier(Engine::Mysql, table))
}

/// Whether the primary key begins with the column of a clause.
fn is_first_of_primary(create: &Create, column: &str) -> bool {
    let Some(end) = column[1..].find("` ") else { return false };
    let name = &column[..end + 2];
    create.clauses.iter().any(|clause| clause.starts_with(&format!("PRIMARY KEY ({name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys { large: [("t`x".to_owned(), LARGE)].into(), waiting: Vec::new() }
    }

    #[test]
    fn plain_indexes_wait() {
        let mut keys = keys();
        let sql = "CREATE TABLE `t``x` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  `KEY a` int,\n  PRIMARY KEY (`id`),\n  UNIQUE KEY `u` (`KEY a`),\n  \
                   KEY `k` (`KEY a`,`id`) COMMENT 'a, b)',\n  KEY `l` (`id`)\n) ENGINE=InnoDB";
        let without = keys.defer(sql).unwrap();
        assert!(
            without.contains("UNIQUE KEY `u`")
                && !without.contains("KEY `k`")
                && !without.contains("KEY `l`")
        );
        assert_eq!(
            keys.waiting[0].1,
            "ALTER TABLE `t``x` ADD KEY `k` (`KEY a`,`id`) COMMENT 'a, b)', ADD KEY `l` (`id`)"
        );
    }

    #[test]
    fn what_is_needed_at_once_stays() {
        for sql in [
            "CREATE TABLE `small` (\n  `a` int,\n  KEY `k` (`a`)\n)",
            "CREATE TABLE `t``x` (\n  `a` int NOT NULL AUTO_INCREMENT,\n  KEY `k` (`a`)\n)",
            "CREATE TABLE `t``x` (\n  `a` text,\n  KEY `k` (`a`(3)),\n  FULLTEXT KEY `f` (`a`)\n)",
            "CREATE TABLE `t``x` (\n  `a` int,\n  PRIMARY KEY (`a`)\n)",
        ] {
            assert_eq!(keys().defer(sql), None, "{sql}");
        }
    }
}
