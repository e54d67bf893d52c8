use std::collections::BTreeMap;
use std::time::Instant;

use backup::archive::Archive;
use backup::dump::BackupOptions;
use backup::restore::{self, Replaced, RestoreOptions, Safeguard, Way};
use backup::{Error, ErrorKind, Result};
use database::{Counter, Database, Entry, FenceState, ObjectId, TableDigest};
use helpers::naming::BackupName;
use tokio_util::sync::CancellationToken;

use super::Runner;
use super::open::Open;
use super::report::{ArchiveReport, NotBack, Report, Restored, Unarchived};
use crate::engine;
use crate::history;
use crate::journal::{ArchiveNote, Ending, RunKind, Step, Told};
use crate::scratch;

/// The name of the archive that a journal names.
pub(super) fn name_of(note: &ArchiveNote) -> Result<BackupName> {
    note.name.parse().map_err(|error| {
        Error::new(ErrorKind::Refused, format!("`{}` is not an archive's name: {error}", note.name))
    })
}

impl Runner {
    /// Backs the database up; the dump has ended when this returns, so that none of its locks is in a migration's way.
    pub(super) async fn back_up(
        &self,
        open: &mut Open<'_>,
        fence: Option<&FenceState>,
        report: &mut Report,
    ) -> Result<()> {
        let taking = open.take("back-up", None, Some(&Step::BackUp)).await?;
        let options = BackupOptions {
            label: self.settings.label.clone(),
            level: self.settings.level,
            jobs: self.settings.jobs,
            properties_override: fence.and_then(FenceState::properties),
            unfinished: false,
            // The run that is open is this one, and has changed nothing yet.
            is_open: None,
            // A safe run has to bring everything back.
            secrets: true,
            rights: true,
            whole: true,
            pin: Some(pin_of(&open.run)),
            cancel: self.cancel.clone(),
            // All of it: nothing less is a way back.
            ..BackupOptions::default()
        };
        let written = backup::dump::create(&self.database, &*self.store, &options, &*self.progress).await;
        open.after(taking, written.as_ref().err());
        let written = written?;
        let archive = ArchiveNote {
            name: written.name.to_string(),
            identity: written.identity.to_string(),
            store: self.holders(&written.name).await,
        };
        for trouble in self.store.troubles() {
            self.watch
                .note(&format!("{} fails, and the run goes on without it: {}", trouble.store, trouble.what));
        }
        report.backup = Some(ArchiveReport {
            name: archive.name.clone(),
            identity: archive.identity.clone(),
            store: archive.store.clone(),
            bytes: Some(written.bytes),
            tables: written.tables,
            rows: written.rows,
            left_out: written.left_out.clone(),
            duration_ms: u64::try_from(written.duration.as_millis()).unwrap_or(u64::MAX),
        });
        for what in &written.left_out {
            self.watch.note(&format!("no part of the backup, so that a restore is without it: {what}"));
        }
        let taking =
            open.take("backed-up", Some(archive.name.clone()), Some(&Step::BackedUp { archive })).await?;
        open.after(taking, None);
        Ok(())
    }

    /// Where an archive is, for journals and reports: of several stores only those that have it.
    pub(super) async fn holders(&self, name: &BackupName) -> String {
        match self.store.holders(name).await.as_slice() {
            // None of them says so now, so that all are worth a look.
            [] => self.store.describe(),
            holders => holders.join(", "),
        }
    }

    /// Opens the archive that a journal names, and checks that it is the one.
    ///
    /// `host`: where the run that wrote the journal was begun, and its store is to be found.
    pub(crate) async fn open_archive(&self, note: &ArchiveNote, host: &str) -> Result<Archive> {
        let unreadable = |error: Error| {
            let message =
                format!("the archive {} in {} (host {host}) cannot be read from here", note.name, note.store);
            let hint = format!(
                "run `dbm recover` where {} can be read: on {host}, or with `--store` naming where it is now; if it is \
                 gone for good, put another in the database's place: `dbm backups`, `dbm restore OTHER`",
                note.name
            );
            Error::new(ErrorKind::Store, message).with_hint(hint).with_source(error)
        };
        let name = name_of(note)?;
        let opened = match self.store.source(&name).await {
            Ok(source) => Archive::open(source).await,
            Err(error) => Err(error),
        };
        let archive = opened.map_err(&unreadable)?;
        if archive.identity().to_string() != note.identity {
            let found = archive.identity();
            let error =
                Error::new(ErrorKind::Damaged, format!("its identity is {found} and not {}", note.identity));
            return Err(unreadable(error));
        }
        Ok(archive)
    }

