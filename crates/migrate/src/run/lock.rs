use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use backup::{Error, ErrorKind, Result};
use database::{Canceller, Entry, Session, SessionId};

use super::Runner;
use crate::engine;
use crate::history::Records;
use crate::journal::Told;

/// How long a server may take to cancel what is not needed any more.
const CANCEL: Duration = Duration::from_secs(2);

/// A session that holds the lock, and what was read ahead: nobody else writes it meanwhile.
pub(super) struct Locked {
    pub(super) session: Box<dyn Session>,
    entries: Option<Vec<Entry>>,
    records: Option<Records>,
}

impl Locked {
    /// What the journal has.
    ///
    /// # Errors
    /// The connection broke, or an entry is not one of dbm's making.
    pub(super) async fn entries(&mut self) -> Result<Vec<Entry>> {
        match self.entries.take() {
            Some(entries) => Ok(entries),
            None => Ok(self.session.entries().await?),
        }
    }

    /// What the history has.
    ///
    /// # Errors
    /// As [`Records::read`].
    pub(super) async fn records(&mut self) -> Result<Records> {
        match self.records.take() {
            Some(records) => Ok(records),
            None => Records::read(&mut *self.session).await,
        }
    }

    /// Reads both; no history where a run is open, whose recovery changes it and may have to end somebody who holds it up.
    async fn read_ahead(&mut self) -> Result<()> {
        let entries = self.session.entries().await?;
        if !Told::is_open(&entries) {
            self.records = Some(Records::read(&mut *self.session).await?);
        }
        self.entries = Some(entries);
        Ok(())
    }
}

impl From<Box<dyn Session>> for Locked {
    fn from(session: Box<dyn Session>) -> Self {
        Self { session, entries: None, records: None }
    }
}

/// A session that was asked for ahead of the command that needs it, and what came of it.
pub(super) type Ahead = Mutex<Option<Result<Locked>>>;

