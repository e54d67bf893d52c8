//! What fences hold: accounts belong to the server, and the fences of two of its databases may want the same one locked.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::Session;
use super::home::Home;
use crate::{Engine, Error, ErrorKind, Result, quote};

/// Held, for moments only, by whoever changes what is held and acts upon it.
const GATE: &str = "GET_LOCK('dbm fence', 0)";
const OPEN_GATE: &str = "DO RELEASE_LOCK('dbm fence')";

/// How long others may need for theirs.
const PATIENCE: Duration = Duration::from_secs(60);

/// How the server's events are named among what is held; an account's name has an `@`.
pub(super) const EVENTS: &str = "events";

const WHAT: &str = "cannot note which accounts are locked";

impl Session {
    /// Keeps the fences of other databases from changing what is held until [`Session::open_gate`].
    pub(super) async fn close_gate(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.connection.value(&format!("SELECT {GATE}"), WHAT).await?.as_deref() != Some("1") {
            if Instant::now() > deadline {
                return Err(Error::new(
                    ErrorKind::Busy,
                    "another run keeps changing which accounts are locked",
                ));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Lets others in again.
    pub(super) async fn open_gate(&mut self) -> Result<()> {
        self.connection.batch(OPEN_GATE, WHAT).await
    }

    /// What the fences of other databases hold. What is open in spite of it is held no more: somebody has lifted that
    /// fence by hand.
    pub(super) async fn held_by_others(&mut self) -> Result<BTreeSet<String>> {
        let Some(table) = self.claims().await? else { return Ok(BTreeSet::new()) };
        let sql = format!("SELECT DISTINCT held FROM {table} WHERE `database` <> {}", self.own());
        Ok(self.connection.query(&sql, WHAT).await?.into_iter().flatten().flatten().collect())
    }

    /// Notes what this database's fence holds, before it does.
    pub(super) async fn hold(&mut self, held: &[String]) -> Result<()> {
        let database = self.server.database().to_owned();
        let home = Home::make(&mut self.connection, &database).await?;
        if home == Home::Inside || held.is_empty() {
            // Nobody else sees it there.
            return Ok(());
        }
        home.make_claims(&mut self.connection, &database).await?;
        let own = self.own();
        let rows: Vec<String> = held.iter().map(|held| format!("({own}, {})", literal(held))).collect();
        let table = home.table("fence", &database);
        self.durably(&format!("INSERT IGNORE INTO {table} (`database`, held) VALUES {}", rows.join(", ")))
            .await
    }

    /// Notes that this database's fence holds these no more.
    pub(super) async fn let_go(&mut self, held: &[String]) -> Result<()> {
        let own = format!("`database` = {}", self.own());
        self.forget(held, &own).await
    }

    /// Notes that no fence holds these.
    pub(super) async fn held_by_nobody(&mut self, open: &[String]) -> Result<()> {
        self.forget(open, "TRUE").await
    }

    async fn forget(&mut self, held: &[String], whose: &str) -> Result<()> {
        let Some(table) = self.claims().await?.filter(|_| !held.is_empty()) else { return Ok(()) };
        let held: Vec<String> = held.iter().map(|held| literal(held)).collect();
        self.durably(&format!("DELETE FROM {table} WHERE {whose} AND held IN ({})", held.join(", "))).await
    }

    /// The table, where one has been made.
    async fn claims(&mut self) -> Result<Option<String>> {
        let database = self.server.database().to_owned();
        let Some(home) = Home::find(&mut self.connection, &database).await? else { return Ok(None) };
        let made = home.has_claims(&mut self.connection, &database).await?;
        Ok(made.then(|| home.table("fence", &database)))
    }

    fn own(&self) -> String {
        literal(self.server.database())
    }
}

fn literal(text: &str) -> String {
    quote::literal(Engine::Mysql, text)
}
