use std::collections::BTreeSet;

use backup::{Error, ErrorKind, Result};
use database::{Kind, ObjectId, Schema, Session};

use super::Runner;
use super::touched::Where;
use crate::compare::{Difference, What};
use crate::engine;
use crate::history::{self, Change, Fingerprint, Reader, Records};
use crate::placeholders::Filler;
use crate::plan::Plan;

/// The schema as the runs before have left it.
pub(super) struct Left {
    schema: Fingerprint,
    /// Whether it is in the words of this server: otherwise only what is new or gone is known.
    whole: bool,
}

impl Left {
    /// What is to be kept after a run: of what was changed by hand, only what the run has touched or was allowed to is taken
    /// as it is.
    pub(super) fn after(
        &self,
        before: &Fingerprint,
        now: Fingerprint,
        allowed: &BTreeSet<ObjectId>,
    ) -> Fingerprint {
        self.schema.after(before, now, allowed)
    }

    /// What was changed by hand since, where all of it is known.
    pub(super) fn by_hand(&self, now: &Fingerprint) -> Option<BTreeSet<ObjectId>> {
        let changed = self.schema.differences(now, What::Definitions).into_iter().map(|one| one.object);
        self.whole.then(|| changed.collect())
    }
}

/// Of so many objects the names are told.
const NAMED: usize = 5;

impl Runner {
    /// The schema as it is now, as far as it takes to tell whether another one is the same.
    pub(super) async fn fingerprint(&self) -> Option<Fingerprint> {
        self.schema().await.map(|schema| Fingerprint::of(self.database.engine(), &schema))
    }

    /// All of it.
    pub(super) async fn schema(&self) -> Option<Schema> {
        match self.database.schema().await {
            Ok(schema) => Some(schema),
            Err(error) => {
                self.watch.note(&format!(
                    "the schema could not be read, so that neither rollbacks nor changes by hand are compared: {error}"
                ));
                None
            }
        }
    }

    /// The schema as the runs before have left it; none where there are none, or it was not kept.
    ///
    /// What differs from it was changed by hand. Nothing is run to know that: to run all that is applied once more, in a
    /// scratch database, takes rights and time, and may reach what nobody wants reached at every release.
    pub(super) async fn left(
        &self,
        session: &mut dyn Session,
        records: &Records,
        server: &str,
        now: &Fingerprint,
    ) -> Result<Option<Left>> {
        if records.applied.is_empty() && records.repeated.is_empty() {
            return Ok(None);
        }
        let last = history::last(session, records, self.reader(server)).await?;
        Ok(last.map(|(schema, whole)| Left {
            schema: if whole { schema } else { schema.in_words_of(now) },
            whole,
        }))
    }

    /// Refuses where what is to be run touches what was changed by hand. Where that is allowed, says what it is and gives it
    /// back: it alone is known from then on.
    pub(super) async fn not_drifted(
        &self,
        session: &mut dyn Session,
        records: &Records,
        plan: &Plan,
        left: Option<&Left>,
        now: &Fingerprint,
    ) -> Result<BTreeSet<ObjectId>> {
        let is_allowed = self.settings.allowed.drift;
        if records.applied.is_empty() && records.repeated.is_empty() {
            return Ok(BTreeSet::new());
        }
        let Some(left) = left else {
            if !is_allowed {
                self.watch.note(
                    "what was changed by hand is not looked for: the schema after the last run was not kept, or by another dbm; \
                     what is there is taken as it is, and `dbm drift` compares it with what the migrations make",
                );
            }
            return Ok(BTreeSet::new());
        };
        if !left.whole {
            self.watch.note(
                "of what was changed by hand only what is new or gone is looked for: the schema after the last run was kept by \
                 another server, or before a restore; `dbm drift` compares all of it with what the migrations make",
            );
        }
        let touched = self.touched(session, left, now, &plan.texts()).await?;
        if touched.is_empty() {
            return Ok(BTreeSet::new());
        }
        let mut lines: Vec<String> = touched.iter().map(Difference::line).collect();
        if is_allowed {
            self.watch.note(&format!(
                "what was changed by hand and is touched by this run is taken as it is from then on: {}",
                lines.join("; ")
            ));
            return Ok(touched.into_iter().map(|one| one.object).collect());
        }
        if let Some(more) = touched.len().checked_sub(NAMED).filter(|more| *more > 0) {
            lines.truncate(NAMED);
            lines.push(format!("and {more} more"));
        }
        let message = format!("what is pending touches what was changed by hand: {}", lines.join("; "));
        Err(Error::new(ErrorKind::Refused, message).with_hint(
            "see `dbm drift --sql`; take it back by hand, or say `--allow-drift` if the migrations fit what is there",
        ))
    }

