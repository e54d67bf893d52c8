//! A database made anew from migrations and seeds.

use std::sync::Arc;

use backup::archive::Archive;
use backup::dump::BackupOptions;
use backup::restore::{self, RestoreOptions};
use backup::store::{LocalStore, Store};
use backup::verify::verify;
use backup::{Error, ErrorKind, Result};
use database::{Database, Session};

use super::archives::name_of;
use super::go::unlock;
use super::lock::Locked;
use super::open::Open;
use super::report::{Failure, Outcome, Report};
use super::{Runner, Watch};
use crate::engine;
use crate::files::{Migration, RepeatedFile};
use crate::journal::{ArchiveNote, Ending, RunKind, Step, Told};
use crate::plan::{MigrateOptions, to_migrate};
use crate::scratch::{Place, Scratch};

/// What a database is made anew from.
#[derive(Clone, Copy)]
pub struct Anew<'a> {
    /// The migrations, all of which are run.
    pub migrations: &'a [Migration],
    /// What runs after them.
    pub repeatables: &'a [RepeatedFile],
    /// The seeds.
    pub seeds: &'a [RepeatedFile],
    /// The database beside which the new one is made first, instead of the target.
    pub beside: Option<&'a Database>,
}

impl Anew<'_> {
    fn options(&self) -> MigrateOptions {
        MigrateOptions { repeatables: self.repeatables.to_vec(), ..MigrateOptions::default() }
    }

    /// All that is run.
    fn texts(&self) -> Vec<&str> {
        let repeated = self.repeatables.iter().chain(self.seeds).map(|file| file.source.text.as_str());
        self.migrations.iter().map(|file| file.source.text.as_str()).chain(repeated).collect()
    }
}

/// Who looks on hears what migrations and seeds have to say; the steps are those of the run that they are a part of.
struct Within(Arc<dyn Watch>);

impl Watch for Within {
    fn note(&self, message: &str) {
        self.0.note(message);
    }

    fn password(&self, migration: &str, variable: &str, password: &str) {
        self.0.password(migration, variable, password);
    }
}

impl Runner {
    /// Backs the database up, makes another beside it by migrations and seeds, and lets that take its place. One run with a
    /// journal: whenever it fails or is killed, the database is the old one or the new one.
    ///
    /// The caller has made sure that it is a database for development.
    ///
    /// # Errors
    /// Why nothing was begun; the database is untouched. What was begun is in the report.
    pub async fn reset(&self, anew: Anew<'_>) -> Result<Report> {
        self.is_made_by_its_owner(anew.beside).await?;
        let mut report = Report::new(RunKind::Reset, self.database.name());
        let Some(Locked { session, .. }) = Box::pin(self.recovered(&mut report)).await? else {
            return Ok(report.finished());
        };
        if anew.migrations.is_empty() {
            let what =
                "there is no migration to make the database from, and nothing but it would be left of none";
            return Err(Error::new(ErrorKind::Refused, what)
                .with_hint("say where they are: --migrations FOLDER; or write the first: `dbm new NAME`"));
        }
        // What cannot be planned is not begun.
        let options = anew.options();
        let selection = to_migrate(anew.migrations, &[], &options)?.with_repeatables(&options, &[]);
        let plan = self.prepare(selection)?;
        plan.check_reach(&self.settings.allowed)?;
        let about = self.database.about().await?;
        let source = self.database.ensure_source_id().await?;
        let mut open = Open::begin(self, session, RunKind::Reset, source, Vec::new()).await?;
        report.run = Some(open.run.clone());
        if let Err(failure) = Box::pin(self.anew(&mut open, anew, &mut report)).await {
            report.failure = Some(*failure);
        }
        let run = open.run.clone();
        let session = Box::pin(self.settle(open, &mut report, false)).await;
        if report.outcome == Outcome::Done {
            self.let_go(&mut report).await;
            self.keep_schema_of(&run, session, &about.server_version).await;
        } else {
            // What ran elsewhere is no part of the database.
            report.migrations.clear();
            report.checks = 0;
        }
        Ok(report.finished())
    }

