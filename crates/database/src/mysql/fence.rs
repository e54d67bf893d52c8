use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::claims::EVENTS;
use super::{Flavour, Grants, Session};
use crate::{Engine, Error, ErrorKind, Fence, FenceState, OtherSession, Result, quote};

/// What the fence changes, as it was before.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    /// The accounts that could log in, and that the fence locks.
    accounts: Vec<Account>,
    /// Whether the server ran events by itself.
    events: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Account {
    user: String,
    host: String,
}

impl Account {
    fn sql(&self) -> String {
        let literal = |text| quote::literal(Engine::Mysql, text);
        format!("{}@{}", literal(&self.user), literal(&self.host))
    }
}

impl State {
    /// What it takes hold of, in the words of what fences hold.
    fn held(&self) -> Vec<String> {
        let events = self.events.then(|| EVENTS.to_owned());
        self.accounts.iter().map(Account::sql).chain(events).collect()
    }
}

/// How long a session of our own account that is just going may take for it.
const GOING: Duration = Duration::from_secs(2);

const RIGHTS: &str = "a fence needs SELECT on the database `mysql`, PROCESS, CREATE USER and CONNECTION ADMIN; or run without one: \
                      `--accept-lost-writes`";

const WHAT: &str = "cannot keep others away from the database";

/// Those that every server has for itself and nobody logs in with.
pub(super) const OF_THE_SERVER: &str = "'mariadb.sys', 'mysql.sys', 'mysql.session', 'mysql.infoschema'";

/// How the names of the accounts begin that dbm makes for its scratch databases.
///
/// They reach nothing but their own scratch database, so no fence has to shut them: another database's rehearsal on the
/// same server goes on.
pub const SCRATCH_ACCOUNTS: &str = "dbm_scratch_";

/// The fence locks every other account that can log in, ends their sessions, and stops the server's events. Whose privileges reach the database through roles, patterns and definers is not to be told for
/// sure, so nobody is left out but [`SCRATCH_ACCOUNTS`]. Accounts are the server's: what the fence of another database
/// holds as well stays shut when the first of them is lifted.
///
/// Our own account cannot be locked: where others use it too, there is no fence.
#[async_trait]
impl Fence for Session {
    async fn fence_state(&mut self) -> Result<FenceState> {
        if !Grants::read(&mut self.connection).await?.everywhere("PROCESS") {
            let message = format!("{WHAT}: the server does not tell this account whose sessions there are");
            return Err(Error::new(ErrorKind::Permission, message).with_hint(RIGHTS));
        }
        self.close_gate().await?;
        let state = self.state_now().await;
        self.open_gate().await?;
        let state = state?;
        self.alone_in_account().await?;
        serde_json::to_value(&state).map(FenceState).map_err(|cause| {
            Error::new(ErrorKind::Internal, "the fence's state cannot be written as JSON").with_source(cause)
        })
    }

    async fn raise_fence(&mut self, state: &FenceState) -> Result<()> {
        self.keep_out(state).await?;
        self.server.clone().end_elsewhere_through(&mut self.connection).await
    }

    async fn lift_fence(&mut self, state: &FenceState) -> Result<()> {
        let state = read(state)?;
        self.close_gate().await?;
        let lifted = self.release(state).await;
        self.open_gate().await?;
        lifted
    }

    async fn fence_stands(&mut self, state: &FenceState) -> Result<bool> {
        let (state, open) = (read(state)?, self.open_accounts().await?);
        let stands = !state.accounts.iter().any(|account| open.contains(account));
        Ok(stands && !(state.events && self.events_run().await?))
    }
}

fn read(state: &FenceState) -> Result<State> {
    serde_json::from_value(state.0.clone()).map_err(|cause| {
        Error::new(ErrorKind::Refused, "the journal's note of the locked accounts cannot be read")
            .with_hint(
                "another version of dbm may have written it: look at step `fence` in the table dbm.journal",
            )
            .with_source(cause)
    })
}

impl Session {
    /// As [`Fence::raise_fence`], for a moment: sessions of other accounts that are in another database, or in none, are left to
    /// work. Who they are is told by [`Session::elsewhere`]: no new ones come.
    ///
    /// # Errors
    /// As [`Fence::raise_fence`].
    pub async fn keep_out(&mut self, state: &FenceState) -> Result<()> {
        let state = read(state)?;
        self.close_gate().await?;
        let locked = self.take_hold(&state).await;
        self.open_gate().await?;
        locked?;
        self.server.clone().end_others_through(&mut self.connection).await?;
        self.alone_in_account().await
    }

    /// The sessions of other accounts outside of the database: they reach it by its name, and may enter it at any time.
    ///
    /// # Errors
    /// What asking the server gave.
    pub async fn elsewhere(&mut self) -> Result<Vec<OtherSession>> {
        self.server.clone().elsewhere_through(&mut self.connection).await
    }

