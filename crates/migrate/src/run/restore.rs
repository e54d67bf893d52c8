use std::time::Instant;

use backup::archive::Archive;
use backup::restore;
use backup::{Error, ErrorKind, Result};
use database::{Session, SourceId};
use helpers::naming::BackupName;

use super::Runner;
use super::archives::described;
use super::open::Open;
use super::report::{Failure, Outcome, Report, Restored};
use crate::journal::{ArchiveNote, Ending, RunKind, Step, Told};

/// How an archive is put in the database's place.
#[derive(Clone, Debug, Default)]
pub struct Restoring {
    /// Leaves out who owns what.
    pub no_owner: bool,
    /// Leaves out grants.
    pub no_privileges: bool,
    /// Roles by other names.
    pub roles: std::collections::BTreeMap<String, String>,
    /// Makes what the server lacks of the archive's roles.
    pub globals: bool,
    /// Leaves the planner without statistics of what was restored.
    pub no_analyze: bool,
    /// Ends the sessions of others.
    pub disconnect: bool,
    /// Leaves replication with the database that is replaced.
    pub detach_replication: bool,
    /// The source whose archive may take the place of a database of another.
    pub from_source: Option<SourceId>,
}

impl Runner {
    /// Restores an archive of the store over the database. A run that is open is superseded and closed by it.
    ///
    /// # Errors
    /// Why nothing was begun; the database is untouched. What was begun is in the report.
    pub async fn restore(&self, name: &BackupName, restoring: &Restoring) -> Result<Report> {
        let archive = Archive::open(self.store.source(name).await?).await?;
        let mut options = self.restore_options();
        options.no_owner = restoring.no_owner;
        options.no_privileges = restoring.no_privileges;
        options.roles.clone_from(&restoring.roles);
        options.globals = restoring.globals;
        options.analyze = !restoring.no_analyze;
        options.disconnect = restoring.disconnect;
        options.detach_replication = restoring.detach_replication;
        options.from_source.clone_from(&restoring.from_source);
        let note = ArchiveNote {
            name: name.to_string(),
            identity: archive.identity().to_string(),
            store: self.holders(name).await,
        };
        let mut report = Report::new(RunKind::Restore, self.database.name());
        if archive.head().engine != self.database.engine() {
            return Err(Error::new(
                ErrorKind::OtherEngine,
                format!(
                    "{name} is an archive of {}, and the database is {}",
                    archive.head().engine,
                    self.database.engine()
                ),
            )
            .with_hint("name a database of the archive's engine with `--url`"));
        }
        let session = match Box::pin(self.locked_session()).await {
            Ok(session) => session,
            // A database that is not there is made.
            Err(error) if error.kind() == ErrorKind::NoDatabase => {
                let (target, since) = (self.database.name(), Instant::now());
                let remade =
                    restore::into_missing(&archive, &self.database, &options, &*self.progress).await?;
                let restored = Restored {
                    archive: described(&note, &archive, since),
                    replaced: None,
                    unarchived: Vec::new(),
                    remade,
                    not_granted: Vec::new(),
                    unguarded: None,
                };
                report.state = format!(
                    "The database {target} was made, and holds what the archive holds{}: {PROOF}.",
                    restored.not_back().exceptions()
                );
                report.restored = Some(restored);
                return Ok(report.finished());
            }
            Err(error) => return Err(error),
        };
        Box::pin(self.restore_over(session, &note, &archive, options, report)).await
    }

    async fn restore_over(
        &self,
        mut session: Box<dyn Session>,
        note: &ArchiveNote,
        archive: &Archive,
        options: restore::RestoreOptions,
        mut report: Report,
    ) -> Result<Report> {
        let preflight = restore::preflight(archive, &self.database, &options).await?;
        preflight.check()?;
        for warning in &preflight.warnings {
            self.watch.note(&warning.message);
        }
        let entries = session.entries().await?;
        let mut left = match Told::read(&entries) {
            Err(error) if Told::is_headless(&entries) => {
                self.watch.note(&format!("{error}; this restore supersedes it"));
                None
            }
            told => told?.filter(|told| told.ending().is_none()),
        };
        if let Some(told) = &left
            && let Err(error) = self.same_database(told).await
        {
            // Its sessions, its fence and what it was making are that database's.
            self.watch.note(&format!("{error}; that run is left to it"));
            left = None;
        }
        let mut open = match &left {
            Some(told) => {
                session.end_session(&told.begun.session).await?;
                restore::settle(&self.database).await?;
                self.watch.note(&format!("run {} was interrupted; this restore supersedes it", told.run));
                Open::resume(self, session, told.run.clone(), entries)
            }
            None => {
                // An id that a backup gave it meanwhile would make another database of it.
                let source = self.database.known_as(&self.database.about().await?).await;
                Open::begin(self, session, RunKind::Restore, source, Vec::new()).await?
            }
        };
        report.run = Some(open.run.clone());
        let ending = if left.is_some() { Ending::Superseded } else { Ending::Done };
        let told = open.told()?;
        let exchanged = self.exchange(&mut open, &told, note, archive, ending, options).await;
        match exchanged {
            Ok(restored) => {
                report.state = format!(
                    "The database holds what the archive holds{}: {PROOF}.",
                    restored.not_back().exceptions()
                );
                report.restored = Some(restored);
                Box::pin(self.settled(open, &mut report, false)).await;
            }
            Err(error) => {
                report.failure = Some(Failure::of(&error));
                if left.is_some() {
                    Box::pin(self.not_superseded(open, &mut report)).await?;
                } else {
                    Box::pin(self.settled(open, &mut report, false)).await;
                }
            }
        }
        Ok(report.finished())
    }

    /// The run that was open before a restore that failed stays so, and its own backup is the way back again.
    async fn not_superseded(&self, mut open: Open<'_>, report: &mut Report) -> Result<()> {
        report.outcome = Outcome::NeedsPerson;
        report.hint = Some("`dbm recover` finishes that run or puts the database back".to_owned());
        report.state = format!("The restore failed; run {} is still open.", open.run);
        self.sound_again(&mut open).await?;
        if open.told()?.ending().is_some() {
            // It had taken its place, and only the connection broke that was to say so.
            (report.hint, report.state) = (None, String::new());
            Box::pin(self.settled(open, report, false)).await;
            return Ok(());
        }
        report.state = format!("The restore failed and changed nothing; run {} is still open.", open.run);
        if open.told()?.steps.last() != Some(&Step::GaveUp) {
            open.note(&Step::GaveUp).await?;
        }
        Ok(())
    }
}

const PROOF: &str = "counts and digests of all tables were read back and equal the archive's index";