    /// Refuses where the new database would belong to somebody else.
    async fn is_made_by_its_owner(&self, beside: Option<&Database>) -> Result<()> {
        let Some(beside) = beside.filter(|beside| engine::has_owners(beside.engine())) else { return Ok(()) };
        let (own, other) = (self.database.about().await?.account, beside.about().await?.account);
        if own == other {
            return Ok(());
        }
        let what = format!("what {other} makes beside would belong to {other}, and the database is {own}'s");
        Err(Error::new(ErrorKind::Refused, what).with_hint(format!(
            "give an account of the same name there, --scratch-url postgres://{own}@…, or leave --scratch-url out"
        )))
    }

    /// Keeps the schema, unless somebody else's run has come between: the exchange may have ended the session with the lock.
    async fn keep_schema_of(&self, run: &str, session: Option<Box<dyn Session>>, server: &str) {
        let Some(mut session) = (match session {
            Some(session) => Some(session),
            None => Box::pin(self.locked_session()).await.ok(),
        }) else {
            return;
        };
        let entries = session.entries().await.unwrap_or_default();
        if entries.first().is_some_and(|first| first.run == run)
            && let Some(now) = self.fingerprint().await
        {
            self.keep_schema(&mut *session, server, &now).await;
        }
        unlock(session).await;
    }

    async fn anew(
        &self,
        open: &mut Open<'_>,
        anew: Anew<'_>,
        report: &mut Report,
    ) -> std::result::Result<(), Box<Failure>> {
        let plain = |error: Error| Box::new(Failure::of(&error));
        self.back_up(open, None, report).await.map_err(plain)?;
        let old = self.read_back(&open.told().map_err(plain)?).await.map_err(plain)?;
        let on = anew.beside.unwrap_or(&self.database);
        let place = Place::beside(on).await.map_err(plain)?;
        let here = anew.beside.is_none() && !engine::is_file(self.database.engine());
        let scratch = here.then(|| place.name.clone());
        let step = Step::Build { scratch, folder: place.folder.path().to_owned() };
        let taking = open.take("build", None, Some(&step)).await.map_err(plain)?;
        let scratch = Scratch::at(on, place).await;
        let scratch = match scratch {
            Ok(scratch) => scratch,
            Err(error) => {
                open.after(taking, Some(&error));
                return Err(plain(error));
            }
        };
        let built = self.build(&scratch, anew, &old, report).await;
        let error =
            built.as_ref().err().map(|failure| Error::new(ErrorKind::Statement, failure.message.clone()));
        open.after(taking, error.as_ref());
        let exchanged = match built {
            Ok((note, archive)) => {
                self.exchange_for(open, &note, &archive, &old, report).await.map_err(plain)
            }
            Err(failure) => Err(failure),
        };
        // The archive lies in its folder, and is of no use any more.
        let discarded = scratch.discard().await;
        exchanged?;
        discarded.map_err(plain)
    }

    /// The backup of what is there, once every byte of it has been read again, which is noted beside it.
    async fn read_back(&self, told: &Told) -> Result<Archive> {
        let note = told.backup().ok_or_else(|| Error::new(ErrorKind::Internal, "the run has no backup"))?;
        let archive = self.open_archive(note, &told.begun.host).await?;
        let options = RestoreOptions { cancel: self.cancel.clone(), ..RestoreOptions::default() };
        let verified = verify(&*self.store, &name_of(note)?, None, &options, &*self.progress).await?;
        if let Some(error) = verified.not_noted {
            self.watch.note(&format!("that the backup was checked could not be noted beside it: {error}"));
        }
        Ok(archive)
    }

