use async_trait::async_trait;

use super::Session;
use crate::{Counter, Counters, Engine, Result, Statements as _, quote};

/// The numbers of `AUTOINCREMENT` columns, which are rows of a table: <https://www.sqlite.org/fileformat2.html#seqtab>.
/// A file that is put back has the numbers that the archive knows, and others may have drawn some since.
#[async_trait]
impl Counters for Session {
    async fn counters(&mut self) -> Result<Vec<Counter>> {
        if !self.has_numbers().await? {
            return Ok(Vec::new());
        }
        // Anybody may write to it, and anything.
        let sql = "SELECT name, max(seq) FROM sqlite_sequence WHERE typeof(seq) = 'integer' AND typeof(name) = 'text' GROUP BY name";
        let counter = |row: Vec<Option<String>>| {
            let [Some(name), Some(last)] = <[Option<String>; 2]>::try_from(row).ok()? else { return None };
            Some(Counter { name, last: last.parse().ok()?, given: true })
        };
        Ok(self.query(sql).await?.into_iter().filter_map(counter).collect())
    }

    async fn catch_up(&mut self, were: &[Counter]) -> Result<Vec<String>> {
        if !self.has_numbers().await? {
            return Ok(Vec::new());
        }
        let now = self.counters().await?;
        let mut set = Vec::new();
        for Counter { name, last, .. } in were {
            let literal = quote::literal(Engine::Sqlite, name);
            let sql = match now.iter().find(|counter| counter.name == *name) {
                Some(now) if now.last >= *last => continue,
                Some(_) => format!("UPDATE sqlite_sequence SET seq = {last} WHERE name = {literal}"),
                // A table that has given no number has no row yet.
                None => format!(
                    "INSERT INTO sqlite_sequence (name, seq) SELECT name, {last} FROM sqlite_schema \
                     WHERE type = 'table' AND name = {literal} AND sql LIKE '%AUTOINCREMENT%'"
                ),
            };
            self.execute(&sql).await?;
            set.push(name.clone());
        }
        Ok(set)
    }
}

impl Session {
    /// Whether there is, or was, a table with such a column: SQLite keeps their numbers from the first one on.
    async fn has_numbers(&mut self) -> Result<bool> {
        let there = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'sqlite_sequence'";
        Ok(!self.query(there).await?.is_empty())
    }
}
