use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::script::Statement;
use crate::{Canceller, Engine, Entry, Result};

/// Rows as the engine's own text, `None` for NULL.
pub type Rows = Vec<Vec<Option<String>>>;

/// What one statement of a script did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Rows changed, copied or returned, where the server says.
    pub rows: Option<u64>,
    /// Notices and warnings that the server sent while it ran.
    pub notices: Vec<String>,
}

/// The server's side of a session, told apart from a later one with the same number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionId {
    /// The server's number for it (Postgres: pid; SQLite: the process id of the client).
    pub id: i64,
    /// When it started, as the server writes it.
    pub started: String,
    /// The host that the client runs on.
    pub client_host: String,
    /// The client's process id on that host.
    pub client_process: u32,
    /// When that process began, in the ticks of its kernel; 0 where that is not known.
    #[serde(default)]
    pub client_started: u64,
    /// Where that process number means this process: one boot of one machine, and in it one container. Empty where
    /// that is not known.
    #[serde(default)]
    pub client_place: String,
}

/// The SQLSTATE of a statement that writes where nothing may: `read_only_sql_transaction`,
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>, and the same on MySQL.
pub const WRITES: &str = "25006";

/// Runs statements on one pinned connection.
#[async_trait]
pub trait Statements: Send {
    /// Which engine.
    fn engine(&self) -> Engine;

    /// Runs one statement of a script as the engine's native client would.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Statement`] with the server's message and code, or what broke the connection.
    async fn run(&mut self, statement: &Statement<'_>) -> Result<Ran>;

    /// Runs SQL of one or more statements, in which names mean what they mean to the database's users.
    async fn execute(&mut self, sql: &str) -> Result<()>;

    /// Runs one query and reads all of its rows, as text. For small results only. Names mean what they mean to users.
    async fn query(&mut self, sql: &str) -> Result<Rows>;

    /// Runs one statement of dbm's own, in which a word that is not qualified is the system's, whatever the database's users
    /// have set; reads all of its rows. Not in the middle of a file: the next of its statements finds the session as new.
    async fn own(&mut self, sql: &str) -> Result<Rows> {
        self.query(sql).await
    }

    /// Begins a transaction in which each wait for a lock lasts at most `lock_timeout`.
    async fn begin(&mut self, lock_timeout: Option<Duration>) -> Result<()>;

    /// Ends a file inside the transaction: checks what is deferred (`SET CONSTRAINTS ALL IMMEDIATE`,
    /// `foreign_key_check`), and gives the session the settings of a new one, as [`Statements::reset`].
    async fn end_file(&mut self) -> Result<()>;

    /// From here to [`Statements::end_reading`], what writes is an error with the SQLSTATE [`WRITES`], inside a
    /// transaction or outside one.
    async fn begin_reading(&mut self) -> Result<()>;

    /// Ends it, also after an error; settings made meanwhile may go with it.
    async fn end_reading(&mut self) -> Result<()>;

    /// Commits it. Once this has returned, the commit is durable.
    async fn commit(&mut self) -> Result<()>;

    /// Rolls it back; without one it does nothing.
    async fn rollback(&mut self) -> Result<()>;

    /// Sets how long a statement outside a transaction waits for a lock; `None` is the server's own setting.
    async fn set_lock_timeout(&mut self, lock_timeout: Option<Duration>) -> Result<()>;

    /// Gives the session the settings that a new one has, so that one file's do not reach the next.
    async fn reset(&mut self) -> Result<()>;

    /// The history's table, quoted and qualified, for SQL of dbm's own.
    fn history_table(&self) -> &str;

    /// A handle that stops what runs here, from any other task.
    fn canceller(&self) -> Canceller;
}

/// The lock that keeps other runs out. The session that holds it is the one that runs the DDL.
#[async_trait]
pub trait Lock: Send {
    /// Who we are on the server.
    fn id(&self) -> &SessionId;