    /// Restores an archive beside the database, proves it, and lets it take the database's place.
    pub(super) async fn put_in_place(
        &self,
        open: &mut Open<'_>,
        told: &Told,
        note: &ArchiveNote,
        ending: Ending,
    ) -> Result<Restored> {
        let archive = self.open_archive(note, &told.begun.host).await?;
        // A fence that went with the process that held it is raised again.
        if let Some(state) = told.fence() {
            open.fence_held = open.session()?.is_sealed();
            open.session()?.raise_fence(state).await?;
        }
        let options = self.way_back(&archive);
        // Nobody is asked any more, but it is said.
        let preflight = restore::preflight(&archive, &self.database, &options).await?;
        if let Some(attached) = preflight.left_behind() {
            self.watch.note(&attached.message);
        }
        self.exchange(open, told, note, &archive, ending, options).await
    }

    /// Fails where the backup that was just made could not be put back: better before the first change than after.
    pub(super) async fn check_way_back(&self, told: &Told) -> Result<()> {
        let Some(note) = told.backup() else { return Ok(()) };
        let archive = self.open_archive(note, &told.begun.host).await?;
        let detach_replication = self.settings.allowed.detach_replication;
        let options = RestoreOptions { detach_replication, ..self.way_back(&archive) };
        let preflight = restore::preflight(&archive, &self.database, &options).await?;
        preflight.check().map_err(|error| {
            let message =
                format!("nothing was run, because the backup could not be put back if it failed: {error}");
            let hint = error.hint().map(str::to_owned);
            let error = Error::new(error.kind(), message);
            match hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        })
    }

    /// How a run puts its own backup back. What hangs on the database was asked about before the first statement: by now
    /// there is no other way.
    fn way_back(&self, archive: &Archive) -> RestoreOptions {
        RestoreOptions {
            disconnect: true,
            detach_replication: true,
            from_source: Some(archive.index().source.clone()),
            // Putting back is not stopped half way: whoever must stop it kills, and recovers later.
            cancel: CancellationToken::new(),
            ..self.restore_options()
        }
    }

    pub(crate) fn restore_options(&self) -> RestoreOptions {
        RestoreOptions { jobs: self.settings.jobs, cancel: self.cancel.clone(), ..RestoreOptions::default() }
    }

    pub(super) async fn exchange(
        &self,
        open: &mut Open<'_>,
        told: &Told,
        note: &ArchiveNote,
        archive: &Archive,
        ending: Ending,
        options: RestoreOptions,
    ) -> Result<Restored> {
        let since = Instant::now();
        let was_sealed = told.fence().is_some() && open.fence_held && open.session()?.is_sealed();
        // What a killed attempt left behind is in nobody's way after this.
        for scratch in told.scratches() {
            scratch::discard(&self.database, scratch).await?;
        }
        if restore::way(&self.database).await? == Way::Beside {
            let beside = self.beside(open, told, note, archive, ending, options.clone(), (since, was_sealed));
            match Box::pin(beside).await {
                // Somebody has come in meanwhile whom this account may not end.
                Err(error)
                    if matches!(error.kind(), ErrorKind::Busy | ErrorKind::Permission)
                        && options.disconnect
                        && restore::way(&self.database).await? == Way::InPlace =>
                {
                    self.watch.note(&format!("{error}; so it is restored in place"));
                }
                done => return done,
            }
        }
        Box::pin(self.in_place(open, note, archive, ending, &options, (since, was_sealed))).await
    }

