use std::collections::BTreeSet;

use backup::{Error, ErrorKind, Result};
use database::{FenceState, Session};
use helpers::redact::Redactor;

use super::Runner;
use super::lock::Locked;
use super::open::Open;
use super::report::{Failure, Outcome, Report};
use super::undone::TakenBack;
use super::wanted::Wanted;
use crate::engine;
use crate::history::Fingerprint;
use crate::journal::{GroupNote, RunKind, Step};
use crate::plan::{Plan, WayBack};
use crate::scratch::Place;

impl Runner {
    /// The whole of a migration or a rollback.
    pub(super) async fn go(&self, wanted: Wanted<'_>) -> Result<Report> {
        let kind = wanted.kind();
        let mut report = Report::new(kind, self.database.name());
        let Some(mut locked) = Box::pin(self.recovered(&mut report)).await? else {
            return Ok(report.finished());
        };
        let records = locked.records().await?;
        let mut session = locked.session;
        let plan = self.prepare(wanted.select(&records)?)?;
        self.watch.plan(&plan);
        let mut settled = self.settings.allowed;
        if plan.way_back == WayBack::Restore
            && settled.is_undecided()
            && engine::is_unused(&mut *session).await?
        {
            self.watch.note("the database is empty: whoever writes to it is kept out during the run");
            settled.fence = true;
        }
        plan.check(&settled)?;
        if self.settings.rehearse.is_some() {
            plan.check_rehearsal()?;
        }
        if plan.is_empty() {
            report.state = match kind {
                RunKind::Rollback => "Nothing is applied that could be rolled back.".to_owned(),
                RunKind::Seed => {
                    "No seed has changed since it was run; `dbm seed --again` runs them all.".to_owned()
                }
                _ => "Nothing is pending.".to_owned(),
            };
            session.unlock().await?;
            return Ok(report.finished());
        }
        let about = self.database.about().await?;
        if !about.may_write {
            return Err(Error::new(
                ErrorKind::Permission,
                format!("the database {} cannot be written to from here", about.database),
            )
            .with_hint("use an account that may write, and not a standby or a read-only file"));
        }
        if !about.may_keep_history {
            let table = session.history_table();
            let mut hint = "make its namespace where it is missing, and GRANT USAGE, CREATE on it to the account (ALL on the \
                            table where it is there)"
                .to_owned();
            if !about.may_run {
                hint.push_str("; and GRANT CREATE ON DATABASE, for dbm's journal");
            }
            return Err(Error::new(
                ErrorKind::Permission,
                format!("{} may not keep the history of migrations, the table {table}", about.account),
            )
            .with_hint(hint));
        }
        if !about.publishes_all.is_empty() && records.applied.is_empty() {
            self.watch.note(&about.publishes_all_note());
        }
        let disposable = self.settings.allowed.disposable;
        let before = if disposable { None } else { self.fingerprint().await };
        let left = match &before {
            Some(before) => self.left(&mut *session, &records, &about.server_version, before).await?,
            None => None,
        };
        let allowed = match (&before, kind) {
            (Some(before), RunKind::Migrate) => {
                self.not_drifted(&mut *session, &records, &plan, left.as_ref(), before).await?
            }
            _ => BTreeSet::new(),
        };
        // Before the backup, so that the archive is of the database and not of its path.
        let source = self.database.ensure_source_id().await?;
        let numbered =
            plan.items().filter(|item| item.repeat.is_none()).map(|item| item.number).collect::<Vec<_>>();
        let mut back = None;
        if !disposable {
            let known = (before.as_ref(), left.as_ref());
            back = self.taken_back(&mut *session, wanted, &records, &numbered, known).await?;
        }
        let mut open = Open::begin(self, session, kind, source, notes(&plan)).await?;
        if kind == RunKind::Migrate && !numbered.is_empty() && !disposable {
            // It serves a later rollback, and fails nothing.
            open.before.clone_from(&before);
            open.applied.clone_from(&records.applied);
        } else if kind == RunKind::Rollback {
            // What a later run found had in it what is taken back.
            let first = records.applied.iter().position(|row| numbered.contains(&row.number));
            open.applied = records.applied[..first.unwrap_or(records.applied.len())].to_vec();
        }
        open.redactor = Redactor::new(plan.secrets.iter().map(String::as_str));
        report.run = Some(open.run.clone());
        let done = self.forward(&mut open, wanted, &plan, settled.fence, &mut report, back.as_mut()).await;
        if let Err(failure) = done {
            report.failure = Some(scrubbed(failure, &open.redactor));
        }
        // Whatever happened is judged by what stands in journal and database, as after a kill.
        let session = Box::pin(self.settle(open, &mut report, false)).await;
        if report.outcome == Outcome::Done && !disposable {
            let schema = self.schema().await;
            let now = schema.as_ref().map(|schema| Fingerprint::of(self.database.engine(), schema));
            let unseen = match back {
                Some(back) => {
                    Box::pin(self.compare_seen(&mut report, back, &records, (now.as_ref(), schema))).await
                }
                None => None,
            };
            if let (Some(now), Some(mut session)) = (now, session) {
                let kept = match (left, before) {
                    (Some(left), Some(before)) => left.after(&before, now, &allowed),
                    _ => now,
                };
                self.keep_schema(&mut *session, &about.server_version, &kept).await;
                unlock(session).await;
            }
            // Nobody waits for it: all is done and kept by now, and others may have the lock.
            if let Some(unseen) = unseen {
                self.compare_replayed(&mut report, &unseen).await;
            }
            if !report.not_undone.is_empty() && report.hint.is_none() {
                report.hint = Some(
                    "mend the rollbacks (`dbm check --rollbacks` tries them all on a scratch database), and what differs by hand"
                        .to_owned(),
                );
            }
        } else if let Some(session) = session {
            unlock(session).await;
        }
        Ok(report.finished())
    }

