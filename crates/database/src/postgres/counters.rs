use std::collections::BTreeMap;

use async_trait::async_trait;

use super::Session;
use crate::{Counter, Counters, Error, ErrorKind, Result};

const WHAT: &str = "cannot read the sequences";

/// How many sequences are read by one statement.
const AT_ONCE: usize = 200;

/// A sequence: what it is called, quoted, and whether it counts upwards.
struct Sequence {
    name: String,
    up: bool,
}

/// `setval` and `nextval` are never rolled back: <https://www.postgresql.org/docs/current/functions-sequence.html>.
#[async_trait]
impl Counters for Session {
    async fn counters(&mut self) -> Result<Vec<Counter>> {
        self.as_dbm_reads().await?;
        let sequences: Vec<(u32, Sequence)> = self.sequences().await?.into_iter().collect();
        let mut counters = Vec::with_capacity(sequences.len());
        for some in sequences.chunks(AT_ONCE) {
            let selects: Vec<String> = some
                .iter()
                .map(|(id, sequence)| format!("SELECT {id}, last_value, is_called FROM {}", sequence.name))
                .collect();
            for row in self.rows(&selects.join(" UNION ALL "), WHAT).await? {
                let [id, last, given] = fields(row)?;
                counters.push(Counter { id: number(&id)?, last: number(&last)?, given: given == "t" });
            }
        }
        Ok(counters)
    }

    async fn catch_up(&mut self, were: &[Counter]) -> Result<Vec<String>> {
        if were.is_empty() {
            return Ok(Vec::new());
        }
        self.as_dbm_reads().await?;
        let sequences = self.sequences().await?;
        let now: BTreeMap<u32, Counter> =
            self.counters().await?.into_iter().map(|counter| (counter.id, counter)).collect();
        let mut set = Vec::new();
        for was in were {
            let (Some(sequence), Some(now)) = (sequences.get(&was.id), now.get(&was.id)) else { continue };
            let place = |counter: &Counter| {
                let last = i128::from(counter.last);
                (if sequence.up { last } else { -last }, counter.given)
            };
            if place(now) < place(was) {
                let Counter { id, last, given } = was;
                let sql = format!("SELECT pg_catalog.setval({id}::regclass, {last}, {given})");
                let what = format!("cannot set the sequence {} to where it was ({last})", sequence.name);
                self.rows(&sql, &what).await?;
                set.push(sequence.name.clone());
            }
        }
        Ok(set)
    }
}

impl Session {
    /// Those that we may read. One that cycles may be behind by itself.
    async fn sequences(&self) -> Result<BTreeMap<u32, Sequence>> {
        let sql =
            "SELECT c.oid, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
                          s.seqincrement > 0
                     FROM pg_catalog.pg_sequence s
                     JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
                     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                    WHERE c.relpersistence <> 't' AND NOT s.seqcycle
                      AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
                      AND CASE c.relkind WHEN 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT') END";
        let sequence = |row| {
            let [id, name, up] = fields(row)?;
            Ok((number(&id)?, Sequence { name, up: up == "t" }))
        };
        self.rows(sql, WHAT).await?.into_iter().map(sequence).collect()
    }
}

fn fields(row: Vec<Option<String>>) -> Result<[String; 3]> {
    match <[Option<String>; 3]>::try_from(row) {
        Ok([Some(first), Some(second), Some(third)]) => Ok([first, second, third]),
        _ => Err(strange()),
    }
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N> {
    text.parse().map_err(|_| strange())
}

fn strange() -> Error {
    Error::new(ErrorKind::Internal, format!("{WHAT}: the server says what is no sequence"))
}
