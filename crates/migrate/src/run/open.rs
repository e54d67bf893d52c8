use std::time::Instant;

use backup::{Error, ErrorKind, Result};
use chrono::Utc;
use database::{Entry, Session, SessionId, SourceId};
use helpers::redact::Redactor;

use super::{Event, Moment, Runner};
use crate::history::{self, Applied};
use crate::journal::{Begun, GroupNote, RunKind, Step, Told};

/// A run whose journal is open, and the session that holds the lock.
pub(super) struct Open<'r> {
    pub(super) runner: &'r Runner,
    /// `None` after a swap (it was in the database that was renamed away), or after the connection broke.
    pub(super) session: Option<Box<dyn Session>>,
    /// The session that broke, until another is had in its place.
    pub(super) broken: Option<SessionId>,
    pub(super) run: String,
    pub(super) entries: Vec<Entry>,
    /// What a server's message may repeat and nobody is to read: the values of placeholders.
    pub(super) redactor: Redactor,
    /// Whether the fence, if there is one, has stood for as long as the run: one that went with its process has not.
    pub(super) fence_held: bool,
    /// The schema before the run, to be kept with its last commit.
    pub(super) before: Option<history::Fingerprint>,
    /// What the history has besides what the run applies, or has before the first that it takes back.
    pub(super) applied: Vec<Applied>,
}

/// A step that is being taken.
pub(super) struct Taking {
    step: String,
    about: Option<String>,
    since: Instant,
}

impl<'r> Open<'r> {
    /// Writes the first entry of a new run.
    pub(super) async fn begin(
        runner: &'r Runner,
        mut session: Box<dyn Session>,
        kind: RunKind,
        source: SourceId,
        groups: Vec<GroupNote>,
    ) -> Result<Self> {
        let begun = Begun {
            kind,
            by: runner.settings.by.clone(),
            host: session.id().client_host.clone(),
            session: session.id().clone(),
            source,
            instance: runner.database.about().await?.instance,
            groups,
            dbm: runner.settings.dbm.clone(),
        };
        let redactor = Redactor::default();
        let mut open = Self {
            runner,
            session: None,
            broken: None,
            run: name()?,
            entries: Vec::new(),
            redactor,
            fence_held: true,
            before: None,
            applied: Vec::new(),
        };
        let about = begun.kind.word().to_owned();
        let entry = open.entry(&Step::Begin(Box::new(begun)))?;
        let taking = open.before("begin", Some(about));
        let mut written = session.begin_run(&entry).await.map_err(Error::from);
        if written.as_ref().is_err_and(|error| error.kind() == ErrorKind::Connection) {
            // Only the server knows whether it was written; what was not is not begun.
            let broken = session.id().clone();
            session = runner.session_after(&broken).await?;
            if session.entries().await?.first() == Some(&entry) {
                written = Ok(());
            }
        }
        open.after(taking, written.as_ref().err());
        written?;
        open.entries.push(entry);
        open.session = Some(session);
        Ok(open)
    }

    /// Takes up a run that somebody left.
    pub(super) fn resume(
        runner: &'r Runner,
        session: Box<dyn Session>,
        run: String,
        entries: Vec<Entry>,
    ) -> Self {
        let redactor = Redactor::default();
        Self {
            runner,
            session: Some(session),
            broken: None,
            run,
            entries,
            redactor,
            fence_held: true,
            before: None,
            applied: Vec::new(),
        }
    }

    pub(super) fn told(&self) -> Result<Told> {
        let told = Told::read(&self.entries)?;
        told.ok_or_else(|| Error::new(ErrorKind::Internal, "the open run has no entries"))
    }

    pub(super) fn session(&mut self) -> Result<&mut Box<dyn Session>> {
        self.session.as_mut().ok_or_else(|| Error::new(ErrorKind::Internal, "the run's session has ended"))
    }

    /// The next entry, not written yet.
    pub(super) fn entry(&self, step: &Step) -> Result<Entry> {
        let step = serde_json::to_value(step).map_err(|error| {
            Error::new(ErrorKind::Internal, "a step of the journal cannot be written as JSON")
                .with_source(error)
        })?;
        let number = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        Ok(Entry { run: self.run.clone(), number, at: Utc::now(), step })
    }

    /// Writes an entry; durable when this returns.
    pub(super) async fn note(&mut self, step: &Step) -> Result<()> {
        let entry = self.entry(step)?;
        self.session()?.append(&entry).await?;
        self.entries.push(entry);
        Ok(())
    }

    /// Begins a step: says so, and writes its entry if it has one.
    pub(super) async fn take(
        &mut self,
        name: &str,
        about: Option<String>,
        step: Option<&Step>,
    ) -> Result<Taking> {
        let taking = self.before(name, about);
        if let Some(step) = step {
            if let Err(error) = self.note(step).await {
                self.after(taking, Some(&error));
                return Err(error);
            }
            self.say(&taking.step, Moment::Noted, taking.about.clone(), None, None);
        }
        Ok(taking)
    }

    fn before(&self, name: &str, about: Option<String>) -> Taking {
        self.say(name, Moment::Before, about.clone(), None, None);
        Taking { step: name.to_owned(), about, since: Instant::now() }
    }

    /// Ends a step.
    pub(super) fn after(&self, taking: Taking, error: Option<&Error>) {
        let took = u64::try_from(taking.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.say(&taking.step, Moment::After, taking.about, Some(took), error.map(ToString::to_string));
    }

    fn say(
        &self,
        step: &str,
        moment: Moment,
        about: Option<String>,
        duration_ms: Option<u64>,
        error: Option<String>,
    ) {
        let error = error.map(|error| self.redactor.scrub(&error));
        let event = Event { run: self.run.clone(), step: step.to_owned(), moment, about, duration_ms, error };
        self.runner.watch.step(&event);
    }
}

/// A name that no other run has.
pub(super) fn name() -> Result<String> {
    let mut random = [0_u8; 4];
    getrandom::fill(&mut random).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("the system gives no random numbers: {error}"))
    })?;
    Ok(format!("{}-{:08x}", Utc::now().format("%Y%m%dT%H%M%SZ"), u32::from_be_bytes(random)))
}