    /// Takes the lock if it is free, without waiting in the server; `true` when we have it.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Refused`] where a session lock cannot hold (a transaction pooler in between).
    async fn try_lock(&mut self) -> Result<bool>;

    /// Who holds it, where that can be told.
    async fn lock_holder(&mut self) -> Result<Option<SessionId>>;

    /// Gives it back; without it, does nothing.
    async fn unlock(&mut self) -> Result<()>;

    /// Ends a session that its client has left behind and waits until it is gone; `false` if it was gone already.
    /// With it goes all else that clients who are known to be gone have left on the server.
    async fn end_session(&mut self, orphan: &SessionId) -> Result<bool>;
}

/// The journal's place, on the database's side. It holds the entries of one run: the open one or the last.
#[async_trait]
pub trait Journal: Send {
    /// Fails where what has the names of dbm's own tables is not of dbm's making, so that writing there would run the
    /// code of somebody else.
    async fn check_own_tables(&mut self) -> Result<()> {
        Ok(())
    }

    /// All entries in order; none if no run ever was. Creates nothing.
    async fn entries(&mut self) -> Result<Vec<Entry>>;

    /// Forgets the last run and writes the first entry of a new one, in one durable step. Makes the place if needed.
    async fn begin_run(&mut self, first: &Entry) -> Result<()>;

    /// Adds an entry, durable when this returns. Never called inside a transaction.
    async fn append(&mut self, entry: &Entry) -> Result<()>;

    /// Writes into the open transaction that this group of this run is in, so that it commits with it.
    async fn mark_committed(&mut self, run: &str, group: u32) -> Result<()>;

    /// The groups of the run whose commit is in the database.
    async fn committed(&mut self, run: &str) -> Result<Vec<u32>>;
}

/// What has to be known to lift a fence again, as journaled before it is raised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FenceState(pub Value);

impl FenceState {
    /// What belonged to the database itself before the fence, where the fence changes any of it:
    /// an archive that is made behind the fence holds this instead.
    pub fn properties(&self) -> Option<Value> {
        self.0.get("properties").cloned()
    }
}

/// Keeps writers out for the length of a run.
#[async_trait]
pub trait Fence: Send {
    /// What is there now and will be put back, to be journaled before [`Fence::raise_fence`].
    async fn fence_state(&mut self) -> Result<FenceState>;

    /// Keeps everybody else out and ends their sessions. Raising it twice is the same as once.
    async fn raise_fence(&mut self, state: &FenceState) -> Result<()>;

    /// Puts back what `state` says. Lifting it twice is the same as once.
    async fn lift_fence(&mut self, state: &FenceState) -> Result<()>;

    /// Whether the fence of a run whose process is gone has stood until now, so that nobody can have written since.
    async fn fence_stands(&mut self, state: &FenceState) -> Result<bool>;

    /// Whether nobody else can have written since it was raised. One that lives on the server is, until it is lifted.
    fn is_sealed(&self) -> bool {
        true
    }
}

/// A counter that a rollback leaves where the transaction has set it, as it stands at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// What it is called, as the engine writes it.
    pub name: String,
    /// The number that it gave last, or is to give first.
    pub last: i64,
    /// Whether it has given that number.
    pub given: bool,
}

/// What a rollback does not take back.
#[async_trait]
pub trait Counters: Send {
    /// All such counters that we may read; none where a rollback takes everything back.
    async fn counters(&mut self) -> Result<Vec<Counter>> {
        Ok(Vec::new())
    }

    /// Sets those that are behind to where they were, so that no number is given twice, and names them. Those that are
    /// ahead have only left numbers out.
    async fn catch_up(&mut self, were: &[Counter]) -> Result<Vec<String>> {
        let _ = were;
        Ok(Vec::new())
    }
}

/// One connection that stays the same server session for its whole life.
pub trait Session: Statements + Lock + Journal + Fence + Counters {}

impl<T: Statements + Lock + Journal + Fence + Counters> Session for T {}