    /// The lock, once the run that somebody left open is over; none where that takes a person, which
    /// the report says.
    pub(super) async fn recovered(&self, report: &mut Report) -> Result<Option<Locked>> {
        let mut locked = self.locked().await?;
        let entries = locked.entries().await?;
        let (session, recovered) = Box::pin(self.recover_first(locked.session, entries)).await?;
        if let Some(recovered) = recovered {
            let stuck = recovered.outcome == Outcome::NeedsPerson;
            if stuck {
                report.outcome = Outcome::NeedsPerson;
                report.state = "A run that was interrupted is still open; nothing was begun.".to_owned();
                report.hint.clone_from(&recovered.hint);
            }
            report.recovered = Some(Box::new(recovered));
            if stuck {
                return Ok(None);
            }
        }
        Ok(Some(match session {
            Some(session) => {
                locked.session = session;
                locked
            }
            // What was read ahead went with the other one.
            None => self.locked().await?,
        }))
    }

    async fn forward(
        &self,
        open: &mut Open<'_>,
        wanted: Wanted<'_>,
        plan: &Plan,
        fenced: bool,
        report: &mut Report,
        back: Option<&mut TakenBack<'_>>,
    ) -> Result<(), Box<Failure>> {
        let plain = |error: Error| Box::new(Failure::of(&error));
        let mut fence = None;
        if plan.way_back == WayBack::Restore && fenced {
            fence = Some(self.raise_fence(open).await.map_err(plain)?);
            if self.settings.rehearse.is_some() {
                self.watch.note(
                    "the fence keeps writers out while the run is rehearsed, too; `--rehearse --dry-run` keeps out nobody",
                );
            }
        }
        if !self.settings.allowed.no_backup {
            self.back_up(open, fence.as_ref(), report).await.map_err(plain)?;
            if plan.way_back == WayBack::Restore {
                let told = open.told().map_err(plain)?;
                Box::pin(self.check_way_back(&told)).await.map_err(plain)?;
            }
        }
        if let (Some(how), Wanted::Migrate(migrations, options)) = (&self.settings.rehearse, wanted) {
            let told = open.told().map_err(plain)?;
            let place = Place::beside(how.beside.as_ref().unwrap_or(&self.database)).await.map_err(plain)?;
            let here = how.beside.is_none() && !engine::is_file(self.database.engine());
            let scratch = here.then(|| place.name.clone());
            let step = Step::Rehearse { scratch, folder: place.folder.path().to_owned() };
            let taking = open.take("rehearse", None, Some(&step)).await.map_err(plain)?;
            let rehearsed = self.rehearse_backup(&told, place, how, migrations, options).await;
            let refused = rehearsed.as_ref().ok().and_then(|rehearsal| rehearsal.refused(how.max_lock));
            let refusal =
                refused.as_ref().map(|failure| Error::new(ErrorKind::Refused, failure.message.clone()));
            open.after(taking, rehearsed.as_ref().err().or(refusal.as_ref()));
            let rehearsal = rehearsed.map_err(plain)?;
            report.rehearsal = Some(Box::new(rehearsal));
            if let Some(failure) = refused {
                return Err(failure);
            }
        }
        if let Some(back) = back {
            Box::pin(self.look_before(back)).await;
        }
        let last = plan.groups.len();
        for (place, group) in plan.groups.iter().enumerate() {
            self.going_on().map_err(plain)?;
            let counters = if group.transaction {
                open.session().map_err(plain)?.counters().await.map_err(|error| plain(error.into()))?
            } else {
                Vec::new()
            };
            let step = Step::Apply { group: group.number, counters };
            let labels: Vec<String> = group.items.iter().map(crate::plan::Item::label).collect();
            let name = format!("apply-{}", group.number);
            let taking = open.take(&name, Some(labels.join(", ")), Some(&step)).await.map_err(plain)?;
            let applied = self.apply(open, plan, group, place + 1 == last, report).await;
            let error = applied
                .as_ref()
                .err()
                .map(|failure| Error::new(ErrorKind::Statement, failure.message.clone()));
            open.after(taking, error.as_ref());
            applied?;
        }
        Ok(())
    }

    /// Passes unless the run was stopped on request.
    pub(super) fn going_on(&self) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "stopped on request"));
        }
        Ok(())
    }

    async fn raise_fence(&self, open: &mut Open<'_>) -> Result<FenceState> {
        let state = open.session()?.fence_state().await?;
        let taking = open.take("fence", None, Some(&Step::Fence { state: state.clone() })).await?;
        let raised = open.session()?.raise_fence(&state).await.map_err(Error::from);
        open.after(taking, raised.as_ref().err());
        raised.map(|()| state)
    }
}

/// Lets the lock go at the end of a run that is over; where that cannot be said any more, the server does with the session.
pub(super) async fn unlock(mut session: Box<dyn Session>) {
    let _gone = session.unlock().await;
}

fn notes(plan: &Plan) -> Vec<GroupNote> {
    let note = |group: &crate::plan::Group| GroupNote {
        number: group.number,
        transaction: group.transaction,
        migrations: group.items.iter().filter(|item| item.repeat.is_none()).map(|item| item.number).collect(),
    };
    plan.groups.iter().map(note).collect()
}

/// What the server says may repeat values: those of placeholders are taken out.
fn scrubbed(mut failure: Box<Failure>, redactor: &Redactor) -> Failure {
    failure.message = redactor.scrub(&failure.message);
    failure.hint = failure.hint.map(|hint| redactor.scrub(&hint));
    failure.causes = failure.causes.iter().map(|cause| redactor.scrub(cause)).collect();
    *failure
}
