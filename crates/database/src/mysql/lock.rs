use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::home::Home;
use super::session::{same_start, started};
use super::{Connection, Session};
use crate::{Engine, Error, ErrorKind, Lock, Result, SessionId, quote};

/// How long a session that was told to end may take for it.
const END: Duration = Duration::from_secs(60);

/// The run's lock of a database. Names of locks are the server's, at most 64 characters, and take no notice of case.
fn name(database: &str) -> String {
    let hash = blake3::hash(database.as_bytes()).to_hex();
    quote::literal(Engine::Mysql, &format!("dbm run {}", &hash[..32]))
}

/// The guard lock, held while a reset of the session briefly releases the run's lock.
fn guard(database: &str) -> String {
    let hash = blake3::hash(database.as_bytes()).to_hex();
    quote::literal(Engine::Mysql, &format!("dbm guard {}", &hash[..32]))
}

#[async_trait]
impl Lock for Session {
    fn id(&self) -> &SessionId {
        &self.id
    }

    async fn try_lock(&mut self) -> Result<bool> {
        let what = "cannot take the lock";
        if self.locked {
            return Ok(true);
        }
        let (name, guard) = (name(self.server.database()), guard(self.server.database()));
        let same = self.connection.value("SELECT CONNECTION_ID()", what).await?;
        if same != Some(self.id.id.to_string()) {
            return Err(proxy());
        }
        let got = self.connection.value(&format!("SELECT GET_LOCK({name}, 0)"), what).await?;
        if got.as_deref() != Some("1") {
            return Ok(false);
        }
        let guarded = self.connection.value(&format!("SELECT IS_FREE_LOCK({guard})"), what).await?;
        if guarded.as_deref() != Some("1") {
            self.connection.batch(&format!("DO RELEASE_LOCK({name})"), what).await?;
            return Ok(false);
        }
        self.locked = true;
        Ok(true)
    }

    async fn lock_holder(&mut self) -> Result<Option<SessionId>> {
        let what = "cannot look who holds the lock";
        let database = self.server.database().to_owned();
        let sql = format!("SELECT IS_USED_LOCK({})", name(&database));
        let Some(id) = self.connection.value(&sql, what).await? else { return Ok(None) };
        let id: i64 = id.parse().unwrap_or_default();
        let there = started(&mut self.connection, id).await?;
        // The server knows only the connection; once the run has begun, the journal names the client's process.
        if let Some(home) = Home::find(&mut self.connection, &database).await? {
            let sql = format!(
                "SELECT session FROM {} WHERE `database` = {} ORDER BY number DESC LIMIT 1",
                home.table("journal", &database),
                quote::literal(Engine::Mysql, &database)
            );
            let known = self.connection.value(&sql, what).await?;
            let known = known.and_then(|text| serde_json::from_str::<SessionId>(&text).ok());
            let same = |known: &SessionId| {
                known.id == id && there.as_deref().is_none_or(|there| same_start(there, &known.started))
            };
            if let Some(known) = known.filter(same) {
                return Ok(Some(known));
            }
        }
        let started = there.unwrap_or_default();
        let address = started.rsplit(' ').next().unwrap_or_default();
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host).to_owned();
        Ok(Some(SessionId {
            id,
            started,
            client_host: host,
            client_process: 0,
            client_started: 0,
            client_place: String::new(),
        }))
    }

    async fn unlock(&mut self) -> Result<()> {
        if !self.locked {
            return Ok(());
        }
        self.locked = false;
        let sql = format!("DO RELEASE_LOCK({})", name(self.server.database()));
        self.connection.batch(&sql, "cannot give the lock back").await
    }

    async fn end_session(&mut self, orphan: &SessionId) -> Result<bool> {
        let deadline = Instant::now() + END;
        let mut told = false;
        loop {
            let there = started(&mut self.connection, orphan.id).await?;
            if !there.is_some_and(|there| same_start(&there, &orphan.started)) {
                return Ok(told);
            }
            if Instant::now() > deadline {
                return Err(Error::new(
                    ErrorKind::Busy,
                    format!("session {} of a client that is gone does not end", orphan.id),
                )
                .with_hint(
                    "its statement takes long to undo: see SHOW PROCESSLIST, and try again when it is gone",
                ));
            }
            if !told {
                let what = format!("cannot end session {}, whose client is gone", orphan.id);
                match self.connection.batch(&format!("KILL {}", orphan.id), &what).await {
                    // It has gone meanwhile.
                    Err(error) if error.to_string().contains("(error 1094)") => {}
                    Err(error) if error.kind() == ErrorKind::Permission => {
                        return Err(error.with_hint("end it as an administrator: KILL, and try again"));
                    }
                    outcome => outcome?,
                }
                told = true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn proxy() -> Error {
    Error::new(
        ErrorKind::Refused,
        "the server's session changes between statements: a proxy is in between, and no lock holds there",
    )
    .with_hint("use the URL of the server itself")
}

impl Session {
    /// Resets the session without letting another run in, though the reset lets go of the lock.
    pub(super) async fn renew_with_lock(&mut self) -> Result<()> {
        let what = "cannot keep the lock while the session is reset";
        let (name, guard) = (name(self.server.database()), guard(self.server.database()));
        let mut beside = self.server.connect_nowhere().await?;
        let _own = self.server.own(i64::from(beside.id()));
        let guarded = take(&mut beside, &guard, what).await?;
        let outcome = match self.connection.renew().await {
            // A run that takes the lock in this moment sees the guard, and releases it at once.
            Ok(()) => take(&mut self.connection, &name, what).await,
            Err(error) => Err(error),
        };
        // The server takes its time to notice the end of a session, and its locks go only then.
        let released = beside.batch(&format!("DO RELEASE_LOCK({guard})"), what).await;
        beside.close().await;
        released?;
        self.locked = matches!(outcome, Ok(true));
        if outcome? && guarded {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Busy, "another run has taken the lock while the session was reset")
            .with_hint("try again when that run has ended"))
    }
}

/// Asks for a lock for a few seconds, without waiting inside the server.
async fn take(connection: &mut Connection, name: &str, what: &str) -> Result<bool> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let got = connection.value(&format!("SELECT GET_LOCK({name}, 0)"), what).await?;
        if got.as_deref() == Some("1") {
            return Ok(true);
        }
        if Instant::now() > deadline {
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
