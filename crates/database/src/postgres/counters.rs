use std::collections::BTreeMap;

use async_trait::async_trait;

use super::Session;
use crate::{Counter, Counters, Engine, Error, ErrorKind, Result, quote};

const WHAT: &str = "cannot read the sequences";

/// How many sequences are read by one statement.
const AT_ONCE: usize = 200;

/// `setval` and `nextval` are never rolled back: <https://www.postgresql.org/docs/current/functions-sequence.html>.
#[async_trait]
impl Counters for Session {
    async fn counters(&mut self) -> Result<Vec<Counter>> {
        self.as_dbm_reads().await?;
        let sequences: Vec<String> = self.sequences().await?.into_keys().collect();
        let mut counters = Vec::with_capacity(sequences.len());
        for some in sequences.chunks(AT_ONCE) {
            let selects: Vec<String> = some
                .iter()
                .map(|name| {
                    let literal = quote::literal(Engine::Postgres, name);
                    format!("SELECT {literal}, last_value, is_called FROM {name}")
                })
                .collect();
            for row in self.rows(&selects.join(" UNION ALL "), WHAT).await? {
                let [name, last, given] = fields(row)?;
                let last = last.parse().map_err(|_| strange())?;
                counters.push(Counter { name, last, given: given == "t" });
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
        let now: BTreeMap<String, Counter> =
            self.counters().await?.into_iter().map(|counter| (counter.name.clone(), counter)).collect();
        let mut set = Vec::new();
        for was in were {
            let (Some(up), Some(now)) = (sequences.get(&was.name), now.get(&was.name)) else { continue };
            let place = |counter: &Counter| {
                let last = i128::from(counter.last);
                (if *up { last } else { -last }, counter.given)
            };
            if place(now) < place(was) {
                let Counter { name, last, given } = was;
                let literal = quote::literal(Engine::Postgres, name);
                let sql = format!("SELECT pg_catalog.setval({literal}::regclass, {last}, {given})");
                let what = format!("cannot set the sequence {name} to where it was ({last})");
                self.rows(&sql, &what).await?;
                set.push(name.clone());
            }
        }
        Ok(set)
    }
}

impl Session {
    /// Those that we may read, quoted, and whether they count upwards. One that cycles may be behind by itself.
    async fn sequences(&self) -> Result<BTreeMap<String, bool>> {
        let sql = "SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), s.seqincrement > 0
                     FROM pg_catalog.pg_sequence s
                     JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
                     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                    WHERE c.relpersistence <> 't' AND NOT s.seqcycle
                      AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
                      AND CASE c.relkind WHEN 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT') END";
        let sequence = |row| {
            let [name, up] = fields(row)?;
            Ok((name, up == "t"))
        };
        self.rows(sql, WHAT).await?.into_iter().map(sequence).collect()
    }
}

fn fields<const N: usize>(row: Vec<Option<String>>) -> Result<[String; N]> {
    let values: Option<Vec<String>> = row.into_iter().collect();
    values.and_then(|values| <[String; N]>::try_from(values).ok()).ok_or_else(strange)
}

fn strange() -> Error {
    Error::new(ErrorKind::Internal, format!("{WHAT}: the server says what is no sequence"))
}