    /// Restores beside the database, proves it, and exchanges the two.
    #[expect(clippy::too_many_arguments, reason = "what an exchange has looked at already")]
    async fn beside(
        &self,
        open: &mut Open<'_>,
        told: &Told,
        note: &ArchiveNote,
        archive: &Archive,
        ending: Ending,
        mut options: RestoreOptions,
        (since, was_sealed): (Instant, bool),
    ) -> Result<Restored> {
        let scratch = restore::scratch_name(&self.database).await?;
        options.scratch = Some(scratch.clone());
        // Those that went with what the failed files dropped.
        options.rights_as_then = is_way_back(told, note);
        let step = Step::Restore { archive: note.clone(), scratch: Some(scratch) };
        let taking = open.take("restore", Some(note.name.clone()), Some(&step)).await?;
        let beside = restore::beside(archive, &self.database, &options, &*self.progress).await;
        open.after(taking, beside.as_ref().err());
        let beside = beside?;
        let remade = beside.remade().to_vec();
        let rights_as_then = options.rights_as_then;
        let step = Step::Exchange { remade: remade.clone() };
        let taking = open.take("swap", Some(beside.scratch_name().to_owned()), Some(&step)).await?;
        // The exchange itself publishes that the run is over, or that only a fence is still to be lifted.
        let end = if engine::fence_outlives_exchange(self.database.engine()) {
            Step::Restored { ending }
        } else {
            Step::End { ending }
        };
        let end = open.entry(&end)?;
        let mut publish = open.entries.clone();
        publish.push(end);
        // Behind a fence nobody else has drawn a number: what the failed files did to sequences goes with them.
        let others_drew = is_way_back(told, note) && !was_sealed && told.begun.kind != RunKind::Reset;
        let fenced = told.fence().is_some() && open.session()?.is_sealed();
        if others_drew {
            // Before the exchange, so that a kill right after it gives no number again. The run's own session is the one that
            // its fence lets through.
            let given = open.session()?.counters().await;
            self.carry_counters(given, beside.scratch_name()).await;
        }
        let swapped = beside.swap(&publish, options.disconnect).await;
        open.after(taking, swapped.as_ref().err());
        if let Err(error) = &swapped
            && matches!(
                error.kind(),
                ErrorKind::Busy | ErrorKind::LockTimeout | ErrorKind::Cancelled | ErrorKind::NoSpace
            )
        {
            // It was not let in: there was no exchange. Our own session may have been ended to make room for it.
            self.sound_again(open).await?;
            open.note(&Step::GaveUp).await?;
        }
        let replaced = swapped?;
        // Who slipped in during the exchange is known only now.
        let sealed = open.session.as_ref().is_some_and(|session| session.is_sealed());
        if others_drew && !(fenced && sealed) {
            // And those that were given since.
            let given = async { self.named(&replaced.name)?.session().await?.counters().await };
            self.carry_counters(given.await, &self.database.name()).await;
        }
        let over = open.entry(&Step::End { ending: Ending::Replaced })?;
        if engine::replaced_keeps_journal(self.database.engine())
            && let Err(error) = self.close_replaced(&over, told, &replaced).await
        {
            self.watch.note(&format!("the journal in {} is still open: {error}", replaced.name));
        }
        open.entries = publish;
        let sealed = was_sealed && sealed;
        if engine::swap_ends_sessions(self.database.engine()) {
            open.session = None;
        }
        let unarchived = if sealed { Vec::new() } else { self.unarchived(archive, &replaced).await };
        let not_granted =
            if rights_as_then { self.not_granted(archive).await } else { replaced.not_granted.clone() };
        let unguarded = replaced.unguarded.clone();
        Ok(Restored {
            archive: described(note, archive, since),
            replaced: Some(replaced),
            unarchived,
            remade,
            not_granted,
            unguarded,
        })
    }

    /// Sets the counters of a database to what was given, if they are behind: numbers that were given during the run are
    /// known to somebody, in rows that only the replaced database has.
    async fn carry_counters(&self, given: database::Result<Vec<Counter>>, to: &str) {
        let carry = async { self.named(to)?.session().await?.catch_up(&given?).await };
        self.carried(carry.await);
    }

