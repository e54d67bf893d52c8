//! Whether a rollback has undone what it took back.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Instant;

use backup::{Error, ErrorKind, Result};
use database::{ObjectId, Schema, Session};

use super::blame::{Around, Found};
use super::drift::Left;
use super::report::{Became, Compared, Report};
use super::wanted::Wanted;
use super::{Event, Moment, Runner};
use crate::compare::{Difference, What};
use crate::engine;
use crate::files::{Migration, Repeat, label};
use crate::history::{self, Applied, Before, Fingerprint, Records, is_code};
use crate::scratch::{Replay, Scratch};

/// What a rollback takes back, and what is known of the schema before that.
pub(super) struct TakenBack<'w> {
    files: &'w [Migration],
    known: Before,
    /// What runs have changed since the earliest that is taken back began, where that is known.
    since: Option<BTreeSet<ObjectId>>,
    /// The schema just before the rollback, where nobody has seen the one that is to come back.
    before: Option<Schema>,
}

/// A rollback of which nobody has seen the schema that was to come back.
pub(super) struct Unseen<'w> {
    files: &'w [Migration],
    /// The history before it, and the numbers of those whose rollbacks were run.
    history: Vec<Applied>,
    gone: BTreeSet<u64>,
    /// Whether files without a number may make views, functions and triggers again.
    repeats: bool,
    around: Around,
}

/// A future whose type does not hold that of the run, which holds this one.
type Comparing<'r> = Pin<Box<dyn Future<Output = Result<Found>> + Send + 'r>>;

