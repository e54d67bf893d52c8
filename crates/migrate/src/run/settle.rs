use backup::{Error, ErrorKind, Result};
use database::Session;

use super::go::unlock;
use super::lock::Away;
use super::open::Open;
use super::report::{Failure, NotBack, Outcome, Report, Restored};
use super::{Question, Runner};
use crate::engine;
use crate::journal::{ArchiveNote, Ending, RunKind, Step, Told, Verdict, verdict};
use crate::scratch;

impl Runner {
    /// Finishes the run or puts the database back, by what journal and database say.
    ///
    /// `recovery`: the run is somebody else's, who was killed.
    ///
    /// Gives back the session of a run that is over, with the lock still held; none where what took the database's place has
    /// ended it.
    pub(super) async fn settle(
        &self,
        mut open: Open<'_>,
        report: &mut Report,
        recovery: bool,
    ) -> Option<Box<dyn Session>> {
        let mut away = Away::default();
        let error = loop {
            let Err(error) = Box::pin(self.try_settle(&mut open, report, recovery)).await else {
                return open.session.take();
            };
            // Only the connection is gone: journal and database say on a new one how far it got.
            if error.kind() != ErrorKind::Connection {
                break error;
            }
            if open.session.is_some() {
                away.was_back();
            }
            if away.is_news() {
                let seconds = self.settings.reconnect.as_secs();
                self.watch.note(&format!("{error}; asking again for up to {seconds} s"));
            }
            if !self.wait_for_server(&mut away).await {
                break error;
            }
        };
        report.outcome = Outcome::NeedsPerson;
        report.state = format!(
            "Run {} is still open, and the database is not yet what it should be: {error}.",
            open.run
        );
        const RECOVER: &str = "`dbm recover` finishes the run or puts the database back";
        report.hint = Some(match error.hint() {
            // Whoever has mended that has still this to type.
            Some(hint) if error.kind() == ErrorKind::Connection => format!("{hint}; then {RECOVER}"),
            Some(hint) => hint.to_owned(),
            None => RECOVER.to_owned(),
        });
        let failure = Failure::of(&error);
        match &mut report.failure {
            None => report.failure = Some(failure),
            Some(first) => first.causes.push(failure.message),
        }
        None
    }

    /// The same, with the lock let go.
    pub(super) async fn settled(&self, open: Open<'_>, report: &mut Report, recovery: bool) {
        if let Some(session) = Box::pin(self.settle(open, report, recovery)).await {
            unlock(session).await;
        }
    }

    async fn try_settle(&self, open: &mut Open<'_>, report: &mut Report, recovery: bool) -> Result<()> {
        // No session means that a swap succeeded, and it has written the journal's end already.
        if open.session.is_some() || open.broken.is_some() {
            self.sound_session(open).await?;
        }
        let told = open.told()?;
        if let Some(ending) = told.ending() {
            if !engine::fence_outlives_process(self.database.engine()) {
                self.end(open, &told, ending).await?;
            }
            // The last entry had been written, and only its confirmation was lost.
            return self.closed(open, report, ending, recovery).await;
        }
        let run = open.run.clone();
        let committed = open.session()?.committed(&run).await?;
        match verdict(&told, &committed, engine::swap_is_one_step(self.database.engine())) {
            Verdict::Finish(ending) => self.close(open, report, &told, ending, recovery).await,
            Verdict::Done => self.close(open, report, &told, Ending::Done, recovery).await,
            Verdict::NothingChanged => {
                self.catch_up(open, &told).await?;
                self.close(open, report, &told, Ending::NothingChanged, recovery).await
            }
            Verdict::PutBack(archive) => {
                self.may_restore(open, &told, &archive, recovery).await?;
                self.name_replaced(&told).await?;
                let restored = Box::pin(self.put_in_place(open, &told, &archive, Ending::PutBack)).await?;
                self.put_back(report, restored, recovery);
                self.close(open, report, &told, Ending::PutBack, recovery).await
            }
            Verdict::RestoreAgain(archive) => {
                let ending = if told.begun.kind == RunKind::Restore { Ending::Done } else { Ending::Superseded };
                self.may_restore(open, &told, &archive, recovery).await?;
                self.name_replaced(&told).await?;
                let restored = Box::pin(self.put_in_place(open, &told, &archive, ending)).await?;
                report.restored = Some(restored);
                self.close(open, report, &told, ending, recovery).await
            }
            Verdict::Stuck => Err(Error::new(
                ErrorKind::Refused,
                "a part of the run is committed, the rest is not, and there is no backup of what was there before",
            )
            .with_hint("look at `dbm history`, mend the database by hand, or restore a backup: `dbm backups`, `dbm restore NAME`")),
        }
    }

    /// Tells by name what an exchange that was cut off has kept, where it may have taken place without the journal's
    /// knowing: what others had written until then is nowhere else.
    async fn name_replaced(&self, told: &Told) -> Result<()> {
        if !told.exchanging() || engine::swap_is_one_step(self.database.engine()) {
            return Ok(());
        }
        for name in self.replaced_since(told).await? {
            self.watch.note(&format!(
                "an exchange of this run was cut off; what the database was before it is kept as {name}, with what others had \
                 written until then; let it go with: dbm replaced --let-go {name}"
            ));
        }
        Ok(())
    }

