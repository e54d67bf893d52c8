//! The note of an exchange of two databases' objects, which takes many statements: whoever comes after a kill finds in
//! it what is to be finished.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Session;
use super::home::Home;
use crate::{Engine, Entry, Error, ErrorKind, Result, SessionId, quote};

/// An exchange that has begun and not ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SwapNote {
    /// The step that is about to be made, or is being made.
    pub stage: String,
    /// All that is needed to make every step.
    pub plan: Value,
    /// The session that made them.
    pub session: SessionId,
}

/// How long an exchange that has begun may take to note it.
const BEGINNING: Duration = Duration::from_secs(10);

/// Held from before the note is written until its session ends. Names of locks are at most 64 characters.
fn lock_of(target: &str) -> String {
    let hash = blake3::hash(target.as_bytes()).to_hex();
    literal(&format!("dbm swap {}", &hash[..32]))
}

impl Session {
    /// The exchange of the database of that name that is not finished. A session whose client is gone may still be writing
    /// that note: it is waited for, and from then on no other session begins an exchange of that database.
    ///
    /// # Errors
    /// What the server refuses; [`ErrorKind::Busy`] where another session has begun an exchange and does not note it;
    /// [`ErrorKind::Refused`] for a note that cannot be read.
    pub async fn swap_note(&mut self, target: &str) -> Result<Option<SwapNote>> {
        let alone = self.lock_swaps(target).await?;
        let note = self.read_swap_note(target).await?;
        if note.is_none() && !alone {
            return Err(Error::new(
                ErrorKind::Busy,
                format!("another session is about to exchange `{target}`"),
            )
            .with_hint("wait until it has ended, see SHOW PROCESSLIST, and try again"));
        }
        Ok(note)
    }

    /// Whether no other session has begun an exchange.
    async fn lock_swaps(&mut self, target: &str) -> Result<bool> {
        let deadline = Instant::now() + BEGINNING;
        loop {
            let sql = format!("SELECT GET_LOCK({}, 0)", lock_of(target));
            let got = self.connection.value(&sql, "cannot look whether an exchange begins").await?;
            if got.as_deref() == Some("1") {
                return Ok(true);
            }
            if Instant::now() > deadline || self.read_swap_note(target).await?.is_some() {
                return Ok(false);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn read_swap_note(&mut self, target: &str) -> Result<Option<SwapNote>> {
        let what = "cannot look for an exchange that was interrupted";
        let database = self.server.database().to_owned();
        let Some(home) = Home::find(&mut self.connection, &database).await? else { return Ok(None) };
        if !home.has_swaps(&mut self.connection, &database).await? {
            return Ok(None);
        }
        let sql = format!(
            "SELECT stage, plan, session FROM {} WHERE `database` = {}",
            home.table("swap", &database),
            literal(target)
        );
        let Some(row) = self.connection.query(&sql, what).await?.into_iter().next() else { return Ok(None) };
        let read = || {
            let [stage, plan, session] = <[Option<String>; 3]>::try_from(row).ok()?;
            Some(SwapNote {
                stage: stage?,
                plan: serde_json::from_str(&plan?).ok()?,
                session: serde_json::from_str(&session?).ok()?,
            })
        };
        read().map(Some).ok_or_else(|| {
            Error::new(ErrorKind::Refused, "the note of an interrupted exchange cannot be read").with_hint(
                "another version of dbm may have written it: look at the table `swap` in the database `dbm`",
            )
        })
    }

    /// Notes that an exchange is about to begin. It is on disk when this returns.
    ///
    /// # Errors
    /// What the server refuses; [`ErrorKind::Busy`] where another session has begun one.
    pub async fn begin_swap(&mut self, target: &str, stage: &str, plan: &Value) -> Result<()> {
        if !self.lock_swaps(target).await? {
            return Err(Error::new(ErrorKind::Busy, format!("another session exchanges `{target}`"))
                .with_hint("wait until it has ended, and try again"));
        }
        let database = self.server.database().to_owned();
        let home = Home::make(&mut self.connection, &database).await?;
        home.make_swaps(&mut self.connection, &database).await?;
        let sql = format!(
            "REPLACE INTO {} (`database`, stage, plan, session) VALUES ({}, {}, {}, {})",
            home.table("swap", &database),
            literal(target),
            literal(stage),
            literal(&json(plan)?),
            literal(&json(&self.id)?)
        );
        self.durably(&sql).await
    }

    /// Notes that the next step is about to be made, by this session.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn stage_swap(&mut self, target: &str, stage: &str) -> Result<()> {
        let database = self.server.database().to_owned();
        let Some(home) = Home::find(&mut self.connection, &database).await? else {
            return Err(Error::new(ErrorKind::Internal, "the note of the exchange is gone"));
        };
        let sql = format!(
            "UPDATE {} SET stage = {}, session = {} WHERE `database` = {}",
            home.table("swap", &database),
            literal(stage),
            literal(&json(&self.id)?),
            literal(target)
        );
        self.durably(&sql).await
    }

    /// Notes that the exchange is over; `publish` becomes the journal of the session's database in the same step, where
    /// it is anything.
    ///
    /// # Errors
    /// What the server refuses; then neither is done.
    pub async fn end_swap(&mut self, target: &str, publish: &[Entry]) -> Result<()> {
        let database = self.server.database().to_owned();
        let Some(home) = Home::find(&mut self.connection, &database).await? else {
            return Err(Error::new(ErrorKind::Internal, "the note of the exchange is gone"));
        };
        let mut sql = format!(
            "START TRANSACTION; DELETE FROM {} WHERE `database` = {}; ",
            home.table("swap", &database),
            literal(target)
        );
        if !publish.is_empty() {
            for name in ["journal", "committed"] {
                let table = home.table(name, &database);
                sql.push_str(&format!("DELETE FROM {table} WHERE `database` = {}; ", literal(&database)));
            }
        }
        for entry in publish {
            sql.push_str(&self.insert(home, entry)?);
            sql.push_str("; ");
        }
        sql.push_str("COMMIT");
        self.durably(&sql).await
    }
}

fn literal(text: &str) -> String {
    quote::literal(Engine::Mysql, text)
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|cause| {
        Error::new(ErrorKind::Internal, "the note of an exchange cannot be written as JSON")
            .with_source(cause)
    })
}
