//! Whether a rollback has undone what it took back.

use std::pin::Pin;

use backup::{Error, ErrorKind, Result};

use super::Runner;
use super::report::{Became, Compared, Report};
use crate::compare::{Difference, What};
use crate::files::{Migration, Repeat};
use crate::history::{Before, Fingerprint, Records, is_code};
use crate::scratch::{self, Scratch};

/// A future whose type does not hold that of the run, which holds this one.
type Comparing<'r> = Pin<Box<dyn Future<Output = Result<Vec<Difference>>> + Send + 'r>>;

/// What a rollback takes back, and what is known of the schema before it.
pub(super) struct TakenBack<'w> {
    pub(super) files: &'w [Migration],
    pub(super) numbers: Vec<u64>,
    pub(super) before: Before,
    /// The schema before the rollback.
    pub(super) applied: Option<Fingerprint>,
}

impl Runner {
    /// Says in the report how the schema after a rollback differs from what it was before what was taken back. Where that
    /// was not seen, it is what the migrations make that stay.
    pub(super) async fn compare_undone(
        &self,
        report: &mut Report,
        back: &TakenBack<'_>,
        now: Option<&Fingerprint>,
        records: &Records,
    ) {
        let ran = report.migrations.iter().any(|one| one.became == Became::RolledBack);
        let unseen = match (&back.before, now) {
            (Before::Kept(before), Some(now)) => {
                let mut differences = before.differences(now, What::Everything);
                let all = differences.len();
                if records.repeated.iter().any(|row| row.kind == Repeat::Repeatable) {
                    differences.retain(|one| !is_code(one.object.kind));
                }
                let compared = if differences.len() < all { Compared::WithoutCode } else { Compared::Done };
                report.compared = ran.then_some(compared);
                report.not_undone = differences.iter().map(Difference::line).collect();
                return;
            }
            _ if !ran => return,
            (Before::WithinRun, _) => Compared::WithinRun,
            (Before::Kept(_) | Before::NotKept, _) => Compared::NotKept,
        };
        match self.compare_replayed(back, now).await {
            Ok(differences) => {
                report.compared = Some(Compared::Replayed);
                report.not_undone = differences.iter().map(Difference::line).collect();
            }
            Err(error) => {
                report.compared = Some(unseen);
                report.uncompared = Some(error.to_string());
            }
        }
    }

    fn compare_replayed<'r>(
        &'r self,
        back: &'r TakenBack<'_>,
        now: Option<&'r Fingerprint>,
    ) -> Comparing<'r> {
        Box::pin(async move {
            let scratch = Scratch::new(&self.database).await?;
            let replaying = Box::pin(scratch::left_by_rollback(
                &self.database,
                &scratch,
                back.files,
                &back.numbers,
                &self.settings,
                &self.variables,
            ));
            let found = tokio::select! {
                found = replaying => found,
                () = self.cancel.cancelled() => Err(Error::new(ErrorKind::Cancelled, "stopped on request")),
            };
            scratch.discard().await?;
            let mut left = found?;
            // What it has changed beyond what it was to take back counts, and what differed before it does not.
            let changed = match (&back.applied, now) {
                (Some(applied), Some(now)) => applied.differences(now, What::Definitions),
                _ => Vec::new(),
            };
            left.differences.retain(|one| {
                left.made.contains(&one.object) || changed.iter().any(|other| other.object == one.object)
            });
            Ok(left.differences)
        })
    }
}