    /// A session that answers and holds the lock, and the journal as it stands.
    async fn sound_session(&self, open: &mut Open<'_>) -> Result<()> {
        if let Some(session) = open.session.as_mut() {
            // What a file outside a transaction has set, such as a role, would be in our way from here on.
            if session.rollback().await.is_ok()
                && session.reset().await.is_ok()
                && session.try_lock().await.is_ok_and(|locked| locked)
            {
                return match open.told()?.exchanging() {
                    // Its own connection may have broken in the middle of it, and this one not.
                    true => self.exchanged(open).await,
                    false => journal_again(open).await,
                };
            }
            open.broken = Some(session.id().clone());
            open.session = None;
        }
        let Some(broken) = open.broken.clone() else {
            return Err(Error::new(ErrorKind::Internal, "the run's session has ended"));
        };
        let mut session = self.session_after(&broken).await?;
        // A swap that the server has still to end would be overlooked.
        backup::restore::settle(&self.database).await?;
        let entries = session.entries().await?;
        if entries.first().is_none_or(|first| first.run != open.run) {
            return Err(Error::new(ErrorKind::Busy, "another run has begun since the connection broke")
                .with_hint("`dbm status` says what the database is"));
        }
        open.entries = entries;
        open.session = Some(session);
        open.broken = None;
        Ok(())
    }

    /// Finishes an exchange that was interrupted, and reads what it has published.
    async fn exchanged(&self, open: &mut Open<'_>) -> Result<()> {
        backup::restore::settle(&self.database).await?;
        let entries = open.session()?.entries().await?;
        if entries.first().is_some_and(|first| first.run == open.run) {
            open.entries = entries;
        }
        Ok(())
    }

    /// As [`Runner::sound_session`], while the server is given time to come back.
    pub(super) async fn sound_again(&self, open: &mut Open<'_>) -> Result<()> {
        let mut away = Away::default();
        loop {
            let Err(error) = self.sound_session(open).await else { return Ok(()) };
            if error.kind() != ErrorKind::Connection || !self.wait_for_server(&mut away).await {
                return Err(error);
            }
        }
    }

    /// Sets forward what a group that was rolled back has set back: the next number would be one that is there.
    async fn catch_up(&self, open: &mut Open<'_>, told: &Told) -> Result<()> {
        for name in open.session()?.catch_up(told.counters()).await? {
            self.watch.note(&format!(
                "the run had set the sequence {name} back, which no rollback undoes; it is where it was again"
            ));
        }
        Ok(())
    }