    /// Runs migrations and seeds in the scratch database, and archives what they make.
    async fn build(
        &self,
        scratch: &Scratch,
        anew: Anew<'_>,
        old: &Archive,
        report: &mut Report,
    ) -> std::result::Result<(ArchiveNote, Archive), Box<Failure>> {
        let plain = |error: Error| Box::new(Failure::of(&error));
        let runner = || {
            let mut runner = scratch
                .runner(&self.settings, Arc::clone(&self.variables))
                .with_watch(Arc::new(Within(Arc::clone(&self.watch))))
                .with_cancel(self.cancel.clone());
            runner.settings.allowed.server_wide = self.settings.allowed.server_wide;
            runner
        };
        let texts = anew.texts();
        engine::begin_like(&self.database, scratch.database(), &texts).await.map_err(plain)?;
        for seeding in [false, true] {
            let run = match seeding {
                false => Box::pin(runner().migrate(anew.migrations, &anew.options())).await,
                true => Box::pin(runner().seed(anew.seeds, false)).await,
            };
            let run = run.map_err(plain)?;
            if let Some(error) = scratch.too_few_rights(&run) {
                return Err(plain(error));
            }
            if run.outcome != Outcome::Done {
                let failure =
                    run.failure.unwrap_or_else(|| Failure::of(&Error::new(ErrorKind::Statement, run.state)));
                return Err(Box::new(failure));
            }
            report.migrations.extend(run.migrations);
            report.checks += run.checks;
        }
        engine::be_like(&self.database, scratch.database(), &texts).await.map_err(plain)?;
        let store = LocalStore::new(scratch.folder().join("new"));
        // What belongs to the database and to nothing in it stays what it is.
        let properties = old.index().properties.clone();
        let options = BackupOptions {
            jobs: self.settings.jobs,
            secrets: true,
            whole: true,
            properties_override: engine::has_properties(self.database.engine()).then_some(properties),
            cancel: self.cancel.clone(),
            ..BackupOptions::default()
        };
        let archive = async {
            let made = scratch.as_made()?;
            let written = backup::dump::create(&made, &store, &options, &*self.progress).await?;
            let archive = Archive::open(store.source(&written.name).await?).await?;
            let note = ArchiveNote {
                name: written.name.to_string(),
                identity: written.identity.to_string(),
                store: store.describe(),
            };
            Ok((note, archive))
        };
        archive.await.map_err(plain)
    }

    /// Lets the archive of the new database take the place of the old one.
    async fn exchange_for(
        &self,
        open: &mut Open<'_>,
        note: &ArchiveNote,
        archive: &Archive,
        old: &Archive,
        report: &mut Report,
    ) -> Result<()> {
        let options = RestoreOptions {
            disconnect: true,
            from_source: Some(archive.index().source.clone()),
            // The account that has made it there is gone.
            no_owner: engine::scratch_has_account(self.database.engine()),
            detach_replication: self.settings.allowed.detach_replication,
            ..self.restore_options()
        };
        // It is of our own making: what restoring another's means needs no warning.
        restore::preflight(archive, &self.database, &options).await?.check()?;
        open.note(&Step::Built { archive: note.clone() }).await?;
        let told = open.told()?;
        let mut restored = self.exchange(open, &told, note, archive, Ending::Done, options).await?;
        // Not what the new one has, but what the backup has: others may have written since it was made. In place there is a
        // backup of the last moment.
        restored.unarchived = match &restored.replaced {
            Some(replaced) => self.differing_from(old, replaced).await?,
            None => Vec::new(),
        };
        report.restored = Some(restored);
        Ok(())
    }

    /// What was replaced is in the backup, which was read back; unless others have written since.
    async fn let_go(&self, report: &mut Report) {
        let backup = report.backup.as_ref().map_or("", |backup| &backup.name);
        if report.restored.as_ref().is_some_and(|restored| !restored.unarchived.is_empty()) {
            report.state = format!(
                "The database is what migrations and seeds make. Others wrote after the backup {backup} was made: what they wrote is in \
                 what was replaced, which is kept."
            );
            return;
        }
        let restored = report.restored.take();
        for right in restored.iter().flat_map(|restored| &restored.not_granted) {
            self.watch.note(&format!("the server did not let us give this right again: {right}"));
        }
        let replaced = restored.and_then(|restored| restored.replaced);
        report.state =
            format!("The database is what migrations and seeds make; what it was is in the backup {backup}.");
        if let Some(replaced) = replaced
            && let Err(error) = restore::let_go(&self.database, &replaced.name).await
        {
            self.watch.note(&format!("what was replaced is still kept as {}: {error}", replaced.name));
        }
    }
}