    /// What is to be put back: also what is shut only by the fence of another database, which may be lifted before ours.
    async fn state_now(&mut self) -> Result<State> {
        let (mut accounts, mut events) = (self.open_accounts().await?, self.events_run().await?);
        let mut open: Vec<String> = accounts.iter().map(Account::sql).collect();
        open.extend(events.then(|| EVENTS.to_owned()));
        // What is open in spite of a fence was opened by hand.
        self.held_by_nobody(&open).await?;
        let held = self.held_by_others().await?;
        events |= held.contains(EVENTS);
        let mut shut = self.accounts("TRUE").await?;
        shut.retain(|account| held.contains(&account.sql()) && !accounts.contains(account));
        accounts.extend(shut);
        Ok(State { accounts, events })
    }

    async fn take_hold(&mut self, state: &State) -> Result<()> {
        self.hold(&state.held()).await?;
        if state.events && self.events_run().await? {
            self.set_events("OFF").await?;
        }
        self.alter(&state.accounts, "LOCK").await
    }

    async fn release(&mut self, state: State) -> Result<()> {
        self.let_go(&state.held()).await?;
        let (open, held) = (self.open_accounts().await?, self.held_by_others().await?);
        let shut = |account: &Account| !open.contains(account) && !held.contains(&account.sql());
        let locked: Vec<Account> = state.accounts.into_iter().filter(shut).collect();
        self.alter(&locked, "UNLOCK").await?;
        if state.events && !held.contains(EVENTS) && !self.events_run().await? {
            self.set_events("ON").await?;
        }
        Ok(())
    }

    /// All accounts but ours that are not locked.
    async fn open_accounts(&mut self) -> Result<Vec<Account>> {
        let open = match self.connection.flavour() {
            Flavour::MariaDb => "COALESCE(JSON_VALUE(priv, '$.account_locked'), 0) IN ('0', 'false')",
            Flavour::MySql => "account_locked = 'N'",
        };
        self.accounts(open).await
    }

    /// All accounts but ours for which a condition holds.
    async fn accounts(&mut self, which: &str) -> Result<Vec<Account>> {
        let (from, no_role) = match self.connection.flavour() {
            Flavour::MariaDb => {
                ("mysql.global_priv", "COALESCE(JSON_VALUE(priv, '$.is_role'), 0) IN ('0', 'false')")
            }
            Flavour::MySql => ("mysql.user", "TRUE"),
        };
        let sql = format!(
            "SELECT user, host FROM {from} WHERE {which} AND {no_role} AND user NOT IN ({OF_THE_SERVER})
                AND LEFT(user, {}) <> '{SCRATCH_ACCOUNTS}' AND CONCAT(user, '@', host) <> CURRENT_USER() ORDER BY user, host",
            SCRATCH_ACCOUNTS.len()
        );
        let rows = self.connection.query(&sql, WHAT).await.map_err(|error| match error.kind() {
            ErrorKind::Permission => error.with_hint(RIGHTS),
            _ => error,
        })?;
        let accounts = rows.into_iter().filter_map(|row| {
            let [user, host] = <[Option<String>; 2]>::try_from(row).ok()?;
            Some(Account { user: user?, host: host? })
        });
        Ok(accounts.collect())
    }

    async fn alter(&mut self, accounts: &[Account], how: &str) -> Result<()> {
        for account in accounts {
            let sql = format!("ALTER USER IF EXISTS {} ACCOUNT {how}", account.sql());
            self.connection.batch(&sql, &format!("{WHAT} ({}@{})", account.user, account.host)).await?;
        }
        Ok(())
    }

    /// Refuses where somebody else is in the database as the account that we are.
    async fn alone_in_account(&mut self) -> Result<()> {
        let own = self.connection.value("SELECT SUBSTRING_INDEX(USER(), '@', 1)", WHAT).await?;
        let server = self.server.clone();
        let deadline = Instant::now() + GOING;
        let other = loop {
            let others = server.others_through(&mut self.connection).await?;
            match others.into_iter().find(|other| Some(&other.account) == own.as_ref()) {
                None => return Ok(()),
                Some(other) if Instant::now() > deadline => break other,
                Some(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
        Err(Error::new(
            ErrorKind::Refused,
            format!(
                "`{}` from {} works in the database as the account that dbm uses, and cannot be kept out",
                other.account, other.address
            ),
        )
        .with_hint(
            "give dbm an account of its own, or stop that program; or run without a fence: `--accept-lost-writes`",
        ))
    }

    async fn events_run(&mut self) -> Result<bool> {
        let mode = self.connection.value("SELECT @@global.event_scheduler", WHAT).await?;
        Ok(mode.is_some_and(|mode| mode == "ON" || mode == "1"))
    }

    async fn set_events(&mut self, mode: &str) -> Result<()> {
        let sql = format!("SET GLOBAL event_scheduler = {mode}");
        self.connection.batch(&sql, "cannot stop the server's events").await.map_err(|error| match error.kind() {
            ErrorKind::Permission => error.with_hint(
                "the account needs SUPER (MariaDB) or SYSTEM_VARIABLES_ADMIN (MySQL); or switch event_scheduler off first",
            ),
            _ => error,
        })
    }
}