    async fn may_restore(
        &self,
        open: &mut Open<'_>,
        told: &Told,
        archive: &ArchiveNote,
        recovery: bool,
    ) -> Result<()> {
        if !recovery || self.settings.yes {
            return Ok(());
        }
        // After an exchange this may be the database that was replaced, by its old name again.
        let perhaps_replaced = told.exchanging() && engine::replaced_keeps_journal(self.database.engine());
        if let Some(state) = told.fence()
            && !perhaps_replaced
            && open.session()?.fence_stands(state).await?
        {
            return Ok(());
        }
        let what = if told.backup() == Some(archive) {
            format!("and a part of it is in the database. The way back is the backup {}", archive.name)
        } else {
            format!(
                "while {} was about to take the database's place. It is to be restored again",
                archive.name
            )
        };
        let text = format!(
            "Run {} was interrupted, {what}. Whatever others have written since {} would then be in the replaced database \
             only, which is kept.",
            told.run,
            told.at.format("%Y-%m-%d %H:%M:%S UTC")
        );
        if self.watch.confirm(&Question { text: text.clone(), option: "--yes" }) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Refused, text.trim_end_matches('.').to_owned())
            .with_hint("`dbm recover --yes` does so"))
    }

    /// Lifts the fence and writes the last entry, unless the restored database brought it with it.
    async fn close(
        &self,
        open: &mut Open<'_>,
        report: &mut Report,
        told: &Told,
        ending: Ending,
        recovery: bool,
    ) -> Result<()> {
        let host = open.session.as_ref().map(|session| session.id().client_host.clone());
        self.sweep(told, host.filter(|_| recovery).as_deref()).await?;
        self.end(open, told, ending).await?;
        self.closed(open, report, ending, recovery).await
    }

    /// Removes the scratch databases of a run, and its folders where they are on this host, as far as it may.
    pub(super) async fn sweep(&self, told: &Told, host: Option<&str>) -> Result<()> {
        for scratch in told.scratches() {
            scratch::discard(&self.database, scratch).await?;
        }
        if host == Some(&told.begun.host) {
            for folder in told.scratch_folders() {
                // Another account of this host may have made it; nothing of the database is in its way.
                if let Err(error) = scratch::discard_folder(folder) {
                    self.watch.note(&error.to_string());
                }
            }
        }
        Ok(())
    }

    /// What an exchange has published already is not written again.
    pub(super) async fn end(&self, open: &mut Open<'_>, told: &Told, ending: Ending) -> Result<()> {
        if open.session.is_none() {
            return Ok(());
        }
        let ended = open.told()?.ending().is_some();
        if let Some(state) = told.fence() {
            let taking = open.take("lift-fence", None, Some(&Step::LiftFence).filter(|_| !ended)).await?;
            let lifted = open.session()?.lift_fence(state).await.map_err(Error::from);
            open.after(taking, lifted.as_ref().err());
            lifted?;
        }
        if !ended {
            let taking = open.take("end", None, Some(&Step::End { ending })).await?;
            open.after(taking, None);
        }
        Ok(())
    }

    async fn closed(
        &self,
        open: &mut Open<'_>,
        report: &mut Report,
        ending: Ending,
        recovery: bool,
    ) -> Result<()> {
        let told = open.told()?;
        if let Some(archive) = told.backup() {
            self.unpin(&told.run, archive).await;
        }
        report.outcome = match ending {
            _ if recovery => Outcome::Done,
            Ending::Done | Ending::Superseded | Ending::Replaced => Outcome::Done,
            Ending::NothingChanged => Outcome::NothingChanged,
            Ending::PutBack => Outcome::PutBack,
        };
        if report.state.is_empty() {
            let told = open.told()?;
            let not_back = self.not_back(&told, ending).await.unwrap_or_else(|error| {
                self.watch.note(&format!("whether all of it is back as it was could not be read: {error}"));
                NotBack::default()
            });
            report.state = state(&told, ending, report, &not_back);
            if matches!(ending, Ending::PutBack)
                || open.told()?.begun.kind.only_exchanges() && ending == Ending::Done
            {
                report.state.push_str(&self.kept_since(&told).await);
            }
        }
        if ending == Ending::Done
            && let Some(failure) = report.failure.take()
        {
            // The run had done its work when something went wrong, such as its connection.
            self.watch.note(&failure.message);
        }
        Ok(())
    }

    fn put_back(&self, report: &mut Report, restored: Restored, recovery: bool) {
        let not_back = restored.not_back();
        report.state = format!(
            "The database is what it was before the run{}{}: it was restored from {}, and the rows read back \
             have the counts and digests of the backup's index (tables: {}, rows: {}).",
            if recovery { " that was interrupted" } else { "" },
            not_back.exceptions(),
            restored.archive.name,
            restored.archive.tables,
            restored.archive.rows,
        );
        report.state.push_str(&not_back.without());
        report.restored = Some(restored);
    }
}

/// Writes the journal again if a statement that the scanner could not see has dropped it: whoever comes after a kill
/// must find it.
async fn journal_again(open: &mut Open<'_>) -> Result<()> {
    let entries = open.entries.clone();
    let session = open.session()?;
    let Some((first, rest)) = entries.split_first() else { return Ok(()) };
    if !session.entries().await?.is_empty() {
        return Ok(());
    }
    session.begin_run(first).await?;
    for entry in rest {
        session.append(entry).await?;
    }
    Ok(())
}

/// What the database is now, and how that is known.
fn state(told: &Told, ending: Ending, report: &Report, not_back: &NotBack) -> String {
    let exceptions = not_back.exceptions();
    let applying = told.steps.iter().any(|step| matches!(step, Step::Apply { .. }));
    match ending {
        Ending::Done if told.begun.kind == RunKind::Restore => {
            format!("The database is what the archive holds{exceptions}: counts and digests read back equal its index.")
        }
        Ending::Done if told.begun.kind == RunKind::Reset => format!(
            "The database is what migrations and seeds make{}.",
            told.backup().map_or_else(String::new, |backup| format!("; what it was is in the backup {}", backup.name))
        ),
        Ending::Done => format!(
            "The run is committed: the marks of all of its {} are in the database{}.",
            if told.begun.groups.len() == 1 { "transactions (one)".to_owned() } else { format!("groups ({})", told.begun.groups.len()) },
            match report.checks {
                0 => String::new(),
                1 => ", and 1 check passed".to_owned(),
                checks => format!(", and {checks} checks passed"),
            }
        ),
        Ending::NothingChanged if told.begun.kind.only_exchanges() => {
            "The database is what it was: nothing had taken its place.".to_owned()
        }
        Ending::NothingChanged if told.steps.iter().any(|step| matches!(step, Step::Untouched { .. })) => {
            "The database is what it was: the run failed before any of its statements had changed anything.".to_owned()
        }
        Ending::NothingChanged if applying => {
            "The database is what it was: the transaction was rolled back, and the mark that its commit would have left \
             is not there."
                .to_owned()
        }
        Ending::NothingChanged => "The database is what it was: no statement had been run.".to_owned(),
        Ending::PutBack => format!(
            "The database is what it was{exceptions}: it was restored from its backup and proven.{}",
            not_back.without()
        ),
        Ending::Superseded => {
            format!("The database is what the archive holds{exceptions}; the run that was open is closed.")
        }
        Ending::Replaced => "The database is one that a restore has replaced.".to_owned(),
    }
}