impl Runner {
    /// Takes the lock and reads journal and history while something else is done, such as reading the files, for the command
    /// that comes next; what goes wrong with it is that command's to tell.
    ///
    /// # Errors
    /// What the other thing fails with. Nothing is waited for then, and no lock is kept.
    pub async fn locked_while<T, E>(
        &self,
        work: impl Future<Output = std::result::Result<T, E>>,
    ) -> std::result::Result<T, E> {
        // A file that is not there is not to be made for something that then fails.
        if engine::is_file(self.database.engine()) {
            return work.await;
        }
        let reading = Mutex::new(None);
        let reads = |canceller| *reading.lock().unwrap_or_else(PoisonError::into_inner) = canceller;
        let lock = async {
            let mut locked = self.locked().await?;
            reads(Some(locked.session.canceller()));
            let _told_later = locked.read_ahead().await;
            reads(None);
            Ok(locked)
        };
        let (mut work, mut lock) = (pin!(work), pin!(lock));
        let (done, locked) = tokio::select! {
            biased;
            done = &mut work => (done, None),
            locked = &mut lock => (work.await, Some(locked)),
        };
        if done.is_ok() {
            let locked = match locked {
                Some(locked) => locked,
                None => lock.await,
            };
            *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) = Some(locked);
            return done;
        }
        let canceller: Option<Canceller> = reading.lock().unwrap_or_else(PoisonError::into_inner).take();
        let locked = match (locked, canceller) {
            (Some(locked), _) => locked.ok(),
            // Somebody may hold the table that is read, and the server would keep the lock for us until then.
            (None, Some(canceller)) => {
                let stop = async {
                    let _gone = canceller.cancel().await;
                    lock.await.ok()
                };
                tokio::time::timeout(CANCEL, stop).await.ok().flatten()
            }
            (None, None) => None,
        };
        if let Some(mut locked) = locked {
            let _gone = locked.session.unlock().await;
        }
        done
    }

    /// A session that holds the lock.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] if another run does not end in time.
    pub(super) async fn locked_session(&self) -> Result<Box<dyn Session>> {
        Ok(self.locked().await?.session)
    }

    /// The same, with what was read ahead.
    pub(super) async fn locked(&self) -> Result<Locked> {
        let ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner).take();
        match ahead {
            Some(locked) => locked,
            None => Ok(self.locked_within(self.settings.lock_wait).await?.into()),
        }
    }

    async fn locked_within(&self, wait: Duration) -> Result<Box<dyn Session>> {
        let mut session = self.database.session().await?;
        let deadline = Instant::now() + wait;
        let (mut said, mut lost) = (false, false);
        loop {
            let holder = match look(&mut *session).await {
                Ok(None) => {
                    session.check_own_tables().await?;
                    return Ok(session);
                }
                Ok(Some(holder)) => holder,
                // A restore that has just taken the database's place has ended all sessions of the old one.
                Err(error)
                    if error.kind() == ErrorKind::Connection && (!lost || Instant::now() < deadline) =>
                {
                    lost = true;
                    session = self.database.session().await?;
                    None
                }
                Err(error) => return Err(error),
            };
            if let Some(holder) = holder.as_ref().filter(|holder| holder.client_is_gone()) {
                self.watch.note(&format!(
                    "process {} on this host is gone, and its session on the server is ended",
                    holder.client_process
                ));
                session.end_session(holder).await?;
                continue;
            }
            let who = holder.as_ref().map_or_else(
                || "another run of dbm".to_owned(),
                |holder| {
                    format!(
                        "another run of dbm (process {} on {})",
                        holder.client_process, holder.client_host
                    )
                },
            );
            if Instant::now() >= deadline {
                return Err(Error::new(ErrorKind::Busy, format!("{who} is at work on this database"))
                    .with_hint(
                        "wait until it has ended and try again, or wait longer with `--lock-timeout 10min`",
                    ));
            }
            if !said {
                self.watch.note(&format!("waiting for {who}"));
                said = true;
            }
            tokio::select! {
                () = tokio::time::sleep(jitter(Duration::from_millis(100))) => {}
                () = self.cancel.cancelled() => {
                    return Err(Error::new(ErrorKind::Cancelled, "stopped while waiting for another run; nothing was changed"));
                }
            }
        }
    }

    /// A session that holds the lock, in place of one that broke or hangs in a statement.
    pub(super) async fn session_after(&self, broken: &SessionId) -> Result<Box<dyn Session>> {
        let mut session = self.database.session().await?;
        if session.id() != broken {
            session.end_session(broken).await?;
        }
        drop(session);
        // Somebody may have taken the lock meanwhile to finish the very run that this one is.
        self.locked_within(self.settings.lock_wait.max(self.settings.reconnect)).await
    }

    /// Waits until a server that went away may be asked again; `false` once it has been away for too long.
    pub(super) async fn wait_for_server(&self, away: &mut Away) -> bool {
        let since = *away.since.get_or_insert_with(Instant::now);
        let left = self.settings.reconnect.saturating_sub(since.elapsed());
        if left.is_zero() || away.losses > LOSSES {
            return false;
        }
        let pause = Duration::from_millis(200) * 2_u32.pow(away.attempts.min(4));
        away.attempts += 1;
        let pause = tokio::time::sleep(jitter(pause).min(left));
        // Whoever stops the run while the server is away is not kept waiting; a run that was stopped before is.
        if self.cancel.is_cancelled() {
            pause.await;
            return true;
        }
        tokio::select! {
            () = pause => true,
            () = self.cancel.cancelled() => false,
        }
    }
}

/// How many times the server may go away while one run is being settled: the restore itself may be what crashes it.
const LOSSES: u32 = 5;

/// A server that went away, and for how long.
#[derive(Debug, Default)]
pub(super) struct Away {
    since: Option<Instant>,
    attempts: u32,
    losses: u32,
}

impl Away {
    /// Whether nobody has waited for it yet.
    pub(super) fn is_news(&self) -> bool {
        self.attempts == 0
    }

    /// It was there again in between.
    pub(super) fn was_back(&mut self) {
        *self = Self { losses: self.losses + 1, ..Self::default() };
    }
}

/// Tries once: nobody when we have the lock, otherwise who has it, as far as that can be told.
async fn look(session: &mut dyn Session) -> Result<Option<Option<SessionId>>> {
    if session.try_lock().await? {
        return Ok(None);
    }
    Ok(Some(session.lock_holder().await?))
}

/// Half to one and a half times as long.
pub(super) fn jitter(about: Duration) -> Duration {
    let mut random = [0_u8; 1];
    // Without random numbers all wait alike, which is slower and not wrong.
    let _ = getrandom::fill(&mut random);
    about.mul_f64(0.5 + f64::from(random[0]) / 255.0)
}