    /// What was changed by hand, as far as texts touch it.
    async fn touched(
        &self,
        session: &mut dyn Session,
        left: &Left,
        now: &Fingerprint,
        texts: &[&str],
    ) -> Result<Vec<Difference>> {
        let mut differences = left.schema.differences(now, What::Definitions);
        // Whether a materialized view is filled says when it was refreshed, and not what it is.
        differences.retain(|one| one.object.kind != Kind::Refresh);
        if differences.is_empty() {
            return Ok(differences);
        }
        let home = engine::home_namespace(session).await?;
        let of = Where::new(self.database.engine(), &left.schema, now, home);
        Ok(of.touched(differences, texts))
    }

    /// What is to be kept of the schema once the history alone is changed. Who says that a file's work is done, or is not, says
    /// it of what the file touches, as it is there; whatever else was changed by hand stays changed by hand.
    pub(super) async fn after_mark(
        &self,
        session: &mut dyn Session,
        records: &Records,
        server: &str,
        changes: &[Change],
    ) -> Result<Option<Fingerprint>> {
        let Some(now) = self.fingerprint().await else { return Ok(None) };
        let Some(left) = self.left(session, records, server, &now).await? else {
            if !records.applied.is_empty() || !records.repeated.is_empty() {
                self.watch.note(
                    "the schema after the last run was not kept, or by another dbm: what is there is taken as it is, and `dbm drift` \
                     compares it with what the migrations make",
                );
            }
            return Ok(Some(now));
        };
        let mut filler = Filler::new(self.database.engine(), &self.settings.placeholders, &*self.variables);
        let texts = changes.iter().filter_map(Change::about).map(|(text, path)| {
            // Nothing is run, so that no value needs to be there.
            filler.fill(text, path).map_or_else(|_| text.to_owned(), |filled| filled.text)
        });
        let texts: Vec<String> = texts.collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let touched = self.touched(session, &left, &now, &texts).await?;
        if !touched.is_empty() {
            let lines: Vec<String> = touched.iter().map(Difference::line).collect();
            self.watch.note(&format!(
                "what was changed by hand and is what these files are about is taken as it is from then on: {}",
                lines.join("; ")
            ));
        }
        let allowed = touched.into_iter().map(|one| one.object).collect();
        Ok(Some(left.after(&now.clone(), now, &allowed)))
    }

    /// Keeps the schema that a run has left, in the session that holds the lock: nobody else's run is in between. It serves
    /// a later run, and fails nothing.
    pub(super) async fn keep_schema(&self, session: &mut dyn Session, server: &str, now: &Fingerprint) {
        let kept = async {
            session.begin(Some(self.settings.lock_timeout)).await?;
            let records = Records::read(session).await?;
            history::put_last(session, &records, self.reader(server), now).await?;
            Ok::<_, Error>(session.commit().await?)
        };
        if let Err(error) = kept.await {
            // The connection may be what failed.
            let _gone = session.rollback().await;
            self.watch.note(&format!("the schema after the run could not be kept: {error}"));
        }
    }

    fn reader<'r>(&'r self, server: &'r str) -> Reader<'r> {
        Reader { server, dbm: &self.settings.dbm }
    }
}
