use std::collections::BTreeMap;

use async_trait::async_trait;

use super::Session;
use crate::{Counter, Counters, Engine, Error, Result, quote};

const WHAT: &str = "cannot read the counters";

/// How long a counter's table is waited for: whoever comes after us waits as long.
const PATIENCE: u32 = 3;

/// What counters are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Table,
    Sequence,
}

/// The numbers of `AUTO_INCREMENT` columns, and MariaDB's sequences. A table that is put back has the number that the
/// archive knows, and others may have drawn some since.
#[async_trait]
impl Counters for Session {
    async fn counters(&mut self) -> Result<Vec<Counter>> {
        Ok(self.numbers().await?.into_iter().map(|(counter, _)| counter).collect())
    }

    async fn catch_up(&mut self, were: &[Counter]) -> Result<Vec<String>> {
        if were.is_empty() {
            return Ok(Vec::new());
        }
        let numbers = self.numbers().await?.into_iter();
        let now: BTreeMap<String, (i64, Of)> =
            numbers.map(|(counter, of)| (counter.name, (counter.last, of))).collect();
        let limit = format!("SET SESSION lock_wait_timeout = {PATIENCE}");
        self.connection.batch(&limit, "cannot set a time limit").await?;
        let (mut set, mut failed) = (Vec::new(), None);
        for Counter { name, last: next, .. } in were {
            let Some((now, of)) = now.get(name) else { continue };
            let what = format!("cannot set the counter of {name} to where it was ({next})");
            let moved = match of {
                Of::Table if now < next => {
                    let sql = format!("ALTER TABLE {name} AUTO_INCREMENT = {next}");
                    self.connection.batch(&sql, &what).await.map(|()| true)
                }
                // The server itself lets none go back, whichever way it counts.
                Of::Sequence if now != next => {
                    let sql = format!("SELECT SETVAL({name}, {next}, 0)");
                    self.connection.value(&sql, &what).await.map(|value| value.is_some())
                }
                _ => Ok(false),
            };
            match moved {
                Ok(true) => set.push(name.clone()),
                Ok(false) => {}
                // One that somebody holds is no reason to leave the others behind.
                Err(error) => _ = failed.get_or_insert(error),
            }
        }
        match failed {
            None => Ok(set),
            Some(error) if set.is_empty() => Err(error),
            Some(error) => {
                let message = format!("{error}; set forward were {}", set.join(", "));
                Err(Error::new(error.kind(), message).with_source(error))
            }
        }
    }
}

impl Session {
    /// What each counter of our database gives next; beyond what fits in an `i64` there is nothing left to give.
    async fn numbers(&mut self) -> Result<Vec<(Counter, Of)>> {
        self.connection.look_anew().await?;
        let sql = "SELECT table_name, table_type, auto_increment FROM information_schema.tables
                    WHERE table_schema = DATABASE() AND (auto_increment IS NOT NULL OR table_type = 'SEQUENCE')";
        let mut numbers = Vec::new();
        for row in self.connection.query(sql, WHAT).await? {
            let Ok([Some(name), kind, next]) = <[Option<String>; 3]>::try_from(row) else { continue };
            let name = quote::identifier(Engine::Mysql, &name);
            let (next, of) = if kind.as_deref() == Some("SEQUENCE") {
                // One that cycles may be behind by itself.
                let sql = format!("SELECT next_not_cached_value FROM {name} WHERE cycle_option = 0");
                (self.connection.value(&sql, WHAT).await?, Of::Sequence)
            } else {
                (next, Of::Table)
            };
            if let Some(last) = next.and_then(|next| next.parse().ok()) {
                numbers.push((Counter { name, last, given: false }, of));
            }
        }
        Ok(numbers)
    }
}