impl Runner {
    /// What a rollback takes back; none where it is another run.
    pub(super) async fn taken_back<'w>(
        &self,
        session: &mut dyn Session,
        wanted: Wanted<'w>,
        records: &Records,
        numbers: &[u64],
        (before, left): (Option<&Fingerprint>, Option<&Left>),
    ) -> Result<Option<TakenBack<'w>>> {
        let Wanted::Rollback(files, _) = wanted else { return Ok(None) };
        let known = history::before_of(session, &records.applied, numbers).await?;
        let since = match (&known, before, left.and_then(|left| left.by_hand(before?))) {
            (Before::WithinRun(Some(first)), Some(before), Some(by_hand)) => {
                let changed = first.differences(before, What::Definitions).into_iter().map(|one| one.object);
                Some(changed.filter(|object| !by_hand.contains(object)).collect())
            }
            _ => None,
        };
        Ok(Some(TakenBack { files, known, since, before: None }))
    }

    /// Reads the schema that the rollback finds, as late as can be: what others have changed until then is not its doing.
    pub(super) async fn look_before(&self, back: &mut TakenBack<'_>) {
        if !matches!(back.known, Before::Kept(_)) {
            back.before = engine::schema(&self.database).await.ok();
        }
    }

    /// Says in the report how the schema differs from what it was before what was taken back, where somebody has seen that;
    /// else gives what it takes to find out.
    pub(super) async fn compare_seen<'w>(
        &self,
        report: &mut Report,
        back: TakenBack<'w>,
        records: &Records,
        (now, schema): (Option<&Fingerprint>, Option<Schema>),
    ) -> Option<Unseen<'w>> {
        let ran = report.migrations.iter().filter(|one| one.became == Became::RolledBack);
        let gone: BTreeSet<u64> = ran.map(|one| one.number).collect();
        let repeats = records.repeated.iter().any(|row| row.kind == Repeat::Repeatable);
        let unseen = match (&back.known, now) {
            (Before::Kept(before), Some(now)) => {
                let mut differences = before.differences(now, What::Everything);
                let all = differences.len();
                if repeats {
                    differences.retain(|one| !is_code(one.object.kind));
                }
                let compared = if differences.len() < all { Compared::WithoutCode } else { Compared::Done };
                report.compared = (!gone.is_empty()).then_some(compared);
                report.not_undone = differences.iter().map(Difference::line).collect();
                return None;
            }
            (Before::WithinRun(_), _) => Compared::WithinRun,
            (Before::Kept(_) | Before::NotKept, _) => Compared::NotKept,
        };
        if gone.is_empty() {
            return None;
        }
        report.compared = Some(unseen);
        let mut after = schema;
        if let Some(schema) = &mut after
            && engine::forget_moments(&self.database, schema).await.is_err()
        {
            after = None;
        }
        let (Some(before), Some(after)) = (back.before, after) else {
            report.uncompared = Some("the schema could not be read".to_owned());
            return None;
        };
        let around = Around { engine: self.database.engine(), before, after, since: back.since };
        Some(Unseen { files: back.files, history: records.applied.clone(), gone, repeats, around })
    }

    /// Compares what a rollback has left with what the migrations that stay make in a scratch database. The rollback is
    /// over: whatever goes wrong here changes nothing of it.
    pub(super) async fn compare_replayed(&self, report: &mut Report, unseen: &Unseen<'_>) {
        let about = match unseen.history.len() - unseen.gone.len() {
            0 => "with an empty scratch database".to_owned(),
            1 => "with what 1 migration makes in a scratch database".to_owned(),
            stay => format!("with what {stay} migrations make in a scratch database"),
        };
        let since = Instant::now();
        let say = |moment, duration_ms, error| {
            let (run, about) = (report.run.clone().unwrap_or_default(), Some(about.clone()));
            self.watch.step(&Event { run, step: "compare".to_owned(), moment, about, duration_ms, error });
        };
        say(Moment::Before, None, None);
        let found = self.replayed(unseen).await;
        let took = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        say(Moment::After, Some(took), found.as_ref().err().map(ToString::to_string));
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                report.uncompared = Some(error.to_string());
                return;
            }
        };
        report.compared = Some(match (found.unknown.is_empty(), found.without_code) {
            (false, _) => Compared::ReplayedInPart,
            (true, true) => Compared::ReplayedWithoutCode,
            (true, false) => Compared::Replayed,
        });
        report.uncompared = found.doubt();
        report.not_undone = found.not_undone.into_iter().map(|line| line.text).collect();
    }

    fn replayed<'r>(&'r self, unseen: &'r Unseen<'_>) -> Comparing<'r> {
        Box::pin(async move {
            self.going_on()?;
            // Nobody has asked for it here, as whoever calls `dbm drift` has.
            let reached = engine::reaching(&mut *self.database.session().await?).await?;
            if !reached.is_empty() {
                let what = format!("what is run again could change others, through {}", reached.join(", "));
                return Err(Error::new(ErrorKind::Refused, what));
            }
            self.stay_here(unseen)?;
            let scratch = Scratch::new(&self.database).await?;
            let found = tokio::select! {
                found = self.replayed_in(&scratch, unseen) => found,
                () = self.cancel.cancelled() => Err(Error::new(ErrorKind::Cancelled, "stopped on request")),
            };
            if let Err(error) = scratch.discard().await {
                self.watch.note(&format!(
                    "the scratch database could not be removed, `dbm replaced` lists it: {error}"
                ));
            }
            found
        })
    }

    /// Refuses files that could change others by what they bring along and take away again.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] with the first of them.
    fn stay_here(&self, unseen: &Unseen<'_>) -> Result<()> {
        let engine = self.database.engine();
        for file in
            unseen.files.iter().filter(|file| unseen.history.iter().any(|row| row.number == file.number))
        {
            if let Some(word) = engine::reaching_word(engine, &file.source.text) {
                let what =
                    format!("{} could change others when it is run again: it says `{word}`", file.label());
                return Err(Error::new(ErrorKind::Refused, what));
            }
        }
        Ok(())
    }

    fn replayed_in<'r>(&'r self, scratch: &'r Scratch, unseen: &'r Unseen<'_>) -> Comparing<'r> {
        Box::pin(async move {
            let mut replay = Replay::new(scratch, unseen.files, &self.settings, &self.variables);
            let (gone, stay): (Vec<Applied>, Vec<Applied>) =
                unseen.history.iter().cloned().partition(|row| unseen.gone.contains(&row.number));
            replay.run(&stay, Vec::new()).await?;
            let expected = engine::schema(scratch.database()).await?;
            let around = &unseen.around;
            let off = around.off(&expected, What::Everything);
            if off.is_empty() {
                return Ok(Found::default());
            }
            let has_file = |row: &&Applied| unseen.files.iter().any(|file| file.number == row.number);
            let again = async {
                if let Some(row) = gone.iter().find(|row| !has_file(row)) {
                    let what = format!("the file of {} is not in the folder", label(row.number, &row.name));
                    return Err(Error::new(ErrorKind::Refused, what));
                }
                replay.run(&gone, Vec::new()).await?;
                engine::schema(scratch.database()).await
            };
            let mut found = match again.await {
                Ok(with) => around.blamed(&expected, &with, off),
                // What is made without them is known all the same.
                Err(error) => around.blamed_without(&expected, error),
            };
            if unseen.repeats {
                found.leave_out_code();
            }
            Ok(found)
        })
    }
}