    /// The database of that name at the same place.
    fn named(&self, name: &str) -> database::Result<Database> {
        Database::new(self.database.url().with_database(name))
    }

    /// Says which counters were set forward, or why none could be.
    fn carried(&self, carried: database::Result<Vec<String>>) {
        match carried {
            Ok(names) if names.is_empty() => {}
            Ok(names) => self.watch.note(&format!(
                "so that no number that was given during the run is given again, these counters go on from there: {}",
                names.join(", ")
            )),
            Err(error) => self.watch.note(&format!(
                "numbers that were given during the run may be given again: {error}"
            )),
        }
    }

    /// Ends the journal that went with the database which was replaced, and lifts its fence: whoever gives it its name
    /// back undoes the restore, and nothing is to be recovered there.
    async fn close_replaced(&self, over: &Entry, told: &Told, replaced: &Replaced) -> Result<()> {
        let mut session = self.named(&replaced.name)?.session().await?;
        session.append(over).await?;
        if let Some(state) = told.fence() {
            session.lift_fence(state).await?;
        }
        Ok(())
    }

    /// Where databases may not be created: in the database itself, after a verified backup of what is there now.
    async fn in_place(
        &self,
        open: &mut Open<'_>,
        note: &ArchiveNote,
        archive: &Archive,
        ending: Ending,
        options: &RestoreOptions,
        (since, sealed): (Instant, bool),
    ) -> Result<Restored> {
        let counters = open.session()?.counters().await?;
        let taking = open.take("back-up-first", None, None).await?;
        let guarded = async {
            let held = restore::hold_writers(&self.database, options).await?;
            let (kept, safeguard) = self.safeguard(&open.run, options).await?;
            Ok::<_, Error>((kept, safeguard.holding(held)))
        };
        let guarded = guarded.await;
        open.after(taking, guarded.as_ref().err());
        let (kept, safeguard) = guarded?;
        let unarchived = if sealed {
            Vec::new()
        } else {
            self.unarchived_in(archive, &kept).await.unwrap_or_else(|error| {
                self.watch.note(&format!("what differs in {kept} could not be read: {error}"));
                Vec::new()
            })
        };
        self.watch.note(&format!("what the restore replaces is kept as the backup {kept}"));
        let step = Step::Restore { archive: note.clone(), scratch: None };
        let taking = open.take("restore", Some(note.name.clone()), Some(&step)).await?;
        // Its commit publishes that it is done; a fence is still to be lifted after it.
        let restored = open.entry(&Step::Restored { ending })?;
        let mut publish = open.entries.clone();
        publish.push(restored);
        let done =
            restore::in_place(archive, &self.database, &safeguard, &publish, options, &*self.progress).await;
        open.after(taking, done.as_ref().err());
        let remade = done?;
        open.entries = publish;
        if is_way_back(&open.told()?, note) && !sealed {
            let carried = open.session()?.catch_up(&counters).await;
            self.carried(carried);
        }
        Ok(Restored {
            archive: described(note, archive, since),
            replaced: None,
            unarchived,
            remade,
            not_granted: Vec::new(),
            unguarded: None,
        })
    }

    /// What could not be given again to those who had it when the archive was made.
    async fn not_granted(&self, archive: &Archive) -> Vec<String> {
        restore::not_granted(archive, &self.database).await.unwrap_or_else(|error| {
            self.watch.note(&format!("whether all rights are given again could not be read: {error}"));
            Vec::new()
        })
    }

    /// What is not as it was in what a run has put in the database's place: told by journal and backup, for who has not
    /// done it and comes after it.
    pub(super) async fn not_back(&self, told: &Told, ending: Ending) -> Result<NotBack> {
        let mut not_back = NotBack::default();
        if ending != Ending::NothingChanged {
            not_back.remade = told.remade().to_vec();
        }
        if ending == Ending::PutBack
            && let Some(note) = told.backup()
        {
            let archive = self.open_archive(note, &told.begun.host).await?;
            not_back.left_out.clone_from(&archive.index().left_out);
            not_back.not_granted = self.not_granted(&archive).await;
        }
        Ok(not_back)
    }

