//! What a killed command has left open.

use backup::{Error, ErrorKind, Result};
use database::{Entry, Session};

use super::Runner;
use super::open::Open;
use super::report::Report;
use crate::journal::{Ending, RunKind, Told};

impl Runner {
    /// Settles the run that somebody else left open, if the journal's entries are of one; the caller's session is gone if that took its place.
    pub(super) async fn recover_first(
        &self,
        session: Box<dyn Session>,
        entries: Vec<Entry>,
    ) -> Result<(Option<Box<dyn Session>>, Option<Report>)> {
        let Some(told) = Told::read(&entries)? else { return Ok((Some(session), None)) };
        if told.ending().is_some() {
            // Whoever was killed between the last entry and this has left it so.
            if let Some(archive) = told.backup() {
                self.unpin(&told.run, archive).await;
            }
            // The new database had taken its place already, and what it was made in is still there.
            if told.begun.kind == RunKind::Reset
                && let Err(error) = self.sweep(&told, Some(&session.id().client_host)).await
            {
                self.watch
                    .note(&format!("what the reset {} has left could not be removed: {error}", told.run));
            }
            return Ok((Some(session), None));
        }
        Ok((None, Some(self.recover_told(session, &told, entries).await?)))
    }

    async fn recover_told(
        &self,
        mut session: Box<dyn Session>,
        told: &Told,
        entries: Vec<Entry>,
    ) -> Result<Report> {
        self.watch.note(&format!(
            "run {} ({}, begun by {} on {}) was interrupted; it is finished or undone first",
            told.run,
            told.begun.kind.word(),
            told.begun.by,
            told.begun.host
        ));
        self.same_database(told).await?;
        // A statement that its client has left behind could still commit.
        if told.begun.session != *session.id() {
            session.end_session(&told.begun.session).await?;
        }
        backup::restore::settle(&self.database).await?;
        // Something of it may have been committed while it was being ended. A session that a swap has ended is made anew.
        let entries = session.entries().await.unwrap_or(entries);
        let mut report = Report::new(told.begun.kind, self.database.name());
        report.run = Some(told.run.clone());
        let open = Open::resume(self, session, told.run.clone(), entries);
        Box::pin(self.settled(open, &mut report, true)).await;
        Ok(report.finished())
    }

    /// Refuses to judge one database by another's journal: one that came with a copy, or that lies beside a file.
    pub(super) async fn same_database(&self, told: &Told) -> Result<()> {
        let now = self.database.about().await?.instance;
        let then = &told.begun.instance;
        if now == *then {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Refused,
            format!(
                "run {} was of another database, {} ({then}), and not of this one ({now}), which may be a copy made \
                 while that run was open; nothing was changed",
                told.run, told.begun.source
            ),
        )
        .with_hint(
            "recover that database, from its own URL, and copy it again; or put a whole backup in the place of this \
             one: `dbm restore NAME`",
        ))
    }

    /// Finishes or undoes a run that was interrupted.
    ///
    /// # Errors
    /// The database could not be reached, or another run is at work.
    pub async fn recover(&self) -> Result<Report> {
        let mut locked = Box::pin(self.locked()).await?;
        let entries = locked.entries().await?;
        let (session, recovered) = Box::pin(self.recover_first(locked.session, entries)).await?;
        if let Some(report) = recovered {
            self.note_leftovers().await;
            return Ok(report);
        }
        self.note_leftovers().await;
        let mut report = Report::new(RunKind::Migrate, self.database.name());
        report.state = "No run is open: there is nothing to recover.".to_owned();
        if let Some(mut session) = session {
            let told = Told::read(&session.entries().await?)?;
            session.unlock().await?;
            if let Some((told, ending)) = told.and_then(|told| told.ending().map(|ending| (told, ending))) {
                report.state.push_str(&self.last_run(&told, ending).await);
            }
        }
        Ok(report.finished())
    }

    /// Names the copies that a killed command has left, which hold the database's rows and take its room.
    async fn note_leftovers(&self) {
        for name in backup::restore::leftovers(&self.database).await.unwrap_or_default() {
            self.watch.note(&format!(
                "{name} was left by a command that was killed, or is one's that is at work; `dbm replaced --let-go {name}` removes it"
            ));
        }
    }

    /// How the last run ended, and where what it replaced is: it may have been killed before it could say so.
    async fn last_run(&self, told: &Told, ending: Ending) -> String {
        let Told { run, begun, .. } = told;
        let ended = match ending {
            Ending::Done if begun.kind == RunKind::Restore => "the archive has taken the database's place",
            Ending::Done if begun.kind == RunKind::Reset => {
                "what migrations and seeds make has taken the database's place"
            }
            Ending::Done => "it was committed",
            Ending::NothingChanged => "it changed nothing",
            Ending::PutBack => "the database was put back from its backup, and proven",
            Ending::Superseded => "a restore has taken the place of it",
            Ending::Replaced => "the database is one that a restore has replaced",
        };
        // It may be long ago: its backup may be gone, and who has taken a right away may have meant to.
        let mut not_back = self.not_back(told, ending).await.unwrap_or_default();
        let rights = match std::mem::take(&mut not_back.not_granted) {
            rights if rights.is_empty() => String::new(),
            rights => {
                format!(" Rights that were there before it, and are not there now: {}.", rights.join("; "))
            }
        };
        let over = format!(
            " The last one, {} {run} by {}, is over: {ended}{}.{}{rights}",
            begun.kind.word(),
            begun.by,
            not_back.exceptions(),
            not_back.without()
        );
        match ending {
            // Such a run has replaced nothing.
            Ending::Done if !begun.kind.only_exchanges() => over,
            Ending::NothingChanged => over,
            _ => over + &self.kept_since(told).await,
        }
    }

    /// What was replaced since a run began and is kept, by name.
    pub(super) async fn replaced_since(&self, told: &Told) -> Result<Vec<String>> {
        let kept = backup::restore::replaced(&self.database).await?;
        // Their names say the second.
        let since = told.at.timestamp();
        Ok(kept.into_iter().filter(|it| it.when.timestamp() >= since).map(|it| it.name).collect())
    }

    /// Where what a run has replaced is, from its own names: who was killed could not say so.
    pub(super) async fn kept_since(&self, told: &Told) -> String {
        let Ok(kept) = self.replaced_since(told).await else {
            return " `dbm replaced` lists what is kept of before.".to_owned();
        };
        match kept.is_empty() {
            true => String::new(),
            false => format!(" What was replaced since it began is kept: {}.", kept.join(", ")),
        }
    }
}