    async fn safeguard(&self, run: &str, options: &RestoreOptions) -> Result<(BackupName, Safeguard)> {
        let backup = BackupOptions {
            level: self.settings.level,
            jobs: self.settings.jobs,
            // Whatever is there now, it is not what an operator asks for as the latest good state.
            unfinished: true,
            secrets: true,
            whole: true,
            pin: Some(format!("replaced by run {run}")),
            cancel: options.cancel.clone(),
            ..BackupOptions::default()
        };
        let written = backup::dump::create(&self.database, &*self.store, &backup, &*self.progress).await?;
        let safeguard =
            Safeguard::verify(&written, &*self.store, &self.database, &*self.progress, &options.cancel)
                .await?;
        Ok((written.name, safeguard))
    }

    /// The tables of the replaced database whose rows are not those of the archive, told by their digests: an update
    /// leaves the count as it is. Saying so is a service: it fails nothing.
    async fn unarchived(&self, archive: &Archive, replaced: &Replaced) -> Vec<Unarchived> {
        self.differing_from(archive, replaced).await.unwrap_or_else(|error| {
            self.watch.note(&format!("the rows of {} could not be compared: {error}", replaced.name));
            Vec::new()
        })
    }

    /// The same, where it has to be known.
    pub(super) async fn differing_from(
        &self,
        archive: &Archive,
        replaced: &Replaced,
    ) -> Result<Vec<Unarchived>> {
        self.progress.phase("reading what was replaced", None);
        let database = self.named(&replaced.name)?;
        Ok(differing(archive, &database.digests().await?))
    }

    /// The same where what is replaced is kept as a backup.
    async fn unarchived_in(&self, archive: &Archive, kept: &BackupName) -> Result<Vec<Unarchived>> {
        let kept = Archive::open(self.store.source(kept).await?).await?;
        let digests = kept.index().tables.iter().map(|table| (table.id.clone(), table.digest)).collect();
        Ok(differing(archive, &digests))
    }

    /// The run is over, so its backup may be pruned like any other.
    pub(super) async fn unpin(&self, run: &str, note: &ArchiveNote) {
        let Ok(name) = note.name.parse::<BackupName>() else { return };
        let Ok(Some(mut sidecar)) = self.store.read_sidecar(&name).await else { return };
        if sidecar.pin.as_deref() == Some(&pin_of(run)) {
            sidecar.pin = None;
            if let Err(error) = self.store.write_sidecar(&name, &sidecar).await {
                self.watch.note(&format!("the backup {} stays pinned: {error}", note.name));
            }
        }
    }
}

/// Whether it is the run's own backup that is restored, and not one that somebody has asked for.
fn is_way_back(told: &Told, note: &ArchiveNote) -> bool {
    told.backup().is_some_and(|backup| backup.identity == note.identity)
}

/// The tables whose rows are not the archive's. One that is not there has been dropped or renamed by the migration.
fn differing(archive: &Archive, digests: &BTreeMap<ObjectId, TableDigest>) -> Vec<Unarchived> {
    let archived: BTreeMap<&ObjectId, TableDigest> =
        archive.index().tables.iter().map(|table| (&table.id, table.digest)).collect();
    let differs = digests.iter().filter_map(|(id, now)| {
        let then = archived.get(id).copied().unwrap_or_default();
        let own = id.name == history::TABLE;
        (then != *now && !own).then(|| Unarchived {
            table: id.clone(),
            archived: then.rows,
            replaced: now.rows,
        })
    });
    differs.collect()
}

/// The archive that was restored, and how long that took.
pub(super) fn described(note: &ArchiveNote, archive: &Archive, since: Instant) -> ArchiveReport {
    ArchiveReport {
        name: note.name.clone(),
        identity: note.identity.clone(),
        store: note.store.clone(),
        bytes: Some(archive.bytes()),
        tables: archive.index().tables.len() as u64,
        rows: archive.index().rows(),
        left_out: archive.index().left_out.clone(),
        duration_ms: u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

/// Why a run's backup is pinned. A pin of any other reason is a person's.
fn pin_of(run: &str) -> String {
    format!("run {run}")
}
